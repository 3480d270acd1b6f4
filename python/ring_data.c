/* A Ring's methods that send and receive copies. No code of others runs while
 * one of them holds an end of the ring, because it could wait for that. So
 * buffers are asked for before, and memory for what is received is allocated
 * before. */
#include "ring.h"
#include "source.h"

/* A send would wait for the records that are reserved here, for ever. */
static int require_no_sender(const Ring *ring)
{
    return ring_require(!ring->has_sender,
                        "records are reserved: commit or cancel them first");
}

static int require_no_receiver(const Ring *ring)
{
    return ring_require(!ring->has_receiver,
                        "records are peeked at: release or cancel them first");
}

int ring_wait(Wait *wait, uint64_t deadline)
{
    wait->deadline = deadline;
    wait->status = wait->turn(wait->context, 0, &wait->error);
    return wait->status == MAPPED_TIMEOUT && deadline != 0 ? unlocked_wait(wait)
                                                           : 0;
}

typedef struct Sending {
    const mapped_ring *ring;
    const mapped_ring_data *data;
    size_t count;
    size_t sent;
} Sending;

static mapped_status send_turn(void *context, uint64_t deadline,
                               mapped_error *error)
{
    Sending *self = context;
    return mapped_ring_send_all(self->ring, self->data, self->count, deadline,
                                &self->sent, error);
}

/* Sends all sources. Returns MAPPED_OK, or MAPPED_TIMEOUT, or -1 with an
 * exception; `*sent` tells how many. */
static int send_data(Ring *ring, const mapped_ring_data *data, size_t count,
                     uint64_t deadline, size_t *sent)
{
    Sending context = {.ring = &ring->core, .data = data, .count = count};
    Wait wait = {.region = ring->core.slice.region,
                 .turn = send_turn,
                 .context = &context};
    if (require_no_sender(ring) < 0)
        return -1;
    int waited = ring_wait(&wait, deadline);
    *sent = context.sent;
    if (waited < 0)
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
    size_t sent;
    if (source_open(ring->owned.owner->state, object, "send", &source) < 0)
        return -1;
    mapped_ring_data data = data_of(&source);
    int status = send_data(ring, &data, 1, deadline, &sent);
    source_close(&source);
    return status;
}

static void *raise_timeout(Ring *ring, const char *operation)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set(&error, MAPPED_TIMEOUT, operation);
    return raise_of(ring->owned.owner, &error);
}

const char ring_send_doc[] = PyDoc_STR(
    "send($self, /, data, timeout=None)\n--\n\n"
    "Send a copy of `data`, any buffer, as one record. Waits for room for\n"
    "`timeout` seconds at most; other Python threads run meanwhile, and\n"
    "signals are handled; if a handler raises, the record may have been "
    "sent.\n\n"
    "TimeoutError; IndexError if it is longer than `longest`." RING_ERRORS);

static PyObject *ring_send_with(PyObject *self, PyObject *const *values)
{
    uint64_t deadline;
    if (convert_deadline(values[1], &deadline) < 0)
        return NULL;
    int status = send_one(ring_of(self), values[0], deadline);
    if (status == MAPPED_TIMEOUT)
        return raise_timeout(ring_of(self), "send");
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

KEYWORD_METHOD(ring_send, ring_send_with, "send", 1, 2, "data", "timeout")

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

/* What a list of sources is sent from. */
typedef struct Batch {
    Source *sources;
    mapped_ring_data *data;
    size_t count; /* of sources that are open */
} Batch;

static void batch_close(Batch *batch)
{
    while (batch->count > 0)
        source_close(&batch->sources[--batch->count]);
    PyMem_Free(batch->sources);
    PyMem_Free(batch->data);
}

/* The tuple keeps the objects while their bytes are read. */
static int batch_open(const State *state, PyObject *tuple, Batch *batch)
{
    size_t count = (size_t)PyTuple_Size(tuple);
    *batch = (Batch){.sources = PyMem_Calloc(count + 1, sizeof(Source)),
                     .data = PyMem_Calloc(count + 1, sizeof(mapped_ring_data))};
    if (batch->sources == NULL || batch->data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        Source *source = &batch->sources[i];
        if (source_open(state, PyTuple_GetItem(tuple, (Py_ssize_t)i), "send",
                        source) < 0)
            return -1;
        batch->data[i] = data_of(source);
        batch->count++;
    }
    return 0;
}

const char ring_send_many_doc[] = PyDoc_STR(
    "send_many($self, /, records, timeout=None)\n--\n\n"
    "Send a copy of each of the iterable's buffers as a record, in as few\n"
    "steps as there is room for, and return how many were sent: fewer than\n"
    "all only if `timeout` seconds were not enough.\n\n"
    "IndexError if one is longer than `longest`; then none is "
    "sent." RING_ERRORS);

static PyObject *ring_send_many_with(PyObject *self, PyObject *const *values)
{
    Ring *ring = ring_of(self);
    uint64_t deadline;
    size_t sent = 0;
    Batch batch;
    if (convert_deadline(values[1], &deadline) < 0)
        return NULL;
    PyObject *tuple = PySequence_Tuple(values[0]);
    if (tuple == NULL)
        return NULL;
    int status = batch_open(ring->owned.owner->state, tuple, &batch);
    if (status == 0)
        status = send_data(ring, batch.data, batch.count, deadline, &sent);
    batch_close(&batch);
    Py_DECREF(tuple);
    return status == -1 ? NULL : PyLong_FromSize_t(sent);
}

KEYWORD_METHOD(ring_send_many, ring_send_many_with, "send_many", 1, 2,
               "records", "timeout")

/* Receiving. */

#define MOST_RECORDS 256 /* in one step */

/* And about so many bytes: more would be given back to the system each time,
 * and then be paged in again. */
#define MOST_BYTES ((size_t)65536)

typedef struct Receiving {
    const mapped_ring *ring;
    size_t count; /* of lengths or buffers */
    size_t lengths[MOST_RECORDS];
    mapped_ring_buffer buffers[MOST_RECORDS];
    PyObject *objects[MOST_RECORDS]; /* bytes */
    bool wants_list;
    PyObject *list; /* with a place for each, if it is wanted */
} Receiving;

static mapped_status measure_turn(void *context, uint64_t deadline,
                                  mapped_error *error)
{
    Receiving *self = context;
    return mapped_ring_measure(self->ring, self->lengths, self->count, deadline,
                               &self->count, error);
}

static void drop_objects(Receiving *self, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        Py_DECREF(self->objects[i]);
}

/* Leaves out records that are too many bytes, but not the first. */
static void limit_bytes(Receiving *self)
{
    size_t bytes = self->lengths[0], count = 1;
    while (count < self->count && self->lengths[count] < MOST_BYTES &&
           bytes + self->lengths[count] <= MOST_BYTES)
        bytes += self->lengths[count++];
    self->count = count;
}

/* Makes bytes of the lengths that were measured, and the list. Returns 0 or -1.
 */
static int make_objects(Receiving *self)
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
            Py_CLEAR(self->list);
            return -1;
        }
        self->buffers[i] =
            (mapped_ring_buffer){.bytes = PyBytes_AsString(self->objects[i]),
                                 .size = self->lengths[i]};
    }
    return 0;
}

/* Receives into the bytes. Another receiver may have taken what was measured;
 * then the bytes may be too long or too short for what is there now. The first
 * `*received` of them are right. Returns 0 or -1. */
static int fill_objects(Ring *ring, Receiving *self, size_t *received)
{
    mapped_error error;
    *received = 0;
    mapped_status status = mapped_ring_recv_all(
        self->ring, self->buffers, self->count, 0, received, &error);
    if (status == MAPPED_OK || status == MAPPED_TIMEOUT ||
        status == MAPPED_RANGE)
        return 0;
    return raised_as_int(raise_of(ring->owned.owner, &error));
}

/* Replaces bytes that are too long for what was received. Returns 0 or -1. */
static int fit_objects(Receiving *self, size_t received)
{
    for (size_t i = 0; i < received; i++) {
        const mapped_ring_buffer *buffer = &self->buffers[i];
        if (buffer->length == buffer->size)
            continue;
        PyObject *fit = PyBytes_FromStringAndSize(buffer->bytes,
                                                  (Py_ssize_t)buffer->length);
        if (fit == NULL)
            return -1;
        Py_DECREF(self->objects[i]);
        self->objects[i] = fit;
    }
    return 0;
}

/* Receives at most `most` records, at least one. `*received` is how many
 * objects there are; 0: it took too long. Returns 0 or -1. */
static int receive(Ring *ring, Receiving *self, size_t most, uint64_t deadline,
                   size_t *received)
{
    Wait wait = {.region = ring->core.slice.region,
                 .turn = measure_turn,
                 .context = self};
    *received = 0;
    self->ring = &ring->core;
    while (*received == 0) {
        self->count = most;
        if (require_no_receiver(ring) < 0 || ring_wait(&wait, deadline) < 0)
            return -1;
        if (wait.status == MAPPED_TIMEOUT)
            return 0;
        if (wait.status != MAPPED_OK)
            return raised_as_int(raise_of(ring->owned.owner, &wait.error));
        limit_bytes(self);
        if (make_objects(self) < 0)
            return -1;
        if (fill_objects(ring, self, received) < 0) {
            drop_objects(self, 0, self->count);
            Py_CLEAR(self->list);
            return -1;
        }
        drop_objects(self, *received, self->count);
        if (*received == 0)
            Py_CLEAR(self->list);
    }
    if (fit_objects(self, *received) == 0)
        return 0;
    drop_objects(self, 0, *received);
    Py_CLEAR(self->list);
    return -1;
}

/* Returns the record, or NULL with an exception or, if it took too long,
 * without. */
static PyObject *receive_one(Ring *ring, uint64_t deadline)
{
    Receiving receiving;
    size_t received;
    receiving.wants_list = false;
    if (receive(ring, &receiving, 1, deadline, &received) < 0 || received == 0)
        return NULL;
    return receiving.objects[0];
}

const char ring_recv_doc[] = PyDoc_STR(
    "recv($self, /, timeout=None)\n--\n\n"
    "Receive the next record, as bytes. Waits for it for `timeout` seconds at\n"
    "most; other Python threads run meanwhile, and signals are handled.\n\n"
    "TimeoutError; ValueError if the memory is damaged." RING_ERRORS);

static PyObject *ring_recv_with(PyObject *self, PyObject *const *values)
{
    uint64_t deadline;
    if (convert_deadline(values[0], &deadline) < 0)
        return NULL;
    PyObject *record = receive_one(ring_of(self), deadline);
    return record == NULL && !PyErr_Occurred()
               ? raise_timeout(ring_of(self), "recv")
               : record;
}

KEYWORD_METHOD(ring_recv, ring_recv_with, "recv", 0, 1, "timeout")

const char ring_try_recv_doc[] = PyDoc_STR(
    "try_recv($self, /)\n--\n\n"
    "Receive the next record, as bytes, if there is one now, and "
    "nobody else\nin the middle of a receive, else None." RING_ERRORS);

PyObject *ring_try_recv(PyObject *self, PyObject *Py_UNUSED(nothing))
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
static PyObject *list_of(Receiving *receiving, size_t count)
{
    PyObject *list = receiving->list;
    for (size_t i = 0; i < count; i++)
        PyList_SetItem(list, (Py_ssize_t)i, receiving->objects[i]);
    container_track(list);
    if (count < receiving->count &&
        PyList_SetSlice(list, (Py_ssize_t)count, (Py_ssize_t)receiving->count,
                        NULL) < 0)
        Py_CLEAR(list);
    return list;
}

static PyObject *ring_recv_many_with(PyObject *self, PyObject *const *values)
{
    Receiving *receiving = NULL;
    PyObject *list = NULL;
    size_t received;
    uint64_t deadline, most = MOST_RECORDS;
    if (convert_u64(values[0], "most", &most) < 0 ||
        ring_require(most > 0, "most must be 1 or more") < 0 ||
        convert_deadline(values[1], &deadline) < 0)
        return NULL;
    receiving = PyMem_Malloc(sizeof *receiving);
    if (receiving == NULL)
        return PyErr_NoMemory();
    receiving->wants_list = true;
    size_t count = most < MOST_RECORDS ? (size_t)most : MOST_RECORDS;
    if (receive(ring_of(self), receiving, count, deadline, &received) == 0)
        list = received > 0 ? list_of(receiving, received)
                            : raise_timeout(ring_of(self), "recv");
    PyMem_Free(receiving);
    return list;
}

KEYWORD_METHOD(ring_recv_many, ring_recv_many_with, "recv_many", 0, 2, "most",
               "timeout")
