/* Guards against bytes that mean something else in C than in Lua and Python.
 * The tests of all three languages run the cases of tests/vectors/. */
#include "memory.h"

#include <math.h>

#define LINE_SIZE 1024
#define FIELDS 8

typedef struct row {
    char text[LINE_SIZE]; /* the fields point into it */
    char *fields[FIELDS];
    size_t count;
} row;

static void split(row *r)
{
    char *at = r->text;
    r->text[strcspn(r->text, "\r\n")] = '\0';
    for (r->count = 0; at && r->count < FIELDS; r->count++) {
        r->fields[r->count] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
}

static size_t number(const char *text)
{
    uint64_t value = strtoull(text, NULL, 10);
    return value < SIZE_MAX ? (size_t)value : SIZE_MAX;
}

/* Returns the status that a row expects: `!kind` stands for an error, anything
 * else for MAPPED_OK. */
static mapped_status error_of(const char *expected)
{
    if (strcmp(expected, "!range") == 0)
        return MAPPED_RANGE;
    if (strcmp(expected, "!value") == 0)
        return MAPPED_VALUE;
    return strcmp(expected, "!code") == 0 ? MAPPED_CODE : MAPPED_OK;
}

/* Compares the status and, after a success, the bytes. */
static void check_result(mapped_status status, const memory_bytes *result,
                         const char *expected)
{
    mapped_status error = error_of(expected);
    if (!CHECK_STATUS(status, error) || error != MAPPED_OK)
        return;
    memory_bytes wanted = memory_unhex(expected);
    if (CHECK_UINT(result->length, wanted.length))
        CHECK_BYTES(result->data, wanted.data, wanted.length);
}

static mapped_value value_of(const char *text)
{
    if (strncmp(text, "f:", 2) == 0) {
        mapped_value value = {.u = strtoull(text + 2, NULL, 16)};
        memcpy(&value.f, &(uint64_t){value.u}, sizeof value.f);
        return value;
    }
    if (strncmp(text, "x:", 2) == 0)
        return (mapped_value){.u = strtoull(text + 2, NULL, 16)};
    if (strcmp(text, "true") == 0)
        return (mapped_value){.u = 1};
    if (text[0] == '-')
        return (mapped_value){.i = strtoll(text, NULL, 10)};
    return (mapped_value){.u = strtoull(text, NULL, 10)};
}

static void check_value(const mapped_element *element, mapped_value got,
                        const char *expected)
{
    if (strcmp(expected, "nan") == 0)
        CHECK(element->kind == MAPPED_KIND_FLOAT && isnan(got.f));
    else
        CHECK_UINT(got.u, value_of(expected).u);
}

static void check_get(const mapped_element *element, row *r)
{
    memory_bytes data = memory_unhex(r->fields[3]);
    mapped_region *region = memory_wrap(data.data, data.length, true);
    mapped_value got = {.u = 4711};
    mapped_status status = mapped_get(mapped_region_slice(region), element,
                                      number(r->fields[4]), &got, NULL);
    if (CHECK_STATUS(status, error_of(r->fields[5])) && status == MAPPED_OK)
        check_value(element, got, r->fields[5]);
    mapped_region_release(region);
}

static void check_set(const mapped_element *element, row *r)
{
    memory_bytes data = memory_unhex(r->fields[3]);
    mapped_region *region = memory_wrap(data.data, data.length, false);
    mapped_status status =
        mapped_set(mapped_region_slice(region), element, number(r->fields[4]),
                   value_of(r->fields[5]), NULL);
    check_result(status, &data, r->fields[6]);
    if (status != MAPPED_OK) {
        memory_bytes before = memory_unhex(r->fields[3]);
        CHECK_BYTES(data.data, before.data, before.length);
    }
    mapped_region_release(region);
}

static void check_access(row *r)
{
    bool get = strcmp(r->fields[0], "get") == 0;
    const char *expected = r->fields[get ? 5 : 6];
    for (int dialect = 0; dialect < 2; dialect++) {
        const char *code = r->fields[1 + dialect];
        mapped_error error = MAPPED_ERROR_INIT;
        if (strcmp(code, "-") == 0)
            continue;
        const mapped_element *element =
            (dialect == 0
                 ? mapped_element_from_struct
                 : mapped_element_from_pack)(code, strlen(code), &error);
        if (error_of(expected) == MAPPED_CODE)
            CHECK(element == NULL && error.status == MAPPED_CODE);
        else if (CHECK(element != NULL))
            (get ? check_get : check_set)(element, r);
    }
}

/* The first number is an offset, the second a length. */
static void check_slice(mapped_slice all, row *r)
{
    mapped_slice part;
    memory_bytes out = {.length = 0};
    mapped_status status = mapped_slice_sub(all, number(r->fields[2]),
                                            number(r->fields[3]), &part, NULL);
    if (status == MAPPED_OK) {
        out.length = part.length;
        CHECK_STATUS(mapped_read(part, 0, out.data, out.length, NULL),
                     MAPPED_OK);
    }
    check_result(status, &out, r->fields[4]);
}

static void check_read(mapped_slice all, row *r)
{
    memory_bytes out = {.length = number(r->fields[3])};
    mapped_status status =
        mapped_read(all, number(r->fields[2]), out.data, out.length, NULL);
    check_result(status, &out, r->fields[4]);
}

static mapped_status write_bytes(mapped_slice all, row *r)
{
    memory_bytes data = memory_unhex(r->fields[3]);
    return mapped_write(all, number(r->fields[2]), data.data, data.length,
                        NULL);
}

static mapped_status fill_bytes(mapped_slice all, row *r)
{
    mapped_slice part =
        memory_slice(all.region, number(r->fields[2]), number(r->fields[3]));
    return mapped_fill(part, (uint8_t)number(r->fields[4]), NULL);
}

static mapped_status move_bytes(mapped_slice all, row *r)
{
    return mapped_move(all, number(r->fields[2]), number(r->fields[3]),
                       number(r->fields[4]), NULL);
}

static void check_change(mapped_status (*change)(mapped_slice, row *),
                         mapped_slice all, memory_bytes *data, row *r)
{
    mapped_status status = change(all, r);
    check_result(status, data, r->fields[r->count - 1]);
    if (status != MAPPED_OK) {
        memory_bytes before = memory_unhex(r->fields[1]);
        CHECK_BYTES(data->data, before.data, before.length);
    }
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void check_compare(mapped_slice all, row *r)
{
    memory_bytes others = memory_unhex(r->fields[2]);
    int expected = (int)strtol(r->fields[3], NULL, 10);
    int order = 7;
    mapped_region *region = memory_wrap(others.data, others.length, true);
    CHECK_STATUS(mapped_compare(all, mapped_region_slice(region), &order, NULL),
                 MAPPED_OK);
    CHECK_INT(sign(order), expected);
    CHECK_STATUS(
        mapped_compare_bytes(all, others.data, others.length, &order, NULL),
        MAPPED_OK);
    CHECK_INT(sign(order), expected);
    mapped_region_release(region);
}

static void check_bytes_row(row *r)
{
    memory_bytes data = memory_unhex(r->fields[1]);
    mapped_region *region = memory_wrap(data.data, data.length, false);
    mapped_slice all = mapped_region_slice(region);
    if (strcmp(r->fields[0], "slice") == 0)
        check_slice(all, r);
    else if (strcmp(r->fields[0], "read") == 0)
        check_read(all, r);
    else if (strcmp(r->fields[0], "write") == 0)
        check_change(write_bytes, all, &data, r);
    else if (strcmp(r->fields[0], "fill") == 0)
        check_change(fill_bytes, all, &data, r);
    else if (strcmp(r->fields[0], "move") == 0)
        check_change(move_bytes, all, &data, r);
    else if (strcmp(r->fields[0], "compare") == 0)
        check_compare(all, r);
    else
        CHECK_TEXT(r->fields[0], "clamp");
    mapped_region_release(region);
}

static void check_file(const char *path, void (*check)(row *), size_t at_least)
{
    static row r;
    size_t rows = 0;
    FILE *file = fopen(path, "r");
    if (!CHECK(file != NULL))
        return;
    for (int line = 1; fgets(r.text, sizeof r.text, file); line++) {
        bool failed_before = check_test_failed;
        if (r.text[0] == '#')
            continue;
        split(&r);
        check(&r);
        rows++;
        if (check_test_failed && !failed_before)
            printf("    the first that failed is %s:%d\n", path, line);
    }
    fclose(file);
    CHECK(rows >= at_least);
}

static void test_vectors_access(void)
{
    if (check_skip_narrow())
        return;
    check_file("tests/vectors/access.tsv", check_access, 1000);
}

static void test_vectors_bytes(void)
{
    check_file("tests/vectors/bytes.tsv", check_bytes_row, 900);
}

int main(void)
{
    RUN(test_vectors_access);
    RUN(test_vectors_bytes);
    return check_finish();
}
