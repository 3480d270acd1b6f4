/* Mappings: making, growing, shrinking and replacing them; locks on their pages
 * and protection.
 *
 *     mapping->address
 *     |<------- used ------->|
 *     |<--------------- reserved --------------->|
 *       pages of file/memory   no access (reserve)
 *
 * Invariant: addresses that a mapping owns are never free in between, as
 * somebody else's memory could turn up there. So a mapping is laid over another
 * in one step (MAP_FIXED).
 *
 * - A *request* says what to map. What makes a mapping takes the request first,
 *   what changes one takes the mapping first.
 * - `sole_user`: nobody else can reach the memory. Only then may its address
 *   change, or addresses be given back.
 * - *Spare pages* (linux/replace.c) are a mapping that is kept back, and given
 *   up so that one more can be made at the kernel's limit on their number. */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mapped/checked.h>

#include "system.h"

size_t mapped__page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int protection(bool writable)
{
    return PROT_READ | (writable ? PROT_WRITE : 0);
}

static bool is_private(const mapped__map_request *request)
{
    return request->flags & MAPPED__MAP_PRIVATE ||
           request->file == MAPPED__NO_FILE;
}

/* Maps bytes [from, to) of the request at `address`, or anywhere if that is
 * NULL. Each range gets the advice, because the kernel doesn't join mappings
 * with different advice. */
static unsigned char *map_range(const mapped__map_request *request,
                                void *address, size_t from, size_t to)
{
    int flags = (is_private(request) ? MAP_PRIVATE : MAP_SHARED) |
                (request->file == MAPPED__NO_FILE ? MAP_ANONYMOUS : 0) |
                (address != NULL ? MAP_FIXED : 0) |
                mapped__pages_flags(request);
    unsigned char *start =
        mmap(address, to - from, protection(request->flags & MAPPED__MAP_WRITE),
             flags, (int)request->file, (off_t)(request->offset + from));
    if (start != MAP_FAILED && request->flags & MAPPED__MAP_HUGE)
        mapped__pages_advise_huge(start, to - from);
    return start;
}

/* Reserves the addresses of `length` bytes: at `address`, or anywhere if that
 * is NULL. */
static unsigned char *map_no_access(void *address, size_t length)
{
    return mmap(address, length, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                    (address != NULL ? MAP_FIXED : 0),
                -1, 0);
}

/* The kernel joins neighbouring mappings of consecutive pages of one open file.
 * To unmap one of them later splits the joined mapping, which fails at the
 * limit on mappings. A gap on either side keeps them apart. region_open.c sets
 * APART where several regions may map one open file. */
static size_t gap_of(unsigned flags)
{
    return flags & MAPPED__MAP_APART ? mapped__page_size() : 0;
}

/* Reserves `length` bytes of addresses at a multiple of `align`, with a gap on
 * either side that is unmapped at first. To find such a place it reserves more,
 * and gives back what comes before and after:
 *
 *     |<---- head ---->|
 *     | gap | to align | length | rest | gap |
 */
static unsigned char *reserve(size_t length, size_t align, size_t gap)
{
    size_t slack = align > mapped__page_size() ? align : 0;
    size_t padding = 2 * gap + slack;
    size_t padded;
    if (!mapped_add_size(length, padding, &padded)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    unsigned char *start = map_no_access(NULL, padded);
    if (start == MAP_FAILED || padding == 0)
        return start;
    size_t head = gap + (align - ((uintptr_t)start + gap) % align) % align;
    if (head > 0)
        munmap(start, head);
    if (padding > head)
        munmap(start + head + length, padding - head);
    return start + head;
}

/* Maps bytes [from, to) of the request over the addresses that the mapping has
 * for them. */
static mapped_status map_over(const mapped__mapping *mapping,
                              const mapped__map_request *request, size_t from,
                              size_t to, mapped_error *error)
{
    if (map_range(request, mapping->address + from, from, to) == MAP_FAILED)
        return mapped__system_error(error, "mmap");
    return MAPPED_OK;
}

static mapped_status map_in_reserve(const mapped__map_request *request,
                                    mapped__mapping *mapping,
                                    mapped_error *error)
{
    unsigned char *start =
        reserve(mapping->reserved, mapping->page, gap_of(mapping->flags));
    if (start == MAP_FAILED)
        return mapped__system_error(
            error, request->reserve > 0 ? "mmap of the reserve" : "mmap");
    mapping->address = start;
    return mapping->used > 0
               ? map_over(mapping, request, 0, mapping->used, error)
               : MAPPED_OK;
}

static mapped_status map_anywhere(const mapped__map_request *request,
                                  mapped__mapping *mapping, mapped_error *error)
{
    unsigned char *start = map_range(request, NULL, 0, mapping->used);
    if (start == MAP_FAILED)
        return mapped__system_error(error, "mmap");
    mapping->address = start;
    return MAPPED_OK;
}

/* `mapping` has its sizes and flags (mapped__map); on failure mapped__map
 * unmaps what there is. */
mapped_status mapped__map_new(const mapped__map_request *request,
                              mapped__mapping *mapping, mapped_error *error)
{
    bool reserves =
        mapping->reserved > mapping->used || gap_of(mapping->flags) > 0;
    mapped_status status = reserves ? map_in_reserve(request, mapping, error)
                                    : map_anywhere(request, mapping, error);
    /* So that replacing a page works at the limit on mappings. */
    mapped__spare_pages_prepare();
    return status;
}

/* EFAULT says that a page can't be had, but not which nor why. Bisection finds
 * it: the first `good` pages are available, and among the first `bad` pages one
 * isn't. */
static mapped_status report_bad_page(const mapped__mapping *mapping,
                                     const mapped__map_request *request,
                                     bool writable, mapped_error *error)
{
    const size_t page = mapping->page;
    size_t good = 0;
    size_t bad = mapping->used / page;
    while (bad - good > 1) {
        size_t middle = good + (bad - good) / 2;
        if (mapped__pages_populate(mapping->address + good * page,
                                   (middle - good) * page, writable))
            good = middle;
        else
            bad = middle;
    }
    int cause = ENOMEM;
    if (request->file != MAPPED__NO_FILE)
        cause = mapped__file_fault_cause(request->file,
                                         request->offset + good * page);
    return mapped_error_set_system(error, cause, "populate");
}

/* Shared pages are populated for reading, so that none is dirtied for nothing.
 * Kernels before 5.14 can't report, and no kernel can for a device's memory:
 * there populate stays a hint. */
mapped_status mapped__map_populate(const mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   mapped_error *error)
{
    bool writable = is_private(request) && request->flags & MAPPED__MAP_WRITE;
    if (mapped__pages_populate(mapping->address, mapping->used, writable))
        return MAPPED_OK;
    if (errno == EFAULT)
        return report_bad_page(mapping, request, writable, error);
    if (errno != EINVAL)
        return mapped__system_error(error, "madvise");
    (void)mapped__range_advise(mapping->address, mapping->used,
                               MAPPED__ADVICE_WILLNEED, NULL);
    return MAPPED_OK;
}

mapped_status mapped__map_revoke(mapped__mapping *mapping, size_t offset,
                                 size_t length, mapped_error *error)
{
    unsigned char *start = mapping->address + offset;
    const bool writable = true;
    assert(offset <= mapping->used && length <= mapping->used - offset);
    /* Replacing all of it works even at the limit on mappings. */
    bool is_all = length == mapping->used;
    if (!(is_all ? mapped__whole_replace(start, length, writable)
                 : mapped__page_replace(start, length, writable)))
        return mapped__system_error(error, "mmap");
    return MAPPED_OK;
}

mapped_status mapped__map_restore(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t offset, size_t length,
                                  mapped_error *error)
{
    assert(offset <= mapping->used && length <= mapping->used - offset);
    return map_over(mapping, request, offset, offset + length, error);
}

mapped_status mapped__map_shrink(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 size_t used, bool sole_user,
                                 mapped_error *error)
{
    unsigned char *tail = mapping->address + used;
    size_t length = mapping->used - used;
    if (!sole_user) { /* others may be in the tail: it gets zero pages */
        mapped_status status = mapped__map_revoke(mapping, used, length, error);
        if (status != MAPPED_OK)
            return status;
    } else if (request->reserve > 0) { /* the addresses stay reserved */
        if (map_no_access(tail, length) == MAP_FAILED)
            return mapped__system_error(error, "mmap");
    } else { /* they are given back */
        if (munmap(tail, mapping->reserved - used) != 0)
            return mapped__system_error(error, "munmap");
        mapping->reserved = used;
    }
    mapping->used = used;
    if (mapping->reserved == 0)
        mapping->address = NULL;
    return MAPPED_OK;
}

static mapped_status grow_into_reserve(mapped__mapping *mapping,
                                       const mapped__map_request *request,
                                       size_t used, mapped_error *error)
{
    mapped_status status =
        map_over(mapping, request, mapping->used, used, error);
    if (status == MAPPED_OK)
        mapping->used = used;
    return status;
}

/* Before the mapping moves: mremap would leave the unused reserve behind. */
static void give_back_reserve(mapped__mapping *mapping)
{
    size_t rest = mapping->reserved - mapping->used;
    if (rest > 0 && munmap(mapping->address + mapping->used, rest) == 0)
        mapping->reserved = mapping->used;
}

/* Grows in place if the addresses behind are free, and else moves if that is
 * allowed. A gap is kept: mremap makes the mapping longer by as much, and that
 * is unmapped again.
 *
 * Where the mapping must not move, the kernel answers ENOMEM if there is no
 * room behind it. It always answers EFAULT if the mapping consists of several,
 * as it does once a page of it was replaced. Both are MAPPED_BUSY, after which
 * the region lets the mapping move, or makes a new one (region_resize.c). */
static mapped_status grow_by_remap(mapped__mapping *mapping, size_t used,
                                   bool sole_user, mapped_error *error)
{
    size_t gap = gap_of(mapping->flags);
    if (sole_user)
        give_back_reserve(mapping);
    unsigned char *start = mapped__pages_remap(mapping->address, mapping->used,
                                               used + gap, sole_user);
    if (start == MAP_FAILED) {
        bool needs_new_mapping =
            errno == EFAULT || (errno == ENOMEM && !sole_user);
        return needs_new_mapping
                   ? mapped_error_set(error, MAPPED_BUSY, "mremap")
                   : mapped__system_error(error, "mremap");
    }
    if (gap > 0)
        munmap(start + used, gap);
    mapping->address = start;
    mapping->used = used;
    mapping->reserved = used;
    return MAPPED_OK;
}

mapped_status mapped__map_grow(mapped__mapping *mapping,
                               const mapped__map_request *request, size_t used,
                               bool sole_user, mapped_error *error)
{
    if (used <= mapping->reserved)
        return grow_into_reserve(mapping, request, used, error);
    if (mapping->used > 0)
        return grow_by_remap(mapping, used, sole_user, error);
    if (!sole_user) /* there are only reserved addresses, and too few */
        return mapped_error_set(error, MAPPED_BUSY, "mremap");
    mapped__unmap(mapping); /* which holds no bytes */
    return mapped__map(request, mapping, error);
}

/* Does nothing: only Windows must unmap a file to shorten it. */
mapped_status mapped__map_detach(mapped__mapping *mapping, bool sole_user,
                                 mapped_error *error)
{
    return MAPPED_OK;
}

/* At the limit on mappings nothing can be unmapped from the middle of what the
 * kernel has joined, unless another mapping goes first. Then at least the
 * memory is given back. */
static void unmap_or_empty(unsigned char *address, size_t length)
{
    if (munmap(address, length) == 0)
        return;
    if (errno == ENOMEM && mapped__spare_pages_release() &&
        munmap(address, length) == 0)
        return;
    (void)mapped__range_drop(address, length, NULL);
}

void mapped__unmap(mapped__mapping *mapping)
{
    if (mapping->address != NULL)
        unmap_or_empty(mapping->address, mapping->reserved);
    mapping->address = NULL;
    mapping->used = 0;
    mapping->reserved = 0;
}

mapped_status mapped__map_protect(const mapped__mapping *mapping, bool writable,
                                  mapped_error *error)
{
    if (mprotect(mapping->address, mapping->used, protection(writable)) != 0)
        return mapped__system_error(error, "mprotect");
    return MAPPED_OK;
}

/* ENOMEM says that a page can't be had, or that the limit on locked memory is
 * reached; populating finds out which. In the first case mlock may have marked
 * the range as locked before it failed at the page, so it is unlocked. */
mapped_status mapped__range_lock(unsigned char *start, size_t length,
                                 mapped_error *error)
{
    if (mlock(start, length) == 0)
        return MAPPED_OK;
    bool may_be_a_fault = errno == ENOMEM;
    mapped_status status = mapped__system_error(error, "mlock");
    if (may_be_a_fault &&
        mapped__range_populate(start, length, false) == MAPPED_FAULT) {
        (void)munlock(start, length);
        return MAPPED_FAULT;
    }
    return status;
}

mapped_status mapped__range_unlock(unsigned char *start, size_t length,
                                   mapped_error *error)
{
    if (munlock(start, length) != 0)
        return mapped__system_error(error, "munlock");
    return MAPPED_OK;
}
