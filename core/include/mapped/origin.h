/* Origins: what another process must know to map the same memory. A program
 * sends the numbers of an origin and, as its kind says, a text or a descriptor,
 * never the content.
 *
 *     mapped_origin origin;
 *     status = mapped_region_origin(region, &origin, &error);
 *     ... in the other process ...
 *     status = mapped_region_open_origin(&origin, &region, &error);
 *
 * The memory is known by its identity. So a file that has been replaced or
 * truncated meanwhile is an error, not other bytes. */
#ifndef MAPPED_ORIGIN_H
#define MAPPED_ORIGIN_H

#include <mapped/region.h>

MAPPED_BEGIN

typedef enum mapped_origin_kind {
    MAPPED_ORIGIN_PATH,      /* a file, by its absolute path */
    MAPPED_ORIGIN_SHARED,    /* shared memory, by its name */
    MAPPED_ORIGIN_DESCRIPTOR /* what has neither, by a descriptor */
} mapped_origin_kind;

/* A plain value. It may come from anybody: nothing in it is trusted. */
typedef struct mapped_origin {
    mapped_origin_kind kind;
    const char *path;    /* or the name; NULL with a descriptor */
    intptr_t descriptor; /* (HANDLE on Windows) with that kind only */
    mapped_mode mode;    /* READ or READ_WRITE */
    uint32_t flags;      /* MAPPED_OPEN_SPARSE, DEVICE and SHARED, which is set
                          * for anonymous memory, too */
    uint64_t offset;     /* as in mapped_open_options */
    uint64_t length;     /* exactly so many bytes, also 0 */
    uint64_t limit;      /* refresh makes the region at most so long */
    uint64_t reserve;
    uint64_t huge;   /* MAPPED_HUGE_NONE or MAPPED_HUGE_ADVISE */
    uint64_t device; /* the identity: as long as the file exists no other has
                      * these two numbers; device 0: it has none */
    uint64_t serial;
    uint64_t birth; /* when it was made, as later files can have the same
                     * numbers; 0: not known */
    size_t protected_count; /* see mapped_protect in paging.h */
    struct {
        uint64_t start; /* bytes of the region */
        uint64_t end;
    } protected_bytes[MAPPED_PROTECTED_RANGES];
} mapped_origin;

/* Tells where the region's memory comes from. Modes that create a file become
 * READ_WRITE. `origin->path` is the region's, until its last release, and so is
 * `origin->descriptor`, until its close. Meets no fault.
 *
 * Looks at the path, so that a file that has been replaced or removed already
 * is an error here: MAPPED_STALE, or MAPPED_SYSTEM with the system's number.
 *
 * MAPPED_UNSUPPORTED, with the reason in `error->operation`: private memory,
 * mode "c", wrapped memory, or a relative path of a directory that the system
 * couldn't name. MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_origin(mapped_region *region,
                                                    mapped_origin *origin,
                                                    mapped_error *error);

/* Maps it, as mapped_region_open and mapped_region_open_descriptor do, in this
 * or another process of the same system. The descriptor must be one of this
 * process, and stays the caller's. Never creates a file or changes its length.
 *
 * MAPPED_STALE: the path, the name or the descriptor is that of another file.
 * MAPPED_SYSTEM: there is none (os_error), and what mapped_region_open says.
 * MAPPED_PAST_END: the file has been truncated. MAPPED_ARGUMENT: no origin that
 * a region can have. MAPPED_OVERFLOW, MAPPED_NOT_A_FILE, MAPPED_UNSUPPORTED,
 * MAPPED_MEMORY as in mapped_region_open. */
MAPPED__MUST_USE mapped_status mapped_region_open_origin(
    const mapped_origin *origin, mapped_region **region, mapped_error *error);

MAPPED_END

#endif
