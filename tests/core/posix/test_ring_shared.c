/* Guards against records that are lost, torn or received twice between
 * processes and threads, also when a process is killed at any instruction, and
 * against a wait that goes on although its region was closed, its page is lost
 * or a signal came. */
#include "scratch.h"

#include <mapped/bulk.h>
#include <mapped/ring.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>

#define SECOND UINT64_C(1000000000)

static mapped_region *region;
static mapped_ring ring;

static void make_ring(size_t length)
{
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(length, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                 MAPPED_OK);
}

/* A record: who sent it, which of his it is, and then its number again and
 * again, so that a torn one shows. */
typedef struct record {
    uint32_t sender, number;
    uint32_t copies[30];
} record;

static size_t length_of(uint32_t number)
{
    return 8 + 4 * (number % 31);
}

static mapped_status send_record(uint32_t sender, uint32_t number,
                                 uint64_t deadline)
{
    record made = {sender, number, {0}};
    for (size_t i = 0; i < 30; i++)
        made.copies[i] = number;
    return mapped_ring_send(&ring, &made, length_of(number), deadline, NULL);
}

static bool is_whole(const record *got, size_t n)
{
    bool whole = n == length_of(got->number);
    for (size_t i = 0; whole && i < (n - 8) / 4; i++)
        whole = got->copies[i] == got->number;
    return whole;
}

#define SENDERS 3
#define RECEIVERS 3
#define EACH 20000u

/* How often each record has come, for all receivers. */
static uint8_t *arrivals;

static void *shared_memory(size_t length)
{
    void *made = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        exit(1);
    return made;
}

static void send_all(uint32_t sender)
{
    for (uint32_t i = 0; i < EACH; i++)
        CHECK_STATUS(send_record(sender, i, mapped_deadline(60 * SECOND)),
                     MAPPED_OK);
}

/* Until a record of sender SENDERS comes. */
static void recv_all(void)
{
    record got;
    size_t n = 0;
    uint32_t next[SENDERS] = {0};
    for (;;) {
        CHECK_STATUS(mapped_ring_recv(&ring, &got, sizeof got, &n,
                                      mapped_deadline(60 * SECOND), NULL),
                     MAPPED_OK);
        CHECK(is_whole(&got, n));
        if (got.sender >= SENDERS)
            return;
        CHECK(got.number >= next[got.sender]);
        next[got.sender] = got.number + 1;
        __atomic_fetch_add(&arrivals[got.sender * EACH + got.number], 1,
                           __ATOMIC_RELAXED);
    }
}

static void send_as_0(void)
{
    send_all(0);
}

static void send_as_1(void)
{
    send_all(1);
}

static void send_as_2(void)
{
    send_all(2);
}

static void check_arrivals(void)
{
    size_t wrong = 0;
    for (size_t i = 0; i < (size_t)SENDERS * EACH; i++)
        wrong += arrivals[i] != 1;
    CHECK_UINT(wrong, 0);
    munmap(arrivals, (size_t)SENDERS * EACH);
}

static void test_ring_between_processes_loses_nothing(void)
{
    pid_t senders[SENDERS], receivers[RECEIVERS];
    make_ring(4096);
    arrivals = shared_memory((size_t)SENDERS * EACH);
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = scratch_begin_child(recv_all);
    senders[0] = scratch_begin_child(send_as_0);
    senders[1] = scratch_begin_child(send_as_1);
    senders[2] = scratch_begin_child(send_as_2);
    for (int i = 0; i < SENDERS; i++)
        scratch_end_child(senders[i]);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_STATUS(send_record(SENDERS, 0, MAPPED_NEVER), MAPPED_OK);
    for (int i = 0; i < RECEIVERS; i++)
        scratch_end_child(receivers[i]);
    check_arrivals();
    mapped_region_release(region);
}

static void *send_in_thread(void *context)
{
    send_all((uint32_t)(uintptr_t)context);
    mapped_region_release(region);
    return NULL;
}

static void *recv_in_thread(void *context)
{
    (void)context;
    recv_all();
    mapped_region_release(region);
    return NULL;
}

static void test_ring_between_threads_loses_nothing(void)
{
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    make_ring(2048);
    arrivals = shared_memory((size_t)SENDERS * EACH);
    for (uintptr_t i = 0; i < SENDERS; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&senders[i], NULL, send_in_thread, (void *)i),
                  0);
    }
    for (int i = 0; i < RECEIVERS; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&receivers[i], NULL, recv_in_thread, NULL), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_STATUS(send_record(SENDERS, 0, MAPPED_NEVER), MAPPED_OK);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(receivers[i], NULL);
    check_arrivals();
    mapped_region_release(region);
}

/* The ends are held for all records. */
static void send_held(void)
{
    mapped_ring_hold hold;
    CHECK_STATUS(mapped_ring_begin_send(&ring, MAPPED_NEVER, &hold, NULL),
                 MAPPED_OK);
    for (uint32_t i = 0; i < 10 * EACH; i++) {
        mapped_slice record;
        CHECK_STATUS(mapped_ring_reserve(&hold, 4, mapped_deadline(60 * SECOND),
                                         &record, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_write(record, 0, &i, 4, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
    }
    mapped_ring_end(&hold);
}

static void test_ring_with_both_ends_held_loses_nothing(void)
{
    mapped_ring_hold hold;
    make_ring(1024);
    pid_t child = scratch_begin_child(send_held);
    CHECK_STATUS(mapped_ring_begin_recv(&ring, MAPPED_NEVER, &hold, NULL),
                 MAPPED_OK);
    for (uint32_t i = 0; i < 10 * EACH; i++) {
        mapped_slice record;
        uint32_t number = 0;
        CHECK_STATUS(mapped_ring_peek(&hold, mapped_deadline(60 * SECOND),
                                      &record, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_read(record, 0, &number, 4, NULL), MAPPED_OK);
        CHECK_UINT(number, i);
        CHECK_STATUS(mapped_ring_release(&hold, NULL), MAPPED_OK);
    }
    mapped_ring_end(&hold);
    scratch_end_child(child);
    mapped_region_release(region);
}

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

static bool is_next(const char *text)
{
    char bytes[16];
    size_t n = 0;
    return mapped_ring_recv(&ring, bytes, sizeof bytes, &n,
                            mapped_deadline(10 * SECOND), NULL) == MAPPED_OK &&
           n == strlen(text) && memcmp(bytes, text, n) == 0;
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

static mapped_ring_hold held;

static void use_the_parents_hold(void)
{
    mapped_slice slice;
    CHECK_STATUS(mapped_ring_reserve(&held, 1, 0, &slice, NULL),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_ring_commit(&held, NULL), MAPPED_ARGUMENT);
    mapped_ring_end(&held);
    CHECK_STATUS(mapped_ring_send(&ring, "x", 1, 0, NULL), MAPPED_TIMEOUT);
}

static void test_ring_hold_is_the_parents_after_a_fork(void)
{
    mapped_slice slice;
    make_ring(1024);
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_reserve(&held, 1, 0, &slice, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_write(slice, 0, "p", 1, NULL), MAPPED_OK);
    scratch_end_child(scratch_begin_child(use_the_parents_hold));
    CHECK_STATUS(mapped_ring_commit(&held, NULL), MAPPED_OK);
    mapped_ring_end(&held);
    CHECK(is_next("p"));
    mapped_region_release(region);
}

/* How a wait for a record ends when `what` happens. */
static unsigned awake;

static void *wait_for_record(void *context)
{
    char bytes[16];
    size_t n;
    MAPPED__STORE_RELEASE(&awake, 1);
    *(mapped_status *)context = mapped_ring_recv(
        &ring, bytes, sizeof bytes, &n, mapped_deadline(20 * SECOND), NULL);
    return NULL;
}

static mapped_status disturb(void (*what)(pthread_t))
{
    pthread_t thread;
    mapped_status status = MAPPED_OK;
    awake = 0;
    mapped_region_acquire(region);
    CHECK_INT(pthread_create(&thread, NULL, wait_for_record, &status), 0);
    while (!MAPPED__LOAD_ACQUIRE(&awake))
        scratch_pause();
    for (int i = 0; i < 20; i++)
        scratch_pause();
    what(thread);
    pthread_join(thread, NULL);
    mapped_region_release(region);
    mapped_region_release(region);
    return status;
}

static void close_it(pthread_t thread)
{
    (void)thread;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
}

static void do_nothing(int signal)
{
    (void)signal;
}

static void interrupt_it(pthread_t thread)
{
    const struct sigaction action = {.sa_handler = do_nothing};
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    pthread_kill(thread, SIGUSR1);
}

static void test_ring_wait_ends_when_it_is_disturbed(void)
{
    make_ring(1024);
    CHECK_STATUS(disturb(close_it), MAPPED_CLOSED);
    make_ring(1024);
    CHECK_STATUS(disturb(interrupt_it), MAPPED_INTERRUPTED);
}

static void cut_it(pthread_t thread)
{
    (void)thread;
    CHECK_INT(truncate(scratch_path("ring"), 0), 0);
}

static void test_ring_of_a_file_that_is_cut_says_so(void)
{
    char bytes[16];
    size_t n;
    mapped_ring_hold hold;
    mapped_slice slice;
    const mapped_open_options options = {.length = mapped_length_exactly(8192)};
    for (int held_when_cut = 0; held_when_cut < 2; held_when_cut++) {
        region = scratch_open(scratch_file("ring", 0), MAPPED_MODE_READ_WRITE,
                              &options);
        CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                     MAPPED_OK);
        if (held_when_cut == 0) {
            CHECK_STATUS(disturb(cut_it), MAPPED_FAULT);
            continue;
        }
        CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &hold, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_ring_reserve(&hold, 10, 0, &slice, NULL),
                     MAPPED_OK);
        cut_it(pthread_self());
        CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_FAULT);
        mapped_ring_end(&hold);
        CHECK_STATUS(mapped_ring_recv(&ring, bytes, sizeof bytes, &n, 0, NULL),
                     MAPPED_FAULT);
        mapped_region_release(region);
    }
}

int main(void)
{
    RUN(test_ring_between_processes_loses_nothing);
    RUN(test_ring_between_threads_loses_nothing);
    RUN(test_ring_with_both_ends_held_loses_nothing);
    RUN(test_ring_loses_nothing_with_those_who_are_killed);
    RUN(test_ring_survives_a_sender_killed_at_any_instruction);
    RUN(test_ring_survives_a_receiver_killed_at_any_instruction);
    RUN(test_ring_counts_those_who_die);
    RUN(test_ring_hold_is_the_parents_after_a_fork);
    RUN(test_ring_wait_ends_when_it_is_disturbed);
    RUN(test_ring_of_a_file_that_is_cut_says_so);
    return check_finish();
}
