/* Guards against an access that reads or writes one byte too many. The memory
 * of every slice here lies between two pages that may not be touched, directly
 * before the one or directly behind the other, so that touching a byte outside
 * ends the program. */
#include "scratch.h"

#define LONGEST 70

static unsigned char *page; /* the one that may be touched */

static void set_up(void)
{
    size_t size = scratch_page();
    unsigned char *pages =
        mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED ||
        mprotect(pages + size, size, PROT_READ | PROT_WRITE) != 0) {
        perror("mmap");
        exit(1);
    }
    page = pages + size;
}

static unsigned char *place(size_t length, bool at_end)
{
    unsigned char *start = at_end ? page + scratch_page() - length : page;
    for (size_t i = 0; i < length; i++)
        start[i] = memory_byte(i);
    return start;
}

/* Runs `check` on slices of every length at either end of the page. Each slice
 * is a whole region. */
static void at_every_edge(void (*check)(mapped_slice slice))
{
    for (size_t length = 0; length <= LONGEST; length++) {
        for (int at_end = 0; at_end < 2; at_end++) {
            unsigned char *start = place(length, at_end);
            mapped_region *region = memory_wrap(start, length, false);
            check(mapped_region_slice(region));
            mapped_region_release(region);
        }
    }
}

static void check_element(mapped_slice slice, const mapped_element *element)
{
    for (size_t offset = 0; offset <= slice.length + 1; offset++) {
        bool inside = mapped_range_fits(offset, element->size, slice.length);
        mapped_value value = {.u = 0};
        mapped_status got = mapped_get(slice, element, offset, &value, NULL);
        CHECK(inside ? got != MAPPED_RANGE : got == MAPPED_RANGE);
        CHECK_STATUS(mapped_set(slice, element, offset, value, NULL),
                     inside ? MAPPED_OK : MAPPED_RANGE);
    }
}

static void check_elements(mapped_slice slice)
{
    const char *codes[] = {"<e", ">f", "<d", "?", "c"};
    for (size_t size = 1; size <= 16; size++)
        for (int big = 0; big < 2; big++)
            check_element(slice,
                          mapped_element_find(MAPPED_KIND_SIGNED, size, big));
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        check_element(slice, mapped_element_from_struct(
                                 codes[i], strlen(codes[i]), NULL));
}

static void test_edge_elements(void)
{
    at_every_edge(check_elements);
}

static void check_inline(mapped_slice slice)
{
    for (size_t offset = 0; offset <= slice.length + 1; offset++) {
        size_t left = offset <= slice.length ? slice.length - offset : 0;
#define CHECK_ACCESS(suffix, type)                                     \
    do {                                                               \
        type value = 0;                                                \
        mapped_status expected =                                       \
            left >= sizeof value ? MAPPED_OK : MAPPED_RANGE;           \
        CHECK_STATUS(mapped_get_##suffix(slice, offset, &value, NULL), \
                     expected);                                        \
        CHECK_STATUS(mapped_set_##suffix(slice, offset, value, NULL),  \
                     expected);                                        \
    } while (0)
        CHECK_ACCESS(u8, uint8_t);
        CHECK_ACCESS(i16be, int16_t);
        CHECK_ACCESS(u32le, uint32_t);
        CHECK_ACCESS(u64, uint64_t);
        CHECK_ACCESS(f32be, float);
        CHECK_ACCESS(f64le, double);
#undef CHECK_ACCESS
    }
}

static void test_edge_inline_access(void)
{
    at_every_edge(check_inline);
}

static void check_copies(mapped_slice slice)
{
    unsigned char other[LONGEST + 2] = {0};
    for (size_t offset = 0; offset <= slice.length + 1; offset++) {
        size_t left = offset <= slice.length ? slice.length - offset : 0;
        mapped_status whole = offset <= slice.length ? MAPPED_OK : MAPPED_RANGE;
        CHECK_STATUS(mapped_read(slice, offset, other, left, NULL), whole);
        CHECK_STATUS(mapped_write(slice, offset, other, left, NULL), whole);
        CHECK_STATUS(mapped_read(slice, offset, other, left + 1, NULL),
                     MAPPED_RANGE);
        CHECK_STATUS(mapped_write(slice, offset, other, left + 1, NULL),
                     MAPPED_RANGE);
    }
}

static void test_edge_copies(void)
{
    at_every_edge(check_copies);
}

static void check_fill_and_move(mapped_slice slice)
{
    size_t n = slice.length;
    CHECK_STATUS(mapped_fill(slice, 0x5a, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_move(slice, 0, n / 3, n - n / 3, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_move(slice, n / 3, 0, n - n / 3, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_move(slice, 0, 1, n, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_move(slice, 1, 0, n, NULL), MAPPED_RANGE);
}

static void test_edge_fill_and_move(void)
{
    at_every_edge(check_fill_and_move);
}

/* Compares the slice with longer bytes, with shorter bytes and with itself. */
static void check_compare(mapped_slice slice)
{
    unsigned char longer[LONGEST + 1];
    int order = 7;
    for (size_t i = 0; i < sizeof longer; i++)
        longer[i] = memory_byte(i);
    CHECK_STATUS(
        mapped_compare_bytes(slice, longer, slice.length + 1, &order, NULL),
        MAPPED_OK);
    CHECK(order < 0);
    CHECK_STATUS(mapped_compare(slice, slice, &order, NULL), MAPPED_OK);
    CHECK_INT(order, 0);
    if (slice.length == 0)
        return;
    mapped_region *region = memory_wrap(longer, slice.length - 1, true);
    CHECK_STATUS(
        mapped_compare(slice, mapped_region_slice(region), &order, NULL),
        MAPPED_OK);
    CHECK(order > 0);
    CHECK_STATUS(
        mapped_compare(mapped_region_slice(region), slice, &order, NULL),
        MAPPED_OK);
    CHECK(order < 0);
    mapped_region_release(region);
}

static void test_edge_compare(void)
{
    at_every_edge(check_compare);
}

/* Parses every text of three of these letters, cut off at every length. */
static void test_edge_codes(void)
{
    const char letters[] = "@=<>!iIbq19 s\xff";
    size_t count = sizeof letters - 1;
    for (size_t i = 0; i < count * count * count; i++) {
        const char text[3] = {letters[i % count], letters[i / count % count],
                              letters[i / count / count]};
        for (size_t length = 0; length <= 3; length++) {
            char *code = (char *)page + scratch_page() - length;
            memcpy(code, text, length);
            const mapped_element *found[2] = {
                mapped_element_from_struct(code, length, NULL),
                mapped_element_from_pack(code, length, NULL)};
            CHECK(length > 0 || (!found[0] && !found[1]));
        }
    }
}

static void test_edge_modes(void)
{
    const char *texts[] = {"r",  "r+",  "c", "w+",  "x+", "a+",
                           "rb", "r+b", "",  "r++", "b"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t length = strlen(texts[i]);
        char *text = (char *)page + scratch_page() - length;
        mapped_mode mode;
        memcpy(text, texts[i], length);
        CHECK_STATUS(mapped_mode_parse(text, length, &mode, NULL),
                     i < 8 ? MAPPED_OK : MAPPED_ARGUMENT);
    }
}

int main(void)
{
    set_up();
    RUN(test_edge_elements);
    RUN(test_edge_inline_access);
    RUN(test_edge_copies);
    RUN(test_edge_fill_and_move);
    RUN(test_edge_compare);
    RUN(test_edge_codes);
    RUN(test_edge_modes);
    return check_finish();
}
