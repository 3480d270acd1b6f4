/* Leaving the interpreter for the length of an operation. */
#include "binding.h"

Away away_begin(mapped_region *first, mapped_region *second, size_t bytes)
{
    Away away = {NULL, {first, second}};
    if (bytes < AWAY_BYTES)
        return away;
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
