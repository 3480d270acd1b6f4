/* Guards against an access outside of a slice. Slices of slices, resizes,
 * closes and accesses of every kind, with numbers that wrap round, are compared
 * with a model that calculates in 128 bits. The memory lies between two pages
 * that may not be touched. */
#include "guarded.h"

typedef unsigned __int128 wide;

/* The region holds `length` bytes; the slice is [start, start + n) of them. */
typedef struct model {
    unsigned char bytes[80];
    mapped_slice slice;
    size_t start;
    size_t n;
    bool readonly;
    bool closed;
} model;

/* Returns the status that an access of n bytes at `offset` must have. */
static mapped_status expected(const model *m, size_t offset, size_t n,
                              bool write)
{
    if (m->closed)
        return MAPPED_CLOSED;
    if ((wide)offset + n > m->n)
        return MAPPED_RANGE;
    return write && m->readonly ? MAPPED_READONLY : MAPPED_OK;
}

static void do_sub(model *m, input *in)
{
    size_t offset = take_number(in);
    size_t n = take_number(in);
    mapped_slice part = m->slice;
    mapped_status status = mapped_slice_sub(m->slice, offset, n, &part, NULL);
    EXPECT(status == expected(m, offset, n, false));
    if (status != MAPPED_OK)
        return;
    EXPECT(part.offset == m->start + offset && part.length == n);
    m->slice = part;
    m->start += offset;
    m->n = n;
}

static void do_whole(model *m, input *in)
{
    (void)in;
    m->slice = mapped_region_slice(m->slice.region);
    m->start = 0;
    m->n = m->slice.length;
}

static void do_read(model *m, input *in)
{
    unsigned char out[80];
    size_t offset = take_number(in);
    size_t n = take_number(in);
    mapped_status status = mapped_read(m->slice, offset, out, n, NULL);
    EXPECT(status == expected(m, offset, n, false));
    EXPECT(status != MAPPED_OK ||
           memcmp(out, m->bytes + m->start + offset, n) == 0);
}

static void do_write(model *m, input *in)
{
    unsigned char data[80];
    size_t offset = take_number(in);
    size_t n = take_number(in);
    memset(data, take(in), sizeof data);
    mapped_status status = mapped_write(m->slice, offset, data, n, NULL);
    EXPECT(status == expected(m, offset, n, true));
    if (status == MAPPED_OK)
        memcpy(m->bytes + m->start + offset, data, n);
}

static void do_fill(model *m, input *in)
{
    uint8_t byte = take(in);
    mapped_status status = mapped_fill(m->slice, byte, NULL);
    EXPECT(status == expected(m, 0, m->n, true));
    if (status == MAPPED_OK)
        memset(m->bytes + m->start, byte, m->n);
}

static void do_move(model *m, input *in)
{
    size_t to = take_number(in);
    size_t from = take_number(in);
    size_t n = take_number(in);
    mapped_status status = mapped_move(m->slice, to, from, n, NULL);
    mapped_status source = expected(m, from, n, false);
    EXPECT(status == (source == MAPPED_OK ? expected(m, to, n, true) : source));
    if (status == MAPPED_OK)
        memmove(m->bytes + m->start + to, m->bytes + m->start + from, n);
}

static void do_element(model *m, input *in)
{
    bool big = take(in) & 1;
    size_t size = 1 + take(in) % 16;
    size_t offset = take_number(in);
    mapped_value value = {.i = (int64_t)take_number(in)};
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_SIGNED, size, big);
    mapped_status wanted = expected(m, offset, size, true);
    mapped_status status = mapped_set(m->slice, element, offset, value, NULL);
    EXPECT(status == wanted || (wanted == MAPPED_OK && status == MAPPED_VALUE));
    if (status != MAPPED_OK)
        return;
    mapped_value back = {.i = ~value.i};
    EXPECT(mapped_get(m->slice, element, offset, &back, NULL) == MAPPED_OK);
    EXPECT(back.i == value.i);
    memcpy(m->bytes + m->start + offset,
           m->slice.region->base_ + m->start + offset, size);
}

static void do_inline(model *m, input *in)
{
    size_t offset = take_number(in);
    uint32_t four = 0;
    uint64_t eight = 0;
    mapped_status status = mapped_get_u32le(m->slice, offset, &four, NULL);
    EXPECT(status == expected(m, offset, 4, false));
    EXPECT(status != MAPPED_OK || mapped_le_u32(mapped_load_u32(
                                      m->bytes + m->start + offset)) == four);
    status = mapped_get_u64be(m->slice, offset, &eight, NULL);
    EXPECT(status == expected(m, offset, 8, false));
    EXPECT(status != MAPPED_OK || mapped_be_u64(mapped_load_u64(
                                      m->bytes + m->start + offset)) == eight);
    status = mapped_set_u16be(m->slice, offset, 0x1234, NULL);
    EXPECT(status == expected(m, offset, 2, true));
    if (status == MAPPED_OK)
        memcpy(m->bytes + m->start + offset, "\x12\x34", 2);
}

static void do_compare(model *m, input *in)
{
    unsigned char data[80];
    size_t n = take(in) % sizeof data;
    int order = 0;
    for (size_t i = 0; i < n; i++)
        data[i] = take(in);
    mapped_status status =
        mapped_compare_bytes(m->slice, data, n, &order, NULL);
    EXPECT(status == expected(m, 0, m->n, false));
    if (status != MAPPED_OK)
        return;
    int common = memcmp(m->bytes + m->start, data, n < m->n ? n : m->n);
    int wanted = common != 0 ? common : (m->n > n) - (m->n < n);
    EXPECT((order < 0) == (wanted < 0) && (order > 0) == (wanted > 0));
}

static void do_close(model *m, input *in)
{
    if (take(in) % 8 != 0)
        return;
    EXPECT(mapped_region_close(m->slice.region, NULL) == MAPPED_OK);
    m->closed = true;
}

static void (*const actions[])(model *, input *) = {
    do_sub,  do_whole,   do_read,   do_write,   do_fill,
    do_move, do_element, do_inline, do_compare, do_close};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    model m = {.readonly = take(&in) % 8 == 0};
    bool at_end = take(&in) & 1;
    size_t length = take(&in) % sizeof m.bytes;
    unsigned char *memory = guarded(length, at_end);
    mapped_region *region;
    for (size_t i = 0; i < length; i++)
        m.bytes[i] = memory[i] = (unsigned char)(i + size);
    EXPECT(mapped_region_wrap(memory, length, m.readonly, NULL, NULL, &region,
                              NULL) == MAPPED_OK);
    m.slice.region = region;
    do_whole(&m, &in);
    while (in.left > 0) {
        actions[take(&in) % (sizeof actions / sizeof actions[0])](&m, &in);
        EXPECT(memcmp(memory, m.bytes, length) == 0);
    }
    mapped_region_release(region);
    return 0;
}
