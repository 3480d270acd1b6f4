/* Statuses and the error object that says which number was wrong. */
#ifndef MAPPED_ERROR_H
#define MAPPED_ERROR_H

#include <mapped/base.h>

MAPPED_BEGIN

/* name, value, text. Every fallible function returns one of these. */
#define MAPPED_STATUS_MAP(X)                                \
    X(OK, 0, "success")                                     \
    X(ARGUMENT, -1, "invalid argument")                     \
    X(RANGE, -2, "out of range")                            \
    X(OVERFLOW, -3, "number too large")                     \
    X(CLOSED, -4, "attempt to use a closed region")         \
    X(READONLY, -5, "attempt to write to read-only memory") \
    X(BUSY, -6, "memory is exported or in use elsewhere")   \
    X(MEMORY, -7, "out of memory")                          \
    X(SYSTEM, -8, "operating system error")                 \
    X(FAULT, -9, "page lost")                               \
    X(UNSUPPORTED, -10, "not supported here")               \
    X(CODE, -11, "unknown element code")                    \
    X(MISALIGNED, -12, "misaligned")                        \
    X(VALUE, -13, "value does not fit the element")         \
    X(PAST_END, -14, "past the end of the file")            \
    X(SIZE, -15, "sizes differ")                            \
    X(NOT_A_FILE, -16, "not a file that can be mapped")     \
    X(STALE, -17, "the path names another file now")        \
    X(FORMAT, -18, "malformed format")                      \
    X(LAYOUT, -19, "malformed layout")                      \
    X(PATTERN, -20, "bad pattern")                          \
    X(TIMEOUT, -21, "timed out")                            \
    X(INTERRUPTED, -22, "interrupted by a signal")          \
    X(CORRUPT, -23, "corrupt data")

typedef enum mapped_status {
#define MAPPED__STATUS_ENUM(name, value, text) MAPPED_##name = value,
    MAPPED_STATUS_MAP(MAPPED__STATUS_ENUM)
#undef MAPPED__STATUS_ENUM
} mapped_status;

#define MAPPED_ERROR_PATH_SIZE 64

/* What went wrong. The caller owns it and may pass NULL for "status only".
 * A function writes it when it fails and leaves it alone when it succeeds.
 * It holds no pointer that needs freeing: the texts are literals. */
typedef struct mapped_error {
    mapped_status status;
    int os_error;          /* errno (GetLastError on Windows), 0 if none */
    const char *operation; /* what was called, or why it was refused */
    const char *call;      /* the system's call that failed; NULL: none did */
    uint64_t offset;       /* the offending position, in bytes */
    uint64_t length;       /* the offending length in bytes; with MAPPED_BUSY
                            * the number of exports; with MAPPED_SYSTEM by how
                            * many bytes a file could not grow, if known */
    uint64_t limit;        /* what the position had to stay within; with
                            * MAPPED_FORMAT and MAPPED_LAYOUT the reason; with
                            * MAPPED_READONLY 0 or MAPPED_READONLY_SLICE */
    char path[MAPPED_ERROR_PATH_SIZE]; /* of the region's file, "" if none; of
                                        * a long one "..." and its end */
} mapped_error;

/* Not the region is read-only, but the slice (mapped_slice_toreadonly). */
#define MAPPED_READONLY_SLICE 1u

/* The numbers of an error, for mapped_error_set_range. */
typedef struct mapped_error_range {
    uint64_t offset;
    uint64_t length;
    uint64_t limit;
} mapped_error_range;

#define MAPPED_ERROR_INIT                   \
    {                                       \
        MAPPED_OK, 0, "", NULL, 0, 0, 0, "" \
    }

/* Enough for any text of `mapped_error_message`, with its final NUL. */
#define MAPPED_ERROR_MESSAGE_SIZE 384

/* "MAPPED_RANGE" and "out of range". An unknown number gives a text that says
 * so; never NULL. Static storage; any thread. */
const char *mapped_status_name(int status);
const char *mapped_status_text(int status);

/* Writes one line that names the file, the operation, the reason and the
 * offending numbers into `text` (`capacity` bytes, always NUL-terminated when >
 * 0). Returns the length the whole line needs, as snprintf does. Any thread. */
size_t mapped_error_message(const mapped_error *error, char *text,
                            size_t capacity);

/* Fills `error` unless it is NULL, and returns `status`: for code that reports
 * errors in mapped's own form. */
mapped_status mapped_error_set(mapped_error *error, mapped_status status,
                               const char *operation);
mapped_status mapped_error_set_range(mapped_error *error, mapped_status status,
                                     const char *operation,
                                     mapped_error_range range);
mapped_status mapped_error_set_system(mapped_error *error, int os_error,
                                      const char *call);
mapped_status mapped__error_set_length(mapped_error *error,
                                       mapped_status status,
                                       const char *operation, uint64_t length,
                                       uint64_t limit);

/* Was there too little memory, address space or descriptors? A program with a
 * garbage collector may find some more of them. */
bool mapped_error_is_shortage(const mapped_error *error);

/* Makes `error->operation` the name of what was called, unless it says already
 * what is wrong, as it does with a bad argument. */
void mapped_error_set_operation(mapped_error *error, const char *operation);

/* Copies the path, or the end of a long one, unless `error` is NULL. NULL:
 * there is no path. */
void mapped_error_set_path(mapped_error *error, const char *path);

MAPPED_END

#endif
