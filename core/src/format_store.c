/* Running a format over memory to write it: once to check and measure, once to
 * write, both in the same order. */
#include "format_internal.h"
#include "region_internal.h"

#include <string.h>

static mapped_status refuse(const mapped_step_value *item, mapped_status status,
                            mapped_error *error)
{
    const mapped_step *step = item->step;
    const uint64_t numbers[3] = {step->place, item->length, step->count};
    return mapped_error_set_range(error, status, "pack", numbers);
}

/* Would the element take the value? Stored where it does no harm. */
static bool takes(const mapped_element *element, mapped_value value)
{
    unsigned char scratch[16];
    return element->store(element, scratch, value) == MAPPED_OK;
}

mapped_status mapped_format_check(const mapped_step_value *item,
                                  mapped_error *error)
{
    const mapped_step *step = item->step;
    mapped__format_reader reader = {.error = error};
    const mapped_value length = {.u = item->length};
    bool good = true;
    switch (step->kind) {
    case MAPPED_STEP_ELEMENT:
        good = takes(step->element, item->value);
        break;
    case MAPPED_STEP_COUNTED:
        good = takes(step->element, length);
        break;
    case MAPPED_STEP_ZERO:
        good =
            item->length == 0 || memchr(item->data, '\0', item->length) == NULL;
        break;
    case MAPPED_STEP_BYTES:
        return item->length <= step->count ? MAPPED_OK
                                           : refuse(item, MAPPED_SIZE, error);
    case MAPPED_STEP_PASCAL:
        return item->length < step->count || item->length == 0
                   ? MAPPED_OK
                   : refuse(item, MAPPED_SIZE, error);
    case MAPPED_STEP_PAD:
        break;
    case MAPPED_STEP_WRONG:
        return mapped__format_wrong(&reader, (mapped_format_reason)step->reason,
                                    step->place, step->count);
    }
    return good ? MAPPED_OK : refuse(item, MAPPED_VALUE, error);
}

/* To the next value, over pads, and to where it begins. */
static const mapped_step *pass_pads(const mapped_format *format,
                                    mapped_cursor *cursor)
{
    while (cursor->field < format->count) {
        const mapped_step *step = &format->steps[cursor->field];
        if (cursor->done == 0)
            cursor->offset += mapped__step_gap(step, cursor->offset);
        if (step->kind != MAPPED_STEP_PAD)
            return step;
        cursor->offset += step->count;
        cursor->field++;
    }
    return NULL;
}

bool mapped_format_next(const mapped_format *format, mapped_cursor *cursor,
                        mapped_step_value *item)
{
    const mapped_step *step = pass_pads(format, cursor);
    if (step == NULL)
        return false;
    bool element = step->kind == MAPPED_STEP_ELEMENT;
    item->step = step;
    item->offset = cursor->offset;
    cursor->offset += element ? step->element->size : mapped__step_size(step);
    if (++cursor->done >= (element ? step->count : 1)) {
        cursor->field++;
        cursor->done = 0;
    }
    return true;
}

/* The bytes that an item spans behind its gap. */
static bool item_size(const mapped_step_value *item, size_t *size)
{
    const mapped_step *step = item->step;
    size_t fixed = mapped__step_size(step);
    switch (step->kind) {
    case MAPPED_STEP_ELEMENT:
        *size = step->element->size;
        return true;
    case MAPPED_STEP_COUNTED:
        return mapped_add_size(item->length, fixed, size);
    case MAPPED_STEP_ZERO:
        return mapped_add_size(item->length, 1, size);
    default:
        *size = fixed;
        return true;
    }
}

/* The walk over steps and items that both passes share: `visit` is called for
 * each pad and each item, at its offset behind the gap. */
typedef struct walk {
    mapped_slice slice;
    mapped_cursor at;
    mapped_error *error;
    unsigned char *p; /* where byte `start` of the slice is; NULL on devices */
    size_t start;
} walk;

typedef mapped_status visitor(walk *walk, const mapped_step_value *item,
                              size_t gap, size_t size);

static mapped_status visit_item(walk *walk, const mapped_step_value *item,
                                visitor *visit)
{
    size_t gap =
        walk->at.done > 0 ? 0 : mapped__step_gap(item->step, walk->at.offset);
    size_t size, end;
    if (!item_size(item, &size) ||
        !mapped_add_size(walk->at.offset, gap, &end) ||
        !mapped_add_size(end, size, &end))
        return mapped_error_set(walk->error, MAPPED_OVERFLOW, "pack");
    mapped_status status = visit(walk, item, gap, size);
    walk->at.offset = end;
    return status;
}

static mapped_status visit_all(walk *walk, const mapped_format *format,
                               const mapped_step_values *items, visitor *visit)
{
    size_t k = 0;
    while (walk->at.field < format->count) {
        const mapped_step *step = &format->steps[walk->at.field];
        const mapped_step_value nothing = {.step = step};
        bool last = true;
        const mapped_step_value *item = &nothing;
        if (step->kind != MAPPED_STEP_PAD && step->kind != MAPPED_STEP_WRONG) {
            if (k == items->count || items->items[k].step != step)
                return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
            item = &items->items[k++];
        }
        mapped_status status = visit_item(walk, item, visit);
        if (status != MAPPED_OK)
            return status;
        if (step->kind == MAPPED_STEP_ELEMENT)
            last = ++walk->at.done == step->count;
        if (last) {
            walk->at.field++;
            walk->at.done = 0;
        }
    }
    if (k != items->count)
        return mapped_error_set(walk->error, MAPPED_ARGUMENT, "pack");
    return MAPPED_OK;
}

static mapped_status measure(walk *walk, const mapped_step_value *item,
                             size_t gap, size_t size)
{
    (void)gap;
    (void)size;
    return mapped_format_check(item, walk->error);
}

static void store_bytes(unsigned char *p, const mapped_step_value *item,
                        size_t size)
{
    if (item->length > 0)
        memcpy(p, item->data, item->length);
    memset(p + item->length, 0, size - item->length);
}

static mapped_status store(walk *walk, const mapped_step_value *item,
                           size_t gap, size_t size)
{
    const mapped_step *step = item->step;
    unsigned char *p = walk->p + (walk->at.offset - walk->start);
    memset(p, 0, gap);
    p += gap;
    switch (step->kind) {
    case MAPPED_STEP_ELEMENT:
        return step->element->store(step->element, p, item->value);
    case MAPPED_STEP_COUNTED:
        step->element->store(step->element, p,
                             (mapped_value){.u = item->length});
        p += step->element->size;
        store_bytes(p, item, size - step->element->size);
        return MAPPED_OK;
    case MAPPED_STEP_PASCAL:
        if (size == 0)
            return MAPPED_OK;
        *p = (unsigned char)(item->length < 255 ? item->length : 255);
        store_bytes(p + 1, item, size - 1);
        return MAPPED_OK;
    default:
        store_bytes(p, item, size);
        return MAPPED_OK;
    }
}

static mapped_status store_one(walk *walk, const mapped_element *element,
                               size_t offset, mapped_value value)
{
    unsigned char *p;
    mapped_status status = mapped_slice_enter_write(
        walk->slice, offset, element->size, &p, walk->error);
    if (status != MAPPED_OK)
        return status;
    element->store(element, p, value);
    return mapped_slice_leave(walk->slice, offset, element->size, walk->error);
}

static mapped_status store_each(walk *walk, const mapped_step_value *item,
                                size_t offset, size_t size)
{
    const mapped_element *byte =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false);
    const unsigned char *data = item->data;
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < size && status == MAPPED_OK; i++) {
        mapped_value value = {.u = i < item->length ? data[i] : 0};
        status = store_one(walk, byte, offset + i, value);
    }
    return status;
}

static mapped_status store_device(walk *walk, const mapped_step_value *item,
                                  size_t gap, size_t size)
{
    const mapped_step *step = item->step;
    const mapped_element *element = step->element;
    size_t offset = walk->at.offset + gap, head = 0;
    mapped_value value = {.u = item->length};
    if (step->kind == MAPPED_STEP_PAD || size == 0)
        return MAPPED_OK;
    if (step->kind == MAPPED_STEP_ELEMENT)
        return store_one(walk, element, offset, item->value);
    if (step->kind == MAPPED_STEP_PASCAL) {
        element = mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false);
        value.u = value.u < 255 ? value.u : 255;
    }
    if (element != NULL) {
        head = element->size;
        mapped_status status = store_one(walk, element, offset, value);
        if (status != MAPPED_OK)
            return status;
    }
    return store_each(walk, item, offset + head, size - head);
}

static mapped_status store_all(walk *walk, const mapped_format *format,
                               const mapped_step_values *items, size_t bytes)
{
    mapped_status status;
    if (mapped_region_device(walk->slice.region)) {
        mapped_slice part;
        status = mapped_slice_sub(walk->slice, walk->start, bytes, &part,
                                  walk->error);
        if (status == MAPPED_OK)
            status = mapped_slice_check_writable(part, walk->error);
        return status == MAPPED_OK
                   ? visit_all(walk, format, items, store_device)
                   : status;
    }
    status = mapped_slice_enter_write(walk->slice, walk->start, bytes, &walk->p,
                                      walk->error);
    if (status != MAPPED_OK)
        return status;
    visit_all(walk, format, items, store);
    return mapped_slice_leave(walk->slice, walk->start, bytes, walk->error);
}

mapped_status mapped_format_pack(const mapped_format *format,
                                 mapped_slice slice, mapped_cursor *cursor,
                                 const mapped_step_values *items,
                                 mapped_error *error)
{
    walk first = {.slice = slice,
                  .at = {.offset = cursor->offset},
                  .start = cursor->offset,
                  .error = error};
    walk second = first;
    mapped_status status = visit_all(&first, format, items, measure);
    if (status == MAPPED_OK)
        status =
            store_all(&second, format, items, first.at.offset - first.start);
    if (status == MAPPED_OK)
        *cursor = second.at;
    return mapped__region_end(slice.region, "pack", status, error);
}
