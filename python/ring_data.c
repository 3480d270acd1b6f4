/* A Ring's methods that send and receive copies of records.
 *
 * Invariant: no code of others runs while one of these holds an end of the
 * ring, because it could wait for that end. So a send opens all its sources
 * first, and a receive makes the bytes objects first: it measures the records,
 * allocates, and then has the core receive into the objects. In between another
 * receiver may take what was measured. */
#include "ring.h"
#include "source.h"

int ring_wait(Wait *wait, uint64_t deadline)
{
    wait->deadline = deadline;
    wait->status = wait->turn(wait->context, 0, &wait->error);
    return wait->status == MAPPED_TIMEOUT && deadline != 0 ? unlocked_wait(wait)
                                                           : 0;
}

/* Raises ValueError if this Ring holds the senders' end: a send would wait for
 * it, for ever. */
static int require_no_sender(const Ring *ring)
{
    return ring_require(!ring->sender.is_held,
                        "records are reserved: commit or cancel them first");
}

static int require_no_receiver(const Ring *ring)
{
    return ring_require(!ring->receiver.is_held,
                        "records are peeked at: release or cancel them first");
}

static void *raise_timeout(Ring *ring, const char *operation)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set(&error, MAPPED_TIMEOUT, operation);
    return raise_of(ring->owned.owner, &error);
}

/* Records to send, as the context of a wait for room. */
typedef struct Outgoing {
    const mapped_ring *ring;
    const mapped_ring_data *records;
    size_t count;
    size_t sent; /* so many of them, so far */
} Outgoing;

static mapped_status send_turn(void *context, uint64_t deadline,
                               mapped_error *error)
{
    Outgoing *self = context;
    return mapped_ring_send_all(self->ring, self->records, self->count,
                                deadline, &self->sent, error);
}

/* Returns MAPPED_OK if all were sent; MAPPED_TIMEOUT; or -1 with an exception.
 */
static int send_all(Ring *ring, Outgoing *outgoing, uint64_t deadline)
{
    Wait wait = {.region = ring->core.slice.region,
                 .turn = send_turn,
                 .context = outgoing};
    outgoing->ring = &ring->core;
    if (require_no_sender(ring) < 0 || ring_wait(&wait, deadline) < 0)
        return -1;
    if (wait.status == MAPPED_OK || wait.status == MAPPED_TIMEOUT)
        return wait.status;
    return raised_as_int(raise_of(ring->owned.owner, &wait.error));
}

static mapped_ring_data data_of(const Source *source)
{
    mapped_ring_data data = {.bytes = source->data, .length = source->length};
    if (source->owner != NULL)
        data.slice = source->slice;
    return data;
}

static int send_one(Ring *ring, PyObject *object, uint64_t deadline)
{
    Source source;
    if (source_open(ring->owned.owner->state, object, "send", &source) < 0)
        return -1;
    mapped_ring_data data = data_of(&source);
    Outgoing outgoing = {.records = &data, .count = 1};
    int status = send_all(ring, &outgoing, deadline);
    source_close(&source);
    return status;
}

const char ring_send_doc[] = PyDoc_STR(
    "send($self, /, data, timeout=None)\n--\n\n"
    "Send a copy of `data`, any buffer, as one record. Waits for room for\n"
    "`timeout` seconds at most; other Python threads run meanwhile, and\n"
    "signals are handled; if a handler raises, the record may have been\n"
    "sent.\n\n"
    "TimeoutError; IndexError if it is longer than `longest`." RING_ERRORS);

METHOD_NAMED(ring_send, "send", 1, 2, "data", "timeout")
{
    uint64_t deadline;
    if (convert_deadline(values[1], &deadline) < 0)
        return NULL;
    int status = send_one(ring_of(self), values[0], deadline);
    if (status == MAPPED_TIMEOUT)
        return raise_timeout(ring_of(self), "send");
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

const char ring_try_send_doc[] = PyDoc_STR(
    "try_send($self, data, /)\n--\n\n"
    "Send a copy of `data` if there is room now, and nobody else in the\n"
    "middle of a send. Return whether it was sent.\n\n"
    "IndexError if it is longer than `longest`." RING_ERRORS);

PyObject *ring_try_send(PyObject *self, PyObject *data)
{
    int status = send_one(ring_of(self), data, 0);
    return status == -1 ? NULL : PyBool_FromLong(status == MAPPED_OK);
}

/* The sources of many records. */
typedef struct Batch {
    Source *sources;
    mapped_ring_data *records;
    size_t count; /* of sources that are open */
} Batch;

static void batch_close(Batch *batch)
{
    while (batch->count > 0)
        source_close(&batch->sources[--batch->count]);
    PyMem_Free(batch->sources);
    PyMem_Free(batch->records);
}

/* Opens the objects in the tuple, which keeps them until batch_close. That must
 * be called even if this returns -1 with an exception. */
static int batch_open(const State *state, PyObject *tuple, Batch *batch)
{
    size_t count = (size_t)PyTuple_Size(tuple);
    *batch = (Batch){.sources = memory_new(count, sizeof(Source)),
                     .records = memory_new(count, sizeof(mapped_ring_data))};
    if (batch->sources == NULL || batch->records == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        Source *source = &batch->sources[i];
        if (source_open(state, PyTuple_GetItem(tuple, (Py_ssize_t)i), "send",
                        source) < 0)
            return -1;
        batch->records[i] = data_of(source);
        batch->count++;
    }
    return 0;
}

const char ring_send_many_doc[] = PyDoc_STR(
    "send_many($self, /, records, timeout=None)\n--\n\n"
    "Send a copy of each of the iterable's buffers as a record, in as few\n"
    "steps as there is room for, and return how many were sent: fewer than\n"
    "all only if `timeout` seconds were not enough.\n\n"
    "IndexError if one is longer than `longest`; then none is\n"
    "sent." RING_ERRORS);

METHOD_NAMED(ring_send_many, "send_many", 1, 2, "records", "timeout")
{
    Ring *ring = ring_of(self);
    uint64_t deadline;
    Batch batch;
    if (convert_deadline(values[1], &deadline) < 0)
        return NULL;
    PyObject *tuple = PySequence_Tuple(values[0]);
    if (tuple == NULL)
        return NULL;
    int status = batch_open(ring->owned.owner->state, tuple, &batch);
    Outgoing outgoing = {.records = batch.records, .count = batch.count};
    if (status == 0)
        status = send_all(ring, &outgoing, deadline);
    batch_close(&batch);
    Py_DECREF(tuple);
    return status == -1 ? NULL : PyLong_FromSize_t(outgoing.sent);
}

/* A receive in one step takes so many records at most, and about so many bytes:
 * more would be given back to the system each time, and then be paged in again.
 */
#define MOST_RECORDS 256
#define MOST_BYTES ((size_t)65536)

/* The records of one step, as the context of a wait for the first. */
typedef struct Incoming {
    const mapped_ring *ring;
    size_t count; /* of the records that were measured */
    size_t lengths[MOST_RECORDS];
    PyObject *objects[MOST_RECORDS];          /* bytes, one for each */
    mapped_ring_buffer buffers[MOST_RECORDS]; /* the memory of these */
    bool wants_list;
    PyObject *list; /* with a place for each object, if it is wanted */
} Incoming;

static mapped_status measure_turn(void *context, uint64_t deadline,
                                  mapped_error *error)
{
    Incoming *self = context;
    return mapped_ring_measure(self->ring, self->lengths, self->count, deadline,
                               &self->count, error);
}

/* Leaves out records that are too many bytes, but not the first. */
static void limit_bytes(Incoming *self)
{
    size_t bytes = self->lengths[0], count = 1;
    while (count < self->count && self->lengths[count] < MOST_BYTES &&
           bytes + self->lengths[count] <= MOST_BYTES)
        bytes += self->lengths[count++];
    self->count = count;
}

/* Waits for a record, and measures at most `most`. Returns 1; 0 if it took too
 * long; or -1 with an exception. */
static int measure(Ring *ring, Incoming *self, size_t most, uint64_t deadline)
{
    Wait wait = {.region = ring->core.slice.region,
                 .turn = measure_turn,
                 .context = self};
    self->ring = &ring->core;
    self->count = most;
    /* Asked anew each time, because allocating may have run code that peeks. */
    if (require_no_receiver(ring) < 0 || ring_wait(&wait, deadline) < 0)
        return -1;
    if (wait.status == MAPPED_TIMEOUT)
        return 0;
    if (wait.status != MAPPED_OK)
        return raised_as_int(raise_of(ring->owned.owner, &wait.error));
    limit_bytes(self);
    return 1;
}

static void drop_objects(Incoming *self, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        Py_DECREF(self->objects[i]);
    if (start == 0)
        Py_CLEAR(self->list);
}

/* Makes bytes of the lengths that were measured, and the list. Returns 0, or -1
 * with an exception and nothing made. */
static int make_objects(Incoming *self)
{
    self->list = NULL;
    if (self->wants_list) {
        self->list = container_untrack(container_new(PyList_New, self->count));
        if (self->list == NULL)
            return -1;
    }
    for (size_t i = 0; i < self->count; i++) {
        self->objects[i] = bytes_new(self->lengths[i]);
        if (self->objects[i] == NULL) {
            drop_objects(self, 0, i);
            return -1;
        }
        self->buffers[i] =
            (mapped_ring_buffer){.bytes = PyBytes_AsString(self->objects[i]),
                                 .size = self->lengths[i]};
    }
    return 0;
}

/* Replaces bytes that are longer than the record which they got. Returns 0, or
 * -1 with an exception. */
static int shorten_objects(Incoming *self, size_t received)
{
    for (size_t i = 0; i < received; i++) {
        const mapped_ring_buffer *buffer = &self->buffers[i];
        if (buffer->length == buffer->size)
            continue;
        PyObject *shorter = PyBytes_FromStringAndSize(
            buffer->bytes, (Py_ssize_t)buffer->length);
        if (shorter == NULL)
            return -1;
        Py_DECREF(self->objects[i]);
        self->objects[i] = shorter;
    }
    return 0;
}

/* Receives into the objects, and drops those that got nothing. There is nothing
 * left, which isn't an error, if another receiver has taken what was measured
 * (MAPPED_TIMEOUT) and a longer record has come (MAPPED_RANGE). Returns 0, or
 * -1 with an exception. */
static int fill_objects(Ring *ring, Incoming *self, size_t *received)
{
    mapped_error error;
    *received = 0;
    mapped_status status = mapped_ring_recv_all(
        self->ring, self->buffers, self->count, 0, received, &error);
    if (status != MAPPED_OK && status != MAPPED_TIMEOUT &&
        status != MAPPED_RANGE) {
        drop_objects(self, 0, self->count);
        return raised_as_int(raise_of(ring->owned.owner, &error));
    }
    drop_objects(self, *received, self->count);
    if (shorten_objects(self, *received) == 0)
        return 0;
    drop_objects(self, 0, *received);
    return -1;
}

/* Receives at most `most` records, at least one. `*received` is how many
 * objects there are; 0: it took too long. Returns 0, or -1 with an exception.
 */
static int receive(Ring *ring, Incoming *self, size_t most, uint64_t deadline,
                   size_t *received)
{
    *received = 0;
    while (*received == 0) {
        int measured = measure(ring, self, most, deadline);
        if (measured <= 0)
            return measured;
        if (make_objects(self) < 0 || fill_objects(ring, self, received) < 0)
            return -1;
    }
    return 0;
}

/* Returns the record, or NULL with an exception or, if it took too long,
 * without. */
static PyObject *receive_one(Ring *ring, uint64_t deadline)
{
    Incoming incoming;
    size_t received;
    incoming.wants_list = false;
    if (receive(ring, &incoming, 1, deadline, &received) < 0 || received == 0)
        return NULL;
    return incoming.objects[0];
}

const char ring_recv_doc[] = PyDoc_STR(
    "recv($self, /, timeout=None)\n--\n\n"
    "Receive the next record, as bytes. Waits for it for `timeout` seconds at\n"
    "most; other Python threads run meanwhile, and signals are handled.\n\n"
    "TimeoutError; ValueError if the memory is damaged." RING_ERRORS);

METHOD_NAMED(ring_recv, "recv", 0, 1, "timeout")
{
    uint64_t deadline;
    if (convert_deadline(values[0], &deadline) < 0)
        return NULL;
    PyObject *record = receive_one(ring_of(self), deadline);
    return record == NULL && !PyErr_Occurred()
               ? raise_timeout(ring_of(self), "recv")
               : record;
}

const char ring_try_recv_doc[] = PyDoc_STR(
    "try_recv($self, /)\n--\n\n"
    "Receive the next record, as bytes, if there is one now, and nobody\n"
    "else in the middle of a receive, else None." RING_ERRORS);

METHOD_NONE(ring_try_recv)
{
    PyObject *record = receive_one(ring_of(self), 0);
    return record == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : record;
}

PyObject *ring_next(PyObject *self)
{
    return receive_one(ring_of(self), MAPPED_NEVER);
}

const char ring_recv_many_doc[] = PyDoc_STR(
    "recv_many($self, /, most=256, timeout=None)\n--\n\n"
    "Wait for a record, and receive all that are there, at most `most`, 256\n"
    "and about 64 KiB, in one step. Return a list of bytes.\n\n"
    "TimeoutError; ValueError if `most` is 0." RING_ERRORS);

/* Fills the list, and shortens it if another receiver was faster. */
static PyObject *list_of(Incoming *incoming, size_t count)
{
    PyObject *list = incoming->list;
    for (size_t i = 0; i < count; i++)
        PyList_SetItem(list, (Py_ssize_t)i, incoming->objects[i]);
    container_track(list);
    if (count < incoming->count &&
        PyList_SetSlice(list, (Py_ssize_t)count, (Py_ssize_t)incoming->count,
                        NULL) < 0)
        Py_CLEAR(list);
    return list;
}

METHOD_NAMED(ring_recv_many, "recv_many", 0, 2, "most", "timeout")
{
    Incoming *incoming = NULL;
    PyObject *list = NULL;
    size_t received;
    uint64_t deadline, most = MOST_RECORDS;
    if (convert_u64(values[0], "most", &most) < 0 ||
        ring_require(most > 0, "most must be 1 or more") < 0 ||
        convert_deadline(values[1], &deadline) < 0)
        return NULL;
    incoming = PyMem_Malloc(sizeof *incoming);
    if (incoming == NULL)
        return PyErr_NoMemory();
    incoming->wants_list = true;
    size_t count = most < MOST_RECORDS ? (size_t)most : MOST_RECORDS;
    if (receive(ring_of(self), incoming, count, deadline, &received) == 0)
        list = received > 0 ? list_of(incoming, received)
                            : raise_timeout(ring_of(self), "recv");
    PyMem_Free(incoming);
    return list;
}
