/* The file or memory behind a region: how other files get at it, and what
 * callers ask about it. A region that holds no descriptor opens its path for
 * that, which must still be the same file's. The region is locked meanwhile, so
 * that no other thread closes the file. */
#include <mapped/region.h>

#include "region_internal.h"

static mapped_status check_same_file(const mapped__region *self, intptr_t file,
                                     mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(file, &info, error);
    if (status == MAPPED_OK &&
        !mapped__region_has_identity(self, info.device, info.serial))
        status = mapped_error_set(error, MAPPED_STALE, "open");
    return status;
}

static mapped_status open_by_path(const mapped__region *self, unsigned flags,
                                  intptr_t *file, mapped_error *error)
{
    intptr_t opened;
    bool created;
    if (self->name == NULL)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "open");
    mapped_status status =
        mapped__file_open(self->path, flags, 0, &opened, &created, error);
    if (status != MAPPED_OK)
        return status;
    status = check_same_file(self, opened, error);
    if (status == MAPPED_OK)
        *file = opened;
    else
        mapped__file_close(opened);
    return status;
}

mapped_status mapped__region_open_file(const mapped__region *self,
                                       intptr_t *file, mapped_error *error)
{
    if (self->file == MAPPED__NO_FILE)
        return open_by_path(self, 0, file, error);
    *file = self->file;
    return MAPPED_OK;
}

mapped_status mapped__region_reopen_file(const mapped__region *self,
                                         bool writable, intptr_t *file,
                                         mapped_error *error)
{
    if (self->file != MAPPED__NO_FILE) {
        mapped_status status =
            mapped__file_reopen(self->file, writable, file, error);
        if (status == MAPPED_OK || self->name == NULL)
            return status;
    }
    return open_by_path(self, writable ? MAPPED__FILE_WRITE : 0, file, error);
}

void mapped__region_close_file(const mapped__region *self, intptr_t file)
{
    if (file != self->file)
        mapped__file_close(file);
}

static mapped_status size_of_file(const mapped__region *self, uint64_t *size,
                                  mapped_error *error)
{
    intptr_t file;
    mapped__file_info info;
    mapped_status status = mapped__region_open_file(self, &file, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__file_info_get(file, &info, error);
    if (status == MAPPED_OK)
        *size = mapped__region_data_end(self, file, &info);
    mapped__region_close_file(self, file);
    return status;
}

mapped_status mapped_region_size(mapped_region *region, uint64_t *size,
                                 mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "size", error);
    if (status != MAPPED_OK)
        return status;
    if (self->file == MAPPED__NO_FILE && self->name == NULL)
        *size = self->length;
    else
        status = size_of_file(self, size, error);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "size", status, error);
}

_Static_assert(MAPPED_SEAL_GROW == MAPPED__SEAL_GROW &&
                   MAPPED_SEAL_SHRINK == MAPPED__SEAL_SHRINK &&
                   MAPPED_SEAL_WRITE == MAPPED__SEAL_WRITE,
               "the system's part has the same bits");

mapped_status mapped_region_seal(mapped_region *region, unsigned seals,
                                 mapped_error *error)
{
    const unsigned all =
        MAPPED_SEAL_GROW | MAPPED_SEAL_SHRINK | MAPPED_SEAL_WRITE;
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "seal", error);
    if (status != MAPPED_OK)
        return status;
    if (seals == 0 || seals & ~all)
        status = mapped_error_set(error, MAPPED_ARGUMENT, "seal: which");
    else if (self->file == MAPPED__NO_FILE)
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "seal");
    else
        status = mapped__memory_seal(self->file, seals, error);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "seal", status, error);
}

mapped_status mapped_region_descriptor(mapped_region *region,
                                       intptr_t *descriptor,
                                       mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "fileno", error);
    if (status != MAPPED_OK)
        return status;
    if (self->file == MAPPED__NO_FILE)
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "fileno");
    else
        *descriptor = self->file;
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "fileno", status, error);
}
