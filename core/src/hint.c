/* Hints: looks at the status, the operation and the memory that it was about.
 * No hint is a promise: the memory may have changed since the error. */
#include <mapped/hint.h>

#include <errno.h>
#include <string.h>

#include "region_internal.h"

/* A hint that follows from the status and the name of the operation alone.
 * Without a name it holds for all operations. */
typedef struct rule {
    mapped_status status;
    const char *operation;
    mapped_hint hint;
} rule;

static const rule rules[] = {
    {MAPPED_PAST_END, "open", MAPPED_HINT_GROW_FILE},
    {MAPPED_UNSUPPORTED, "flush", MAPPED_HINT_NO_FILE},
    {MAPPED_UNSUPPORTED, "refresh", MAPPED_HINT_NO_FILE},
    {MAPPED_UNSUPPORTED, "fileno", MAPPED_HINT_NO_DESCRIPTOR},
    {MAPPED_UNSUPPORTED, "revert", MAPPED_HINT_NO_COPY},
    {MAPPED_UNSUPPORTED, "seal", MAPPED_HINT_SHARED_ANONYMOUS},
    {MAPPED_UNSUPPORTED, "lock", MAPPED_HINT_FILE_OR_SHARED},
    {MAPPED_ARGUMENT, "Ring: neither zero nor a ring", MAPPED_HINT_FILL_ZERO},
    {MAPPED_RANGE, "Ring", MAPPED_HINT_LEAST_LENGTH},
    {MAPPED_RANGE, "Mutex", MAPPED_HINT_EXACT_LENGTH},
    {MAPPED_RANGE, "send", MAPPED_HINT_LONGEST_RECORD},
    {MAPPED_RANGE, "send_many", MAPPED_HINT_LONGEST_RECORD},
    {MAPPED_RANGE, "try_send", MAPPED_HINT_LONGEST_RECORD},
    {MAPPED_RANGE, "reserve", MAPPED_HINT_LONGEST_RECORD},
    {MAPPED_MISALIGNED, NULL, MAPPED_HINT_ALIGN},
    {MAPPED_FAULT, NULL, MAPPED_HINT_RECOVER}};

/* Both names may be NULL: a program may have made the error. */
static bool is_same(const char *name, const char *other)
{
    return name != NULL && other != NULL && strcmp(name, other) == 0;
}

static mapped_hint hint_by_rule(const mapped_error *error)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].status == error->status &&
            (rules[i].operation == NULL ||
             is_same(rules[i].operation, error->operation)))
            return rules[i].hint;
    return MAPPED_HINT_NONE;
}

/* A private copy keeps its length, has no flush, and nobody to share with. */
static bool needs_file(const char *operation)
{
    static const char *const names[] = {"append",  "resize", "flush",
                                        "protect", "Mutex",  "Ring"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_same(names[i], operation))
            return true;
    return false;
}

static mapped_hint hint_readonly(const mapped_error *error,
                                 const mapped_slice *slice)
{
    const mapped_region *region = slice != NULL ? slice->region : NULL;
    if (error->limit == MAPPED_READONLY_SLICE)
        return MAPPED_HINT_READONLY_SLICE;
    if (region == NULL)
        return MAPPED_HINT_NONE;
    if (mapped_region_mode(region) != MAPPED_MODE_READ)
        return MAPPED_HINT_UNPROTECT;
    if (mapped__region_of(region)->wrapped)
        return MAPPED_HINT_READONLY_WRAPPED;
    if (is_same(error->operation, "lock"))
        return MAPPED_HINT_LOCK_SHARED;
    return needs_file(error->operation) ? MAPPED_HINT_OPEN_WRITABLE
                                        : MAPPED_HINT_OPEN_WRITABLE_OR_COPY;
}

static bool changes_length(const char *operation)
{
    return is_same(operation, "append") || is_same(operation, "resize");
}

static bool is_copy(const mapped_slice *slice)
{
    return slice != NULL &&
           mapped_region_mode(slice->region) == MAPPED_MODE_COPY;
}

mapped_hint mapped_error_hint(const mapped_error *error,
                              const mapped_slice *slice)
{
    if (error->status == MAPPED_READONLY)
        return hint_readonly(error, slice);
    if (error->status == MAPPED_UNSUPPORTED && changes_length(error->operation))
        return is_copy(slice) ? MAPPED_HINT_COPY_LENGTH : MAPPED_HINT_NONE;
    if (error->status == MAPPED_BUSY) /* length: the number of exports */
        return error->length > 0 ? MAPPED_HINT_END_EXPORTS : MAPPED_HINT_NONE;
    if (error->status == MAPPED_SYSTEM && error->os_error == EPERM &&
        is_same(error->call, "ftruncate"))
        return MAPPED_HINT_SEALED;
    return hint_by_rule(error);
}

const char *mapped_hint_text(mapped_hint hint)
{
    static const char *const texts[] = {
#define MAPPED__HINT_TEXT(name, text) text,
        MAPPED_HINT_MAP(MAPPED__HINT_TEXT)
#undef MAPPED__HINT_TEXT
    };
    return (size_t)hint < sizeof texts / sizeof *texts ? texts[hint] : "";
}
