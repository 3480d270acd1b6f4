/* Error objects: names and texts of statuses, and filling an object in. Texts
 * in an object are literals, so it needs no end; a path is copied. */
#include <mapped/error.h>

#include <string.h>

typedef struct status_texts {
    const char *name, *text;
} status_texts;

static status_texts texts_of(int status)
{
    switch (status) {
#define MAPPED__STATUS_TEXTS(name, value, text) \
    case value:                                 \
        return (status_texts){"MAPPED_" #name, text};
        MAPPED_STATUS_MAP(MAPPED__STATUS_TEXTS)
#undef MAPPED__STATUS_TEXTS
    default:
        return (status_texts){"MAPPED_UNKNOWN", "unknown status"};
    }
}

const char *mapped_status_name(int status)
{
    return texts_of(status).name;
}

const char *mapped_status_text(int status)
{
    return texts_of(status).text;
}

static mapped_status set(mapped_error *error, mapped_error value)
{
    if (error != NULL)
        *error = value;
    return value.status;
}

mapped_status mapped_error_set(mapped_error *error, mapped_status status,
                               const char *operation)
{
    return set(error, (mapped_error){.status = status, .operation = operation});
}

mapped_status mapped_error_set_range(mapped_error *error, mapped_status status,
                                     const char *operation,
                                     mapped_error_range range)
{
    return set(error, (mapped_error){.status = status,
                                     .operation = operation,
                                     .offset = range.offset,
                                     .length = range.length,
                                     .limit = range.limit});
}

mapped_status mapped__error_set_length(mapped_error *error,
                                       mapped_status status,
                                       const char *operation, uint64_t length,
                                       uint64_t limit)
{
    return mapped_error_set_range(error, status, operation,
                                  (mapped_error_range){0, length, limit});
}

mapped_status mapped_error_set_system(mapped_error *error, int os_error,
                                      const char *call)
{
    return set(error, (mapped_error){.status = MAPPED_SYSTEM,
                                     .os_error = os_error,
                                     .operation = call,
                                     .call = call});
}

/* Does `operation` say already what is wrong? It does if the error has one of
 * these statuses; with MAPPED_UNSUPPORTED only if it is more than one word. */
static bool operation_is_reason(const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_ARGUMENT:
    case MAPPED_FORMAT:
    case MAPPED_LAYOUT:
    case MAPPED_PATTERN:
        return true;
    case MAPPED_UNSUPPORTED:
        return strchr(error->operation, ' ') != NULL;
    default:
        return false;
    }
}

void mapped_error_set_operation(mapped_error *error, const char *operation)
{
    if (!operation_is_reason(error))
        error->operation = operation;
}

/* A long path loses its beginning, but no character of UTF-8 is cut in two. */
void mapped_error_set_path(mapped_error *error, const char *path)
{
    static const char dots[] = "...";
    const size_t max_length = sizeof error->path - sizeof dots;
    size_t length = path != NULL ? strlen(path) : 0;
    if (error == NULL)
        return;
    char *target = error->path;
    if (length > max_length) {
        const char *kept = path + length - max_length;
        while (((unsigned char)*kept & 0xC0) == 0x80) /* inside a character */
            kept++;
        memcpy(target, dots, sizeof dots - 1);
        target += sizeof dots - 1;
        length -= (size_t)(kept - path);
        path = kept;
    }
    if (length > 0)
        memcpy(target, path, length);
    target[length] = '\0';
}
