/* Guards against operations of several processes whose results no order
 * explains in which each happens at one point between its begin and its end: of
 * an atomic word, of one that a mutex guards, and of a ring. The processes
 * record what they do and when, and a search looks for such an order. */
#include "ring_records.h"

#include <mapped/atomic.h>
#include <mapped/mutex.h>

#include <sched.h>
#include <stddef.h>

#include "platform.h"

#define PROCESSES 4
#define ROUNDS 200u
#define STEPS 8u /* of a process in a round */
#define WINDOW (PROCESSES * STEPS)

typedef enum kind {
    ADD,
    EXCHANGE,
    COMPARE_EXCHANGE
} kind;

typedef struct operation {
    uint64_t begin, end;
    kind kind;
    uint64_t operand, expected;
    uint64_t before; /* what it found */
} operation;

static uint64_t applied(const operation *done, uint64_t word)
{
    switch (done->kind) {
    case ADD:
        return word + done->operand;
    case EXCHANGE:
        return done->operand;
    default:
        return word == done->expected ? done->operand : word;
    }
}

/* The search: which operations have been put in order, as bits, and what the
 * word is then. `failed` has what led nowhere; where two meet there, one is
 * forgotten. */
typedef struct point {
    uint64_t ordered, word;
} point;

typedef struct search {
    const operation *operations;
    size_t count;
    point failed[4096];
} search;

static point *place_of(search *in, point at)
{
    uint64_t mixed = (at.ordered ^ at.word * 31) * UINT64_C(0x9E3779B97F4A7C15);
    return &in->failed[mixed >> 52];
}

static bool is_ordered(point at, size_t i)
{
    return at.ordered >> i & 1;
}

/* The first end of those that are left: the next one has begun by then. */
static uint64_t first_end(const search *in, point at)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < in->count; i++)
        if (!is_ordered(at, i) && in->operations[i].end < first)
            first = in->operations[i].end;
    return first;
}

static bool has_order(search *in, point at)
{
    const uint64_t end = first_end(in, at);
    point *failed = place_of(in, at);
    if (at.ordered == (UINT64_C(1) << in->count) - 1)
        return true;
    if (failed->ordered == at.ordered && failed->word == at.word &&
        at.ordered != 0)
        return false;
    for (size_t i = 0; i < in->count; i++) {
        const operation *next = &in->operations[i];
        const point then = {at.ordered | UINT64_C(1) << i,
                            applied(next, at.word)};
        if (!is_ordered(at, i) && next->begin <= end &&
            next->before == at.word && has_order(in, then))
            return true;
    }
    *failed = at;
    return false;
}

/* From a word that is 0. */
static bool is_linear(const operation *operations, size_t count)
{
    static search all;
    memset(&all, 0, sizeof all);
    all.operations = operations;
    all.count = count;
    return has_order(&all, (point){0, 0});
}

static void test_linear_a_history_without_order_is_found(void)
{
    const operation lost[] = {{1, 4, ADD, 1, 0, 0}, {2, 3, ADD, 1, 0, 0}};
    const operation late[] = {{1, 2, EXCHANGE, 7, 0, 0}, {3, 4, ADD, 1, 0, 0}};
    const operation twice[] = {{1, 9, COMPARE_EXCHANGE, 5, 0, 0},
                               {1, 9, COMPARE_EXCHANGE, 6, 0, 0},
                               {1, 9, ADD, 0, 0, 6}};
    const operation turned[] = {{1, 2, ADD, 1, 0, 1}, {3, 4, ADD, 1, 0, 0}};
    CHECK(!is_linear(lost, 2));
    CHECK(!is_linear(late, 2));
    CHECK(!is_linear(twice, 3));
    CHECK(!is_linear(turned, 2));
}

static void test_linear_a_history_with_one_order_is_taken(void)
{
    const operation turned[] = {{1, 3, ADD, 1, 0, 1}, {2, 4, ADD, 1, 0, 0}};
    const operation failing[] = {{1, 9, COMPARE_EXCHANGE, 5, 3, 6},
                                 {1, 9, COMPARE_EXCHANGE, 6, 0, 0},
                                 {1, 9, EXCHANGE, 4, 0, 6}};
    CHECK(is_linear(turned, 2));
    CHECK(is_linear(failing, 3));
}

/* What the processes share. Each round has a word of its own. */
typedef struct journal {
    uint64_t mutex;
    uint64_t words[ROUNDS];
    uint32_t arrived[ROUNDS];
    uint32_t next; /* process */
    operation operations[ROUNDS][WINDOW];
} journal;

static journal *shared;

static void begin_journal(void)
{
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(
        mapped_region_anonymous(sizeof(journal), &options, &region, NULL),
        MAPPED_OK);
    shared = (journal *)(void *)region->base_;
}

static void operate_atomically(operation *done, size_t round)
{
    mapped_atomic word;
    mapped_value before = {.u = 0};
    const mapped_value operand = {.u = done->operand};
    const mapped_value expected = {.u = done->expected};
    CHECK_STATUS(
        mapped_atomic_at(mapped_region_slice(region),
                         mapped_element_find(MAPPED_KIND_UNSIGNED, 8, false),
                         offsetof(journal, words) + 8 * round, &word, NULL),
        MAPPED_OK);
    done->begin = mapped__now();
    if (done->kind == COMPARE_EXCHANGE)
        check_nothing(mapped_atomic_compare_exchange(
            &word, expected, operand, MAPPED_ORDER_SEQ_CST, &before, NULL));
    else
        check_nothing(mapped_atomic_update(
            &word,
            done->kind == ADD ? MAPPED_ATOMIC_ADD : MAPPED_ATOMIC_EXCHANGE,
            operand, MAPPED_ORDER_SEQ_CST, &before, NULL));
    done->end = mapped__now();
    done->before = before.u;
}

static void operate_guarded(operation *done, size_t round)
{
    mapped_mutex mutex;
    uint64_t *word = &shared->words[round];
    CHECK_STATUS(mapped_mutex_at(mapped_region_slice(region), &mutex, NULL),
                 MAPPED_OK);
    done->begin = mapped__now();
    CHECK_STATUS(mapped_mutex_lock(&mutex, MAPPED_NEVER, NULL, NULL),
                 MAPPED_OK);
    done->before = MAPPED__LOAD(word);
    MAPPED__STORE(word, applied(done, done->before));
    CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_OK);
    done->end = mapped__now();
}

static void meet(size_t round)
{
    __atomic_fetch_add(&shared->arrived[round], 1, __ATOMIC_SEQ_CST);
    while (MAPPED__LOAD_ACQUIRE(&shared->arrived[round]) < PROCESSES)
        sched_yield();
}

static void record_all(void (*operate)(operation *, size_t))
{
    uint32_t process = __atomic_fetch_add(&shared->next, 1, __ATOMIC_SEQ_CST);
    unsigned random = process + 1;
    for (size_t round = 0; round < ROUNDS; round++) {
        operation *own = &shared->operations[round][process * STEPS];
        meet(round);
        for (size_t i = 0; i < STEPS; i++) {
            random = random * 1103515245 + 12345;
            own[i].kind = (kind)((random >> 28) % 3);
            own[i].operand = 1 + (random >> 24) % 3;
            own[i].expected = (random >> 20) % 4;
            operate(&own[i], round);
        }
    }
}

static void record_atomic(void)
{
    record_all(operate_atomically);
}

static void record_guarded(void)
{
    record_all(operate_guarded);
}

static void check_journal(void (*record)(void))
{
    pid_t children[PROCESSES];
    size_t wrong = 0;
    begin_journal();
    for (int i = 0; i < PROCESSES; i++)
        children[i] = scratch_begin_child(record);
    for (int i = 0; i < PROCESSES; i++)
        scratch_end_child(children[i]);
    for (size_t i = 0; i < ROUNDS; i++)
        wrong += !is_linear(shared->operations[i], WINDOW);
    CHECK_UINT(wrong, 0);
    mapped_region_release(region);
}

static void test_linear_atomic_word(void)
{
    check_journal(record_atomic);
}

static void test_linear_word_that_a_mutex_guards(void)
{
    check_journal(record_guarded);
}

/* A record's way: when it was sent and received. Not received: from the end of
 * time on. */
typedef struct way {
    uint64_t send_begin, send_end, recv_begin, recv_end;
    uint32_t received;
} way;

#define NEVER UINT64_MAX

/* Whether a queue explains both: the one that was sent first is not received
 * after the other. */
static bool are_in_order(const way *first, const way *second)
{
    return first->send_end >= second->send_begin ||
           second->recv_end >= first->recv_begin;
}

/* Records that all differ have passed through a queue exactly if each was
 * received once at most, not before it was sent, and any two in order. */
static bool is_queue(const way *ways, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ways[i].received > 1 || ways[i].recv_end < ways[i].send_begin)
            return false;
        for (size_t j = 0; j < count; j++)
            if (!are_in_order(&ways[i], &ways[j]))
                return false;
    }
    return true;
}

static void test_linear_a_queue_that_is_none_is_found(void)
{
    const way turned[] = {{1, 2, 7, 8, 1}, {3, 4, 5, 6, 1}};
    const way lost[] = {{1, 2, NEVER, NEVER, 0}, {3, 4, 5, 6, 1}};
    const way twice[] = {{1, 2, 3, 4, 2}};
    const way early[] = {{3, 4, 1, 2, 1}};
    const way right[] = {
        {1, 3, 6, 8, 1}, {2, 4, 5, 7, 1}, {5, 9, NEVER, NEVER, 0}};
    CHECK(!is_queue(turned, 2));
    CHECK(!is_queue(lost, 2));
    CHECK(!is_queue(twice, 1));
    CHECK(!is_queue(early, 1));
    CHECK(is_queue(right, 3));
}

#define EACH 1000u

typedef struct traffic {
    uint32_t senders;
    way ways[2 * EACH];
} traffic;

static traffic *recorded;

static void send_and_record(void)
{
    uint32_t first =
        EACH * __atomic_fetch_add(&recorded->senders, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = first; i < first + EACH; i++) {
        recorded->ways[i].send_begin = mapped__now();
        CHECK_STATUS(mapped_ring_send(&ring, &i, sizeof i,
                                      mapped_deadline(60 * SECOND), NULL),
                     MAPPED_OK);
        recorded->ways[i].send_end = mapped__now();
    }
}

static void recv_and_record(void)
{
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t number = 0;
        size_t n;
        uint64_t begin = mapped__now();
        CHECK_STATUS(mapped_ring_recv(&ring, &number, sizeof number, &n,
                                      mapped_deadline(60 * SECOND), NULL),
                     MAPPED_OK);
        way *got = &recorded->ways[number % (2 * EACH)];
        got->recv_end = mapped__now();
        got->recv_begin = begin;
        __atomic_fetch_add(&got->received, 1, __ATOMIC_SEQ_CST);
    }
}

static void test_linear_ring(void)
{
    pid_t children[4];
    make_ring(320);
    mapped_region *ring_region = region;
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(
        mapped_region_anonymous(sizeof(traffic), &options, &region, NULL),
        MAPPED_OK);
    recorded = (traffic *)(void *)region->base_;
    for (int i = 0; i < 4; i++)
        children[i] =
            scratch_begin_child(i % 2 == 0 ? send_and_record : recv_and_record);
    for (int i = 0; i < 4; i++)
        scratch_end_child(children[i]);
    CHECK(is_queue(recorded->ways, 2 * EACH));
    mapped_region_release(region);
    mapped_region_release(ring_region);
}

int main(void)
{
    RUN(test_linear_a_history_without_order_is_found);
    RUN(test_linear_a_history_with_one_order_is_taken);
    RUN(test_linear_atomic_word);
    RUN(test_linear_word_that_a_mutex_guards);
    RUN(test_linear_a_queue_that_is_none_is_found);
    RUN(test_linear_ring);
    return check_finish();
}
