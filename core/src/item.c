/* An item is what one value in memory is: an element, a row of elements, a
 * text, a record or a row of records. This file makes items, and copies one
 * item between a slice and the caller's memory.
 *
 * - An *element* is a row of the table of number types (element.h).
 * - A *record* is fields: items at offsets, with or without *gaps* between
 *   them, which are bytes that belong to no field.
 * - A *pad* is an item of bytes that mean nothing.
 *
 * Another process may change the bytes of a slice at any time. So each byte is
 * read or written once, and values are checked only in the caller's memory,
 * which nobody else changes. */
#include <mapped/item.h>

#include <string.h>

#include <mapped/access.h>
#include <mapped/checked.h>

#include "region_internal.h"

mapped_item mapped_item_of(const mapped_element *element)
{
    return (mapped_item){.kind = MAPPED_ITEM_ELEMENT,
                         .align = element->align,
                         .count = 1,
                         .size = element->size,
                         .element = element};
}

mapped_item mapped_item_of_record(const mapped_fields *fields)
{
    return (mapped_item){.kind = MAPPED_ITEM_RECORD,
                         .align = fields->align,
                         .count = 1,
                         .size = fields->size,
                         .record = fields};
}

mapped_item mapped_item_of_bytes(mapped_item_kind kind, size_t count)
{
    const bool big_endian = false; /* one byte has no order */
    const mapped_element *byte =
        mapped_element_find(MAPPED_KIND_CHAR, 1, big_endian);
    return (mapped_item){.kind = (uint8_t)kind,
                         .align = 1,
                         .count = count,
                         .size = count,
                         .element = byte};
}

bool mapped_item_repeat(const mapped_item *one, size_t count, mapped_item *item)
{
    size_t size;
    bool is_element = one->kind == MAPPED_ITEM_ELEMENT;
    bool is_record = one->kind == MAPPED_ITEM_RECORD;
    if ((!is_element && !is_record) || count == 0 ||
        !mapped_multiply_size(one->size, count, &size))
        return false;
    *item = *one;
    if (is_record)
        item->kind = MAPPED_ITEM_RECORDS;
    else if (one->element->kind == MAPPED_KIND_CHAR) /* a row of char is text */
        item->kind = MAPPED_ITEM_TEXT;
    else
        item->kind = MAPPED_ITEM_ELEMENTS;
    item->count = count;
    item->size = size;
    return true;
}

mapped_item mapped_item_single(const mapped_item *item)
{
    switch ((mapped_item_kind)item->kind) {
    case MAPPED_ITEM_ELEMENTS:
    case MAPPED_ITEM_TEXT:
    case MAPPED_ITEM_BYTES:
    case MAPPED_ITEM_PASCAL:
        return mapped_item_of(item->element);
    case MAPPED_ITEM_RECORDS:
        return mapped_item_of_record(item->record);
    default:
        return *item;
    }
}

bool mapped__field_names_equal(const mapped_field *a, const mapped_field *b)
{
    if (a->name == NULL || b->name == NULL)
        return a->name == b->name;
    return a->name_length == b->name_length &&
           memcmp(a->name, b->name, a->name_length) == 0;
}

static bool fields_equal(const mapped_fields *a, const mapped_fields *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->count != b->count || a->size != b->size)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const mapped_field *p = &a->fields[i], *q = &b->fields[i];
        if (p->offset != q->offset || !mapped__field_names_equal(p, q) ||
            !mapped_item_equal(&p->item, &q->item))
            return false;
    }
    return true;
}

/* There is one row of the table for each type, so equal elements have the same
 * address. */
bool mapped_item_equal(const mapped_item *a, const mapped_item *b)
{
    return a->kind == b->kind && a->count == b->count && a->size == b->size &&
           a->element == b->element && fields_equal(a->record, b->record);
}

void mapped__item_store(const mapped_item *item, unsigned char *to,
                        const unsigned char *from)
{
    if (item->record == NULL || item->record->dense_) {
        mapped__access_copy(to, from, item->size);
        return;
    }
    /* What lies in the gaps isn't the item's to change, so each field is copied
     * by itself. */
    size_t size = item->record->size;
    for (size_t i = 0; i < item->count; i++, to += size, from += size)
        for (size_t k = 0; k < item->record->count; k++) {
            const mapped_field *field = &item->record->fields[k];
            mapped__item_store(&field->item, to + field->offset,
                               from + field->offset);
        }
}

/* The parts of a copy that don't change while one item is copied. */
typedef struct item_access {
    mapped_slice slice;
    bool write; /* from the caller's memory to the slice; else from the slice */
    mapped_error *error;
} item_access;

static mapped_status enter(const item_access *access, size_t offset, size_t n,
                           unsigned char **p)
{
    return access->write
               ? mapped_slice_enter_write(access->slice, offset, n, p,
                                          access->error)
               : mapped_slice_enter(access->slice, offset, n, p, access->error);
}

/* Copies `n` bytes in one access. */
static mapped_status copy_bytes(const item_access *access, size_t offset,
                                size_t n, unsigned char *memory)
{
    unsigned char *p;
    mapped_status status = enter(access, offset, n, &p);
    if (status != MAPPED_OK)
        return status;
    if (access->write)
        mapped__access_copy(p, memory, n);
    else
        mapped__access_copy(memory, p, n);
    return mapped_slice_leave(access->slice, offset, n, access->error);
}

/* Copies an item from or to a device. A device's register must be accessed in
 * its own width and only when asked; so each element is copied by itself, in
 * order, and neither gaps nor pads are. `single` is what the item repeats. */
static mapped_status copy_device_elements(const item_access *access,
                                          const mapped_item *item,
                                          size_t offset, unsigned char *memory)
{
    const mapped_item single = mapped_item_single(item);
    const size_t fields = single.record != NULL ? single.record->count : 0;
    mapped_status status = MAPPED_OK;
    if (item->kind == MAPPED_ITEM_PAD)
        return MAPPED_OK;
    for (size_t at = 0; at < item->size && status == MAPPED_OK;
         at += single.size) {
        if (single.record == NULL)
            status = copy_bytes(access, offset + at, single.size, memory + at);
        for (size_t i = 0; i < fields && status == MAPPED_OK; i++) {
            const mapped_field *field = &single.record->fields[i];
            const size_t field_at = at + field->offset;
            status = copy_device_elements(access, &field->item,
                                          offset + field_at, memory + field_at);
        }
    }
    return status;
}

/* Checks the whole item before its first element is accessed. */
static mapped_status copy_device_item(const item_access *access,
                                      const mapped_item *item, size_t offset,
                                      unsigned char *memory)
{
    mapped_slice bytes;
    mapped_status status = mapped_slice_sub(access->slice, offset, item->size,
                                            &bytes, access->error);
    if (status == MAPPED_OK && access->write)
        status = mapped_slice_check_writable(bytes, access->error);
    if (status != MAPPED_OK)
        return status;
    /* Gaps are not read, so they become zeros here. */
    if (!access->write && item->record != NULL)
        memset(memory, 0, item->size);
    return copy_device_elements(access, item, offset, memory);
}

/* How many bytes the last kinds of the enum have depends on the data. */
_Static_assert(MAPPED_ITEM_COUNTED > MAPPED_ITEM_PAD &&
                   MAPPED_ITEM_ZERO > MAPPED_ITEM_COUNTED &&
                   MAPPED_ITEM_WRONG > MAPPED_ITEM_COUNTED,
               "the kinds without a fixed size come last");

static bool has_fixed_size(const mapped_item *item)
{
    return item->record != NULL ? item->record->fixed
                                : item->kind < MAPPED_ITEM_COUNTED;
}

/* Reading copies the gaps too, which is one access; writing leaves them as they
 * are in the slice. */
static mapped_status copy_item(const item_access *access,
                               const mapped_item *item, size_t offset,
                               unsigned char *memory)
{
    unsigned char *p;
    if (!has_fixed_size(item))
        return mapped_error_set(access->error, MAPPED_ARGUMENT,
                                "item: no fixed size");
    if (mapped_region_device(access->slice.region))
        return copy_device_item(access, item, offset, memory);
    if (!access->write)
        return copy_bytes(access, offset, item->size, memory);
    mapped_status status = enter(access, offset, item->size, &p);
    if (status != MAPPED_OK)
        return status;
    mapped__item_store(item, p, memory);
    return mapped_slice_leave(access->slice, offset, item->size, access->error);
}

mapped_status mapped_item_read(mapped_slice slice, const mapped_item *item,
                               size_t offset, void *to, mapped_error *error)
{
    const item_access access = {.slice = slice, .write = false, .error = error};
    mapped_status status = copy_item(&access, item, offset, to);
    return mapped__region_complete_error(slice.region, "read", status, error);
}

mapped_status mapped_item_write(mapped_slice slice, const mapped_item *item,
                                size_t offset, const void *from,
                                mapped_error *error)
{
    const item_access access = {.slice = slice, .write = true, .error = error};
    /* A write only reads from here. */
    unsigned char *memory = (unsigned char *)(uintptr_t)from;
    mapped_status status = copy_item(&access, item, offset, memory);
    return mapped__region_complete_error(slice.region, "write", status, error);
}

const void *mapped_item_load_bytes(const mapped_item *item, const void *p,
                                   size_t *length)
{
    const unsigned char *bytes = p;
    size_t count = item->count;
    /* A stored length that is too large means all the bytes after it. */
    if (item->kind == MAPPED_ITEM_PASCAL && count > 0) {
        size_t stored = mapped_load_u8(bytes++);
        count = stored < count ? stored : count - 1;
    }
    while (item->kind == MAPPED_ITEM_TEXT && count > 0 &&
           bytes[count - 1] == '\0')
        count--;
    *length = count;
    return bytes;
}

bool mapped_item_store_bytes(const mapped_item *item, void *p, const void *data,
                             size_t length)
{
    unsigned char *bytes = p;
    size_t room = item->count;
    bool has_length_byte = item->kind == MAPPED_ITEM_PASCAL && room > 0;
    if (has_length_byte)
        room--;
    if (length > room)
        return false;
    /* One byte can't say more than 255: Python's struct stores that, too. */
    if (has_length_byte)
        *bytes++ = (unsigned char)(length < 255 ? length : 255);
    if (length > 0)
        memcpy(bytes, data, length);
    memset(bytes + length, 0, room - length);
    return true;
}
