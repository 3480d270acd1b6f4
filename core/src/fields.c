/* Compiles fields from a source of any dialect, and finds them by name. See
 * fields_internal.h for how; the readers of the three languages have files of
 * their own, that of lists is here. */
#include "fields_internal.h"

#include <stdlib.h>
#include <string.h>

mapped_status mapped__format_wrong(mapped_error *error,
                                   mapped_format_reason reason,
                                   size_t source_at, size_t number)
{
    static const char *const texts[] = {
#define REASON_TEXT(name, text) text,
        MAPPED_FORMAT_REASON_MAP(REASON_TEXT)};
    const mapped_error_range range = {
        .offset = source_at, .length = number, .limit = reason};
    return mapped_error_set_range(error, MAPPED_FORMAT, texts[reason], range);
}

mapped_status mapped__layout_wrong(mapped_error *error,
                                   mapped_layout_reason reason,
                                   size_t source_at)
{
    static const char *const texts[] = {MAPPED_LAYOUT_REASON_MAP(REASON_TEXT)};
#undef REASON_TEXT
    const mapped_error_range range = {.offset = source_at, .limit = reason};
    return mapped_error_set_range(error, MAPPED_LAYOUT, texts[reason], range);
}

/* The hash function FNV-1a. */
static size_t hash(const char *name, size_t length)
{
    uint64_t value = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < length; i++)
        value = (value ^ (unsigned char)name[i]) * UINT64_C(0x100000001B3);
    return (size_t)(value ^ value >> 32);
}

/* Returns the slot of that name, or the empty one where it belongs. At least
 * half of the slots are empty. */
static size_t *find_slot(const mapped_fields *fields, const char *name,
                         size_t length)
{
    for (size_t i = hash(name, length);; i++) {
        size_t *slot = &fields->table_[i & fields->mask_];
        if (*slot == 0)
            return slot;
        const mapped_field *field = &fields->fields[*slot - 1];
        if (field->name_length == length &&
            memcmp(field->name, name, length) == 0)
            return slot;
    }
}

const mapped_field *mapped_fields_find(const mapped_fields *fields,
                                       const char *name, size_t length)
{
    size_t slot = fields->named ? *find_slot(fields, name, length) : 0;
    return slot == 0 ? NULL : &fields->fields[slot - 1];
}

static mapped_status index_names(const mapped_fields *fields,
                                 mapped_error *error)
{
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        size_t *slot = find_slot(fields, field->name, field->name_length);
        if (*slot != 0)
            return mapped__layout_wrong(error, MAPPED_LAYOUT_DUPLICATE_WRONG,
                                        field->source_at);
        *slot = i + 1;
    }
    return MAPPED_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const mapped_field *first = *(const mapped_field *const *)a;
    const mapped_field *second = *(const mapped_field *const *)b;
    return (first->offset > second->offset) - (first->offset < second->offset);
}

/* Sorts the fields by their offsets. No field is empty, so if any two overlap,
 * two that follow one another overlap. */
static mapped_status sort_by_offset(const mapped_fields *fields,
                                    mapped_error *error)
{
    const mapped_field **order = fields->order_;
    for (size_t i = 0; i < fields->count; i++)
        order[i] = &fields->fields[i];
    qsort(order, fields->count, sizeof(const mapped_field *), compare_offsets);
    for (size_t i = 1; i < fields->count; i++) {
        const mapped_field *first = order[i - 1], *second = order[i];
        if (first->offset + first->item.size > second->offset)
            return mapped__layout_wrong(error, MAPPED_LAYOUT_OVERLAP_WRONG,
                                        first->source_at > second->source_at
                                            ? first->source_at
                                            : second->source_at);
    }
    return MAPPED_OK;
}

static size_t table_size(size_t count)
{
    size_t size = 8;
    while (size < count * 2)
        size *= 2;
    return size;
}

/* Where the parts of a record begin, in bytes from its mapped_fields. */
typedef struct sections {
    size_t order, table, names, end;
} sections;

/* Returns false if the bytes overflow. */
static bool find_sections(const mapped__builder *builder, sections *at)
{
    bool named = builder->fields.named;
    size_t count = builder->fields.count, bytes;
    if (count > MAPPED__FIELDS_LIMIT / 256)
        return false;
    at->order = sizeof(mapped_fields) + count * sizeof(mapped_field);
    at->table = at->order + (named ? count * sizeof(mapped_field *) : 0);
    at->names = at->table + (named ? table_size(count) * sizeof(size_t) : 0);
    return mapped_add_size(at->names, builder->name_bytes, &bytes) &&
           mapped_round_up(bytes, 16, &at->end);
}

void mapped__fields_add(mapped__builder *builder, const mapped_field *field)
{
    mapped_fields *fields = &builder->fields;
    const mapped_item *item = &field->item;
    /* No sum overflows: a field that isn't spread adds one value, and one that
     * is adds at most as many as it has bytes. */
    if (item->kind != MAPPED_ITEM_PAD && item->kind != MAPPED_ITEM_WRONG)
        fields->values += field->spread ? item->count : 1;
    if (item->align > fields->align)
        fields->align = item->align;
    if (item->record != NULL && !item->record->dense_)
        fields->dense_ = false;
    fields->count++;
    builder->item_bytes += item->size;
    if (field->name != NULL)
        builder->name_bytes += field->name_length + 1;
    if (builder->next == NULL)
        return;
    mapped_field *to = builder->next++;
    *to = *field;
    if (field->name != NULL) {
        to->name = builder->names;
        memcpy(builder->names, field->name, field->name_length);
        builder->names[field->name_length] = '\0';
        builder->names += field->name_length + 1;
    }
}

static const mapped__builder empty = {.fields = {.align = 1, .dense_ = true}};

/* Takes memory for the record that has been measured, and readies the builder
 * to store it there. */
static mapped_fields *begin_record(mapped__parser *parser, const sections *at,
                                   mapped__builder *builder)
{
    unsigned char *memory = parser->memory;
    mapped_fields *stored = (mapped_fields *)memory, *fields = &builder->fields;
    size_t count = fields->count;
    bool named = fields->named;
    memset(memory, 0, at->names);
    parser->memory += at->end;
    if (parser->root == NULL)
        parser->root = stored;
    *builder = empty;
    builder->next = (mapped_field *)(stored + 1);
    builder->names = (char *)memory + at->names;
    fields->fields = builder->next;
    fields->root_ = parser->root;
    fields->references_ = 1;
    if (named) {
        fields->order_ = (const mapped_field **)(memory + at->order);
        fields->table_ = (size_t *)(memory + at->table);
        fields->mask_ = table_size(count) - 1;
    }
    return stored;
}

/* Stores what is known now that all fields have been added. */
static mapped_status end_record(const mapped__builder *builder,
                                mapped_fields *stored, mapped_error *error)
{
    *stored = builder->fields;
    if (!stored->named)
        return MAPPED_OK;
    if (builder->item_bytes != stored->size)
        stored->dense_ = false;
    mapped_status status = index_names(stored, error);
    return status == MAPPED_OK ? sort_by_offset(stored, error) : status;
}

mapped_status mapped__fields_build(mapped__parser *parser,
                                   mapped__fields_reader *read,
                                   const void *context, mapped_item *item)
{
    mapped__builder builder = empty;
    mapped__parser measuring = *parser;
    mapped_fields *stored = NULL;
    sections at;
    measuring.memory = NULL;
    mapped_status status = read(&measuring, &builder, context);
    if (status != MAPPED_OK)
        return status;
    if (!find_sections(&builder, &at) ||
        !mapped_add_size(measuring.bytes, at.end, &measuring.bytes))
        return mapped_error_set(parser->error, MAPPED_MEMORY, "fields");
    if (parser->memory == NULL) {
        *parser = measuring;
    } else {
        stored = begin_record(parser, &at, &builder);
        status = read(parser, &builder, context);
        if (status == MAPPED_OK)
            status = end_record(&builder, stored, parser->error);
    }
    *item = mapped_item_of_record(&builder.fields);
    item->record = stored;
    return status;
}

/* Reads a format of the dialect PACK_LATE: a mistake in the text becomes the
 * last field, so that it is reported only after all fields before it have
 * succeeded. */
static mapped_status read_pack_late(mapped__parser *parser,
                                    mapped__builder *builder,
                                    const void *context)
{
    mapped_error *error = parser->error, found = MAPPED_ERROR_INIT;
    parser->error = &found;
    if (mapped__fields_read_pack(parser, builder, context) != MAPPED_OK) {
        mapped_field field = {
            .reason = (uint8_t)found.limit,
            .source_at = (size_t)found.offset,
            .item = {.kind = MAPPED_ITEM_WRONG, .count = (size_t)found.length}};
        if (field.source_at < parser->length)
            field.code = parser->text[field.source_at];
        builder->fields.fixed = false;
        builder->fields.size = 0;
        mapped__fields_add(builder, &field);
    }
    parser->error = error;
    return MAPPED_OK;
}

/* What read_list reads: a source of the dialect LIST, or a record in one. */
typedef struct list {
    const mapped_field *fields;
    size_t count;
    size_t size; /* of the record; 0: it ends with its farthest field */
    int depth;   /* 1: the outermost */
} list;

/* The buffer protocol ends a name with a colon, and C with a NUL. */
static bool is_name(const mapped_field *field)
{
    return field->name != NULL && field->name_length > 0 &&
           memchr(field->name, ':', field->name_length) == NULL &&
           memchr(field->name, '\0', field->name_length) == NULL;
}

/* Checks the i-th field, and sets `*end` to where it ends. */
static mapped_status check_listed(const list *list, size_t i, size_t *end,
                                  mapped_error *error)
{
    const mapped_field *field = &list->fields[i];
    const mapped_item *item = &field->item;
    if (!is_name(field))
        return mapped__layout_wrong(error, MAPPED_LAYOUT_NAME_WRONG, i);
    if (item->kind > MAPPED_ITEM_RECORDS || item->size == 0)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TYPE_WRONG, i);
    if (!mapped_add_size(field->offset, item->size, end) ||
        *end > MAPPED__FIELDS_LIMIT || list->size > MAPPED__FIELDS_LIMIT)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TOO_LARGE_WRONG, i);
    if (list->size != 0 && *end > list->size)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TOO_SMALL_WRONG, i);
    if (item->record != NULL && list->depth == MAPPED_FIELDS_DEPTH)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_DEPTH_WRONG, i);
    return MAPPED_OK;
}

static mapped_status read_list(mapped__parser *parser, mapped__builder *builder,
                               const void *context);

/* Compiles the record in a field once more, as part of this compiled object. */
static mapped_status copy_record(mapped__parser *parser, int depth,
                                 const mapped_fields **record)
{
    const list inner = {(*record)->fields, (*record)->count, (*record)->size,
                        depth};
    mapped_item item;
    mapped_status status =
        mapped__fields_build(parser, read_list, &inner, &item);
    *record = item.record;
    return status;
}

static mapped_status read_listed(mapped__parser *parser,
                                 mapped__builder *builder, const list *list,
                                 size_t i)
{
    mapped_field field = list->fields[i];
    size_t end = 0;
    mapped_status status = check_listed(list, i, &end, parser->error);
    if (status == MAPPED_OK && field.item.record != NULL)
        status = copy_record(parser, list->depth + 1, &field.item.record);
    if (status != MAPPED_OK)
        return status;
    field.source_at = i;
    field.align = 0;
    field.spread = false;
    mapped__fields_add(builder, &field);
    if (end > builder->fields.size)
        builder->fields.size = end;
    return MAPPED_OK;
}

static mapped_status read_list(mapped__parser *parser, mapped__builder *builder,
                               const void *context)
{
    const list *list = context;
    mapped_status status = MAPPED_OK;
    builder->fields.named = builder->fields.fixed = true;
    if (list->count == 0)
        return mapped__layout_wrong(parser->error, MAPPED_LAYOUT_EMPTY_WRONG,
                                    0);
    for (size_t i = 0; i < list->count && status == MAPPED_OK; i++)
        status = read_listed(parser, builder, list, i);
    if (list->size != 0)
        builder->fields.size = list->size;
    return status;
}

static mapped_status read_source(mapped__parser *parser,
                                 const mapped_fields_source *source)
{
    static mapped__fields_reader *const readers[] = {
        [MAPPED_DIALECT_STRUCT] = mapped__fields_read_struct,
        [MAPPED_DIALECT_PACK] = mapped__fields_read_pack,
        [MAPPED_DIALECT_PACK_LATE] = read_pack_late,
        [MAPPED_DIALECT_LAYOUT] = mapped__fields_read_layout,
        [MAPPED_DIALECT_LIST] = read_list};
    const list list = {source->list, source->count, source->size, 1};
    bool is_list = source->dialect == MAPPED_DIALECT_LIST;
    mapped_item item;
    parser->text = source->length == 0 ? "" : source->text;
    parser->length = source->length;
    return mapped__fields_build(parser, readers[source->dialect],
                                is_list ? &list : NULL, &item);
}

mapped_status mapped_fields_room(const mapped_fields_source *source,
                                 size_t *bytes, mapped_error *error)
{
    mapped__parser parser = {.error = error};
    mapped_status status = read_source(&parser, source);
    if (status == MAPPED_OK)
        *bytes = parser.bytes;
    return status;
}

mapped_status mapped_fields_init(const mapped_fields_source *source,
                                 void *memory, mapped_fields **fields,
                                 mapped_error *error)
{
    mapped__parser parser = {.memory = memory, .error = error};
    mapped_status status = read_source(&parser, source);
    if (status == MAPPED_OK)
        *fields = parser.root;
    return status;
}

mapped_status mapped_fields_compile(const mapped_fields_source *source,
                                    mapped_fields **fields, mapped_error *error)
{
    size_t bytes = 0;
    mapped_status status = mapped_fields_room(source, &bytes, error);
    if (status != MAPPED_OK)
        return status;
    void *memory = malloc(bytes);
    if (memory == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "fields");
    status = mapped_fields_init(source, memory, fields, error);
    if (status != MAPPED_OK)
        free(memory);
    return status;
}

void mapped_fields_acquire(const mapped_fields *fields)
{
    __atomic_fetch_add(&fields->root_->references_, 1, __ATOMIC_RELAXED);
}

void mapped_fields_release(const mapped_fields *fields)
{
    if (fields != NULL && __atomic_sub_fetch(&fields->root_->references_, 1,
                                             __ATOMIC_ACQ_REL) == 0)
        free(fields->root_);
}
