#include "section.h"

#include <string.h>
#include <windows.h>
#include <winternl.h>

#define SECTION_BASIC 0
#define WINDOW_BYTES ((uint64_t)16 << 20) /* a multiple of any granularity */

typedef struct section_basic {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
} section_basic;

typedef NTSTATUS NTAPI query_section(HANDLE section, int information,
                                     void *buffer, SIZE_T size, SIZE_T *got);

/* The one way to tell a section from a file, and how large it is; the Win32
 * interface has none. Every Windows has it. */
static query_section *find_query(void)
{
    HMODULE library = GetModuleHandleW(L"ntdll.dll");
    if (library == NULL)
        return NULL;
    return (query_section *)(void (*)(void))GetProcAddress(library,
                                                           "NtQuerySection");
}

bool mapped__section_size(intptr_t handle, uint64_t *size)
{
    section_basic found;
    query_section *query = find_query();
    if (query == NULL ||
        query((HANDLE)handle, SECTION_BASIC, &found, sizeof found, NULL) < 0)
        return false;
    *size = (uint64_t)found.size.QuadPart;
    return true;
}

mapped_status mapped__memory_create(uint64_t size, size_t huge_page,
                                    intptr_t *file, mapped_error *error)
{
    if (huge_page != 0)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "large pages");
    uint64_t bytes = size > 0 ? size : 1; /* there is no empty section */
    HANDLE section =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)(bytes >> 32), (DWORD)bytes, NULL);
    if (section == NULL)
        return mapped_error_set_system(error, (int)GetLastError(),
                                       "CreateFileMapping");
    *file = (intptr_t)section;
    return MAPPED_OK;
}

static bool zero_window(HANDLE section, uint64_t from, uint64_t to)
{
    uint64_t start = from / WINDOW_BYTES * WINDOW_BYTES;
    unsigned char *view =
        MapViewOfFile(section, FILE_MAP_WRITE, (DWORD)(start >> 32),
                      (DWORD)start, (size_t)(to - start));
    if (view == NULL)
        return false;
    memset(view + (from - start), 0, (size_t)(to - from));
    UnmapViewOfFile(view);
    return true;
}

static bool zero_tail(HANDLE section, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t window_end = (from / WINDOW_BYTES + 1) * WINDOW_BYTES;
        uint64_t end = window_end < to ? window_end : to;
        if (!zero_window(section, from, end))
            return false;
        from = end;
    }
    return true;
}

mapped_status mapped__section_resize(intptr_t section, uint64_t old_size,
                                     uint64_t size, mapped_error *error)
{
    uint64_t limit = 0;
    mapped__section_size(section, &limit);
    if (size > limit)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "section");
    uint64_t dirty = old_size < limit ? old_size : limit;
    if (size < dirty && !zero_tail((HANDLE)section, size, dirty))
        return mapped_error_set_system(error, (int)GetLastError(),
                                       "MapViewOfFile");
    return MAPPED_OK;
}
