/* Running without the lock of the interpreter: for the length of an operation,
 * whose regions are exports meanwhile, and while the core sleeps. */
#include "unlocked.h"

/* Is this thread between unlocked_enter and unlocked_leave? */
static _Thread_local bool is_unlocked;

PyThreadState *unlocked_enter(void)
{
    PyThreadState *thread = PyEval_SaveThread();
    is_unlocked = true;
    return thread;
}

void unlocked_leave(PyThreadState *thread)
{
    is_unlocked = false;
    PyEval_RestoreThread(thread);
}

/* Regions that were closed during an operation of this thread, with which the
 * core has given up their wrapped buffers. */
static _Thread_local struct {
    bool noted; /* now */
    int count;
    Region *regions[2];
} given_up;

Unlocked unlocked_begin(mapped_region *first, mapped_region *second,
                        size_t bytes)
{
    Unlocked unlocked = {.thread = NULL};
    if (bytes < UNLOCKED_BYTES)
        return unlocked;
    mapped_export_begin_operation(first, &unlocked.operands[unlocked.count++]);
    if (second != NULL)
        mapped_export_begin_operation(second,
                                      &unlocked.operands[unlocked.count++]);
    unlocked.thread = unlocked_enter();
    return unlocked;
}

mapped_status unlocked_end(Unlocked *unlocked, mapped_status status)
{
    mapped_status lost = unlocked_end_access(unlocked, MAPPED_OK, NULL);
    (void)lost; /* nothing was read */
    return status;
}

void unlocked_note_end(Region *self)
{
    if (given_up.noted && Py_REFCNT((PyObject *)self) > 0)
        given_up.regions[given_up.count++] =
            (Region *)Py_NewRef((PyObject *)self);
}

/* Runs other people's code. */
static void give_back(void)
{
    const int count = given_up.count;
    Region *regions[2] = {given_up.regions[0], given_up.regions[1]};
    given_up.noted = false;
    given_up.count = 0;
    for (int i = 0; i < count; i++) {
        region_release_wrap(regions[i]);
        Py_DECREF((PyObject *)regions[i]);
    }
}

/* The close, which came from another thread, had to leave the operation the
 * memory; a second one gives it up. */
static void finish_close(mapped_region *region)
{
    mapped_status status = mapped_region_close(region, NULL);
    (void)status; /* it is closed */
}

/* The exports end with the lock held again: the last reference to a region may
 * end the wrap of a Python buffer. */
mapped_status unlocked_end_access(Unlocked *unlocked, mapped_status status,
                                  mapped_error *error)
{
    if (unlocked->thread == NULL)
        return status;
    unlocked_leave(unlocked->thread);
    given_up.noted = true;
    for (int i = 0; i < unlocked->count; i++) {
        mapped_region *region = unlocked->operands[i].slice.region;
        mapped_status ended = mapped_export_end(
            &unlocked->operands[i], status == MAPPED_OK ? error : NULL);
        status = status == MAPPED_OK ? ended : status;
        if (mapped_region_closed(region))
            finish_close(region);
    }
    give_back();
    return status;
}

/* Where the core is about to sleep until another thread is done with a region,
 * or to do what may take long, other threads may need the interpreter: the
 * disk may be served by Python code. So the lock is given up for that time. */
static void *before_wait(void)
{
    return is_unlocked ? NULL : PyEval_SaveThread();
}

/* This thread may have a region locked, so no code of others may run in it now.
 * It doesn't; but PyEval_RestoreThread collects garbage in the tests' hostile
 * build, because other threads may have. */
static void after_wait(void *thread)
{
    if (thread != NULL)
        PyEval_AcquireThread(thread);
}

void unlocked_watch_waits(void)
{
    mapped_region_on_wait((mapped_wait_hooks){before_wait, after_wait});
}
