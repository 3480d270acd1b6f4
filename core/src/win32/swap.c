#include "swap.h"

static uint32_t lock;
static uint32_t happened;
static uintptr_t current_start;
static size_t current_length;

void mapped__swap_begin(unsigned char *start, size_t length)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0)
        mapped__yield();
    MAPPED__STORE(&happened, 1);
    MAPPED__STORE(&current_start, (uintptr_t)start);
    __atomic_store_n(&current_length, length, __ATOMIC_SEQ_CST);
}

void mapped__swap_end(void)
{
    __atomic_store_n(&current_length, 0, __ATOMIC_SEQ_CST);
    MAPPED__STORE_RELEASE(&lock, 0);
}

/* A mix of two swaps' numbers only makes an access try once more. */
bool mapped__swap_covers(const unsigned char *address)
{
    size_t length = MAPPED__LOAD_ACQUIRE(&current_length);
    return (uintptr_t)address - MAPPED__LOAD(&current_start) < length;
}

bool mapped__swap_happened(void)
{
    return MAPPED__LOAD_ACQUIRE(&happened) != 0;
}
