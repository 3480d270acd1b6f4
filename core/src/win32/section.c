/* Sections of the pagefile: memory that is used like a file, by a HANDLE that
 * the functions for files don't know. */
#include "system.h"

#include <winternl.h>

#define SECTION_BASIC 0

typedef struct section_basic {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
} section_basic;

typedef NTSTATUS NTAPI query_section(HANDLE section, int information,
                                     void *buffer, SIZE_T size, SIZE_T *got);

/* NtQuerySection tells a section from a file, and how large it is. The Win32
 * interface has no way to do that; every Windows has this one. */
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

/* A named section would do, but another process could not ask for its size. */
mapped_status mapped__shared_path(const char *name,
                                  char path[MAPPED__SHARED_SIZE],
                                  mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "shared memory");
}

mapped_status mapped__shared_unlink(const char *name, mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "shared memory");
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
        return mapped__system_error(error, "CreateFileMapping");
    *file = (intptr_t)section;
    return MAPPED_OK;
}

mapped_status mapped__memory_seal(intptr_t file, unsigned seals,
                                  mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "seal");
}

mapped_status mapped__section_resize(intptr_t section, uint64_t size,
                                     mapped_error *error)
{
    uint64_t limit = 0;
    mapped__section_size(section, &limit);
    if (size > limit)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "section");
    return MAPPED_OK;
}
