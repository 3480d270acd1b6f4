/* Zero pages in the place of lost ones, at whatever limit the process is.
 * Nothing here allocates or waits for a lock: a fault handler calls it. */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "posix/system.h"

/* A page in the place of a lost one counts against the limits of the process
 * (memory, locked memory, number of mappings), and where the system refuses it
 * the process dies. So replacements are kept. mremap moves one over a lost
 * page, which no limit on memory forbids.
 *
 * The replacements lie in runs. Behind each run is a page that nobody may
 * touch, which makes a mapping of its own of each run: to unmap them lowers the
 * number of mappings when that is at its limit. */
#define RUNS 4u
#define RUN_PAGES 32u
#define ALL_PAGES (RUNS * RUN_PAGES)

/* The address of the replacements, whose low 12 bits are zero; these count the
 * pages that have been taken, in order. The addresses of taken pages are no
 * longer ours. */
#define TAKEN ((uintptr_t)4095)
static uintptr_t pages;

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

bool mapped__give_up_replacements(void)
{
    uintptr_t word = __atomic_exchange_n(&pages, 0, __ATOMIC_ACQ_REL);
    unsigned taken = taken_of(word);
    if (word == 0)
        return false;
    unsigned char *start = start_of(word);
    unsigned char *rest =
        taken > 0 ? page_at(word, taken - 1) + mapped__page_size() : start;
    return munmap(rest, total_length() - (size_t)(rest - start)) == 0;
}

/* Locked memory would count and be filled, so the locks go before anybody may
 * touch it. */
static bool prepare(unsigned char *new_pages)
{
    const size_t page = mapped__page_size();
    bool done = munlock(new_pages, total_length()) == 0;
    for (unsigned run = 0; run < RUNS && done; run++)
        done = mprotect(new_pages + run * (RUN_PAGES + 1) * page,
                        RUN_PAGES * page, PROT_READ | PROT_WRITE) == 0;
    return done;
}

/* One mapping more, of shared memory, which the kernel joins with nothing. When
 * the replacements are gone and a mapping is only to be replaced by another,
 * this one is unmapped for as long as that takes. */
#define UNMAPPED ((uintptr_t)1)
#define MAX_YIELDS 100000
static uintptr_t placeholder;

static uintptr_t make_placeholder(void)
{
    void *page = mmap(NULL, mapped__page_size(), PROT_NONE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return page != MAP_FAILED ? (uintptr_t)page : 0;
}

static void keep_placeholder(void)
{
    uintptr_t none = 0;
    if (MAPPED__LOAD(&placeholder) != 0)
        return;
    uintptr_t page = make_placeholder();
    if (page != 0 &&
        !__atomic_compare_exchange_n(&placeholder, &none, page, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        munmap((void *)page, mapped__page_size());
}

/* Unmaps the place holder. Another thread that has unmapped it is about to map
 * it again; after a fork there is no such thread. */
static bool unmap_placeholder(void)
{
    for (int i = 0; i < MAX_YIELDS; i++) {
        uintptr_t held = MAPPED__LOAD_ACQUIRE(&placeholder);
        if (held == 0)
            return false;
        if (held != UNMAPPED &&
            __atomic_compare_exchange_n(&placeholder, &held, UNMAPPED, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return munmap((void *)held, mapped__page_size()) == 0;
        mapped__yield();
    }
    return false;
}

static bool has_pages(void)
{
    uintptr_t word = MAPPED__LOAD(&pages);
    return word != 0 && taken_of(word) < ALL_PAGES;
}

void mapped__prepare_replacements(void)
{
    uintptr_t none = 0;
    keep_placeholder();
    if (has_pages())
        return;
    unsigned char *new_pages =
        mmap(NULL, total_length(), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (new_pages == MAP_FAILED)
        return;
    assert(taken_of((uintptr_t)new_pages) == 0);
    (void)mapped__give_up_replacements();
    if (!prepare(new_pages) ||
        !__atomic_compare_exchange_n(&pages, &none, (uintptr_t)new_pages, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        munmap(new_pages, total_length());
}

/* The thread that has counted a page as taken is the only one that has it.
 */
static unsigned char *take_page(void)
{
    uintptr_t word = MAPPED__LOAD_ACQUIRE(&pages);
    do {
        if (word == 0 || taken_of(word) == ALL_PAGES)
            return NULL;
    } while (!__atomic_compare_exchange_n(&pages, &word, word + 1, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return page_at(word, taken_of(word));
}

/* mremap fails, for want of mappings, only before it has unmapped the page at
 * `to`. So that address is never free in between. */
static bool move_page(unsigned char *to, bool writable)
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

/* The limit on locked memory (EAGAIN) counts what is about to go, unless that
 * is unlocked first. The one on data, and the strictest way to account for
 * memory, leave shared memory out. */
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
           (length == mapped__page_size() && move_page(address, writable)) ||
           (mapped__give_up_replacements() &&
            replace(address, length, writable));
}

bool mapped__whole_replace(unsigned char *address, size_t length, bool writable)
{
    if (mapped__page_replace(address, length, writable))
        return true;
    if (!unmap_placeholder())
        return false;
    bool done = replace(address, length, writable);
    MAPPED__STORE_RELEASE(&placeholder, make_placeholder());
    return done;
}
