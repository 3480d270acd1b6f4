/* The type Lock, and the method lock that makes one: bytes of a file that are
 * locked between processes, until the Lock's `with` block or unlock() ends it.
 */
#include "unlocked.h"

typedef struct Lock {
    PyObject_HEAD mapped_lock core;
    bool held;
} Lock;

static Lock *lock_of(PyObject *self)
{
    return (Lock *)self;
}

const char view_lock_doc[] = PyDoc_STR(
    "lock($self, /, shared=False, timeout=None)\n--\n\n"
    "Lock these bytes of the file, with others who share them or alone, and\n"
    "return the Lock, which ends with its `with` block or with unlock().\n"
    "Waits for `timeout` seconds at most for those who have them; other\n"
    "Python threads run meanwhile, and signals are handled.\n\n"
    "It keeps out all who ask for a lock: in other processes, also by fcntl,\n"
    "in other threads, and in this one. If its holder dies it is free.\n\n"
    "TimeoutError; TypeError for a lock alone of a read-only region;\n"
    "io.UnsupportedOperation if the memory is no file; ValueError for no\n"
    "bytes, a negative timeout, or when the region is closed.");

/* A wait for the lock: the context of wait_turn. */
typedef struct LockWait {
    mapped_slice span;
    bool shared;
    Lock *lock;
} LockWait;

static mapped_status wait_turn(void *context, uint64_t deadline,
                               mapped_error *error)
{
    LockWait *self = context;
    mapped_status status = mapped_lock_acquire(
        self->span, self->shared, deadline, &self->lock->core, error);
    self->lock->held = status == MAPPED_OK;
    return status;
}

/* If a signal handler raises, a lock that was got ends with the object. */
static int acquire(PyObject *self, bool shared, uint64_t deadline, Lock *lock)
{
    LockWait context = {
        .span = view_span(self), .shared = shared, .lock = lock};
    Wait wait = {.region = context.span.region,
                 .turn = wait_turn,
                 .context = &context,
                 .deadline = deadline};
    if (unlocked_wait(&wait) < 0)
        return -1;
    if (wait.status != MAPPED_OK && collect_for_retry(&wait.error) &&
        unlocked_wait(&wait) < 0)
        return -1;
    return wait.status == MAPPED_OK
               ? 0
               : raised_as_int(raise_of(view_owner(self), &wait.error));
}

METHOD_NAMED(view_lock, "lock", 0, 2, "shared", "timeout")
{
    uint64_t deadline;
    /* A number isn't taken as a truth value: it is meant as the timeout. */
    if (values[0] != NULL && !PyBool_Check(values[0]))
        return raise_kind("shared must be a bool", values[0]);
    if (convert_deadline(values[1], &deadline) < 0)
        return NULL;
    Lock *lock = PyObject_New(Lock, view_owner(self)->state->lock_type);
    if (lock == NULL)
        return NULL;
    lock->held = false;
    if (acquire(self, values[0] == Py_True, deadline, lock) == 0)
        return (PyObject *)lock;
    Py_DECREF((PyObject *)lock);
    return NULL;
}

/* Closing a descriptor may wait for a network. */
static void release(Lock *lock)
{
    mapped_lock core = lock->core;
    if (!lock->held)
        return;
    lock->held = false;
    PyThreadState *thread = unlocked_enter();
    mapped_lock_release(&core);
    unlocked_leave(thread);
}

static void lock_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    release(lock_of(self));
    PyObject_Free(self);
    Py_DECREF(type);
}

static int require_held(const Lock *lock)
{
    if (lock->held)
        return 0;
    PyErr_SetString(PyExc_ValueError, "the lock has ended");
    return -1;
}

static const char lock_unlock_doc[] =
    PyDoc_STR("unlock($self, /)\n--\n\n"
              "End the lock. ValueError if it has ended.");

static METHOD_NONE(lock_unlock)
{
    if (require_held(lock_of(self)) < 0)
        return NULL;
    release(lock_of(self));
    Py_RETURN_NONE;
}

static const char lock___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\n"
              "Return the lock. ValueError if it has ended.");

static METHOD_NONE(lock___enter__)
{
    return require_held(lock_of(self)) < 0 ? NULL : Py_NewRef(self);
}

static const char lock___exit___doc[] =
    PyDoc_STR("__exit__($self, type, value, traceback, /)\n--\n\n"
              "End the lock, unless it has ended.");

static PyObject *lock___exit__(PyObject *self, PyObject *arguments)
{
    if (check_exit_arguments(arguments) < 0)
        return NULL;
    release(lock_of(self));
    Py_RETURN_NONE;
}

static PyObject *lock_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<mapped.Lock %s>",
                                lock_of(self)->held ? "held" : "ended");
}

static PyMethodDef lock_methods[] = {
    METHOD_ROW(lock, NONE, unlock),
    METHOD_ROW(lock, NONE, __enter__),
    {"__exit__", lock___exit__, METH_VARARGS, lock___exit___doc},
    {NULL, NULL, 0, NULL}};

GETTER(lock, held, "True until the lock has ended.",
       PyBool_FromLong(lock_of(self)->held))

static PyGetSetDef lock_attributes[] = {ATTRIBUTE_ROW(lock, held),
                                        {NULL, NULL, NULL, NULL, NULL}};

static const char lock_doc[] = PyDoc_STR(
    "Bytes of a file that are locked.\n\n"
    "Made by lock() of a Region or a Slice, and ends with its `with`\n"
    "block, unlock(), or its last reference.");

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, (void *)lock_doc},   {Py_tp_dealloc, lock_dealloc},
    {Py_tp_repr, lock_repr},         {Py_tp_methods, lock_methods},
    {Py_tp_getset, lock_attributes}, {0, NULL}};

TYPE(lock, "mapped.Lock", sizeof(Lock), 0, 0)
