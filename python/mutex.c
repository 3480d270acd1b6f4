/* The type Mutex: a robust lock in shared memory. It is given back by unlock,
 * or by abandon, after which the next owner is told that this one died. The end
 * of a `with` unlocks it, unless the block has given it back: that is what
 * `is_held` remembers. */
#include "pickle.h"
#include "unlocked.h"

#define MUTEX_BYTES 8

typedef struct Mutex {
    Owned owned;
    mapped_mutex core;
    size_t offset;   /* of its eight bytes in the region */
    bool owner_died; /* while holding it, when it was last taken here */
    bool is_held;    /* locked by this object, and not given back */
} Mutex;

static Mutex *mutex_of(PyObject *self)
{
    return (Mutex *)self;
}

static PyObject *mutex_new(PyTypeObject *type, PyObject *arguments,
                           PyObject *keywords)
{
    mapped_slice span;
    mapped_error error;
    Mutex *self =
        (Mutex *)owned_create(type, "Mutex", arguments, keywords, &span);
    if (self == NULL)
        return NULL;
    self->offset = span.offset;
    self->owner_died = self->is_held = false;
    self->core = (mapped_mutex){0};
    if (mapped_mutex_at(span, &self->core, &error) == MAPPED_OK)
        return (PyObject *)self;
    raise_of(self->owned.owner, &error);
    Py_DECREF((PyObject *)self);
    return NULL;
}

/* What a turn of a Wait works with; see unlocked.h. */
typedef struct LockWait {
    const mapped_mutex *mutex;
    bool owner_died;
} LockWait;

static mapped_status lock_turn(void *context, uint64_t deadline,
                               mapped_error *error)
{
    LockWait *self = context;
    return mapped_mutex_lock(self->mutex, deadline, &self->owner_died, error);
}

/* Gives back a mutex that was locked before a signal handler raised. If its
 * last owner died, the next one must be told so, too. */
static void undo_lock(const LockWait *self)
{
    mapped_status status = self->owner_died
                               ? mapped_mutex_abandon(self->mutex, NULL)
                               : mapped_mutex_unlock(self->mutex, NULL);
    (void)status; /* The region may be closed. */
}

/* Locks the mutex: at once, with the interpreter's lock held, if it is free;
 * else in turns without that lock. Returns 0, or -1 with an exception. */
static int lock(Mutex *mutex, uint64_t deadline)
{
    LockWait context = {.mutex = &mutex->core};
    Wait wait = {.region = core_of((PyObject *)mutex->owned.owner),
                 .turn = lock_turn,
                 .context = &context,
                 .deadline = deadline};
    wait.status = lock_turn(&context, 0, &wait.error);
    if (wait.status == MAPPED_TIMEOUT && unlocked_wait(&wait) < 0) {
        /* The handler ran after a turn that may have locked it. */
        if (wait.status == MAPPED_OK)
            undo_lock(&context);
        return -1;
    }
    if (wait.status != MAPPED_OK)
        return raised_as_int(raise_of(mutex->owned.owner, &wait.error));
    mutex->owner_died = context.owner_died;
    mutex->is_held = true;
    return 0;
}

static const char mutex_lock_doc[] = PyDoc_STR(
    "lock($self, /, timeout=None)\n--\n\n"
    "Take the mutex, and return True if its last owner died with it: then\n"
    "what it guards may be half changed. Waits for `timeout` seconds at most;\n"
    "other Python threads run meanwhile, and signals are handled. A process\n"
    "that locks it twice waits for itself, and any of its threads may unlock\n"
    "it.\n\n"
    "TimeoutError; ValueError for a negative timeout or when the region is\n"
    "closed; FaultError if the page is lost.");

/* As METHOD_NAMED, but the usual call, without arguments, sorts none: that is
 * quicker. */
static METHOD_KEYWORDS(mutex_lock)
{
    static const Signature signature = {"lock", 0, 1, {"timeout"}};
    PyObject *timeout = NULL;
    uint64_t deadline = MAPPED_NEVER;
    if ((count > 0 || keywords != NULL) &&
        (arguments_sort(&signature, given, count, keywords, &timeout) < 0 ||
         convert_deadline(timeout, &deadline) < 0))
        return NULL;
    if (lock(mutex_of(self), deadline) < 0)
        return NULL;
    return PyBool_FromLong(mutex_of(self)->owner_died);
}

static const char mutex_unlock_doc[] = PyDoc_STR(
    "unlock($self, /)\n--\n\n"
    "Give the mutex back. ValueError if this process doesn't hold it, or if\n"
    "the region is closed; FaultError if the page is lost.");

/* Gives the mutex back by `how`, the core's unlock or abandon. */
static PyObject *give_back(Mutex *mutex,
                           mapped_status (*how)(const mapped_mutex *,
                                                mapped_error *))
{
    mapped_error error;
    mutex->is_held = false;
    return how(&mutex->core, &error) == MAPPED_OK
               ? Py_NewRef(Py_None)
               : raise_of(mutex->owned.owner, &error);
}

static METHOD_NONE(mutex_unlock)
{
    return give_back(mutex_of(self), mapped_mutex_unlock);
}

static const char mutex_abandon_doc[] = PyDoc_STR(
    "abandon($self, /)\n--\n\n"
    "Give the mutex back with what it guards half changed: the next one to\n"
    "lock it is told that its owner died. Raises as unlock().");

static METHOD_NONE(mutex_abandon)
{
    return give_back(mutex_of(self), mapped_mutex_abandon);
}

static const char mutex___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\nTake the mutex and return it.");

static METHOD_NONE(mutex___enter__)
{
    return lock(mutex_of(self), MAPPED_NEVER) < 0 ? NULL : Py_NewRef(self);
}

static const char mutex___exit___doc[] =
    PyDoc_STR("__exit__($self, type, value, traceback, /)\n--\n\n"
              "Give the mutex back, unless the block has done so.");

static PyObject *mutex___exit__(PyObject *self, PyObject *arguments)
{
    mapped_error error;
    Mutex *mutex = mutex_of(self);
    if (check_exit_arguments(arguments) < 0)
        return NULL;
    if (!mutex->is_held)
        Py_RETURN_NONE;
    mutex->is_held = false;
    mapped_status status = mapped_mutex_unlock(&mutex->core, &error);
    /* MAPPED_ARGUMENT: this is the child of a fork in the block, which doesn't
     * hold it. */
    return status == MAPPED_OK || status == MAPPED_ARGUMENT
               ? Py_NewRef(Py_None)
               : raise_of(mutex->owned.owner, &error);
}

static const char mutex___reduce_ex___doc[] = REDUCE_DOC;

static METHOD_ONE(mutex___reduce_ex__)
{
    Region *owner = mutex_of(self)->owned.owner;
    (void)argument;
    if (require_open(owner, "pickle") < 0)
        return NULL;
    const mapped_slice word = {.region = core_of((PyObject *)owner),
                               .offset = mutex_of(self)->offset,
                               .length = MUTEX_BYTES};
    PyObject *slice = slice_new(owner, word);
    return slice == NULL ? NULL : Py_BuildValue("(O(N))", Py_TYPE(self), slice);
}

static PyObject *mutex_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<mapped.Mutex offset=%zu of %R>",
                                mutex_of(self)->offset,
                                (PyObject *)mutex_of(self)->owned.owner);
}

static PyMethodDef mutex_methods[] = {
    METHOD_ROW(mutex, KEYWORDS, lock),
    METHOD_ROW(mutex, NONE, unlock),
    METHOD_ROW(mutex, NONE, abandon),
    METHOD_ROW(mutex, NONE, __enter__),
    PICKLE_METHODS(mutex),
    {"__exit__", mutex___exit__, METH_VARARGS, mutex___exit___doc},
    {NULL, NULL, 0, NULL}};

GETTER(mutex, owner_died,
       "True if the owner before died with it, when it was last taken here.",
       PyBool_FromLong(mutex_of(self)->owner_died))

static PyGetSetDef mutex_attributes[] = {ATTRIBUTE_ROW(mutex, owner_died),
                                         {NULL, NULL, NULL, NULL, NULL}};

static const char mutex_doc[] = PyDoc_STR(
    "Mutex(slice, /)\n--\n\n"
    "A robust lock in shared memory, for all processes that map it.\n\n"
    "It is the first eight bytes of a Region or a Slice, which are zero while\n"
    "it is free and must lie at a multiple of eight in memory. When its owner\n"
    "dies, the next one gets it and is told so.");

static PyType_Slot mutex_slots[] = {
    {Py_tp_doc, (void *)mutex_doc},   {Py_tp_new, mutex_new},
    {Py_tp_dealloc, owned_dealloc},   {Py_tp_traverse, owned_traverse},
    {Py_tp_repr, mutex_repr},         {Py_tp_methods, mutex_methods},
    {Py_tp_getset, mutex_attributes}, {0, NULL}};

PyType_Spec mutex_spec = {
    .name = "mapped.Mutex",
    .basicsize = sizeof(Mutex),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = mutex_slots,
};
