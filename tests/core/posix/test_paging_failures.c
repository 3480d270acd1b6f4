/* Guards against mistakes on the error paths of calls on pages, as
 * test_failures.c does for other calls: each scenario is run with its first
 * system call refused, then with its second, until there is none left. After
 * each failure the status and the system's error number are right, and
 * descriptors, memory and the file are as they were. */
#include "refuse.h"

#include "../memory.h"

#include <mapped/bulk.h>
#include <mapped/flush.h>
#include <mapped/paging.h>

#define NAME "paging-failures"
#define SIZE 10000

typedef struct scenario {
    const char *name;
    mapped_region *(*prepare)(void); /* makes the argument of `act` */
    mapped_status (*act)(mapped_region **region, mapped_error *error);
} scenario;

static const char *path(void)
{
    return scratch_path(NAME);
}

static mapped_region *prepared(mapped_mode mode)
{
    const mapped_open_options options = {.offset = 3};
    return scratch_open(scratch_file(NAME, SIZE), mode, &options);
}

static mapped_region *prepare_reader(void)
{
    return prepared(MAPPED_MODE_READ);
}

static mapped_region *prepare_writer(void)
{
    return prepared(MAPPED_MODE_READ_WRITE);
}

static mapped_region *prepare_memory(void)
{
    scratch_file(NAME, SIZE);
    return memory_region(SIZE);
}

static mapped_status grow(mapped_region **region, mapped_error *error)
{
    size_t before = mapped_region_length(*region);
    mapped_status status = mapped_region_resize(*region, 3 * SIZE, error);
    CHECK_UINT(mapped_region_length(*region),
               status == MAPPED_OK ? 3 * SIZE : before);
    return status;
}

static mapped_region *prepare_created(void)
{
    const mapped_open_options options = {.length = SIZE};
    unlink(path());
    return scratch_open(path(), MAPPED_MODE_CREATE, &options);
}

static mapped_region *prepare_empty(void)
{
    return scratch_open(scratch_file(NAME, 0), MAPPED_MODE_READ_WRITE, NULL);
}

/* Its trailer is flushed, too. */
static mapped_region *prepare_appended(void)
{
    mapped_region *region = prepare_writer();
    CHECK_STATUS(mapped_region_append(region, "more", 4, NULL), MAPPED_OK);
    return region;
}

static mapped_status flush(mapped_region **region, mapped_error *error)
{
    return mapped_flush(mapped_region_slice(*region), 0, error);
}

static mapped_status flush_start(mapped_region **region, mapped_error *error)
{
    return mapped_flush(mapped_region_slice(*region), MAPPED_FLUSH_START,
                        error);
}

/* Where a region of memory can't grow. */
static void *taken;

static mapped_slice inner(mapped_region *region)
{
    mapped_slice slice = mapped_region_slice(region);
    CHECK_STATUS(mapped_slice_sub(slice, 10, slice.length - 20, &slice, NULL),
                 MAPPED_OK);
    return slice;
}

static mapped_status advise(mapped_region **region, mapped_error *error)
{
    return mapped_advise(inner(*region), MAPPED_ADVICE_RANDOM, error);
}

static mapped_status discard(mapped_region **region, mapped_error *error)
{
    return mapped_discard(inner(*region), error);
}

static mapped_region *prepare_private(void)
{
    return prepared(MAPPED_MODE_COPY);
}

static mapped_status revert(mapped_region **region, mapped_error *error)
{
    return mapped_revert(inner(*region), error);
}

/* Where the kernel isn't asked the pages are read. */
static mapped_status prefetch(mapped_region **region, mapped_error *error)
{
    mapped_status status = mapped_prefetch(inner(*region), 0, error);
    CHECK_STATUS(status, MAPPED_OK);
    return status;
}

static mapped_region *prepare_large_reader(void)
{
    scratch_file(NAME, (size_t)2 << 20);
    return scratch_open(path(), MAPPED_MODE_READ, NULL);
}

static bool are_threads(void)
{
    struct stat info;
    return __real_stat("/proc/self/task", &info) == 0 && info.st_nlink > 3;
}

/* What can't be done in the background is left to the system. */
static mapped_status start_prefetch(mapped_region **region, mapped_error *error)
{
    mapped_status status =
        mapped_prefetch(inner(*region), MAPPED_PREFETCH_START, error);
    CHECK_STATUS(status, MAPPED_OK);
    for (int i = 0; i < 10000 && are_threads(); i++)
        scratch_pause();
    CHECK(!are_threads());
    return status;
}

static mapped_status residency(mapped_region **region, mapped_error *error)
{
    unsigned char bits[8];
    mapped_residency found = {.pages = 4711};
    mapped_status status =
        mapped_residency_get(inner(*region), &found, bits, sizeof bits, error);
    CHECK_INT(found.pages == 4711, status != MAPPED_OK);
    return status;
}

static mapped_status lock_pages(mapped_region **region, mapped_error *error)
{
    return mapped_mlock(inner(*region), error);
}

static mapped_region *prepare_locked(void)
{
    mapped_region *region = prepare_memory();
    CHECK_STATUS(lock_pages(&region, NULL), MAPPED_OK);
    taken = scratch_block_growth(region);
    return region;
}

static mapped_status unlock_pages(mapped_region **region, mapped_error *error)
{
    return mapped_munlock(inner(*region), error);
}

static mapped_status set_protection(mapped_region *region, mapped_mode mode,
                                    mapped_error *error)
{
    bool before = mapped_region_readonly(region);
    mapped_status status =
        mapped_protect(mapped_region_slice(region), mode, error);
    CHECK_INT(mapped_region_readonly(region),
              status == MAPPED_OK ? mode == MAPPED_MODE_READ : before);
    return status;
}

/* Even if the pages can't be protected no write gets there. */
static mapped_status protect(mapped_region **region, mapped_error *error)
{
    mapped_status status = set_protection(*region, MAPPED_MODE_READ, error);
    CHECK_STATUS(status, MAPPED_OK);
    return status;
}

static mapped_region *prepare_protected(void)
{
    mapped_region *region = prepare_writer();
    CHECK_STATUS(protect(&region, NULL), MAPPED_OK);
    return region;
}

static mapped_status unprotect(mapped_region **region, mapped_error *error)
{
    return set_protection(*region, MAPPED_MODE_READ_WRITE, error);
}

/* Runs a scenario with the n-th call refused. Returns true if there is no n-th
 * call. */
static bool run_once(const scenario *s, long n)
{
    mapped_error error = MAPPED_ERROR_INIT;
    int descriptors = scratch_descriptors();
    long blocks = refuse_blocks;
    mapped_region *region = s->prepare();
    int64_t size = scratch_size(path());
    refuse_nth(n);
    mapped_status status = s->act(&region, &error);
    bool over = refuse_over();
    if (status != MAPPED_OK && CHECK(!over)) {
        refuse_check_error(status, &error);
        CHECK_INT(scratch_size(path()), size);
        CHECK_INT(
            mapped_get_u8(mapped_region_slice(region), 0, &(uint8_t){0}, NULL),
            size > 0 ? MAPPED_OK : MAPPED_RANGE);
    }
    mapped_region_release(region);
    if (taken != NULL)
        munmap(taken, scratch_page());
    taken = NULL;
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(refuse_blocks, blocks);
    return over;
}

static const scenario *running;

static bool run_nth(long n)
{
    return run_once(running, n);
}

static void run_scenario(void)
{
#ifdef MAPPED__THREAD_SANITIZER
    if (running->act == start_prefetch) {
        check_skip("the sanitizer has a thread of its own");
        return;
    }
#endif
    mapped_region_release(prepare_writer()); /* Makes what a process keeps. */
    refuse_each(running->name, run_nth);
}

static const scenario scenarios[] = {
    {"test_paging_failures_flush", prepare_writer, flush},
    {"test_paging_failures_flush_start", prepare_writer, flush_start},
    {"test_paging_failures_flush_created", prepare_created, flush},
    {"test_paging_failures_flush_empty", prepare_empty, flush},
    {"test_paging_failures_flush_appended", prepare_appended, flush},
    {"test_paging_failures_advise", prepare_reader, advise},
    {"test_paging_failures_discard", prepare_writer, discard},
    {"test_paging_failures_discard_memory", prepare_memory, discard},
    {"test_paging_failures_revert", prepare_private, revert},
    {"test_paging_failures_prefetch", prepare_reader, prefetch},
    {"test_paging_failures_prefetch_start", prepare_large_reader,
     start_prefetch},
    {"test_paging_failures_residency", prepare_reader, residency},
    {"test_paging_failures_residency_of_memory", prepare_memory, residency},
    {"test_paging_failures_mlock", prepare_writer, lock_pages},
    {"test_paging_failures_munlock", prepare_locked, unlock_pages},
    {"test_paging_failures_grow_locked", prepare_locked, grow},
    {"test_paging_failures_protect", prepare_writer, protect},
    {"test_paging_failures_unprotect", prepare_protected, unprotect},
    {"test_paging_failures_grow_protected", prepare_protected, grow},
};

int main(void)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        running = &scenarios[i];
        check_run(run_scenario, running->name);
    }
    return check_finish();
}
