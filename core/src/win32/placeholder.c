/* The system's functions for placeholders, by shorter names. Not every Windows
 * has them, so they are looked up when the first mapping is made. */
#include "system.h"

/* Newer headers have these; the values are the system's. */
#ifndef MEM_RESERVE_PLACEHOLDER
#    define MEM_COALESCE_PLACEHOLDERS 0x00000001
#    define MEM_PRESERVE_PLACEHOLDER 0x00000002
#    define MEM_REPLACE_PLACEHOLDER 0x00004000
#    define MEM_RESERVE_PLACEHOLDER 0x00040000
#endif

#define PROBE_BYTES 65536

typedef void *WINAPI allocate_function(HANDLE process, void *start, SIZE_T size,
                                       ULONG kind, ULONG protection,
                                       void *parameters, ULONG count);
typedef void *WINAPI view_function(HANDLE section, HANDLE process, void *start,
                                   ULONG64 offset, SIZE_T size, ULONG kind,
                                   ULONG protection, void *parameters,
                                   ULONG count);
typedef BOOL WINAPI unmap_function(HANDLE process, void *start, ULONG flags);

typedef void any_function(void);

static allocate_function *allocate;
static view_function *view_of;
static unmap_function *unmap;
static INIT_ONCE resolved = INIT_ONCE_STATIC_INIT;
static bool is_available;

static any_function *find(HMODULE library, const char *name)
{
    return (any_function *)GetProcAddress(library, name);
}

/* The functions are older than the flags for placeholders, so only an attempt
 * tells whether the system knows these. */
static bool try_one(void)
{
    unsigned char *start = mapped__placeholder_reserve(PROBE_BYTES);
    if (start == NULL)
        return false;
    VirtualFree(start, 0, MEM_RELEASE);
    return true;
}

static BOOL CALLBACK resolve(INIT_ONCE *once, void *unused, void **context)
{
    HMODULE library = GetModuleHandleW(L"kernelbase.dll");
    if (library == NULL)
        return TRUE;
    allocate = (allocate_function *)find(library, "VirtualAlloc2");
    view_of = (view_function *)find(library, "MapViewOfFile3");
    unmap = (unmap_function *)find(library, "UnmapViewOfFile2");
    is_available =
        allocate != NULL && view_of != NULL && unmap != NULL && try_one();
    return TRUE;
}

bool mapped__placeholder_available(void)
{
    InitOnceExecuteOnce(&resolved, resolve, NULL, NULL);
    return is_available;
}

unsigned char *mapped__placeholder_reserve(size_t size)
{
    return allocate(GetCurrentProcess(), NULL, size,
                    MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL,
                    0);
}

bool mapped__placeholder_split(unsigned char *start, size_t size)
{
    return VirtualFree(start, size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER);
}

bool mapped__placeholder_join(unsigned char *start, size_t size)
{
    return VirtualFree(start, size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS);
}

bool mapped__placeholder_to_view(unsigned char *start, const mapped__view *view)
{
    return view_of(view->section, GetCurrentProcess(), start, view->offset,
                   view->size, MEM_REPLACE_PLACEHOLDER, view->protection, NULL,
                   0) != NULL;
}

bool mapped__placeholder_from_view(unsigned char *start)
{
    return unmap(GetCurrentProcess(), start, MEM_PRESERVE_PLACEHOLDER);
}
