/* The lines of a file in windows. `parts_` are the lines of the window that is
 * mapped; what they haven't handed out yet is called the rest, and `start_`
 * says where in the file it begins. A step takes the line in front of the rest.
 * If no line ends in the rest, the line goes on behind the window: then the
 * next window begins where the rest does, and is longer than the rest. */
#include <mapped/windows.h>

#include "platform.h"
#include "region_internal.h"

void mapped_windows_lines_init(mapped_windows_lines *lines,
                               const mapped_windows *windows, bool keep)
{
    *lines = (mapped_windows_lines){.windows_ = windows};
    mapped_parts_lines(&lines->parts_, (mapped_slice){0}, keep);
}

void mapped_windows_lines_deinit(mapped_windows_lines *lines)
{
    mapped_region_release(lines->region_);
    lines->region_ = NULL;
    lines->parts_.rest_ = (mapped_slice){0};
}

/* After lines were taken from the rest, which was `before` bytes long. */
static void move_start(mapped_windows_lines *lines, size_t before)
{
    lines->start_ += before - mapped_parts_left(&lines->parts_);
}

bool mapped_windows_lines_try_next(mapped_windows_lines *lines, size_t limit,
                                   mapped_slice *line)
{
    size_t rest = mapped_parts_left(&lines->parts_);
    if (mapped_windows_closed(lines->windows_) ||
        !mapped_parts_try_next(&lines->parts_, limit, line))
        return false;
    move_start(lines, rest);
    return true;
}

/* Takes the line in front of the rest, if it ends there; else `*taken` is
 * false. */
static mapped_status take(mapped_windows_lines *lines, mapped_slice *line,
                          bool *taken, mapped_error *error)
{
    size_t rest = mapped_parts_left(&lines->parts_);
    *taken = false;
    if (rest == 0)
        return MAPPED_OK;
    mapped_status status =
        mapped__parts_take_ended(&lines->parts_, line, taken, error);
    if (status == MAPPED_FAULT && error != NULL)
        error->offset += mapped_region_file_offset(lines->parts_.rest_.region);
    move_start(lines, rest);
    return status;
}

/* How long a window has to be for a line that is longer than the rest. */
static uint64_t window_length(const mapped_windows_lines *lines)
{
    uint64_t length = lines->windows_->size_;
    uint64_t needed = 2 * (uint64_t)mapped_parts_left(&lines->parts_);
    return needed > length ? needed : length;
}

/* What to do if no line ends in the rest, in a file of `size` bytes: at the end
 * of the file the rest is the last line, else a window has to be mapped. */
static mapped_lines_step step_past_rest(mapped_windows_lines *lines,
                                        uint64_t size, mapped_slice *line)
{
    size_t rest = mapped_parts_left(&lines->parts_);
    if (size <= lines->start_)
        return MAPPED_LINES_END;
    if (rest > 0 && size == lines->start_ + rest) {
        *line = lines->parts_.rest_;
        lines->parts_.rest_.length = 0;
        lines->start_ += rest;
        return MAPPED_LINES_LINE;
    }
    uint64_t left = size - lines->start_, length = window_length(lines);
    lines->wanted_.offset = lines->start_;
    lines->wanted_.length = left < length ? left : length;
    return MAPPED_LINES_WINDOW;
}

static mapped_status end(const mapped_windows_lines *lines,
                         mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK)
        mapped_error_set_path(error, lines->windows_->name_);
    return mapped__region_complete_error(NULL, "lines", status, error);
}

mapped_status mapped_windows_lines_step(mapped_windows_lines *lines,
                                        mapped_slice *line,
                                        mapped_lines_step *step,
                                        mapped_error *error)
{
    uint64_t size;
    bool taken = false;
    mapped_status status = MAPPED_OK;
    if (mapped_windows_closed(lines->windows_))
        status = mapped_error_set(error, MAPPED_CLOSED, "lines");
    if (status == MAPPED_OK)
        status = take(lines, line, &taken, error);
    if (status == MAPPED_OK && !taken)
        status = mapped_windows_file_size(lines->windows_, &size, error);
    if (status != MAPPED_OK)
        return end(lines, status, error);
    *step = taken ? MAPPED_LINES_LINE : step_past_rest(lines, size, line);
    return MAPPED_OK;
}

mapped_status mapped_windows_lines_map(mapped_windows_lines *lines,
                                       const mapped_open_options *options,
                                       mapped_region **region,
                                       mapped_error *error)
{
    mapped_status status = mapped_windows_map(lines->windows_, lines->wanted_,
                                              options, region, error);
    if (status == MAPPED_OK)
        lines->parts_.rest_ = mapped_region_slice(*region);
    return end(lines, status, error);
}

mapped_status mapped_windows_lines_next(mapped_windows_lines *lines,
                                        mapped_slice *line, bool *has_line,
                                        mapped_error *error)
{
    mapped_lines_step step;
    mapped_slice found;
    mapped_status status;
    for (;;) {
        mapped_region *region;
        status = mapped_windows_lines_step(lines, &found, &step, error);
        if (status != MAPPED_OK || step != MAPPED_LINES_WINDOW)
            break;
        status = mapped_windows_lines_map(lines, NULL, &region, error);
        if (status == MAPPED_PAST_END)
            continue;
        if (status != MAPPED_OK)
            break;
        mapped_region_release(lines->region_);
        lines->region_ = region;
    }
    if (status != MAPPED_OK)
        return status;
    if (step == MAPPED_LINES_LINE)
        *line = found;
    *has_line = step == MAPPED_LINES_LINE;
    return MAPPED_OK;
}
