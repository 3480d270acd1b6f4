/* Atomic words. Every operation takes the same steps: check the arguments,
 * enter the slice, let the processor work on the word, leave the slice and
 * report.
 *
 * The processor's instructions work on words of its own byte order. A word of
 * the other one is swapped on the way in and out; only sums need a loop for
 * that. Orders weaker than sequential consistency are told to the compiler
 * where they make a difference, in loads and stores. Macros define the
 * functions that work on words, once for 32 bits and once for 64. */
#include <mapped/atomic.h>

#include <string.h>

#include "region_internal.h"

static bool is_word(const mapped_element *element)
{
    return element != NULL && element->kind <= MAPPED_KIND_UNSIGNED &&
           (element->size == 4 || element->size == 8);
}

static mapped_status misaligned(const mapped_element *element, size_t offset,
                                mapped_error *error)
{
    const mapped_error_range range = {
        .offset = offset, .length = element->size, .limit = element->size};
    return mapped_error_set_range(error, MAPPED_MISALIGNED, "atomic", range);
}

mapped_status mapped_atomic_at(mapped_slice slice,
                               const mapped_element *element, size_t offset,
                               mapped_atomic *atomic, mapped_error *error)
{
    mapped_slice word;
    mapped_status status = MAPPED_OK;
    if (!is_word(element))
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "atomic: no integer of 32 or 64 bits");
    status = mapped_slice_sub(slice, offset, element->size, &word, error);
    if (status == MAPPED_OK && mapped__is_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "atomic");
    else if (status == MAPPED_OK &&
             (uintptr_t)mapped__slice_first(word) % element->size != 0)
        status = misaligned(element, offset, error);
    if (status != MAPPED_OK)
        return mapped__region_complete_error(slice.region, "atomic", status,
                                             error);
    *atomic = (mapped_atomic){word, element};
    return MAPPED_OK;
}

/* Turns the bits of a number into those of a word in memory, or back. */
static uint64_t in_byte_order(const mapped_element *element, uint64_t bits)
{
    if (element->big == MAPPED_BIG_ENDIAN)
        return bits;
    return element->size == 4 ? __builtin_bswap32((uint32_t)bits)
                              : __builtin_bswap64(bits);
}

static mapped_value value_of(const mapped_element *element, uint64_t raw)
{
    mapped_value value = {.u = in_byte_order(element, raw)};
    if (element->size == 4 && element->kind == MAPPED_KIND_SIGNED)
        value.i = (int32_t)value.u;
    return value;
}

/* Sets `*bits` to those of the value; false if the element can't hold it. A
 * mapped_atomic that is all zero has no element: then any value fits, and the
 * access that follows answers MAPPED_CLOSED. */
static bool bits_of(const mapped_element *element, mapped_value value,
                    uint64_t *bits)
{
    *bits = 0;
    if (element == NULL)
        return true;
    bool fits = element->size == 8 ||
                (element->kind == MAPPED_KIND_SIGNED
                     ? value.i >= INT32_MIN && value.i <= INT32_MAX
                     : value.u <= UINT32_MAX);
    *bits = element->size == 4 ? (uint32_t)value.u : value.u;
    return fits;
}

mapped_status mapped_order_parse(const char *text, size_t length,
                                 mapped_order *order, mapped_error *error)
{
    static const char *const names[] = {"seq_cst", "relaxed", "acquire",
                                        "release", "acq_rel"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) {
            *order = (mapped_order)i;
            return MAPPED_OK;
        }
    return mapped_error_set(error, MAPPED_ARGUMENT, "memory order");
}

static bool is_order(mapped_order order)
{
    return (unsigned)order <= MAPPED_ORDER_ACQ_REL;
}

static bool is_load_order(mapped_order order)
{
    return (unsigned)order <= MAPPED_ORDER_ACQUIRE;
}

static bool is_store_order(mapped_order order)
{
    return (unsigned)order <= MAPPED_ORDER_RELEASE &&
           order != MAPPED_ORDER_ACQUIRE;
}

/* One access to a word. */
typedef struct access {
    const mapped_atomic *atomic;
    const char *name; /* of the operation, for errors */
    void *word;       /* its address; valid between enter and leave */
    uint64_t before;  /* the word as it was, in its own byte order */
} access;

/* Says what is wrong with the arguments, if anything is. */
static mapped_status check(bool order_fits, bool value_fits, const char *name,
                           mapped_error *error)
{
    if (!order_fits)
        return mapped_error_set(error, MAPPED_ARGUMENT, "memory order");
    return value_fits ? MAPPED_OK : mapped_error_set(error, MAPPED_VALUE, name);
}

static mapped_status enter(access *self, bool writes, mapped_error *error)
{
    unsigned char *p;
    const mapped_slice word = self->atomic->word;
    mapped_status status =
        writes ? mapped_slice_enter_write(word, 0, word.length, &p, error)
               : mapped_slice_enter(word, 0, word.length, &p, error);
    if (status == MAPPED_OK)
        self->word = p;
    return status;
}

/* Ends an access; `status` says whether it was entered. */
static mapped_status leave(const access *self, mapped_status status,
                           mapped_value *before, mapped_error *error)
{
    const mapped_atomic *atomic = self->atomic;
    if (status == MAPPED_OK)
        status =
            mapped_slice_leave(atomic->word, 0, atomic->word.length, error);
    if (status == MAPPED_OK && before != NULL)
        *before = value_of(atomic->element, self->before);
    return mapped__region_complete_error(atomic->word.region, self->name,
                                         status, error);
}

#define LOAD(bits)                                                 \
    static uint64_t load_##bits(const void *p, mapped_order order) \
    {                                                              \
        const uint##bits##_t *word = p;                            \
        if (order == MAPPED_ORDER_RELAXED)                         \
            return __atomic_load_n(word, __ATOMIC_RELAXED);        \
        if (order == MAPPED_ORDER_ACQUIRE)                         \
            return __atomic_load_n(word, __ATOMIC_ACQUIRE);        \
        return __atomic_load_n(word, __ATOMIC_SEQ_CST);            \
    }
LOAD(32)
LOAD(64)

#define STORE(bits)                                                        \
    static void store_##bits(void *p, uint64_t raw, mapped_order order)    \
    {                                                                      \
        uint##bits##_t *word = p;                                          \
        if (order == MAPPED_ORDER_RELAXED)                                 \
            __atomic_store_n(word, (uint##bits##_t)raw, __ATOMIC_RELAXED); \
        else if (order == MAPPED_ORDER_SEQ_CST)                            \
            __atomic_store_n(word, (uint##bits##_t)raw, __ATOMIC_SEQ_CST); \
        else                                                               \
            __atomic_store_n(word, (uint##bits##_t)raw, __ATOMIC_RELEASE); \
    }
STORE(32)
STORE(64)

mapped_status mapped_atomic_load(const mapped_atomic *atomic,
                                 mapped_order order, mapped_value *value,
                                 mapped_error *error)
{
    access self = {.atomic = atomic, .name = "load"};
    mapped_status status = check(is_load_order(order), true, "load", error);
    if (status == MAPPED_OK)
        status = enter(&self, false, error);
    if (status == MAPPED_OK)
        self.before = atomic->element->size == 4 ? load_32(self.word, order)
                                                 : load_64(self.word, order);
    return leave(&self, status, value, error);
}

mapped_status mapped_atomic_store(const mapped_atomic *atomic,
                                  mapped_value value, mapped_order order,
                                  mapped_error *error)
{
    uint64_t bits;
    access self = {.atomic = atomic, .name = "store"};
    bool fits = bits_of(atomic->element, value, &bits);
    mapped_status status = check(is_store_order(order), fits, "store", error);
    if (status == MAPPED_OK)
        status = enter(&self, true, error);
    if (status == MAPPED_OK && atomic->element->size == 4)
        store_32(self.word, in_byte_order(atomic->element, bits), order);
    else if (status == MAPPED_OK)
        store_64(self.word, in_byte_order(atomic->element, bits), order);
    return leave(&self, status, NULL, error);
}

/* Adds to a word of the other byte order. */
#define ADD_SWAPPED(bits)                                                   \
    static uint64_t add_swapped_##bits(void *p, uint64_t operand)           \
    {                                                                       \
        uint##bits##_t *word = p;                                           \
        uint##bits##_t seen = __atomic_load_n(word, __ATOMIC_RELAXED), sum; \
        do {                                                                \
            sum = __builtin_bswap##bits(seen) + (uint##bits##_t)operand;    \
            sum = __builtin_bswap##bits(sum);                               \
        } while (!__atomic_compare_exchange_n(                              \
            word, &seen, sum, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));   \
        return seen;                                                        \
    }
ADD_SWAPPED(32)
ADD_SWAPPED(64)

/* Returns what the word was, like compare_exchange_* below. */
#define UPDATE(bits)                                                          \
    static uint64_t update_##bits(void *p, mapped_atomic_operation operation, \
                                  uint64_t operand)                           \
    {                                                                         \
        uint##bits##_t *word = p, n = (uint##bits##_t)operand;                \
        switch (operation) {                                                  \
        case MAPPED_ATOMIC_EXCHANGE:                                          \
            return __atomic_exchange_n(word, n, __ATOMIC_SEQ_CST);            \
        case MAPPED_ATOMIC_ADD:                                               \
            return __atomic_fetch_add(word, n, __ATOMIC_SEQ_CST);             \
        case MAPPED_ATOMIC_SUB:                                               \
            return __atomic_fetch_sub(word, n, __ATOMIC_SEQ_CST);             \
        case MAPPED_ATOMIC_AND:                                               \
            return __atomic_fetch_and(word, n, __ATOMIC_SEQ_CST);             \
        case MAPPED_ATOMIC_OR:                                                \
            return __atomic_fetch_or(word, n, __ATOMIC_SEQ_CST);              \
        default:                                                              \
            return __atomic_fetch_xor(word, n, __ATOMIC_SEQ_CST);             \
        }                                                                     \
    }
UPDATE(32)
UPDATE(64)

static uint64_t update(const access *self, mapped_atomic_operation operation,
                       uint64_t bits)
{
    const mapped_element *element = self->atomic->element;
    bool small = element->size == 4;
    bool sums =
        operation == MAPPED_ATOMIC_ADD || operation == MAPPED_ATOMIC_SUB;
    if (sums && element->big != MAPPED_BIG_ENDIAN) {
        uint64_t n = operation == MAPPED_ATOMIC_ADD ? bits : 0 - bits;
        return small ? add_swapped_32(self->word, n)
                     : add_swapped_64(self->word, n);
    }
    uint64_t raw = in_byte_order(element, bits);
    return small ? update_32(self->word, operation, raw)
                 : update_64(self->word, operation, raw);
}

mapped_status mapped_atomic_update(const mapped_atomic *atomic,
                                   mapped_atomic_operation operation,
                                   mapped_value operand, mapped_order order,
                                   mapped_value *before, mapped_error *error)
{
    static const char *const names[] = {"exchange", "add", "sub",
                                        "and",      "or",  "xor"};
    uint64_t bits;
    if ((size_t)operation >= sizeof names / sizeof names[0])
        return mapped_error_set(error, MAPPED_ARGUMENT, "atomic operation");
    access self = {.atomic = atomic, .name = names[operation]};
    bool fits = bits_of(atomic->element, operand, &bits);
    mapped_status status = check(is_order(order), fits, self.name, error);
    if (status == MAPPED_OK)
        status = enter(&self, true, error);
    if (status == MAPPED_OK)
        self.before = update(&self, operation, bits);
    return leave(&self, status, before, error);
}

#define COMPARE_EXCHANGE(bits)                                            \
    static uint64_t compare_exchange_##bits(void *p, uint64_t expected,   \
                                            uint64_t desired)             \
    {                                                                     \
        uint##bits##_t *word = p, seen = (uint##bits##_t)expected;        \
        __atomic_compare_exchange_n(word, &seen, (uint##bits##_t)desired, \
                                    false, __ATOMIC_SEQ_CST,              \
                                    __ATOMIC_SEQ_CST);                    \
        return seen;                                                      \
    }
COMPARE_EXCHANGE(32)
COMPARE_EXCHANGE(64)

mapped_status mapped_atomic_compare_exchange(
    const mapped_atomic *atomic, mapped_value expected, mapped_value desired,
    mapped_order order, mapped_value *before, mapped_error *error)
{
    uint64_t from = 0, to = 0;
    const mapped_element *element = atomic->element;
    access self = {.atomic = atomic, .name = "compare_exchange"};
    bool fits =
        bits_of(element, expected, &from) && bits_of(element, desired, &to);
    mapped_status status = check(is_order(order), fits, self.name, error);
    if (status == MAPPED_OK)
        status = enter(&self, true, error);
    if (status == MAPPED_OK) {
        from = in_byte_order(element, from);
        to = in_byte_order(element, to);
        self.before = element->size == 4
                          ? compare_exchange_32(self.word, from, to)
                          : compare_exchange_64(self.word, from, to);
    }
    return leave(&self, status, before, error);
}

void mapped_atomic_fence(mapped_order order)
{
    switch (order) {
    case MAPPED_ORDER_RELAXED:
        break;
    case MAPPED_ORDER_ACQUIRE:
        MAPPED__FENCE(__ATOMIC_ACQUIRE);
        break;
    case MAPPED_ORDER_RELEASE:
        MAPPED__FENCE(__ATOMIC_RELEASE);
        break;
    case MAPPED_ORDER_ACQ_REL:
        MAPPED__FENCE(__ATOMIC_ACQ_REL);
        break;
    default:
        MAPPED__FENCE(__ATOMIC_SEQ_CST);
    }
}
