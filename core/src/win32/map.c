/* Mappings: private memory is handled here, views of files and sections in
 * view.c. Addresses that a mapping owns are never free in between. */
#include <assert.h>
#include <string.h>

#include <mapped/checked.h>

#include "system.h"

#define CHUNK_BYTES ((size_t)1 << 20)
#define SCRATCH_BYTES 16384

size_t mapped__page_size(void)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

static size_t page_of(const mapped__map_request *request)
{
    return request->page != 0 ? request->page : mapped__page_size();
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
    if (commit(mapping, 0, mapping->used))
        return MAPPED_OK;
    mapped_status status = mapped__system_error(error, "VirtualAlloc");
    VirtualFree(mapping->address, 0, MEM_RELEASE);
    mapping->address = NULL;
    return status;
}

/* Decommitting would make an access a fault until the pages are back. This way
 * none ever is, and the memory is given back all the same. */
static void zero_memory(unsigned char *start, size_t length)
{
    while (length > 0) {
        size_t n = length < CHUNK_BYTES ? length : CHUNK_BYTES;
        memset(start, 0, n);
        VirtualAlloc(start, n, MEM_RESET, PAGE_READWRITE);
        start += n;
        length -= n;
    }
}

/* The kernel reads for us and reports what would be an exception here. One
 * request for all of it goes ahead, as that is faster than page by page. */
static mapped_status populate(const mapped__mapping *mapping,
                              mapped_error *error)
{
    unsigned char scratch[SCRATCH_BYTES];
    HANDLE self = GetCurrentProcess();
    WIN32_MEMORY_RANGE_ENTRY all = {mapping->address, mapping->used};
    PrefetchVirtualMemory(self, 1, &all, 0);
    for (size_t at = 0; at < mapping->used;) {
        size_t left = mapping->used - at;
        size_t n = left < sizeof scratch ? left : sizeof scratch;
        if (!ReadProcessMemory(self, mapping->address + at, scratch, n, NULL))
            return mapped__system_error(error, "ReadProcessMemory");
        at += n;
    }
    return MAPPED_OK;
}

static mapped_status plan(const mapped__map_request *request,
                          mapped__mapping *made, mapped_error *error)
{
    made->address = NULL;
    made->page = page_of(request);
    made->flags = request->flags;
    made->section = MAPPED__NO_FILE;
    if (!mapped_round_up(request->length, made->page, &made->used) ||
        !mapped_round_up(request->reserve, made->page, &made->reserved))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "map",
                                        request->length, SIZE_MAX);
    if (made->reserved < made->used)
        made->reserved = made->used;
    return MAPPED_OK;
}

mapped_status mapped__map(const mapped__map_request *request,
                          mapped__mapping *mapping, mapped_error *error)
{
    mapped__mapping made;
    mapped_status status = plan(request, &made, error);
    if (status == MAPPED_OK && made.reserved > 0)
        status = request->file == MAPPED__NO_FILE
                     ? map_memory(&made, error)
                     : mapped__view_map(request, &made, error);
    if (status == MAPPED_OK && request->flags & MAPPED__MAP_POPULATE)
        status = populate(&made, error);
    if (status == MAPPED_OK)
        *mapping = made;
    else
        mapped__unmap(&made);
    return status;
}

/* A view goes as a whole, memory and placeholders by their allocation. */
void mapped__unmap(mapped__mapping *mapping)
{
    unsigned char *at = mapping->address;
    mapped__piece piece;
    if (at != NULL) {
        unsigned char *end = at + mapped__view_size(mapping);
        for (; mapped__view_piece(at, end, &piece); at = piece.end) {
            if (piece.view)
                UnmapViewOfFile(piece.start);
            else
                VirtualFree(piece.start, 0, MEM_RELEASE);
        }
    }
    mapping->address = NULL;
    mapping->used = 0;
    mapping->reserved = 0;
}

/* Part of a view can't be unmapped, and a plain view not without giving its
 * addresses away. Making the pages copy-on-write would hide the file at least,
 * but emulations of Windows exist that then write zeros into it. */
mapped_status mapped__map_revoke(mapped__mapping *mapping, size_t offset,
                                 size_t length, mapped_error *error)
{
    unsigned char *start = mapping->address + offset;
    assert(offset <= mapping->used && length <= mapping->used - offset);
    if (mapping->section != MAPPED__NO_FILE)
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

/* What was replaced is whole views, and they are mapped all or not at all. */
mapped_status mapped__map_restore(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t offset, size_t length,
                                  mapped_error *error)
{
    assert(offset <= mapping->used && length <= mapping->used - offset);
    if (mapping->section != MAPPED__VIEW_PLACED || offset != 0 ||
        length != mapping->used)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "recover");
    return mapped__view_restore(mapping, request, error);
}

static mapped_status move(mapped__mapping *mapping,
                          const mapped__map_request *request, bool unshared,
                          mapped_error *error)
{
    mapped__mapping made;
    if (!unshared)
        return mapped_error_set(error, MAPPED_BUSY, "resize");
    mapped_status status = mapped__map(request, &made, error);
    if (status != MAPPED_OK)
        return status;
    if (mapping->section == MAPPED__NO_FILE)
        memcpy(made.address, mapping->address, mapping->used);
    mapped__unmap(mapping);
    *mapping = made;
    return MAPPED_OK;
}

static mapped_status shrink_memory(mapped__mapping *mapping, size_t used,
                                   bool unshared, mapped_error *error)
{
    size_t length = mapping->used - used;
    if (!unshared)
        zero_memory(mapping->address + used, length);
    else if (!VirtualFree(mapping->address + used, length, MEM_DECOMMIT))
        return mapped__system_error(error, "VirtualFree");
    mapping->used = used;
    return MAPPED_OK;
}

static mapped_status resize_memory(mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   bool unshared, mapped_error *error)
{
    size_t used = 0;
    mapped_round_up(request->length, mapping->page, &used);
    if (used < mapping->used)
        return shrink_memory(mapping, used, unshared, error);
    if (used > mapped__view_size(mapping))
        return move(mapping, request, unshared, error);
    if (!commit(mapping, mapping->used, used))
        return mapped__system_error(error, "VirtualAlloc");
    mapping->used = used;
    if (mapping->reserved < used)
        mapping->reserved = used;
    return MAPPED_OK;
}

/* To shrink a view means to unmap all of it and to map the head again, which
 * needs that nobody else has a reference. Otherwise the tail just stays: the
 * file is as long as before, or mapped__map_detach had refused. */
static mapped_status resize_views(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  bool unshared, mapped_error *error)
{
    size_t used = 0;
    mapped_round_up(request->length, mapping->page, &used);
    if (used < mapping->used && !unshared)
        return MAPPED_OK;
    if (mapping->section == MAPPED__VIEW_PLAIN)
        return move(mapping, request, unshared, error);
    if (used < mapping->used)
        mapped__view_detach(mapping);
    if (used == mapping->used)
        return MAPPED_OK;
    mapped_status status = mapped__view_extend(mapping, request, used, error);
    if (status == MAPPED_BUSY)
        return move(mapping, request, unshared, error);
    return status;
}

mapped_status mapped__map_resize(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 bool unshared, mapped_error *error)
{
    size_t used;
    assert(mapping->used <= mapping->reserved);
    assert((mapping->address == NULL) == (mapping->reserved == 0));
    if (!mapped_round_up(request->length, mapping->page, &used))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "map",
                                        request->length, SIZE_MAX);
    if (used == mapping->used)
        return MAPPED_OK;
    if (mapping->address == NULL)
        return mapped__map(request, mapping, error);
    if (mapping->section == MAPPED__NO_FILE)
        return resize_memory(mapping, request, unshared, error);
    return resize_views(mapping, request, unshared, error);
}

mapped_status mapped__map_detach(mapped__mapping *mapping, bool unshared,
                                 mapped_error *error)
{
    if (mapping->used == 0 || mapping->section == MAPPED__NO_FILE)
        return MAPPED_OK;
    if (!unshared)
        return mapped_error_set(error, MAPPED_BUSY, "resize");
    if (mapping->section == MAPPED__VIEW_PLACED)
        mapped__view_detach(mapping);
    else
        mapped__unmap(mapping);
    return MAPPED_OK;
}
