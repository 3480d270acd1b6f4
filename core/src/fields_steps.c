/* Unpacks and packs values one by one, for fields whose distances depend on the
 * data or on the position. A length in the data is read once, and refused if
 * it leads out of the slice. */
#include "fields_internal.h"

#include <string.h>

#include <mapped/access.h>
#include <mapped/bulk.h>

#include "region_internal.h"

const mapped_field *mapped_fields_at(const mapped_fields *fields,
                                     const mapped_cursor *cursor)
{
    return cursor->field < fields->count ? &fields->fields[cursor->field]
                                         : NULL;
}

/* Returns the bytes between the cursor and the field: those up to a multiple of
 * its alignment. The offsets of a `struct` format are fixed, so of its fields
 * only the first can have such a gap. */
static size_t gap_before(const mapped_cursor *at, const mapped_field *field)
{
    if (at->done > 0)
        return 0;
    if (field->align > 1)
        return -at->offset & (field->align - 1u);
    return at->field == 0 ? field->offset : 0;
}

/* An unpack that is under way. */
typedef struct unpacker {
    const mapped_fields *fields;
    mapped_slice slice;
    mapped_cursor at;
    mapped_field_values *values;
    mapped_error *error;
} unpacker;

static const mapped_field *field_of(const unpacker *self)
{
    return &self->fields->fields[self->at.field];
}

static bool has_room(const unpacker *self)
{
    return self->values->count < self->values->capacity;
}

/* Are the n bytes from `offset` on in the slice, and is that open? */
static mapped_status check_range(mapped_slice slice, size_t offset, size_t n,
                                 mapped_error *error)
{
    mapped_slice range;
    return mapped_slice_sub(slice, offset, n, &range, error);
}

static mapped_field_value *add_value(unpacker *self)
{
    mapped_field_value *value = &self->values->values[self->values->count++];
    value->field = field_of(self);
    return value;
}

/* Moves the cursor past a field of so many bytes, and its gap. */
static void pass_field(unpacker *self, size_t bytes)
{
    self->at.offset += bytes + field_of(self)->gap_;
    self->at.field++;
    self->at.done = 0;
}

static mapped_status wrong(const mapped_field *field, mapped_error *error)
{
    return mapped__format_wrong(error, (mapped_format_reason)field->reason,
                                field->source_at, field->item.count);
}

/* Adds a value of bytes that begin `skip` bytes after the cursor, and passes
 * the field, which has `size` bytes. */
static void add_bytes(unpacker *self, size_t skip, size_t length, size_t size)
{
    mapped_field_value *value = add_value(self);
    value->offset = self->at.offset + skip;
    value->length = length;
    pass_field(self, size);
}

/* Adds the value at the cursor, whose bytes begin at `p`. */
static mapped_status load_value(unpacker *self, const unsigned char *p)
{
    const mapped_field *field = field_of(self);
    const mapped_element *element = field->item.element;
    const unsigned char *bytes;
    size_t length;
    if (field->item.kind > MAPPED_ITEM_ELEMENTS) {
        if (field->item.kind == MAPPED_ITEM_PAD) {
            pass_field(self, field->item.count);
            return MAPPED_OK;
        }
        bytes = mapped_item_load_bytes(&field->item, p, &length);
        add_bytes(self, (size_t)(bytes - p), length, field->item.count);
        return MAPPED_OK;
    }
    if (element->load(element, p, &add_value(self)->value) != MAPPED_OK)
        return MAPPED_VALUE;
    self->at.offset += element->size;
    if (++self->at.done == field->item.count) {
        self->at.offset -= element->size;
        pass_field(self, element->size);
    }
    return MAPPED_OK;
}

/* Adds all values that lie in the next `bytes`, or one of them. */
static mapped_status load(unpacker *self, size_t bytes, bool one)
{
    size_t start = self->at.offset, end = field_of(self)->end_;
    unsigned char *p;
    mapped_status fit = MAPPED_OK,
                  status = mapped_slice_enter(self->slice, start, bytes, &p,
                                              self->error);
    if (status != MAPPED_OK)
        return status;
    do {
        fit = load_value(self, p + (self->at.offset - start));
    } while (!one && fit == MAPPED_OK && self->at.field < end &&
             has_room(self));
    size_t passed = self->at.offset - start;
    status = mapped_slice_leave(self->slice, start,
                                passed < bytes ? passed : bytes, self->error);
    if (status == MAPPED_OK && fit != MAPPED_OK)
        return mapped_error_set(self->error, fit, "unpack");
    return status;
}

/* Adds one value: on devices, where each value is one access, and where the
 * data ends early, so that the first value that lacks bytes is reported. Of
 * bytes, only the length of a PASCAL is read. A gap belongs to the value before
 * it. */
static mapped_status load_one(unpacker *self)
{
    const mapped_field *field = field_of(self);
    const mapped_item *item = &field->item;
    bool number = item->kind <= MAPPED_ITEM_ELEMENTS;
    bool last = !field->spread || self->at.done + 1 == item->count;
    size_t size = number ? item->element->size : item->count;
    mapped_status status =
        check_range(self->slice, self->at.offset,
                    size + (last ? field->gap_ : 0), self->error);
    if (status != MAPPED_OK)
        return status;
    if (number)
        return load(self, size, true);
    if (item->kind == MAPPED_ITEM_PASCAL && size > 0)
        return load(self, 1, true);
    return load_value(self, (const unsigned char *)"");
}

/* Adds the values of a run: of the fields from the cursor on whose distances
 * are fixed. */
static mapped_status unpack_run(unpacker *self)
{
    const mapped_field *field = field_of(self);
    size_t bytes = field->rest_;
    if (self->at.done > 0)
        bytes -= self->at.done * field->item.element->size;
    if (mapped__is_device(self->slice.region) ||
        !mapped_range_fits(self->at.offset, bytes, self->slice.length))
        return load_one(self);
    return load(self, bytes, false);
}

/* The length is read once and must fit what is left of the slice. */
static mapped_status unpack_counted(unpacker *self)
{
    const mapped_element *element = field_of(self)->item.element;
    size_t size = element->size;
    mapped_value stored;
    mapped_status status =
        mapped_get(self->slice, element, self->at.offset, &stored, self->error);
    if (status != MAPPED_OK)
        return status;
    size_t length = stored.u < SIZE_MAX ? (size_t)stored.u : SIZE_MAX;
    status =
        check_range(self->slice, self->at.offset + size, length, self->error);
    if (status == MAPPED_OK)
        add_bytes(self, size, length, size + length);
    return status;
}

#define SEARCH_BYTES ((size_t)4096)

/* Finds the first zero byte at or after `offset`. It looks at a bounded number
 * of bytes at a time, so that it notices a close. */
static mapped_status find_zero(const unpacker *self, size_t offset,
                               size_t *found)
{
    while (offset < self->slice.length) {
        size_t left = self->slice.length - offset;
        size_t n = left < SEARCH_BYTES ? left : SEARCH_BYTES;
        unsigned char *p;
        if (mapped__is_device(self->slice.region))
            n = 1;
        mapped_status status =
            mapped_slice_enter(self->slice, offset, n, &p, self->error);
        if (status != MAPPED_OK)
            return status;
        const unsigned char *zero = memchr(p, '\0', n);
        size_t passed = zero != NULL ? (size_t)(zero - p) : n;
        status = mapped_slice_leave(self->slice, offset,
                                    passed + (zero != NULL), self->error);
        if (status != MAPPED_OK)
            return status;
        offset += passed;
        if (zero != NULL) {
            *found = offset;
            return MAPPED_OK;
        }
    }
    return check_range(self->slice, offset, 1, self->error);
}

static mapped_status unpack_zero(unpacker *self)
{
    size_t zero = 0;
    mapped_status status = find_zero(self, self->at.offset, &zero);
    if (status != MAPPED_OK)
        return status;
    size_t length = zero - self->at.offset;
    add_bytes(self, 0, length, length + 1);
    return MAPPED_OK;
}

/* Moves the cursor to where the field begins. */
static mapped_status pass_gap(unpacker *self)
{
    size_t gap = gap_before(&self->at, field_of(self));
    if (gap == 0)
        return MAPPED_OK;
    mapped_status status =
        check_range(self->slice, self->at.offset, gap, self->error);
    if (status == MAPPED_OK)
        self->at.offset += gap;
    return status;
}

static mapped_status unpack_next(unpacker *self)
{
    const mapped_field *field = field_of(self);
    if (field->item.kind == MAPPED_ITEM_WRONG)
        return wrong(field, self->error);
    mapped_status status = pass_gap(self);
    if (status != MAPPED_OK)
        return status;
    if (field->item.kind == MAPPED_ITEM_COUNTED)
        return unpack_counted(self);
    if (field->item.kind == MAPPED_ITEM_ZERO)
        return unpack_zero(self);
    return unpack_run(self);
}

static mapped_status unpack(unpacker *self)
{
    size_t count = self->fields->count;
    mapped_status status = MAPPED_OK;
    self->values->count = 0;
    if (self->fields->named)
        return mapped_error_set(self->error, MAPPED_ARGUMENT, "unpack");
    if (count == 0)
        status = check_range(self->slice, self->at.offset, self->fields->size,
                             self->error);
    if (count == 0 && status == MAPPED_OK)
        self->at.offset += self->fields->size;
    while (status == MAPPED_OK && self->at.field < count && has_room(self))
        status = unpack_next(self);
    if (status != MAPPED_OK)
        self->values->count = 0;
    else if (self->values->count == 0 &&
             mapped_region_closed(self->slice.region))
        status = mapped_error_set(self->error, MAPPED_CLOSED, "unpack");
    return status;
}

mapped_status mapped_fields_unpack(const mapped_fields *fields,
                                   mapped_slice slice, mapped_cursor *cursor,
                                   mapped_field_values *values,
                                   mapped_error *error)
{
    unpacker self = {fields, slice, *cursor, values, error};
    mapped_status status = unpack(&self);
    *cursor = self.at;
    return mapped__region_report(slice.region, "unpack", status, error);
}

static mapped_status refuse(const mapped_field_value *value,
                            mapped_status status, mapped_error *error)
{
    const mapped_field *field = value->field;
    const mapped_error_range range = {.offset = field->source_at,
                                      .length = value->length,
                                      .limit = field->item.count};
    return mapped_error_set_range(error, status, "pack", range);
}

/* Does the value fit the element? Finds out by storing it in scratch memory. */
static bool fits(const mapped_element *element, mapped_value value)
{
    unsigned char scratch[16];
    return element->store(element, scratch, value) == MAPPED_OK;
}

mapped_status mapped_field_check(const mapped_field_value *value,
                                 mapped_error *error)
{
    const mapped_item *item = &value->field->item;
    const mapped_value length = {.u = value->length};
    size_t most = item->count;
    switch ((mapped_item_kind)item->kind) {
    case MAPPED_ITEM_ELEMENT:
    case MAPPED_ITEM_ELEMENTS:
        if (!fits(item->element, value->value))
            return refuse(value, MAPPED_VALUE, error);
        return MAPPED_OK;
    case MAPPED_ITEM_COUNTED:
        if (!fits(item->element, length))
            return refuse(value, MAPPED_VALUE, error);
        return MAPPED_OK;
    case MAPPED_ITEM_ZERO:
        if (value->length > 0 && memchr(value->data, '\0', value->length))
            return refuse(value, MAPPED_VALUE, error);
        return MAPPED_OK;
    case MAPPED_ITEM_WRONG:
        return wrong(value->field, error);
    case MAPPED_ITEM_PASCAL:
        most -= most > 0;
        break;
    default:
        break;
    }
    return value->length <= most ? MAPPED_OK
                                 : refuse(value, MAPPED_SIZE, error);
}

/* Returns the bytes of one value of the field, without those that a value of
 * variable length adds. */
static size_t value_size(const mapped_field *field)
{
    if (field->item.kind == MAPPED_ITEM_ELEMENTS)
        return field->item.element->size;
    return field->item.size;
}

/* Moves the cursor to where the next value begins, and returns its field; NULL
 * if there is none. */
static const mapped_field *pass_pads(const mapped_fields *fields,
                                     mapped_cursor *cursor)
{
    const mapped_field *field;
    while ((field = mapped_fields_at(fields, cursor)) != NULL) {
        cursor->offset += gap_before(cursor, field);
        if (field->item.kind != MAPPED_ITEM_PAD)
            return field;
        cursor->offset += field->item.count;
        cursor->field++;
    }
    return NULL;
}

/* Moves the cursor past one value of the field, which has so many bytes. */
static void pass_value(const mapped_field *field, size_t bytes,
                       mapped_cursor *cursor)
{
    cursor->offset += bytes;
    if (field->spread && ++cursor->done < field->item.count)
        return;
    cursor->offset += field->gap_;
    cursor->field++;
    cursor->done = 0;
}

bool mapped_fields_next(const mapped_fields *fields, mapped_cursor *cursor,
                        mapped_field_value *value)
{
    const mapped_field *field = pass_pads(fields, cursor);
    if (field == NULL)
        return false;
    value->field = field;
    value->offset = cursor->offset;
    pass_value(field, value_size(field), cursor);
    return true;
}

/* The walk over fields and values that both passes of pack share: the first
 * checks and measures, the second stores. */
typedef struct walk {
    mapped_slice slice;
    mapped_cursor at;
    bool store;
    mapped_error *error;
} walk;

static mapped_status store_zeros(walk *walk, size_t offset, size_t n)
{
    mapped_slice gap;
    mapped_status status =
        mapped_slice_sub(walk->slice, offset, n, &gap, walk->error);
    return status == MAPPED_OK && n > 0 ? mapped_fill(gap, 0, walk->error)
                                        : status;
}

/* Stores zeros from `offset` to the cursor, in the pass that stores. Registers
 * of a device are left as they are. */
static mapped_status store_gap(walk *walk, size_t offset)
{
    return !walk->store || mapped__is_device(walk->slice.region)
               ? MAPPED_OK
               : store_zeros(walk, offset, walk->at.offset - offset);
}

/* Stores a number; or bytes, after their length if the item has one, and then
 * zeros up to `size`. */
static mapped_status store_value(walk *walk, const mapped_field_value *value,
                                 size_t size)
{
    const mapped_item *item = &value->field->item;
    const mapped_element *head = item->element;
    size_t offset = walk->at.offset, end = offset + size;
    mapped_value number = {.u = value->length};
    mapped_status status = MAPPED_OK;
    if (item->kind <= MAPPED_ITEM_ELEMENTS)
        return mapped_set(walk->slice, head, offset, value->value, walk->error);
    if (item->kind == MAPPED_ITEM_PASCAL && number.u > 255)
        number.u = 255;
    if (item->kind == MAPPED_ITEM_COUNTED ||
        (item->kind == MAPPED_ITEM_PASCAL && size > 0)) {
        status = mapped_set(walk->slice, head, offset, number, walk->error);
        offset += head->size;
    }
    if (status == MAPPED_OK)
        status = mapped_write(walk->slice, offset, value->data, value->length,
                              walk->error);
    offset += value->length;
    return status == MAPPED_OK ? store_zeros(walk, offset, end - offset)
                               : status;
}

/* Returns the bytes that a value of variable length adds to its field. */
static size_t data_size(const mapped_field_value *value)
{
    if (value->field->item.kind == MAPPED_ITEM_ZERO)
        return value->length < SIZE_MAX ? value->length + 1 : SIZE_MAX;
    return value->field->item.kind == MAPPED_ITEM_COUNTED ? value->length : 0;
}

static mapped_status visit(walk *walk, const mapped_field_value *value)
{
    size_t size, end;
    if (!mapped_add_size(value_size(value->field), data_size(value), &size) ||
        !mapped_add_size(walk->at.offset, size, &end) ||
        !mapped_add_size(end, value->field->gap_, &end))
        return mapped_error_set(walk->error, MAPPED_OVERFLOW, "pack");
    mapped_status status = walk->store ? store_value(walk, value, size)
                                       : mapped_field_check(value, walk->error);
    end = walk->at.offset + size;
    pass_value(value->field, size, &walk->at);
    return status == MAPPED_OK ? store_gap(walk, end) : status;
}

static mapped_status visit_all(walk *walk, const mapped_fields *fields,
                               const mapped_field_values *values)
{
    const mapped_field *field;
    size_t start = walk->at.offset, k = 0;
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK &&
           (field = pass_pads(fields, &walk->at)) != NULL) {
        if (field->item.kind == MAPPED_ITEM_WRONG)
            return wrong(field, walk->error);
        if (k == values->count || values->values[k].field != field)
            return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
        status = store_gap(walk, start);
        if (status == MAPPED_OK)
            status = visit(walk, &values->values[k++]);
        start = walk->at.offset;
    }
    if (status == MAPPED_OK && k != values->count)
        return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
    if (fields->count == 0)
        walk->at.offset += fields->size;
    return status == MAPPED_OK ? store_gap(walk, start) : status;
}

static mapped_status pack(walk *walk, const mapped_fields *fields,
                          const mapped_field_values *values)
{
    size_t start = walk->at.offset;
    mapped_slice packed;
    if (fields->named)
        return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
    mapped_status status = visit_all(walk, fields, values);
    if (status == MAPPED_OK)
        status = mapped_slice_sub(walk->slice, start, walk->at.offset - start,
                                  &packed, walk->error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(packed, walk->error);
    if (status != MAPPED_OK)
        return status;
    walk->store = true;
    walk->at = (mapped_cursor){.offset = start};
    return visit_all(walk, fields, values);
}

mapped_status mapped_fields_pack(const mapped_fields *fields,
                                 mapped_slice slice, mapped_cursor *cursor,
                                 const mapped_field_values *values,
                                 mapped_error *error)
{
    walk walk = {
        .slice = slice, .at = {.offset = cursor->offset}, .error = error};
    mapped_status status = pack(&walk, fields, values);
    if (status == MAPPED_OK)
        *cursor = walk.at;
    return mapped__region_report(slice.region, "pack", status, error);
}
