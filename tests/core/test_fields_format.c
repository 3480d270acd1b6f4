/* Guards against formats that unpack or pack other bytes than struct or
 * string.pack, that overflow, or that use lengths found in memory without a
 * check. */
#include "memory.h"

#include <mapped/fields.h>

#define LINE_SIZE 4096
#define ITEMS 8 /* some rows have more values */

typedef struct row {
    char *dialect, *format, *data, *start, *values, *end;
} row;

static const char *reason_name(uint64_t reason)
{
    static const char *const names[] = {
#define REASON_NAME(name, text) #name,
        MAPPED_FORMAT_REASON_MAP(REASON_NAME)
#undef REASON_NAME
    };
    return names[reason];
}

typedef struct text {
    char bytes[LINE_SIZE];
    size_t length;
} text;

static void put(text *to, const char *piece)
{
    size_t n = strlen(piece);
    if (to->length + n < sizeof to->bytes) {
        memcpy(to->bytes + to->length, piece, n + 1);
        to->length += n;
    }
}

static void put_bytes(text *to, const unsigned char *bytes, size_t n)
{
    char digits[3];
    put(to, "x:");
    for (size_t i = 0; i < n; i++) {
        snprintf(digits, sizeof digits, "%02x", bytes[i]);
        put(to, digits);
    }
}

/* Writes a value as tests/vectors/format.tsv does. A float is written as its
 * bits, because NaN and -0.0 must be compared too. Lua has no unsigned
 * integers. */
static void put_value(text *to, const mapped_field_value *item, bool lua)
{
    char digits[32];
    const mapped_element *element = item->field->item.element;
    if (element->kind == MAPPED_KIND_CHAR) {
        const unsigned char byte = (unsigned char)item->value.u;
        put_bytes(to, &byte, 1);
        return;
    }
    if (element->kind == MAPPED_KIND_FLOAT)
        snprintf(digits, sizeof digits, "f:%016" PRIx64, item->value.u);
    else if (element->kind == MAPPED_KIND_SIGNED || lua)
        snprintf(digits, sizeof digits, "%" PRId64, item->value.i);
    else
        snprintf(digits, sizeof digits, "%" PRIu64, item->value.u);
    put(to, digits);
}

static void put_items(text *to, const mapped_field_values *items,
                      mapped_slice slice, bool lua)
{
    unsigned char bytes[1024];
    for (size_t i = 0; i < items->count; i++) {
        const mapped_field_value *item = &items->values[i];
        if (to->length > 0)
            put(to, " ");
        if (item->field->item.kind <= MAPPED_ITEM_ELEMENTS) {
            put_value(to, item, lua);
            continue;
        }
        CHECK_STATUS(
            mapped_read(slice, item->offset, bytes, item->length, NULL),
            MAPPED_OK);
        put_bytes(to, bytes, item->length);
    }
}

static void put_error(text *to, const mapped_error *error)
{
    char line[64];
    if (error->status == MAPPED_FORMAT)
        snprintf(line, sizeof line, "wrong %" PRIu64 " %s", error->offset,
                 reason_name(error->limit));
    else
        snprintf(line, sizeof line, "%s",
                 error->status == MAPPED_RANGE   ? "range"
                 : error->status == MAPPED_VALUE ? "value"
                                                 : "another error");
    to->length = 0;
    put(to, line);
}

static size_t read_hex(const char *digits, unsigned char *bytes)
{
    size_t n = strlen(digits) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned value = 0;
        sscanf(digits + 2 * i, "%2x", &value);
        bytes[i] = (unsigned char)value;
    }
    return n;
}

static void split(char *line, row *row)
{
    char **columns[] = {&row->dialect, &row->format, &row->data,
                        &row->start,   &row->values, &row->end};
    line[strcspn(line, "\r\n")] = '\0';
    for (size_t i = 0; i < 6; i++) {
        char *tab = line + strcspn(line, "\t");
        *columns[i] = line;
        line = *tab != '\0' ? tab + 1 : tab;
        *tab = '\0';
    }
}

static mapped_status compile(const row *row, mapped_fields **format,
                             mapped_error *error)
{
    mapped_dialect dialect = strcmp(row->dialect, "struct") == 0
                                 ? MAPPED_DIALECT_STRUCT
                                 : MAPPED_DIALECT_PACK_LATE;
    return memory_compile(dialect, row->format, strlen(row->format), format,
                          error);
}

static mapped_status unpack(const row *row, mapped_slice slice, text *found,
                            size_t *end)
{
    mapped_field_value room[ITEMS];
    mapped_field_values items = {room, ITEMS, 0};
    mapped_fields *format;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_cursor cursor = {.offset = (size_t)atoi(row->start)};
    mapped_status status = compile(row, &format, &error);
    found->length = 0;
    found->bytes[0] = '\0';
    if (status == MAPPED_OK) {
        do {
            status =
                mapped_fields_unpack(format, slice, &cursor, &items, &error);
            put_items(found, &items, slice, row->dialect[0] == 'p');
        } while (status == MAPPED_OK && items.count > 0);
        mapped_fields_release(format);
    }
    if (status != MAPPED_OK)
        put_error(found, &error);
    *end = cursor.offset;
    return status;
}

/* Unpacks values, and packs them at the same offset into other bytes. */
static void pack_again(const row *row, mapped_slice from, mapped_slice to,
                       size_t end)
{
    mapped_field_value room[256] = {0};
    mapped_field_values items = {room, 256, 0};
    mapped_fields *format = NULL;
    mapped_cursor cursor = {.offset = (size_t)atoi(row->start)};
    if (!CHECK_STATUS(compile(row, &format, NULL), MAPPED_OK))
        return;
    CHECK_STATUS(mapped_fields_unpack(format, from, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(items.count, format->values);
    for (size_t i = 0; i < items.count; i++)
        room[i].data = from.region->base_ + from.offset + room[i].offset;
    cursor = (mapped_cursor){.offset = (size_t)atoi(row->start)};
    CHECK_STATUS(mapped_fields_pack(format, to, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(cursor.offset, end);
    mapped_fields_release(format);
}

static void check_row(const row *row)
{
    unsigned char bytes[2048], copy[2048];
    size_t n = read_hex(row->data, bytes), end;
    size_t start = (size_t)atoi(row->start);
    text found;
    mapped_region *region = memory_wrap(bytes, n, true);
    mapped_region *other = memory_wrap(copy, n, false);
    mapped_status status =
        unpack(row, mapped_region_slice(region), &found, &end);
    if (!CHECK_TEXT(found.bytes, row->values))
        printf("  of \"%s\"\n", row->format);
    if (status == MAPPED_OK) {
        CHECK_UINT(end, (size_t)atoi(row->end));
        memset(copy, 0xEE, sizeof copy);
        pack_again(row, mapped_region_slice(region), mapped_region_slice(other),
                   end);
        if (!CHECK_BYTES(copy + start, bytes + start, end - start))
            printf("  of \"%s\"\n", row->format);
        for (size_t i = end; i < n; i++)
            CHECK_UINT(copy[i], 0xEE);
    }
    mapped_region_release(region);
    mapped_region_release(other);
}

static void test_format_vectors(void)
{
    if (check_skip_narrow())
        return;
    char line[LINE_SIZE];
    size_t rows = 0;
    FILE *file = fopen("tests/vectors/format.tsv", "r");
    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        row row;
        if (line[0] == '#')
            continue;
        split(line, &row);
        check_row(&row);
        rows++;
    }
    fclose(file);
    CHECK(rows > 90);
}

static void test_format_native_alignment_is_that_of_c(void)
{
    struct native {
        char a;
        short b;
        char c;
        long d;
        char e;
        double f;
        char g;
        void *h;
        char i;
    };
    mapped_fields *format =
        memory_fields(MAPPED_DIALECT_STRUCT, "@b h b l b d b P b 0q");
    CHECK(format->fixed);
    CHECK_UINT(format->size, sizeof(struct native));
    CHECK_UINT(format->values, 9);
    mapped_fields_release(format);
}

static void test_format_early_dialect_refuses_at_once(void)
{
    mapped_fields *format = (mapped_fields *)(uintptr_t)4711;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(memory_compile(MAPPED_DIALECT_PACK, "i4y", 3, &format, &error),
                 MAPPED_FORMAT);
    CHECK_UINT(error.offset, 2);
    CHECK(format == (mapped_fields *)(uintptr_t)4711);
}

static void test_format_size_of_what_varies_is_unknown(void)
{
    static const char *const varying[] = {
        "z", "s4", "i4 z", "!8 i8", "y", "i4 c", "b !4 Xi4", "s1", "b!2 i2"};
    for (size_t i = 0; i < sizeof varying / sizeof varying[0]; i++) {
        mapped_fields *format =
            memory_fields(MAPPED_DIALECT_PACK_LATE, varying[i]);
        CHECK(!format->fixed);
        CHECK_UINT(format->size, 0);
        mapped_fields_release(format);
    }
}

static void test_format_failed_pack_writes_nothing(void)
{
    mapped_region *region = memory_region(16);
    mapped_slice slice = mapped_region_slice(region);
    mapped_fields *format = memory_fields(MAPPED_DIALECT_STRUCT, "<IB3s");
    mapped_field_value room[3] = {
        {.value.u = 0}, {.value.u = 256}, {.data = "abc"}};
    mapped_field_values items = {room, 3, 3};
    mapped_cursor cursor = {.offset = 0};
    mapped_error error = MAPPED_ERROR_INIT;
    for (size_t i = 0; i < 3; i++)
        CHECK(mapped_fields_next(format, &cursor, &room[i]));
    CHECK(!mapped_fields_next(format, &cursor, &room[0]));
    room[2].length = 3;
    cursor = (mapped_cursor){.offset = 0};
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, &error),
                 MAPPED_VALUE);
    CHECK_UINT(error.offset, 2);
    room[1].value.u = 255;
    room[2].length = 4;
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, &error),
                 MAPPED_SIZE);
    CHECK_UINT(error.offset, 4);
    room[2].length = 3;
    cursor.offset = 9;
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, NULL),
                 MAPPED_RANGE);
    cursor.offset = SIZE_MAX - 3;
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, NULL),
                 MAPPED_OVERFLOW);
    cursor.offset = 0;
    items.count = 2;
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, NULL),
                 MAPPED_ARGUMENT);
    for (size_t i = 0; i < 16; i++)
        CHECK_UINT(region->base_[i], memory_byte(i));
    mapped_fields_release(format);
    mapped_region_release(region);
}

static void test_format_after_close_is_refused(void)
{
    static const char *const codes[] = {"", "<i4", "z", "s1", "x", "c0", "!8d"};
    mapped_region *region = memory_region(64);
    mapped_slice slice = mapped_region_slice(region);
    mapped_field_value room[2];
    mapped_field_values items = {room, 2, 0};
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        mapped_fields *format =
            memory_fields(MAPPED_DIALECT_PACK_LATE, codes[i]);
        mapped_cursor cursor = {.offset = 4};
        CHECK_STATUS(mapped_fields_unpack(format, slice, &cursor, &items, NULL),
                     MAPPED_CLOSED);
        mapped_fields_release(format);
    }
    mapped_region_release(region);
}

static void test_format_failure_names_the_step(void)
{
    mapped_region *region = memory_region(64);
    mapped_slice slice = memory_slice(region, 0, 10);
    mapped_field_value room[8];
    mapped_field_values items = {room, 8, 0};
    mapped_fields *format =
        memory_fields(MAPPED_DIALECT_PACK_LATE, "<i4 i4 c3 i4");
    mapped_cursor cursor = {.offset = 0};
    CHECK_STATUS(mapped_fields_unpack(format, slice, &cursor, &items, NULL),
                 MAPPED_RANGE);
    CHECK_UINT(mapped_fields_at(format, &cursor)->source_at, 7);
    CHECK_UINT(cursor.offset, 8);
    CHECK_UINT(items.count, 0);
    mapped_fields_release(format);
    mapped_region_release(region);
}

/* A format without values needs the bytes of its pads all the same. */
static void test_format_pads_must_be_there(void)
{
    static const char *const codes[] = {"<0px", "<Bx", "<x", "<xB", "<B0s2x"};
    mapped_region *region = memory_region(8);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        mapped_fields *format = memory_fields(MAPPED_DIALECT_STRUCT, codes[i]);
        for (size_t length = 0; length <= format->size; length++) {
            mapped_field_value room[2];
            mapped_field_values items = {room, 2, 0};
            mapped_cursor cursor = {.offset = 0};
            bool all = length == format->size;
            CHECK_STATUS(mapped_fields_unpack(format,
                                              memory_slice(region, 0, length),
                                              &cursor, &items, NULL),
                         all ? MAPPED_OK : MAPPED_RANGE);
            if (all)
                CHECK_UINT(cursor.offset, length);
        }
        mapped_fields_release(format);
    }
    mapped_region_release(region);
}

/* The first byte of a Pascal string gives its length, which may be larger than
 * its room. */
static void test_format_pascal_length_is_not_believed(void)
{
    unsigned char bytes[8] = {200, 'a', 'b', 'c', 'd', 'e', 'f', 'g'};
    mapped_region *region = memory_wrap(bytes, 8, true);
    mapped_field_value item;
    mapped_field_values items = {&item, 1, 0};
    mapped_cursor cursor = {.offset = 0};
    mapped_fields *format = memory_fields(MAPPED_DIALECT_STRUCT, "4p");
    CHECK_STATUS(mapped_fields_unpack(format, mapped_region_slice(region),
                                      &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(item.offset, 1);
    CHECK_UINT(item.length, 3);
    mapped_fields_release(format);
    mapped_region_release(region);
}

/* If the format were freed too early, one of the later formats would take its
 * memory. */
static void test_format_lives_as_long_as_a_reference(void)
{
    mapped_fields *format = memory_fields(MAPPED_DIALECT_STRUCT, "<IIIIIIII");
    mapped_fields_acquire(format);
    mapped_fields_release(format);
    mapped_fields *others[8];
    for (size_t i = 0; i < 8; i++)
        others[i] = memory_fields(MAPPED_DIALECT_STRUCT, "<HHHH");
    CHECK_UINT(format->values, 8);
    for (size_t i = 0; i < 8; i++)
        mapped_fields_release(others[i]);
    mapped_fields_release(format);
}

static void test_format_next_tells_where_each_value_goes(void)
{
    static const struct {
        mapped_dialect dialect;
        const char *code;
        size_t offsets[4];
    } cases[] = {{MAPPED_DIALECT_PACK, "<!4 i4 b !2 h b", {8, 12, 14, 16}},
                 {MAPPED_DIALECT_PACK, "<!4 b i4 b Xi4 h", {5, 8, 12, 16}},
                 {MAPPED_DIALECT_PACK, "<!8 b x d c3 i2", {5, 8, 16, 20}},
                 {MAPPED_DIALECT_STRUCT, "<b2xh3sI", {5, 8, 10, 13}},
                 {MAPPED_DIALECT_STRUCT, "<3Hp", {5, 7, 9, 11}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mapped_fields *format = memory_fields(cases[i].dialect, cases[i].code);
        mapped_cursor cursor = {.offset = 5};
        mapped_field_value item;
        for (size_t k = 0; k < 4; k++) {
            CHECK(mapped_fields_next(format, &cursor, &item));
            CHECK_UINT(item.offset, cases[i].offsets[k]);
        }
        CHECK(!mapped_fields_next(format, &cursor, &item));
        mapped_fields_release(format);
    }
}

/* As in string.pack, a number ends before the digit that could make an int
 * overflow. That digit is then read as an option. */
static void test_format_digits_end_before_an_int_overflows(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_fields *format = memory_fields(MAPPED_DIALECT_PACK, "c2147483639");
    mapped_fields_release(format);
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_PACK, "c2147483640", 11, &format, &error),
        MAPPED_FORMAT);
    CHECK_UINT(error.offset, 10);
    CHECK_UINT(error.limit, MAPPED_FORMAT_OPTION_WRONG);
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_PACK, "i2147483647", 11, &format, &error),
        MAPPED_FORMAT);
    CHECK_UINT(error.length, 214748364);
}

static void test_format_struct_takes_every_white_space(void)
{
    mapped_fields *format =
        memory_fields(MAPPED_DIALECT_STRUCT, "<\tB \nB\vB\fB\rB");
    CHECK_UINT(format->values, 5);
    mapped_fields_release(format);
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_STRUCT, "<\bB", 3, &format, NULL),
        MAPPED_FORMAT);
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_STRUCT, "<\016B", 3, &format, NULL),
        MAPPED_FORMAT);
}

/* The caller's memory has exactly as many bytes as the library asks for. */
static void test_format_in_memory_of_the_caller(void)
{
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_PACK_LATE, .text = "<b>hi4 xz", .length = 9};
    mapped_region *region = memory_region(40);
    mapped_field_value room[4];
    mapped_field_values items = {room, 4, 0};
    mapped_cursor cursor = {.offset = 0};
    mapped_fields *format = NULL;
    size_t bytes = 0;
    CHECK_STATUS(mapped_fields_room(&source, &bytes, NULL), MAPPED_OK);
    void *memory = malloc(bytes);
    CHECK_STATUS(mapped_fields_init(&source, memory, &format, NULL), MAPPED_OK);
    CHECK(format == memory);
    CHECK_UINT(format->values, 4);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 20, 0, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_fields_unpack(format, mapped_region_slice(region),
                                      &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(items.count, 4);
    free(memory);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_format_lives_as_long_as_a_reference);
    RUN(test_format_next_tells_where_each_value_goes);
    RUN(test_format_digits_end_before_an_int_overflows);
    RUN(test_format_struct_takes_every_white_space);
    RUN(test_format_vectors);
    RUN(test_format_native_alignment_is_that_of_c);
    RUN(test_format_early_dialect_refuses_at_once);
    RUN(test_format_size_of_what_varies_is_unknown);
    RUN(test_format_failed_pack_writes_nothing);
    RUN(test_format_after_close_is_refused);
    RUN(test_format_failure_names_the_step);
    RUN(test_format_pads_must_be_there);
    RUN(test_format_pascal_length_is_not_believed);
    RUN(test_format_in_memory_of_the_caller);
    return check_finish();
}
