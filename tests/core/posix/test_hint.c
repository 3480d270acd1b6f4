/* Guards against a way out that isn't one: a hint for another cause, or a text
 * that is missing. */
#include "scratch.h"

#include <mapped/access.h>
#include <mapped/atomic.h>
#include <mapped/export.h>
#include <mapped/flush.h>
#include <mapped/hint.h>
#include <mapped/lock.h>
#include <mapped/mutex.h>
#include <mapped/paging.h>

#define NAME "hint"
#define LENGTH 64

static mapped_error error;

static void check_hint(const mapped_slice *slice, mapped_hint expected)
{
    CHECK_TEXT(mapped_hint_text(mapped_error_hint(&error, slice)),
               mapped_hint_text(expected));
    CHECK_INT(mapped_error_hint(&error, slice), expected);
}

static mapped_region *open_in(mapped_mode mode)
{
    return scratch_open(scratch_file(NAME, LENGTH), mode, NULL);
}

static void test_hint_error_of_a_program(void)
{
    const mapped_slice nothing = {0};
    for (int status = 0; status > -40; status--) {
        error = (mapped_error){.status = (mapped_status)status};
        CHECK(mapped_hint_text(mapped_error_hint(&error, NULL)) != NULL);
        mapped_error_hint(&error, &nothing);
    }
    error = (mapped_error){.status = MAPPED_RANGE, .operation = "read_index"};
    check_hint(NULL, MAPPED_HINT_NONE);
    CHECK_TEXT(mapped_hint_text(MAPPED_HINT_NONE), "");
    CHECK_TEXT(mapped_hint_text((mapped_hint)-1), "");
    CHECK_TEXT(mapped_hint_text((mapped_hint)1000), "");
}

static void test_hint_texts_are_different(void)
{
    static const char *const texts[] = {
#define TEXT(name, text) text,
        MAPPED_HINT_MAP(TEXT)
#undef TEXT
    };
    size_t count = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(texts[i], texts[j]) != 0);
}

static void test_hint_file_opened_for_reading(void)
{
    mapped_region *region = open_in(MAPPED_MODE_READ);
    mapped_slice all = mapped_region_slice(region);
    mapped_lock lock;
    CHECK_STATUS(mapped_set_u8(all, 0, 1, &error), MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_OPEN_WRITABLE_OR_COPY);
    check_hint(NULL, MAPPED_HINT_NONE);
    CHECK_STATUS(mapped_region_resize(region, 1, &error), MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_OPEN_WRITABLE);
    CHECK_STATUS(mapped_lock_acquire(all, false, 0, &lock, &error),
                 MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_LOCK_SHARED);
    mapped_region_release(region);
}

static void test_hint_memory_to_read_only(void)
{
    static unsigned char bytes[LENGTH];
    mapped_region *region = NULL;
    if (!CHECK_STATUS(mapped_region_wrap(bytes, LENGTH, true, NULL, NULL,
                                         &region, &error),
                      MAPPED_OK))
        return;
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_set_u8(all, 0, 1, &error), MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_READONLY_WRAPPED);
    mapped_region_release(region);

    region = memory_region(LENGTH);
    all = mapped_slice_toreadonly(mapped_region_slice(region));
    CHECK_STATUS(mapped_set_u8(all, 0, 1, &error), MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_READONLY_SLICE);
    all = mapped_region_slice(region);
    CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 0, 1, &error), MAPPED_READONLY);
    check_hint(&all, MAPPED_HINT_UNPROTECT);
    mapped_region_release(region);
}

static void test_hint_what_memory_is_not(void)
{
    mapped_region *region = memory_region(LENGTH), *copy;
    mapped_slice all = mapped_region_slice(region);
    mapped_lock lock;
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_UNSUPPORTED);
    check_hint(&all, MAPPED_HINT_NO_FILE);
    CHECK_STATUS(mapped_region_seal(region, MAPPED_SEAL_GROW, &error),
                 MAPPED_UNSUPPORTED);
    check_hint(&all, MAPPED_HINT_SHARED_ANONYMOUS);
    CHECK_STATUS(mapped_lock_acquire(all, false, 0, &lock, &error),
                 MAPPED_UNSUPPORTED);
    check_hint(&all, MAPPED_HINT_FILE_OR_SHARED);
    mapped_region_release(region);

    copy = open_in(MAPPED_MODE_COPY);
    all = mapped_region_slice(copy);
    CHECK_STATUS(mapped_region_resize(copy, 2 * LENGTH, &error),
                 MAPPED_UNSUPPORTED);
    check_hint(&all, MAPPED_HINT_COPY_LENGTH);
    check_hint(NULL, MAPPED_HINT_NONE);
    mapped_region_release(copy);
}

static void test_hint_exports(void)
{
    mapped_region *region = memory_region(LENGTH);
    mapped_slice all = mapped_region_slice(region);
    mapped_export exported;
    if (CHECK_STATUS(mapped_export_begin(all, &exported, &error), MAPPED_OK)) {
        CHECK_STATUS(mapped_region_close(region, &error), MAPPED_BUSY);
        check_hint(&all, MAPPED_HINT_END_EXPORTS);
        CHECK_STATUS(mapped_export_end(&exported, NULL), MAPPED_OK);
    }
    error.length = 0; /* busy by something else */
    check_hint(&all, MAPPED_HINT_NONE);
    mapped_region_release(region);
}

static void test_hint_sealed(void)
{
    mapped_anonymous_options options = {.shared = true};
    mapped_region *region = NULL;
    if (!CHECK_STATUS(
            mapped_region_anonymous(LENGTH, &options, &region, &error),
            MAPPED_OK))
        return;
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_region_seal(region, MAPPED_SEAL_SHRINK, &error),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1, &error), MAPPED_SYSTEM);
    check_hint(&all, MAPPED_HINT_SEALED);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_hint_error_of_a_program);
    RUN(test_hint_texts_are_different);
    RUN(test_hint_file_opened_for_reading);
    RUN(test_hint_memory_to_read_only);
    RUN(test_hint_what_memory_is_not);
    RUN(test_hint_exports);
    RUN(test_hint_sealed);
    return check_finish();
}
