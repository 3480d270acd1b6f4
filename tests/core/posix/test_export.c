/* Guards against zeros of lost pages that are read through an export whose end
 * doesn't report them: because a page was lost before the export began, because
 * another call has reported it already, or because it has been recovered since.
 */
#include "scratch.h"

#define PAGES 40

static size_t page;

typedef struct subject {
    const char *path;
    mapped_region *region;
} subject;

static subject opened(const mapped_open_options *options)
{
    subject s = {.path = scratch_file("export", PAGES * page)};
    s.region = scratch_open(s.path, MAPPED_MODE_READ, options);
    return s;
}

static void cut(const subject *s, size_t pages)
{
    CHECK_INT(truncate(s->path, (off_t)(pages * page)), 0);
}

static void done(subject *s)
{
    CHECK_UINT(mapped_region_exports(s->region), 0);
    mapped_region_release(s->region);
    unlink(s->path);
}

static mapped_slice pages_of(const subject *s, size_t first, size_t count)
{
    mapped_slice part;
    if (mapped_slice_sub(mapped_region_slice(s->region), first * page,
                         count * page, &part, NULL) != MAPPED_OK)
        exit(1);
    return part;
}

static mapped_export begun(mapped_slice slice)
{
    mapped_export made;
    if (!CHECK_STATUS(mapped_export_begin(slice, &made, NULL), MAPPED_OK))
        exit(1);
    return made;
}

/* Reads a byte of the exported memory. */
static unsigned char byte_at(const mapped_export *made, size_t at)
{
    return ((const volatile unsigned char *)made->data)[at];
}

/* Loses a page in a checked access, which reports it at once. */
static void lose(const subject *s, size_t number)
{
    uint8_t byte;
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(s->region), number * page,
                               &byte, NULL),
                 MAPPED_FAULT);
}

/* Loses every `step`-th page from `first` on, and recovers them. */
static void lose_and_recover(const subject *s, size_t first, size_t step)
{
    cut(s, first);
    for (size_t i = first; i < PAGES; i += step)
        lose(s, i);
    cut(s, PAGES);
    CHECK_STATUS(mapped_region_recover(s->region, NULL), MAPPED_OK);
}

static mapped_status begin_status(mapped_slice slice, mapped_error *error)
{
    mapped_export made = {.since = 77};
    mapped_status status = mapped_export_begin(slice, &made, error);
    if (status == MAPPED_OK)
        return mapped_export_end(&made, NULL);
    CHECK(made.data == NULL);
    CHECK_UINT(made.since, 77);
    CHECK_UINT(mapped_region_exports(slice.region), 0);
    return status;
}

static void test_export_of_a_known_loss_is_refused(void)
{
    subject s = opened(NULL);
    mapped_error error = MAPPED_ERROR_INIT;
    cut(&s, 1);
    lose(&s, 2);
    CHECK_STATUS(begin_status(pages_of(&s, 1, 2), &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 2 * page);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_STATUS(begin_status(mapped_region_slice(s.region), NULL),
                 MAPPED_FAULT);
    done(&s);
}

static void test_export_of_intact_or_no_bytes_is_not(void)
{
    subject s = opened(NULL);
    cut(&s, 1);
    lose(&s, 2);
    CHECK_STATUS(begin_status(pages_of(&s, 0, 2), NULL), MAPPED_OK);
    CHECK_STATUS(begin_status(pages_of(&s, 3, 1), NULL), MAPPED_OK);
    CHECK_STATUS(begin_status(pages_of(&s, 2, 0), NULL), MAPPED_OK);
    done(&s);
}

static void test_export_of_what_is_gone_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice whole = mapped_region_slice(region);
    CHECK_STATUS(mapped_region_resize(region, 99, NULL), MAPPED_OK);
    CHECK_STATUS(begin_status(whole, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(begin_status(whole, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_export_keeps_from_closing(void)
{
    subject s = opened(NULL);
    mapped_export whole = begun(mapped_region_slice(s.region));
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_export_end(&whole, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
    done(&s);
}

static void test_export_tells_of_what_it_met(void)
{
    subject s = opened(NULL);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_export part = begun(pages_of(&s, 3, 4));
    cut(&s, 1);
    CHECK_INT(byte_at(&part, page), 0);
    CHECK_STATUS(mapped_export_end(&part, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 4 * page);
    CHECK_UINT(error.length, page);
    CHECK_INT(error.os_error, ENODATA);
    done(&s);
}

static void test_export_tells_though_others_were_told(void)
{
    subject s = opened(NULL);
    mapped_export first = begun(pages_of(&s, 1, 2));
    mapped_export second = begun(pages_of(&s, 1, 4));
    cut(&s, 1);
    CHECK_INT(byte_at(&first, 0), 0);
    lose(&s, 1);
    lose(&s, 9);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_export_end(&first, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_export_end(&second, NULL), MAPPED_FAULT);
    done(&s);
}

static void test_export_tells_nothing_of_other_pages(void)
{
    subject s = opened(NULL);
    mapped_export before = begun(pages_of(&s, 0, 2));
    mapped_export after = begun(pages_of(&s, 3, 2));
    cut(&s, 1);
    lose(&s, 2);
    CHECK_STATUS(mapped_export_end(&before, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&after, NULL), MAPPED_OK);
    done(&s);
}

static void test_export_tells_of_what_was_recovered(void)
{
    subject s = opened(NULL);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_export whole = begun(mapped_region_slice(s.region));
    mapped_export part = begun(pages_of(&s, 3, 1));
    lose_and_recover(&s, 4, 1);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&whole, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 4 * page);
    CHECK_UINT(error.length, (PAGES - 4) * page);
    CHECK_STATUS(mapped_export_end(&part, NULL), MAPPED_OK);
    done(&s);
}

static void test_export_begun_after_a_recovery_is_clean(void)
{
    subject s = opened(NULL);
    mapped_export old = begun(mapped_region_slice(s.region));
    lose_and_recover(&s, 4, 1);
    mapped_export young = begun(mapped_region_slice(s.region));
    CHECK_STATUS(mapped_export_end(&young, NULL), MAPPED_OK);
    young = begun(pages_of(&s, 4, 3));
    lose_and_recover(&s, 30, 1);
    CHECK_STATUS(mapped_export_end(&young, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&old, NULL), MAPPED_FAULT);
    done(&s);
}

/* There are more recoveries, of more ranges, than the region keeps apart. The
 * end of an export may then report a page that was not exported, but it must
 * report every page that was. */
static void test_export_remembers_however_much_is_recovered(void)
{
    subject s = opened(NULL);
    mapped_export last = begun(pages_of(&s, PAGES - 2, 1));
    mapped_export first = begun(pages_of(&s, 0, 1));
    lose_and_recover(&s, 2, 4);
    CHECK_STATUS(mapped_export_end(&last, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_export_end(&first, NULL), MAPPED_OK);
    mapped_export young = begun(mapped_region_slice(s.region));
    last = begun(pages_of(&s, PAGES - 1, 1));
    lose_and_recover(&s, PAGES - 1, 1);
    for (size_t i = 0; i < 20; i++)
        lose_and_recover(&s, 1 + i, PAGES);
    CHECK_STATUS(mapped_export_end(&last, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_export_end(&young, NULL), MAPPED_FAULT);
    young = begun(mapped_region_slice(s.region));
    CHECK_STATUS(mapped_export_end(&young, NULL), MAPPED_OK);
    done(&s);
}

static void test_export_counts_from_the_region(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.offset = page + 100;
    options.length = 3 * page;
    subject s = opened(&options);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_slice edge = mapped_region_slice(s.region);
    edge.offset = page - 100;
    edge.length = 10;
    mapped_export second = begun(edge);
    cut(&s, 2);
    CHECK_INT(byte_at(&second, 0), 0);
    cut(&s, PAGES);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&second, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, page - 100);
    CHECK_UINT(error.length, page);
    done(&s);
}

static void test_span_tells_of_what_was_recovered(void)
{
    subject s = opened(NULL);
    mapped_span span;
    uint32_t word = 77;
    CHECK_STATUS(mapped_span_begin(mapped_region_slice(s.region), &span, NULL),
                 MAPPED_OK);
    cut(&s, 4);
    CHECK(mapped_span_u32le(&span, page, &word));
    CHECK_UINT(word, 0);
    cut(&s, PAGES);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_FAULT);
    done(&s);
}

int main(void)
{
    page = scratch_page();
    RUN(test_export_of_a_known_loss_is_refused);
    RUN(test_export_of_intact_or_no_bytes_is_not);
    RUN(test_export_of_what_is_gone_is_refused);
    RUN(test_export_keeps_from_closing);
    RUN(test_export_tells_of_what_it_met);
    RUN(test_export_tells_though_others_were_told);
    RUN(test_export_tells_nothing_of_other_pages);
    RUN(test_export_tells_of_what_was_recovered);
    RUN(test_export_begun_after_a_recovery_is_clean);
    RUN(test_export_remembers_however_much_is_recovered);
    RUN(test_export_counts_from_the_region);
    RUN(test_span_tells_of_what_was_recovered);
    return check_finish();
}
