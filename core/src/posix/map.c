/* Mappings: making, growing, shrinking and replacing them. Addresses that a
 * mapping owns are never free in between, as somebody else's memory could turn
 * up there: a mapping is laid over another in one step (MAP_FIXED). `unshared`
 * says that nobody else has a reference to the region, so its addresses may
 * move or be given back. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mapped/checked.h>

#include "system.h"

size_t mapped__page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int protection(unsigned flags)
{
    return PROT_READ | (flags & MAPPED__MAP_WRITE ? PROT_WRITE : 0);
}

static bool is_private(const mapped__map_request *request)
{
    return request->flags & MAPPED__MAP_PRIVATE ||
           request->file == MAPPED__NO_FILE;
}

static int map_flags(const mapped__map_request *request)
{
    int flags = is_private(request) ? MAP_PRIVATE : MAP_SHARED;
    if (request->file == MAPPED__NO_FILE)
        flags |= MAP_ANONYMOUS;
    return flags | mapped__pages_flags(request);
}

static unsigned char *map_nothing(void *address, size_t length)
{
    return mmap(address, length, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                    (address != NULL ? MAP_FIXED : 0),
                -1, 0);
}

/* The kernel joins neighbouring mappings of consecutive pages of one open file.
 * To unmap one of them later splits the joined mapping, which fails at the
 * limit on mappings. A gap keeps them apart. */
static size_t gap_of(unsigned flags)
{
    return flags & MAPPED__MAP_APART ? mapped__page_size() : 0;
}

/* Reserves address space. Huge pages want an aligned start, and a gap is space
 * that nobody has mapped. So more is reserved at first:
 *
 *     head: gap and alignment | length | the rest: slack and gap
 *
 * and only the middle is kept. */
static unsigned char *reserve(size_t length, size_t align, size_t gap)
{
    size_t slack = align > mapped__page_size() ? align : 0;
    size_t padding = 2 * gap + slack;
    size_t padded;
    if (!mapped_add_size(length, padding, &padded)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    unsigned char *start = map_nothing(NULL, padded);
    if (start == MAP_FAILED || padding == 0)
        return start;
    size_t head = gap + (align - ((uintptr_t)start + gap) % align) % align;
    if (head > 0)
        munmap(start, head);
    if (padding > head)
        munmap(start + head + length, padding - head);
    return start + head;
}

/* Maps bytes [from, to) of the request at `address`, or anywhere if that is
 * NULL. Advice for the whole mapping is given for each range, or the kernel
 * wouldn't join them. */
static unsigned char *map_range(const mapped__map_request *request,
                                void *address, size_t from, size_t to)
{
    unsigned char *start =
        mmap(address, to - from, protection(request->flags),
             map_flags(request) | (address != NULL ? MAP_FIXED : 0),
             (int)request->file, (off_t)(request->offset + from));
    if (start != MAP_FAILED && request->flags & MAPPED__MAP_HUGE)
        mapped__pages_advise_huge(start, to - from);
    return start;
}

/* Reserves addresses and maps into their beginning. Sets `made->address` as
 * soon as there are addresses to give back. */
static mapped_status map_in_reserve(const mapped__map_request *request,
                                    mapped__mapping *made, mapped_error *error)
{
    unsigned char *start =
        reserve(made->reserved, made->page, gap_of(made->flags));
    if (start == MAP_FAILED)
        return mapped__system_error(
            error, request->reserve > 0 ? "mmap of the reserve" : "mmap");
    made->address = start;
    if (made->used == 0 ||
        map_range(request, start, 0, made->used) != MAP_FAILED)
        return MAPPED_OK;
    return mapped__system_error(error, "mmap");
}

static mapped_status map_without_reserve(const mapped__map_request *request,
                                         mapped__mapping *made,
                                         mapped_error *error)
{
    unsigned char *start = map_range(request, NULL, 0, made->used);
    if (start == MAP_FAILED)
        return mapped__system_error(error, "mmap");
    made->address = start;
    return MAPPED_OK;
}

static size_t page_of(const mapped__map_request *request)
{
    return request->page != 0 ? request->page : mapped__page_size();
}

/* EFAULT says that a page can't be had, but not which nor why. Bisection finds
 * it: the first `good` pages can be had, of the first `bad` one can't. */
static mapped_status report_bad_page(const mapped__map_request *request,
                                     unsigned char *start, size_t length,
                                     bool writable, mapped_error *error)
{
    const size_t page = page_of(request);
    size_t good = 0;
    size_t bad = length / page;
    while (bad - good > 1) {
        size_t middle = good + (bad - good) / 2;
        if (mapped__pages_bring_in(start + good * page, (middle - good) * page,
                                   writable))
            good = middle;
        else
            bad = middle;
    }
    int cause = ENOMEM;
    if (request->file != MAPPED__NO_FILE)
        cause =
            mapped__file_diagnose(request->file, request->offset + good * page);
    return mapped_error_set_system(error, cause, "populate");
}

/* Shared pages are populated for reading, so that none is dirtied for nothing.
 * Kernels before 5.14 can't report, and no kernel can for a device's memory:
 * there populate stays a hint. */
static mapped_status populate(const mapped__map_request *request,
                              unsigned char *start, size_t length,
                              mapped_error *error)
{
    bool writable = is_private(request) && (request->flags & MAPPED__MAP_WRITE);
    if (mapped__pages_bring_in(start, length, writable))
        return MAPPED_OK;
    if (errno == EFAULT)
        return report_bad_page(request, start, length, writable, error);
    if (errno != EINVAL)
        return mapped__system_error(error, "madvise");
    mapped__range_expect(start, length);
    return MAPPED_OK;
}

static mapped_status init_mapping(const mapped__map_request *request,
                                  mapped__mapping *made, mapped_error *error)
{
    made->address = NULL;
    made->used = 0;
    made->reserved = 0;
    made->page = page_of(request);
    made->flags = request->flags;
    made->section = MAPPED__NO_FILE;
    if (!mapped_round_up(request->length, made->page, &made->used) ||
        !mapped_round_up(request->reserve, made->page, &made->reserved))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "mmap",
                                        request->length, SIZE_MAX);
    if (made->reserved < made->used)
        made->reserved = made->used;
    return MAPPED_OK;
}

mapped_status mapped__map(const mapped__map_request *request,
                          mapped__mapping *mapping, mapped_error *error)
{
    mapped__mapping made;
    mapped_status status = init_mapping(request, &made, error);
    if (status == MAPPED_OK && made.reserved > 0) {
        bool reserves = made.reserved > made.used || gap_of(made.flags) > 0;
        status = reserves ? map_in_reserve(request, &made, error)
                          : map_without_reserve(request, &made, error);
    }
    if (status == MAPPED_OK && request->flags & MAPPED__MAP_POPULATE &&
        made.used > 0)
        status = populate(request, made.address, made.used, error);
    if (status == MAPPED_OK)
        *mapping = made;
    else
        mapped__unmap(&made);
    mapped__prepare_replacements(); /* this mapping may lose pages */
    return status;
}

mapped_status mapped__map_revoke(mapped__mapping *mapping, size_t offset,
                                 size_t length, mapped_error *error)
{
    unsigned char *start = mapping->address + offset;
    assert(offset <= mapping->used && length <= mapping->used - offset);
    /* Replacing all of it works even at the limit on mappings. */
    bool is_all = length == mapping->used;
    if (!(is_all ? mapped__whole_replace(start, length, true)
                 : mapped__page_replace(start, length, true)))
        return mapped__system_error(error, "mmap");
    return MAPPED_OK;
}

static mapped_status shrink(mapped__mapping *mapping,
                            const mapped__map_request *request, size_t used,
                            bool unshared, mapped_error *error)
{
    unsigned char *tail = mapping->address + used;
    size_t length = mapping->used - used;
    if (!unshared) { /* others may be in the tail: it gets zero pages */
        mapped_status status = mapped__map_revoke(mapping, used, length, error);
        if (status != MAPPED_OK)
            return status;
    } else if (request->reserve > 0) { /* the addresses stay reserved */
        if (map_nothing(tail, length) == MAP_FAILED)
            return mapped__system_error(error, "mmap");
    } else { /* they go */
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
    if (map_range(request, mapping->address + mapping->used, mapping->used,
                  used) == MAP_FAILED)
        return mapped__system_error(error, "mmap");
    mapping->used = used;
    return MAPPED_OK;
}

/* Before the mapping moves: mremap would leave the unused reserve behind. */
static void give_back_reserve(mapped__mapping *mapping)
{
    size_t rest = mapping->reserved - mapping->used;
    if (rest > 0 && munmap(mapping->address + mapping->used, rest) == 0)
        mapping->reserved = mapping->used;
}

/* A gap is kept, past the new end: mremap makes the mapping longer by as
 * much, which then is unmapped. */
static mapped_status grow_or_move(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t used, bool unshared,
                                  mapped_error *error)
{
    size_t gap = gap_of(mapping->flags);
    if (mapping->used == 0 && !unshared)
        return mapped_error_set(error, MAPPED_BUSY, "mremap");
    if (mapping->used == 0) { /* there are only reserved addresses */
        mapped__unmap(mapping);
        return mapped__map(request, mapping, error);
    }
    if (unshared)
        give_back_reserve(mapping);
    unsigned char *start = mapped__pages_stretch(
        mapping->address, mapping->used, used + gap, unshared);
    if (start == MAP_FAILED)
        return errno == EFAULT || (errno == ENOMEM && !unshared)
                   ? mapped_error_set(error, MAPPED_BUSY, "mremap")
                   : mapped__system_error(error, "mremap");
    if (gap > 0)
        munmap(start + used, gap);
    mapping->address = start;
    mapping->used = used;
    mapping->reserved = used;
    return MAPPED_OK;
}

mapped_status mapped__map_resize(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 bool unshared, mapped_error *error)
{
    size_t used;
    assert(mapping->used <= mapping->reserved);
    assert((mapping->address == NULL) == (mapping->reserved == 0));
    if (!mapped_round_up(request->length, mapping->page, &used))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "mmap",
                                        request->length, SIZE_MAX);
    if (used == mapping->used)
        return MAPPED_OK;
    if (mapping->address == NULL)
        return mapped__map(request, mapping, error);
    if (used < mapping->used)
        return shrink(mapping, request, used, unshared, error);
    if (used <= mapping->reserved)
        return grow_into_reserve(mapping, request, used, error);
    return grow_or_move(mapping, request, used, unshared, error);
}

/* POSIX can make a mapped file shorter, so nothing is detached; Windows can't.
 */
mapped_status mapped__map_detach(mapped__mapping *mapping, bool unshared,
                                 mapped_error *error)
{
    return MAPPED_OK;
}

mapped_status mapped__map_restore(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t offset, size_t length,
                                  mapped_error *error)
{
    assert(offset <= mapping->used && length <= mapping->used - offset);
    if (map_range(request, mapping->address + offset, offset,
                  offset + length) == MAP_FAILED)
        return mapped__system_error(error, "mmap");
    return MAPPED_OK;
}

/* At the limit on mappings nothing can be unmapped from the middle of what the
 * kernel has joined, unless another mapping goes first. Then at least the
 * memory is given back. */
static void unmap_or_empty(unsigned char *address, size_t length)
{
    if (munmap(address, length) == 0)
        return;
    if (errno == ENOMEM && mapped__give_up_replacements() &&
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
