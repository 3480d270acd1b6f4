#include <mapped/error.h>

#include <inttypes.h>
#include <stdio.h>

#include "platform.h"

/* Which of the error's numbers mean something for its status. */
typedef enum shown {
    SHOW_NOTHING,
    SHOW_SYSTEM,
    SHOW_RANGE, /* [offset, offset + length) and its limit */
    SHOW_COUNT, /* of exports: length alone */
    SHOW_PLACE  /* offset alone */
} shown;

static shown what_to_show(const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_ARGUMENT:
        return error->limit != 0 ? SHOW_RANGE : SHOW_NOTHING;
    case MAPPED_SYSTEM:
        return SHOW_SYSTEM;
    case MAPPED_BUSY:
        return error->length != 0 ? SHOW_COUNT : SHOW_NOTHING;
    case MAPPED_RANGE:
    case MAPPED_OVERFLOW:
    case MAPPED_PAST_END:
    case MAPPED_SIZE:
    case MAPPED_MISALIGNED:
    case MAPPED_FAULT:
        return SHOW_RANGE;
    case MAPPED_CODE:
    case MAPPED_FORMAT:
    case MAPPED_LAYOUT:
    case MAPPED_PATTERN:
        return SHOW_PLACE;
    default:
        return SHOW_NOTHING;
    }
}

size_t mapped_error_message(const mapped_error *error, char *text,
                            size_t capacity)
{
    const char *reason = mapped_status_text(error->status);
    char system[96] = "";
    int length = 0;
    if (error->os_error != 0)
        mapped__system_text(error->os_error, system, sizeof system);
    switch (what_to_show(error)) {
    case SHOW_NOTHING:
        length = snprintf(text, capacity, "%s: %s", error->operation, reason);
        break;
    case SHOW_SYSTEM:
        length = snprintf(text, capacity, "%s: %s", error->operation, system);
        break;
    case SHOW_PLACE:
        length = snprintf(text, capacity, "%s: %s at offset %" PRIu64,
                          error->operation, reason, error->offset);
        break;
    case SHOW_COUNT:
        length = snprintf(text, capacity, "%s: %s: %" PRIu64 " export%s",
                          error->operation, reason, error->length,
                          error->length == 1 ? "" : "s");
        break;
    case SHOW_RANGE:
        length =
            snprintf(text, capacity,
                     "%s: %s: offset %" PRIu64 ", length %" PRIu64
                     ", limit %" PRIu64 "%s%s",
                     error->operation, reason, error->offset, error->length,
                     error->limit, system[0] == '\0' ? "" : ": ", system);
        break;
    }
    return length < 0 ? 0 : (size_t)length;
}
