/* Windows: a walk over a file of any size, of which no more is mapped at a time
 * than one window. For files that are larger than the addresses a process has,
 * or than it wants to use.
 *
 *     mapped_windows windows;
 *     mapped_slice window;
 *     bool has_window;
 *     mapped_status status =
 *         mapped_windows_open(&windows, path, 1 << 20, 0, &error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     while ((status = mapped_windows_next(&windows, &window, &has_window,
 *                                          &error)) == MAPPED_OK && has_window)
 *         ... mapped_region_file_offset(window.region) is where it begins ...
 *     mapped_windows_close(&windows);
 *
 * Each window is a read-only region of its own. The walk stays with the file
 * that was opened, whatever its path names later, and asks for the file's size
 * whenever it goes on: what others append meanwhile is walked over, too, and
 * where they made it shorter the walk ends. What is truncated past the end of a
 * window that is mapped already is lost to it (MAPPED_FAULT), as in any region.
 *
 * Offsets are those in the file and have 64 bits everywhere. All functions but
 * close and those that return no status answer MAPPED_CLOSED when the windows
 * are closed or all zero, and MAPPED_SYSTEM. One thread at a time may use an
 * object. */
#ifndef MAPPED_WINDOWS_H
#define MAPPED_WINDOWS_H

#include <mapped/needle.h>
#include <mapped/region.h>
#include <mapped/search.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* In the caller's storage; it holds a descriptor and one window. The fields are
 * private. */
typedef struct mapped_windows {
    const char *name_;
    mapped_region *region_; /* the window of mapped_windows_next, or NULL */
    intptr_t file_;
    uint64_t size_;
    uint64_t overlap_;
    uint64_t next_;    /* where the next window begins */
    uint64_t covered_; /* where what has been walked over ends */
    bool open_;
} mapped_windows;

/* Opens the file for a walk from its first byte in windows of `size` bytes;
 * each but the first begins with the last `overlap` bytes of the one before,
 * and the last is as short as the file makes it. `path` as in
 * mapped_region_open; it must stay until the close. MAPPED_ARGUMENT if `size`
 * is 0 or not more than the overlap, or for a device without a size;
 * MAPPED_OVERFLOW for a size that no address space has; MAPPED_NOT_A_FILE. */
MAPPED__MUST_USE mapped_status mapped_windows_open(mapped_windows *windows,
                                                   const char *path,
                                                   uint64_t size,
                                                   uint64_t overlap,
                                                   mapped_error *error);

/* Like mapped_windows_open, for an open descriptor (POSIX) or HANDLE (Windows),
 * which stays the caller's. `name` (may be NULL) is what errors call it. */
MAPPED__MUST_USE mapped_status mapped_windows_open_descriptor(
    mapped_windows *windows, intptr_t descriptor, const char *name,
    uint64_t size, uint64_t overlap, mapped_error *error);

/* Releases the window and closes the file. Takes what is closed or all zero. */
void mapped_windows_close(mapped_windows *windows);

/* Are they closed, or all zero? */
MAPPED__INLINE bool mapped_windows_closed(const mapped_windows *windows)
{
    return !windows->open_;
}

/* What errors call the file: the path, or the name; may be NULL. */
MAPPED__INLINE const char *mapped_windows_name(const mapped_windows *windows)
{
    return windows->name_;
}

/* Bytes of each window but the last. */
MAPPED__INLINE uint64_t mapped_windows_length(const mapped_windows *windows)
{
    return windows->size_;
}

/* The size of the file now. */
MAPPED__MUST_USE mapped_status mapped_windows_file_size(
    const mapped_windows *windows, uint64_t *size, mapped_error *error);

/* The next window begins at `offset`, wherever the walk was. */
void mapped_windows_seek(mapped_windows *windows, uint64_t offset);

/* Releases the window before, and sets `*window` to the next one and
 * `*has_window` to true. At the end of the file as it is now, sets
 * `*has_window` to false, and `*window` stays untouched. A window is valid
 * until the next call with these windows; to keep it, acquire its region.
 * MAPPED_MEMORY. After an error the walk is where it was. */
MAPPED__MUST_USE mapped_status mapped_windows_next(mapped_windows *windows,
                                                   mapped_slice *window,
                                                   bool *has_window,
                                                   mapped_error *error);

/* The same in three steps, for callers with storage for regions and locks of
 * their own: ask for the file's size (mapped_windows_file_size, which may
 * block), go on, map. */

/* Where in the file a window is, in bytes. */
typedef struct mapped_window {
    uint64_t offset;
    uint64_t length; /* never 0 */
} mapped_window;

/* Goes on to the next window in a file of `file_size` bytes; false if there is
 * none. */
bool mapped_windows_advance(mapped_windows *windows, uint64_t file_size,
                            mapped_window *window);

/* Takes the advance that gave `window` back, because it could not be mapped:
 * the windows are as in `before` again, unless they have gone on since. */
void mapped_windows_undo(mapped_windows *windows, mapped_window window,
                         const mapped_windows *before);

/* Maps a window as a region, one reference to which is the caller's. `options`,
 * which may be NULL, may give memory for it; its offset and length count for
 * nothing. MAPPED_PAST_END if the file has become too short meanwhile: ask for
 * its size again. Changes nothing in `windows`. */
MAPPED__MUST_USE mapped_status
mapped_windows_map(const mapped_windows *windows, mapped_window window,
                   const mapped_open_options *options, mapped_region **region,
                   mapped_error *error);

/* Searches the whole file, in windows that overlap by as much as the needle
 * needs and are at least twice as long as it, and leaves the walk where it is.
 * MAPPED_FAULT as for any search. */

#define MAPPED_WINDOWS_NOT_FOUND UINT64_MAX

/* Sets `*offset` to that of the first match at or after `from`, or to
 * MAPPED_WINDOWS_NOT_FOUND. An empty needle is found at `from`, unless that is
 * past the end. */
MAPPED__MUST_USE mapped_status
mapped_windows_find(const mapped_windows *windows, mapped_needle *needle,
                    uint64_t from, uint64_t *offset, mapped_error *error);

/* Sets `*count` to the number of matches in the file, counted from the front
 * and without overlap, as mapped_count does. */
MAPPED__MUST_USE mapped_status
mapped_windows_count(const mapped_windows *windows, mapped_needle *needle,
                     uint64_t *count, mapped_error *error);

/* The lines of the file, in the caller's storage. They are slices of windows
 * that begin where a line does, whatever the overlap; for a line that is longer
 * than a window, one is mapped that is twice as long, and so on: a line must
 * fit into the address space, else its step is MAPPED_OVERFLOW or
 * MAPPED_SYSTEM. Leaves the walk where it is. Borrows the windows, which must
 * stay open. The fields are private. */
typedef struct mapped_windows_lines {
    const mapped_windows *windows_;
    mapped_region *region_; /* the window of mapped_windows_lines_next */
    mapped_parts parts_;    /* of the window */
    uint64_t start_; /* where in the file those that are still to come begin */
    mapped_window wanted_;
} mapped_windows_lines;

/* Begins at the file's first byte. A line ends with "\n" or with the file; with
 * `keep` it includes its "\n". */
void mapped_windows_lines_init(mapped_windows_lines *lines,
                               const mapped_windows *windows, bool keep);

/* Releases the window; nothing else needs an end. */
void mapped_windows_lines_deinit(mapped_windows_lines *lines);

/* Sets `*line` to the next line and `*has_line` to true. If there is none, sets
 * `*has_line` to false. A line is valid until the next call. */
MAPPED__MUST_USE mapped_status
mapped_windows_lines_next(mapped_windows_lines *lines, mapped_slice *line,
                          bool *has_line, mapped_error *error);

/* The same in steps, for callers with storage of their own for regions. */
typedef enum mapped_lines_step {
    MAPPED_LINES_END,
    MAPPED_LINES_LINE,  /* `*line` is the next one */
    MAPPED_LINES_WINDOW /* map a window (below) and try again */
} mapped_lines_step;

/* Sets `*step` to what comes next, and `*line` if that is a line. */
MAPPED__MUST_USE mapped_status
mapped_windows_lines_step(mapped_windows_lines *lines, mapped_slice *line,
                          mapped_lines_step *step, mapped_error *error);

/* The same, but searches no more than `limit` bytes and asks nobody: returns
 * true with the next line if it ends there. Otherwise returns false and changes
 * nothing; then take the step. */
bool mapped_windows_lines_try_next(mapped_windows_lines *lines, size_t limit,
                                   mapped_slice *line);

/* Maps the window that the step wants, as mapped_windows_map. The region must
 * stay until the next map. MAPPED_PAST_END: take the step again. */
MAPPED__MUST_USE mapped_status mapped_windows_lines_map(
    mapped_windows_lines *lines, const mapped_open_options *options,
    mapped_region **region, mapped_error *error);

MAPPED_END

#endif
