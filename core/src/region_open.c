/* Making regions of files and of anonymous memory. Whatever can fail is tried
 * before anything is changed that can't be put back; on failure the file is as
 * it was and nothing is left behind. */
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
        memcpy(without_b + before_b, b + 1, --length - before_b);
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

static mapped_status bad_range(mapped_error *error, mapped_status status,
                               uint64_t offset, uint64_t length, uint64_t limit)
{
    const mapped_error_range range = {
        .offset = offset, .length = length, .limit = limit};
    return mapped_error_set_range(error, status, "open", range);
}

static mapped_status check_reserve(uint64_t reserve, uint64_t length,
                                   const char *why, mapped_error *error)
{
    if (reserve == 0 || reserve >= length)
        return MAPPED_OK;
    return mapped__error_set_length(error, MAPPED_ARGUMENT, why, length,
                                    reserve);
}

#define OPEN_TOO_LONG "open: longer than the reserve"

/* The end of a public function: an error gets its name and the path. */
static mapped_status end(const char *operation, const char *path,
                         mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK)
        mapped_error_set_path(error, path);
    return mapped__region_report(NULL, operation, status, error);
}

/* A length that goes to the end of the file counts as 0 here. */
static uint64_t length_asked(const mapped_open_options *options)
{
    return options->length == MAPPED_LENGTH_ZERO ? 0 : options->length;
}

static bool is_to_end(const mapped_open_options *options)
{
    return options->length == MAPPED_LENGTH_TO_END;
}

/* Offsets are signed 64-bit in every system's file interface. */
static mapped_status check_numbers(const mapped_open_options *options,
                                   mapped_error *error)
{
    uint64_t length = length_asked(options);
    if (!mapped_range_fits_u64(options->offset, length, INT64_MAX))
        return bad_range(error, MAPPED_OVERFLOW, options->offset, length,
                         INT64_MAX);
    if (length > SIZE_MAX || options->reserve > SIZE_MAX)
        return bad_range(error, MAPPED_OVERFLOW, options->offset,
                         length > SIZE_MAX ? length : options->reserve,
                         SIZE_MAX);
    return check_reserve(options->reserve, length, OPEN_TOO_LONG, error);
}

static bool is_known_size(size_t given, size_t ours)
{
    return given == 0 || given == ours;
}

mapped_status mapped__opening_check(const mapped__opening *o,
                                    mapped_error *error)
{
    const mapped_open_options *options = &o->options;
    const uint32_t known = MAPPED_OPEN_SPARSE | MAPPED_OPEN_POPULATE |
                           MAPPED_OPEN_DEVICE | MAPPED_OPEN_SHARED;
    const char *wrong = NULL;
    if (!is_known_size(options->size, sizeof *options))
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
    if (options->huge > MAPPED_HUGE_ADVISE)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "open a file with a huge page size");
    return check_numbers(options, error);
}

static bool creates(mapped_mode mode)
{
    return mode == MAPPED_MODE_CREATE || mode == MAPPED_MODE_EXCLUSIVE;
}

static mapped_status check_kind(const mapped__opening *o, mapped_error *error)
{
    switch (o->info.kind) {
    case MAPPED__FILE_DIRECTORY:
    case MAPPED__FILE_UNSIZED:
    case MAPPED__FILE_OTHER:
        return mapped__file_refuse(o->info.kind, error);
    case MAPPED__FILE_DEVICE:
        if (creates(o->mode))
            return mapped_error_set(error, MAPPED_ARGUMENT,
                                    "open a device as new");
        if (o->info.size == 0 && is_to_end(&o->options))
            return mapped_error_set(error, MAPPED_ARGUMENT,
                                    "open a device without a length");
        return MAPPED_OK;
    case MAPPED__FILE_REGULAR:
        return MAPPED_OK;
    }
    return MAPPED_OK;
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

/* Makes the file at least as long as the mode and the options say. What a "w+"
 * will truncate stays until everything that can fail has been tried. */
static mapped_status fit_file(mapped__opening *o, mapped_error *error)
{
    uint64_t size = o->data_end;
    uint64_t end = o->options.offset + o->length;
    if (end <= size)
        return MAPPED_OK;
    if (o->info.kind == MAPPED__FILE_DEVICE && size == 0)
        return MAPPED_OK;
    if (o->info.kind == MAPPED__FILE_DEVICE || o->origin != NULL ||
        !mapped__mode_shares_writes(o->mode))
        return bad_range(error, MAPPED_PAST_END, o->options.offset, o->length,
                         size);
    if (size < o->info.size) {
        mapped_status status = resize_file(o, o->info.size, size, error);
        if (status != MAPPED_OK)
            return status;
        o->trimmed = o->info.size;
        o->info.size = size;
    }
    return resize_file(o, size, end, error);
}

static mapped_status choose_length(mapped__opening *o, mapped_error *error)
{
    uint64_t size = creates(o->mode) ? 0 : o->data_end;
    uint64_t offset = o->options.offset;
    o->length = length_asked(&o->options);
    if (is_to_end(&o->options)) {
        if (offset > size)
            return bad_range(error, MAPPED_PAST_END, offset, 0, size);
        o->length = size - offset;
    }
    if (o->length > SIZE_MAX)
        return bad_range(error, MAPPED_OVERFLOW, offset, o->length, SIZE_MAX);
    return check_reserve(o->options.reserve, o->length, OPEN_TOO_LONG, error);
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

static mapped_status map_guarded(mapped__region *self,
                                 const mapped__map_request *request,
                                 mapped_error *error)
{
    mapped_status status = mapped__map(request, &self->mapping, error);
    if (status == MAPPED_OK)
        mapped__region_guard(self);
    return status;
}

static mapped_status describe_file(const mapped__opening *o,
                                   mapped__region *self,
                                   mapped__map_request *request,
                                   mapped_error *error)
{
    self->mode = o->mode;
    self->flags = o->options.flags;
    self->offset = o->options.offset;
    self->reserve = o->options.reserve;
    self->lead = (size_t)(self->offset % o->info.granularity);
    self->file_device = o->info.device;
    self->file_serial = o->info.serial;
    self->file = o->file;
    self->mapping.page = o->info.page;
    if (!mapped__region_map_request(self, (size_t)o->length, request))
        return bad_range(error, MAPPED_OVERFLOW, self->offset, o->length,
                         SIZE_MAX);
    request->flags = map_flags(o->mode, &o->options);
    if (o->path == NULL)
        request->flags |= MAPPED__MAP_APART;
    return MAPPED_OK;
}

/* For a "w+" of a file that has content: tries whether it can be mapped before
 * the content goes. It is unmapped in between, because Windows doesn't truncate
 * what is mapped. */
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
    return end > 0 ? resize_file(o, 0, end, error) : MAPPED_OK;
}

static mapped_status map_file(mapped__opening *o, mapped__region *self,
                              mapped_error *error)
{
    mapped__map_request request;
    mapped_status status = describe_file(o, self, &request, error);
    if (status == MAPPED_OK)
        status = truncate_file(o, &request, error);
    if (status == MAPPED_OK)
        status = map_guarded(self, &request, error);
    if (status != MAPPED_OK)
        return status;
    if (o->mode == MAPPED_MODE_READ)
        self->head.traits_ |= MAPPED__TRAIT_READONLY;
    if (o->options.flags & MAPPED_OPEN_DEVICE)
        self->head.traits_ |= MAPPED__TRAIT_DEVICE;
    mapped__region_publish(self, (size_t)o->length);
    return MAPPED_OK;
}

/* Puts the file's size back, 0 if a "w+" has got so far that the content is
 * gone and something that had worked a moment before failed. What an "a+" has
 * created another one may have opened. */
static void undo(const mapped__opening *o)
{
    bool remove = o->created && o->mode != MAPPED_MODE_APPEND;
    if (o->changed && !remove)
        (void)mapped__file_resize(o->file, o->info.size, o->info.size, false,
                                  NULL);
    bool emptied = o->mode == MAPPED_MODE_CREATE && o->info.size == 0;
    if (o->trimmed != 0 && !emptied && mapped__file_can_write_at(o->file))
        (void)mapped__file_write_trailer(o->file, o->trimmed, o->data_end,
                                         NULL);
    if (remove && o->path != NULL)
        mapped__file_remove(o->path);
}

/* The descriptor is needed to resize and flush, so the shared writable modes
 * keep it; so does a region without a path, as it could never be had again. */
static void keep_or_close_file(const mapped__opening *o, mapped__region *self)
{
    if (mapped__mode_shares_writes(o->mode) || o->path == NULL)
        return;
    mapped__file_close(self->file);
    self->file = MAPPED__NO_FILE;
}

mapped_status mapped__opening_map(mapped__opening *o, const char *name,
                                  mapped_region **region, mapped_error *error)
{
    mapped__region *self = NULL;
    const mapped__storage at = {o->options.memory, o->options.memory_size,
                                "open: too little memory for the region"};
    mapped_status status = mapped__region_new(at, name, &self, error);
    if (status == MAPPED_OK)
        status = mapped__file_info_get(o->file, &o->info, error);
    if (status == MAPPED_OK)
        status = mapped__opening_identify(o, error);
    if (status == MAPPED_OK)
        status = check_kind(o, error);
    if (status == MAPPED_OK)
        o->data_end = o->options.flags & MAPPED_OPEN_SHARED
                          ? o->info.size
                          : mapped__file_data_end(o->file, &o->info);
    if (status == MAPPED_OK)
        status = choose_length(o, error);
    if (status == MAPPED_OK)
        status = fit_file(o, error);
    if (status == MAPPED_OK)
        status = map_file(o, self, error);
    if (status != MAPPED_OK) {
        undo(o);
        mapped__file_close(o->file);
        mapped__region_discard(self);
        return status;
    }
    keep_or_close_file(o, self);
    self->created = o->created && o->path != NULL;
    self->is_file = true;
    self->fixed = o->info.kind != MAPPED__FILE_REGULAR ||
                  o->options.flags & MAPPED_OPEN_DEVICE;
    self->by_path = o->path != NULL;
    self->refresh_limit =
        is_to_end(&o->options) || creates(o->mode) ? UINT64_MAX : o->length;
    self->appends.may_have_spare = !self->fixed &&
                                   !(o->options.flags & MAPPED_OPEN_SHARED) &&
                                   mapped__mode_shares_writes(o->mode) &&
                                   o->info.page == mapped__page_size();
    *region = &self->head;
    return MAPPED_OK;
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
    return end("open", path, status, error);
}

mapped_status mapped_shared_unlink(const char *name, mapped_error *error)
{
    return end("unlink", name, mapped__shared_unlink(name, error), error);
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
    return end("open", name, status, error);
}

static mapped_status check_anonymous(uint64_t length,
                                     const mapped_anonymous_options *options,
                                     mapped_error *error)
{
    uint64_t huge = options->huge;
    if (!is_known_size(options->size, sizeof *options))
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "anonymous: size of the options");
    if (huge > MAPPED_HUGE_ADVISE && (huge & (huge - 1)) != 0)
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "anonymous: huge page size");
    uint64_t longest = length > options->reserve ? length : options->reserve;
    if (longest < huge)
        longest = huge;
    if (longest > SIZE_MAX / 2)
        return bad_range(error, MAPPED_OVERFLOW, 0, longest, SIZE_MAX / 2);
    return check_reserve(options->reserve, length,
                         "anonymous: longer than the reserve", error);
}

/* The file can be mapped by others, too: copies between the two may overlap. */
static mapped_status identify(mapped__region *self, mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(self->file, &info, error);
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
    size_t page =
        options->huge > MAPPED_HUGE_ADVISE ? (size_t)options->huge : 0;
    mapped__map_request request = {.file = MAPPED__NO_FILE,
                                   .length = length,
                                   .reserve = (size_t)options->reserve,
                                   .page = page,
                                   .flags = MAPPED__MAP_WRITE};
    if (options->huge == MAPPED_HUGE_ADVISE)
        request.flags |= MAPPED__MAP_HUGE;
    if (page != 0)
        request.flags |= MAPPED__MAP_HUGETLB;
    if (options->shared) {
        size_t rounded = length;
        if (page != 0 && !mapped_round_up(length, page, &rounded))
            return bad_range(error, MAPPED_OVERFLOW, 0, length, SIZE_MAX);
        mapped_status status =
            mapped__memory_create(rounded, page, &self->file, error);
        if (status != MAPPED_OK)
            return status;
        request.file = self->file;
        request.flags &= ~MAPPED__MAP_HUGETLB;
        status = identify(self, error);
        if (status != MAPPED_OK)
            return status;
    }
    return map_guarded(self, &request, error);
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
        return end("anonymous", NULL, status, error);
    self->mode = MAPPED_MODE_READ_WRITE;
    self->reserve = options->reserve;
    status = map_anonymous(self, (size_t)length, options, error);
    if (status != MAPPED_OK) {
        mapped__file_close(self->file);
        mapped__region_discard(self);
        return end("anonymous", NULL, status, error);
    }
    mapped__region_publish(self, (size_t)length);
    *region = &self->head;
    return MAPPED_OK;
}
