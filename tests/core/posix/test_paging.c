/* Guards against calls on pages that change bytes outside of their slice, that
 * touch other pages than the region's, or that don't report a lost page. */
#include "scratch.h"

#include "../memory.h"

#include <mapped/paging.h>

#include <errno.h>
#include <sys/syscall.h>

#define NAME "paging"
#define PAGES 8

static size_t size_of_file(void)
{
    return PAGES * scratch_page() + 100;
}

static mapped_region *open_file(mapped_mode mode)
{
    return scratch_open(scratch_file(NAME, size_of_file()), mode, NULL);
}

/* Checks that a byte of a slice is the file's, or that it is 0. */
static bool is_zero_from(mapped_region *region, size_t from, size_t to)
{
    bool same = true;
    for (size_t i = 0; i < mapped_region_length(region) && same; i++) {
        bool inside = i >= from && i < to;
        same = scratch_get(region, i) == (inside ? 0 : scratch_byte(i));
        if (!same)
            printf("    byte %zu is %d\n", i, scratch_get(region, i));
    }
    return same;
}

typedef mapped_status call(mapped_slice slice, mapped_error *error);

static mapped_status advise_cold(mapped_slice slice, mapped_error *error)
{
    return mapped_advise(slice, MAPPED_ADVICE_COLD, error);
}

static mapped_status fetch(mapped_slice slice, mapped_error *error)
{
    return mapped_prefetch(slice, 0, error);
}

static mapped_status fetch_later(mapped_slice slice, mapped_error *error)
{
    return mapped_prefetch(slice, MAPPED_PREFETCH_START, error);
}

static mapped_status look(mapped_slice slice, mapped_error *error)
{
    mapped_residency found;
    return mapped_residency_get(slice, &found, NULL, 0, error);
}

static mapped_status protect(mapped_slice slice, mapped_error *error)
{
    return mapped_protect(slice, MAPPED_MODE_READ, error);
}

static const struct {
    const char *name;
    call *run;
} calls[] = {{"advise", advise_cold},   {"discard", mapped_discard},
             {"revert", mapped_revert}, {"prefetch", fetch},
             {"prefetch", fetch_later}, {"residency", look},
             {"mlock", mapped_mlock},   {"munlock", mapped_munlock},
             {"protect", protect}};

#define CALLS (sizeof calls / sizeof calls[0])
#define PROTECT (CALLS - 1)

static void check_all(mapped_slice slice, mapped_status expected)
{
    for (size_t i = 0; i < CALLS; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        mapped_status status = calls[i].run(slice, &error);
        if (!CHECK_STATUS(status, expected) ||
            !CHECK_STATUS(error.status, expected))
            printf("    in %s\n", calls[i].name);
    }
}

static void test_paging_closed(void)
{
    mapped_region *region = open_file(MAPPED_MODE_COPY);
    mapped_slice slice = memory_slice(region, 10, 100);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check_all(slice, MAPPED_CLOSED);
    check_all((mapped_slice){0}, MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_paging_behind_the_end(void)
{
    mapped_region *region = open_file(MAPPED_MODE_READ_WRITE);
    mapped_slice slice = memory_slice(region, 4000, 1000);
    CHECK_STATUS(mapped_region_resize(region, 4500, NULL), MAPPED_OK);
    check_all(slice, MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_paging_device(void)
{
    mapped_open_options options = {.length = 100, .flags = MAPPED_OPEN_DEVICE};
    mapped_region *region =
        scratch_open("/dev/zero", MAPPED_MODE_READ_WRITE, &options);
    mapped_slice all = mapped_region_slice(region);
    for (size_t i = 0; i < PROTECT; i++)
        CHECK_STATUS(calls[i].run(all, NULL), MAPPED_UNSUPPORTED);
    mapped_region_release(region);
}

static void test_paging_wrapped(void)
{
    static char memory[100];
    mapped_region *region = memory_wrap(memory, sizeof memory, false);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_advise(all, MAPPED_ADVICE_NORMAL, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_prefetch(all, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_prefetch(all, MAPPED_PREFETCH_START, NULL), MAPPED_OK);
    CHECK_STATUS(look(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_mlock(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_munlock(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 0, 1, NULL), MAPPED_READONLY);
    memory[0] = 7;
    mapped_region_release(region);
}

static void test_paging_empty(void)
{
    mapped_region *region = open_file(MAPPED_MODE_COPY);
    mapped_slice none = memory_slice(region, 5, 0);
    mapped_residency found = {.page_size = 0, .pages = 7};
    for (size_t i = 0; i < PROTECT; i++)
        if (calls[i].run != mapped_discard)
            CHECK_STATUS(calls[i].run(none, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_residency_get(none, &found, NULL, 0, NULL), MAPPED_OK);
    CHECK_UINT(found.pages, 0);
    CHECK_UINT(found.page_size, scratch_page());
    mapped_region_release(region);
}

static void test_paging_unknown(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = open_file(MAPPED_MODE_READ);
    mapped_slice all = mapped_region_slice(region);
    mapped_advice advice = MAPPED_ADVICE_COLD;
    CHECK_STATUS(mapped_advise(all, (mapped_advice)8, &error), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_advise(all, (mapped_advice)-1, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_advice_parse("dontneed", 8, &advice, NULL),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_advice_parse("normal\0", 7, &advice, NULL),
                 MAPPED_ARGUMENT);
    CHECK_INT(advice, MAPPED_ADVICE_COLD);
    CHECK_STATUS(mapped_prefetch(all, 2, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_protect(all, MAPPED_MODE_COPY, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_revert(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ_WRITE, NULL),
                 MAPPED_READONLY);
    mapped_region_release(region);
}

static void test_paging_every_advice(void)
{
    mapped_region *regions[] = {open_file(MAPPED_MODE_READ_WRITE),
                                memory_region(size_of_file())};
    for (int i = 0; i <= MAPPED_ADVICE_NOHUGEPAGE; i++) {
        const char *text = mapped_advice_text((mapped_advice)i);
        mapped_advice advice = MAPPED_ADVICE_NORMAL;
        CHECK_STATUS(mapped_advice_parse(text, strlen(text), &advice, NULL),
                     MAPPED_OK);
        CHECK_INT(advice, i);
        for (int j = 0; j < 2; j++) {
            mapped_status status = mapped_advise(
                memory_slice(regions[j], 4000, 9000), advice, NULL);
            CHECK(status == MAPPED_OK || status == MAPPED_UNSUPPORTED);
        }
    }
    CHECK(is_zero_from(regions[0], 0, 0) && is_zero_from(regions[1], 0, 0));
    mapped_region_release(regions[0]);
    mapped_region_release(regions[1]);
}

/* Ranges that begin and end at pages, and within. */
static void check_discards(mapped_region *(*make)(void))
{
    const size_t page = scratch_page();
    const size_t ranges[][2] = {{0, size_of_file()},
                                {10, 20},
                                {10, 3 * page - 1},
                                {page, 2 * page},
                                {page - 1, 2 * page + 1},
                                {7 * page + 5, size_of_file()},
                                {0, page + 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        mapped_region *region = make();
        size_t from = ranges[i][0], to = ranges[i][1];
        CHECK_STATUS(
            mapped_discard(memory_slice(region, from, to - from), NULL),
            MAPPED_OK);
        CHECK(is_zero_from(region, from, to));
        mapped_region_release(region);
    }
}

static mapped_region *make_file(void)
{
    return open_file(MAPPED_MODE_READ_WRITE);
}

static mapped_region *make_memory(void)
{
    return memory_region(size_of_file());
}

static mapped_region *make_locked(void)
{
    mapped_region *region = make_memory();
    CHECK_STATUS(mapped_mlock(mapped_region_slice(region), NULL), MAPPED_OK);
    return region;
}

static mapped_region *make_shared(void)
{
    mapped_anonymous_options options = {.shared = true};
    mapped_region *region = NULL;
    if (!CHECK_STATUS(
            mapped_region_anonymous(size_of_file(), &options, &region, NULL),
            MAPPED_OK))
        exit(check_finish());
    for (size_t i = 0; i < size_of_file(); i++)
        region->base_[i] = scratch_byte(i);
    return region;
}

static void test_paging_discard(void)
{
    check_discards(make_file);
    check_discards(make_memory);
    check_discards(make_shared);
    check_discards(make_locked);
}

static void test_paging_discard_gives_back(void)
{
    mapped_residency found;
    mapped_region *file = make_file();
    mapped_region *memory = make_memory();
    CHECK_STATUS(mapped_discard(mapped_region_slice(file), NULL), MAPPED_OK);
    CHECK_INT(scratch_size(scratch_path(NAME)), (int64_t)size_of_file());
    CHECK(scratch_allocated(scratch_path(NAME)) <= (int64_t)scratch_page());
    CHECK_STATUS(mapped_discard(mapped_region_slice(memory), NULL), MAPPED_OK);
    CHECK_STATUS(mapped_residency_get(mapped_region_slice(memory), &found, NULL,
                                      0, NULL),
                 MAPPED_OK);
    CHECK_UINT(found.resident, 0);
    mapped_region_release(file);
    mapped_region_release(memory);
}

static void test_paging_discard_refused(void)
{
    mapped_region *region = open_file(MAPPED_MODE_COPY);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_revert(all, NULL), MAPPED_READONLY);
    CHECK(is_zero_from(region, 0, 0));
    mapped_region_release(region);
}

static void test_paging_revert(void)
{
    const size_t page = scratch_page();
    const size_t ranges[][2] = {
        {0, size_of_file()},      {10, 20},
        {page, 2 * page},         {10, 3 * page - 1},
        {page - 1, 7 * page + 1}, {7 * page + 5, size_of_file()}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        mapped_open_options options = {.offset = 3};
        size_t from = ranges[i][0], to = ranges[i][1];
        mapped_region *region =
            scratch_open(scratch_file(NAME, size_of_file() + 3),
                         MAPPED_MODE_COPY, i % 2 == 0 ? NULL : &options);
        size_t shift = i % 2 == 0 ? 0 : 3;
        CHECK_STATUS(mapped_fill(mapped_region_slice(region), 0, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_revert(memory_slice(region, from, to - from), NULL),
                     MAPPED_OK);
        for (size_t at = 0; at < size_of_file(); at++) {
            bool inside = at >= from && at < to;
            if (!CHECK_INT(scratch_get(region, at),
                           inside ? scratch_byte(at + shift) : 0))
                break;
        }
        mapped_region_release(region);
    }
}

static void test_paging_revert_of_a_replaced_file(void)
{
    mapped_region *region = open_file(MAPPED_MODE_COPY);
    unlink(scratch_path(NAME));
    scratch_file(NAME, size_of_file());
    CHECK_STATUS(mapped_revert(memory_slice(region, 5, 10), NULL),
                 MAPPED_STALE);
    CHECK_STATUS(mapped_revert(mapped_region_slice(region), NULL), MAPPED_OK);
    mapped_region_release(region);
}

/* In a page that the slice has a part of, bytes behind the end are zero. */
static void test_paging_revert_of_a_cut_file(void)
{
    mapped_region *region = open_file(MAPPED_MODE_COPY);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 7, NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_STATUS(mapped_revert(memory_slice(region, 5, 10), NULL), MAPPED_OK);
    CHECK_INT(scratch_get(region, 4), 7);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    CHECK_INT(scratch_get(region, 10), 0);
    CHECK_INT(scratch_get(region, 14), 0);
    CHECK_INT(scratch_get(region, 15), 7);
    mapped_region_release(region);
}

/* Takes the file's pages out of memory. */
static void drop_cache(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    CHECK(file >= 0 && fsync(file) == 0 &&
          posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(file);
}

static size_t resident(mapped_slice slice)
{
    mapped_residency found = {.resident = SIZE_MAX};
    CHECK_STATUS(mapped_residency_get(slice, &found, NULL, 0, NULL), MAPPED_OK);
    return found.resident;
}

#define LARGE ((size_t)9 << 20)

static void test_paging_prefetch(void)
{
    size_t done = 0;
    int steps = 0;
    const char *path = scratch_file(NAME, LARGE);
    drop_cache(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ, NULL);
    mapped_slice part = memory_slice(region, 5, LARGE - 10);
    while (done < part.length &&
           CHECK_STATUS(mapped_prefetch_next(part, &done, NULL), MAPPED_OK))
        steps++;
    CHECK_UINT(done, part.length);
    CHECK_INT(steps, 3);
    CHECK_STATUS(mapped_prefetch_next(part, &done, NULL), MAPPED_OK);
    CHECK_UINT(done, part.length);
    CHECK_UINT(resident(part), LARGE / scratch_page());
    mapped_region_release(region);
}

static void test_paging_prefetch_in_the_background(void)
{
    const char *path = scratch_file(NAME, LARGE);
    drop_cache(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ, NULL);
    mapped_slice part = memory_slice(region, 5, LARGE - 10);
    CHECK_STATUS(mapped_prefetch(part, MAPPED_PREFETCH_START, NULL), MAPPED_OK);
    for (int i = 0; i < 10000 && resident(part) < LARGE / scratch_page(); i++)
        scratch_pause();
    CHECK_UINT(resident(part), LARGE / scratch_page());
    for (int i = 0; i < 50; i++)
        CHECK_STATUS(mapped_prefetch(part, MAPPED_PREFETCH_START, NULL),
                     MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_paging_prefetch_of_a_lost_page(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = open_file(MAPPED_MODE_READ);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_STATUS(fetch(memory_slice(region, 5, 3), NULL), MAPPED_OK);
    CHECK_STATUS(fetch(mapped_region_slice(region), &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_UINT(error.offset, scratch_page());
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_FAULT);
    mapped_region_release(region);
}

static void test_paging_prefetch_without_guard(void)
{
    mapped_region *region = open_file(MAPPED_MODE_READ);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    mapped_guard_enable(false);
    CHECK_STATUS(mapped_prefetch(mapped_region_slice(region), 0, NULL),
                 MAPPED_FAULT);
    mapped_guard_enable(true);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    mapped_region_release(region);
}

/* The number of cachestat(2), which older headers don't know. */
static bool has_counts(void)
{
    return syscall(451, -1, NULL, NULL, 0) == 0 || errno != ENOSYS;
}

static void test_paging_residency_counts_dirty_pages(void)
{
    mapped_residency found;
    mapped_region *region = open_file(MAPPED_MODE_READ_WRITE);
    mapped_slice all = mapped_region_slice(region);
    int file = open(scratch_path(NAME), O_RDWR | O_CLOEXEC);
    CHECK_INT(fsync(file), 0);
    CHECK_STATUS(mapped_prefetch(all, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_residency_get(all, &found, NULL, 0, NULL), MAPPED_OK);
    CHECK_UINT(found.pages, PAGES + 1);
    CHECK_UINT(found.resident, PAGES + 1);
    if (!CHECK(found.counted || !has_counts()))
        return;
    if (!found.counted) {
        check_skip("the kernel doesn't count dirty pages");
    } else {
        CHECK_UINT(found.dirty, 0);
        CHECK_STATUS(mapped_set_u8(all, 5, 1, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_residency_get(all, &found, NULL, 0, NULL),
                     MAPPED_OK);
        CHECK(found.dirty > 0);
        CHECK_INT(fsync(file), 0);
        CHECK_STATUS(mapped_residency_get(all, &found, NULL, 0, NULL),
                     MAPPED_OK);
        CHECK_UINT(found.dirty + found.writeback, 0);
    }
    close(file);
    mapped_region_release(region);
}

/* In anonymous memory, where nobody else brings pages in. */
static void test_paging_residency_bits(void)
{
    const size_t page = scratch_page();
    const size_t touched[] = {1, 2, 9, 20};
    unsigned char bits[4] = {0xff, 0xff, 0xff, 0xff};
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_residency found = {.pages = 0};
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_anonymous(21 * page, NULL, &region, NULL),
                 MAPPED_OK);
    mapped_slice all = mapped_region_slice(region);
    for (size_t i = 0; i < 4; i++)
        CHECK_STATUS(mapped_set_u8(all, touched[i] * page, 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_residency_get(all, &found, bits, 2, &error),
                 MAPPED_SIZE);
    CHECK_UINT(error.length, 2);
    CHECK_UINT(error.limit, 3);
    CHECK_UINT(found.pages, 0);
    CHECK_STATUS(mapped_residency_get(all, &found, bits, 4, NULL), MAPPED_OK);
    CHECK_BYTES(bits, "\x06\x02\x10\xff", 4);
    CHECK_UINT(found.resident, 4);
    CHECK(!found.counted);
    mapped_slice part = memory_slice(region, page - 1, page + 2);
    CHECK_UINT(mapped_residency_pages(part), 3);
    CHECK_STATUS(mapped_residency_get(part, &found, bits, 1, NULL), MAPPED_OK);
    CHECK_UINT(bits[0], 6);
    CHECK_UINT(found.pages, 3);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_paging_closed);
    RUN(test_paging_behind_the_end);
    RUN(test_paging_device);
    RUN(test_paging_wrapped);
    RUN(test_paging_empty);
    RUN(test_paging_unknown);
    RUN(test_paging_every_advice);
    RUN(test_paging_discard);
    RUN(test_paging_discard_gives_back);
    RUN(test_paging_discard_refused);
    RUN(test_paging_revert);
    RUN(test_paging_revert_of_a_replaced_file);
    RUN(test_paging_revert_of_a_cut_file);
    RUN(test_paging_prefetch);
    RUN(test_paging_prefetch_in_the_background);
    RUN(test_paging_prefetch_of_a_lost_page);
    RUN(test_paging_prefetch_without_guard);
    RUN(test_paging_residency_counts_dirty_pages);
    RUN(test_paging_residency_bits);
    return check_finish();
}
