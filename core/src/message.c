/* Error objects as one line of text. */
#include <mapped/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"

/* Writes what goes after the reason: the numbers of the error that mean
 * something for its status. */
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

/* The system's call, unless it has the operation's own name. */
static const char *other_call(const mapped_error *error, const char *operation)
{
    bool other = error->call != NULL && strcmp(error->call, operation) != 0;
    return other ? error->call : "";
}

/* Joins the texts that aren't empty by ": ". Returns their length, as snprintf
 * does. */
static size_t join(const char *const *texts, size_t count, char *line,
                   size_t capacity)
{
    size_t length = 0;
    if (capacity > 0)
        line[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (texts[i][0] == '\0')
            continue;
        bool is_first = length == 0, is_full = length >= capacity;
        int added = snprintf(is_full ? NULL : line + length,
                             is_full ? 0 : capacity - length, "%s%s",
                             is_first ? "" : ": ", texts[i]);
        length += added > 0 ? (size_t)added : 0;
    }
    return length;
}

size_t mapped_error_message(const mapped_error *error, char *text,
                            size_t capacity)
{
    const char *operation = error->operation != NULL ? error->operation : "";
    char system[96] = "", numbers[96], reason[192];
    bool is_system = error->status == MAPPED_SYSTEM;
    if (error->os_error != 0)
        mapped__system_text(error->os_error, system, sizeof system);
    write_numbers(error, numbers, sizeof numbers);
    snprintf(reason, sizeof reason, "%s%s",
             is_system ? system : mapped_status_text(error->status), numbers);
    const char *const texts[] = {error->path, operation,
                                 other_call(error, operation), reason,
                                 is_system ? "" : system};
    return join(texts, sizeof texts / sizeof texts[0], text, capacity);
}

bool mapped_error_is_shortage(const mapped_error *error)
{
    return error->status == MAPPED_MEMORY ||
           (error->status == MAPPED_SYSTEM &&
            mapped__system_is_shortage(error->os_error));
}
