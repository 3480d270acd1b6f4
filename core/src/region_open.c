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
 * - An *origin* tells which file a region shows, so that another process can
 *   open it, too; region_open_origin.c does that, with the same steps.
 * - An append may leave a *spare* behind the data, bytes for the next appends,
 *   and behind it a *trailer*; `data_end` is where the data ends
 *   (region_append.c).
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
    char without_b[3];
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
    return mapped__region_report(NULL, operation, status, error);
}

/* The length that the options name. As 0 means to the end of the file there, no
 * bytes at all is MAPPED_LENGTH_ZERO. Here both are 0. */
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

mapped_status mapped__opening_check(const mapped__opening *o,
                                    mapped_error *error)
{
    const mapped_open_options *options = &o->options;
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
    else if (o->mode < MAPPED_MODE_READ || o->mode > MAPPED_MODE_APPEND)
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

mapped_status mapped__opening_find(mapped__opening *o, const char *path,
                                   mapped_error *error)
{
    o->path = path;
    if (o->options.flags & MAPPED_OPEN_SHARED) {
        mapped_status status = mapped__shared_path(path, o->shared_path, error);
        if (status != MAPPED_OK)
            return status;
        o->path = o->shared_path;
    }
    return mapped__file_open(o->path, file_flags(o->mode, o->options.flags),
                             permissions_of(&o->options), &o->file, &o->created,
                             error);
}

/* Is the file new, or is what it holds not kept? */
static bool starts_empty(mapped_mode mode)
{
    return mode == MAPPED_MODE_CREATE || mode == MAPPED_MODE_EXCLUSIVE;
}

static mapped_status check_kind(const mapped__opening *o, mapped_error *error)
{
    bool is_device_file = o->info.kind == MAPPED__FILE_DEVICE;
    if (o->info.kind != MAPPED__FILE_REGULAR && !is_device_file)
        return mapped__file_refuse(o->info.kind, error);
    if (is_device_file && starts_empty(o->mode))
        return mapped_error_set(error, MAPPED_ARGUMENT, "open a device as new");
    if (is_device_file && o->info.size == 0 && ends_with_file(&o->options))
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "open a device without a length");
    return MAPPED_OK;
}

/* Sets `o->length`: that of the options, or what the file has after the offset.
 */
static mapped_status choose_length(mapped__opening *o, mapped_error *error)
{
    uint64_t size = starts_empty(o->mode) ? 0 : o->data_end;
    uint64_t offset = o->options.offset;
    o->length = length_of(&o->options);
    if (!ends_with_file(&o->options))
        return MAPPED_OK;
    if (offset > size)
        return refuse_range(error, MAPPED_PAST_END, offset, 0, size);
    o->length = size - offset;
    return check_length(&o->options, o->length, error);
}

static mapped_status resize_file(mapped__opening *o, uint64_t from, uint64_t to,
                                 mapped_error *error)
{
    bool allocate_blocks = !(o->options.flags & MAPPED_OPEN_SPARSE);
    mapped_status status =
        mapped__file_resize(o->file, from, to, allocate_blocks, error);
    o->changed = o->changed || status == MAPPED_OK;
    return status;
}

/* Cuts off the spare, if there is one, with its trailer: what makes the file
 * longer there must be zero. */
static mapped_status trim_spare(mapped__opening *o, mapped_error *error)
{
    if (o->data_end >= o->info.size)
        return MAPPED_OK;
    mapped_status status = resize_file(o, o->info.size, o->data_end, error);
    if (status != MAPPED_OK)
        return status;
    o->trimmed = o->info.size;
    o->info.size = o->data_end;
    return MAPPED_OK;
}

/* Makes the file at least as long as the mode and the options say. What a "w+"
 * will truncate stays until everything that can fail has been tried. An origin
 * makes no file longer: anybody may have made it up. */
static mapped_status fit_file(mapped__opening *o, mapped_error *error)
{
    bool is_device_file = o->info.kind == MAPPED__FILE_DEVICE;
    bool is_unknown_size = is_device_file && o->data_end == 0;
    uint64_t end = o->options.offset + o->length;
    if (end <= o->data_end || is_unknown_size)
        return MAPPED_OK;
    if (is_device_file || o->origin != NULL ||
        !mapped__mode_shares_writes(o->mode))
        return refuse_range(error, MAPPED_PAST_END, o->options.offset,
                            o->length, o->data_end);
    mapped_status status = trim_spare(o, error);
    return status == MAPPED_OK ? resize_file(o, o->data_end, end, error)
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
static bool may_have_spare(const mapped__opening *o, bool fixed)
{
    return !fixed && mapped__mode_shares_writes(o->mode) &&
           !(o->options.flags & MAPPED_OPEN_SHARED) &&
           o->info.page == mapped__page_size();
}

/* Sets the region's fields that tell of its file. The mapping begins at a
 * multiple of the granularity, `lead` bytes before the region. A file is
 * `fixed` if nobody changes its size. A refresh makes the region as long as the
 * file, but no longer than `refresh_limit`, which the options may have set. */
static void note_file(const mapped__opening *o, mapped__region *self)
{
    const uint32_t flags = o->options.flags;
    bool follows_file_end =
        ends_with_file(&o->options) || starts_empty(o->mode);
    self->mode = o->mode;
    self->flags = flags;
    self->offset = o->options.offset;
    self->reserve = o->options.reserve;
    self->lead = (size_t)(self->offset % o->info.granularity);
    self->file = o->file;
    self->file_device = o->info.device;
    self->file_serial = o->info.serial;
    self->mapping.page = o->info.page;
    self->is_file = true;
    self->by_path = o->path != NULL;
    self->created = o->created && o->path != NULL;
    self->fixed =
        o->info.kind != MAPPED__FILE_REGULAR || flags & MAPPED_OPEN_DEVICE;
    self->refresh_limit = follows_file_end ? UINT64_MAX : o->length;
    self->appends.may_have_spare = may_have_spare(o, self->fixed);
    if (o->mode == MAPPED_MODE_READ)
        self->head.traits_ |= MAPPED__TRAIT_READONLY;
    if (flags & MAPPED_OPEN_DEVICE)
        self->head.traits_ |= MAPPED__TRAIT_DEVICE;
}

/* For a "w+" of a file that has content: tries whether it can be mapped before
 * the content goes. It is unmapped in between, because Windows doesn't truncate
 * what is mapped. The file is as long as it was, or as long as the region needs
 * if that is more: fit_file has made it so. */
static mapped_status truncate_file(mapped__opening *o,
                                   const mapped__map_request *request,
                                   mapped_error *error)
{
    mapped__mapping trial;
    uint64_t end = o->options.offset + o->length;
    uint64_t size = end > o->info.size ? end : o->info.size;
    if (o->mode != MAPPED_MODE_CREATE || o->info.size == 0)
        return MAPPED_OK;
    mapped_status status = mapped__map(request, &trial, error);
    if (status != MAPPED_OK)
        return status;
    mapped__unmap(&trial);
    status = resize_file(o, size, 0, error);
    if (status != MAPPED_OK)
        return status;
    o->info.size = 0;
    o->emptied = true;
    return end > 0 ? resize_file(o, 0, end, error) : MAPPED_OK;
}

static mapped_status map_file(mapped__opening *o, mapped__region *self,
                              mapped_error *error)
{
    note_file(o, self);
    if (o->length > SIZE_MAX - self->lead ||
        o->options.reserve > SIZE_MAX - self->lead)
        return refuse_range(error, MAPPED_OVERFLOW, self->offset, o->length,
                            SIZE_MAX - self->lead);
    mapped__map_request request =
        mapped__region_map_request(self, (size_t)o->length);
    request.flags = map_flags(o->mode, &o->options);
    if (!self->by_path)
        request.flags |= MAPPED__MAP_APART;
    mapped_status status = truncate_file(o, &request, error);
    if (status == MAPPED_OK)
        status = mapped__map(&request, &self->mapping, error);
    if (status == MAPPED_OK) {
        mapped__region_guard(self);
        mapped__region_publish(self, (size_t)o->length);
    }
    return status;
}

/* Removes a file that was created, unless by "a+": somebody else may have
 * opened that one. Any other file gets its old size again, and the spare that
 * was trimmed; but if a "w+" has truncated it already, its content is gone and
 * it stays empty. To become shorter, mapped__file_resize needs no old size, so
 * the first one that it gets stands for nothing. */
static void undo(const mapped__opening *o)
{
    bool remove = o->created && o->mode != MAPPED_MODE_APPEND;
    const uint64_t size = o->info.size;
    if (o->changed && !remove)
        (void)mapped__file_resize(o->file, size, size, false, NULL);
    if (o->trimmed != 0 && !o->emptied && mapped__file_can_write_at(o->file))
        (void)mapped__file_write_trailer(o->file, o->trimmed, o->data_end,
                                         NULL);
    if (remove && o->path != NULL)
        mapped__file_remove(o->path);
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
static mapped_status prepare_file(mapped__opening *o, mapped_error *error)
{
    mapped_status status = mapped__file_info_get(o->file, &o->info, error);
    if (status == MAPPED_OK)
        status = mapped__opening_identify(o, error);
    if (status == MAPPED_OK)
        status = check_kind(o, error);
    if (status != MAPPED_OK)
        return status;
    o->data_end = o->options.flags & MAPPED_OPEN_SHARED
                      ? o->info.size
                      : mapped__file_data_end(o->file, &o->info);
    status = choose_length(o, error);
    return status == MAPPED_OK ? fit_file(o, error) : status;
}

mapped_status mapped__opening_map(mapped__opening *o, const char *name,
                                  mapped_region **region, mapped_error *error)
{
    mapped__region *self = NULL;
    const mapped__storage at = {o->options.memory, o->options.memory_size,
                                "open: too little memory for the region"};
    mapped_status status = mapped__region_new(at, name, &self, error);
    if (status == MAPPED_OK)
        status = prepare_file(o, error);
    if (status == MAPPED_OK)
        status = map_file(o, self, error);
    if (status != MAPPED_OK) {
        undo(o);
        mapped__file_close(o->file);
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
    mapped__opening o = {.mode = mode};
    o.options = options != NULL ? *options : default_options;
    mapped_status status = mapped__opening_check(&o, error);
    if (status == MAPPED_OK)
        status = mapped__opening_find(&o, path, error);
    if (status == MAPPED_OK)
        status = mapped__opening_map(&o, o.path, region, error);
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
    mapped__opening o = {.mode = mode};
    o.options = options != NULL ? *options : default_options;
    mapped_status status = mapped__opening_check(&o, error);
    if (status == MAPPED_OK && mode == MAPPED_MODE_EXCLUSIVE)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "open a descriptor as new");
    if (status == MAPPED_OK && o.options.flags & MAPPED_OPEN_SHARED)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "open shared memory by descriptor");
    if (status == MAPPED_OK)
        status = mapped__file_duplicate(descriptor, &o.file, error);
    if (status == MAPPED_OK)
        status = mapped__opening_map(&o, name, region, error);
    return report("open", name, status, error);
}
