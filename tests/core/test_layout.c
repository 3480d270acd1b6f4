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
    mapped_layout *layout = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    if (mapped_layout_compile(text, strlen(text), &layout, &error) !=
        MAPPED_OK) {
        snprintf(line, capacity, "wrong\t%" PRIu64 "\t%s", error.offset,
                 reason_name(error.limit));
        return;
    }
    int used = snprintf(line, capacity, "%zu\t", mapped_layout_size(layout));
    for (size_t i = 0; i < mapped_layout_count(layout); i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        used += snprintf(line + used, capacity - (size_t)used,
                         "%s%s %s %zu %zu", i > 0 ? "; " : "", field->name,
                         field->element->name, field->count, field->offset);
    }
    mapped_layout_release(layout);
}

/* What a machine with long pointers can say, a 32-bit one may not. */
static bool fits_machine(const char *line)
{
    return sizeof(size_t) == 8 || strstr(line, "9223372036854775807") == NULL;
}

static void test_layout_vectors(void)
{
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
    mapped_layout *layout = (mapped_layout *)(uintptr_t)4711;
    CHECK_STATUS(mapped_layout_compile("a:u9", 4, &layout, NULL),
                 MAPPED_LAYOUT);
    CHECK(layout == (mapped_layout *)(uintptr_t)4711);
}

static void test_layout_reads_no_further_than_told(void)
{
    mapped_layout *layout = NULL;
    CHECK_STATUS(mapped_layout_compile("a:u16[3]", 5, &layout, NULL),
                 MAPPED_OK);
    CHECK_UINT(mapped_layout_size(layout), 2);
    mapped_layout_release(layout);
    CHECK_STATUS(mapped_layout_compile(NULL, 0, &layout, NULL), MAPPED_LAYOUT);
}

static void test_layout_finds_every_one_of_many_fields(void)
{
    char text[20000], name[8];
    int used = 0;
    for (int i = 0; i < 1000; i++)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "f%d:u32,", i);
    mapped_layout *layout = memory_layout(text);
    for (size_t i = 0; i < 1000; i++) {
        int length = snprintf(name, sizeof name, "f%zu", i);
        const mapped_layout_entry *field =
            mapped_layout_find(layout, name, (size_t)length);
        if (CHECK(field != NULL))
            CHECK_UINT(field->offset, i * 4);
    }
    CHECK(mapped_layout_find(layout, "f1000", 5) == NULL);
    CHECK(mapped_layout_find(layout, "f", 1) == NULL);
    CHECK(mapped_layout_find(layout, "", 0) == NULL);
    mapped_layout_release(layout);
}

static void test_layout_copy_needs_nothing_but_its_memory(void)
{
    mapped_layout *layout = memory_layout("first:u32 _:u8 second:char[16]@8");
    void *memory = malloc(mapped_layout_room(layout));
    const mapped_layout *copy = mapped_layout_copy(layout, memory);
    mapped_layout_release(layout);
    CHECK_UINT(mapped_layout_size(copy), 24);
    CHECK_UINT(mapped_layout_count(copy), 2);
    CHECK_TEXT(mapped_layout_field(copy, 0)->name, "first");
    const mapped_layout_entry *field = mapped_layout_find(copy, "second", 6);
    if (CHECK(field == mapped_layout_field(copy, 1))) {
        CHECK_TEXT(field->name, "second");
        CHECK_UINT(field->offset, 8);
        CHECK_UINT(field->count, 16);
    }
    CHECK(mapped_layout_find(copy, "third", 5) == NULL);
    free(memory);
}

static void test_layout_records_of_a_part_are_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_layout *layout = memory_layout("a:u8[12]");
    mapped_error error = MAPPED_ERROR_INIT;
    size_t count = 4711;
    CHECK_STATUS(mapped_layout_records(layout, mapped_region_slice(region),
                                       &count, &error),
                 MAPPED_SIZE);
    CHECK_UINT(count, 4711);
    CHECK_UINT(error.offset, 96);
    CHECK_UINT(error.length, 4);
    CHECK_STATUS(mapped_layout_records(layout, memory_slice(region, 3, 96),
                                       &count, &error),
                 MAPPED_OK);
    CHECK_UINT(count, 8);
    mapped_layout_release(layout);
    mapped_region_release(region);
}

static void test_layout_record_outside_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = memory_slice(region, 2, 96), record;
    mapped_layout *layout = memory_layout("a:u8[12]");
    const size_t outside[] = {8, 9, SIZE_MAX / 12, SIZE_MAX / 12 + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        CHECK_STATUS(
            mapped_layout_record(layout, slice, outside[i], &record, NULL),
            MAPPED_RANGE);
    CHECK_STATUS(mapped_layout_record(layout, slice, 7, &record, NULL),
                 MAPPED_OK);
    CHECK_UINT(record.offset, 2 + 7 * 12);
    CHECK_UINT(record.length, 12);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_layout_record(layout, slice, 7, &record, NULL),
                 MAPPED_CLOSED);
    mapped_layout_release(layout);
    mapped_region_release(region);
}

static void test_layout_message_names_the_place(void)
{
    mapped_layout *layout;
    mapped_error error = MAPPED_ERROR_INIT;
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    CHECK_STATUS(mapped_layout_compile("a:u8 a:u8", 9, &layout, &error),
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
    RUN(test_layout_copy_needs_nothing_but_its_memory);
    RUN(test_layout_records_of_a_part_are_refused);
    RUN(test_layout_record_outside_is_refused);
    RUN(test_layout_message_names_the_place);
    return check_finish();
}
