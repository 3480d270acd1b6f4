/* Leaving the interpreter for the length of an operation. */
#include "binding.h"

/* Is this thread between away_begin and away_end? */
static _Thread_local bool unlocked;

Away away_begin(mapped_region *first, mapped_region *second, size_t bytes)
{
    Away away = {NULL, {first, second}, {0, 0}};
    if (bytes < AWAY_BYTES)
        return away;
    for (int i = 0; i < 2; i++)
        if (away.regions[i] != NULL)
            away.recoveries[i] = mapped_region_recovery_count(away.regions[i]);
    mapped_region_acquire(first);
    if (second != NULL)
        mapped_region_acquire(second);
    away.thread = PyEval_SaveThread();
    unlocked = true;
    return away;
}

/* The references go with the lock held again: the last one may end the wrap of
 * a Python buffer. */
void away_end(Away *away)
{
    if (away->thread == NULL)
        return;
    unlocked = false;
    PyEval_RestoreThread(away->thread);
    mapped_region_release(away->regions[0]);
    mapped_region_release(away->regions[1]);
}

/* What a lost page read as can't be told from data once recover() has brought
 * the page back. */
mapped_status away_end_access(Away *away, mapped_status status,
                              mapped_error *error)
{
    for (int i = 0; i < 2 && away->thread != NULL; i++) {
        mapped_region *region = away->regions[i];
        if (status == MAPPED_OK && region != NULL &&
            mapped_region_recovery_count(region) != away->recoveries[i]) {
            const uint64_t numbers[3] = {0, mapped_region_length(region),
                                         mapped_region_length(region)};
            status = mapped_error_set_range(error, MAPPED_FAULT,
                                            "access during recover", numbers);
        }
    }
    away_end(away);
    return status;
}

/* Where the core is about to sleep until another thread is done with a region,
 * that thread may need the interpreter first: its disk may be served by Python
 * code. So the lock is given up for as long as the core sleeps. */
static void *before_wait(void)
{
    return unlocked ? NULL : PyEval_SaveThread();
}

static void after_wait(void *thread)
{
    if (thread != NULL)
        PyEval_RestoreThread(thread);
}

void away_watch_waits(void)
{
    mapped_region_on_wait((mapped_wait_hooks){before_wait, after_wait});
}
