/* Leaving the interpreter for the length of an operation. */
#include "binding.h"

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
    return away;
}

/* The references go with the lock held again: the last one may end the wrap of
 * a Python buffer. */
void away_end(Away *away)
{
    if (away->thread == NULL)
        return;
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

/* Out of date at once: who comes in between is waited for with the lock held.
 */
void give_way(mapped_region *region)
{
    if (!mapped_region_occupied(region))
        return;
    Away away = away_begin(region, NULL, AWAY_BYTES);
    mapped_region_wait(region);
    away_end(&away);
}
