/* Where a region's memory comes from, so that another process can map it: the
 * name of the file or memory, its identity, and which bytes of it the region
 * shows. The region is locked meanwhile: after a refresh its file may be
 * another one. */
#include <mapped/origin.h>

#include <string.h>

#include "region_internal.h"

/* NULL, or why no other process can have the memory. */
static const char *why_private(const mapped__region *self)
{
    if (self->wrapped)
        return "wrapped memory belongs to this process";
    if (self->mode == MAPPED_MODE_COPY)
        return "mode \"c\" keeps its changes to this process";
    if (!self->is_file && self->file == MAPPED__NO_FILE)
        return "private memory belongs to this process";
    if (self->by_path && !mapped__path_is_absolute(self->path))
        return "the path is relative to an unknown directory";
    return NULL;
}

/* MAPPED_STALE if the path is another file's by now. */
static mapped_status identify_path(const mapped__region *self,
                                   mapped_origin *origin, mapped_error *error)
{
    mapped__file_identity now;
    mapped_status status = mapped__path_identify(self->path, &now, error);
    if (status != MAPPED_OK)
        return status;
    if (!mapped__region_has_identity(self, now.device, now.serial))
        return mapped_error_set(error, MAPPED_STALE, "origin");
    origin->birth = now.birth;
    return MAPPED_OK;
}

/* Sets the kind and what goes with it: the path, the name or the descriptor. */
static mapped_status set_kind(const mapped__region *self, mapped_origin *origin,
                              mapped_error *error)
{
    if (!self->by_path) {
        origin->kind = MAPPED_ORIGIN_DESCRIPTOR;
        origin->descriptor = self->file;
        if (!self->is_file)
            origin->flags |= MAPPED_OPEN_SHARED;
        return MAPPED_OK;
    }
    origin->kind = MAPPED_ORIGIN_PATH;
    origin->path = self->path;
    if (self->flags & MAPPED_OPEN_SHARED) {
        origin->kind = MAPPED_ORIGIN_SHARED;
        origin->path = strrchr(self->path, '/') + 1;
    }
    return identify_path(self, origin, error);
}

static mapped_status fill_in(const mapped__region *self, mapped_origin *origin,
                             mapped_error *error)
{
    const char *reason = why_private(self);
    if (reason != NULL)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, reason);
    bool writable = mapped__mode_shares_writes(self->mode);
    *origin = (mapped_origin){
        .descriptor = MAPPED__NO_FILE,
        .mode = writable ? MAPPED_MODE_READ_WRITE : MAPPED_MODE_READ,
        .flags = self->flags &
                 (MAPPED_OPEN_SPARSE | MAPPED_OPEN_DEVICE | MAPPED_OPEN_SHARED),
        .offset = self->offset,
        .length = self->length,
        .limit = self->is_file ? self->refresh_limit : UINT64_MAX,
        .reserve = self->reserve,
        .huge = self->mapping.flags & MAPPED__MAP_HUGE ? MAPPED_HUGE_ADVISE
                                                       : MAPPED_HUGE_NONE,
        .device = self->file_device,
        .serial = self->file_serial};
    mapped__region_list_protected(self, origin);
    return set_kind(self, origin, error);
}

mapped_status mapped_region_origin(mapped_region *region, mapped_origin *origin,
                                   mapped_error *error)
{
    mapped_origin filled;
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "origin", error);
    if (status != MAPPED_OK)
        return status;
    status = fill_in(self, &filled, error);
    mapped__region_unlock(self);
    if (status == MAPPED_OK)
        *origin = filled;
    return mapped__region_complete_error(region, "origin", status, error);
}
