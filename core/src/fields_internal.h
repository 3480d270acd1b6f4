/* What compiling fields and running them share.
 *
 * A compiled object is one block of memory. It holds, for the outermost record
 * and then for each record in it, a mapped_fields, its fields, with names the
 * order of their offsets and a hash table, and the names themselves.
 *
 * A *reader* reads one record, or one format, from a source and adds its fields
 * to a *builder*. mapped__fields_build runs it twice: the first time the
 * builder only counts, the second time, once there is memory for as much, it
 * stores. A reader meets a record in its record by calling
 * mapped__fields_build. */
#ifndef MAPPED_FIELDS_INTERNAL_H
#define MAPPED_FIELDS_INTERNAL_H

#include <mapped/checked.h>
#include <mapped/fields.h>

/* The largest size and offset, so that every language's integers hold them. */
#define MAPPED__FIELDS_LIMIT ((size_t)PTRDIFF_MAX)

/* A source that is being read, and the memory that its records take. */
typedef struct mapped__parser {
    const char *text;
    size_t length;
    size_t at; /* the next character */
    mapped_error *error;
    unsigned char *memory; /* where the next record goes; NULL: only measure */
    size_t bytes;          /* that the records measured so far take */
    mapped_fields *root;   /* the outermost record */
} mapped__parser;

/* The fields that a reader has added. It sets `named`, `fixed`, and `size`. */
typedef struct mapped__builder {
    mapped_fields fields; /* as they will be stored */
    mapped_field *next;   /* where to store the next one; NULL: only count */
    char *names;          /* where to store the next name */
    size_t name_bytes;    /* of all names, with their NULs */
    size_t item_bytes;    /* of all items */
} mapped__builder;

typedef mapped_status mapped__fields_reader(mapped__parser *parser,
                                            mapped__builder *builder,
                                            const void *context);

/* Adds a field; its name is copied. */
void mapped__fields_add(mapped__builder *builder, const mapped_field *field);

/* Makes a record of what `read` finds, with `context`, and `*item` one item of
 * it; when only measuring, one without `record`. MAPPED_MEMORY if the bytes
 * overflow; MAPPED_LAYOUT if two named fields share a name or bytes, which
 * isn't found while measuring; and what `read` returns. */
mapped_status mapped__fields_build(mapped__parser *parser,
                                   mapped__fields_reader *read,
                                   const void *context, mapped_item *item);

/* The readers of the three languages, for all of the text. The context of the
 * outermost layout is NULL; formats have none. */
mapped__fields_reader mapped__fields_read_struct;
mapped__fields_reader mapped__fields_read_pack;
mapped__fields_reader mapped__fields_read_layout;

mapped_status mapped__format_wrong(mapped_error *error,
                                   mapped_format_reason reason,
                                   size_t source_at, size_t number);
mapped_status mapped__layout_wrong(mapped_error *error,
                                   mapped_layout_reason reason,
                                   size_t source_at);

static inline bool mapped__is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
