/* Mapping the memory that an origin tells of. Another process has sent the
 * origin, and anybody may have made it up. So it is checked as a whole before
 * anything is opened, and the file that is opened has to be the one that the
 * origin names: the path may be another file's by now. */
#include <mapped/origin.h>

#include "region_internal.h"
#include "region_opening.h"

/* Do the kind, the path and the flags belong together? */
static bool is_known_kind(const mapped_origin *origin)
{
    const uint32_t known =
        MAPPED_OPEN_SPARSE | MAPPED_OPEN_DEVICE | MAPPED_OPEN_SHARED;
    bool shared = (origin->flags & MAPPED_OPEN_SHARED) != 0;
    if ((origin->flags & ~known) != 0)
        return false;
    switch (origin->kind) {
    case MAPPED_ORIGIN_PATH:
        return origin->path != NULL && !shared;
    case MAPPED_ORIGIN_SHARED:
        return origin->path != NULL && shared;
    case MAPPED_ORIGIN_DESCRIPTOR:
        return origin->path == NULL;
    }
    return false;
}

/* MAPPED_ARGUMENT for what the origin of no region has, though
 * mapped__opening_check accepts it: modes that create a file, no length. */
static mapped_status check_origin(const mapped_origin *origin,
                                  mapped_error *error)
{
    bool sound = is_known_kind(origin) &&
                 (origin->mode == MAPPED_MODE_READ ||
                  origin->mode == MAPPED_MODE_READ_WRITE) &&
                 origin->length <= INT64_MAX &&
                 origin->huge <= MAPPED_HUGE_ADVISE &&
                 origin->protected_count <= MAPPED_PROTECTED_RANGES;
    for (size_t i = 0; sound && i < origin->protected_count; i++)
        sound =
            origin->protected_bytes[i].start < origin->protected_bytes[i].end &&
            origin->protected_bytes[i].end <= origin->length;
    return sound ? MAPPED_OK
                 : mapped_error_set(error, MAPPED_ARGUMENT, "open an origin");
}

mapped_status mapped__opening_identify(const mapped__opening *opening,
                                       mapped_error *error)
{
    const mapped_origin *origin = opening->origin;
    if (origin == NULL || origin->device == 0)
        return MAPPED_OK;
    bool same = opening->info.device == origin->device &&
                opening->info.serial == origin->serial;
    if (same && origin->birth != 0) {
        uint64_t birth = mapped__file_birth(opening->file);
        same = birth == 0 || birth == origin->birth;
    }
    return same ? MAPPED_OK : mapped_error_set(error, MAPPED_STALE, "open");
}

/* Opens the file of the path or name, or duplicates the descriptor. */
static mapped_status open_file(mapped__opening *opening, mapped_error *error)
{
    const mapped_origin *origin = opening->origin;
    if (origin->kind == MAPPED_ORIGIN_DESCRIPTOR)
        return mapped__file_duplicate(origin->descriptor, &opening->file,
                                      error);
    return mapped__opening_find(opening, origin->path, error);
}

static mapped_status protect_again(mapped__region *self,
                                   const mapped_origin *origin,
                                   mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < origin->protected_count && status == MAPPED_OK;
         i++) {
        size_t start = (size_t)origin->protected_bytes[i].start;
        size_t end = (size_t)origin->protected_bytes[i].end;
        status = mapped__region_protect(self, start, end, error);
    }
    return status;
}

static mapped_status open_origin(mapped__opening *opening,
                                 mapped_region **region, mapped_error *error)
{
    mapped_region *opened;
    mapped_status status = check_origin(opening->origin, error);
    if (status == MAPPED_OK)
        status = mapped__opening_check(opening, error);
    if (status == MAPPED_OK)
        status = open_file(opening, error);
    if (status == MAPPED_OK)
        status = mapped__opening_map(opening, opening->path, &opened, error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_of(opened)->refresh_limit = opening->origin->limit;
    status = protect_again(mapped__region_of(opened), opening->origin, error);
    if (status == MAPPED_OK)
        *region = opened;
    else
        mapped_region_release(opened);
    return status;
}

mapped_status mapped_region_open_origin(const mapped_origin *origin,
                                        mapped_region **region,
                                        mapped_error *error)
{
    mapped__opening opening = {.origin = origin, .mode = origin->mode};
    opening.options =
        (mapped_open_options){.offset = origin->offset,
                              .length = mapped_length_exactly(origin->length),
                              .reserve = origin->reserve,
                              .flags = origin->flags,
                              .huge = origin->huge};
    mapped_status status = open_origin(&opening, region, error);
    if (status == MAPPED_OK)
        return MAPPED_OK;
    mapped_error_set_path(error, origin->path);
    mapped__region_complete_error(NULL, "open", status, error);
    if (status == MAPPED_PAST_END && error != NULL)
        error->operation = "open: it has been cut";
    return status;
}
