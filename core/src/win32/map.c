/* Mappings: what is private memory is handled here, views of files and sections
 * in view.c. Invariant: addresses that a mapping owns are never free in
 * between. */
#include <assert.h>
#include <string.h>

#include "system.h"

#define CHUNK ((size_t)1 << 20) /* bytes that are zeroed, then given back */

size_t mapped__page_size(void)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

static bool is_memory(const mapped__mapping *mapping)
{
    return mapping->view_kind == MAPPED__VIEW_NONE;
}

/* Large pages can't be committed bit by bit, and the caller's token must hold
 * SeLockMemoryPrivilege: without it this is error 1314. */
static mapped_status map_large(mapped__mapping *mapping, mapped_error *error)
{
    if (mapping->page != GetLargePageMinimum() ||
        mapping->reserved > mapping->used)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "large pages");
    mapping->address = VirtualAlloc(NULL, mapping->used,
                                    MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES,
                                    PAGE_READWRITE);
    if (mapping->address == NULL)
        return mapped__system_error(error, "VirtualAlloc");
    return MAPPED_OK;
}

static bool commit(const mapped__mapping *mapping, size_t from, size_t to)
{
    return from == to || VirtualAlloc(mapping->address + from, to - from,
                                      MEM_COMMIT, PAGE_READWRITE) != NULL;
}

static mapped_status map_memory(mapped__mapping *mapping, mapped_error *error)
{
    if (mapping->flags & MAPPED__MAP_HUGETLB)
        return map_large(mapping, error);
    mapping->address = VirtualAlloc(NULL, mapped__view_size(mapping),
                                    MEM_RESERVE, PAGE_READWRITE);
    if (mapping->address == NULL)
        return mapped__system_error(error, "VirtualAlloc of the reserve");
    if (!commit(mapping, 0, mapping->used))
        return mapped__system_error(error, "VirtualAlloc");
    return MAPPED_OK;
}

/* Makes the bytes zero and gives their memory back. Decommitted pages could not
 * be accessed any more; these can, all the time. */
static void zero_memory(unsigned char *start, size_t length)
{
    while (length > 0) {
        size_t n = length < CHUNK ? length : CHUNK;
        memset(start, 0, n);
        VirtualAlloc(start, n, MEM_RESET, PAGE_READWRITE);
        start += n;
        length -= n;
    }
}

/* The kernel reads for us and reports what would be an exception here. One
 * request for all of it goes ahead, as that is faster than page by page. */
mapped_status mapped__map_populate(const mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   mapped_error *error)
{
    unsigned char scratch[16384];
    (void)mapped__range_advise(mapping->address, mapping->used,
                               MAPPED__ADVICE_WILLNEED, NULL);
    for (size_t at = 0; at < mapping->used; at += sizeof scratch) {
        size_t left = mapping->used - at;
        size_t n = left < sizeof scratch ? left : sizeof scratch;
        if (!ReadProcessMemory(GetCurrentProcess(), mapping->address + at,
                               scratch, n, NULL))
            return mapped__system_error(error, "ReadProcessMemory");
    }
    return MAPPED_OK;
}

mapped_status mapped__map_new(const mapped__map_request *request,
                              mapped__mapping *mapping, mapped_error *error)
{
    return request->file == MAPPED__NO_FILE
               ? map_memory(mapping, error)
               : mapped__view_map(request, mapping, error);
}

/* Frees piece by piece: each is one allocation of the system. */
void mapped__unmap(mapped__mapping *mapping)
{
    unsigned char *start = mapping->address;
    mapped__piece piece;
    if (start != NULL) {
        unsigned char *end = start + mapped__view_size(mapping);
        for (; mapped__view_piece(start, end, &piece); start = piece.end) {
            if (piece.is_view)
                UnmapViewOfFile(piece.start);
            else
                VirtualFree(piece.start, 0, MEM_RELEASE);
        }
    }
    mapping->address = NULL;
    mapping->used = 0;
    mapping->reserved = 0;
}

/* Part of a view can't be unmapped, and a plain view only together with its
 * addresses: then this is MAPPED_UNSUPPORTED. To make the pages copy-on-write
 * would hide the file at least, but there are emulations of Windows that then
 * write the zeros into it. */
mapped_status mapped__map_revoke(mapped__mapping *mapping, size_t offset,
                                 size_t length, mapped_error *error)
{
    unsigned char *start = mapping->address + offset;
    assert(offset <= mapping->used && length <= mapping->used - offset);
    if (!is_memory(mapping))
        return mapped__view_zero(start, start + length, true, error);
    zero_memory(start, length);
    return MAPPED_OK;
}

bool mapped__page_replace(unsigned char *address, size_t length, bool writable)
{
    return mapped__view_zero(address, address + length, writable, NULL) ==
           MAPPED_OK;
}

bool mapped__whole_replace(unsigned char *address, size_t length, bool writable)
{
    return mapped__page_replace(address, length, writable);
}

/* Only whole views were replaced, and they are mapped all or not at all. */
mapped_status mapped__map_restore(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t offset, size_t length,
                                  mapped_error *error)
{
    assert(offset <= mapping->used && length <= mapping->used - offset);
    if (mapping->view_kind != MAPPED__VIEW_PLACED || offset != 0 ||
        length != mapping->used)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "recover");
    return mapped__view_restore(mapping, request, error);
}

/* Makes the mapping anew, elsewhere. */
static mapped_status move(mapped__mapping *mapping,
                          const mapped__map_request *request, bool sole_user,
                          mapped_error *error)
{
    mapped__mapping made;
    if (!sole_user)
        return mapped_error_set(error, MAPPED_BUSY, "resize");
    mapped_status status = mapped__map(request, &made, error);
    if (status != MAPPED_OK)
        return status;
    if (is_memory(mapping))
        memcpy(made.address, mapping->address, mapping->used);
    mapped__unmap(mapping);
    *mapping = made;
    return MAPPED_OK;
}

static mapped_status shrink_memory(mapped__mapping *mapping, size_t used,
                                   bool sole_user, mapped_error *error)
{
    size_t length = mapping->used - used;
    if (!sole_user)
        zero_memory(mapping->address + used, length);
    else if (!VirtualFree(mapping->address + used, length, MEM_DECOMMIT))
        return mapped__system_error(error, "VirtualFree");
    mapping->used = used;
    return MAPPED_OK;
}

static mapped_status grow_memory(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 size_t used, bool sole_user,
                                 mapped_error *error)
{
    if (used > mapped__view_size(mapping))
        return move(mapping, request, sole_user, error);
    if (!commit(mapping, mapping->used, used))
        return mapped__system_error(error, "VirtualAlloc");
    mapping->used = used;
    if (mapping->reserved < used)
        mapping->reserved = used;
    return MAPPED_OK;
}

/* Maps the views of a file or section up to `used`, where fewer are mapped. */
static mapped_status extend_or_move(mapped__mapping *mapping,
                                    const mapped__map_request *request,
                                    size_t used, bool sole_user,
                                    mapped_error *error)
{
    mapped_status status = MAPPED_BUSY;
    if (mapping->view_kind == MAPPED__VIEW_PLACED)
        status = mapped__view_extend(mapping, request, used, error);
    return status == MAPPED_BUSY ? move(mapping, request, sole_user, error)
                                 : status;
}

mapped_status mapped__map_grow(mapped__mapping *mapping,
                               const mapped__map_request *request, size_t used,
                               bool sole_user, mapped_error *error)
{
    if (is_memory(mapping))
        return grow_memory(mapping, request, used, sole_user, error);
    return extend_or_move(mapping, request, used, sole_user, error);
}

/* To shrink a view means to unmap all of it and to map the head again, which
 * needs that nobody else has a reference. Otherwise the tail just stays: the
 * file is as long as before, or mapped__map_detach had refused. */
mapped_status mapped__map_shrink(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 size_t used, bool sole_user,
                                 mapped_error *error)
{
    if (is_memory(mapping))
        return shrink_memory(mapping, used, sole_user, error);
    if (!sole_user)
        return MAPPED_OK;
    if (mapping->view_kind == MAPPED__VIEW_PLACED)
        mapped__view_detach(mapping);
    if (mapping->used == used)
        return MAPPED_OK;
    return extend_or_move(mapping, request, used, sole_user, error);
}

mapped_status mapped__map_detach(mapped__mapping *mapping, bool sole_user,
                                 mapped_error *error)
{
    if (mapping->used == 0 || is_memory(mapping))
        return MAPPED_OK;
    if (!sole_user)
        return mapped_error_set(error, MAPPED_BUSY, "resize");
    if (mapping->view_kind == MAPPED__VIEW_PLACED)
        mapped__view_detach(mapping);
    else
        mapped__unmap(mapping);
    return MAPPED_OK;
}

/* One call may not span two views. */
mapped_status mapped__map_protect(const mapped__mapping *mapping, bool writable,
                                  mapped_error *error)
{
    unsigned char *start = mapping->address;
    unsigned char *end = start + mapping->used;
    mapped__piece piece;
    DWORD protection = writable ? mapped__view_protection(mapping->flags)
                                : (DWORD)PAGE_READONLY;
    DWORD before;
    for (; mapped__view_piece(start, end, &piece); start = piece.end) {
        unsigned char *to = piece.end < end ? piece.end : end;
        if (!VirtualProtect(start, (SIZE_T)(to - start), protection, &before))
            return mapped__system_error(error, "VirtualProtect");
    }
    return MAPPED_OK;
}
