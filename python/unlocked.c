/* Running without the interpreter's lock: for the length of an operation, in
 * the turns of a wait, and while the core sleeps on its own. An operation has
 * an export of each of its regions, so nobody unmaps them meanwhile. */
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

static void begin_export(Unlocked *unlocked, mapped_region *region)
{
    mapped_export_begin_operation(region,
                                  &unlocked->exports[unlocked->export_count]);
    unlocked->export_count++;
}

Unlocked unlocked_begin(mapped_region *first, mapped_region *second,
                        size_t bytes)
{
    Unlocked unlocked = {.thread = NULL};
    if (bytes < UNLOCKED_BYTES)
        return unlocked;
    begin_export(&unlocked, first);
    if (second != NULL)
        begin_export(&unlocked, second);
    unlocked.thread = unlocked_enter();
    return unlocked;
}

Unlocked unlocked_begin_blocking(mapped_region *region)
{
    return unlocked_begin(region, NULL, UNLOCKED_BYTES);
}

/* The wraps whose buffer the core has said it needs no more while the exports
 * of an operation ended: their Regions were closed during the operation. */
static _Thread_local struct {
    bool is_collecting; /* the exports of an operation are ending now */
    int count;
    Region *regions[2];
} ended_wraps;

/* A Region without references is being deallocated, which releases its buffer.
 */
void unlocked_note_ended_wrap(Region *self)
{
    if (ended_wraps.is_collecting && Py_REFCNT((PyObject *)self) > 0)
        ended_wraps.regions[ended_wraps.count++] =
            (Region *)Py_NewRef((PyObject *)self);
}

/* Releases the buffers, which may run the code of others, and so begin another
 * operation: `ended_wraps` is ready for that before. */
static void release_ended_wraps(void)
{
    const int count = ended_wraps.count;
    Region *regions[2] = {ended_wraps.regions[0], ended_wraps.regions[1]};
    ended_wraps.is_collecting = false;
    ended_wraps.count = 0;
    for (int i = 0; i < count; i++) {
        region_release_wrap(regions[i]);
        Py_DECREF((PyObject *)regions[i]);
    }
}

/* Another thread closed the region during the operation, and had to leave the
 * memory to it. A second close gives the memory up; it can't fail, because the
 * region is closed. */
static void finish_close(mapped_region *region)
{
    mapped_status status = mapped_region_close(region, NULL);
    (void)status;
}

/* The exports end with the lock held again, because the end of the last one may
 * release a Python buffer. */
mapped_status unlocked_end_access(Unlocked *unlocked, mapped_status status,
                                  mapped_error *error)
{
    if (unlocked->thread == NULL)
        return status;
    unlocked_leave(unlocked->thread);
    ended_wraps.is_collecting = true;
    for (int i = 0; i < unlocked->export_count; i++) {
        mapped_region *region = unlocked->exports[i].slice.region;
        mapped_status export_status = mapped_export_end(
            &unlocked->exports[i], status == MAPPED_OK ? error : NULL);
        if (status == MAPPED_OK)
            status = export_status;
        if (mapped_region_closed(region))
            finish_close(region);
    }
    release_ended_wraps();
    return status;
}

mapped_status unlocked_end(Unlocked *unlocked, mapped_status status)
{
    /* A lost page doesn't matter, because no bytes were read. */
    mapped_status access_status =
        unlocked_end_access(unlocked, MAPPED_OK, NULL);
    (void)access_status;
    return status;
}

/* How long a signal that comes just before a sleep may wait, in nanoseconds. */
#define LONGEST_TURN ((uint64_t)50000000)

int unlocked_wait(Wait *wait)
{
    bool is_last;
    do {
        uint64_t soon = mapped_deadline(LONGEST_TURN);
        is_last = wait->deadline <= soon;
        Unlocked unlocked = unlocked_begin_blocking(wait->region);
        mapped_status status = wait->turn(
            wait->context, is_last ? wait->deadline : soon, &wait->error);
        wait->status = unlocked_end_access(&unlocked, status, &wait->error);
        if (PyErr_CheckSignals() < 0)
            return -1;
    } while (wait->status == MAPPED_INTERRUPTED ||
             (wait->status == MAPPED_TIMEOUT && !is_last));
    return 0;
}

/* The core is about to sleep until another thread is done with a region, or to
 * do what may take long. Other threads may need the interpreter meanwhile, for
 * one because a file system is served by Python code. */
static void *before_wait(void)
{
    return is_unlocked ? NULL : PyEval_SaveThread();
}

/* This thread may hold a region's lock of the core, so no code of others may
 * run in it now. PyEval_AcquireThread runs none, not even in the tests' hostile
 * build, where PyEval_RestoreThread collects garbage. */
static void after_wait(void *thread)
{
    if (thread != NULL)
        PyEval_AcquireThread(thread);
}

void unlocked_install_hooks(void)
{
    mapped_region_on_wait((mapped_wait_hooks){before_wait, after_wait});
}
