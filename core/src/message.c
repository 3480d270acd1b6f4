/* Error objects as one line of text. */
#include <mapped/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"

/* Writes what goes after the operation and its reason: the numbers of the error
 * that mean something for its status. */
static void write_numbers(const mapped_error *error, char *text, size_t room)
{
    text[0] = '\0';
    switch (error->status) {
    case MAPPED_BUSY:
        if (error->length != 0)
            snprintf(text, room, ": %" PRIu64 " export%s", error->length,
                     error->length == 1 ? "" : "s");
        break;
    case MAPPED_SYSTEM:
        if (error->length != 0)
            snprintf(text, room, ": bytes missing: %" PRIu64, error->length);
        break;
    case MAPPED_ARGUMENT:
    case MAPPED_RANGE:
    case MAPPED_OVERFLOW:
    case MAPPED_PAST_END:
    case MAPPED_SIZE:
    case MAPPED_MISALIGNED:
    case MAPPED_FAULT:
        if (error->status != MAPPED_ARGUMENT || error->limit != 0)
            snprintf(text, room,
                     ": offset %" PRIu64 ", length %" PRIu64 ", limit %" PRIu64,
                     error->offset, error->length, error->limit);
        break;
    case MAPPED_CODE:
    case MAPPED_FORMAT:
    case MAPPED_LAYOUT:
    case MAPPED_PATTERN:
        snprintf(text, room, " at offset %" PRIu64, error->offset);
        break;
    default:
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
