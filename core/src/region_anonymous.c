/* Making regions of anonymous memory: of pages that belong to no file, or of a
 * *memory file*, which has no name and which other processes can share.
 *
 * Pages may be *huge*: the kernel is advised to make them so where it can, or
 * all of them have a size that is asked for. */
#include <mapped/region.h>

#include <mapped/checked.h>

#include "region_internal.h"

/* The size in bytes that is asked for, or 0: none is, as MAPPED_HUGE_NONE and
 * MAPPED_HUGE_ADVISE stand in the same member. */
static uint64_t huge_page_size(uint64_t huge)
{
    return huge > MAPPED_HUGE_ADVISE ? huge : 0;
}

static mapped_status check_anonymous(uint64_t length,
                                     const mapped_anonymous_options *options,
                                     mapped_error *error)
{
    uint64_t page = huge_page_size(options->huge);
    if (options->size != 0 && options->size != sizeof *options)
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "anonymous: size of the options");
    if ((page & (page - 1)) != 0)
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "anonymous: huge page size");
    uint64_t longest = length > options->reserve ? length : options->reserve;
    if (longest < page)
        longest = page;
    /* No system has more addresses; and a sum of two lengths can't overflow. */
    if (longest > SIZE_MAX / 2)
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "anonymous",
                                        longest, SIZE_MAX / 2);
    if (options->reserve != 0 && options->reserve < length)
        return mapped__error_set_length(error, MAPPED_ARGUMENT,
                                        "anonymous: longer than the reserve",
                                        length, options->reserve);
    return MAPPED_OK;
}

/* Gives the region a memory file, in huge pages of `page` bytes unless that is
 * 0. Its identity is noted, because others may map it, too, and copies between
 * two such regions may overlap. */
static mapped_status create_memory(mapped__region *self, size_t length,
                                   size_t page, mapped_error *error)
{
    mapped__file_info info;
    size_t size = length;
    if (page != 0 && !mapped_round_up(length, page, &size))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "anonymous",
                                        length, SIZE_MAX);
    mapped_status status =
        mapped__memory_create(size, page, &self->file, error);
    if (status == MAPPED_OK)
        status = mapped__file_info_get(self->file, &info, error);
    if (status != MAPPED_OK)
        return status;
    self->file_device = info.device;
    self->file_serial = info.serial;
    return MAPPED_OK;
}

static mapped_status map_anonymous(mapped__region *self, size_t length,
                                   const mapped_anonymous_options *options,
                                   mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    size_t page = (size_t)huge_page_size(options->huge);
    mapped__map_request request = {.length = length,
                                   .reserve = (size_t)options->reserve,
                                   .page = page,
                                   .flags = MAPPED__MAP_WRITE};
    if (options->huge == MAPPED_HUGE_ADVISE)
        request.flags |= MAPPED__MAP_HUGE;
    if (options->shared)
        status = create_memory(self, length, page, error);
    else if (page != 0)
        request.flags |= MAPPED__MAP_HUGETLB;
    request.file = self->file; /* MAPPED__NO_FILE unless shared */
    if (status == MAPPED_OK)
        status = mapped__map(&request, &self->mapping, error);
    if (status == MAPPED_OK) {
        mapped__region_guard(self);
        mapped__region_publish(self, length);
    }
    return status;
}

mapped_status mapped_region_anonymous(uint64_t length,
                                      const mapped_anonymous_options *options,
                                      mapped_region **region,
                                      mapped_error *error)
{
    static const mapped_anonymous_options defaults =
        MAPPED_ANONYMOUS_OPTIONS_INIT;
    if (options == NULL)
        options = &defaults;
    const mapped__storage at = {options->memory, options->memory_size,
                                "anonymous: too little memory for the region"};
    mapped__region *self = NULL;
    mapped_status status = check_anonymous(length, options, error);
    if (status == MAPPED_OK)
        status = mapped__region_new(at, NULL, &self, error);
    if (status != MAPPED_OK)
        return mapped__region_complete_error(NULL, "anonymous", status, error);
    self->mode = MAPPED_MODE_READ_WRITE;
    self->reserve = options->reserve;
    status = map_anonymous(self, (size_t)length, options, error);
    if (status != MAPPED_OK) {
        mapped__file_close(self->file);
        mapped__region_discard(self);
        return mapped__region_complete_error(NULL, "anonymous", status, error);
    }
    *region = &self->head;
    return MAPPED_OK;
}
