/* Element types: what one typed value in memory looks like. One table serves
 * every language; Python's `struct` codes and Lua's `string.pack` codes are two
 * spellings of its rows. */
#ifndef MAPPED_ELEMENT_H
#define MAPPED_ELEMENT_H

#include <mapped/error.h>

MAPPED_BEGIN

typedef enum mapped_kind {
    MAPPED_KIND_SIGNED,   /* two's complement, value in `mapped_value.i` */
    MAPPED_KIND_UNSIGNED, /* value in `mapped_value.u` */
    MAPPED_KIND_FLOAT,    /* IEEE 754 binary16/32/64 and bfloat16, in `.f` */
    MAPPED_KIND_BOOL,     /* one byte, 0 is false; 0 or 1 in `.u` */
    MAPPED_KIND_CHAR      /* one byte that is text, not a number; in `.u` */
} mapped_kind;

/* How a value lies in memory, for code that prefers a table or a `switch` of
 * its own to an indirect call: the bits of the value are what mapped_load_u8 to
 * mapped_load_u64 load, swapped if MAPPED_FORM_SWAPPED was added. */
typedef enum mapped_form {
    MAPPED_FORM_OTHER, /* only `load` and `store` know */
    MAPPED_FORM_I8,
    MAPPED_FORM_U8,
    MAPPED_FORM_I16,
    MAPPED_FORM_U16,
    MAPPED_FORM_I32,
    MAPPED_FORM_U32,
    MAPPED_FORM_I64,
    MAPPED_FORM_U64,
    MAPPED_FORM_F32,
    MAPPED_FORM_F64,
    MAPPED_FORM_BOOL,
    MAPPED_FORM_CHAR,
    MAPPED_FORM_SWAPPED /* is added to I16 to F64: not in native byte order */
} mapped_form;

#define MAPPED_FORMS (2 * MAPPED_FORM_SWAPPED)

/* One value in its widest native form; the element's kind says which member. */
typedef union mapped_value {
    int64_t i;
    uint64_t u;
    double f;
} mapped_value;

typedef struct mapped_element mapped_element;

/* A row of the table. Rows are static and immutable, so a pointer to one is
 * valid for ever, in any thread, and two equal types are the same pointer
 * (one-byte types have no byte order: both orders are the little-endian row).
 *
 * `load` reads `size` bytes at `p`, any alignment, into `*value`; it fails with
 * MAPPED_VALUE only for integers wider than 8 bytes that don't fit 64 bits.
 * `store` writes `value` to `p`; MAPPED_VALUE if it is out of the type's range,
 * and then nothing is written. Both read or write each byte once; for sizes 1,
 * 2, 4 and 8 in one access. Neither checks a bound: see access.h for that. */
struct mapped_element {
    const char *name; /* "i32", "u16be", "bf16", "bool", "char" */
    uint8_t size;     /* bytes, 1 to 16 */
    uint8_t align;    /* natural alignment: `size` if 1, 2, 4, 8; else 1 */
    uint8_t kind;     /* a mapped_kind */
    uint8_t big;      /* 1: most significant byte first */
    uint8_t form;     /* a mapped_form, less than MAPPED_FORMS */
    mapped_status (*load)(const mapped_element *element, const void *p,
                          mapped_value *value);
    mapped_status (*store)(const mapped_element *element, void *p,
                           mapped_value value);
};

/* The integer (`size` 1 to 16) or float (2, 4, 8: of 2 the binary16) of that
 * order, or NULL. */
const mapped_element *mapped_element_find(mapped_kind kind, size_t size,
                                          bool big);

/* One Python `struct` code: an optional `@ = < > !`, then one of
 * `c b B ? h H i I l L q Q n N e f d P`. Without a prefix and with `@` sizes
 * are the C compiler's, otherwise the standard ones; `n N P` exist only there.
 * Returns NULL and MAPPED_CODE in `error` for anything else: `offset` is the
 * place of the bad character. `code` need not end in NUL. Any thread. */
const mapped_element *mapped_element_from_struct(const char *code,
                                                 size_t length,
                                                 mapped_error *error);

/* Like mapped_element_from_struct, but one Lua `string.pack` option: optional
 * `< > =`, then one of `b B h H l L j J T i[n] I[n] f d n`, n from 1 to 16. */
const mapped_element *mapped_element_from_pack(const char *code, size_t length,
                                               mapped_error *error);

/* A layout's name of a type: u8 to u128 and i8 to i128 in steps of 8 bits, f16,
 * f32, f64, bf16 (bfloat16, the upper half of a binary32), each with `le` or
 * `be` after it for a byte order and otherwise in the order that `big` says,
 * bool, char. NULL for anything else. Any thread. */
const mapped_element *mapped_element_from_name(const char *name, size_t length,
                                               bool big);

/* The `struct` code of the element, with its order: "<i", ">d"; in native order
 * without a prefix and with the native code ("i", "d"), which is what buffer
 * consumers such as memoryview understand. NULL if there is none (3
 * bytes, bf16). */
const char *mapped_element_struct_code(const mapped_element *element);

MAPPED_END

#endif
