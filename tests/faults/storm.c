/* Reads and writes a file, over and over, while another process truncates it.
 *
 * Usage: storm FILE SECONDS. Every byte of the file is `S`, so anything else
 * that an access returns without an error is a lost page that was not reported.
 * Prints how many accesses went well and how many ended in an error. */
#include <mapped/mapped.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STAMP 0x53535353u
#define PAGE ((size_t)4096)
#define BLOCK (3 * PAGE)

typedef mapped_status work(mapped_slice slice, size_t at);

static void unexpected(const char *what)
{
    fprintf(stderr, "%s without an error\n", what);
    exit(3);
}

static void whole(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != (STAMP & 0xFF))
            unexpected("zeros");
}

static size_t room(mapped_slice slice, size_t at)
{
    size_t left = slice.length - at;
    return left < BLOCK ? left : BLOCK;
}

static mapped_status get(mapped_slice slice, size_t at)
{
    uint32_t word;
    mapped_status status = mapped_get_u32(slice, at, &word, NULL);
    if (status == MAPPED_OK)
        whole((const unsigned char *)&word, sizeof word);
    return status;
}

static mapped_status set(mapped_slice slice, size_t at)
{
    return mapped_set_u32(slice, at, STAMP, NULL);
}

static mapped_status read_block(mapped_slice slice, size_t at)
{
    static unsigned char block[BLOCK];
    size_t n = room(slice, at);
    mapped_status status = mapped_read(slice, at, block, n, NULL);
    if (status == MAPPED_OK)
        whole(block, n);
    return status;
}

static mapped_status write_block(mapped_slice slice, size_t at)
{
    static unsigned char block[BLOCK];
    memset(block, STAMP & 0xFF, sizeof block);
    return mapped_write(slice, at, block, room(slice, at), NULL);
}

static mapped_status fill(mapped_slice slice, size_t at)
{
    mapped_slice part;
    mapped_status status =
        mapped_slice_sub(slice, at, room(slice, at), &part, NULL);
    return status == MAPPED_OK ? mapped_fill(part, STAMP & 0xFF, NULL) : status;
}

static mapped_status move(mapped_slice slice, size_t at)
{
    return mapped_move(slice, 0, at, 8, NULL);
}

static mapped_status compare(mapped_slice slice, size_t at)
{
    int order;
    mapped_slice part;
    mapped_status status = mapped_slice_sub(slice, at, 8, &part, NULL);
    if (status == MAPPED_OK)
        status = mapped_compare(part, part, &order, NULL);
    if (status == MAPPED_OK && order != 0)
        unexpected("a difference");
    return status;
}

/* Compares with known bytes, while compare() compares a slice with itself. */
static mapped_status compare_bytes(mapped_slice slice, size_t at)
{
    int order;
    mapped_slice part;
    mapped_status status = mapped_slice_sub(slice, at, 8, &part, NULL);
    if (status == MAPPED_OK)
        status = mapped_compare_bytes(part, "SSSSSSSS", 8, &order, NULL);
    if (status == MAPPED_OK && order != 0)
        unexpected("a difference");
    return status;
}

static mapped_status find(mapped_slice slice, size_t at)
{
    size_t found;
    mapped_needle zero;
    mapped_slice part;
    mapped_needle_init(&zero, "\0", 1);
    mapped_status status =
        mapped_slice_sub(slice, at, slice.length - at, &part, NULL);
    if (status == MAPPED_OK)
        status = mapped_find(part, &zero, &found, NULL);
    if (status == MAPPED_OK && found != MAPPED_NOT_FOUND)
        unexpected("a zero");
    return status;
}

static mapped_status count(mapped_slice slice, size_t at)
{
    size_t n;
    mapped_needle stamp;
    mapped_slice part;
    mapped_needle_init(&stamp, "S", 1);
    mapped_status status =
        mapped_slice_sub(slice, at, room(slice, at), &part, NULL);
    if (status == MAPPED_OK)
        status = mapped_count(part, &stamp, &n, NULL);
    if (status == MAPPED_OK && n != part.length)
        unexpected("other bytes");
    return status;
}

static mapped_fields *two_words;

static mapped_status unpack(mapped_slice slice, size_t at)
{
    mapped_field_value items[2];
    mapped_field_values room = {items, 2, 0};
    mapped_cursor cursor = {.offset = at};
    mapped_status status =
        mapped_fields_unpack(two_words, slice, &cursor, &room, NULL);
    if (status == MAPPED_OK &&
        (items[0].value.u != STAMP || items[1].value.u != STAMP))
        unexpected("other words");
    return status;
}

static mapped_status pack(mapped_slice slice, size_t at)
{
    mapped_field_value items[2] = {{.field = NULL}};
    mapped_field_values both = {items, 2, 2};
    mapped_cursor cursor = {.offset = at};
    for (int i = 0; i < 2; i++) {
        (void)mapped_fields_next(two_words, &cursor, &items[i]);
        items[i].value.u = STAMP;
    }
    cursor = (mapped_cursor){.offset = at};
    return mapped_fields_pack(two_words, slice, &cursor, &both, NULL);
}

/* Gathers every third byte from `at` on. */
static mapped_status gather(mapped_slice slice, size_t at)
{
    static unsigned char bytes[BLOCK];
    ptrdiff_t shape = (ptrdiff_t)room(slice, at) / 3, stride = 3;
    const mapped_array array = {
        slice,
        at,
        mapped_item_of(mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false)),
        1,
        &shape,
        &stride};
    mapped_status status = mapped_array_gather(&array, bytes, NULL);
    if (status == MAPPED_OK)
        whole(bytes, (size_t)shape);
    return status;
}

static mapped_status equal(mapped_slice slice, size_t at)
{
    ptrdiff_t shape = (ptrdiff_t)room(slice, at) / 8, stride = 8;
    bool same = true;
    mapped_array array = {slice, at,     mapped_item_of_record(two_words),
                          1,     &shape, &stride};
    mapped_array back = array;
    back.first += (size_t)(shape > 0 ? shape - 1 : 0) * 8;
    ptrdiff_t turned = -8;
    back.strides = &turned;
    mapped_status status = mapped_array_equal(&array, &back, &same, NULL);
    if (status == MAPPED_OK && !same)
        unexpected("other records");
    return status;
}

static mapped_status export(mapped_slice slice, size_t at)
{
    mapped_export held;
    mapped_slice part;
    unsigned char seen = STAMP & 0xFF;
    mapped_status status =
        mapped_slice_sub(slice, at, room(slice, at), &part, NULL);
    if (status == MAPPED_OK)
        status = mapped_export_begin(part, &held, NULL);
    if (status != MAPPED_OK)
        return status;
    for (size_t i = 0; i < part.length; i++)
        if (((volatile unsigned char *)held.data)[i] != seen)
            seen = 0;
    status = mapped_export_end(&held, NULL);
    if (status == MAPPED_OK)
        whole(&seen, 1);
    return status;
}

static mapped_status span(mapped_slice slice, size_t at)
{
    uint8_t byte = 0;
    uint8_t seen = STAMP & 0xFF;
    mapped_span held;
    (void)at;
    mapped_status status = mapped_span_begin(slice, &held, NULL);
    if (status != MAPPED_OK)
        return status;
    for (size_t i = 0; i < mapped_span_count(&held, 1); i++)
        if (mapped_span_u8(&held, i, &byte) && byte != seen)
            seen = byte;
    status = mapped_span_end(&held, NULL);
    if (status == MAPPED_OK)
        whole(&seen, 1);
    return status;
}

static work *const works[] = {
    get,  set,   read_block, write_block, fill,   move,  compare, compare_bytes,
    find, count, pack,       unpack,      gather, equal, export,  span};

static void round_of(const char *path, unsigned long counts[2])
{
    mapped_region *region;
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL) !=
        MAPPED_OK)
        exit(2);
    mapped_slice slice = mapped_region_slice(region);
    for (int i = 0; i < 500 && slice.length > 2 * PAGE; i++) {
        work *one = works[(size_t)rand() % (sizeof works / sizeof works[0])];
        mapped_status status = one(slice, (size_t)rand() % (slice.length - 8));
        if (status != MAPPED_OK && status != MAPPED_FAULT)
            exit(4);
        counts[status == MAPPED_FAULT]++;
        if (status == MAPPED_FAULT &&
            mapped_region_recover(region, NULL) != MAPPED_OK)
            continue; /* the file is still too short */
    }
    mapped_region_release(region);
}

int main(int argc, char **argv)
{
    unsigned long counts[2] = {0, 0};
    time_t stop = time(NULL) + (argc > 2 ? atoi(argv[2]) : 1);
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_STRUCT, .text = "<II", .length = 3};
    if (mapped_fields_compile(&source, &two_words, NULL) != MAPPED_OK)
        return 2;
    while (argc > 1 && time(NULL) < stop)
        round_of(argv[1], counts);
    mapped_fields_release(two_words);
    printf("%lu %lu\n", counts[0], counts[1]);
    return 0;
}
