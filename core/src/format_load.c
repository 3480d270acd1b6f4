/* Running a format over memory to read it. */
#include "format_internal.h"

#include <string.h>

#include <mapped/endian.h>

#include "region_internal.h"

typedef struct run {
    const mapped_format *format;
    mapped_slice slice;
    mapped_cursor at; /* the caller's, until all went well */
    mapped_step_values *items;
    mapped_error *error;
} run;

static const mapped_step *step_of(const run *run)
{
    return &run->format->steps[run->at.field];
}

static bool has_room(const run *run)
{
    return run->items->count < run->items->capacity;
}

static mapped_step_value *add_item(run *run, const mapped_step *step)
{
    mapped_step_value *item = &run->items->items[run->items->count++];
    item->step = step;
    return item;
}

static void step_over(run *run, size_t bytes)
{
    run->at.offset += bytes;
    run->at.field++;
    run->at.done = 0;
}

static mapped_status wrong(const run *run)
{
    const mapped_step *step = step_of(run);
    mapped__format_reader reader = {.error = run->error};
    return mapped__format_wrong(&reader, (mapped_format_reason)step->reason,
                                step->place, step->count);
}

/* One value of the step's element at the cursor. */
static mapped_status load_one(const run *run, mapped_value *value)
{
    const mapped_element *element = step_of(run)->element;
    size_t offset = run->at.offset;
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter(run->slice, offset, element->size, &p, run->error);
    if (status != MAPPED_OK)
        return status;
    mapped_status fit = element->load(element, p, value);
    status = mapped_slice_leave(run->slice, offset, element->size, run->error);
    if (status == MAPPED_OK && fit != MAPPED_OK)
        return mapped_error_set(run->error, fit, "unpack");
    return status;
}

/* The values of one step, as many as there is room for, from `p` on. */
static mapped_status load_elements(run *run, const unsigned char *p)
{
    const mapped_step *step = step_of(run);
    const mapped_element *element = step->element;
    size_t left = step->count - run->at.done;
    size_t room = run->items->capacity - run->items->count;
    size_t n = left < room ? left : room;
    for (size_t i = 0; i < n; i++) {
        mapped_step_value *item = add_item(run, step);
        if (element->load(element, p, &item->value) != MAPPED_OK)
            return MAPPED_VALUE;
        p += element->size;
        run->at.offset += element->size;
        run->at.done++;
    }
    if (n == left)
        step_over(run, 0);
    return MAPPED_OK;
}

static void locate(run *run, size_t skip, size_t length)
{
    mapped_step_value *item = add_item(run, step_of(run));
    item->offset = run->at.offset + skip;
    item->length = length;
    step_over(run, step_of(run)->count);
}

/* The length byte is read once, and what it says about bytes behind the end of
 * its step is not believed. */
static void locate_pascal(run *run, const unsigned char *p)
{
    size_t count = step_of(run)->count;
    if (count == 0) {
        locate(run, 0, 0);
        return;
    }
    size_t told = mapped_load_u8(p);
    locate(run, 1, told < count ? told : count - 1);
}

/* What most formats consist of: single values in a row. */
static mapped_status load_singles(run *run, const unsigned char *p, size_t end)
{
    const unsigned char *start = p;
    const mapped_step *step = step_of(run);
    mapped_step_value *item = run->items->items + run->items->count;
    size_t n = run->items->capacity - run->items->count;
    mapped_status status = MAPPED_OK;
    if (n > step->run_)
        n = step->run_;
    if (n > end - run->at.field)
        n = end - run->at.field;
    for (; n > 0; n--, step++, item++) {
        const mapped_element *element = step->element;
        item->step = step;
        status = element->load(element, p, &item->value);
        if (MAPPED__UNLIKELY(status != MAPPED_OK))
            break;
        p += element->size;
    }
    run->items->count = (size_t)(item - run->items->items);
    run->at.field = (size_t)(step - run->format->steps);
    run->at.offset += (size_t)(p - start);
    return status;
}

static mapped_status load_step(run *run, const unsigned char *p)
{
    const mapped_step *step = step_of(run);
    mapped_status status = MAPPED_OK;
    if (step->kind == MAPPED_STEP_ELEMENT)
        status = load_elements(run, p);
    else if (step->kind == MAPPED_STEP_BYTES)
        locate(run, 0, step->count);
    else if (step->kind == MAPPED_STEP_PASCAL)
        locate_pascal(run, p);
    else
        step_over(run, step->count);
    return status;
}

/* The steps up to `end`, which begin at `p` and are all there. */
static mapped_status load_steps(run *run, const unsigned char *p, size_t end)
{
    size_t start = run->at.offset;
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK && run->at.field < end && has_room(run)) {
        const unsigned char *here = p + (run->at.offset - start);
        if (step_of(run)->run_ > 0)
            status = load_singles(run, here, end);
        else
            status = load_step(run, here);
    }
    return status;
}

static mapped_status unpack_checked(run *run, size_t bytes, size_t end)
{
    size_t start = run->at.offset;
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter(run->slice, start, bytes, &p, run->error);
    if (status != MAPPED_OK)
        return status;
    mapped_status fit = load_steps(run, p, end);
    status = mapped_slice_leave(run->slice, start, run->at.offset - start,
                                run->error);
    if (status == MAPPED_OK && fit != MAPPED_OK)
        return mapped_error_set(run->error, fit, "unpack");
    return status;
}

/* Value by value: on devices, where each is one access, and where the data
 * ends early, so that the first error is the one that is reported. */
static mapped_status unpack_one(run *run)
{
    const mapped_step *step = step_of(run);
    mapped_status status;
    mapped_value value;
    if (step->kind == MAPPED_STEP_ELEMENT) {
        status = load_one(run, &value);
        if (status != MAPPED_OK)
            return status;
        add_item(run, step)->value = value;
        run->at.offset += step->element->size;
        if (++run->at.done == step->count)
            step_over(run, 0);
        return MAPPED_OK;
    }
    mapped_slice part;
    status = mapped_slice_sub(run->slice, run->at.offset, step->count, &part,
                              run->error);
    if (status == MAPPED_OK && step->kind == MAPPED_STEP_PASCAL)
        return unpack_checked(run, step->count > 0, run->at.field + 1);
    if (status == MAPPED_OK)
        status = load_step(run, NULL); /* these need not look */
    return status;
}

static mapped_status unpack_stretch(run *run)
{
    const mapped_step *step = step_of(run);
    size_t done = run->at.done;
    if (mapped__is_device(run->slice.region))
        return unpack_one(run);
    if (done > 0)
        done *= step->element->size;
    mapped_status status = unpack_checked(run, step->rest_ - done, step->end_);
    if (status == MAPPED_RANGE && run->format->late)
        return unpack_one(run);
    return status;
}

/* A peer may change the count at any time: it is read once and then checked. */
static mapped_status unpack_counted(run *run)
{
    const mapped_step *step = step_of(run);
    size_t size = step->element->size;
    mapped_value told;
    mapped_slice part;
    mapped_status status = load_one(run, &told);
    if (status != MAPPED_OK)
        return status;
    size_t length = told.u < SIZE_MAX ? (size_t)told.u : SIZE_MAX;
    status = mapped_slice_sub(run->slice, run->at.offset + size, length, &part,
                              run->error);
    if (status != MAPPED_OK)
        return status;
    mapped_step_value *item = add_item(run, step);
    item->offset = run->at.offset + size;
    item->length = length;
    step_over(run, size + length);
    return MAPPED_OK;
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
    mapped_step_value *item = add_item(run, step_of(run));
    item->offset = run->at.offset;
    item->length = zero - run->at.offset;
    step_over(run, item->length + 1);
    return MAPPED_OK;
}

/* The gap counts to the step: without room for the step behind it, it is not
 * passed either. */
static mapped_status pass_gap(run *run)
{
    const mapped_step *step = step_of(run);
    size_t gap = mapped__step_gap(step, run->at.offset);
    mapped_slice part;
    if (gap == 0 || run->at.done > 0)
        return MAPPED_OK;
    mapped_status status =
        mapped_slice_sub(run->slice, run->at.offset, gap, &part, run->error);
    if (status == MAPPED_OK)
        run->at.offset += gap;
    return status;
}

static mapped_status unpack_next(run *run)
{
    const mapped_step *step = step_of(run);
    if (step->kind == MAPPED_STEP_WRONG)
        return wrong(run);
    mapped_status status = pass_gap(run);
    if (status != MAPPED_OK)
        return status;
    if (step->kind == MAPPED_STEP_COUNTED)
        return unpack_counted(run);
    if (step->kind == MAPPED_STEP_ZERO)
        return unpack_zero(run);
    return unpack_stretch(run);
}

static mapped_status unpack(const mapped_format *format, mapped_slice slice,
                            mapped_cursor *cursor, mapped_step_values *items,
                            mapped_error *error)
{
    run run = {format, slice, *cursor, items, error};
    mapped_status status = MAPPED_OK;
    items->count = 0;
    while (status == MAPPED_OK && run.at.field < format->count &&
           has_room(&run))
        status = unpack_next(&run);
    if (status != MAPPED_OK)
        items->count = 0;
    else if (items->count == 0 && mapped_region_closed(slice.region))
        status = mapped_error_set(error, MAPPED_CLOSED, "unpack");
    *cursor = run.at;
    return status;
}

mapped_status mapped_format_unpack(const mapped_format *format,
                                   mapped_slice slice, mapped_cursor *cursor,
                                   mapped_step_values *items,
                                   mapped_error *error)
{
    return mapped__region_end(slice.region, "unpack",
                              unpack(format, slice, cursor, items, error),
                              error);
}
