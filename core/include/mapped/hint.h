/* Hints: what a caller can do about an error, for the end of a message.
 *
 *     mapped_hint hint = mapped_error_hint(&error, &slice);
 *     mapped_error_message(&error, text, sizeof text);
 *     fprintf(stderr, hint != MAPPED_HINT_NONE ? "%s (%s)\n" : "%s\n", text,
 *             mapped_hint_text(hint)); */
#ifndef MAPPED_HINT_H
#define MAPPED_HINT_H

#include <mapped/slice.h>

MAPPED_BEGIN

/* name, text. The calls in the texts are spelled alike in Lua and Python; where
 * the two differ, the text names none and a binding says it in its own way. */
#define MAPPED_HINT_MAP(X)                                                   \
    X(NONE, "")                                                              \
    X(OPEN_WRITABLE, "open with \"r+\"")                                     \
    X(OPEN_WRITABLE_OR_COPY, "open with \"r+\" to change the file, or with " \
                             "\"c\" to change a private copy")               \
    X(LOCK_SHARED, "open with \"r+\", or lock it shared")                    \
    X(READONLY_SLICE, "the slice is to read only")                           \
    X(READONLY_WRAPPED, "the memory was wrapped to read only")               \
    X(UNPROTECT, "it is protected: protect(\"r+\") ends that")               \
    X(GROW_FILE, "modes \"r+\" and \"a+\" make the file longer")             \
    X(COPY_LENGTH,                                                           \
      "what is opened with \"c\" keeps its length: open with \"r+\"")        \
    X(NO_FILE, "the memory is no file")                                      \
    X(NO_DESCRIPTOR,                                                         \
      "mode \"r+\" holds a descriptor, and so does shared memory")           \
    X(NO_COPY, "only what is opened with \"c\" has private changes")         \
    X(SHARED_ANONYMOUS, "make shared anonymous memory")                      \
    X(FILE_OR_SHARED, "needs a file or shared anonymous memory")             \
    X(SEALED, "it is sealed against that")                                   \
    X(END_EXPORTS, "it can be done when every export has ended")             \
    X(RECOVER, "refresh() follows a file that was cut, recover() tries "     \
               "again")                                                      \
    X(FILL_ZERO, "fill(0) makes room for a new one")                         \
    X(LEAST_LENGTH, "it needs that length at least, and the limit is there") \
    X(EXACT_LENGTH, "it needs that length, and the limit is there")          \
    X(LONGEST_RECORD, "the limit is the longest record of this ring")        \
    X(ALIGN, "it must begin at a multiple of the limit in memory")

typedef enum mapped_hint {
#define MAPPED__HINT_ENUM(name, text) MAPPED_HINT_##name,
    MAPPED_HINT_MAP(MAPPED__HINT_ENUM)
#undef MAPPED__HINT_ENUM
} mapped_hint;

/* Returns what can be done about the error, MAPPED_HINT_NONE if nothing is
 * known. `slice` is the memory that was used, NULL if there was none. Any
 * thread; meets no fault. */
mapped_hint mapped_error_hint(const mapped_error *error,
                              const mapped_slice *slice);

/* The words for it, "" for MAPPED_HINT_NONE; never NULL. Static storage. */
const char *mapped_hint_text(mapped_hint hint);

MAPPED_END

#endif
