#include "layout_internal.h"

#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

mapped_status mapped__layout_wrong(const mapped__layout_reader *reader,
                                   mapped_layout_reason reason, size_t place)
{
    static const char *const texts[] = {
#define REASON_TEXT(name, text) text,
        MAPPED_LAYOUT_REASON_MAP(REASON_TEXT)
#undef REASON_TEXT
    };
    const uint64_t numbers[3] = {place, 0, reason};
    return mapped_error_set_range(reader->error, MAPPED_LAYOUT, texts[reason],
                                  numbers);
}

/* FNV-1a. */
static size_t hash(const char *name, size_t length)
{
    uint64_t value = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < length; i++)
        value = (value ^ (unsigned char)name[i]) * UINT64_C(0x100000001B3);
    return (size_t)(value ^ value >> 32);
}

/* The slot of that name, or the empty one where it belongs. */
static size_t *find_slot(const mapped_layout *layout, const char *name,
                         size_t length)
{
    for (size_t i = hash(name, length);; i++) {
        size_t *slot = &layout->table[i & layout->table_mask];
        if (*slot == 0)
            return slot;
        const mapped_layout_entry *field = &layout->fields[*slot - 1];
        if (field->name_length == length &&
            memcmp(field->name, name, length) == 0)
            return slot;
    }
}

static mapped_status index_names(mapped__layout_reader *reader)
{
    mapped_layout *layout = reader->layout;
    size_t size = 8;
    while (size < layout->count * 2)
        size *= 2;
    layout->table = calloc(size, sizeof *layout->table);
    layout->table_mask = size - 1;
    if (layout->table == NULL)
        return mapped_error_set(reader->error, MAPPED_MEMORY, "layout");
    for (size_t i = 0; i < layout->count; i++) {
        const mapped_layout_entry *field = &layout->fields[i];
        size_t *slot = find_slot(layout, field->name, field->name_length);
        if (*slot != 0)
            return mapped__layout_wrong(reader, MAPPED_LAYOUT_DUPLICATE_WRONG,
                                        field->place);
        *slot = i + 1;
    }
    return MAPPED_OK;
}

/* Every name ends where something other than a letter stands, or the text. */
static void end_names(mapped_layout *layout)
{
    for (size_t i = 0; i < layout->count; i++) {
        const mapped_layout_entry *field = &layout->fields[i];
        layout->text[field->place + field->name_length] = '\0';
    }
}

static int by_offset(const void *a, const void *b)
{
    const mapped_layout_entry *first = *(const mapped_layout_entry *const *)a;
    const mapped_layout_entry *second = *(const mapped_layout_entry *const *)b;
    return (first->offset > second->offset) - (first->offset < second->offset);
}

/* Fields are never empty, so neighbours in the order of their offsets tell. */
static mapped_status check_overlap(mapped__layout_reader *reader)
{
    const mapped_layout *layout = reader->layout;
    const mapped_layout_entry **order = calloc(layout->count, sizeof *order);
    mapped_status status = MAPPED_OK;
    if (order == NULL)
        return mapped_error_set(reader->error, MAPPED_MEMORY, "layout");
    for (size_t i = 0; i < layout->count; i++)
        order[i] = &layout->fields[i];
    qsort(order, layout->count, sizeof *order, by_offset);
    for (size_t i = 1; i < layout->count && status == MAPPED_OK; i++) {
        const mapped_layout_entry *first = order[i - 1], *second = order[i];
        if (first->offset + mapped_layout_entry_size(first) > second->offset)
            status = mapped__layout_wrong(
                reader, MAPPED_LAYOUT_OVERLAP_WRONG,
                first->place > second->place ? first->place : second->place);
    }
    free(order);
    return status;
}

static void layout_free(mapped_layout *layout)
{
    free(layout->fields);
    free(layout->table);
    free(layout);
}

static mapped_layout *layout_new(const char *text, size_t length)
{
    size_t bytes;
    mapped_layout *layout = NULL;
    if (mapped_add_size(length, sizeof *layout + 1, &bytes))
        layout = calloc(1, bytes);
    if (layout == NULL)
        return NULL;
    layout->references = 1;
    layout->length = length;
    if (length > 0)
        memcpy(layout->text, text, length);
    return layout;
}

mapped_status mapped_layout_compile(const char *text, size_t length,
                                    mapped_layout **layout, mapped_error *error)
{
    mapped_layout *made = layout_new(text, length);
    if (made == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "layout");
    mapped__layout_reader reader = {.text = made->text,
                                    .length = length,
                                    .layout = made,
                                    .alignment = 1,
                                    .big = MAPPED_BIG_ENDIAN,
                                    .error = error};
    mapped_status status = mapped__layout_read(&reader);
    if (status == MAPPED_OK)
        status = index_names(&reader);
    if (status == MAPPED_OK)
        status = check_overlap(&reader);
    if (status != MAPPED_OK) {
        layout_free(made);
        return status;
    }
    end_names(made);
    *layout = made;
    return MAPPED_OK;
}

void mapped_layout_acquire(mapped_layout *layout)
{
    __atomic_fetch_add(&layout->references, 1, __ATOMIC_RELAXED);
}

void mapped_layout_release(mapped_layout *layout)
{
    if (layout != NULL &&
        __atomic_sub_fetch(&layout->references, 1, __ATOMIC_ACQ_REL) == 0)
        layout_free(layout);
}

static size_t fields_size(const mapped_layout *layout)
{
    return layout->count * sizeof *layout->fields;
}

static size_t table_size(const mapped_layout *layout)
{
    return (layout->table_mask + 1) * sizeof *layout->table;
}

static size_t text_size(const mapped_layout *layout)
{
    return sizeof *layout + layout->length + 1;
}

size_t mapped_layout_room(const mapped_layout *layout)
{
    return fields_size(layout) + table_size(layout) + text_size(layout);
}

/* The struct comes last, for the sake of the text that it ends with. */
mapped_layout *mapped_layout_copy(const mapped_layout *layout, void *memory)
{
    mapped_layout_entry *fields = memory;
    size_t *table = (size_t *)(fields + layout->count);
    mapped_layout *copy = (mapped_layout *)(table + layout->table_mask + 1);
    memcpy(fields, layout->fields, fields_size(layout));
    memcpy(table, layout->table, table_size(layout));
    memcpy(copy, layout, text_size(layout));
    copy->fields = fields;
    copy->table = table;
    for (size_t i = 0; i < copy->count; i++)
        fields[i].name = copy->text + (fields[i].name - layout->text);
    return copy;
}

size_t mapped_layout_size(const mapped_layout *layout)
{
    return layout->size;
}

size_t mapped_layout_count(const mapped_layout *layout)
{
    return layout->count;
}

const mapped_layout_entry *mapped_layout_field(const mapped_layout *layout,
                                               size_t i)
{
    return &layout->fields[i];
}

const mapped_layout_entry *mapped_layout_find(const mapped_layout *layout,
                                              const char *name, size_t length)
{
    size_t slot = *find_slot(layout, name, length);
    return slot == 0 ? NULL : &layout->fields[slot - 1];
}

static mapped_status count_records(const mapped_layout *layout,
                                   mapped_slice slice, size_t *count,
                                   mapped_error *error)
{
    size_t rest = slice.length % layout->size;
    const uint64_t numbers[3] = {slice.length - rest, rest, layout->size};
    mapped_status status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (rest != 0)
        return mapped_error_set_range(error, MAPPED_SIZE, "records", numbers);
    *count = slice.length / layout->size;
    return MAPPED_OK;
}

mapped_status mapped_layout_records(const mapped_layout *layout,
                                    mapped_slice slice, size_t *count,
                                    mapped_error *error)
{
    return mapped__region_end(slice.region, "records",
                              count_records(layout, slice, count, error),
                              error);
}

static mapped_status find_record(const mapped_layout *layout,
                                 mapped_slice slice, size_t index,
                                 mapped_slice *record, mapped_error *error)
{
    size_t start;
    if (!mapped_multiply_size(index, layout->size, &start))
        start = SIZE_MAX;
    return mapped_slice_sub(slice, start, layout->size, record, error);
}

mapped_status mapped_layout_record(const mapped_layout *layout,
                                   mapped_slice slice, size_t index,
                                   mapped_slice *record, mapped_error *error)
{
    return mapped__region_end(slice.region, "record",
                              find_record(layout, slice, index, record, error),
                              error);
}
