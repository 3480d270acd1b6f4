/* Guards against addresses that are given back, and perhaps used for another
 * mapping, while the fault handler still works on them or its table still lists
 * them. The linker redirects some of the core's calls to this file (--wrap), so
 * that each race happens in its worst order every time. */
#include "faulty.h"

#include <mapped/paging.h>

#include <stdarg.h>
#include <time.h>

#define FILE_NAME "race"

/* A thread that doesn't wait for the handler goes on within this time. */
#define PATIENCE_MS 300

static volatile unsigned char *slow_page; /* replacing it takes long */
static int handler_entered;
static int given_back;
static int handler_left;
static int overtaken;

/* Runs inside the fault handler. */
static void be_slow(const void *at)
{
    if (at == NULL || at != (const void *)slow_page)
        return;
    __atomic_store_n(&handler_entered, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (__atomic_load_n(&given_back, __ATOMIC_SEQ_CST))
            __atomic_store_n(&overtaken, 1, __ATOMIC_SEQ_CST);
        scratch_pause();
    }
    __atomic_store_n(&handler_left, 1, __ATOMIC_SEQ_CST);
}

static const char *file_to_cut; /* when the next mapping is made */

static void cut_file(void)
{
    const char *path = file_to_cut;
    file_to_cut = NULL;
    if (path != NULL)
        CHECK_INT(truncate(path, 1), 0);
}

#define WRAP_MMAP(name)                                                        \
    void *__real_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from);                                           \
    void *__wrap_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from);                                           \
    void *__wrap_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from)                                            \
    {                                                                          \
        be_slow(at);                                                           \
        cut_file();                                                            \
        return __real_##name(at, n, protection, flags, fd, from);              \
    }
WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

/* Notes whether addresses are unmapped while the handler works on them. */
int __real_munmap(void *at, size_t n);
int __wrap_munmap(void *at, size_t n);
int __wrap_munmap(void *at, size_t n)
{
    uintptr_t offset = (uintptr_t)slow_page - (uintptr_t)at;
    if (slow_page != NULL && offset < n &&
        !__atomic_load_n(&handler_left, __ATOMIC_SEQ_CST))
        __atomic_store_n(&overtaken, 1, __ATOMIC_SEQ_CST);
    return __real_munmap(at, n);
}

static sigjmp_buf no_page;

static void leave(int signal_number)
{
    siglongjmp(no_page, signal_number);
}

/* Reads through a pointer that is no longer valid. After the handler has
 * returned, the page may be mapped or not. */
static void *read_stray(void *unused)
{
    if (sigsetjmp(no_page, 1) == 0)
        faulty_touch(slow_page);
    return unused;
}

static void read_while_handled(mapped_region *region, size_t page,
                               void (*give_back)(mapped_region *region))
{
    pthread_t reader;
    slow_page = region->base_ + page * scratch_page();
    handler_entered = handler_left = given_back = overtaken = 0;
    signal(SIGSEGV, leave);
    pthread_create(&reader, NULL, read_stray, NULL);
    while (!__atomic_load_n(&handler_entered, __ATOMIC_SEQ_CST))
        scratch_pause();
    give_back(region);
    __atomic_store_n(&given_back, 1, __ATOMIC_SEQ_CST);
    pthread_join(reader, NULL);
    CHECK_INT(overtaken, 0);
    slow_page = NULL;
    signal(SIGSEGV, SIG_DFL);
}

static void test_guard_race_release_waits_for_the_handler(void)
{
    read_while_handled(faulty_region(4), 0, mapped_region_release);
}

static void shrink(mapped_region *region)
{
    CHECK_STATUS(mapped_region_resize(region, scratch_page(), NULL), MAPPED_OK);
}

static void test_guard_race_shrink_waits_for_the_handler(void)
{
    mapped_region *region = faulty_region(4);
    read_while_handled(region, 3, shrink);
    mapped_region_release(region);
}

static int unserved;
static int may_go_on;
static struct sigaction ours;

static void note_unserved(int signal_number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    __atomic_store_n(&unserved, 1, __ATOMIC_SEQ_CST);
    leave(signal_number);
}

static void hold_up(int signal_number, siginfo_t *info, void *context)
{
    __atomic_store_n(&handler_entered, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_go_on, __ATOMIC_SEQ_CST))
        scratch_pause();
    ours.sa_sigaction(signal_number, info, context);
}

static void *read_last_page(void *region)
{
    mapped_slice slice = {region, 0, 4 * scratch_page(), 0};
    static uint8_t byte;
    byte = 1;
    if (sigsetjmp(no_page, 1) == 0)
        CHECK(mapped_get_u8(slice, 3 * scratch_page(), &byte, NULL) !=
              MAPPED_OK);
    CHECK_INT(byte, 1);
    mapped_region_release(region);
    return NULL;
}

/* In cpython issue 148650 a process dies because its file is truncated. Here
 * the region itself shrinks, another thread faults, and the page has left the
 * region before the handler looks for it. */
static void test_guard_race_shrink_comes_before_the_handler(void)
{
    struct sigaction before;
    pthread_t reader;
    faulty_handle(note_unserved, 0, &before);
    mapped_region *region = faulty_region(4);
    faulty_handle(hold_up, SA_ONSTACK, &ours);
    mapped_region_acquire(region);
    handler_entered = may_go_on = 0;
    pthread_create(&reader, NULL, read_last_page, region);
    while (!__atomic_load_n(&handler_entered, __ATOMIC_SEQ_CST))
        scratch_pause();
    shrink(region);
    __atomic_store_n(&may_go_on, 1, __ATOMIC_SEQ_CST);
    pthread_join(reader, NULL);
    CHECK_INT(unserved, 0);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    mapped_region_release(region);
    sigaction(SIGBUS, &before, NULL);
}

static bool move_away;
static volatile sig_atomic_t foreign_calls;
static volatile unsigned char *foreign;

static void mend_foreign(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
    foreign_calls++;
    faulty_mend(foreign);
}

/* Maps another file at the addresses that the region has left, and causes a
 * fault there. */
static void move_in(void *at)
{
    foreign = faulty_page();
    if (foreign != at)
        foreign = mremap((void *)foreign, scratch_page(), scratch_page(),
                         MREMAP_MAYMOVE | MREMAP_FIXED, at);
    faulty_touch(foreign);
    munmap((void *)foreign, scratch_page());
}

void *__real_mremap(void *at, size_t from, size_t to, int flags, ...);
void *__wrap_mremap(void *at, size_t from, size_t to, int flags, ...);
void *__wrap_mremap(void *at, size_t from, size_t to, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *target = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if (!move_away || target != NULL)
        return __real_mremap(at, from, to, flags, target);
    if (!(flags & MREMAP_MAYMOVE)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    move_away = false;
    target = mmap(NULL, to, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *moved = __real_mremap(at, from, to, flags | MREMAP_FIXED, target);
    move_in(at);
    return moved;
}

static void test_guard_race_moving_region_leaves_its_addresses(void)
{
    struct sigaction before;
    faulty_handle(mend_foreign, 0, &before);
    const char *path = scratch_file(FILE_NAME, scratch_page());
    mapped_region *region = NULL;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL),
        MAPPED_OK);
    foreign_calls = 0;
    move_away = true;
    CHECK_STATUS(mapped_region_resize(region, 5 * scratch_page(), NULL),
                 MAPPED_OK);
    CHECK(!move_away);
    CHECK_INT(foreign_calls, 1);
    CHECK_UINT(mapped_region_fault_count(region), 0);
    mapped_region_release(region);
}

/* Advice for a part splits the mapping, so that it is copied to grow. */
static const char *copy_what_is_lost(void)
{
    const size_t page = scratch_page();
    const char *path = scratch_file(FILE_NAME, 8 * page);
    mapped_region *region = scratch_open(path, MAPPED_MODE_COPY, NULL);
    mapped_change change;
    mapped_slice part = {region, 4 * page, page, 0};
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_advise(part, MAPPED_ADVICE_RANDOM, NULL), MAPPED_OK);
    (void)scratch_block_growth(region);
    CHECK_INT(truncate(path, 16 * (off_t)page), 0);
    file_to_cut = path;
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    CHECK(file_to_cut == NULL);
    CHECK_INT(scratch_get(region, 0), scratch_byte(0));
    CHECK_INT(scratch_get(region, 3 * page), MAPPED_FAULT);
    mapped_region_release(region);
    return NULL;
}

static void test_guard_stays_while_a_mapping_is_copied(void)
{
    if (scratch_valgrind())
        check_skip("valgrind's mremap answers otherwise");
    else
        CHECK_INT(scratch_child(copy_what_is_lost), 0);
}

int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    RUN(test_guard_race_release_waits_for_the_handler);
    RUN(test_guard_race_shrink_waits_for_the_handler);
    RUN(test_guard_race_shrink_comes_before_the_handler);
    RUN(test_guard_race_moving_region_leaves_its_addresses);
    RUN(test_guard_stays_while_a_mapping_is_copied);
    return check_finish();
}
