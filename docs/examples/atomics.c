/* Shared words and locks. */
#include "example.h"

static void words(mapped_slice slice)
{
    const mapped_element *u32 =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    const mapped_value zero = {.u = 0}, one = {.u = 1};
    mapped_atomic word;
    mapped_value before, found;
    mapped_order order;
    uint32_t woken;

    must(mapped_order_parse("acq_rel", 7, &order, &error));
    must(mapped_atomic_at(slice, u32, 0, &word, &error));
    must(mapped_atomic_store(&word, zero, MAPPED_ORDER_RELEASE, &error));
    must(mapped_atomic_update(&word, MAPPED_ATOMIC_ADD, one, order, &before,
                              &error));
    assert(before.u == 0);
    must(mapped_atomic_compare_exchange(&word, one, zero, order, &before,
                                        &error));
    assert(before.u == 1); /* so zero was stored */
    must(mapped_atomic_load(&word, MAPPED_ORDER_ACQUIRE, &found, &error));
    assert(found.u == 0);
    mapped_atomic_fence(MAPPED_ORDER_SEQ_CST);

    /* Nobody changes it: the wait ends after a millisecond. */
    assert(mapped_atomic_wait(&word, zero, mapped_deadline(1000000), &found,
                              &error) == MAPPED_TIMEOUT);
    must(mapped_atomic_notify(&word, UINT32_MAX, &woken, &error));
}

static void mutexes(mapped_slice slice)
{
    mapped_mutex mutex;
    uint64_t deadline;
    bool owner_died;

    must(mapped_deadline_seconds(1.5, &deadline, &error));
    must(mapped_mutex_at(slice, &mutex, &error));
    must(mapped_mutex_lock(&mutex, deadline, &owner_died, &error));
    assert(!owner_died);
    must(mapped_mutex_unlock(&mutex, &error));
    must(mapped_mutex_lock(&mutex, MAPPED_NEVER, NULL, &error));
    must(mapped_mutex_abandon(&mutex, &error)); /* left half done */
    must(mapped_mutex_lock(&mutex, MAPPED_NEVER, &owner_died, &error));
    assert(owner_died); /* so what it guards must be looked at */
    must(mapped_mutex_unlock(&mutex, &error));
}

static void locks(mapped_slice slice)
{
    mapped_lock lock, other;

    must(mapped_lock_acquire(slice, false, MAPPED_NEVER, &lock, &error));
    assert(mapped_lock_acquire(slice, true, mapped_deadline(0), &other,
                               &error) == MAPPED_TIMEOUT);
    mapped_lock_release(&lock);
}

int main(void)
{
    mapped_open_options options = {.length = 4096};
    mapped_region *region;
    mapped_slice eight;

    must(mapped_region_open("counters.bin", MAPPED_MODE_APPEND, &options,
                            &region, &error));
    must(mapped_slice_sub(mapped_region_slice(region), 64, 8, &eight, &error));
    words(mapped_region_slice(region));
    mutexes(eight);
    locks(eight);
    mapped_region_release(region);
    return 0;
}
