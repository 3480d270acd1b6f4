/* The way out: what a message says, in brackets, after what is wrong, where
 * there is something that the caller can do. */
#include "binding.h"

#include <string.h>

typedef struct Need {
    const char *operation, *hint;
} Need;

static const char *hint_of(const Need *needs, const char *operation)
{
    while (needs->operation != NULL && strcmp(needs->operation, operation) != 0)
        needs++;
    return needs->hint;
}

static bool has_mode(const Region *owner, mapped_mode mode)
{
    return mapped_region_mode(owner->view.slice.region) == mode;
}

/* Why a region can't be written. A shared lock needs no right to write. */
static const char *hint_readonly(const Region *owner, const mapped_error *error)
{
    if (owner->name != Py_None && has_mode(owner, MAPPED_MODE_READ))
        return strcmp(error->operation, "lock") == 0
                   ? "open it with mode \"r+\", or give shared=True"
                   : "open it with mode \"r+\" to write";
    if (error->limit == MAPPED_READONLY_SLICE)
        return "it is of toreadonly()";
    if (owner->is_wrap)
        return "a bytearray can be written, bytes can't";
    return "it is protected: protect(\"r+\") ends that";
}

/* What the operations that not all memory has need. */
static const char *hint_unsupported(const Region *owner, const char *operation)
{
    static const Need needs[] = {
        {"flush", "the memory is no file"},
        {"refresh", "the memory is no file"},
        {"fileno", "mode \"r+\" holds a descriptor, and so does shared memory"},
        {"seal", "make the memory by anonymous(length, shared=True)"},
        {"lock", "needs a file, or anonymous(length, shared=True)"},
        {"revert", "only what is opened with mode \"c\" has private changes"},
        {NULL, NULL}};
    bool grows =
        strcmp(operation, "append") == 0 || strcmp(operation, "resize") == 0;
    if (grows && has_mode(owner, MAPPED_MODE_COPY))
        return "what is opened with mode \"c\" can't get longer: open it with "
               "\"r+\"";
    return hint_of(needs, operation);
}

static const char *hint_range(const char *operation)
{
    static const Need needs[] = {
        {"Ring", "it needs that length at least, and the limit is there"},
        {"Mutex", "it needs that length, and the limit is there"},
        {"send", "the limit is the longest record of this ring"},
        {"send_many", "the limit is the longest record of this ring"},
        {"try_send", "the limit is the longest record of this ring"},
        {"reserve", "the limit is the longest record of this ring"},
        {NULL, NULL}};
    return hint_of(needs, operation);
}

static const char *hint_of_region(const Region *owner,
                                  const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_CLOSED:
        return owner->is_released ? "the slice is released" : NULL;
    case MAPPED_READONLY:
        return hint_readonly(owner, error);
    case MAPPED_UNSUPPORTED:
        return hint_unsupported(owner, error->operation);
    case MAPPED_BUSY:
        return error->length > 0
                   ? "it is given back when the memoryview, numpy "
                     "array or other object over it goes"
                   : NULL;
    case MAPPED_FAULT:
        return "refresh() follows a file that was cut, recover() tries again";
    case MAPPED_RANGE:
        return hint_range(error->operation);
    default:
        return NULL;
    }
}

const char *find_hint(const Region *owner, const mapped_error *error)
{
    const char *operation = error->operation;
    if (error->status == MAPPED_PAST_END)
        return strcmp(operation, "open") == 0
                   ? "modes \"r+\" and \"a+\" make the file longer"
                   : NULL;
    if (error->status == MAPPED_MISALIGNED)
        return "it must begin at a multiple of the limit in memory";
    if (error->status == MAPPED_ARGUMENT)
        return strcmp(operation, "Ring: neither zero nor a ring") == 0
                   ? "fill(0) makes room for a new one"
                   : NULL;
    return owner == NULL ? NULL : hint_of_region(owner, error);
}
