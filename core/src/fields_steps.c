/* Unpacks and packs the values of fields one by one.
 *
 * A cursor stands before a value: it is a position in the slice, a field, and
 * how many values of that field are behind the cursor (a spread field, like 3i,
 * gives several). From the start of one value to that of the next there are
 *
 * - the bytes of the value, whose number may depend on the data;
 * - the *gap* after a field of a `struct` format, up to the next field: pads of
 *   that language aren't fields, only distances;
 * - in a `string.pack` format *pads*, fields without a value ('x', 'X');
 * - in such a format the *padding* before a field, up to a multiple of its
 *   alignment.
 *
 *     struct "bxi"           [b]<- gap 3 ->[i]
 *     string.pack "!4bxi4"   [b][x: pad][padding 2][i4]
 *
 * Three walks add these up: mapped_fields_next without any data,
 * mapped_fields_unpack with the lengths that are stored in the slice, and
 * mapped_fields_pack with those of the values to pack. A length in the slice is
 * read once, and refused if it leads out of the slice.
 *
 * A `string.pack` format with a mistake may end in a WRONG field; its error
 * comes when a walk reaches it, as in string.pack. */
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

/* `multiple` is a power of two. */
static size_t bytes_to_multiple(size_t offset, size_t multiple)
{
    return -offset & (multiple - 1);
}

/* Returns the bytes between the cursor and the field at it. */
static size_t padding_before(const mapped_cursor *cursor,
                             const mapped_field *field)
{
    if (cursor->done > 0) /* inside a spread field */
        return 0;
    if (field->align > 1) /* string.pack: aligned */
        return bytes_to_multiple(cursor->offset, field->align);
    if (cursor->field == 0) /* struct: pads before the first field */
        return field->offset;
    return 0; /* a gap, if any, has been passed with the field before */
}

/* Is the value at the cursor the last one of its field? */
static bool is_last_value(const mapped_cursor *cursor,
                          const mapped_field *field)
{
    return !field->spread || cursor->done + 1 == field->item.count;
}

/* Returns the bytes between the end of the value at the cursor and the next
 * field, or the end of the format. A format whose size depends on the data or
 * on where it lies (!fixed) has no gaps, only pads and padding. */
static size_t gap_after(const mapped_fields *fields,
                        const mapped_cursor *cursor, const mapped_field *field)
{
    if (!fields->fixed || !is_last_value(cursor, field))
        return 0;
    bool is_last_field = cursor->field + 1 == fields->count;
    size_t next = is_last_field ? fields->size : field[1].offset;
    return next - field->offset - field->item.size;
}

/* Is each value a number: the field's only one, or one of a spread field? */
static bool is_number(const mapped_item *item)
{
    return item->kind == MAPPED_ITEM_ELEMENT ||
           item->kind == MAPPED_ITEM_ELEMENTS;
}

/* Returns the bytes of one value of the field that don't depend on the data: of
 * COUNTED those of the length, of ZERO none. */
static size_t fixed_size(const mapped_field *field)
{
    if (field->item.kind == MAPPED_ITEM_ELEMENTS)
        return field->item.element->size;
    return field->item.size;
}

/* Moves the cursor past `bytes` bytes and one value of the field. */
static void pass_value(const mapped_field *field, size_t bytes,
                       mapped_cursor *cursor)
{
    if (is_last_value(cursor, field)) {
        cursor->field++;
        cursor->done = 0;
    } else {
        cursor->done++;
    }
    cursor->offset += bytes;
}

/* Moves the cursor past padding and pads to where the next value begins, and
 * returns its field; NULL if there is none. */
static const mapped_field *pass_pads(const mapped_fields *fields,
                                     mapped_cursor *cursor)
{
    const mapped_field *field;
    while ((field = mapped_fields_at(fields, cursor)) != NULL) {
        cursor->offset += padding_before(cursor, field);
        if (field->item.kind != MAPPED_ITEM_PAD)
            return field;
        pass_value(field, field->item.count, cursor);
    }
    return NULL;
}

bool mapped_fields_next(const mapped_fields *fields, mapped_cursor *cursor,
                        mapped_field_value *value)
{
    const mapped_field *field = pass_pads(fields, cursor);
    if (field == NULL)
        return false;
    value->field = field;
    value->offset = cursor->offset;
    pass_value(field, fixed_size(field) + gap_after(fields, cursor, field),
               cursor);
    return true;
}

static mapped_status report_mistake(const mapped_field *field,
                                    mapped_error *error)
{
    return mapped__format_wrong(error, (mapped_format_reason)field->reason,
                                field->source_at, field->item.count);
}

/* Are the n bytes from `offset` on in the slice, and is the region open? */
static inline mapped_status check_range(mapped_slice slice, size_t offset,
                                        size_t n, mapped_error *error)
{
    mapped_slice range;
    return mapped_slice_sub(slice, offset, n, &range, error);
}

/* The locate functions find out where the value's bytes begin and how many they
 * are. `*size` in: the field's fixed_size; out: all bytes that the value takes,
 * with its length or zero byte. */

/* Reads the length, and finds the value's bytes after it. */
static mapped_status locate_counted(mapped_slice slice,
                                    mapped_field_value *value, size_t *size,
                                    mapped_error *error)
{
    mapped_value stored;
    mapped_status status = mapped_get(slice, value->field->item.element,
                                      value->offset, &stored, error);
    if (status != MAPPED_OK)
        return status;
    value->offset += *size;
    value->length = stored.u < SIZE_MAX ? (size_t)stored.u : SIZE_MAX;
    *size += value->length;
    return check_range(slice, value->offset, value->length, error);
}

#define SEARCH_BYTES ((size_t)4096)

/* Finds the zero byte that ends the value. It looks at a bounded number of
 * bytes at a time, so that it notices a close; on devices at one byte. */
static mapped_status locate_zero(mapped_slice slice, mapped_field_value *value,
                                 size_t *size, mapped_error *error)
{
    const unsigned char *zero = NULL;
    size_t at = value->offset,
           limit = mapped__is_device(slice.region) ? 1 : SEARCH_BYTES;
    while (zero == NULL && at < slice.length) {
        size_t left = slice.length - at, n = left < limit ? left : limit;
        unsigned char *p;
        /* A guarded access (slice.h): what is read counts only if leave
         * succeeds. */
        mapped_status status = mapped_slice_enter(slice, at, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        zero = memchr(p, '\0', n);
        if (zero != NULL)
            n = (size_t)(zero - p) + 1;
        status = mapped_slice_leave(slice, at, n, error);
        if (status != MAPPED_OK)
            return status;
        at += n;
    }
    if (zero == NULL) /* fails: there is no byte at the end */
        return check_range(slice, at, 1, error);
    *size = at - value->offset;
    value->length = *size - 1;
    return MAPPED_OK;
}

/* The first byte of the item is the length of the bytes after it. It is all
 * that mapped_item_load_bytes looks at, so it gets no more. */
static mapped_status locate_pascal(mapped_slice slice,
                                   mapped_field_value *value,
                                   mapped_error *error)
{
    const mapped_item *item = &value->field->item;
    uint8_t first = 0;
    mapped_status status = MAPPED_OK;
    if (item->count > 0)
        status = mapped_get_u8(slice, value->offset, &first, error);
    (void)mapped_item_load_bytes(item, &first, &value->length);
    value->offset += item->count > 0 ? 1 : 0;
    return status;
}

/* Loads the number at `value->offset`, or locates the value's bytes. `*size` as
 * for the locate functions. */
static mapped_status unpack_value(mapped_slice slice, mapped_field_value *value,
                                  size_t *size, mapped_error *error)
{
    const mapped_field *field = value->field;
    switch ((mapped_item_kind)field->item.kind) {
    case MAPPED_ITEM_ELEMENT:
    case MAPPED_ITEM_ELEMENTS:
        return mapped_get(slice, field->item.element, value->offset,
                          &value->value, error);
    case MAPPED_ITEM_COUNTED:
        return locate_counted(slice, value, size, error);
    case MAPPED_ITEM_ZERO:
        return locate_zero(slice, value, size, error);
    case MAPPED_ITEM_PASCAL:
        return locate_pascal(slice, value, error);
    case MAPPED_ITEM_WRONG:
        return report_mistake(field, error);
    default: /* bytes or a pad: unpack_next has checked the range */
        value->length = *size;
        return MAPPED_OK;
    }
}

/* Unpacks one value, or passes one pad. */
static mapped_status unpack_next(const mapped_fields *fields,
                                 mapped_slice slice, mapped_cursor *cursor,
                                 mapped_field_values *values,
                                 mapped_error *error)
{
    const mapped_field *field = mapped_fields_at(fields, cursor);
    size_t padding = padding_before(cursor, field);
    size_t size = fixed_size(field), gap = gap_after(fields, cursor, field);
    mapped_field_value *value = &values->values[values->count];
    mapped_status status = MAPPED_OK;
    /* mapped_get checks the range of a number. */
    if (padding + gap > 0 || !is_number(&field->item))
        status =
            check_range(slice, cursor->offset, padding + size + gap, error);
    if (status != MAPPED_OK)
        return status;
    value->field = field;
    value->offset = cursor->offset + padding;
    status = unpack_value(slice, value, &size, error);
    if (status != MAPPED_OK)
        return status;
    if (field->item.kind != MAPPED_ITEM_PAD)
        values->count++;
    pass_value(field, padding + size + gap, cursor);
    return MAPPED_OK;
}

/* Moves the cursor past a format that is empty, or pads alone ("4x" of
 * `struct`), if this is one: it has no field whose value takes the bytes. */
static void pass_format_without_fields(const mapped_fields *fields,
                                       mapped_cursor *cursor)
{
    if (fields->count == 0)
        cursor->offset += fields->size;
}

/* Goes on at the cursor, with as many values as there is room for. */
static mapped_status unpack(const mapped_fields *fields, mapped_slice slice,
                            mapped_cursor *cursor, mapped_field_values *values,
                            mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    if (fields->named)
        return mapped_error_set(error, MAPPED_ARGUMENT, "unpack");
    if (fields->count == 0)
        status = check_range(slice, cursor->offset, fields->size, error);
    if (status == MAPPED_OK)
        pass_format_without_fields(fields, cursor);
    while (status == MAPPED_OK && cursor->field < fields->count &&
           values->count < values->capacity)
        status = unpack_next(fields, slice, cursor, values, error);
    return status;
}

mapped_status mapped_fields_unpack(const mapped_fields *fields,
                                   mapped_slice slice, mapped_cursor *cursor,
                                   mapped_field_values *values,
                                   mapped_error *error)
{
    mapped_cursor at = *cursor; /* a copy, which can stay in registers */
    values->count = 0;
    mapped_status status = unpack(fields, slice, &at, values, error);
    *cursor = at;
    if (status != MAPPED_OK)
        values->count = 0;
    return mapped__region_complete_error(slice.region, "unpack", status, error);
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
    size_t max_length = item->count;
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
        return report_mistake(value->field, error);
    case MAPPED_ITEM_PASCAL:
        if (max_length > 0)
            max_length--; /* one byte is the length */
        break;
    default:
        break;
    }
    if (value->length > max_length)
        return refuse(value, MAPPED_SIZE, error);
    return MAPPED_OK;
}

/* A pack that is under way. It walks over all values twice, each time from the
 * first field: first it checks and measures them, then it stores them. Unlike
 * unpack, which goes on in the middle, it takes only the offset of the caller's
 * cursor. */
typedef struct packer {
    const mapped_fields *fields;
    mapped_slice slice;
    mapped_cursor at;
    bool is_storing;
    mapped_error *error;
} packer;

static mapped_status store_zeros(const packer *self, size_t offset, size_t n)
{
    mapped_slice zeros;
    mapped_status status =
        mapped_slice_sub(self->slice, offset, n, &zeros, self->error);
    return status == MAPPED_OK && n > 0 ? mapped_fill(zeros, 0, self->error)
                                        : status;
}

/* In the walk that stores, stores zeros between the end of the last value and
 * the cursor: in gap, pads and padding. Registers of a device are left as they
 * are. */
static mapped_status zero_between(const packer *self, size_t end_of_last)
{
    if (!self->is_storing || mapped__is_device(self->slice.region))
        return MAPPED_OK;
    size_t between = self->at.offset - end_of_last;
    return store_zeros(self, end_of_last, between);
}

/* Does a length precede the bytes? Not in "0p", which is no byte at all. */
static bool has_length(const mapped_item *item)
{
    return item->kind == MAPPED_ITEM_COUNTED ||
           (item->kind == MAPPED_ITEM_PASCAL && item->size > 0);
}

/* Stores a number; or bytes, after their length if they have one, and then
 * zeros up to `size`. */
static mapped_status store_value(const packer *self,
                                 const mapped_field_value *value, size_t size)
{
    const mapped_item *item = &value->field->item;
    const mapped_element *element = item->element;
    size_t offset = self->at.offset, end = offset + size;
    mapped_value length = {.u = value->length};
    mapped_status status = MAPPED_OK;
    if (is_number(item))
        return mapped_set(self->slice, element, offset, value->value,
                          self->error);
    if (item->kind == MAPPED_ITEM_PASCAL && length.u > 255)
        length.u = 255; /* all that one byte can tell */
    if (has_length(item)) {
        status = mapped_set(self->slice, element, offset, length, self->error);
        offset += element->size;
    }
    if (status == MAPPED_OK)
        status = mapped_write(self->slice, offset, value->data, value->length,
                              self->error);
    offset += value->length;
    return status == MAPPED_OK ? store_zeros(self, offset, end - offset)
                               : status;
}

/* Returns the bytes that a value takes besides the fixed_size of its field. */
static size_t data_size(const mapped_field_value *value)
{
    if (value->field->item.kind == MAPPED_ITEM_ZERO)
        return value->length < SIZE_MAX ? value->length + 1 : SIZE_MAX;
    return value->field->item.kind == MAPPED_ITEM_COUNTED ? value->length : 0;
}

/* Checks or stores the value at the cursor, sets `*end` to where it ends, and
 * moves the cursor past it. */
static mapped_status pack_value(packer *self, const mapped_field_value *value,
                                size_t *end)
{
    const mapped_field *field = value->field;
    size_t gap = gap_after(self->fields, &self->at, field), size, next;
    if (!mapped_add_size(fixed_size(field), data_size(value), &size) ||
        !mapped_add_size(self->at.offset, size, end) ||
        !mapped_add_size(*end, gap, &next))
        return mapped_error_set(self->error, MAPPED_OVERFLOW, "pack");
    mapped_status status = self->is_storing
                               ? store_value(self, value, size)
                               : mapped_field_check(value, self->error);
    pass_value(field, size + gap, &self->at);
    return status;
}

static mapped_status pack_values(packer *self,
                                 const mapped_field_values *values)
{
    const mapped_field *field;
    size_t i = 0, end_of_last = self->at.offset;
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK &&
           (field = pass_pads(self->fields, &self->at)) != NULL) {
        if (field->item.kind == MAPPED_ITEM_WRONG)
            return report_mistake(field, self->error);
        if (i == values->count || values->values[i].field != field)
            return mapped_error_set(self->error, MAPPED_ARGUMENT, "pack");
        status = zero_between(self, end_of_last);
        if (status == MAPPED_OK)
            status = pack_value(self, &values->values[i++], &end_of_last);
    }
    if (status == MAPPED_OK && i != values->count)
        return mapped_error_set(self->error, MAPPED_ARGUMENT, "pack");
    pass_format_without_fields(self->fields, &self->at);
    return status == MAPPED_OK ? zero_between(self, end_of_last) : status;
}

static mapped_status pack(packer *self, const mapped_field_values *values)
{
    size_t start = self->at.offset;
    mapped_slice packed;
    if (self->fields->named)
        return mapped_error_set(self->error, MAPPED_ARGUMENT, "pack");
    mapped_status status = pack_values(self, values);
    if (status == MAPPED_OK)
        status = mapped_slice_sub(self->slice, start, self->at.offset - start,
                                  &packed, self->error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(packed, self->error);
    if (status != MAPPED_OK)
        return status;
    self->is_storing = true;
    self->at = (mapped_cursor){.offset = start};
    return pack_values(self, values);
}

mapped_status mapped_fields_pack(const mapped_fields *fields,
                                 mapped_slice slice, mapped_cursor *cursor,
                                 const mapped_field_values *values,
                                 mapped_error *error)
{
    packer self = {.fields = fields,
                   .slice = slice,
                   .at = {.offset = cursor->offset},
                   .error = error};
    mapped_status status = pack(&self, values);
    if (status == MAPPED_OK)
        *cursor = self.at;
    return mapped__region_complete_error(slice.region, "pack", status, error);
}
