/* Guards against damaged memory that leads out of a ring or into an endless
 * loop. */
#include "ring_memory.h"

static void put_record_header(size_t position, uint32_t length)
{
    const uint32_t words[2] = {length, ~length};
    memcpy(memory + MAPPED_RING_RECORDS_AT + position % ROOM, words, 8);
}

/* What two headers, one at the head and one at the start of the records, say
 * that was sent up to the tail. */
typedef struct sent_records {
    uint64_t head, tail;
    uint32_t length, length_at_start;
} sent_records;

static mapped_status recv_of(const sent_records *sent)
{
    unsigned char bytes[ROOM];
    size_t n;
    make_ring();
    memcpy(memory + 64, &sent->tail, 8);
    memcpy(memory + 128, &sent->head, 8);
    put_record_header(0, sent->length_at_start);
    put_record_header((size_t)sent->head, sent->length);
    mapped_status status = try_recv(bytes, &n);
    end_ring();
    return status;
}

/* Headers whose length and inverted length agree, which no chance makes. */
static void test_ring_believes_no_header(void)
{
    const uint32_t go = UINT32_MAX;
    const sent_records right[] = {{0, 16, 8, 8},
                                  {ROOM - 16, ROOM, 8, go},
                                  {ROOM - 16, ROOM + 16, go, 8},
                                  {ROOM, ROOM + 8, 0, 0},
                                  {2 * ROOM - 16, 16, go, 8}};
    const sent_records wrong[] = {{0, 16, 9, 9},
                                  {0, 16, go - 1, go - 1},
                                  {0, 16, go, go},
                                  {0, ROOM, go, go},
                                  {ROOM - 16, ROOM + 48, 9, 0},
                                  {ROOM - 16, ROOM + 48, 40, 0},
                                  {ROOM - 16, ROOM, go, 0},
                                  {ROOM - 16, ROOM - 8, go, 0},
                                  {ROOM - 16, ROOM + 16, go, 9},
                                  {ROOM - 16, ROOM + 16, go, go},
                                  {2 * ROOM - 16, 16, go, 9}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        CHECK_STATUS(recv_of(&right[i]), MAPPED_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(recv_of(&wrong[i]), MAPPED_CORRUPT);
    make_ring();
    send_text("hello");
    memory[MAPPED_RING_RECORDS_AT + 4] ^= 1;
    CHECK_STATUS(try_recv((unsigned char[ROOM]){0}, &(size_t){0}),
                 MAPPED_CORRUPT);
    end_ring();
}

/* Whoever was told of the damage holds no end any more. */
static void test_ring_that_is_repaired_goes_on(void)
{
    const uint64_t damaged = 3;
    uint64_t tail;
    unsigned char bytes[ROOM];
    size_t n;
    make_ring();
    send_text("hello");
    memcpy(&tail, memory + 64, 8);
    memcpy(memory + 64, &damaged, 8);
    CHECK_STATUS(try_send("x", 1), MAPPED_CORRUPT);
    CHECK_STATUS(try_recv(bytes, &n), MAPPED_CORRUPT);
    memcpy(memory + 64, &tail, 8);
    send_text("again");
    check_next("hello");
    check_next("again");
    end_ring();
}

/* Everything there is, with any bytes changed: an error or a record inside. */
static void try_all(void)
{
    unsigned char bytes[ROOM] = {0};
    mapped_ring again;
    mapped_ring_state state;
    mapped_ring_hold hold;
    mapped_slice record;
    size_t n = 0;
    (void)!attach(0, SIZE, &again, NULL);
    (void)!mapped_ring_look(&ring, &state, NULL);
    for (int i = 0; i < 4; i++) {
        (void)!try_recv(bytes, &n);
        (void)!try_send(bytes, (size_t)i * 40);
    }
    if (mapped_ring_begin_recv(&ring, 0, &hold, NULL) == MAPPED_OK) {
        while (mapped_ring_peek(&hold, 0, &record, NULL) == MAPPED_OK)
            CHECK(record.offset >= MAPPED_RING_RECORDS_AT &&
                  record.offset + record.length <= SIZE);
        (void)!mapped_ring_release(&hold, NULL);
        mapped_ring_end(&hold);
    }
}

static void test_ring_that_is_damaged_stays_inside(void)
{
    unsigned char bytes[100] = {0};
    size_t n;
    uint64_t random = 7;
    for (int round = 0; round < 20000; round++) {
        make_ring();
        for (int i = 0; i < round % 13; i++) {
            (void)!try_send(bytes, (size_t)(round + i) % 90);
            if (i % 3 == 0)
                (void)!try_recv(bytes, &n);
        }
        for (int i = 0; i <= round % 3; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t place =
                random >> 60 < 8 ? random >> 40 & 0xFF : (random >> 40) % SIZE;
            if (place >= 72 && place < 80)
                place += 64; /* a mutex that a process holds is no damage */
            if (place >= 136 && place < 144)
                continue;
            memory[place] = (unsigned char)(random >> 30);
        }
        try_all();
        end_ring();
    }
}

int main(void)
{
    RUN(test_ring_believes_no_header);
    RUN(test_ring_that_is_repaired_goes_on);
    RUN(test_ring_that_is_damaged_stays_inside);
    return check_finish();
}
