/* What the tests of append share: a file of records, and what others see of it.
 */
#ifndef APPENDED_H
#define APPENDED_H

#include "scratch.h"

#include <mapped/bulk.h>

#define NAME "appended"
#define STEP (65536 + 24) /* the first step's size */
#define RECORD 100

CHECK__UNUSED static const char *path(void)
{
    return scratch_path(NAME);
}

CHECK__UNUSED static int64_t file_size(void)
{
    return scratch_size(path());
}

CHECK__UNUSED static mapped_region *opened(mapped_mode mode, uint64_t offset,
                                           uint64_t reserve)
{
    const mapped_open_options options = {.offset = offset, .reserve = reserve};
    return scratch_open(path(), mode, &options);
}

/* Returns the length that a new region of the whole file has. */
CHECK__UNUSED static size_t length_seen(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ, 0, 0);
    size_t length = mapped_region_length(region);
    mapped_region_release(region);
    return length;
}

/* Record i is RECORD times the byte 1 + i % 251. */
CHECK__UNUSED static mapped_status append_record(mapped_region *region,
                                                 unsigned i)
{
    unsigned char record[RECORD];
    memset(record, (int)(1 + i % 251), sizeof record);
    return mapped_region_append(region, record, sizeof record, NULL);
}

/* Appends records from `first` on. */
CHECK__UNUSED static void append_records(mapped_region *region, unsigned first,
                                         unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        CHECK_STATUS(append_record(region, i), MAPPED_OK);
}

/* The file, of exactly `count` records. */
CHECK__UNUSED static void check_records(unsigned count)
{
    mapped_region *region = opened(MAPPED_MODE_READ, 0, 0);
    size_t wrong = 0;
    CHECK_UINT(mapped_region_length(region), (size_t)count * RECORD);
    for (size_t at = 0; at < mapped_region_length(region); at++)
        wrong += scratch_get(region, at) != (int)(1 + at / RECORD % 251);
    CHECK_UINT(wrong, 0);
    mapped_region_release(region);
}

#define LONG ((size_t)1000) /* too long to be copied before */

/* Memory whose page can't be read, and the region that it is appended to. */
CHECK__UNUSED static mapped_region *appended;
CHECK__UNUSED static unsigned char *slow_source;

CHECK__UNUSED static bool skip_handlers(void)
{
    const char *reason = NULL;
#ifdef MAPPED__THREAD_SANITIZER
    reason = "the sanitizer allows no allocation in a signal handler";
#endif
    if (scratch_valgrind())
        reason = "valgrind reports the read that the handler answers";
    if (reason != NULL)
        check_skip(reason);
    return reason != NULL;
}

/* Opens the file with a record in it, and makes memory that calls `handler`
 * when it is read. */
CHECK__UNUSED static void open_slowly(void (*handler)(int),
                                      struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handler};
    slow_source = mmap(NULL, scratch_page(), PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    scratch_file(NAME, 0);
    appended = opened(MAPPED_MODE_READ_WRITE, 0, 2 * STEP);
    append_records(appended, 0, 1);
    sigaction(SIGSEGV, &action, before);
}

#endif
