/* Walks over files in windows. A walk goes on in three steps: ask for the
 * file's size, decide from that where the next window lies
 * (mapped_windows_advance, nothing else decides it), map the window. Others may
 * make the file shorter in between. So a window that turns out to be past the
 * end when it is mapped is no error, but a reason to begin again with the first
 * step (next).
 *
 * A search walks with a copy of the windows, which shares the open file and
 * begins without a window. */
#include <mapped/windows.h>

#include "platform.h"
#include "region_internal.h"

/* What public functions return through: an error gets the names of the
 * operation and of the file. */
static mapped_status report(const mapped_windows *windows,
                            const char *operation, mapped_status status,
                            mapped_error *error)
{
    if (status != MAPPED_OK)
        mapped_error_set_path(error, windows->name_);
    return mapped__region_complete_error(NULL, operation, status, error);
}

static mapped_status check_open(const mapped_windows *windows,
                                mapped_error *error)
{
    if (windows->open_)
        return MAPPED_OK;
    return mapped_error_set(error, MAPPED_CLOSED, "windows");
}

static mapped_status init(mapped_windows *windows, const char *name,
                          uint64_t size, uint64_t overlap, mapped_error *error)
{
    *windows = (mapped_windows){.name_ = name, .file_ = MAPPED__NO_FILE};
    windows->size_ = size;
    windows->overlap_ = overlap;
    if (size == 0)
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "windows: the size is 0");
    if (overlap >= size)
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "windows: the overlap is not less than the "
                                "size");
    if (size > SIZE_MAX)
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "windows", size,
                                        SIZE_MAX);
    return MAPPED_OK;
}

static mapped_status check_kind(const mapped_windows *windows,
                                mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(windows->file_, &info, error);
    if (status != MAPPED_OK)
        return status;
    if (info.kind == MAPPED__FILE_REGULAR)
        return MAPPED_OK;
    if (info.kind != MAPPED__FILE_DEVICE)
        return mapped__file_refuse(info.kind, error);
    if (info.size > 0)
        return MAPPED_OK;
    return mapped_error_set(error, MAPPED_ARGUMENT,
                            "windows of a device without a size");
}

/* The end of an open: if `status` says that `made` has got its file, checks
 * that and sets `*windows`. */
static mapped_status end_open(mapped_windows *windows, mapped_windows *made,
                              mapped_status status, mapped_error *error)
{
    if (status == MAPPED_OK) {
        status = check_kind(made, error);
        if (status != MAPPED_OK)
            mapped__file_close(made->file_);
    }
    made->open_ = status == MAPPED_OK;
    if (status == MAPPED_OK)
        *windows = *made;
    return report(made, "windows", status, error);
}

mapped_status mapped_windows_open(mapped_windows *windows, const char *path,
                                  uint64_t size, uint64_t overlap,
                                  mapped_error *error)
{
    mapped_windows made;
    bool created;
    mapped_status status = init(&made, path, size, overlap, error);
    if (status == MAPPED_OK)
        status = mapped__file_open(path, 0, 0, &made.file_, &created, error);
    return end_open(windows, &made, status, error);
}

mapped_status mapped_windows_open_descriptor(mapped_windows *windows,
                                             intptr_t descriptor,
                                             const char *name, uint64_t size,
                                             uint64_t overlap,
                                             mapped_error *error)
{
    mapped_windows made;
    mapped_status status = init(&made, name, size, overlap, error);
    if (status == MAPPED_OK)
        status = mapped__file_duplicate(descriptor, &made.file_, error);
    return end_open(windows, &made, status, error);
}

static void release(mapped_region **region)
{
    mapped_region_release(*region);
    *region = NULL;
}

void mapped_windows_close(mapped_windows *windows)
{
    if (!windows->open_)
        return;
    release(&windows->region_);
    mapped__file_close(windows->file_);
    windows->open_ = false;
}

static mapped_status file_size(const mapped_windows *windows, uint64_t *size,
                               mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = check_open(windows, error);
    if (status == MAPPED_OK)
        status = mapped__file_info_get(windows->file_, &info, error);
    if (status == MAPPED_OK)
        *size = mapped__file_data_end(windows->file_, &info);
    return status;
}

mapped_status mapped_windows_file_size(const mapped_windows *windows,
                                       uint64_t *size, mapped_error *error)
{
    return report(windows, "size", file_size(windows, size, error), error);
}

void mapped_windows_seek(mapped_windows *windows, uint64_t offset)
{
    windows->next_ = offset;
    windows->covered_ = offset;
}

bool mapped_windows_advance(mapped_windows *windows, uint64_t file_size,
                            mapped_window *window)
{
    uint64_t left;
    if (file_size <= windows->covered_)
        return false;
    left = file_size - windows->next_;
    window->offset = windows->next_;
    window->length = left < windows->size_ ? left : windows->size_;
    windows->covered_ = window->offset + window->length;
    if (window->length > windows->overlap_)
        windows->next_ = windows->covered_ - windows->overlap_;
    return true;
}

void mapped_windows_undo(mapped_windows *windows, mapped_window window,
                         const mapped_windows *before)
{
    if (windows->covered_ != window.offset + window.length)
        return;
    windows->next_ = before->next_;
    windows->covered_ = before->covered_;
}

static mapped_status map(const mapped_windows *windows, mapped_window window,
                         const mapped_open_options *options,
                         mapped_region **region, mapped_error *error)
{
    mapped_open_options how = MAPPED_OPEN_OPTIONS_INIT;
    mapped_status status = check_open(windows, error);
    if (status != MAPPED_OK)
        return status;
    if (options != NULL)
        how = *options;
    how.offset = window.offset;
    how.length = window.length;
    return mapped_region_open_descriptor(windows->file_, windows->name_,
                                         MAPPED_MODE_READ, &how, region, error);
}

mapped_status mapped_windows_map(const mapped_windows *windows,
                                 mapped_window window,
                                 const mapped_open_options *options,
                                 mapped_region **region, mapped_error *error)
{
    return report(windows, "windows",
                  map(windows, window, options, region, error), error);
}

/* Maps the next window and releases the one before. At the end `*has_window` is
 * false. The walk goes on only if the window is mapped. */
static mapped_status next(mapped_windows *windows, mapped_window *window,
                          bool *has_window, mapped_error *error)
{
    mapped_windows after;
    mapped_status status;
    do {
        uint64_t size;
        after = *windows;
        status = file_size(windows, &size, error);
        if (status != MAPPED_OK)
            return status;
        release(&windows->region_);
        *has_window = mapped_windows_advance(&after, size, window);
        if (!*has_window)
            return MAPPED_OK;
        status = map(windows, *window, NULL, &after.region_, error);
    } while (status == MAPPED_PAST_END);
    if (status == MAPPED_OK)
        *windows = after;
    return status;
}

mapped_status mapped_windows_next(mapped_windows *windows, mapped_slice *window,
                                  bool *has_window, mapped_error *error)
{
    mapped_window place;
    bool is_mapped = false;
    mapped_status status = next(windows, &place, &is_mapped, error);
    if (status != MAPPED_OK)
        return report(windows, "windows", status, error);
    if (is_mapped)
        *window = mapped_region_slice(windows->region_);
    *has_window = is_mapped;
    return MAPPED_OK;
}

/* Returns the walk of a search from `from` on. Its windows overlap so that
 * every match lies in one of them. */
static mapped_windows walk_for(const mapped_windows *windows,
                               const mapped_needle *needle, uint64_t from)
{
    mapped_windows walk = *windows;
    uint64_t length = needle->length_;
    walk.region_ = NULL;
    walk.overlap_ = length > 0 ? length - 1 : 0;
    if (walk.size_ < 2 * length)
        walk.size_ = 2 * length;
    mapped_windows_seek(&walk, from);
    return walk;
}

/* The end of a search. The error of a fault counts from the start of the
 * window, and has to count from that of the file. */
static mapped_status end_search(mapped_windows *walk, const char *operation,
                                mapped_window window, mapped_status status,
                                mapped_error *error)
{
    release(&walk->region_);
    if (status == MAPPED_FAULT && error != NULL)
        error->offset += window.offset;
    return report(walk, operation, status, error);
}

mapped_status mapped_windows_find(const mapped_windows *windows,
                                  mapped_needle *needle, uint64_t from,
                                  uint64_t *offset, mapped_error *error)
{
    mapped_windows walk = walk_for(windows, needle, from);
    mapped_window window = {0, 0};
    size_t found = MAPPED_NOT_FOUND;
    bool has_window = true;
    mapped_status status = MAPPED_OK;
    if (needle->length_ == 0) {
        uint64_t size;
        status = file_size(windows, &size, error);
        if (status == MAPPED_OK)
            *offset = from <= size ? from : MAPPED_WINDOWS_NOT_FOUND;
        return report(windows, "find", status, error);
    }
    while (status == MAPPED_OK && has_window && found == MAPPED_NOT_FOUND) {
        status = next(&walk, &window, &has_window, error);
        if (status == MAPPED_OK && has_window)
            status = mapped_find(mapped_region_slice(walk.region_), needle,
                                 &found, error);
    }
    if (status == MAPPED_OK)
        *offset = has_window ? window.offset + found : MAPPED_WINDOWS_NOT_FOUND;
    return end_search(&walk, "find", window, status, error);
}

/* An empty needle has one match more than there are bytes. For others, the next
 * window begins where the count in the last one has stopped: no match may
 * overlap another. */
mapped_status mapped_windows_count(const mapped_windows *windows,
                                   mapped_needle *needle, uint64_t *count,
                                   mapped_error *error)
{
    mapped_windows walk = walk_for(windows, needle, 0);
    mapped_window window = {0, 0};
    uint64_t total = 0;
    bool has_window = true;
    mapped_status status = MAPPED_OK;
    if (needle->length_ == 0) {
        status = file_size(windows, &total, error);
        if (status == MAPPED_OK)
            *count = total + 1;
        return report(windows, "count", status, error);
    }
    while (status == MAPPED_OK && has_window) {
        size_t part = 0;
        size_t stop = 0;
        status = next(&walk, &window, &has_window, error);
        if (status != MAPPED_OK || !has_window)
            break;
        status = mapped__count_part(mapped_region_slice(walk.region_), needle,
                                    &part, &stop, error);
        total += part;
        walk.next_ = window.offset + stop;
    }
    if (status == MAPPED_OK)
        *count = total;
    return end_search(&walk, "count", window, status, error);
}
