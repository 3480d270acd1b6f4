/* Mappings of files and of sections of the pagefile.
 *
 * A placed mapping is a row of pieces without a gap, each a view or a
 * placeholder (placeholder.c). So views can be swapped for others at the same
 * addresses, and the last piece may be a reserve for growth. Where the system
 * has no placeholders, a mapping is one plain view, which can't be swapped.
 * What the pieces are is not recorded: the system is asked
 * (mapped__view_piece).
 *
 * Invariant: a placed mapping owns its addresses, rounded up to the
 * granularity, until it is unmapped. While views are swapped, accesses to them
 * wait in the exception handler (fault.c). */
#include "system.h"

#include <mapped/checked.h>

#define MAX_ZEROS ((size_t)16 << 20) /* bytes of a section of zeros */
#define NO_END ((unsigned char *)UINTPTR_MAX)

static size_t granularity(void)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwAllocationGranularity;
}

size_t mapped__view_size(const mapped__mapping *mapping)
{
    size_t size = mapping->reserved;
    mapped_round_up(mapping->reserved, granularity(), &size);
    return size;
}

/* VirtualQuery tells of the pages of one protection. A piece may have several,
 * which have the same allocation base. */
bool mapped__view_piece(unsigned char *at, unsigned char *end,
                        mapped__piece *piece)
{
    MEMORY_BASIC_INFORMATION found;
    unsigned char *next = at;
    void *base = NULL;
    while (next < end && VirtualQuery(next, &found, sizeof found) != 0) {
        if (found.State == MEM_FREE ||
            (next != at && found.AllocationBase != base))
            break;
        if (next == at)
            piece->is_view = found.Type == MEM_MAPPED;
        base = found.AllocationBase;
        next = (unsigned char *)found.BaseAddress + found.RegionSize;
    }
    piece->start = base;
    piece->end = next;
    return next != at;
}

DWORD mapped__view_protection(unsigned flags)
{
    if (!(flags & MAPPED__MAP_WRITE))
        return PAGE_READONLY;
    return flags & MAPPED__MAP_PRIVATE ? PAGE_WRITECOPY : PAGE_READWRITE;
}

static DWORD plain_access(unsigned flags)
{
    if (!(flags & MAPPED__MAP_WRITE))
        return FILE_MAP_READ;
    return flags & MAPPED__MAP_PRIVATE ? FILE_MAP_COPY
                                       : FILE_MAP_READ | FILE_MAP_WRITE;
}

/* The section to map views of. Memory is one already. That of a file ends where
 * the request does: in a writable mode a larger one would extend the file. */
static HANDLE open_section(const mapped__map_request *request)
{
    uint64_t end;
    uint64_t size;
    if (mapped__section_size(request->file, &size))
        return (HANDLE)request->file;
    if (!mapped_add_u64(request->offset, request->length, &end)) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    return CreateFileMappingW((HANDLE)request->file, NULL,
                              mapped__view_protection(request->flags),
                              (DWORD)(end >> 32), (DWORD)end, NULL);
}

/* Views keep their section by themselves. The last error stays, for callers
 * that report it after this. */
static void close_section(const mapped__map_request *request, HANDLE section)
{
    DWORD kept = GetLastError();
    if (section != (HANDLE)request->file)
        CloseHandle(section);
    SetLastError(kept);
}

/* Puts a view into the first `size` bytes of the placeholder [start, end). The
 * rest stays a placeholder; on failure all of it does. */
static bool show_view(unsigned char *start, unsigned char *end, size_t size,
                      const mapped__view *view)
{
    size_t room = (size_t)(end - start);
    if (size < room && !mapped__placeholder_split(start, size))
        return false;
    if (mapped__placeholder_to_view(start, view))
        return true;
    DWORD kept = GetLastError();
    if (size < room)
        mapped__placeholder_join(start, room);
    SetLastError(kept);
    return false;
}

/* Maps bytes [from, to) of the request into the placeholder that begins there
 * and ends the mapping. */
static mapped_status map_into_placeholder(mapped__mapping *mapping,
                                          const mapped__map_request *request,
                                          size_t from, size_t to,
                                          mapped_error *error)
{
    unsigned char *end = mapping->address + mapped__view_size(mapping);
    HANDLE section = open_section(request);
    if (section == NULL)
        return mapped__system_error(error, "CreateFileMapping");
    mapped__view view = {.section = section,
                         .offset = request->offset + from,
                         .size = request->length - from,
                         .protection = mapped__view_protection(request->flags)};
    mapped_status status = MAPPED_OK;
    if (!show_view(mapping->address + from, end, to - from, &view))
        status = mapped__system_error(error, "MapViewOfFile3");
    close_section(request, section);
    return status;
}

static mapped_status map_placed(const mapped__map_request *request,
                                mapped__mapping *mapping, mapped_error *error)
{
    mapping->view_kind = MAPPED__VIEW_PLACED;
    mapping->address = mapped__placeholder_reserve(mapped__view_size(mapping));
    if (mapping->address == NULL)
        return mapped__system_error(error, "VirtualAlloc2 of the reserve");
    if (mapping->used == 0)
        return MAPPED_OK;
    return map_into_placeholder(mapping, request, 0, mapping->used, error);
}

/* Are [mapping->used, used) in a placeholder that ends the mapping? */
static bool has_room(const mapped__mapping *mapping, size_t used)
{
    unsigned char *start = mapping->address + mapping->used;
    unsigned char *end = mapping->address + mapped__view_size(mapping);
    mapped__piece piece;
    return mapping->address + used <= end &&
           mapped__view_piece(start, end, &piece) && piece.start == start &&
           piece.end == end && !piece.is_view;
}

mapped_status mapped__view_extend(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t used, mapped_error *error)
{
    if (!has_room(mapping, used))
        return mapped_error_set(error, MAPPED_BUSY, "MapViewOfFile3");
    mapped_status status =
        map_into_placeholder(mapping, request, mapping->used, used, error);
    if (status != MAPPED_OK)
        return status;
    mapping->used = used;
    if (mapping->reserved < used)
        mapping->reserved = used;
    return MAPPED_OK;
}

void mapped__view_detach(mapped__mapping *mapping)
{
    size_t size = mapped__view_size(mapping);
    unsigned char *at = mapping->address;
    unsigned char *end = at + size;
    mapped__piece piece;
    int pieces = 0;
    for (; mapped__view_piece(at, end, &piece); at = piece.end) {
        if (piece.is_view)
            mapped__placeholder_from_view(piece.start);
        pieces++;
    }
    if (pieces > 1)
        mapped__placeholder_join(mapping->address, size);
    mapping->used = 0;
}

/* Makes a section of zeros for `length` bytes of addresses. Windows promises
 * memory for every page of a section, so one small section is shown again and
 * again. That is as good: nobody is meant to write there. */
static bool create_zeros(size_t length, bool writable, mapped__view *zeros)
{
    size_t size = length < MAX_ZEROS ? length : MAX_ZEROS;
    *zeros = (mapped__view){
        .size = size, .protection = writable ? PAGE_READWRITE : PAGE_READONLY};
    zeros->section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL,
                                        PAGE_READWRITE, 0, (DWORD)size, NULL);
    return zeros->section != NULL;
}

/* Fills the placeholder [start, end) with views of the zeros. */
static void show_zeros(unsigned char *start, unsigned char *end,
                       const mapped__view *zeros)
{
    mapped__view view = *zeros;
    for (; start < end; start += view.size) {
        size_t left = (size_t)(end - start);
        view.size = left < zeros->size ? left : zeros->size;
        if (!show_view(start, end, view.size, &view))
            break;
    }
}

/* Does [start, end) consist of views, none of which reaches out of it? */
static bool are_whole_views(unsigned char *start, unsigned char *end)
{
    mapped__piece piece;
    while (start < end) {
        if (!mapped__view_piece(start, NO_END, &piece) || !piece.is_view ||
            piece.start != start || piece.end > end)
            return false;
        start = piece.end;
    }
    return true;
}

/* Swaps each view in [start, end) for zeros. */
static void swap_for_zeros(unsigned char *start, unsigned char *end,
                           const mapped__view *zeros)
{
    mapped__piece piece;
    for (; mapped__view_piece(start, end, &piece); start = piece.end) {
        mapped__placeholder_from_view(start);
        show_zeros(start, piece.end, zeros);
    }
}

/* The section is made before any view goes, because after that nothing may
 * fail. What is mapped is checked during the swap, when nobody else swaps it.
 */
mapped_status mapped__view_zero(unsigned char *start, unsigned char *end,
                                bool writable, mapped_error *error)
{
    mapped__view zeros;
    mapped_status status = MAPPED_OK;
    if (!mapped__placeholder_available())
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "MapViewOfFile3");
    if (!create_zeros((size_t)(end - start), writable, &zeros))
        return mapped__system_error(error, "CreateFileMapping");
    mapped__swap_begin(start, (size_t)(end - start));
    if (are_whole_views(start, end))
        swap_for_zeros(start, end, &zeros);
    else
        status =
            mapped_error_set(error, MAPPED_UNSUPPORTED, "UnmapViewOfFile2");
    mapped__swap_end();
    CloseHandle(zeros.section);
    return status;
}

/* Here, too, the section of zeros is made first: if the file can't be mapped,
 * they take its place again. */
mapped_status mapped__view_restore(mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   mapped_error *error)
{
    mapped__view zeros;
    size_t used = mapping->used;
    size_t size = mapped__view_size(mapping);
    bool writable = mapping->flags & MAPPED__MAP_WRITE;
    if (!create_zeros(size, writable, &zeros))
        return mapped__system_error(error, "CreateFileMapping");
    mapped__swap_begin(mapping->address, used);
    mapped__view_detach(mapping);
    mapped_status status = mapped__view_extend(mapping, request, used, error);
    if (status != MAPPED_OK)
        show_zeros(mapping->address, mapping->address + size, &zeros);
    mapping->used = used;
    mapped__swap_end();
    CloseHandle(zeros.section);
    return status;
}

static mapped_status map_plain(const mapped__map_request *request,
                               mapped__mapping *mapping, mapped_error *error)
{
    if (mapping->reserved > mapping->used)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "reserve");
    HANDLE section = open_section(request);
    if (section == NULL)
        return mapped__system_error(error, "CreateFileMapping");
    mapping->view_kind = MAPPED__VIEW_PLAIN;
    mapping->address = MapViewOfFile(section, plain_access(request->flags),
                                     (DWORD)(request->offset >> 32),
                                     (DWORD)request->offset, request->length);
    mapped_status status = MAPPED_OK;
    if (mapping->address == NULL)
        status = mapped__system_error(error, "MapViewOfFile");
    close_section(request, section);
    return status;
}

mapped_status mapped__view_map(const mapped__map_request *request,
                               mapped__mapping *mapping, mapped_error *error)
{
    if (mapped__placeholder_available())
        return map_placed(request, mapping, error);
    return map_plain(request, mapping, error);
}
