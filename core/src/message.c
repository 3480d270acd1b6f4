/* Error objects as one line of text. */
#include <mapped/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"

/* Which of the error's numbers mean something for its status. */
typedef enum shown {
    SHOW_NOTHING,
    SHOW_RANGE,   /* [offset, offset + length) and its limit */
    SHOW_COUNT,   /* of exports: length alone */
    SHOW_MISSING, /* bytes of a disk or a limit: length alone */
    SHOW_PLACE    /* offset alone */
} shown;

static shown what_to_show(const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_ARGUMENT:
        return error->limit != 0 ? SHOW_RANGE : SHOW_NOTHING;
    case MAPPED_BUSY:
        return error->length != 0 ? SHOW_COUNT : SHOW_NOTHING;
    case MAPPED_SYSTEM:
        return error->length != 0 ? SHOW_MISSING : SHOW_NOTHING;
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

/* What goes after the operation and its reason. */
static void write_numbers(const mapped_error *error, char *text, size_t room)
{
    text[0] = '\0';
    switch (what_to_show(error)) {
    case SHOW_NOTHING:
        break;
    case SHOW_PLACE:
        snprintf(text, room, " at offset %" PRIu64, error->offset);
        break;
    case SHOW_COUNT:
        snprintf(text, room, ": %" PRIu64 " export%s", error->length,
                 error->length == 1 ? "" : "s");
        break;
    case SHOW_MISSING:
        snprintf(text, room, ": bytes missing: %" PRIu64, error->length);
        break;
    case SHOW_RANGE:
        snprintf(text, room,
                 ": offset %" PRIu64 ", length %" PRIu64 ", limit %" PRIu64,
                 error->offset, error->length, error->limit);
        break;
    }
}

/* A call that has the operation's own name is named once. */
static const char *call_of(const mapped_error *error, const char *operation)
{
    bool other = error->call != NULL && strcmp(error->call, operation) != 0;
    return other ? error->call : "";
}

static const char *colon_after(const char *text)
{
    return text[0] != '\0' ? ": " : "";
}

size_t mapped_error_message(const mapped_error *error, char *text,
                            size_t capacity)
{
    const char *operation = error->operation != NULL ? error->operation : "";
    const char *call = call_of(error, operation);
    const char *reason = mapped_status_text(error->status);
    char system[96] = "", numbers[96];
    if (error->os_error != 0)
        mapped__system_text(error->os_error, system, sizeof system);
    if (error->status == MAPPED_SYSTEM)
        reason = system;
    write_numbers(error, numbers, sizeof numbers);
    bool both = reason != system && system[0] != '\0';
    int length =
        snprintf(text, capacity, "%s%s%s%s%s%s%s%s%s%s", error->path,
                 colon_after(error->path), operation, colon_after(operation),
                 call, colon_after(call), reason, numbers, both ? ": " : "",
                 both ? system : "");
    return length < 0 ? 0 : (size_t)length;
}

bool mapped_error_is_shortage(const mapped_error *error)
{
    return error->status == MAPPED_MEMORY ||
           (error->status == MAPPED_SYSTEM &&
            mapped__system_is_shortage(error->os_error));
}
