/* What reading a layout and using one share. */
#ifndef MAPPED_LAYOUT_INTERNAL_H
#define MAPPED_LAYOUT_INTERNAL_H

#include <mapped/layout.h>

struct mapped_layout {
    uint32_t references;
    size_t size;
    size_t count;
    mapped_layout_entry *fields;
    size_t *table;     /* by name: index of the field plus 1, 0: empty */
    size_t table_mask; /* its size less 1, a power of two less 1 */
    size_t length;     /* of `text`, without the NUL behind it */
    char text[];       /* the names are here */
};

/* A layout text that is being read. */
typedef struct mapped__layout_reader {
    const char *text;
    size_t length;
    size_t at;
    mapped_layout *layout;
    size_t capacity;   /* of its fields */
    size_t next;       /* where a field goes that doesn't say where */
    size_t end;        /* the farthest byte of any field, padding included */
    size_t alignment;  /* of the record */
    size_t size;       /* as told, else 0 */
    size_t size_place; /* where it is told */
    bool align;
    bool order_told;
    bool big;
    mapped_error *error;
} mapped__layout_reader;

mapped_status mapped__layout_wrong(const mapped__layout_reader *reader,
                                   mapped_layout_reason reason, size_t place);

/* Reads all of the text into fields, without a look at their names. */
mapped_status mapped__layout_read(mapped__layout_reader *reader);

#endif
