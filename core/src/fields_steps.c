/* Running fields over a slice value by value, for distances that depend on the
 * data or on the position. Lengths in the data are read once, and believed no
 * further than the slice goes. */
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

/* The bytes before a field: up to a multiple of its alignment. Only the first
 * field of a `struct` format, which aligns nothing here, has others. */
static size_t lead(const mapped_cursor *at, const mapped_field *field)
{
    if (at->done > 0)
        return 0;
    if (field->align > 1)
        return -at->offset & (field->align - 1u);
    return at->field == 0 ? field->offset : 0;
}

typedef struct run {
    const mapped_fields *fields;
    mapped_slice slice;
    mapped_cursor at;
    mapped_field_values *values;
    mapped_error *error;
} run;

static const mapped_field *field_of(const run *run)
{
    return &run->fields->fields[run->at.field];
}

static bool has_room(const run *run)
{
    return run->values->count < run->values->capacity;
}

static mapped_field_value *add_value(run *run)
{
    mapped_field_value *value = &run->values->values[run->values->count++];
    value->field = field_of(run);
    return value;
}

static void step_over(run *run, size_t bytes)
{
    run->at.offset += bytes + field_of(run)->gap_;
    run->at.field++;
    run->at.done = 0;
}

static mapped_status wrong(const mapped_field *field, mapped_error *error)
{
    return mapped__format_wrong(error, (mapped_format_reason)field->reason,
                                field->source_at, field->item.count);
}

/* Bytes that begin so far after the cursor; the field ends with them. */
static void locate(run *run, size_t skip, size_t length, size_t whole)
{
    mapped_field_value *value = add_value(run);
    value->offset = run->at.offset + skip;
    value->length = length;
    step_over(run, whole);
}

/* The value at the cursor, which is at `p`. */
static mapped_status load_value(run *run, const unsigned char *p)
{
    const mapped_field *field = field_of(run);
    const mapped_element *element = field->item.element;
    const unsigned char *bytes;
    size_t length;
    if (field->item.kind > MAPPED_ITEM_ELEMENTS) {
        if (field->item.kind == MAPPED_ITEM_PAD) {
            step_over(run, field->item.count);
            return MAPPED_OK;
        }
        bytes = mapped_item_load_bytes(&field->item, p, &length);
        locate(run, (size_t)(bytes - p), length, field->item.count);
        return MAPPED_OK;
    }
    if (element->load(element, p, &add_value(run)->value) != MAPPED_OK)
        return MAPPED_VALUE;
    run->at.offset += element->size;
    if (++run->at.done == field->item.count) {
        run->at.offset -= element->size;
        step_over(run, element->size);
    }
    return MAPPED_OK;
}

/* All values that lie in the next `bytes`, or one. */
static mapped_status load(run *run, size_t bytes, bool one)
{
    size_t start = run->at.offset, end = field_of(run)->end_;
    unsigned char *p;
    mapped_status fit = MAPPED_OK,
                  status = mapped_slice_enter(run->slice, start, bytes, &p,
                                              run->error);
    if (status != MAPPED_OK)
        return status;
    do {
        fit = load_value(run, p + (run->at.offset - start));
    } while (!one && fit == MAPPED_OK && run->at.field < end && has_room(run));
    size_t passed = run->at.offset - start;
    status = mapped_slice_leave(run->slice, start,
                                passed < bytes ? passed : bytes, run->error);
    if (status == MAPPED_OK && fit != MAPPED_OK)
        return mapped_error_set(run->error, fit, "unpack");
    return status;
}

/* On devices, where each value is one access, and where the data ends early, so
 * that the first error is the one that is reported. Of bytes, only the length
 * of a PASCAL is touched; a gap belongs to the value before it. */
static mapped_status load_one(run *run)
{
    const mapped_field *field = field_of(run);
    const mapped_item *item = &field->item;
    bool number = item->kind <= MAPPED_ITEM_ELEMENTS;
    bool last = !field->spread || run->at.done + 1 == item->count;
    size_t whole = number ? item->element->size : item->count;
    mapped_slice part;
    mapped_status status =
        mapped_slice_sub(run->slice, run->at.offset,
                         whole + (last ? field->gap_ : 0), &part, run->error);
    if (status != MAPPED_OK)
        return status;
    if (number)
        return load(run, whole, true);
    if (item->kind == MAPPED_ITEM_PASCAL && whole > 0)
        return load(run, 1, true);
    return load_value(run, (const unsigned char *)"");
}

/* The fields from the cursor on whose distances are fixed. */
static mapped_status unpack_stretch(run *run)
{
    const mapped_field *field = field_of(run);
    size_t bytes = field->rest_;
    if (run->at.done > 0)
        bytes -= run->at.done * field->item.element->size;
    if (mapped__is_device(run->slice.region) ||
        !mapped_range_fits(run->at.offset, bytes, run->slice.length))
        return load_one(run);
    return load(run, bytes, false);
}

/* The length is read once and must fit what is left of the slice. */
static mapped_status unpack_counted(run *run)
{
    const mapped_element *element = field_of(run)->item.element;
    size_t size = element->size;
    mapped_value said;
    mapped_slice part;
    mapped_status status =
        mapped_get(run->slice, element, run->at.offset, &said, run->error);
    if (status != MAPPED_OK)
        return status;
    size_t length = said.u < SIZE_MAX ? (size_t)said.u : SIZE_MAX;
    status = mapped_slice_sub(run->slice, run->at.offset + size, length, &part,
                              run->error);
    if (status == MAPPED_OK)
        locate(run, size, length, size + length);
    return status;
}

#define SEARCH_BYTES ((size_t)4096)

/* Where the first zero byte at or after `offset` is; bounded stretches, so that
 * a close in the middle is noticed. */
static mapped_status find_zero(const run *run, size_t offset, size_t *found)
{
    while (offset < run->slice.length) {
        size_t left = run->slice.length - offset;
        size_t n = left < SEARCH_BYTES ? left : SEARCH_BYTES;
        unsigned char *p;
        if (mapped__is_device(run->slice.region))
            n = 1;
        mapped_status status =
            mapped_slice_enter(run->slice, offset, n, &p, run->error);
        if (status != MAPPED_OK)
            return status;
        const unsigned char *zero = memchr(p, '\0', n);
        size_t passed = zero != NULL ? (size_t)(zero - p) : n;
        status = mapped_slice_leave(run->slice, offset, passed + (zero != NULL),
                                    run->error);
        if (status != MAPPED_OK)
            return status;
        offset += passed;
        if (zero != NULL) {
            *found = offset;
            return MAPPED_OK;
        }
    }
    mapped_slice part; /* there is none: closed, or too short */
    return mapped_slice_sub(run->slice, offset, 1, &part, run->error);
}

static mapped_status unpack_zero(run *run)
{
    size_t zero = 0;
    mapped_status status = find_zero(run, run->at.offset, &zero);
    if (status != MAPPED_OK)
        return status;
    size_t length = zero - run->at.offset;
    locate(run, 0, length, length + 1);
    return MAPPED_OK;
}

/* The gap counts to the field: without room for the field after it, it is not
 * passed either. */
static mapped_status pass_gap(run *run)
{
    size_t gap = lead(&run->at, field_of(run));
    mapped_slice part;
    if (gap == 0)
        return MAPPED_OK;
    mapped_status status =
        mapped_slice_sub(run->slice, run->at.offset, gap, &part, run->error);
    if (status == MAPPED_OK)
        run->at.offset += gap;
    return status;
}

static mapped_status unpack_next(run *run)
{
    const mapped_field *field = field_of(run);
    if (field->item.kind == MAPPED_ITEM_WRONG)
        return wrong(field, run->error);
    mapped_status status = pass_gap(run);
    if (status != MAPPED_OK)
        return status;
    if (field->item.kind == MAPPED_ITEM_COUNTED)
        return unpack_counted(run);
    if (field->item.kind == MAPPED_ITEM_ZERO)
        return unpack_zero(run);
    return unpack_stretch(run);
}

static mapped_status unpack(run *run)
{
    size_t count = run->fields->count;
    mapped_slice part;
    mapped_status status = MAPPED_OK;
    run->values->count = 0;
    if (run->fields->named)
        return mapped_error_set(run->error, MAPPED_ARGUMENT, "unpack");
    if (count == 0)
        status = mapped_slice_sub(run->slice, run->at.offset, run->fields->size,
                                  &part, run->error);
    if (count == 0 && status == MAPPED_OK)
        run->at.offset += run->fields->size;
    while (status == MAPPED_OK && run->at.field < count && has_room(run))
        status = unpack_next(run);
    if (status != MAPPED_OK)
        run->values->count = 0;
    else if (run->values->count == 0 && mapped_region_closed(run->slice.region))
        status = mapped_error_set(run->error, MAPPED_CLOSED, "unpack");
    return status;
}

mapped_status mapped_fields_unpack(const mapped_fields *fields,
                                   mapped_slice slice, mapped_cursor *cursor,
                                   mapped_field_values *values,
                                   mapped_error *error)
{
    run run = {fields, slice, *cursor, values, error};
    mapped_status status = unpack(&run);
    *cursor = run.at;
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

/* Would the element take the value? Stored where it does no harm. */
static bool takes(const mapped_element *element, mapped_value value)
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
        if (!takes(item->element, value->value))
            return refuse(value, MAPPED_VALUE, error);
        return MAPPED_OK;
    case MAPPED_ITEM_COUNTED:
        if (!takes(item->element, length))
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

/* The bytes that such a field has at a fixed distance, or one value of it. */
static size_t step_size(const mapped_field *field)
{
    if (field->item.kind == MAPPED_ITEM_ELEMENTS)
        return field->item.element->size;
    return field->item.size;
}

/* To the next field with a value, and to where that begins. */
static const mapped_field *pass_pads(const mapped_fields *fields,
                                     mapped_cursor *cursor)
{
    const mapped_field *field;
    while ((field = mapped_fields_at(fields, cursor)) != NULL) {
        cursor->offset += lead(cursor, field);
        if (field->item.kind != MAPPED_ITEM_PAD)
            return field;
        cursor->offset += field->item.count;
        cursor->field++;
    }
    return NULL;
}

/* Past one value that takes so many bytes. */
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
    pass_value(field, step_size(field), cursor);
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
    mapped_slice part;
    mapped_status status =
        mapped_slice_sub(walk->slice, offset, n, &part, walk->error);
    return status == MAPPED_OK && n > 0 ? mapped_fill(part, 0, walk->error)
                                        : status;
}

/* From `offset` to where the walk is now. */
static mapped_status store_gap(walk *walk, size_t offset)
{
    return !walk->store || mapped__is_device(walk->slice.region)
               ? MAPPED_OK
               : store_zeros(walk, offset, walk->at.offset - offset);
}

/* A number, or bytes: their length if it is stored, themselves, zero bytes. */
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

/* The bytes that the data of a value adds. */
static size_t data_size(const mapped_field_value *value)
{
    if (value->field->item.kind == MAPPED_ITEM_ZERO)
        return value->length < SIZE_MAX ? value->length + 1 : SIZE_MAX;
    return value->field->item.kind == MAPPED_ITEM_COUNTED ? value->length : 0;
}

static mapped_status visit(walk *walk, const mapped_field_value *value)
{
    size_t size, end;
    if (!mapped_add_size(step_size(value->field), data_size(value), &size) ||
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
    mapped_slice part;
    if (fields->named)
        return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
    mapped_status status = visit_all(walk, fields, values);
    if (status == MAPPED_OK)
        status = mapped_slice_sub(walk->slice, start, walk->at.offset - start,
                                  &part, walk->error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(part, walk->error);
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
