/* Waiting for another thread. Nothing is kept here: the system compares the
 * word and puts the thread to sleep in one step. */
#include "system.h"

void mapped__wait(const uint32_t *word, uint32_t seen)
{
    WaitOnAddress((volatile void *)(uintptr_t)word, &seen, sizeof seen,
                  INFINITE);
}

void mapped__wake(const uint32_t *word)
{
    WakeByAddressAll((void *)(uintptr_t)word);
}

void mapped__yield(void)
{
    SwitchToThread();
}

bool mapped__wait_shared(const uint32_t *word, uint32_t seen,
                         uint64_t nanoseconds)
{
    if (MAPPED__LOAD_ACQUIRE(word) == seen)
        Sleep(nanoseconds < 1000000 ? 0 : 1);
    return true;
}

uint32_t mapped__wake_shared(const uint32_t *word, uint32_t count)
{
    return 0;
}

uint64_t mapped__now(void)
{
    LARGE_INTEGER ticks, second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&second);
    uint64_t whole = (uint64_t)(ticks.QuadPart / second.QuadPart);
    uint64_t rest = (uint64_t)(ticks.QuadPart % second.QuadPart);
    return whole * 1000000000 + rest * 1000000000 / (uint64_t)second.QuadPart;
}
