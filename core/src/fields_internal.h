/* What compiling fields and running them share.
 *
 * All of a compiled object is one block of memory: for each record in it a
 * struct, its fields, with names the order of their offsets and a hash table,
 * and the names themselves. Every text is read twice, by the same code: first
 * to check and to measure it, then to store what it says. */
#ifndef MAPPED_FIELDS_INTERNAL_H
#define MAPPED_FIELDS_INTERNAL_H

#include <mapped/checked.h>
#include <mapped/fields.h>

/* The largest size and offset, so that every language's integers hold them. */
#define MAPPED__FIELDS_LIMIT ((size_t)PTRDIFF_MAX)

/* A text that is being read. */
typedef struct mapped__parser {
    const char *text;
    size_t length;
    size_t at;
    mapped_error *error;
    unsigned char *memory; /* where the next record goes; NULL: measure only */
    size_t bytes;          /* how many all records take */
    mapped_fields *root;
} mapped__parser;

/* The fields of one record or format, while they are measured or stored. */
typedef struct mapped__builder {
    mapped_fields *fields; /* NULL: measure only */
    char *names;           /* room for them */
    size_t count;
    size_t name_bytes;
    size_t size; /* of the record, or of a format so far */
    bool named;
    bool fixed;
} mapped__builder;

/* Takes memory for a record whose fields have all been added, which measured
 * them. To store them there, they are then added once more. MAPPED_MEMORY if
 * the bytes overflow. */
mapped_status mapped__builder_begin(mapped__parser *parser,
                                    mapped__builder *record);

/* Adds a field; its name is copied. */
void mapped__builder_add(mapped__builder *record, const mapped_field *field);

/* Works out what depends on all fields. MAPPED_LAYOUT if two named fields share
 * a name or bytes. */
mapped_status mapped__builder_end(mapped__parser *parser,
                                  mapped__builder *record);

mapped_status mapped__format_wrong(mapped_error *error,
                                   mapped_format_reason reason,
                                   size_t source_at, size_t number);
mapped_status mapped__layout_wrong(mapped_error *error,
                                   mapped_layout_reason reason,
                                   size_t source_at);

/* The dialects: they read all of the text and add its fields. */
mapped_status mapped__fields_read_struct(mapped__parser *parser,
                                         mapped__builder *record);
mapped_status mapped__fields_read_pack(mapped__parser *parser,
                                       mapped__builder *record);
/* With its own begin and end, for each record in it. */
mapped_status mapped__fields_read_layout(mapped__parser *parser);

/* Does the length of such a field's value depend on the data? */
static inline bool mapped__field_varies(const mapped_field *field)
{
    return field->item.kind == MAPPED_ITEM_COUNTED ||
           field->item.kind == MAPPED_ITEM_ZERO;
}

static inline bool mapped__is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
