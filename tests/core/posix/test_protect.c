/* Guards against protection that ends in a signal, or that doesn't hold: when
 * the region grows, shrinks, loses pages and gets them back, and is exported.
 */
#include "scratch.h"

#include "../memory.h"

#include <mapped/export.h>
#include <mapped/paging.h>

#include <pthread.h>
#include <signal.h>

#include "region_internal.h"

#define NAME "protect"

static size_t size_of_file(void)
{
    return 8 * scratch_page() + 100;
}

static mapped_region *make_file(void)
{
    return scratch_open(scratch_file(NAME, size_of_file()),
                        MAPPED_MODE_READ_WRITE, NULL);
}

static mapped_region *make_memory(void)
{
    return memory_region(size_of_file());
}

static mapped_region *make_shared(void)
{
    mapped_anonymous_options options = {.shared = true};
    mapped_region *region = NULL;
    if (!CHECK_STATUS(
            mapped_region_anonymous(size_of_file(), &options, &region, NULL),
            MAPPED_OK))
        exit(check_finish());
    return region;
}

static mapped_status protect(mapped_slice slice, mapped_error *error)
{
    return mapped_protect(slice, MAPPED_MODE_READ, error);
}

/* Every way to write. */
static void check_refuses_writes(mapped_region *region)
{
    unsigned char *p = NULL;
    mapped_slice all = mapped_region_slice(region);
    uint8_t before = 0, after = 1;
    CHECK_STATUS(mapped_get_u8(all, 0, &before, NULL), MAPPED_OK);
    CHECK(mapped_region_readonly(region));
    CHECK_STATUS(mapped_set_u8(all, 0, 99, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_write(all, 0, "x", 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_move(all, 0, 1, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_slice_enter_write(all, 0, 1, &p, NULL),
                 MAPPED_READONLY);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_get_u8(all, 0, &after, NULL), MAPPED_OK);
    CHECK_INT(after, before);
}

static void check_writes(mapped_region *region)
{
    CHECK(!mapped_region_readonly(region));
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 1, NULL), MAPPED_OK);
}

static mapped_status unprotect(mapped_region *region)
{
    return mapped_protect(mapped_region_slice(region), MAPPED_MODE_READ_WRITE,
                          NULL);
}

static void check_resizes(mapped_region *region)
{
    const size_t page = scratch_page();
    const size_t more[] = {10, page, 1, 20 * page};
    CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
    check_refuses_writes(region);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        const size_t length = mapped_region_length(region);
        CHECK_STATUS(mapped_region_resize(region, length - 1, NULL),
                     MAPPED_READONLY);
        CHECK_STATUS(mapped_region_resize(region, length + more[i], NULL),
                     MAPPED_OK);
        check_refuses_writes(region);
    }
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    check_writes(region);
    CHECK_STATUS(mapped_region_resize(region, 30 * page, NULL), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

static void test_protect_then_resize(void)
{
    mapped_open_options options = {.reserve = (uint64_t)1 << 20};
    mapped_anonymous_options memory = {.reserve = (uint64_t)1 << 20};
    mapped_region *region = NULL;
    check_resizes(make_file());
    check_resizes(make_memory());
    check_resizes(make_shared());
    check_resizes(scratch_open(scratch_file(NAME, size_of_file()),
                               MAPPED_MODE_READ_WRITE, &options));
    CHECK_STATUS(mapped_region_anonymous(10, &memory, &region, NULL),
                 MAPPED_OK);
    check_resizes(region);
}

static void test_protect_then_recover(void)
{
    mapped_region *region = make_file();
    CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_INT(scratch_get(region, 5000), MAPPED_FAULT);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 5000, 1, NULL),
                 MAPPED_READONLY);
    scratch_file(NAME, size_of_file());
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    check_refuses_writes(region);
    CHECK_INT(scratch_get(region, 5000), scratch_byte(5000));
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

static void test_protect_twice(void)
{
    mapped_region *region = make_file();
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ_WRITE, NULL), MAPPED_OK);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    check_refuses_writes(region);
    CHECK_STATUS(protect(memory_slice(region, 1, 5), NULL), MAPPED_OK);
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

static void test_protect_while_exported(void)
{
    mapped_export held;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = make_file();
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_export_begin(all, &held, NULL), MAPPED_OK);
    CHECK_STATUS(protect(all, &error), MAPPED_BUSY);
    CHECK_UINT(error.length, 1);
    check_writes(region);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_begin(all, &held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    check_refuses_writes(region);
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

static mapped_status unprotect_bytes(mapped_region *region, size_t start,
                                     size_t n)
{
    return mapped_protect(memory_slice(region, start, n),
                          MAPPED_MODE_READ_WRITE, NULL);
}

static void test_protect_some_bytes(void)
{
    mapped_region *region = make_file();
    mapped_slice all = mapped_region_slice(region);
    mapped_slice some = memory_slice(region, 10, 5);
    unsigned char *p;
    CHECK_STATUS(protect(some, NULL), MAPPED_OK);
    CHECK(!mapped_region_readonly(region));
    CHECK(mapped_slice_readonly(all));
    CHECK(mapped_slice_readonly(memory_slice(region, 14, 1)));
    CHECK(!mapped_slice_readonly(memory_slice(region, 15, 1)));
    CHECK(!mapped_slice_readonly(memory_slice(region, 0, 10)));
    CHECK(!mapped_slice_readonly(memory_slice(region, 12, 0)));
    CHECK_STATUS(mapped_set_u8(all, 9, 99, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 10, 99, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u32(all, 7, 99, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u32(some, 1, 99, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u32(all, 15, 99, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_write(all, 14, "xy", 2, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_write(all, 15, "xy", 2, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_fill(memory_slice(region, 15, 5000), 1, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_move(all, 12, 100, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_slice_enter_write(all, 14, 3, &p, NULL),
                 MAPPED_READONLY);
    for (size_t i = 10; i < 15; i++)
        CHECK_INT(scratch_get(region, i), scratch_byte(i));
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 14, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_region_resize(region, 15, NULL), MAPPED_OK);
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

static void test_protect_all_but_some_bytes(void)
{
    mapped_region *region = make_memory();
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(unprotect_bytes(region, 100, 0), MAPPED_OK);
    CHECK(mapped_region_readonly(region));
    CHECK_STATUS(unprotect_bytes(region, 100, 10), MAPPED_OK);
    CHECK(!mapped_region_readonly(region));
    CHECK_STATUS(mapped_set_u8(all, 99, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_write(all, 100, "0123456789", 10, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 110, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u8(all, all.length - 1, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    check_refuses_writes(region);
    CHECK_STATUS(unprotect(region), MAPPED_OK);
    check_writes(region);
    mapped_region_release(region);
}

/* Against a model with a flag for each byte. */
static void test_protect_any_bytes(void)
{
    enum {
        BYTES = 40
    };
    bool model[BYTES] = {false};
    mapped_region *region = memory_region(BYTES);
    mapped_slice all = mapped_region_slice(region);
    uint32_t random = 1;
    int wrong = 0;
    for (int turn = 0; turn < 5000; turn++) {
        random = random * 1664525 + 1013904223;
        size_t start = (random >> 8) % BYTES;
        size_t n = (random >> 16) % 8 % (BYTES - start + 1);
        mapped_mode mode =
            random >> 31 ? MAPPED_MODE_READ : MAPPED_MODE_READ_WRITE;
        CHECK_STATUS(mapped_protect(memory_slice(region, start, n), mode, NULL),
                     MAPPED_OK);
        for (size_t i = start; i < start + n; i++)
            model[i] = mode == MAPPED_MODE_READ;
        for (size_t i = 0; i < BYTES; i++)
            wrong +=
                (mapped_set_u8(all, i, 1, NULL) == MAPPED_READONLY) != model[i];
    }
    CHECK_INT(wrong, 0);
    mapped_region_release(region);
}

static void test_protect_ends_with_the_bytes(void)
{
    mapped_change change;
    mapped_region *region = make_file();
    CHECK_STATUS(protect(memory_slice(region, 1000, 5000), NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), 1001), 0);
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 1001, 1, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 1000, 1, NULL),
                 MAPPED_READONLY);
    mapped_region_release(region);
}

static void test_protect_many_stretches(void)
{
    mapped_region *region = make_memory();
    mapped_slice all = mapped_region_slice(region);
    const size_t most = MAPPED_PROTECTED_RANGES;
    for (size_t i = 0; i < most; i++)
        CHECK_STATUS(protect(memory_slice(region, 10 * i, 9), NULL), MAPPED_OK);
    CHECK_STATUS(protect(memory_slice(region, 10 * most, 1), NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(unprotect_bytes(region, 4, 1), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_set_u8(all, 4, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u8(all, 10 * most, 1, NULL), MAPPED_OK);
    CHECK_STATUS(protect(memory_slice(region, 9, 1), NULL), MAPPED_OK);
    CHECK_STATUS(protect(memory_slice(region, 10 * most, 1), NULL), MAPPED_OK);
    CHECK_STATUS(protect(all, NULL), MAPPED_OK);
    CHECK_STATUS(unprotect_bytes(region, 5000, 1), MAPPED_OK);
    CHECK_STATUS(unprotect_bytes(region, 0, 5000), MAPPED_OK);
    CHECK_STATUS(mapped_fill(memory_slice(region, 0, 5001), 1, NULL),
                 MAPPED_OK);
    mapped_region_release(region);
}

static void *protect_by_turns(void *region)
{
    for (int i = 0; i < 20000; i++) {
        mapped_slice some = memory_slice(region, 1000 * (size_t)(i % 2), 500);
        mapped_status status = protect(some, NULL);
        if (status == MAPPED_OK)
            status = mapped_protect(some, MAPPED_MODE_READ_WRITE, NULL);
        if (status != MAPPED_OK)
            return region;
    }
    return NULL;
}

/* The byte between the two is never protected. */
static void test_protect_while_another_thread_writes(void)
{
    pthread_t thread;
    void *failed;
    mapped_region *region = memory_region(5000);
    mapped_slice all = mapped_region_slice(region);
    int refused = 0;
    CHECK_STATUS(protect(memory_slice(region, 3000, 10), NULL), MAPPED_OK);
    CHECK_INT(pthread_create(&thread, NULL, protect_by_turns, region), 0);
    for (int i = 0; i < 200000; i++) {
        refused += mapped_set_u8(all, 700, 1, NULL) != MAPPED_OK;
        refused += mapped_set_u8(all, 3000, 1, NULL) != MAPPED_READONLY;
        mapped_status status = mapped_set_u8(all, 100, 1, NULL);
        refused += status != MAPPED_OK && status != MAPPED_READONLY;
    }
    pthread_join(thread, &failed);
    CHECK(failed == NULL);
    CHECK_INT(refused, 0);
    mapped_region_release(region);
}

/* Its pages, and those that take the place of lost ones, are its owner's. */
static void test_protect_wrapped(void)
{
    const size_t page = scratch_page();
    int file = open(scratch_file(NAME, 2 * page), O_RDWR | O_CLOEXEC);
    unsigned char *memory =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    mapped_region *region = memory_wrap(memory, 2 * page, false);
    close(file);
    CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
    check_refuses_writes(region);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_INT(scratch_get(region, page), MAPPED_FAULT);
    memory[0] = 1;
    memory[page] = 1;
    mapped_region_release(region);
    munmap(memory, 2 * page);
}

static void test_protect_then_close(void)
{
    mapped_region *(*const makers[])(void) = {make_file, make_memory,
                                              make_shared};
    for (int i = 0; i < 3; i++) {
        mapped_region *region = makers[i]();
        CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
        mapped_region_acquire(region);
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        CHECK_INT(scratch_get(region, 0), MAPPED_CLOSED);
        mapped_region_release(region);
        mapped_region_release(region);
    }
}

static bool shared_reference;

static const char *stray_write(void)
{
    mapped_region *region = make_file();
    if (shared_reference)
        mapped_region_acquire(region);
    CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
    check_refuses_writes(region);
    *(volatile unsigned char *)region->base_ = 1;
    mapped_region_release(region);
    mapped_region_release(region);
    return NULL;
}

static const char *stray_write_after_recovery(void)
{
    mapped_region *region = make_file();
    CHECK_STATUS(protect(mapped_region_slice(region), NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_INT(scratch_get(region, 5000), MAPPED_FAULT);
    scratch_file(NAME, size_of_file());
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    ((volatile unsigned char *)region->base_)[5000] = 1;
    mapped_region_release(region);
    return NULL;
}

static const char *stray_write_where_it_was(void)
{
    mapped_region *region = make_file();
    mapped_export held;
    signal(SIGSEGV, SIG_DFL);
    CHECK_STATUS(
        mapped_protect(mapped_region_slice(region), MAPPED_MODE_READ, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    unsigned char *base = region->base_;
    (void)scratch_block_growth(region);
    mmap(base + 9 * scratch_page(), scratch_page(), PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK_STATUS(mapped_region_resize(region, 64 * scratch_page(), NULL),
                 MAPPED_OK);
    CHECK(region->base_ != base);
    ((volatile unsigned char *)held.data)[5] = 1;
    return NULL;
}

/* Only where no other thread may be in the middle of a write. */
static void test_protect_pages(void)
{
    shared_reference = true;
    CHECK_INT(scratch_child(stray_write), 0);
    shared_reference = false;
    if (scratch_instrumented()) {
        check_skip("a sanitizer takes the signal");
        return;
    }
    CHECK_INT(scratch_child(stray_write), SIGSEGV);
    CHECK_INT(scratch_child(stray_write_after_recovery), SIGSEGV);
    CHECK_INT(scratch_child(stray_write_where_it_was), SIGSEGV);
}

/* Takes the place of another thread while this one waits for the lock: lets go
 * of the lock, protects the region and gives it another user. */
static mapped_region *awaited;

static void *protect_first(void)
{
    mapped_region_on_wait((mapped_wait_hooks){NULL, NULL});
    mapped__region_unlock(mapped__region_of(awaited));
    CHECK_STATUS(protect(mapped_region_slice(awaited), NULL), MAPPED_OK);
    mapped_region_acquire(awaited);
    return NULL;
}

/* The second of two threads that protect a region found that it is shared by
 * then, and noted that the system doesn't protect its pages. So the end of the
 * protection left them so, and the next write ended the process. */
static void test_protect_twice_at_once(void)
{
    awaited = make_memory();
    CHECK_STATUS(mapped__region_lock(mapped__region_of(awaited), "test", NULL),
                 MAPPED_OK);
    mapped_region_on_wait((mapped_wait_hooks){protect_first, NULL});
    CHECK_STATUS(protect(mapped_region_slice(awaited), NULL), MAPPED_OK);
    check_refuses_writes(awaited);
    CHECK_STATUS(unprotect(awaited), MAPPED_OK);
    check_writes(awaited);
    mapped_region_release(awaited);
    mapped_region_release(awaited);
}

int main(void)
{
    RUN(test_protect_then_resize);
    RUN(test_protect_then_recover);
    RUN(test_protect_twice);
    RUN(test_protect_twice_at_once);
    RUN(test_protect_while_exported);
    RUN(test_protect_some_bytes);
    RUN(test_protect_all_but_some_bytes);
    RUN(test_protect_any_bytes);
    RUN(test_protect_ends_with_the_bytes);
    RUN(test_protect_many_stretches);
    RUN(test_protect_while_another_thread_writes);
    RUN(test_protect_wrapped);
    RUN(test_protect_then_close);
    RUN(test_protect_pages);
    return check_finish();
}
