/* Guards against a thread that waits for ever because it was woken just before
 * it began to wait. Both ways of waiting are tested, the system's own and the
 * portable one; and for words of one process and of several. */
#include "scratch.h"

#include <pthread.h>

#include "platform.h"

#define MAPPED__WAIT_ANY
#define mapped__wait wait_any
#define mapped__wake wake_any
#define mapped__yield yield_any
#define mapped__wait_shared sleep_any
#define mapped__wake_shared notify_any
#define mapped__now now_any
#include "posix/wait_any.c"
#undef mapped__wait
#undef mapped__wake
#undef mapped__wait_shared
#undef mapped__wake_shared

#define TURNS 2000u

typedef struct way {
    void (*wait)(const uint32_t *word, uint32_t seen);
    void (*wake)(const uint32_t *word);
} way;

static void sleep_long(const uint32_t *word, uint32_t seen)
{
    CHECK(mapped__wait_shared(word, seen, 5000000000));
}

static void notify_all(const uint32_t *word)
{
    (void)mapped__wake_shared(word, UINT32_MAX);
}

static void poll(const uint32_t *word, uint32_t seen)
{
    CHECK(sleep_any(word, seen, 1000));
}

static void notify_nobody(const uint32_t *word)
{
    CHECK_UINT(notify_any(word, UINT32_MAX), 0);
}

static const way own = {mapped__wait, mapped__wake};
static const way portable = {wait_any, wake_any};
static const way shared = {sleep_long, notify_all};
static const way polling = {poll, notify_nobody};

typedef struct game {
    const way *how;
    uint32_t turn; /* even numbers are one thread's, odd ones the other's */
} game;

static void play(game *g, uint32_t parity)
{
    uint32_t turn;
    while ((turn = MAPPED__LOAD_ACQUIRE(&g->turn)) < TURNS) {
        if (turn % 2 != parity) {
            g->how->wait(&g->turn, turn);
            continue;
        }
        MAPPED__STORE_RELEASE(&g->turn, turn + 1);
        g->how->wake(&g->turn);
    }
}

static void *play_odd(void *g)
{
    play(g, 1);
    return NULL;
}

static void check_turns(const way *how)
{
    game g = {how, 0};
    pthread_t other;
    CHECK_INT(pthread_create(&other, NULL, play_odd, &g), 0);
    play(&g, 0);
    pthread_join(other, NULL);
    CHECK_UINT(g.turn, TURNS);
}

static void test_wait_takes_turns(void)
{
    check_turns(&own);
}

static void test_wait_takes_turns_portably(void)
{
    check_turns(&portable);
}

static void test_wait_takes_turns_in_shared_memory(void)
{
    check_turns(&shared);
}

static void test_wait_takes_turns_by_polling(void)
{
    check_turns(&polling);
}

static void test_wait_for_what_has_come_returns(void)
{
    const uint32_t word = 1;
    own.wait(&word, 0);
    portable.wait(&word, 0);
    shared.wait(&word, 0);
    polling.wait(&word, 0);
}

static void test_wait_ends_in_time_and_time_goes_on(void)
{
    const uint32_t word = 1;
    uint64_t before = mapped__now(), before_any = now_any();
    CHECK(mapped__wait_shared(&word, 1, 2000000));
    CHECK(mapped__now() - before >= 2000000);
    CHECK(sleep_any(&word, 1, 5000000)); /* looks again before that */
    CHECK(now_any() > before_any);
}

/* The kernel can't have the page, and says so at once. */
static void test_wait_at_a_page_that_is_gone_takes_its_time(void)
{
    if (scratch_valgrind()) {
        check_skip("valgrind reports the futex of what is unmapped");
        return;
    }
    void *gone = mmap(NULL, scratch_page(), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t before = mapped__now();
    CHECK(mapped__wait_shared(gone, 0, 60000000000));
    CHECK(mapped__now() - before >= 1000000);
    CHECK_UINT(mapped__wake_shared(gone, 1), 0);
    munmap(gone, scratch_page());
}

static const char *wake_in_child(void)
{
    const uint32_t word = 1;
    alarm(10);
    portable.wait(&word, 0);
    portable.wake(&word);
    return NULL;
}

static void *wait_for_change(void *word)
{
    while (MAPPED__LOAD_ACQUIRE((uint32_t *)word) == 0)
        portable.wait(word, 0);
    return NULL;
}

/* The child of a fork inherits the state of the lock, but not the thread that
 * holds it. */
static void test_wait_works_in_the_child_of_a_fork(void)
{
    static uint32_t word;
    pthread_t other;
    CHECK_INT(pthread_create(&other, NULL, wait_for_change, &word), 0);
    for (int i = 0; i < 20; i++)
        CHECK_INT(scratch_child(wake_in_child), 0);
    MAPPED__STORE_RELEASE(&word, 1);
    portable.wake(&word);
    pthread_join(other, NULL);
}

int main(void)
{
    RUN(test_wait_takes_turns);
    RUN(test_wait_takes_turns_portably);
    RUN(test_wait_takes_turns_in_shared_memory);
    RUN(test_wait_takes_turns_by_polling);
    RUN(test_wait_for_what_has_come_returns);
    RUN(test_wait_ends_in_time_and_time_goes_on);
    RUN(test_wait_at_a_page_that_is_gone_takes_its_time);
    RUN(test_wait_works_in_the_child_of_a_fork);
    return check_finish();
}
