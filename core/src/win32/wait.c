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
