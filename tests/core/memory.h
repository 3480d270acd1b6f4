/* What tests of memory share: regions that need no file, and their slices. A
 * helper that fails ends the program. */
#ifndef MEMORY_H
#define MEMORY_H

#include "check.h"

#include <mapped/mapped.h>

#include <stdlib.h>

/* Byte i of a region made here. It is never 0, and its period is long. */
CHECK__UNUSED static unsigned char memory_byte(size_t i)
{
    return (unsigned char)(1 + i % 251);
}

typedef struct memory_bytes {
    unsigned char data[512];
    size_t length;
} memory_bytes;

/* Returns the bytes that a text of hexadecimal digits stands for. */
CHECK__UNUSED static memory_bytes memory_unhex(const char *text)
{
    memory_bytes out = {.length = strlen(text) / 2};
    for (size_t i = 0; i < out.length; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out.data[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return out;
}

/* Makes `length` bytes of anonymous memory with known content. */
CHECK__UNUSED static mapped_region *memory_region(size_t length)
{
    mapped_region *region = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    if (mapped_region_anonymous(length, NULL, &region, &error) != MAPPED_OK) {
        char text[MAPPED_ERROR_MESSAGE_SIZE];
        mapped_error_message(&error, text, sizeof text);
        printf("no anonymous memory: %s\n", text);
        exit(1);
    }
    for (size_t i = 0; i < length; i++)
        region->base_[i] = memory_byte(i);
    return region;
}

/* Makes a region of the caller's bytes, which must live as long as it. */
CHECK__UNUSED static mapped_region *memory_wrap(void *data, size_t length,
                                                bool readonly)
{
    mapped_region *region = NULL;
    if (mapped_region_wrap(data, length, readonly, NULL, NULL, &region, NULL) !=
        MAPPED_OK) {
        printf("can't wrap %zu bytes\n", length);
        exit(1);
    }
    return region;
}

/* Returns `length` bytes of `region` from `offset` on, which must exist. */
CHECK__UNUSED static mapped_slice memory_slice(mapped_region *region,
                                               size_t offset, size_t length)
{
    mapped_slice slice;
    if (mapped_slice_sub(mapped_region_slice(region), offset, length, &slice,
                         NULL) != MAPPED_OK) {
        printf("no slice of %zu bytes at %zu\n", length, offset);
        exit(1);
    }
    return slice;
}

/* Compiles the `length` bytes at `text`. */
CHECK__UNUSED static mapped_status
memory_compile(mapped_dialect dialect, const char *text, size_t length,
               mapped_fields **fields, mapped_error *error)
{
    const mapped_fields_source source = {
        .dialect = dialect, .text = text, .length = length};
    return mapped_fields_compile(&source, fields, error);
}

/* Compiles a text that must be right; the program ends if it isn't. */
CHECK__UNUSED static mapped_fields *memory_fields(mapped_dialect dialect,
                                                  const char *text)
{
    mapped_fields *fields = NULL;
    if (!CHECK_STATUS(
            memory_compile(dialect, text, strlen(text), &fields, NULL),
            MAPPED_OK))
        exit(check_finish());
    return fields;
}

CHECK__UNUSED static mapped_fields *memory_layout(const char *text)
{
    return memory_fields(MAPPED_DIALECT_LAYOUT, text);
}

#endif
