/* Guards against a ring that makes itself of somebody else's data, and records
 * that come back changed, twice or in another order. */
#include "ring_memory.h"

static void test_ring_lies_as_its_header_says(void)
{
    const uint32_t numbers[2] = {1, 0x01020304};
    uint64_t word;
    uint32_t half;
    make_ring();
    send_text("hello");
    CHECK_BYTES(memory, "\xADmapring", 8);
    CHECK_BYTES(memory + 8, numbers, 8);
    memcpy(&word, memory + 16, 8);
    CHECK_UINT(word, ROOM);
    memcpy(&word, memory + 24, 8);
    CHECK_UINT(word, 256);
    memcpy(&word, memory + 64, 8);
    CHECK_UINT(word, 16);
    memcpy(&word, memory + 128, 8);
    CHECK_UINT(word, 0);
    memcpy(&half, memory + 256, 4);
    CHECK_UINT(half, 5);
    memcpy(&half, memory + 260, 4);
    CHECK_UINT(half, UINT32_MAX - 5);
    CHECK_BYTES(memory + 264, "hello", 5);
    check_next("hello");
    memcpy(&word, memory + 128, 8);
    CHECK_UINT(word, 16);
    end_ring();
}

static void test_ring_is_attached_to(void)
{
    mapped_ring again;
    make_ring();
    send_text("one");
    CHECK_STATUS(attach(0, SIZE + 5, &again, NULL), MAPPED_OK);
    send_text("two");
    ring = again;
    check_next("one");
    check_next("two");
    check_empty();
    end_ring();
}

static void test_ring_is_made_of_nothing_but_zeros(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    static const size_t places[] = {0, 10, 70, 200, 256, SIZE - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        make_zero();
        memory[places[i]] = 1;
        CHECK_STATUS(attach(0, SIZE, &ring, &error), MAPPED_ARGUMENT);
        CHECK_TEXT(error.operation, "Ring: neither zero nor a ring");
        CHECK_UINT(memory[places[i]], 1);
        CHECK_UINT(memory[16], 0);
        end_ring();
    }
}

/* A process that died while it made the ring has left some of the header. */
static void test_ring_that_is_half_made_is_made(void)
{
    unsigned char whole[MAPPED_RING_RECORDS_AT];
    make_ring();
    memcpy(whole, memory, sizeof whole);
    end_ring();
    for (size_t n = 8; n <= sizeof whole; n += 8) {
        make_zero();
        memcpy(memory + 8, whole + 8, n - 8);
        CHECK_STATUS(attach(0, SIZE, &ring, NULL), MAPPED_OK);
        CHECK_BYTES(memory, whole, sizeof whole);
        end_ring();
    }
}

static void test_ring_of_another_kind_is_refused(void)
{
    const struct {
        size_t at;
        mapped_status status;
    } cases[] = {{8, MAPPED_UNSUPPORTED},
                 {12, MAPPED_UNSUPPORTED},
                 {16, MAPPED_SIZE},
                 {24, MAPPED_CORRUPT},
                 {0, MAPPED_ARGUMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_ring();
        memory[cases[i].at] ^= 64;
        CHECK_STATUS(attach(0, SIZE, &ring, NULL), cases[i].status);
        end_ring();
    }
    make_ring();
    CHECK_STATUS(attach(0, SIZE - 8, &ring, NULL), MAPPED_SIZE);
    end_ring();
}

static void test_ring_has_needs(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_ring none = {.slice = {0}};
    mapped_ring_hold hold;
    mapped_ring_state state;
    make_zero();
    CHECK_STATUS(attach(0, 319, &ring, &error), MAPPED_RANGE);
    CHECK_STATUS(attach(4, SIZE, &ring, &error), MAPPED_MISALIGNED);
    CHECK_TEXT(error.operation, "Ring");
    CHECK_STATUS(attach(8, 320, &ring, &error), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(attach(0, SIZE, &ring, &error), MAPPED_CLOSED);
    CHECK_STATUS(try_send("x", 1), MAPPED_CLOSED);
    end_ring();
    region = memory_wrap(memory, sizeof memory, true);
    CHECK_STATUS(attach(0, SIZE, &ring, &error), MAPPED_READONLY);
    end_ring();
    ring = none;
    CHECK_STATUS(try_send("", 0), MAPPED_CLOSED);
    CHECK_STATUS(mapped_ring_wait_record(&none, MAPPED_NEVER, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_ring_look(&none, &state, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_ring_begin_recv(&none, MAPPED_NEVER, &hold, NULL),
                 MAPPED_CLOSED);
}

static void protect(size_t offset, size_t length, mapped_mode mode)
{
    CHECK_STATUS(
        mapped_protect((mapped_slice){region, offset, length, 0}, mode, NULL),
        MAPPED_OK);
}

static void test_ring_writes_no_byte_that_is_protected(void)
{
    unsigned char before[SIZE], bytes[ROOM];
    const size_t places[] = {0, 64, 128, 192, 256, SIZE - 8};
    mapped_ring again;
    size_t n;
    make_ring();
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        send_text("hello");
        memcpy(before, memory, SIZE);
        protect(places[i], 8, MAPPED_MODE_READ);
        CHECK_STATUS(try_send("x", 1), MAPPED_READONLY);
        CHECK_STATUS(try_recv(bytes, &n), MAPPED_READONLY);
        CHECK_STATUS(attach(0, SIZE, &again, NULL), MAPPED_READONLY);
        CHECK_BYTES(memory, before, SIZE);
        protect(places[i], 8, MAPPED_MODE_READ_WRITE);
        check_next("hello");
    }
    end_ring();
}

/* Against a list, with all lengths, all fill levels and many turns. */
static void test_ring_keeps_records_in_order(void)
{
    static unsigned char lengths[1 << 16];
    unsigned char bytes[ROOM];
    uint64_t random = 1;
    size_t sent = 0, received = 0, full = 0, n;
    make_ring();
    while (sent < sizeof lengths) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (random >> 62 != 0) {
            lengths[sent] = (unsigned char)(random >> 40);
            memset(bytes, (int)(sent % 251), sizeof bytes);
            mapped_status status = try_send(bytes, lengths[sent]);
            if (status == MAPPED_OK)
                sent++;
            else
                full++;
            CHECK(status == MAPPED_OK || status == MAPPED_TIMEOUT);
        }
        if (random >> 33 & 1) {
            mapped_status status = try_recv(bytes, &n);
            CHECK_STATUS(status, sent > received ? MAPPED_OK : MAPPED_TIMEOUT);
            if (status != MAPPED_OK)
                continue;
            CHECK_UINT(n, lengths[received]);
            for (size_t i = 0; i < n; i++)
                CHECK_UINT(bytes[i], received % 251);
            received++;
        }
    }
    CHECK(full > 100);
    end_ring();
}

static void test_ring_takes_the_longest_record_wherever_it_is(void)
{
    unsigned char bytes[ROOM] = {0};
    size_t n = 0, longest;
    make_ring();
    longest = mapped_ring_longest(&ring);
    CHECK_UINT(longest, ROOM / 2 - 8);
    for (size_t step = 0; step < ROOM / 8; step++) {
        CHECK_STATUS(try_send(bytes, longest), MAPPED_OK);
        CHECK_STATUS(try_recv(bytes, &n), MAPPED_OK);
        CHECK_UINT(n, longest);
        CHECK_STATUS(try_send("", 0), MAPPED_OK);
        CHECK_STATUS(try_recv(bytes, &n), MAPPED_OK);
        CHECK_UINT(n, 0);
    }
    CHECK_STATUS(try_send(bytes, longest + 1), MAPPED_RANGE);
    CHECK_STATUS(mapped_ring_wait_room(&ring, longest + 1, 0, NULL),
                 MAPPED_RANGE);
    check_empty();
    end_ring();
}

static void test_ring_that_is_full_says_so(void)
{
    unsigned char bytes[100] = {0};
    size_t n, count = 0;
    mapped_ring_state state;
    make_ring();
    while (try_send(bytes, 56) == MAPPED_OK)
        count++;
    CHECK_UINT(count, ROOM / 64);
    CHECK_STATUS(mapped_ring_look(&ring, &state, NULL), MAPPED_OK);
    CHECK_UINT(state.used, ROOM);
    CHECK_STATUS(mapped_ring_wait_room(&ring, 0, 0, NULL), MAPPED_TIMEOUT);
    CHECK_STATUS(
        mapped_ring_send(&ring, bytes, 56, mapped_deadline(2000000), NULL),
        MAPPED_TIMEOUT);
    CHECK_STATUS(mapped_ring_recv(&ring, bytes, 56, &n, 0, NULL), MAPPED_OK);
    CHECK_STATUS(try_send(bytes, 56), MAPPED_OK);
    CHECK_STATUS(try_send(bytes, 0), MAPPED_TIMEOUT);
    end_ring();
}

static void test_ring_keeps_what_the_buffer_is_too_short_for(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    char bytes[5];
    size_t n = 0;
    make_ring();
    send_text("hello");
    CHECK_STATUS(mapped_ring_recv(&ring, bytes, 4, &n, 0, &error),
                 MAPPED_RANGE);
    CHECK_UINT(n, 5);
    CHECK_UINT(error.limit, 4);
    CHECK_STATUS(mapped_ring_recv(&ring, bytes, 5, &n, 0, NULL), MAPPED_OK);
    CHECK_BYTES(bytes, "hello", 5);
    end_ring();
}

static void test_ring_keeps_the_one_of_several_that_does_not_fit(void)
{
    char bytes[2][4];
    mapped_ring_buffer buffers[] = {{bytes[0], 4, 0}, {bytes[1], 4, 0}};
    size_t received = 0;
    make_ring();
    send_text("one");
    send_text("three");
    CHECK_STATUS(mapped_ring_recv_all(&ring, buffers, 2, 0, &received, NULL),
                 MAPPED_OK);
    CHECK_UINT(received, 1);
    CHECK_UINT(buffers[0].length, 3);
    check_next("three");
    check_empty();
    end_ring();
}

static void test_ring_gives_no_records_when_none_are_wanted(void)
{
    size_t received = 9, found = 9;
    make_ring();
    send_text("hello");
    CHECK_STATUS(mapped_ring_recv_all(&ring, NULL, 0, 0, &received, NULL),
                 MAPPED_OK);
    CHECK_UINT(received, 0);
    CHECK_STATUS(mapped_ring_measure(&ring, NULL, 0, 0, &found, NULL),
                 MAPPED_OK);
    CHECK_UINT(found, 0);
    check_next("hello");
    end_ring();
}

static mapped_ring_hold hold_sends(void)
{
    mapped_ring_hold hold;
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &hold, NULL), MAPPED_OK);
    return hold;
}

static void reserve_text(mapped_ring_hold *hold, const char *text)
{
    mapped_slice record;
    CHECK_STATUS(mapped_ring_reserve(hold, strlen(text), 0, &record, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_write(record, 0, text, strlen(text), NULL), MAPPED_OK);
}

static void test_ring_sends_several_records_in_one_step(void)
{
    make_ring();
    mapped_ring_hold hold = hold_sends();
    reserve_text(&hold, "one");
    reserve_text(&hold, "two");
    check_empty();
    CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
    reserve_text(&hold, "dropped");
    CHECK_STATUS(try_send("x", 1), MAPPED_TIMEOUT);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_BUSY);
    mapped_ring_end(&hold);
    send_text("three");
    check_next("one");
    check_next("two");
    check_next("three");
    check_empty();
    end_ring();
}

static void test_ring_shortens_a_record(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    make_ring();
    mapped_ring_hold hold = hold_sends();
    CHECK_STATUS(mapped_ring_shorten(&hold, 0, NULL), MAPPED_ARGUMENT);
    reserve_text(&hold, "shorter than this");
    CHECK_STATUS(mapped_ring_shorten(&hold, 18, &error), MAPPED_RANGE);
    CHECK_UINT(error.limit, 17);
    CHECK_STATUS(mapped_ring_shorten(&hold, 7, NULL), MAPPED_OK);
    reserve_text(&hold, "next");
    CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
    mapped_ring_end(&hold);
    check_next("shorter");
    check_next("next");
    end_ring();
}

static void test_ring_waits_for_no_room_with_records_reserved(void)
{
    mapped_slice record;
    make_ring();
    mapped_ring_hold hold = hold_sends();
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(
            mapped_ring_reserve(&hold, 500, MAPPED_NEVER, &record, NULL),
            MAPPED_OK);
    CHECK_STATUS(mapped_ring_reserve(&hold, 1, MAPPED_NEVER, &record, NULL),
                 MAPPED_TIMEOUT);
    CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
    mapped_ring_end(&hold);
    end_ring();
}

static void test_ring_gives_again_what_was_not_released(void)
{
    mapped_ring_hold hold;
    mapped_slice one, two, three;
    make_ring();
    send_text("one");
    send_text("two");
    CHECK_STATUS(mapped_ring_begin_recv(&ring, 0, &hold, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_peek(&hold, 0, &one, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_release(&hold, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_peek(&hold, 0, &two, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_peek(&hold, MAPPED_NEVER, &three, NULL),
                 MAPPED_TIMEOUT);
    CHECK_UINT(two.length, 3);
    CHECK_BYTES(memory + two.offset, "two", 3);
    mapped_ring_end(&hold);
    check_next("two");
    end_ring();
}

/* The block of a region may end while an end is held. */
static unsigned next_random(void)
{
    static uint64_t random = 11;
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random >> 40);
}

/* Reserves some records of one held end, makes every third shorter, and commits
 * them. Record number i is of bytes i. */
static void send_some(unsigned *sent, size_t lengths[256])
{
    mapped_ring_hold hold;
    mapped_slice record;
    unsigned char bytes[ROOM];
    unsigned reserved = *sent;
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &hold, NULL), MAPPED_OK);
    for (unsigned i = next_random() % 9; i > 0; i--) {
        size_t n = next_random() % (next_random() % 8 == 0 ? 500 : 40);
        if (mapped_ring_reserve(&hold, n, 0, &record, NULL) != MAPPED_OK)
            break;
        if (next_random() % 3 == 0) {
            n /= 2;
            CHECK_STATUS(mapped_ring_shorten(&hold, n, NULL), MAPPED_OK);
        }
        memset(bytes, (int)(reserved & 255), n);
        CHECK_STATUS(mapped_write(record, 0, bytes, n, NULL), MAPPED_OK);
        lengths[reserved++ & 255] = n;
    }
    if (next_random() % 4 != 0) {
        CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
        *sent = reserved;
    }
    mapped_ring_end(&hold);
}

/* Receives some records into buffers that may be too short for one. */
static void recv_some(unsigned *received, unsigned sent,
                      const size_t lengths[256])
{
    static unsigned char bytes[8][ROOM];
    unsigned char expected[ROOM];
    mapped_ring_buffer buffers[8];
    size_t count = 1 + next_random() % 8, found = 0;
    for (size_t i = 0; i < count; i++)
        buffers[i] = (mapped_ring_buffer){
            bytes[i], next_random() % 4 == 0 ? 30 : ROOM, 0};
    mapped_status status =
        mapped_ring_recv_all(&ring, buffers, count, 0, &found, NULL);
    if (status == MAPPED_TIMEOUT)
        CHECK_UINT(sent, *received);
    for (size_t i = 0; i < found; i++, (*received)++) {
        const size_t n = lengths[*received & 255];
        CHECK_UINT(buffers[i].length, n);
        memset(expected, (int)(*received & 255), n);
        CHECK_BYTES(bytes[i], expected, n);
    }
}

static void test_ring_keeps_records_of_held_ends(void)
{
    size_t lengths[256];
    unsigned sent = 0, received = 0;
    make_ring();
    for (int round = 0; round < 20000; round++) {
        send_some(&sent, lengths);
        recv_some(&received, sent, lengths);
    }
    CHECK(received > 20000 && sent >= received);
    end_ring();
}

static void test_ring_refuses_the_wrong_end(void)
{
    mapped_ring_hold sender, receiver;
    mapped_slice record;
    make_ring();
    send_text("one");
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &sender, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_begin_recv(&ring, 0, &receiver, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_peek(&sender, 0, &record, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_ring_reserve(&receiver, 1, 0, &record, NULL),
                 MAPPED_ARGUMENT);
    mapped_ring_end(&sender);
    mapped_ring_end(&receiver);
    check_next("one");
    check_empty();
    end_ring();
}

static void test_ring_of_a_retired_region_is_let_go(void)
{
    make_ring();
    mapped_ring_hold hold = hold_sends();
    CHECK_UINT(mapped_region_retire(region), 1);
    mapped_ring_end(&hold);
    mapped_region_release(region);
    region = memory_wrap(memory, sizeof memory, false);
    CHECK_STATUS(attach(0, SIZE, &ring, NULL), MAPPED_OK);
    send_text("x");
    end_ring();
}

int main(void)
{
    RUN(test_ring_lies_as_its_header_says);
    RUN(test_ring_is_attached_to);
    RUN(test_ring_is_made_of_nothing_but_zeros);
    RUN(test_ring_that_is_half_made_is_made);
    RUN(test_ring_of_another_kind_is_refused);
    RUN(test_ring_has_needs);
    RUN(test_ring_writes_no_byte_that_is_protected);
    RUN(test_ring_keeps_records_in_order);
    RUN(test_ring_takes_the_longest_record_wherever_it_is);
    RUN(test_ring_that_is_full_says_so);
    RUN(test_ring_keeps_what_the_buffer_is_too_short_for);
    RUN(test_ring_keeps_the_one_of_several_that_does_not_fit);
    RUN(test_ring_gives_no_records_when_none_are_wanted);
    RUN(test_ring_sends_several_records_in_one_step);
    RUN(test_ring_shortens_a_record);
    RUN(test_ring_waits_for_no_room_with_records_reserved);
    RUN(test_ring_gives_again_what_was_not_released);
    RUN(test_ring_keeps_records_of_held_ends);
    RUN(test_ring_refuses_the_wrong_end);
    RUN(test_ring_of_a_retired_region_is_let_go);
    return check_finish();
}
