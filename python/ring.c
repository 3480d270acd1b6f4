/* The type Ring: a queue of records in shared memory. This file has what is
 * done in place; ring_data.c sends and receives copies.
 *
 * reserve() holds the senders' end until commit(), and peek() the receivers'
 * end until release(). Everybody else, in all processes, waits for who holds an
 * end. So the Ring lets go of its ends at the latest when it is freed.
 *
 * While one thread waits in reserve() or peek(), which it does without the
 * interpreter's lock, no other may use the ends: require_no_wait().
 *
 * raise_of raises what the core has answered, and returns NULL; raised_as_int
 * makes -1 of that NULL. */
#include <assert.h>
#include <unistd.h>

#include "pickle.h"
#include "ring.h"

int ring_require(bool condition, const char *reason)
{
    if (!condition)
        PyErr_SetString(PyExc_ValueError, reason);
    return condition ? 0 : -1;
}

/* In a child of fork nobody waits. */
static int require_no_wait(const Ring *ring)
{
    return ring_require(ring->waiting_process != getpid(),
                        "another thread waits in reserve or peek "
                        "of this Ring");
}

static PyObject *ring_new(PyTypeObject *type, PyObject *arguments,
                          PyObject *keywords)
{
    mapped_slice span;
    mapped_status status;
    mapped_error error;
    Ring *self = (Ring *)owned_create(type, "Ring", arguments, keywords, &span);
    if (self == NULL)
        return NULL;
    self->core = (mapped_ring){.capacity = 0};
    self->sender.is_held = self->receiver.is_held = false;
    self->waiting_process = 0;
    do {
        PyThreadState *thread = unlocked_enter();
        status = mapped_ring_at(span, &self->core, &error);
        unlocked_leave(thread);
    } while (status == MAPPED_INTERRUPTED && PyErr_CheckSignals() == 0);
    if (status == MAPPED_OK)
        return (PyObject *)self;
    if (!PyErr_Occurred())
        raise_of(self->owned.owner, &error);
    Py_DECREF((PyObject *)self);
    return NULL;
}

/* Copies an end and marks it as not held: the caller ends the copy. The core
 * may give up the interpreter's lock meanwhile, and other threads must not find
 * an end that is half over. */
static RingEnd take_end(RingEnd *end)
{
    RingEnd taken = *end;
    end->is_held = false;
    return taken;
}

static void end_hold(Ring *ring, mapped_ring_hold *hold)
{
    mapped_ring_end(hold);
    /* That may have been the last export of a region that was closed. The
     * buffer of a wrapped one may have to be released now, which runs foreign
     * code. */
    region_release_wrap(ring->owned.owner);
}

/* Lets go of an end if it is held: the records reserved are dropped, and those
 * peeked at stay in the ring. */
static void let_go(Ring *ring, RingEnd *end)
{
    if (!end->is_held)
        return;
    RingEnd taken = take_end(end);
    end_hold(ring, &taken.hold);
}

static void ring_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    let_go(ring_of(self), &ring_of(self)->sender);
    let_go(ring_of(self), &ring_of(self)->receiver);
    owned_dealloc(self);
}

/* One call of reserve() or peek(), as the context of its wait. */
typedef struct RecordWait {
    bool reserves; /* else it peeks */
    size_t n;      /* the bytes to reserve */
    const mapped_ring *ring;
    RingEnd end; /* a copy: if another thread forks during the wait, the child
                  * finds the Ring's own as it was before, not half changed */
    mapped_slice record; /* the result */
} RecordWait;

static mapped_status record_turn(void *context, uint64_t deadline,
                                 mapped_error *error)
{
    RecordWait *self = context;
    mapped_ring_hold *hold = &self->end.hold;
    mapped_slice *record = &self->record;
    if (self->end.is_held)
        return self->reserves
                   ? mapped_ring_reserve(hold, self->n, deadline, record, error)
                   : mapped_ring_peek(hold, deadline, record, error);
    mapped_status status =
        self->reserves
            ? mapped_ring_reserve_first(self->ring, self->n, deadline, hold,
                                        record, error)
            : mapped_ring_peek_first(self->ring, deadline, hold, record, error);
    self->end.is_held = status == MAPPED_OK;
    return status;
}

/* Sets `record_wait->record`. Returns 0, or -1 with an exception. */
static int wait_for_record(Ring *ring, RecordWait *record_wait,
                           uint64_t deadline)
{
    RingEnd *end = record_wait->reserves ? &ring->sender : &ring->receiver;
    Wait wait = {.region = ring->core.slice.region,
                 .turn = record_turn,
                 .context = record_wait};
    if (require_no_wait(ring) < 0)
        return -1;
    record_wait->ring = &ring->core;
    record_wait->end = *end;
    ring->waiting_process = getpid();
    /* Only the first record is waited for: a wait with the end held would keep
     * everybody else waiting for that. */
    int waited = ring_wait(&wait, end->is_held ? 0 : deadline);
    ring->waiting_process = 0;
    if (waited < 0) {
        /* The wait had no end when it began: it gives back what its last turn
         * got. */
        assert(!end->is_held);
        let_go(ring, &record_wait->end);
        return -1;
    }
    *end = record_wait->end;
    return wait.status == MAPPED_OK
               ? 0
               : raised_as_int(raise_of(ring->owned.owner, &wait.error));
}

/* Returns a Slice of the record. It is made first, so that nothing is reserved
 * if there is no memory for it. */
static PyObject *record_in_place(PyObject *self, RecordWait *record_wait,
                                 uint64_t deadline)
{
    Ring *ring = ring_of(self);
    PyObject *slice = slice_new(ring->owned.owner, ring->core.slice);
    if (slice == NULL)
        return NULL;
    if (wait_for_record(ring, record_wait, deadline) == 0) {
        ((View *)slice)->slice = record_wait->record;
        return slice;
    }
    Py_DECREF(slice);
    return NULL;
}

/* Calls the core's `publish`, commit or release, and lets go of the end. */
static PyObject *publish_and_let_go(Ring *ring, RingEnd *end,
                                    mapped_status (*publish)(mapped_ring_hold *,
                                                             mapped_error *))
{
    mapped_error error;
    RingEnd taken = take_end(end);
    mapped_status status = publish(&taken.hold, &error);
    end_hold(ring, &taken.hold);
    return status == MAPPED_OK ? Py_NewRef(Py_None)
                               : raise_of(ring->owned.owner, &error);
}

static const char ring_reserve_doc[] = PyDoc_STR(
    "reserve($self, /, n, timeout=None)\n--\n\n"
    "Reserve the next record of `n` bytes, and return a Slice to write it in\n"
    "place, until commit(). Nobody else sends meanwhile. Several records can\n"
    "be reserved, and are then sent in one step. Waits for room for `timeout`\n"
    "seconds at most, but not while others are reserved.\n\n"
    "TimeoutError; IndexError if it is longer than `longest`." RING_ERRORS);

static METHOD_NAMED(ring_reserve, "reserve", 1, 2, "n", "timeout")
{
    uint64_t deadline;
    RecordWait wait = {.reserves = true};
    if (convert_size(values[0], "n", &wait.n) < 0 ||
        convert_deadline(values[1], &deadline) < 0)
        return NULL;
    return record_in_place(self, &wait, deadline);
}

static const char ring_commit_doc[] = PyDoc_STR(
    "commit($self, /, length=None)\n--\n\n"
    "Send the records that are reserved, in one step. `length` makes the\n"
    "last of them shorter.\n\n"
    "ValueError if none is reserved; IndexError if it is shorter than\n"
    "`length`." RING_ERRORS);

static METHOD_NAMED(ring_commit, "commit", 0, 1, "length")
{
    Ring *ring = ring_of(self);
    mapped_error error;
    uint64_t length = UINT64_MAX; /* None */
    if (convert_u64_or_none(values[0], "length", &length) < 0 ||
        require_no_wait(ring) < 0 ||
        ring_require(ring->sender.is_held, "no record is reserved") < 0)
        return NULL;
    size_t shorter = length < SIZE_MAX ? (size_t)length : SIZE_MAX;
    if (length != UINT64_MAX &&
        mapped_ring_shorten(&ring->sender.hold, shorter, &error) != MAPPED_OK)
        return raise_of(ring->owned.owner, &error);
    return publish_and_let_go(ring, &ring->sender, mapped_ring_commit);
}

static const char ring_peek_doc[] = PyDoc_STR(
    "peek($self, /, timeout=None)\n--\n\n"
    "Return a Slice of the next record, which stays in the ring until\n"
    "release(). Nobody else receives meanwhile. Several records can be\n"
    "peeked at. Waits for one for `timeout` seconds at most, but not while\n"
    "others are peeked at.\n\n"
    "TimeoutError." RING_ERRORS);

static METHOD_NAMED(ring_peek, "peek", 0, 1, "timeout")
{
    uint64_t deadline;
    RecordWait wait = {.reserves = false};
    if (convert_deadline(values[0], &deadline) < 0)
        return NULL;
    return record_in_place(self, &wait, deadline);
}

static const char ring_release_doc[] = PyDoc_STR(
    "release($self, /)\n--\n\n"
    "Take the records that were peeked at out of the ring, in one step.\n"
    "Their Slices show other records from then on.\n\n"
    "ValueError if there is none." RING_ERRORS);

static METHOD_NONE(ring_release)
{
    Ring *ring = ring_of(self);
    if (require_no_wait(ring) < 0 ||
        ring_require(ring->receiver.is_held, "no record is peeked at") < 0)
        return NULL;
    return publish_and_let_go(ring, &ring->receiver, mapped_ring_release);
}

static const char ring_cancel_doc[] = PyDoc_STR(
    "cancel($self, /)\n--\n\n"
    "Drop the records that are reserved, and leave those that were peeked at\n"
    "in the ring. Does nothing if there are none.");

static METHOD_NONE(ring_cancel)
{
    Ring *ring = ring_of(self);
    if (require_no_wait(ring) < 0)
        return NULL;
    let_go(ring, &ring->sender);
    let_go(ring, &ring->receiver);
    Py_RETURN_NONE;
}

/* Calls a function of mapped/_asyncio.py. Takes over the reference to the
 * arguments, which may be NULL with an exception. */
static PyObject *call_async(const char *name, PyObject *arguments)
{
    PyObject *function, *result = NULL;
    if (arguments != NULL &&
        import_object("mapped._asyncio", name, &function) == 0) {
        result = PyObject_CallObject(function, arguments);
        Py_DECREF(function);
    }
    Py_XDECREF(arguments);
    return result;
}

static const char ring_recv_async_doc[] = PyDoc_STR(
    "recv_async($self, /, timeout=None)\n--\n\n"
    "recv() for asyncio, to be awaited: other tasks run meanwhile. It looks\n"
    "at the ring again and again, after a millisecond at most; later where\n"
    "the loop's tasks wait for so many rings that the looks would take a\n"
    "tenth of its time." RING_ERRORS);

static METHOD_NAMED(ring_recv_async, "recv_async", 0, 1, "timeout")
{
    return call_async(
        "recv",
        Py_BuildValue("(OO)", self, values[0] != NULL ? values[0] : Py_None));
}

static const char ring_send_async_doc[] =
    PyDoc_STR("send_async($self, /, data, timeout=None)\n--\n\n"
              "send() for asyncio, to be awaited." RING_ERRORS);

static METHOD_NAMED(ring_send_async, "send_async", 1, 2, "data", "timeout")
{
    return call_async("send",
                      Py_BuildValue("(OOO)", self, values[0],
                                    values[1] != NULL ? values[1] : Py_None));
}

/* The Ring itself is the iterator: one whose step was cancelled goes on. */
static PyObject *ring_anext(PyObject *self)
{
    return call_async("recv", Py_BuildValue("(O)", self));
}

static const char ring___reduce_ex___doc[] = REDUCE_DOC;

static METHOD_ONE(ring___reduce_ex__)
{
    const mapped_slice slice = ring_of(self)->core.slice;
    Region *owner = ring_of(self)->owned.owner;
    (void)argument;
    if (require_open(owner, "pickle") < 0)
        return NULL;
    PyObject *bytes = slice_new(owner, slice);
    return bytes == NULL ? NULL : Py_BuildValue("(O(N))", Py_TYPE(self), bytes);
}

static PyObject *ring_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<mapped.Ring offset=%zu capacity=%zu of %R>",
                                ring_of(self)->core.slice.offset,
                                ring_of(self)->core.capacity,
                                (PyObject *)ring_of(self)->owned.owner);
}

#define RING_METHOD_ROW(kind, name) METHOD_ROW(ring, kind, name),

/* clang-format off */
static PyMethodDef ring_methods[] = {
    RING_DATA_METHODS(RING_METHOD_ROW)
    METHOD_ROW(ring, KEYWORDS, reserve),
    METHOD_ROW(ring, KEYWORDS, commit),
    METHOD_ROW(ring, KEYWORDS, peek),
    METHOD_ROW(ring, NONE, release),
    METHOD_ROW(ring, NONE, cancel),
    METHOD_ROW(ring, KEYWORDS, recv_async),
    METHOD_ROW(ring, KEYWORDS, send_async),
    PICKLE_METHODS(ring),
    {NULL, NULL, 0, NULL}};
/* clang-format on */

/* Returns 0, or -1 with an exception. */
static int look(PyObject *self, mapped_ring_state *state)
{
    mapped_error error;
    if (mapped_ring_look(&ring_of(self)->core, state, &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_of(ring_of(self)->owned.owner, &error));
}

static PyObject *used_of(PyObject *self)
{
    mapped_ring_state state;
    return look(self, &state) < 0 ? NULL : PyLong_FromSize_t(state.used);
}

static PyObject *senders_died_of(PyObject *self)
{
    mapped_ring_state state;
    return look(self, &state) < 0 ? NULL
                                  : PyLong_FromUnsignedLong(state.senders_died);
}

static PyObject *receivers_died_of(PyObject *self)
{
    mapped_ring_state state;
    return look(self, &state) < 0
               ? NULL
               : PyLong_FromUnsignedLong(state.receivers_died);
}

GETTER(ring, capacity, "Bytes for all records, 8 more for each.",
       PyLong_FromSize_t(ring_of(self)->core.capacity))
GETTER(ring, longest, "How long a record can be, in bytes.",
       PyLong_FromSize_t(mapped_ring_longest(&ring_of(self)->core)))
GETTER(ring, used, "Bytes that records take now, 8 more for each.",
       used_of(self))
GETTER(ring, senders_died, "How many died in the middle of a send.",
       senders_died_of(self))
GETTER(ring, receivers_died, "How many died in the middle of a receive.",
       receivers_died_of(self))
GETTER(ring, region, REGION_DOC,
       Py_NewRef((PyObject *)ring_of(self)->owned.owner))
GETTER(ring, offset, "Where in the region the ring begins, in bytes.",
       PyLong_FromSize_t(ring_of(self)->core.slice.offset))

static PyGetSetDef ring_attributes[] = {
    ATTRIBUTE_ROW(ring, capacity),       ATTRIBUTE_ROW(ring, longest),
    ATTRIBUTE_ROW(ring, used),           ATTRIBUTE_ROW(ring, senders_died),
    ATTRIBUTE_ROW(ring, receivers_died), ATTRIBUTE_ROW(ring, region),
    ATTRIBUTE_ROW(ring, offset),         {NULL, NULL, NULL, NULL, NULL}};

static const char ring_doc[] = PyDoc_STR(
    "Ring(slice, /)\n--\n\n"
    "A queue of records in shared memory, from any number of senders to any\n"
    "number of receivers, in all processes that map it.\n\n"
    "A Region or a Slice of zeros becomes an empty ring; one that is a ring\n"
    "is attached to. Each record is received once, in the order in which\n"
    "they were sent. Whoever dies, at any moment, takes no record with him:\n"
    "one that he had not sent is not there, and one that he had not\n"
    "received is received by the next. Iterating receives for ever, also\n"
    "with async for.\n\n"
    "ValueError if it is neither zero nor a ring, or of another size;\n"
    "io.UnsupportedOperation of another version or byte order; IndexError\n"
    "below 320 bytes; TypeError if it is read-only.");

static PyType_Slot ring_slots[] = {
    {Py_tp_doc, (void *)ring_doc},    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},    {Py_tp_traverse, owned_traverse},
    {Py_tp_iter, PyObject_SelfIter},  {Py_tp_iternext, ring_next},
    {Py_am_aiter, PyObject_SelfIter}, {Py_am_anext, ring_anext},
    {Py_tp_methods, ring_methods},    {Py_tp_repr, ring_repr},
    {Py_tp_getset, ring_attributes},  {0, NULL}};

PyType_Spec ring_spec = {
    .name = "mapped.Ring",
    .basicsize = sizeof(Ring),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = ring_slots,
};
