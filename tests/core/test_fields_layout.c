/* Guards against layouts that mean different offsets in different languages,
 * that overflow, or whose mistakes are blamed on the wrong place. */
#include "memory.h"

#define LINE_SIZE 512

static const char *reason_name(uint64_t reason)
{
    static const char *const names[] = {
#define REASON_NAME(name, text) #name,
        MAPPED_LAYOUT_REASON_MAP(REASON_NAME)
#undef REASON_NAME
    };
    return names[reason];
}

/* The size and the fields, or the mistake, as tests/vectors/layout.tsv has
 * them. */
static void describe(const char *text, char *line, size_t capacity)
{
    mapped_fields *layout = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    if (memory_compile(MAPPED_DIALECT_LAYOUT, text, strlen(text), &layout,
                       &error) != MAPPED_OK) {
        snprintf(line, capacity, "wrong\t%" PRIu64 "\t%s", error.offset,
                 reason_name(error.limit));
        return;
    }
    int used = snprintf(line, capacity, "%zu\t", layout->size);
    for (size_t i = 0; i < layout->count; i++) {
        const mapped_field *field = &layout->fields[i];
        char type[LINE_SIZE];
        mapped_item_spell(&field->item, MAPPED_SPELLING_LAYOUT, type,
                          sizeof type);
        used += snprintf(line + used, capacity - (size_t)used, "%s%s %s %zu",
                         i > 0 ? "; " : "", field->name, type, field->offset);
    }
    mapped_fields_release(layout);
}

/* What a machine with long pointers can say, a 32-bit one may not. */
static bool fits_machine(const char *line)
{
    return sizeof(size_t) == 8 ||
           (strstr(line, "9223372036854775807") == NULL &&
            strstr(line, "7FFFFFFFFFFFFFFF") == NULL);
}

static void test_layout_vectors(void)
{
    if (check_skip_narrow())
        return;
    char line[LINE_SIZE], found[LINE_SIZE];
    size_t rows = 0;
    FILE *file = fopen("tests/vectors/layout.tsv", "r");
    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        char *expected = strchr(line, '\t');
        if (line[0] == '#' || expected == NULL || !fits_machine(line))
            continue;
        *expected++ = '\0';
        expected[strcspn(expected, "\r\n")] = '\0';
        describe(line, found, sizeof found);
        if (!CHECK_TEXT(found, expected))
            printf("  of \"%s\"\n", line);
        rows++;
    }
    fclose(file);
    CHECK(rows > 60);
}

static void test_layout_failure_leaves_the_output_alone(void)
{
    mapped_fields *layout = (mapped_fields *)(uintptr_t)4711;
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_LAYOUT, "a:u9", 4, &layout, NULL),
        MAPPED_LAYOUT);
    CHECK(layout == (mapped_fields *)(uintptr_t)4711);
}

static void test_layout_reads_no_further_than_told(void)
{
    mapped_fields *layout = NULL;
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_LAYOUT, "a:u16[3]", 5, &layout, NULL),
        MAPPED_OK);
    CHECK_UINT(layout->size, 2);
    mapped_fields_release(layout);
    CHECK_STATUS(memory_compile(MAPPED_DIALECT_LAYOUT, NULL, 0, &layout, NULL),
                 MAPPED_LAYOUT);
}

static void test_layout_finds_every_one_of_many_fields(void)
{
    char text[20000], name[8];
    int used = 0;
    for (int i = 0; i < 1000; i++)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "f%d:u32,", i);
    mapped_fields *layout = memory_layout(text);
    for (size_t i = 0; i < 1000; i++) {
        int length = snprintf(name, sizeof name, "f%zu", i);
        const mapped_field *field =
            mapped_fields_find(layout, name, (size_t)length);
        if (CHECK(field != NULL))
            CHECK_UINT(field->offset, i * 4);
    }
    CHECK(mapped_fields_find(layout, "f1000", 5) == NULL);
    CHECK(mapped_fields_find(layout, "f", 1) == NULL);
    CHECK(mapped_fields_find(layout, "", 0) == NULL);
    mapped_fields_release(layout);
}

static void test_layout_in_memory_of_the_caller(void)
{
    char text[] = "first:u32 _:u8 second:{a:char[16]@8}";
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LAYOUT, .text = text, .length = strlen(text)};
    size_t bytes = 0;
    mapped_fields *fields = NULL;
    CHECK_STATUS(mapped_fields_room(&source, &bytes, NULL), MAPPED_OK);
    void *memory = malloc(bytes);
    CHECK_STATUS(mapped_fields_init(&source, memory, &fields, NULL), MAPPED_OK);
    CHECK(fields == memory);
    memset(text, 'x', sizeof text);
    CHECK_UINT(fields->size, 29);
    CHECK_UINT(fields->count, 2);
    CHECK_TEXT(fields->fields[0].name, "first");
    const mapped_field *field = mapped_fields_find(fields, "second", 6);
    if (CHECK(field == &fields->fields[1])) {
        CHECK_TEXT(field->name, "second");
        CHECK_UINT(field->offset, 5);
        CHECK_UINT(field->item.size, 24);
        CHECK_TEXT(field->item.record->fields[0].name, "a");
    }
    CHECK(mapped_fields_find(fields, "third", 5) == NULL);
    free(memory);
}

static void test_layout_depth_is_limited(void)
{
    char text[128] = "";
    mapped_fields *fields = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    for (int i = 0; i < MAPPED_FIELDS_DEPTH; i++)
        memcpy(text + 3 * i, "a:{", 3);
    text[3 * MAPPED_FIELDS_DEPTH - 1] = 'u';
    strcat(text, "8");
    memset(text + strlen(text), '}', MAPPED_FIELDS_DEPTH - 1);
    CHECK_STATUS(memory_compile(MAPPED_DIALECT_LAYOUT, text, strlen(text),
                                &fields, NULL),
                 MAPPED_OK);
    mapped_field list = {
        .name = "b", .name_length = 1, .item = mapped_item_of_record(fields)};
    mapped_fields *other = NULL;
    CHECK_STATUS(mapped_fields_compile(
                     &(mapped_fields_source){.dialect = MAPPED_DIALECT_LIST,
                                             .list = &list,
                                             .count = 1},
                     &other, &error),
                 MAPPED_LAYOUT);
    CHECK_UINT(error.limit, MAPPED_LAYOUT_DEPTH_WRONG);
    mapped_fields_release(fields);
    memmove(text + 3, text, strlen(text) + 1);
    memcpy(text, "b:{", 3);
    strcat(text, "}");
    CHECK_STATUS(memory_compile(MAPPED_DIALECT_LAYOUT, text, strlen(text),
                                &fields, &error),
                 MAPPED_LAYOUT);
    CHECK_UINT(error.limit, MAPPED_LAYOUT_DEPTH_WRONG);
    CHECK_UINT(error.offset, 3 * MAPPED_FIELDS_DEPTH - 1);
}

static void test_layout_inner_record_keeps_the_outer(void)
{
    mapped_fields *fields = memory_layout("a:{x:u8}[3] b:u8");
    const mapped_fields *inner = fields->fields[0].item.record;
    mapped_fields_acquire(inner);
    mapped_fields_release(fields);
    CHECK_TEXT(inner->fields[0].name, "x");
    mapped_fields_release(inner);
}

/* Everything that a list can say, spelled for the buffer protocol. */
static void test_list_is_copied_and_spelled(void)
{
    mapped_fields *inner = memory_layout("< x:u16be y:u24 z:bf16");
    mapped_item u32 = mapped_item_of(mapped_element_from_name("u32", 3, false));
    mapped_field list[] = {
        {.name = "b", .name_length = 1, .item = u32, .offset = 8},
        {.name = "a", .name_length = 1, .item = mapped_item_of_record(inner)},
        {.name = "c d", .name_length = 3, .offset = 12},
        {.name = "e", .name_length = 1, .offset = 24},
        {.name = "f", .name_length = 1, .offset = 18},
        {.name = "g", .name_length = 1, .offset = 60}};
    CHECK(mapped_item_repeat(&u32, 1, &list[2].item));
    CHECK(mapped_item_repeat(&list[1].item, 3, &list[3].item));
    list[4].item = mapped_item_of_bytes(MAPPED_ITEM_TEXT, 5);
    list[5].item = mapped_item_of(mapped_element_from_struct("c", 1, NULL));
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LIST, .list = list, .count = 6, .size = 64};
    mapped_fields *fields = NULL;
    CHECK_STATUS(mapped_fields_compile(&source, &fields, NULL), MAPPED_OK);
    mapped_fields_release(inner);
    char text[200];
    size_t length =
        mapped_fields_spell(fields, MAPPED_SPELLING_BUFFER, text, sizeof text);
    CHECK_TEXT(text, "T{T{>H:x:(3)B:y:(2)B:z:}:a:1x<I:b:(1)<I:c d:2x5s:f:1x"
                     "(3)T{>H:x:(3)B:y:(2)B:z:}:e:15x1s:g:3x}");
    CHECK_UINT(length, strlen(text));
    CHECK_UINT(mapped_fields_spell(fields, MAPPED_SPELLING_BUFFER, text, 5),
               length);
    CHECK_TEXT(text, "T{T{");
    CHECK_UINT(mapped_fields_spell(fields, MAPPED_SPELLING_BUFFER, NULL, 0),
               length);
    mapped_fields_spell(fields, MAPPED_SPELLING_LAYOUT, text, sizeof text);
    CHECK_TEXT(text, "< b:u32@8 a:{x:u16be y:u24 z:bf16}@0 c d:u32[1]@12 "
                     "e:{x:u16be y:u24 z:bf16}[3]@24 f:char[5]@18 g:char@60 "
                     "size=64");
    mapped_fields_release(fields);
}

static void test_list_mistakes_are_named(void)
{
    const mapped_item byte =
        mapped_item_of(mapped_element_from_struct("B", 1, NULL));
    const mapped_item pad = {.kind = MAPPED_ITEM_PAD, .count = 1, .size = 1};
    const mapped_field good = {.name = "a", .name_length = 1, .item = byte};
    mapped_field list[2] = {good, good};
    mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LIST, .list = list, .count = 2};
    const struct {
        mapped_field field;
        size_t size, place;
        mapped_layout_reason reason;
    } rows[] = {
        {good, 0, 1, MAPPED_LAYOUT_DUPLICATE_WRONG},
        {{.name = "b", .name_length = 1, .item = byte},
         0,
         1,
         MAPPED_LAYOUT_OVERLAP_WRONG},
        {{.name = "b", .item = byte, .offset = 1},
         0,
         1,
         MAPPED_LAYOUT_NAME_WRONG},
        {{.item = byte, .offset = 1}, 0, 1, MAPPED_LAYOUT_NAME_WRONG},
        {{.name = "b:", .name_length = 2, .item = byte, .offset = 1},
         0,
         1,
         MAPPED_LAYOUT_NAME_WRONG},
        {{.name = "b", .name_length = 1, .item = pad, .offset = 1},
         0,
         1,
         MAPPED_LAYOUT_TYPE_WRONG},
        {{.name = "b", .name_length = 1, .item = byte, .offset = SIZE_MAX},
         0,
         1,
         MAPPED_LAYOUT_TOO_LARGE_WRONG},
        {{.name = "b", .name_length = 1, .item = byte, .offset = 4},
         4,
         1,
         MAPPED_LAYOUT_TOO_SMALL_WRONG}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mapped_fields *fields = NULL;
        mapped_error error = MAPPED_ERROR_INIT;
        list[1] = rows[i].field;
        source.size = rows[i].size;
        CHECK_STATUS(mapped_fields_compile(&source, &fields, &error),
                     MAPPED_LAYOUT);
        CHECK_UINT(error.offset, rows[i].place);
        CHECK_TEXT(reason_name(error.limit), reason_name(rows[i].reason));
    }
    source.count = 0;
    mapped_fields *fields = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_fields_compile(&source, &fields, &error),
                 MAPPED_LAYOUT);
    CHECK_UINT(error.limit, MAPPED_LAYOUT_EMPTY_WRONG);
}

static void test_layout_message_names_the_place(void)
{
    mapped_fields *layout;
    mapped_error error = MAPPED_ERROR_INIT;
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_LAYOUT, "a:u8 a:u8", 9, &layout, &error),
        MAPPED_LAYOUT);
    mapped_error_message(&error, text, sizeof text);
    CHECK_TEXT(text, "duplicate field name: malformed layout at offset 5");
}

int main(void)
{
    RUN(test_layout_vectors);
    RUN(test_layout_failure_leaves_the_output_alone);
    RUN(test_layout_reads_no_further_than_told);
    RUN(test_layout_finds_every_one_of_many_fields);
    RUN(test_layout_in_memory_of_the_caller);
    RUN(test_layout_depth_is_limited);
    RUN(test_layout_inner_record_keeps_the_outer);
    RUN(test_list_is_copied_and_spelled);
    RUN(test_list_mistakes_are_named);
    RUN(test_layout_message_names_the_place);
    return check_finish();
}
