/* Making regions of files.
 *
 * A file that is about to become a region is a mapped__opening, with all that
 * is known of it so far. It goes through three steps:
 *
 * - mapped__opening_check looks at the mode and the options;
 *
 * - mapped__opening_find opens the path, unless a descriptor was given;
 *
 * - mapped__opening_map fits the file to the length that is wanted, and maps
 *   it.
 *
 * Whatever can fail is tried before anything is changed that can't be put back;
 * on failure the file is as it was and nothing is left behind.
 *
 * - A *device* in the flags is a region of registers, in whatever file; a
 *   *device file* is what the system calls a device.
 * - *Shared* in the flags is shared memory that has a name; a mode *shares
 *   writes* if they reach the file. */
#include <mapped/region.h>

#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"
#include "region_opening.h"

/* In the order of mapped_mode. */
static const char *const mode_texts[] = {"r", "r+", "c", "w+", "x+", "a+"};

mapped_status mapped_mode_parse(const char *text, size_t length,
                                mapped_mode *mode, mapped_error *error)
{
    char without_b[3]; /* the longest mode with a b is "r+b" */
    const char *b = length > 1 ? memchr(text + 1, 'b', length - 1) : NULL;
    if (b != NULL && length <= sizeof without_b) { /* one "b" means nothing */
        size_t before_b = (size_t)(b - text);
        memcpy(without_b, text, before_b);
        length--;
        memcpy(without_b + before_b, b + 1, length - before_b);
        text = without_b;
    }
    for (size_t i = 0; i < sizeof mode_texts / sizeof mode_texts[0]; i++) {
        if (strlen(mode_texts[i]) == length &&
            memcmp(mode_texts[i], text, length) == 0) {
            *mode = (mapped_mode)i;
            return MAPPED_OK;
        }
    }
    return mapped_error_set(error, MAPPED_ARGUMENT,
                            "no mode as r, r+, c, w+, x+ or a+");
}

const char *mapped_mode_text(mapped_mode mode)
{
    bool known = (size_t)mode < sizeof mode_texts / sizeof mode_texts[0];
    return known ? mode_texts[mode] : "unknown mode";
}

static mapped_status refuse_range(mapped_error *error, mapped_status status,
                                  uint64_t offset, uint64_t length,
                                  uint64_t limit)
{
    const mapped_error_range range = {
        .offset = offset, .length = length, .limit = limit};
    return mapped_error_set_range(error, status, "open", range);
}

/* Gives an error the name of the function and the path, and returns `status`.
 * Every public function here returns through this. */
static mapped_status report(const char *operation, const char *path,
                            mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK)
        mapped_error_set_path(error, path);
    return mapped__region_complete_error(NULL, operation, status, error);
}

/* In the options 0 means "to the end of the file" and MAPPED_LENGTH_ZERO means
 * no bytes; this returns 0 for both, so ask ends_with_file first. */
static uint64_t length_of(const mapped_open_options *options)
{
    return options->length == MAPPED_LENGTH_ZERO ? 0 : options->length;
}

static bool ends_with_file(const mapped_open_options *options)
{
    return options->length == MAPPED_LENGTH_TO_END;
}

static mapped_status check_length(const mapped_open_options *options,
                                  uint64_t length, mapped_error *error)
{
    if (length > SIZE_MAX)
        return refuse_range(error, MAPPED_OVERFLOW, options->offset, length,
                            SIZE_MAX);
    if (options->reserve != 0 && options->reserve < length)
        return mapped__error_set_length(error, MAPPED_ARGUMENT,
                                        "open: longer than the reserve", length,
                                        options->reserve);
    return MAPPED_OK;
}

/* Offsets are signed 64-bit in every system's file interface. */
static mapped_status check_numbers(const mapped_open_options *options,
                                   mapped_error *error)
{
    uint64_t length = length_of(options);
    if (!mapped_range_fits_u64(options->offset, length, INT64_MAX))
        return refuse_range(error, MAPPED_OVERFLOW, options->offset, length,
                            INT64_MAX);
    if (options->reserve > SIZE_MAX)
        return refuse_range(error, MAPPED_OVERFLOW, options->offset,
                            options->reserve, SIZE_MAX);
    return check_length(options, length, error);
}

mapped_status mapped__opening_check(const mapped__opening *opening,
                                    mapped_error *error)
{
    const mapped_open_options *options = &opening->options;
    const uint32_t known = MAPPED_OPEN_SPARSE | MAPPED_OPEN_POPULATE |
                           MAPPED_OPEN_DEVICE | MAPPED_OPEN_SHARED;
    const char *wrong = NULL;
    if (options->size != 0 && options->size != sizeof *options)
        wrong = "open: size of the options";
    else if ((options->flags & ~known) != 0)
        wrong = "open: flags";
    else if (options->permissions > 07777 &&
             options->permissions != MAPPED_PERMISSIONS_NONE)
        wrong = "open: permissions above 07777";
    else if (opening->mode < MAPPED_MODE_READ ||
             opening->mode > MAPPED_MODE_APPEND)
        wrong = "open: mode";
    if (wrong != NULL)
        return mapped_error_set(error, MAPPED_ARGUMENT, wrong);
    if (options->huge > MAPPED_HUGE_ADVISE) /* the size of a page */
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "open a file with a huge page size");
    return check_numbers(options, error);
}

static unsigned file_flags(mapped_mode mode, uint32_t open_flags)
{
    unsigned flags = 0;
    if (mapped__mode_shares_writes(mode))
        flags |= MAPPED__FILE_WRITE;
    if (mode == MAPPED_MODE_CREATE || mode == MAPPED_MODE_APPEND)
        flags |= MAPPED__FILE_CREATE;
    if (mode == MAPPED_MODE_EXCLUSIVE)
        flags |= MAPPED__FILE_EXCLUSIVE;
    if (open_flags & MAPPED_OPEN_DEVICE)
        flags |= MAPPED__FILE_DEVICE_IO;
    if (open_flags & MAPPED_OPEN_SHARED)
        flags |= MAPPED__FILE_NO_LINK;
    return flags;
}

static unsigned permissions_of(const mapped_open_options *options)
{
    if (options->permissions == MAPPED_PERMISSIONS_NONE)
        return 0;
    if (options->permissions != 0)
        return options->permissions;
    return options->flags & MAPPED_OPEN_SHARED ? 0600 : 0666;
}

mapped_status mapped__opening_find(mapped__opening *opening, const char *path,
                                   mapped_error *error)
{
    opening->path = path;
    if (opening->options.flags & MAPPED_OPEN_SHARED) {
        mapped_status status =
            mapped__shared_path(path, opening->shared_path, error);
        if (status != MAPPED_OK)
            return status;
        opening->path = opening->shared_path;
    }
    return mapped__file_open(opening->path,
                             file_flags(opening->mode, opening->options.flags),
                             permissions_of(&opening->options), &opening->file,
                             &opening->created, error);
}

/* Is the file new, or is what it holds not kept? */
static bool starts_empty(mapped_mode mode)
{
    return mode == MAPPED_MODE_CREATE || mode == MAPPED_MODE_EXCLUSIVE;
}

static mapped_status check_kind(const mapped__opening *opening,
                                mapped_error *error)
{
    bool is_device_file = opening->info.kind == MAPPED__FILE_DEVICE;
    if (opening->info.kind != MAPPED__FILE_REGULAR && !is_device_file)
        return mapped__file_refuse(opening->info.kind, error);
    if (is_device_file && starts_empty(opening->mode))
        return mapped_error_set(error, MAPPED_ARGUMENT, "open a device as new");
    if (is_device_file && opening->info.size == 0 &&
        ends_with_file(&opening->options))
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "open a device without a length");
    return MAPPED_OK;
}

/* Sets `opening->length`: that of the options, or what the file has after the
 * offset. */
static mapped_status choose_length(mapped__opening *opening,
                                   mapped_error *error)
{
    uint64_t size = starts_empty(opening->mode) ? 0 : opening->data_end;
    uint64_t offset = opening->options.offset;
    opening->length = length_of(&opening->options);
    if (!ends_with_file(&opening->options))
        return MAPPED_OK;
    if (offset > size)
        return refuse_range(error, MAPPED_PAST_END, offset, 0, size);
    opening->length = size - offset;
    return check_length(&opening->options, opening->length, error);
}

static mapped_status resize_file(mapped__opening *opening, uint64_t from,
                                 uint64_t to, mapped_error *error)
{
    bool allocate_blocks = !(opening->options.flags & MAPPED_OPEN_SPARSE);
    mapped_status status =
        mapped__file_resize(opening->file, from, to, allocate_blocks, error);
    opening->changed = opening->changed || status == MAPPED_OK;
    return status;
}

/* An append may leave a *spare* behind the data, bytes for the next appends,
 * and behind it a *trailer* (region_append.c). Cuts off both, if they are
 * there: what makes the file longer in their place must be zero. */
static mapped_status trim_spare(mapped__opening *opening, mapped_error *error)
{
    if (opening->data_end >= opening->info.size)
        return MAPPED_OK;
    mapped_status status =
        resize_file(opening, opening->info.size, opening->data_end, error);
    if (status != MAPPED_OK)
        return status;
    opening->size_with_spare = opening->info.size;
    opening->info.size = opening->data_end;
    return MAPPED_OK;
}

/* Makes the file at least as long as the mode and the options say. What a "w+"
 * will truncate stays until everything that can fail has been tried.
 *
 * An *origin* tells which file a region shows, so that another process can open
 * it, too, with the same steps (region_open_origin.c). It makes no file longer:
 * anybody may have made it up. */
static mapped_status fit_file(mapped__opening *opening, mapped_error *error)
{
    bool is_device_file = opening->info.kind == MAPPED__FILE_DEVICE;
    bool is_unknown_size = is_device_file && opening->data_end == 0;
    uint64_t end = opening->options.offset + opening->length;
    if (end <= opening->data_end || is_unknown_size)
        return MAPPED_OK;
    if (is_device_file || opening->origin != NULL ||
        !mapped__mode_shares_writes(opening->mode))
        return refuse_range(error, MAPPED_PAST_END, opening->options.offset,
                            opening->length, opening->data_end);
    mapped_status status = trim_spare(opening, error);
    return status == MAPPED_OK
               ? resize_file(opening, opening->data_end, end, error)
               : status;
}

static unsigned map_flags(mapped_mode mode, const mapped_open_options *options)
{
    unsigned flags = 0;
    if (mode != MAPPED_MODE_READ)
        flags |= MAPPED__MAP_WRITE;
    if (mode == MAPPED_MODE_COPY)
        flags |= MAPPED__MAP_PRIVATE;
    if (options->huge == MAPPED_HUGE_ADVISE)
        flags |= MAPPED__MAP_HUGE;
    if (options->flags & MAPPED_OPEN_POPULATE)
        flags |= MAPPED__MAP_POPULATE;
    return flags;
}

/* May an append leave a spare in the file? Its trailer has a page of the
 * system's size to itself, and huge pages of a file can't be written by a call.
 */
static bool may_have_spare(const mapped__opening *opening, bool fixed)
{
    return !fixed && mapped__mode_shares_writes(opening->mode) &&
           !(opening->options.flags & MAPPED_OPEN_SHARED) &&
           opening->info.page == mapped__page_size();
}

/* Sets the region's fields that tell of its file. The mapping begins at a
 * multiple of the granularity, `lead` bytes before the region. A file is
 * `fixed` if nobody changes its size. When the region follows a file whose size
 * has changed (region_refresh.c), it gets no longer than `refresh_limit`, which
 * the options may have set. */
static void note_file(const mapped__opening *opening, mapped__region *self)
{
    const uint32_t flags = opening->options.flags;
    bool follows_file_end =
        ends_with_file(&opening->options) || starts_empty(opening->mode);
    self->mode = opening->mode;
    self->flags = flags;
    self->offset = opening->options.offset;
    self->reserve = opening->options.reserve;
    self->lead = (size_t)(self->offset % opening->info.granularity);
    self->file = opening->file;
    self->file_device = opening->info.device;
    self->file_serial = opening->info.serial;
    self->mapping.page = opening->info.page;
    self->is_file = true;
    self->by_path = opening->path != NULL;
    self->created = opening->created && opening->path != NULL;
    self->fixed = opening->info.kind != MAPPED__FILE_REGULAR ||
                  flags & MAPPED_OPEN_DEVICE;
    self->refresh_limit = follows_file_end ? UINT64_MAX : opening->length;
    self->appends.may_have_spare = may_have_spare(opening, self->fixed);
    if (opening->mode == MAPPED_MODE_READ)
        self->head.traits_ |= MAPPED__TRAIT_READONLY;
    if (flags & MAPPED_OPEN_DEVICE)
        self->head.traits_ |= MAPPED__TRAIT_DEVICE;
}

/* For a "w+" of a file that has content: tries whether it can be mapped before
 * the content goes. It is unmapped in between, because Windows doesn't truncate
 * what is mapped. The file is as long as it was, or as long as the region needs
 * if that is more: fit_file has made it so. */
static mapped_status truncate_file(mapped__opening *opening,
                                   const mapped__map_request *request,
                                   mapped_error *error)
{
    mapped__mapping trial;
    uint64_t end = opening->options.offset + opening->length;
    uint64_t size = end > opening->info.size ? end : opening->info.size;
    if (opening->mode != MAPPED_MODE_CREATE || opening->info.size == 0)
        return MAPPED_OK;
    mapped_status status = mapped__map(request, &trial, error);
    if (status != MAPPED_OK)
        return status;
    mapped__unmap(&trial);
    status = resize_file(opening, size, 0, error);
    if (status != MAPPED_OK)
        return status;
    opening->info.size = 0;
    opening->emptied = true;
    return end > 0 ? resize_file(opening, 0, end, error) : MAPPED_OK;
}

static mapped_status map_file(mapped__opening *opening, mapped__region *self,
                              mapped_error *error)
{
    note_file(opening, self);
    if (opening->length > SIZE_MAX - self->lead ||
        opening->options.reserve > SIZE_MAX - self->lead)
        return refuse_range(error, MAPPED_OVERFLOW, self->offset,
                            opening->length, SIZE_MAX - self->lead);
    mapped__map_request request =
        mapped__region_map_request(self, (size_t)opening->length);
    request.flags = map_flags(opening->mode, &opening->options);
    /* Several regions may map one open file (posix/map.c). */
    if (!self->by_path)
        request.flags |= MAPPED__MAP_APART;
    mapped_status status = truncate_file(opening, &request, error);
    if (status == MAPPED_OK)
        status = mapped__map(&request, &self->mapping, error);
    if (status == MAPPED_OK) {
        mapped__region_guard(self);
        mapped__region_publish(self, (size_t)opening->length);
    }
    return status;
}

/* Removes a file that was created, unless by "a+": somebody else may have
 * opened that one. Any other file gets its old size again, and the spare that
 * was cut off; but if a "w+" has truncated it already, its content is gone and
 * it stays empty. (Shrinking ignores the old size, so `size` is passed twice.)
 */
static void undo(const mapped__opening *opening)
{
    bool remove = opening->created && opening->mode != MAPPED_MODE_APPEND;
    bool restore_spare = opening->size_with_spare != 0 && !opening->emptied;
    const uint64_t size = opening->info.size;
    if (opening->changed && !remove)
        (void)mapped__file_resize(opening->file, size, size, false, NULL);
    if (restore_spare && mapped__file_can_write_at(opening->file))
        (void)mapped__file_write_trailer(
            opening->file, opening->size_with_spare, opening->data_end, NULL);
    if (remove && opening->path != NULL)
        mapped__file_remove(opening->path);
}

/* The descriptor is needed to resize and flush, so the shared writable modes
 * keep it; so does a region without a path, as it could never be had again. */
static void keep_or_close_file(mapped__region *self)
{
    if (mapped__mode_shares_writes(self->mode) || !self->by_path)
        return;
    mapped__file_close(self->file);
    self->file = MAPPED__NO_FILE;
}

/* Finds out what the file is, and makes it as long as the region needs. */
static mapped_status prepare_file(mapped__opening *opening, mapped_error *error)
{
    mapped_status status =
        mapped__file_info_get(opening->file, &opening->info, error);
    if (status == MAPPED_OK)
        status = mapped__opening_identify(opening, error);
    if (status == MAPPED_OK)
        status = check_kind(opening, error);
    if (status != MAPPED_OK)
        return status;
    opening->data_end =
        opening->options.flags & MAPPED_OPEN_SHARED
            ? opening->info.size
            : mapped__file_data_end(opening->file, &opening->info);
    status = choose_length(opening, error);
    return status == MAPPED_OK ? fit_file(opening, error) : status;
}

mapped_status mapped__opening_map(mapped__opening *opening, const char *name,
                                  mapped_region **region, mapped_error *error)
{
    mapped__region *self = NULL;
    const mapped__storage at = {opening->options.memory,
                                opening->options.memory_size,
                                "open: too little memory for the region"};
    mapped_status status = mapped__region_new(at, name, &self, error);
    if (status == MAPPED_OK)
        status = prepare_file(opening, error);
    if (status == MAPPED_OK)
        status = map_file(opening, self, error);
    if (status != MAPPED_OK) {
        undo(opening);
        mapped__file_close(opening->file);
        mapped__region_discard(self);
        return status;
    }
    keep_or_close_file(self);
    *region = &self->head;
    return MAPPED_OK;
}

static const mapped_open_options default_options = MAPPED_OPEN_OPTIONS_INIT;

mapped_status mapped_region_open(const char *path, mapped_mode mode,
                                 const mapped_open_options *options,
                                 mapped_region **region, mapped_error *error)
{
    mapped__opening opening = {.mode = mode};
    opening.options = options != NULL ? *options : default_options;
    mapped_status status = mapped__opening_check(&opening, error);
    if (status == MAPPED_OK)
        status = mapped__opening_find(&opening, path, error);
    if (status == MAPPED_OK)
        status = mapped__opening_map(&opening, opening.path, region, error);
    return report("open", path, status, error);
}

mapped_status mapped_shared_unlink(const char *name, mapped_error *error)
{
    return report("unlink", name, mapped__shared_unlink(name, error), error);
}

intptr_t mapped_system_descriptor(int descriptor)
{
    return mapped__file_from_descriptor(descriptor);
}

mapped_status mapped_region_open_descriptor(intptr_t descriptor,
                                            const char *name, mapped_mode mode,
                                            const mapped_open_options *options,
                                            mapped_region **region,
                                            mapped_error *error)
{
    mapped__opening opening = {.mode = mode};
    opening.options = options != NULL ? *options : default_options;
    mapped_status status = mapped__opening_check(&opening, error);
    if (status == MAPPED_OK && mode == MAPPED_MODE_EXCLUSIVE)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "open a descriptor as new");
    if (status == MAPPED_OK && opening.options.flags & MAPPED_OPEN_SHARED)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "open shared memory by descriptor");
    if (status == MAPPED_OK)
        status = mapped__file_duplicate(descriptor, &opening.file, error);
    if (status == MAPPED_OK)
        status = mapped__opening_map(&opening, name, region, error);
    return report("open", name, status, error);
}
