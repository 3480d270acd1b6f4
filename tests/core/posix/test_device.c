/* Guards against a register that is read twice, in parts or with its
 * neighbours: every access of a region opened as a device is counted and
 * measured by the processor itself (registers.h). Also: devices of a size that
 * nobody knows. */
#include "registers.h"
#include "scratch.h"

static const char *path;
static mapped_region *region;
static mapped_slice all;

static void open_page(uint32_t flags)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.flags = flags;
    path = scratch_file("registers", scratch_page());
    region = scratch_open(path, MAPPED_MODE_READ_WRITE, &options);
    all = mapped_region_slice(region);
    CHECK(registers_watch(path));
}

static void open_device(void)
{
    open_page(MAPPED_OPEN_DEVICE);
}

/* Ends the watch: there were so many accesses of that width, one behind the
 * other from `offset` on. */
static void check_accesses(size_t expected, uint32_t offset, uint32_t width,
                           bool write)
{
    size_t found = registers_stop();
    CHECK_UINT(found, expected);
    for (size_t i = 0; i < found && i < expected; i++) {
        registers_access access = registers_get(i);
        CHECK_UINT(access.offset, offset + i * width);
        CHECK_UINT(access.width, width);
        CHECK_UINT(access.write, write);
    }
    registers_watch(path);
}

static void close_device(void)
{
    CHECK_UINT(registers_stop(), 0);
    mapped_region_release(region);
}

static bool is_possible(size_t width)
{
    return width <= sizeof(void *);
}

/* All inline accessors of one type. A 32-bit machine has no single access of
 * eight bytes, and touches nothing. */
#define CHECK_ACCESSORS(suffix, type)                                        \
    do {                                                                     \
        type value = 0;                                                      \
        const mapped_status expected =                                       \
            is_possible(sizeof value) ? MAPPED_OK : MAPPED_UNSUPPORTED;      \
        const size_t times = is_possible(sizeof value);                      \
        CHECK_STATUS(mapped_get_##suffix(all, 16, &value, NULL), expected);  \
        check_accesses(times, 16, sizeof value, false);                      \
        CHECK_STATUS(mapped_set_##suffix(all, 24, (type)1, NULL), expected); \
        check_accesses(times, 24, sizeof value, true);                       \
        if (sizeof value > 1 && mapped_region_device(region))                \
            CHECK(mapped_get_##suffix(all, 17, &value, NULL) != MAPPED_OK);  \
        CHECK_STATUS(mapped_get_##suffix(all, all.length, &value, NULL),     \
                     MAPPED_RANGE);                                          \
        check_accesses(0, 0, 0, false);                                      \
    } while (0)

#define CHECK_ORDERS(suffix, type)     \
    CHECK_ACCESSORS(suffix, type);     \
    CHECK_ACCESSORS(suffix##le, type); \
    CHECK_ACCESSORS(suffix##be, type)

static void check_all_accessors(void)
{
    CHECK_ACCESSORS(u8, uint8_t);
    CHECK_ACCESSORS(i8, int8_t);
    CHECK_ORDERS(u16, uint16_t);
    CHECK_ORDERS(i16, int16_t);
    CHECK_ORDERS(u32, uint32_t);
    CHECK_ORDERS(i32, int32_t);
    CHECK_ORDERS(u64, uint64_t);
    CHECK_ORDERS(i64, int64_t);
    CHECK_ORDERS(f32, float);
    CHECK_ORDERS(f64, double);
}

static void test_device_inline_accessors_are_one_access(void)
{
    open_device();
    check_all_accessors();
    close_device();
}

/* The fast path, which a device never takes. */
static void test_device_plain_memory_is_accessed_once_too(void)
{
    if (!is_possible(8)) {
        check_skip("8 bytes of plain memory are two accesses here");
        return;
    }
    open_page(0);
    check_all_accessors();
    close_device();
}

static void check_element(const char *name, bool big)
{
    const mapped_element *element =
        mapped_element_from_name(name, strlen(name), big);
    mapped_value value;
    if (element == NULL)
        return;
    uint32_t width = (uint32_t)element->size;
    const size_t times = is_possible(width);
    mapped_status expected = times ? MAPPED_OK : MAPPED_UNSUPPORTED;
    if (width == 3)
        return;
    CHECK_STATUS(mapped_get(all, element, 16, &value, NULL), expected);
    check_accesses(times, 16, width, false);
    memset(&value, 0, sizeof value);
    CHECK_STATUS(mapped_set(all, element, 24, value, NULL), expected);
    check_accesses(times, 24, width, true);
}

static void test_device_elements_are_one_access(void)
{
    static const char *const names[] = {"u8",  "i8",  "u16", "i16", "u32",
                                        "i32", "u64", "i64", "f16", "bf16",
                                        "f32", "f64", "bool"};
    open_device();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_element(names[i], false);
        check_element(names[i], true);
    }
    close_device();
}

static void test_device_bulk_goes_byte_by_byte(void)
{
    unsigned char bytes[40] = {0};
    mapped_slice part;
    open_device();
    CHECK_STATUS(mapped_read(all, 8, bytes, sizeof bytes, NULL), MAPPED_OK);
    check_accesses(sizeof bytes, 8, 1, false);
    CHECK_STATUS(mapped_write(all, 8, bytes, sizeof bytes, NULL), MAPPED_OK);
    check_accesses(sizeof bytes, 8, 1, true);
    CHECK_STATUS(mapped_slice_sub(all, 9, 33, &part, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(part, 7, NULL), MAPPED_OK);
    check_accesses(33, 9, 1, true);
    mapped_region *memory = memory_region(64);
    CHECK_STATUS(mapped_copy(mapped_region_slice(memory), 3, part, NULL),
                 MAPPED_OK);
    check_accesses(33, 9, 1, false);
    CHECK_STATUS(mapped_copy(all, 100, mapped_region_slice(memory), NULL),
                 MAPPED_OK);
    check_accesses(64, 100, 1, true);
    mapped_region_release(memory);
    close_device();
}

static void check_array(const char *name)
{
    unsigned char plain[64];
    ptrdiff_t shape = 4, stride;
    mapped_item item =
        mapped_item_of(mapped_element_from_name(name, strlen(name), false));
    uint32_t width = (uint32_t)item.size;
    stride = (ptrdiff_t)width;
    mapped_array array = {all, 8, item, 1, &shape, &stride};
    if (!is_possible(width))
        return;
    CHECK_STATUS(mapped_array_gather(&array, plain, NULL), MAPPED_OK);
    check_accesses(4, 8, width, false);
    mapped_region *memory = memory_wrap(plain, sizeof plain, false);
    mapped_array other = {
        mapped_region_slice(memory), 0, item, 1, &shape, &stride};
    CHECK_STATUS(mapped_array_copy(&array, &other, NULL), MAPPED_OK);
    check_accesses(4, 8, width, true);
    mapped_region_release(memory);
}

static void test_device_arrays_go_element_by_element(void)
{
    open_device();
    check_array("u8");
    check_array("u16");
    check_array("u32");
    check_array("u64");
    check_array("f64");
    close_device();
}

static void test_device_is_not_touched_by_what_is_refused(void)
{
    mapped_needle needle;
    mapped_span span;
    const void *block;
    size_t found;
    int order;
    bool same;
    open_device();
    mapped_needle_init(&needle, "a", 1);
    CHECK_STATUS(mapped_find(all, &needle, &found, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_count(all, &needle, &found, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_starts_with(all, "a", 1, &same, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_compare(all, all, &order, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_span_begin(all, &span, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_block_enter(all, 1, &block, &found, NULL),
                 MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_region_resize(region, 1, NULL), MAPPED_UNSUPPORTED);
    check_accesses(0, 0, 0, false);
    close_device();
}

static void test_device_of_no_known_size(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *zero = NULL;
    uint32_t word = 1;
    options.flags = MAPPED_OPEN_DEVICE;
    CHECK_STATUS(mapped_region_open("/dev/zero", MAPPED_MODE_READ, &options,
                                    &zero, NULL),
                 MAPPED_ARGUMENT);
    options.length = 3 * scratch_page();
    zero = scratch_open("/dev/zero", MAPPED_MODE_READ_WRITE, &options);
    mapped_slice slice = mapped_region_slice(zero);
    CHECK_UINT(slice.length, 3 * scratch_page());
    CHECK_STATUS(mapped_get_u32(slice, slice.length - 4, &word, NULL),
                 MAPPED_OK);
    CHECK_UINT(word, 0);
    CHECK_STATUS(mapped_set_u32(slice, 4, 7, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u32(slice, 4, &word, NULL), MAPPED_OK);
    CHECK_UINT(word, 7);
    CHECK_STATUS(mapped_get_u32(slice, slice.length, &word, NULL),
                 MAPPED_RANGE);
    mapped_region_release(zero);
}

/* A ring's records are copied, and a register must not be. */
static void test_device_holds_no_ring(void)
{
    mapped_open_options options = {.flags = MAPPED_OPEN_DEVICE};
    mapped_ring ring;
    path = scratch_file("ring", scratch_page());
    region = scratch_open(path, MAPPED_MODE_READ_WRITE, &options);
    CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    region = scratch_open(path, MAPPED_MODE_COPY, NULL);
    CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
}

static void test_device_accesses_can_be_measured(void)
{
    check_skip(registers_missing());
}

int main(void)
{
    RUN(test_device_of_no_known_size);
    RUN(test_device_holds_no_ring);
    if (registers_missing() != NULL) {
        RUN(test_device_accesses_can_be_measured);
        return check_finish();
    }
    RUN(test_device_inline_accessors_are_one_access);
    RUN(test_device_plain_memory_is_accessed_once_too);
    RUN(test_device_elements_are_one_access);
    RUN(test_device_bulk_goes_byte_by_byte);
    RUN(test_device_arrays_go_element_by_element);
    RUN(test_device_is_not_touched_by_what_is_refused);
    return check_finish();
}
