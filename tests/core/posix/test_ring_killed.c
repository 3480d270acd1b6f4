/* Guards against records that are lost, torn or received twice when processes
 * are killed, at any instruction. */
#include "ring_records.h"

#include <mapped/bulk.h>
#include <mapped/mutex.h>

#include <stddef.h>
#include <sys/ptrace.h>

#include "platform.h"

/* The storm: processes of six roles live at the same time; at random one of
 * them is killed and another one takes its role. What they share is made so
 * that every step is accounted for, but for those of a process that died
 * between a step and its count:
 *
 * - A sender sends the numbers from `steps` on, and counts each after the send.
 *   So one may be sent twice, by two lives, and none may be missing.
 * - A receiver notes a record before it releases it. The next one of a sender
 *   is the one behind that in `noted`, or that one again.
 * - A counter adds 1 to two words that a mutex guards, and to an atomic one. */
#define ROLES 6
#define FIRST_RECEIVER 2
#define FIRST_COUNTER 4

typedef struct storm {
    uint64_t mutex, word; /* of `mutex` and `word` below */
    uint64_t inside;      /* nobody, or the role that holds the mutex */
    uint64_t one, other;  /* guarded by the mutex, as this above */
    uint64_t told;        /* how often the mutex told of a death */
    uint32_t noted[2];    /* the next number of each sender */
    uint32_t repeated;
    uint32_t steps[ROLES];
} storm;

static storm *shared;
static mapped_region *storm_region;
static mapped_mutex mutex;
static mapped_atomic word;
static unsigned role; /* of the child that begins */
static pid_t living[ROLES];
static uint32_t killed[ROLES];

static bool send_one(void)
{
    return send_record(role, shared->steps[role], MAPPED_NEVER) == MAPPED_OK;
}

static bool note(const record *got)
{
    uint32_t *noted = &shared->noted[got->sender];
    if (got->number == *noted - 1)
        shared->repeated++;
    else if (got->number != *noted)
        return false;
    *noted = got->number + 1;
    return true;
}

static bool recv_and_note(void)
{
    mapped_ring_hold hold;
    mapped_slice slice;
    record got;
    bool noted =
        mapped_ring_begin_recv(&ring, MAPPED_NEVER, &hold, NULL) == MAPPED_OK &&
        mapped_ring_peek(&hold, MAPPED_NEVER, &slice, NULL) == MAPPED_OK &&
        mapped_read(slice, 0, &got, slice.length, NULL) == MAPPED_OK &&
        is_whole(&got, slice.length) && got.sender < FIRST_RECEIVER &&
        note(&got) && mapped_ring_release(&hold, NULL) == MAPPED_OK;
    if (noted)
        mapped_ring_end(&hold);
    return noted;
}

/* Who is not told of a death finds all as an owner leaves it. */
static bool enter(bool died)
{
    bool untouched = shared->inside == 0 && shared->one == shared->other;
    bool half_changed = shared->one - shared->other <= 1;
    MAPPED__STORE_RELEASE(&shared->inside, role);
    shared->told += died;
    MAPPED__STORE_RELEASE(&shared->other, shared->one);
    return died ? half_changed : untouched;
}

static bool count_one(void)
{
    bool died;
    const mapped_value one = {.u = 1};
    if (mapped_mutex_lock(&mutex, MAPPED_NEVER, &died, NULL) != MAPPED_OK ||
        !enter(died))
        return false;
    MAPPED__STORE_RELEASE(&shared->one, shared->one + 1);
    MAPPED__STORE_RELEASE(&shared->other, shared->other + 1);
    MAPPED__STORE_RELEASE(&shared->inside, 0);
    return mapped_mutex_unlock(&mutex, NULL) == MAPPED_OK &&
           mapped_atomic_update(&word, MAPPED_ATOMIC_ADD, one,
                                MAPPED_ORDER_SEQ_CST, NULL, NULL) == MAPPED_OK;
}

static void live(void)
{
    bool (*act)(void) = role < FIRST_RECEIVER  ? send_one
                        : role < FIRST_COUNTER ? recv_and_note
                                               : count_one;
    while (act())
        MAPPED__STORE(&shared->steps[role], shared->steps[role] + 1);
    _exit(1);
}

static void begin_life(unsigned of)
{
    role = of;
    living[of] = scratch_begin_child(live);
}

/* It must have lived until it was killed. */
static void end_life(unsigned of)
{
    int how = 0;
    kill(living[of], SIGKILL);
    waitpid(living[of], &how, 0);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    killed[of]++;
}

static void make_storm(void)
{
    const mapped_anonymous_options options = {.shared = true};
    make_ring(2048);
    CHECK_STATUS(
        mapped_region_anonymous(sizeof(storm), &options, &storm_region, NULL),
        MAPPED_OK);
    const mapped_slice slice = mapped_region_slice(storm_region);
    shared = (storm *)(void *)storm_region->base_;
    memset(killed, 0, sizeof killed);
    CHECK_STATUS(mapped_mutex_at(slice, &mutex, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_atomic_at(
                     slice, mapped_element_find(MAPPED_KIND_UNSIGNED, 8, false),
                     offsetof(storm, word), &word, NULL),
                 MAPPED_OK);
    for (unsigned i = 0; i < ROLES; i++)
        begin_life(i);
}

/* MAPPED_KILL_SECONDS is how long the storm lasts. CI sets it to 60. */
static void kill_at_random(void)
{
    const char *seconds = getenv("MAPPED_KILL_SECONDS");
    uint64_t end =
        mapped_deadline(SECOND * (seconds ? strtoull(seconds, NULL, 10) : 1));
    unsigned random = 1;
    while (mapped__now() < end) {
        random = random * 1103515245 + 12345;
        usleep(random >> 16 & 1023);
        unsigned victim = (random >> 26) % ROLES;
        end_life(victim);
        begin_life(victim);
    }
}

/* Those who are left go on. */
static void check_steps_go_on(void)
{
    for (unsigned i = 0; i < ROLES; i++) {
        uint32_t before = MAPPED__LOAD(&shared->steps[i]), now = before;
        for (int tries = 0; tries < 20000 && now == before; tries++) {
            scratch_pause();
            now = MAPPED__LOAD(&shared->steps[i]);
        }
        CHECK(now != before);
    }
}

static void check_ring_is_emptied(mapped_ring_state *state)
{
    state->used = 1;
    for (int i = 0; i < 20000 && state->used > 0; i++) {
        scratch_pause();
        CHECK_STATUS(mapped_ring_look(&ring, state, NULL), MAPPED_OK);
    }
    CHECK_UINT(state->used, 0);
}

static void check_accounts(const mapped_ring_state *state)
{
    const uint32_t *steps = shared->steps;
    uint32_t counters_killed = killed[4] + killed[5];
    for (int i = 0; i < FIRST_RECEIVER; i++)
        CHECK(shared->noted[i] - steps[i] <= 1);
    CHECK(shared->repeated <= killed[0] + killed[1] + killed[2] + killed[3]);
    CHECK(state->senders_died <= killed[0] + killed[1]);
    CHECK(state->receivers_died <= killed[2] + killed[3]);
    CHECK(shared->one - (steps[4] + steps[5]) <= counters_killed);
    CHECK(shared->word - (steps[4] + steps[5]) <= counters_killed);
    CHECK(shared->told <= counters_killed);
}

static void test_ring_loses_nothing_with_those_who_are_killed(void)
{
    mapped_ring_state state;
    make_storm();
    kill_at_random();
    check_steps_go_on();
    for (unsigned i = 0; i < FIRST_RECEIVER; i++)
        end_life(i);
    check_ring_is_emptied(&state);
    for (unsigned i = FIRST_RECEIVER; i < ROLES; i++)
        end_life(i);
    check_accounts(&state);
    mapped_region_release(storm_region);
    mapped_region_release(region);
}

/* What a process does once is done before: it learns its own identity, and
 * finds its functions. */
static void warm_up(void (*act)(void))
{
    const mapped_ring other = ring;
    mapped_region *const other_region = region;
    make_ring(1024);
    mapped_ring_hold hold;
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &hold, NULL), MAPPED_OK);
    mapped_ring_end(&hold);
    CHECK_STATUS(mapped_ring_send(&ring, "x", 1, 0, NULL), MAPPED_OK);
    act();
    region = other_region;
    ring = other;
}

/* The child stops, and then does `act` one instruction at a time. */
static pid_t begin_stepped(void (*act)(void))
{
    int how;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(2);
        warm_up(act);
        raise(SIGSTOP);
        act();
        _exit(0);
    }
    waitpid(child, &how, 0);
    return WIFSTOPPED(how) ? child : -1;
}

/* Returns false when the child has ended. */
static bool step(pid_t child)
{
    int how = 0;
    return ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 &&
           waitpid(child, &how, 0) == child && WIFSTOPPED(how);
}

static void send_second(void)
{
    (void)!mapped_ring_send(&ring, "second", 6, 0, NULL);
}

static void recv_one(void)
{
    char bytes[16];
    size_t n;
    (void)!mapped_ring_recv(&ring, bytes, sizeof bytes, &n, 0, NULL);
}

static void send_text(const char *text)
{
    CHECK_STATUS(mapped_ring_send(&ring, text, strlen(text),
                                  mapped_deadline(10 * SECOND), NULL),
                 MAPPED_OK);
}

/* Makes `ring` another one with the memory that this one would have if the
 * child had just been killed: its mutex is that of a process that ended before
 * this one got its number. */
static void bury(mapped_region *from)
{
    make_ring(1024);
    unsigned char *memory = region->base_;
    memcpy(memory, from->base_, 1024);
    for (size_t at = 72; at < 200; at += 64) {
        uint64_t word;
        memcpy(&word, memory + at, 8);
        word ^= word != 0 ? UINT64_C(1) << 40 : 0;
        memcpy(memory + at, &word, 8);
    }
}

/* Lets a child do `act`, and `check` look, after each of its instructions, at
 * what it would leave. */
static void check_each_instruction(void (*act)(void), bool (*check)(void))
{
    int deaths = 0, wrong = 0;
    make_ring(1024);
    mapped_region *const stepped = region;
    send_text("first");
    pid_t child = begin_stepped(act);
    if (child < 0) {
        mapped_region_release(region);
        check_skip("no ptrace here");
        return;
    }
    do {
        bury(stepped);
        wrong += !check();
        deaths++;
        mapped_region_release(region);
    } while (step(child));
    mapped_region_release(stepped);
    CHECK(deaths > 100);
    CHECK_INT(wrong, 0);
}

/* The second record is there or not, and the others are whole. */
static bool check_sent(void)
{
    char bytes[16];
    size_t n = 0;
    send_text("third");
    if (!is_next("first"))
        return false;
    if (mapped_ring_recv(&ring, bytes, sizeof bytes, &n, 0, NULL) != MAPPED_OK)
        return false;
    return (n == 6 && memcmp(bytes, "second", 6) == 0 && is_next("third")) ||
           (n == 5 && memcmp(bytes, "third", 5) == 0);
}

/* The first record is there still or not, and the next one is whole. */
static bool check_received(void)
{
    char bytes[16];
    size_t n = 0;
    send_text("third");
    if (mapped_ring_recv(&ring, bytes, sizeof bytes, &n,
                         mapped_deadline(10 * SECOND), NULL) != MAPPED_OK)
        return false;
    return (n == 5 && memcmp(bytes, "first", 5) == 0 && is_next("third")) ||
           (n == 5 && memcmp(bytes, "third", 5) == 0);
}

static void test_ring_survives_a_sender_killed_at_any_instruction(void)
{
    if (scratch_instrumented())
        check_skip("one instruction is many here");
    else
        check_each_instruction(send_second, check_sent);
}

static void test_ring_survives_a_receiver_killed_at_any_instruction(void)
{
    if (scratch_instrumented())
        check_skip("one instruction is many here");
    else
        check_each_instruction(recv_one, check_received);
}

static void die_while_sending(void)
{
    mapped_ring_hold hold;
    mapped_slice slice;
    if (mapped_ring_begin_send(&ring, 0, &hold, NULL) == MAPPED_OK &&
        mapped_ring_reserve(&hold, 10, 0, &slice, NULL) == MAPPED_OK)
        _exit(0);
}

static void test_ring_counts_those_who_die(void)
{
    mapped_ring_state state = {0, 0, 0};
    make_ring(1024);
    scratch_end_child(scratch_begin_child(die_while_sending));
    send_text("next");
    CHECK(is_next("next"));
    CHECK_STATUS(mapped_ring_look(&ring, &state, NULL), MAPPED_OK);
    CHECK_UINT(state.senders_died, 1);
    CHECK_UINT(state.receivers_died, 0);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_ring_loses_nothing_with_those_who_are_killed);
    RUN(test_ring_survives_a_sender_killed_at_any_instruction);
    RUN(test_ring_survives_a_receiver_killed_at_any_instruction);
    RUN(test_ring_counts_those_who_die);
    return check_finish();
}
