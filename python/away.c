/* Leaving the interpreter for the length of an operation. */
#include "binding.h"

/* Is this thread between away_begin and away_end? */
static _Thread_local bool unlocked;

Away away_begin(mapped_region *first, mapped_region *second, size_t bytes)
{
    Away away = {.thread = NULL};
    if (bytes < AWAY_BYTES)
        return away;
    mapped_export_begin_operation(first, &away.operands[away.count++]);
    if (second != NULL)
        mapped_export_begin_operation(second, &away.operands[away.count++]);
    away.thread = PyEval_SaveThread();
    unlocked = true;
    return away;
}

void away_end(Away *away)
{
    mapped_status status = away_end_access(away, MAPPED_OK, NULL);
    (void)status; /* nothing was read */
}

/* The exports end with the lock held again: the last reference to a region may
 * end the wrap of a Python buffer. */
mapped_status away_end_access(Away *away, mapped_status status,
                              mapped_error *error)
{
    if (away->thread == NULL)
        return status;
    unlocked = false;
    PyEval_RestoreThread(away->thread);
    for (int i = 0; i < away->count; i++) {
        mapped_status ended = mapped_export_end(
            &away->operands[i], status == MAPPED_OK ? error : NULL);
        status = status == MAPPED_OK ? ended : status;
    }
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
