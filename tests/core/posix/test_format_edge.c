/* Guards against a format that touches one byte too many: the data ends where
 * an unreadable page begins. And against a register that is read or written
 * other than in one access of its width. */
#include "../memory.h"

#include <mapped/format.h>

#include <sys/mman.h>
#include <unistd.h>

static unsigned char *page;
static size_t page_size;

static mapped_region *region_at_edge(size_t length)
{
    return memory_wrap(page + page_size - length, length, false);
}

static void unpack_all(const mapped_format *format, mapped_slice slice)
{
    mapped_item room[3];
    unsigned char bytes[64];
    mapped_items items = {room, 3, 0};
    mapped_cursor cursor = {.offset = 0};
    while (mapped_format_unpack(format, slice, &cursor, &items, NULL) ==
               MAPPED_OK &&
           items.count > 0)
        for (size_t i = 0; i < items.count; i++)
            if (room[i].step->kind != MAPPED_STEP_ELEMENT)
                CHECK_STATUS(mapped_read(slice, room[i].offset, bytes,
                                         room[i].length, NULL),
                             MAPPED_OK);
}

static void pack_all(const mapped_format *format, mapped_slice slice)
{
    mapped_item room[16];
    mapped_items items = {room, 16, 0};
    mapped_cursor cursor = {.offset = 0};
    while (mapped_format_next(format, &cursor, &room[items.count])) {
        mapped_item *item = &room[items.count++];
        item->value.u = 1;
        item->data = "abc";
        item->length = item->step->count < 3 ? 0 : 3;
        if (item->step->kind == MAPPED_STEP_PASCAL && item->length > 0)
            item->length = item->step->count < 4 ? item->step->count - 1 : 3;
    }
    cursor = (mapped_cursor){.offset = 0};
    mapped_format_pack(format, slice, &cursor, &items, NULL);
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
        mapped_format *format = NULL;
        if (!CHECK_STATUS(mapped_format_compile(cases[i].dialect, code,
                                                strlen(code), &format, NULL),
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
        mapped_format_release(format);
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
    mapped_item room[4];
    mapped_items items = {room, 4, 0};
    mapped_format *format = NULL;
    mapped_cursor cursor = {.offset = 0};
    if (region == NULL)
        return;
    mapped_slice slice = mapped_region_slice(region);
    memset(region->base_, 0xEE, 64);
    CHECK_STATUS(mapped_format_compile(MAPPED_DIALECT_STRUCT, "<Hxx3I", 6,
                                       &format, NULL),
                 MAPPED_OK);
    while (mapped_format_next(format, &cursor, &room[items.count]))
        room[items.count++].value.u = 0x0102;
    cursor = (mapped_cursor){.offset = 0};
    CHECK_STATUS(mapped_format_pack(format, slice, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_BYTES(region->base_, "\2\1\xEE\xEE\2\1\0\0\2\1\0\0\2\1\0\0\xEE", 17);
    cursor = (mapped_cursor){.offset = 0};
    CHECK_STATUS(mapped_format_unpack(format, slice, &cursor, &items, NULL),
                 MAPPED_OK);
    CHECK_UINT(items.count, 4);
    CHECK_UINT(room[3].value.u, 0x0102);
    cursor = (mapped_cursor){.offset = 2};
    CHECK_STATUS(mapped_format_unpack(format, slice, &cursor, &items, NULL),
                 MAPPED_MISALIGNED);
    mapped_format_release(format);
    mapped_region_release(region);
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
    return check_finish();
}
