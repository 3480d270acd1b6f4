/* Measures how long two processes take to wake each other in turn, by words of
 * a shared region, and by futexes of shared memory. Times are nanoseconds for
 * one turn of each. */
#include <mapped/mapped.h>

#include "timing.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 15
#define TURNS 20000u

static mapped_atomic word;
static uint32_t *futex;

static void play_atomic(uint32_t parity)
{
    for (uint32_t turn = parity; turn < TURNS; turn += 2) {
        mapped_value found = {.u = turn - 1};
        while (found.u != turn)
            if (mapped_atomic_wait(&word, found, MAPPED_NEVER, &found, NULL) !=
                MAPPED_OK)
                abort();
        if (mapped_atomic_store(&word, (mapped_value){.u = turn + 1},
                                MAPPED_ORDER_SEQ_CST, NULL) != MAPPED_OK ||
            mapped_atomic_notify(&word, 1, NULL, NULL) != MAPPED_OK)
            abort();
    }
}

static void play_futex(uint32_t parity)
{
    for (uint32_t turn = parity; turn < TURNS; turn += 2) {
        uint32_t seen;
        while ((seen = __atomic_load_n(futex, __ATOMIC_SEQ_CST)) != turn)
            syscall(SYS_futex, futex, FUTEX_WAIT, seen, NULL, NULL, 0);
        __atomic_store_n(futex, turn + 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

/* Turn 0 has no turn before it that the word could be at. */
static double measure(void (*play)(uint32_t parity), uint32_t *turn)
{
    __atomic_store_n(turn, 1, __ATOMIC_SEQ_CST);
    double start = timing_now();
    pid_t child = fork();
    if (child == 0) {
        play(2);
        _exit(0);
    }
    play(1);
    waitpid(child, NULL, 0);
    return (timing_now() - start) / (TURNS / 2);
}

int main(void)
{
    const timing_row row = {"C wait and notify, there and back",
                            "futex in shared memory", "1.15"};
    const mapped_anonymous_options options = {.shared = true};
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    double ours[ROUNDS], peer[ROUNDS];
    mapped_region *region;
    if (mapped_region_anonymous(4096, &options, &region, NULL) != MAPPED_OK ||
        mapped_atomic_at(mapped_region_slice(region), element, 0, &word,
                         NULL) != MAPPED_OK)
        return 1;
    futex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (futex == MAP_FAILED)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        ours[round] = measure(play_atomic, (uint32_t *)(void *)region->base_);
        peer[round] = measure(play_futex, futex);
    }
    timing_print(&row, ours, peer, ROUNDS);
    return 0;
}
