/* Compiling fields from any source, and finding them by name. */
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

/* Returns the slot of that name, or the empty one where it belongs. */
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

static size_t table_size(size_t count)
{
    size_t size = 8;
    while (size < count * 2)
        size *= 2;
    return size;
}

/* Where the arrays of one record begin, in bytes from its struct. */
typedef struct sections {
    size_t order, table, names, end;
} sections;

/* Returns false if the bytes overflow. */
static bool find_sections(const mapped__builder *record, sections *at)
{
    size_t named = record->named ? record->count : 0, bytes;
    if (record->count > MAPPED__FIELDS_LIMIT / 256)
        return false;
    at->order = sizeof(mapped_fields) + record->count * sizeof(mapped_field);
    at->table = at->order + named * sizeof(mapped_field *);
    at->names =
        at->table + (record->named ? table_size(named) * sizeof(size_t) : 0);
    return mapped_add_size(at->names, record->name_bytes, &bytes) &&
           mapped_round_up(bytes, 16, &at->end);
}

mapped_status mapped__builder_begin(mapped__parser *parser,
                                    mapped__builder *record)
{
    sections at;
    if (!find_sections(record, &at) ||
        !mapped_add_size(parser->bytes, at.end, &parser->bytes))
        return mapped_error_set(parser->error, MAPPED_MEMORY, "fields");
    if (parser->memory == NULL)
        return MAPPED_OK;
    mapped_fields *fields = (mapped_fields *)parser->memory;
    memset(fields, 0, at.names);
    if (parser->root == NULL)
        parser->root = fields;
    fields->fields = (const mapped_field *)(fields + 1);
    fields->root_ = parser->root;
    fields->references_ = 1;
    fields->named = record->named;
    if (record->named) {
        fields->order_ = (const mapped_field **)(parser->memory + at.order);
        fields->table_ = (size_t *)(parser->memory + at.table);
        fields->mask_ = table_size(record->count) - 1;
    }
    record->fields = fields;
    record->names = (char *)parser->memory + at.names;
    record->count = 0;
    record->size = 0;
    parser->memory += at.end;
    return MAPPED_OK;
}

void mapped__builder_add(mapped__builder *record, const mapped_field *field)
{
    if (record->fields != NULL) {
        mapped_field *to = (mapped_field *)(record->fields + 1) + record->count;
        *to = *field;
        if (field->name != NULL) {
            to->name = record->names;
            memcpy(record->names, field->name, field->name_length);
            record->names[field->name_length] = '\0';
            record->names += field->name_length + 1;
        }
    } else if (field->name != NULL) {
        record->name_bytes += field->name_length + 1;
    }
    record->count++;
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

static int by_offset(const void *a, const void *b)
{
    const mapped_field *first = *(const mapped_field *const *)a;
    const mapped_field *second = *(const mapped_field *const *)b;
    return (first->offset > second->offset) - (first->offset < second->offset);
}

/* Sorts the fields by their offsets. No field is empty, so if any two overlap,
 * two that follow one another overlap. */
static mapped_status put_in_order(mapped_fields *fields, mapped_error *error)
{
    const mapped_field **order = fields->order_;
    for (size_t i = 0; i < fields->count; i++)
        order[i] = &fields->fields[i];
    qsort(order, fields->count, sizeof(const mapped_field *), by_offset);
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

/* Does the next field follow at a fixed distance? */
static bool is_followed(const mapped_field *field)
{
    const mapped_field *next = field + 1;
    return !mapped__field_varies(field) && !mapped__field_varies(next) &&
           next->item.kind != MAPPED_ITEM_WRONG && next->align <= 1 &&
           next->offset >= field->offset + field->item.size;
}

/* A run is a series of fields at fixed distances. From the last field to the
 * first, each gets `end_`, the index after its run, `rest_`, the bytes to the
 * end of the run, and `gap_`, the bytes between it and the next field. */
static void find_runs(mapped_fields *fields, mapped__builder *record)
{
    mapped_field *all = (mapped_field *)(fields + 1);
    for (size_t i = fields->count; i-- > 0;) {
        mapped_field *field = &all[i], *next = field + 1;
        size_t size = field->item.size;
        field->end_ = i + 1;
        field->rest_ = size;
        if (i + 1 == fields->count && record->fixed)
            field->rest_ = record->size - field->offset;
        if (i + 1 < fields->count && is_followed(field)) {
            field->end_ = next->end_;
            field->rest_ = next->offset - field->offset + next->rest_;
            field->gap_ = next->offset - field->offset - size;
        } else if (record->fixed) {
            field->gap_ = field->rest_ - size;
        }
    }
    fields->fixed =
        record->fixed || fields->count == 0 ||
        (all->end_ == fields->count && all->align <= 1 &&
         !mapped__field_varies(all) && all->item.kind != MAPPED_ITEM_WRONG);
    fields->size = fields->fixed ? record->size : 0;
}

/* No sum overflows: a field that isn't spread adds one value, and one that is
 * adds at most as many as it has bytes. */
static void sum_up(mapped_fields *fields)
{
    size_t bytes = 0;
    fields->align = 1;
    fields->dense_ = true;
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        const mapped_fields *inner = field->item.record;
        if (field->item.kind != MAPPED_ITEM_PAD &&
            field->item.kind != MAPPED_ITEM_WRONG)
            fields->values += field->spread ? field->item.count : 1;
        bytes += field->item.size;
        if (field->item.align > fields->align)
            fields->align = field->item.align;
        if (inner != NULL && !inner->dense_)
            fields->dense_ = false;
    }
    if (fields->named && bytes != fields->size)
        fields->dense_ = false;
}

mapped_status mapped__builder_end(mapped__parser *parser,
                                  mapped__builder *record)
{
    mapped_fields *fields = record->fields;
    fields->count = record->count;
    if (!record->named) {
        find_runs(fields, record);
        sum_up(fields);
        return MAPPED_OK;
    }
    fields->fixed = true;
    fields->size = record->size;
    sum_up(fields);
    mapped_status status = index_names(fields, parser->error);
    return status == MAPPED_OK ? put_in_order(fields, parser->error) : status;
}

/* For MAPPED_DIALECT_PACK_LATE: a mistake in the text becomes the last field,
 * so that it is reported only after all fields before it have succeeded. */
static mapped_status read_late(mapped__parser *parser, mapped__builder *record)
{
    mapped_error *error = parser->error, found = MAPPED_ERROR_INIT;
    parser->error = &found;
    if (mapped__fields_read_pack(parser, record) != MAPPED_OK) {
        mapped_field field = {
            .reason = (uint8_t)found.limit,
            .source_at = (size_t)found.offset,
            .item = {.kind = MAPPED_ITEM_WRONG, .count = (size_t)found.length}};
        if (field.source_at < parser->length)
            field.code = parser->text[field.source_at];
        mapped__builder_add(record, &field);
    }
    parser->error = error;
    return MAPPED_OK;
}

typedef mapped_status read_fields(mapped__parser *parser,
                                  mapped__builder *record);

static mapped_status read_format(mapped__parser *parser, mapped_dialect dialect)
{
    read_fields *read =
        dialect == MAPPED_DIALECT_STRUCT ? mapped__fields_read_struct
        : dialect == MAPPED_DIALECT_PACK ? mapped__fields_read_pack
                                         : read_late;
    mapped__builder record = {.fixed = dialect == MAPPED_DIALECT_STRUCT};
    mapped__parser second = *parser;
    mapped_status status = read(parser, &record);
    if (status == MAPPED_OK)
        status = mapped__builder_begin(parser, &record);
    if (status != MAPPED_OK || parser->memory == NULL)
        return status;
    (void)read(&second, &record);
    parser->root->late_ = dialect != MAPPED_DIALECT_STRUCT;
    return mapped__builder_end(parser, &record);
}

static bool is_name(const mapped_field *field)
{
    return field->name != NULL && field->name_length > 0 &&
           memchr(field->name, ':', field->name_length) == NULL &&
           memchr(field->name, '\0', field->name_length) == NULL;
}

static mapped_status check_listed(const mapped_fields_source *source, size_t i,
                                  mapped__builder *record, mapped_error *error)
{
    const mapped_field *field = &source->list[i];
    const mapped_item *item = &field->item;
    size_t end;
    if (!is_name(field))
        return mapped__layout_wrong(error, MAPPED_LAYOUT_NAME_WRONG, i);
    if (item->kind > MAPPED_ITEM_RECORDS || item->size == 0)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TYPE_WRONG, i);
    if (!mapped_add_size(field->offset, item->size, &end) ||
        end > MAPPED__FIELDS_LIMIT || source->size > MAPPED__FIELDS_LIMIT)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TOO_LARGE_WRONG, i);
    if (source->size != 0 && end > source->size)
        return mapped__layout_wrong(error, MAPPED_LAYOUT_TOO_SMALL_WRONG, i);
    if (end > record->size)
        record->size = end;
    return MAPPED_OK;
}

static mapped_status read_list(mapped__parser *parser,
                               const mapped_fields_source *source, int depth,
                               mapped_fields **made);

/* Compiles the record of the i-th field once more, if that is one. */
static mapped_status read_inner(mapped__parser *parser, int depth, size_t i,
                                mapped_item *item)
{
    mapped_fields *inner = NULL;
    if (item->record == NULL)
        return MAPPED_OK;
    if (depth == MAPPED_FIELDS_DEPTH)
        return mapped__layout_wrong(parser->error, MAPPED_LAYOUT_DEPTH_WRONG,
                                    i);
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_LIST,
                                         .list = item->record->fields,
                                         .count = item->record->count,
                                         .size = item->record->size};
    mapped_status status = read_list(parser, &source, depth + 1, &inner);
    item->record = inner;
    return status;
}

static mapped_status read_list(mapped__parser *parser,
                               const mapped_fields_source *source, int depth,
                               mapped_fields **made)
{
    mapped__builder record = {.named = true};
    mapped_status status = MAPPED_OK;
    if (source->count == 0)
        return mapped__layout_wrong(parser->error, MAPPED_LAYOUT_EMPTY_WRONG,
                                    0);
    for (size_t i = 0; i < source->count && status == MAPPED_OK; i++) {
        status = check_listed(source, i, &record, parser->error);
        mapped__builder_add(&record, &source->list[i]);
    }
    size_t end = record.size;
    if (status == MAPPED_OK)
        status = mapped__builder_begin(parser, &record);
    for (size_t i = 0; i < source->count && status == MAPPED_OK; i++) {
        mapped_field field = source->list[i];
        field.source_at = i;
        field.align = 0;
        field.spread = false;
        status = read_inner(parser, depth, i, &field.item);
        if (parser->memory != NULL && status == MAPPED_OK)
            mapped__builder_add(&record, &field);
    }
    if (status != MAPPED_OK || parser->memory == NULL)
        return status;
    record.size = source->size != 0 ? source->size : end;
    *made = record.fields;
    return mapped__builder_end(parser, &record);
}

static mapped_status read_all(const mapped_fields_source *source,
                              mapped__parser *parser)
{
    mapped_fields *made;
    parser->text = source->length == 0 ? "" : source->text;
    parser->length = source->length;
    if (source->dialect == MAPPED_DIALECT_LIST)
        return read_list(parser, source, 1, &made);
    if (source->dialect == MAPPED_DIALECT_LAYOUT)
        return mapped__fields_read_layout(parser);
    return read_format(parser, source->dialect);
}

mapped_status mapped_fields_room(const mapped_fields_source *source,
                                 size_t *bytes, mapped_error *error)
{
    mapped__parser parser = {.error = error};
    mapped_status status = read_all(source, &parser);
    if (status == MAPPED_OK)
        *bytes = parser.bytes;
    return status;
}

mapped_status mapped_fields_init(const mapped_fields_source *source,
                                 void *memory, mapped_fields **fields,
                                 mapped_error *error)
{
    mapped__parser parser = {.memory = memory, .error = error};
    mapped_status status = read_all(source, &parser);
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
