/* Guards against a format that touches one byte too many: the data ends where
 * an unreadable page begins. Guards also against a device's register that is
 * read or written in several accesses, and against the zeros of a lost page
 * that are taken for a value, a length or the end of a text. */
#include "faulty.h"

#include <mapped/fields.h>

static unsigned char *page;
static size_t page_size;

static mapped_region *region_at_edge(size_t length)
{
    return memory_wrap(page + page_size - length, length, false);
}

static void unpack_all(const mapped_fields *format, mapped_slice slice)
{
    mapped_field_value room[3];
    unsigned char bytes[64];
    mapped_field_values items = {room, 3, 0};
    mapped_cursor cursor = {.offset = 0};
    while (mapped_fields_unpack(format, slice, &cursor, &items, NULL) ==
               MAPPED_OK &&
           items.count > 0)
        for (size_t i = 0; i < items.count; i++)
            if (room[i].field->item.kind > MAPPED_ITEM_ELEMENTS)
                CHECK_STATUS(mapped_read(slice, room[i].offset, bytes,
                                         room[i].length, NULL),
                             MAPPED_OK);
}

static void pack_all(const mapped_fields *format, mapped_slice slice)
{
    mapped_field_value room[16];
    mapped_field_values items = {room, 16, 0};
    mapped_cursor cursor = {.offset = 0};
    while (mapped_fields_next(format, &cursor, &room[items.count])) {
        mapped_field_value *item = &room[items.count++];
        item->value.u = 1;
        item->data = "abc";
        item->length = item->field->item.count < 3 ? 0 : 3;
        if (item->field->item.kind == MAPPED_ITEM_PASCAL && item->length > 0)
            item->length =
                item->field->item.count < 4 ? item->field->item.count - 1 : 3;
    }
    cursor = (mapped_cursor){.offset = 0};
    check_nothing(mapped_fields_pack(format, slice, &cursor, &items, NULL));
}

static void test_format_stays_inside_at_a_page_end(void)
{
    static const struct {
        mapped_dialect dialect;
        const char *code;
    } cases[] = {
        {MAPPED_DIALECT_STRUCT, "<bhiqd3s4px"},
        {MAPPED_DIALECT_STRUCT, "@c?eHfQ0p0s2x"},
        {MAPPED_DIALECT_PACK_LATE, "<zs1b"},
        {MAPPED_DIALECT_PACK_LATE, ">!8 b i8 z X!4i4 s2 I3 i16 c5"},
        {MAPPED_DIALECT_PACK_LATE, "<s8 i9"},
        {MAPPED_DIALECT_PACK_LATE, "<i1i2i3i4i5i6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *code = cases[i].code;
        mapped_fields *format = NULL;
        if (!CHECK_STATUS(memory_compile(cases[i].dialect, code, strlen(code),
                                         &format, NULL),
                          MAPPED_OK))
            continue;
        for (size_t length = 0; length <= 64; length++) {
            mapped_region *region = region_at_edge(length);
            for (int fill = 0; fill < 8; fill++) {
                memset(page, fill, page_size);
                unpack_all(format, mapped_region_slice(region));
            }
            pack_all(format, mapped_region_slice(region));
            mapped_region_release(region);
        }
        mapped_fields_release(format);
    }
}

static mapped_region *device_region(void)
{
    char path[] = "/tmp/mapped-test-XXXXXX";
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    int file = mkstemp(path);
    options.length = 64;
    options.flags = MAPPED_OPEN_DEVICE;
    CHECK_STATUS(mapped_region_open_descriptor(file, NULL,
                                               MAPPED_MODE_READ_WRITE, &options,
                                               &region, NULL),
                 MAPPED_OK);
    close(file);
    unlink(path);
    return region;
}

static void test_format_device_pads_are_left_alone(void)
{
    mapped_region *region = device_region();
    mapped_field_value room[4];
    mapped_field_values items = {room, 4, 0};
    mapped_fields *format = NULL;
    mapped_cursor cursor = {.offset = 0};
    if (region == NULL)
        return;
    mapped_slice slice = mapped_region_slice(region);
    memset(region->base_, 0xEE, 64);
    CHECK_STATUS(
        memory_compile(MAPPED_DIALECT_STRUCT, "<Hxx3I", 6, &format, NULL),
        MAPPED_OK);
    while (mapped_fields_next(format, &cursor, &room[items.count]))
        room[items.count++].value.u = 0x0102;
    cursor = (mapped_cursor){.offset = 0};
    CHECK_STATUS(mapped_fields_pack(format, slice, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_BYTES(region->base_, "\2\1\xEE\xEE\2\1\0\0\2\1\0\0\2\1\0\0\xEE", 17);
    cursor = (mapped_cursor){.offset = 0};
    CHECK_STATUS(mapped_fields_unpack(format, slice, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(items.count, 4);
    CHECK_UINT(room[3].value.u, 0x0102);
    cursor = (mapped_cursor){.offset = 2};
    CHECK_STATUS(mapped_fields_unpack(format, slice, &cursor, &items, NULL),
                 MAPPED_MISALIGNED);
    mapped_fields_release(format);
    mapped_region_release(region);
}

static void test_format_device_bytes_are_written_one_by_one(void)
{
    static const struct {
        mapped_dialect dialect;
        const char *code;
        const char *bytes;
        size_t end;
    } cases[] = {{MAPPED_DIALECT_STRUCT, "<5p", "\3abc\0\xEE", 5},
                 {MAPPED_DIALECT_STRUCT, "<4s", "abc\0\xEE", 4},
                 {MAPPED_DIALECT_PACK, "<c4", "abc\0\xEE", 4},
                 {MAPPED_DIALECT_PACK, "<z", "abc\0\xEE", 4},
                 {MAPPED_DIALECT_PACK, "<s1", "\3abc\xEE", 4},
                 {MAPPED_DIALECT_PACK, ">s2", "\0\3abc\xEE", 5}};
    mapped_region *region = device_region();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mapped_fields *format = NULL;
        mapped_field_value item = {.field = NULL};
        mapped_field_values items = {&item, 1, 1};
        mapped_cursor cursor = {.offset = 0};
        memset(region->base_, 0xEE, 64);
        CHECK_STATUS(
            memory_compile(cases[i].dialect, cases[i].code, 3, &format, NULL),
            MAPPED_OK);
        CHECK(mapped_fields_next(format, &cursor, &item));
        item.data = "abc";
        item.length = 3;
        cursor = (mapped_cursor){.offset = 0};
        CHECK_STATUS(mapped_fields_pack(format, mapped_region_slice(region),
                                        &cursor, &items, NULL),
                     MAPPED_OK);
        CHECK_UINT(cursor.offset, cases[i].end);
        CHECK_BYTES(region->base_, cases[i].bytes, cases[i].end + 1);
        mapped_fields_release(format);
    }
    mapped_region_release(region);
}

/* Bytes between the fields are neither read nor written. */
static void test_item_of_a_device_is_many_accesses(void)
{
    if (check_skip_narrow())
        return;
    mapped_region *region = device_region();
    mapped_slice slice = mapped_region_slice(region);
    mapped_fields *layout = memory_layout(
        "align < a:u8 b:{c:u32 d:char[3]}[2] e:u64 size=40 f:u24@36");
    const mapped_item item = mapped_item_of_record(layout);
    const mapped_item single = layout->fields[2].item;
    const mapped_item odd = layout->fields[3].item;
    unsigned char bytes[40], found[40];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i + 1);
    memset(region->base_, 0xEE, 64);
    CHECK_STATUS(mapped_item_write(slice, &item, 0, bytes, NULL),
                 MAPPED_MISALIGNED); /* no access has three bytes */
    for (size_t i = 0; i < 40; i++)
        CHECK_UINT(region->base_[i], i == 0 || (i >= 4 && i < 11) ||
                                             (i >= 12 && i < 19) ||
                                             (i >= 24 && i < 32)
                                         ? bytes[i]
                                         : 0xEE);
    memset(found, 0xDD, sizeof found);
    CHECK_STATUS(mapped_item_read(slice, &item, 0, found, NULL),
                 MAPPED_MISALIGNED);
    CHECK_BYTES(found, "\1\0\0\0\5\6\7\10\11\12\13\0", 12);
    CHECK_STATUS(mapped_item_read(slice, &single, 4, found, NULL),
                 MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_item_read(slice, &odd, 0, found, NULL),
                 MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_item_write(slice, &single, 57, bytes, NULL),
                 MAPPED_RANGE);
    mapped_fields_release(layout);
    mapped_region_release(region);
}

static void test_array_of_a_device_is_many_accesses(void)
{
    mapped_region *region = device_region();
    unsigned char plain[16];
    ptrdiff_t shape = 4, stride = 16, dense = 4;
    mapped_region *memory = memory_wrap(plain, sizeof plain, false);
    mapped_item item =
        mapped_item_of(mapped_element_from_name("u32", 3, false));
    mapped_array a = {mapped_region_slice(region), 8, item, 1, &shape, &stride};
    mapped_array b = {mapped_region_slice(memory), 0, item, 1, &shape, &dense};
    bool same = false;
    for (size_t i = 0; i < 64; i++)
        region->base_[i] = memory_byte(i);
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_OK);
    for (size_t i = 0; i < 16; i++)
        CHECK_UINT(plain[i], memory_byte(8 + i / 4 * 16 + i % 4));
    CHECK_STATUS(mapped_array_equal(&a, &b, &same, NULL), MAPPED_OK);
    CHECK(same);
    plain[15]++;
    CHECK_STATUS(mapped_array_copy(&a, &b, NULL), MAPPED_OK);
    CHECK_UINT(region->base_[59], memory_byte(59) + 1u);
    CHECK_UINT(region->base_[60], memory_byte(60));
    stride = 13;
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_array_equal(&a, &b, &same, NULL), MAPPED_MISALIGNED);
    mapped_region_release(memory);
    mapped_region_release(region);
}

static void test_array_believes_no_lost_page(void)
{
    mapped_region *region = faulty_half(page_size);
    unsigned char *plain = calloc(2, page_size);
    ptrdiff_t shape = 2 * (ptrdiff_t)page_size, stride = 1;
    bool same = true;
    mapped_item item = mapped_item_of(mapped_element_from_name("u8", 2, false));
    mapped_array a = {mapped_region_slice(region), 0, item, 1, &shape, &stride};
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_array_equal(&a, &a, &same, NULL), MAPPED_FAULT);
    CHECK(same);
    shape = (ptrdiff_t)page_size;
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_OK);
    a.first = page_size - 2;
    shape = 1;
    stride = 2;
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_OK);
    shape = 2;
    CHECK_STATUS(mapped_array_gather(&a, plain, NULL), MAPPED_FAULT);
    a.item = mapped_item_of_bytes(MAPPED_ITEM_TEXT, 4);
    CHECK_STATUS(mapped_item_read(a.slice, &a.item, a.first, plain, NULL),
                 MAPPED_FAULT);
    free(plain);
    mapped_region_release(region);
}

/* Unpacks from `offset` on, and checks that a lost page is reported. */
static void check_lost(const char *code, size_t offset, size_t length)
{
    mapped_region *region = faulty_half(page_size);
    mapped_field_value room[4];
    mapped_field_values items = {room, 4, 7};
    mapped_cursor cursor = {.offset = offset};
    mapped_fields *format = NULL;
    CHECK_STATUS(memory_compile(MAPPED_DIALECT_PACK_LATE, code, strlen(code),
                                &format, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_fields_unpack(format, memory_slice(region, 0, length),
                                      &cursor, &items, NULL),
                 MAPPED_FAULT);
    CHECK_UINT(items.count, 0);
    mapped_fields_release(format);
    mapped_region_release(region);
}

static void test_format_believes_no_lost_page(void)
{
    size_t size = page_size;
    check_lost("<s1", size, 2 * size);
    check_lost("<s4", size - 3, 2 * size);
    check_lost("z", size, 2 * size);
    check_lost("z", size - 3, 2 * size);
    check_lost("<i4", size, 2 * size);
    check_lost("<i2 b", size - 2, 2 * size);
    check_lost("<i4 i4", size, size + 6); /* before MAPPED_RANGE */
    check_lost("<i16", size - 8, 2 * size);
}

int main(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page + page_size, page_size, PROT_NONE))
        return 1;
    RUN(test_format_stays_inside_at_a_page_end);
    RUN(test_format_device_pads_are_left_alone);
    RUN(test_format_device_bytes_are_written_one_by_one);
    RUN(test_item_of_a_device_is_many_accesses);
    RUN(test_array_of_a_device_is_many_accesses);
    RUN(test_array_believes_no_lost_page);
    RUN(test_format_believes_no_lost_page);
    return check_finish();
}
