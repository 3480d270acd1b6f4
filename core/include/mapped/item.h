/* Items: what one value in memory is. An item is an element, a row of elements,
 * a text, a record of other items or a row of records. Arrays, records, pack
 * and unpack are all made of items.
 *
 * An item is a small value that may be copied; it owns nothing. An item of
 * records is valid for as long as their fields are. */
#ifndef MAPPED_ITEM_H
#define MAPPED_ITEM_H

#include <mapped/element.h>
#include <mapped/slice.h>

MAPPED_BEGIN

typedef enum mapped_item_kind {
    MAPPED_ITEM_ELEMENT,  /* one value of `element` */
    MAPPED_ITEM_ELEMENTS, /* `count` of them, side by side */
    MAPPED_ITEM_TEXT,     /* `count` bytes; a shorter text is filled up with
                             zero bytes, which don't count */
    MAPPED_ITEM_BYTES,    /* `count` bytes that all count */
    MAPPED_ITEM_PASCAL,   /* `count` bytes of which the first is a length */
    MAPPED_ITEM_RECORD,   /* the fields of `record` */
    MAPPED_ITEM_RECORDS,  /* `count` of them, side by side */
    /* Only in the fields of a `string.pack` format: */
    MAPPED_ITEM_PAD, /* `count` bytes that mean nothing; 0 when packed */
    /* From here on their size depends on the data: */
    MAPPED_ITEM_COUNTED, /* an `element` that tells how many bytes follow */
    MAPPED_ITEM_ZERO,    /* bytes up to a zero byte */
    MAPPED_ITEM_WRONG    /* here the text is wrong; always the last field */
} mapped_item_kind;

typedef struct mapped_fields mapped_fields;

/* All members may be read; the functions below make items. */
typedef struct mapped_item {
    uint8_t kind;  /* a mapped_item_kind */
    uint8_t align; /* natural alignment: that of its largest element */
    size_t count;  /* 1 of an ELEMENT and a RECORD */
    size_t size;   /* bytes of all, as far as they don't depend on data */
    const mapped_element *element; /* of bytes of any kind `char`; or NULL */
    const mapped_fields *record;   /* of records, else NULL */
} mapped_item;

/* An item at an offset. Owned by its fields, immutable. */
typedef struct mapped_field {
    const char *name; /* ends in NUL; NULL if the fields have no names */
    size_t name_length;
    mapped_item item;
    size_t offset;    /* in the record, if the fields are fixed */
    size_t source_at; /* in the text: of the name, or of a format's code; in a
                     list: the index */
    char code;        /* of a format: the character in the text */
    uint8_t align;    /* the position in the slice is padded to a multiple of */
    uint8_t reason;   /* of a WRONG one: a mapped_format_reason; `item.count` is
                         the offending number, or 0 */
    bool spread;      /* of a format: each of its elements is a value */
} mapped_field;

/* Fields, compiled: see fields.h. Immutable, so any thread may read all members
 * that have no underscore, at any time. */
struct mapped_fields {
    size_t size;   /* bytes from record to record, or that a format spans; 0 if
                      it isn't fixed */
    size_t count;  /* fields, in the order of the text */
    size_t values; /* what unpack makes of them: as `count`, but each element
                      of a spread field counts, and pads don't */
    const mapped_field *fields;
    uint8_t align; /* of the record: that of its largest element or padding */
    bool fixed;    /* it spans the same bytes at every offset, for all data */
    bool named;
    bool dense_; /* no gaps, which writing must leave alone */
    uint32_t references_;
    struct mapped_fields *root_; /* the outermost, which owns the memory */
    const mapped_field **order_; /* by offset; NULL: as in `fields` */
    size_t *table_; /* by name: index of the field plus 1, 0: empty */
    size_t mask_;   /* the table's size less 1, a power of two less 1 */
};

/* One element. */
mapped_item mapped_item_of(const mapped_element *element);

/* One record of fixed fields. */
mapped_item mapped_item_of_record(const mapped_fields *fields);

/* `count` bytes: kind TEXT, BYTES, PASCAL or PAD. */
mapped_item mapped_item_of_bytes(mapped_item_kind kind, size_t count);

/* `*item` = `count` of `one`, an ELEMENT or a RECORD; `char` becomes TEXT.
 * False, and `*item` untouched, if that is 0 or if the bytes overflow. */
bool mapped_item_repeat(const mapped_item *one, size_t count,
                        mapped_item *item);

/* The single thing that ELEMENTS, TEXT, BYTES, PASCAL and RECORDS repeat: an
 * ELEMENT (`char` of bytes) or a RECORD; other items are returned as they are.
 */
mapped_item mapped_item_single(const mapped_item *item);

/* Tells whether the two are the same type, so that a copy of the bytes is a
 * copy of the value: kinds, counts, elements, and of records the fields' names,
 * offsets and items. */
bool mapped_item_equal(const mapped_item *a, const mapped_item *b);

/* The bytes of one item at `offset` of the slice, as they lie in memory, from
 * or to plain memory of `item->size` bytes. This is how every value that isn't
 * a plain access is read and written: load elements from the copy, or store all
 * into one first and then write it, with all its values or none.
 *
 * A single element is one access. On devices each element in the item is one
 * access of its own width and each byte of a text, in order, and nothing else
 * is touched: what lies between fields is read as zeros. Elsewhere all is read
 * in one copy; what lies between the fields of a layout isn't written, but the
 * pads of a format are.
 *
 * MAPPED_RANGE, MAPPED_CLOSED, MAPPED_FAULT, MAPPED_MISALIGNED, and for `write`
 * MAPPED_READONLY; MAPPED_ARGUMENT for an item whose size isn't fixed. `to` is
 * undefined on failure. Any thread that holds a reference to the region. */
MAPPED__MUST_USE mapped_status mapped_item_read(mapped_slice slice,
                                                const mapped_item *item,
                                                size_t offset, void *to,
                                                mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_item_write(mapped_slice slice,
                                                 const mapped_item *item,
                                                 size_t offset,
                                                 const void *from,
                                                 mapped_error *error);

/* Where the bytes that count are in a TEXT, BYTES or PASCAL item at `p`, plain
 * memory, and how many. What a length says about bytes outside of the item is
 * not believed. */
const void *mapped_item_load_bytes(const mapped_item *item, const void *p,
                                   size_t *length);

/* Stores bytes as such an item at `p`, with zero bytes after them. False, and
 * nothing is stored, if there are more than it takes (of PASCAL one less than
 * its size; `struct` cuts what is longer before it gets here). */
bool mapped_item_store_bytes(const mapped_item *item, void *p, const void *data,
                             size_t length);

typedef enum mapped_spelling {
    MAPPED_SPELLING_BUFFER, /* PEP 3118: "I", ">d", "16s", "(3)<H",
                               "T{<I:id:4x<d:price:}" */
    MAPPED_SPELLING_LAYOUT  /* "u32", "f64be", "char[16]", "u16[3]",
                               "{id:u32 price:f64@8}" */
} mapped_spelling;

/* Writes the item's type as text, at most `capacity` bytes with the NUL at the
 * end, as snprintf does; returns the length of all of it.
 *
 * In the buffer protocol a single element in native order is a native code,
 * which is what memoryview understands; an element without a code (u24, bf16)
 * is its bytes, "(3)B"; fields come in the order of their offsets. In a layout
 * what has no `be` is little-endian, whatever the machine. */
size_t mapped_item_spell(const mapped_item *item, mapped_spelling spelling,
                         char *text, size_t capacity);

/* Private: copies one item from plain memory to memory of a slice, which has
 * been entered and isn't a device, as mapped_item_write does. */
void mapped__item_store(const mapped_item *item, unsigned char *to,
                        const unsigned char *from);

/* Private: do two fields have the same name, or both none? */
bool mapped__field_names_equal(const mapped_field *a, const mapped_field *b);

MAPPED_END

#endif
