/* Guards against records that are lost, torn or received twice when processes
 * are killed, at any instruction. */
#include "ring_records.h"

#include <mapped/bulk.h>

#include <sys/ptrace.h>

/* Senders and receivers die at random; the numbers of each sender go on from
 * where `next` says, which it writes after the send. So a record may be sent
 * twice, by two lives, and none may be missing. A receiver notes the record
 * before it releases it. */
static uint32_t *next;

static void send_for_life(void)
{
    for (;;) {
        if (send_record(0, *next, MAPPED_NEVER) != MAPPED_OK)
            _exit(1);
        __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST);
    }
}

static void recv_for_life(void)
{
    for (;;) {
        mapped_ring_hold hold;
        mapped_slice slice;
        record got;
        if (mapped_ring_begin_recv(&ring, MAPPED_NEVER, &hold, NULL) !=
                MAPPED_OK ||
            mapped_ring_peek(&hold, MAPPED_NEVER, &slice, NULL) != MAPPED_OK ||
            mapped_read(slice, 0, &got, slice.length, NULL) != MAPPED_OK ||
            !is_whole(&got, slice.length))
            _exit(1);
        arrivals[got.number % (SENDERS * EACH)] = 1;
        if (mapped_ring_release(&hold, NULL) != MAPPED_OK)
            _exit(1);
        mapped_ring_end(&hold);
    }
}

/* Returns whether it lived until it was killed. */
static bool kill_child(pid_t child)
{
    int how = 0;
    kill(child, SIGKILL);
    waitpid(child, &how, 0);
    return WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
}

static void test_ring_loses_nothing_with_those_who_are_killed(void)
{
    unsigned random = 1;
    uint32_t before = 0;
    size_t missing = 0;
    make_ring(2048);
    next = shared_memory(4096);
    arrivals = shared_memory((size_t)SENDERS * EACH);
    pid_t sender = scratch_begin_child(send_for_life);
    pid_t receiver = scratch_begin_child(recv_for_life);
    for (int i = 0; i < 300; i++) {
        random = random * 1103515245 + 12345;
        usleep(random >> 16 & 1023);
        if (random >> 28 & 1) {
            CHECK(kill_child(sender));
            sender = scratch_begin_child(send_for_life);
        } else {
            CHECK(kill_child(receiver));
            receiver = scratch_begin_child(recv_for_life);
        }
    }
    uint32_t sent = __atomic_load_n(next, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 20000 && before <= sent; i++) { /* they go on */
        scratch_pause();
        before = __atomic_load_n(next, __ATOMIC_SEQ_CST);
    }
    CHECK(before > sent);
    CHECK(kill_child(sender));
    mapped_ring_state state = {.used = 1};
    for (int i = 0; i < 20000 && state.used > 0; i++) {
        scratch_pause();
        CHECK_STATUS(mapped_ring_look(&ring, &state, NULL), MAPPED_OK);
    }
    CHECK_UINT(state.used, 0);
    CHECK(kill_child(receiver));
    for (uint32_t i = 0; i < *next && i < SENDERS * EACH; i++)
        missing += arrivals[i] != 1;
    CHECK_UINT(missing, 0);
    munmap(arrivals, (size_t)SENDERS * EACH);
    munmap(next, 4096);
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
