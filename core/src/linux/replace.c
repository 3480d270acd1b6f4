/* Puts zero pages in the place of lost ones, at whatever limit the process is.
 * Where the kernel refuses a new mapping (memory, locked memory, number of
 * mappings) the process would die of the fault. So two things are kept for that
 * case, and renewed whenever a mapping is made:
 *
 * - Spare pages: mremap moves one over a lost page. No limit on memory forbids
 *   that, but it may take one mapping more.
 * - A spare mapping: it is unmapped for as long as it takes to replace a whole
 *   mapping by another, when the spare pages are gone, too.
 *
 * A replacement tries one way after the other: mapped__page_replace and
 * mapped__whole_replace, at the end, list them in order. Nothing here allocates
 * or waits for a lock, because a fault handler calls it. */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "posix/system.h"

/* The address of the spare mapping, a page of shared memory, which the kernel
 * joins with nothing. 0: there is none. */
static uintptr_t spare_mapping;
#define UNMAPPED ((uintptr_t)1) /* a thread has unmapped it for a moment */
#define MAX_YIELDS 100000

static uintptr_t make_spare_mapping(void)
{
    void *page = mmap(NULL, mapped__page_size(), PROT_NONE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return page != MAP_FAILED ? (uintptr_t)page : 0;
}

static void prepare_spare_mapping(void)
{
    uintptr_t none = 0;
    if (MAPPED__LOAD(&spare_mapping) != 0)
        return;
    uintptr_t page = make_spare_mapping();
    if (page != 0 &&
        !__atomic_compare_exchange_n(&spare_mapping, &none, page, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        munmap((void *)page, mapped__page_size());
}

/* Another thread that has unmapped it is about to map it again, so this waits
 * for that; but not for ever, because after a fork there is no such thread. */
static bool unmap_spare_mapping(void)
{
    for (int i = 0; i < MAX_YIELDS; i++) {
        uintptr_t held = MAPPED__LOAD_ACQUIRE(&spare_mapping);
        if (held == 0)
            return false;
        if (held != UNMAPPED &&
            __atomic_compare_exchange_n(&spare_mapping, &held, UNMAPPED, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return munmap((void *)held, mapped__page_size()) == 0;
        mapped__yield();
    }
    return false;
}

/* The spare pages lie in runs. Behind each run is a page that nobody may touch,
 * which makes a mapping of its own of each run: to unmap them lowers the number
 * of mappings when that is at its limit. */
#define RUNS 4u
#define RUN_PAGES 32u
#define ALL_PAGES (RUNS * RUN_PAGES)

/* One word, so that a handler can take a page in one step: the address of the
 * first spare page, whose low 12 bits are zero, and in these the number of
 * pages that have been taken, in order. The addresses of taken pages are no
 * longer ours. 0: there are no spare pages. */
#define TAKEN ((uintptr_t)4095)
static uintptr_t spare_pages;

static unsigned char *start_of(uintptr_t word)
{
    return (unsigned char *)(word & ~TAKEN);
}

static unsigned taken_of(uintptr_t word)
{
    return (unsigned)(word & TAKEN);
}

static unsigned char *page_at(uintptr_t word, unsigned number)
{
    assert(number < ALL_PAGES);
    size_t before = number / RUN_PAGES * (RUN_PAGES + 1) + number % RUN_PAGES;
    return start_of(word) + before * mapped__page_size();
}

static size_t total_length(void)
{
    return RUNS * (RUN_PAGES + 1) * mapped__page_size();
}

bool mapped__spare_pages_release(void)
{
    uintptr_t word = __atomic_exchange_n(&spare_pages, 0, __ATOMIC_ACQ_REL);
    unsigned taken = taken_of(word);
    if (word == 0)
        return false;
    unsigned char *start = start_of(word);
    unsigned char *rest =
        taken > 0 ? page_at(word, taken - 1) + mapped__page_size() : start;
    return munmap(rest, total_length() - (size_t)(rest - start)) == 0;
}

/* Makes the runs accessible. A process that locks all its memory has locked
 * these pages, too: that ends first, as they would count and be filled. */
static bool open_runs(unsigned char *new_pages)
{
    const size_t page = mapped__page_size();
    bool done = munlock(new_pages, total_length()) == 0;
    for (unsigned run = 0; run < RUNS && done; run++)
        done = mprotect(new_pages + run * (RUN_PAGES + 1) * page,
                        RUN_PAGES * page, PROT_READ | PROT_WRITE) == 0;
    return done;
}

static bool has_spare_pages(void)
{
    uintptr_t word = MAPPED__LOAD(&spare_pages);
    return word != 0 && taken_of(word) < ALL_PAGES;
}

void mapped__spare_pages_prepare(void)
{
    uintptr_t none = 0;
    prepare_spare_mapping();
    if (has_spare_pages())
        return;
    unsigned char *new_pages =
        mmap(NULL, total_length(), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (new_pages == MAP_FAILED)
        return;
    assert(taken_of((uintptr_t)new_pages) == 0);
    (void)mapped__spare_pages_release();
    if (!open_runs(new_pages) ||
        !__atomic_compare_exchange_n(&spare_pages, &none, (uintptr_t)new_pages,
                                     false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        munmap(new_pages, total_length());
}

/* Returns a spare page, which is the caller's alone from now on, or NULL. */
static unsigned char *take_page(void)
{
    uintptr_t word = MAPPED__LOAD_ACQUIRE(&spare_pages);
    do {
        if (word == 0 || taken_of(word) == ALL_PAGES)
            return NULL;
    } while (!__atomic_compare_exchange_n(&spare_pages, &word, word + 1, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return page_at(word, taken_of(word));
}

/* Moves a spare page to `to`. That address is never free in between: if mremap
 * fails for want of mappings, it does so before it unmaps the page there. */
static bool move_spare_page(unsigned char *to, bool writable)
{
    const size_t page = mapped__page_size();
    unsigned char *taken = take_page();
    if (taken == NULL)
        return false;
    if (mremap(taken, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
        MAP_FAILED) {
        munmap(taken, page);
        return false;
    }
    if (!writable)
        (void)mprotect(to, page, PROT_READ);
    return true;
}

/* MAP_FIXED swaps the pages in one step. MAP_NORESERVE: nobody is meant to
 * write here, so no memory is promised and none can be refused. */
static bool map_zeros(unsigned char *address, size_t length, bool writable,
                      int sharing)
{
    return mmap(address, length, PROT_READ | (writable ? PROT_WRITE : 0),
                sharing | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

/* Without anything spare. EAGAIN is the limit on locked memory, which counts
 * what is about to go, unless that is unlocked first. The limit on data, and
 * the strictest way to account for memory, leave shared memory out. */
static bool replace(unsigned char *address, size_t length, bool writable)
{
    return map_zeros(address, length, writable, MAP_PRIVATE) ||
           (errno == EAGAIN && munlock(address, length) == 0 &&
            map_zeros(address, length, writable, MAP_PRIVATE)) ||
           map_zeros(address, length, writable, MAP_SHARED);
}

bool mapped__page_replace(unsigned char *address, size_t length, bool writable)
{
    return replace(address, length, writable) ||
           (length == mapped__page_size() &&
            move_spare_page(address, writable)) ||
           (mapped__spare_pages_release() &&
            replace(address, length, writable));
}

bool mapped__whole_replace(unsigned char *address, size_t length, bool writable)
{
    if (mapped__page_replace(address, length, writable))
        return true;
    if (!unmap_spare_mapping())
        return false;
    bool done = replace(address, length, writable);
    MAPPED__STORE_RELEASE(&spare_mapping, make_spare_mapping());
    return done;
}
