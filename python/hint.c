/* Hints: the way out that stands in brackets after what is wrong. The core
 * knows which one (mapped/hint.h); some are spelled as calls of Python here. */
#include "binding.h"

const char *find_hint(const Region *owner, const mapped_error *error)
{
    mapped_hint hint =
        mapped_error_hint(error, owner != NULL ? &owner->view.slice : NULL);
    if (error->status == MAPPED_CLOSED && owner != NULL &&
        owner->owns_released_slice)
        return "the slice is released";
    switch (hint) {
    case MAPPED_HINT_NONE:
        return NULL;
    case MAPPED_HINT_READONLY_SLICE:
        return "it is of toreadonly()";
    case MAPPED_HINT_READONLY_WRAPPED:
        return "a bytearray can be written, bytes can't";
    case MAPPED_HINT_LOCK_SHARED:
        return "open with \"r+\", or give shared=True";
    case MAPPED_HINT_SHARED_ANONYMOUS:
        return "make the memory by anonymous(length, shared=True)";
    case MAPPED_HINT_FILE_OR_SHARED:
        return "needs a file, or anonymous(length, shared=True)";
    case MAPPED_HINT_END_EXPORTS:
        return "it is given back when the memoryview, numpy array or other "
               "object over it goes";
    default:
        return mapped_hint_text(hint);
    }
}
