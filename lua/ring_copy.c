/* The methods of a Ring that send and receive copies of records: of strings and
 * of memory of a region, one or many at a time. The core holds an end of the
 * ring during such a call, see ring.c.
 *
 * Invariant: no end is held across a call of Lua's that may run a script's code
 * or raise, because everybody else waits for it. So all arguments are
 * converted, and all memory is allocated, before an end is held. Where a
 * receiver's memory turns out to be too small, the records stay in the ring,
 * and it tries again with more. Only the strings are made after the records
 * were received: if Lua has no memory for the strings, the records are lost. */
#include <limits.h>
#include <string.h>

#include "sharing.h"

/* A send or receive while this Ring holds that end would wait for itself for
 * ever. These checks come after the last allocation, whose finalizers may have
 * reserved or peeked. */
static void check_sender(lua_State *L, const mlua_ring *self)
{
    if (self->sender.is_held)
        luaL_error(L, "a record is reserved and not committed");
}

static void check_receiver(lua_State *L, const mlua_ring *self)
{
    if (self->receiver.is_held)
        luaL_error(L, "a record is peeked at and not released");
}

static mapped_ring_data ring_data_of(const mlua_data *data)
{
    mapped_ring_data result = {.bytes = data->string, .length = data->length};
    if (data->string == NULL)
        result.slice = data->slice;
    return result;
}

/* Records to send, and how many were sent. */
typedef struct outgoing {
    const mapped_ring_data *records;
    size_t count;
    size_t sent;
} outgoing;

/* Sends the batch in turns, and says how many records were sent. */
static mapped_status send_all(lua_State *L, const mlua_ring *self,
                              outgoing *batch, uint64_t deadline,
                              mapped_error *error)
{
    mapped_status status;
    mlua_wait wait = mlua_begin_wait(L, deadline);
    check_sender(L, self);
    do
        status = mapped_ring_send_all(&self->core, batch->records, batch->count,
                                      wait.turn, &batch->sent, error);
    while (mlua_next_turn(L, &wait, &status, error));
    return status;
}

/* Sends the record at argument 2. */
static mapped_status send_one(lua_State *L, const mlua_ring *self,
                              const char *operation, uint64_t deadline,
                              mapped_error *error)
{
    const mlua_data data = mlua_check_data(L, operation, 2);
    const mapped_ring_data record = ring_data_of(&data);
    outgoing batch = {&record, 1, 0};
    mlua_check_record_length(L, self, data.length, 0);
    return send_all(L, self, &batch, deadline, error);
}

static int ring_send(lua_State *L)
{
    const mlua_ring *self;
    mapped_error error;
    uint64_t deadline;
    mapped_status status;
    mlua_at_most(L, 3);
    self = mlua_check_ring(L);
    deadline = mlua_opt_deadline(L, 3);
    status = send_one(L, self, "send", deadline, &error);
    return mlua_result(L, status, &error);
}

static int ring_try_send(lua_State *L)
{
    const mlua_ring *self;
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 2);
    self = mlua_check_ring(L);
    status = send_one(L, self, "try_send", 0, &error);
    if (status != MAPPED_OK && status != MAPPED_TIMEOUT)
        return mlua_fail(L, &error);
    lua_pushboolean(L, status == MAPPED_OK);
    return 1;
}

/* Raises unless the value on top of the stack, number `i` of the list, can be a
 * record. */
static void check_record(lua_State *L, size_t i)
{
    if (lua_type(L, -1) == LUA_TSTRING || mlua_test_view(L, -1) != NULL ||
        mlua_test(L, -1, MLUA_ARRAY) != NULL)
        return;
    lua_pushfstring(L,
                    "record %I: string, mapped.Region, Slice or Array "
                    "expected, got %s",
                    (LUAI_UACINT)i, luaL_typename(L, -1));
    luaL_argerror(L, 2, lua_tostring(L, -1));
}

/* Sets the records of the batch to those of the list at argument 2. Pushes a
 * table that keeps their values, out of the reach of scripts, and the userdata
 * that `batch->records` is. */
static void push_records(lua_State *L, const mlua_ring *self, outgoing *batch)
{
    mapped_ring_data *records;
    size_t bytes = 0, i;
    /* A list with holes may have any length. */
    if (!mapped_multiply_size(batch->count, sizeof *records, &bytes))
        luaL_argerror(L, 2, "too many records");
    lua_createtable(L, batch->count < INT_MAX ? (int)batch->count : 0, 0);
    records = lua_newuserdatauv(L, bytes, 0);
    batch->records = records;
    for (i = 0; i < batch->count; i++) {
        mlua_data data;
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        mlua_make_contiguous(L, "send_many", lua_gettop(L));
        check_record(L, i + 1);
        data = mlua_check_data(L, "send_many", lua_gettop(L));
        mlua_check_record_length(L, self, data.length, i + 1);
        records[i] = ring_data_of(&data);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
}

static int ring_send_many(lua_State *L)
{
    mlua_ring *self;
    mapped_error error;
    uint64_t deadline;
    mapped_status status;
    outgoing batch = {NULL, 0, 0};
    mlua_at_most(L, 3);
    self = mlua_check_ring(L);
    if (!lua_istable(L, 2))
        mlua_raise_type(L, 2, "table");
    deadline = mlua_opt_deadline(L, 3);
    batch.count = lua_rawlen(L, 2);
    push_records(L, self, &batch);
    status = send_all(L, self, &batch, deadline, &error);
    lua_pushinteger(L, (lua_Integer)batch.sent);
    if (status == MAPPED_OK)
        return 1;
    if (status != MAPPED_TIMEOUT && status != MAPPED_INTERRUPTED)
        return mlua_fail(L, &error);
    mlua_fail(L, &error); /* pushes nil and the reason */
    lua_remove(L, -2);
    return 2;
}

/* Most records fit in so many bytes on the C stack. */
#define ROOM_BYTES 4096

/* Pushes the next record, a string. If it is longer than the memory, the core
 * answers MAPPED_RANGE and its length, which is the size for the next try. */
static mapped_status push_next(lua_State *L, const mlua_ring *self,
                               uint64_t deadline, mapped_error *error)
{
    unsigned char room[ROOM_BYTES];
    const int top = lua_gettop(L);
    mapped_status status;
    size_t size, n = sizeof room;
    unsigned char *bytes;
    mlua_wait wait = mlua_begin_wait(L, deadline);
    do {
        size = n;
        lua_settop(L, top);
        bytes = mlua_scratch(L, room, sizeof room, size);
        check_receiver(L, self);
        do {
            n = 0;
            status = mapped_ring_recv(&self->core, bytes, size, &n, wait.turn,
                                      error);
        } while (mlua_next_turn(L, &wait, &status, error));
    } while (status == MAPPED_RANGE && n > size);
    if (status == MAPPED_OK)
        lua_pushlstring(L, (const char *)bytes, n);
    return status;
}

static int ring_recv(lua_State *L)
{
    mlua_ring *self;
    mapped_error error;
    uint64_t deadline;
    mlua_at_most(L, 2);
    self = mlua_check_ring(L);
    deadline = mlua_opt_deadline(L, 2);
    if (push_next(L, self, deadline, &error) != MAPPED_OK)
        return mlua_fail(L, &error);
    return 1;
}

static int ring_try_recv(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 1);
    status = push_next(L, mlua_check_ring(L), 0, &error);
    if (status == MAPPED_TIMEOUT)
        lua_pushnil(L);
    else if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    return 1;
}

/* Records to receive. They lie in memory as the length of each, a size_t, and
 * then its bytes. */
typedef struct incoming {
    unsigned char *bytes; /* the memory */
    size_t capacity;      /* bytes of it */
    size_t max_count;     /* of records */
    size_t count;         /* of records that were found */
    size_t length;        /* bytes they take; more than `capacity`: no room */
} incoming;

/* Peeks at the records and copies those that there is room for. A damaged one
 * ends them, if there are others before it. */
static mapped_status copy_records(mapped_ring_hold *hold, incoming *batch,
                                  mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    batch->count = batch->length = 0;
    while (batch->count < batch->max_count && status == MAPPED_OK) {
        mapped_slice record;
        unsigned char *to = batch->bytes + batch->length;
        status = mapped_ring_peek(hold, 0, &record, error);
        if (status != MAPPED_OK)
            return batch->count > 0 ? MAPPED_OK : status;
        batch->count++;
        batch->length += sizeof record.length + record.length;
        if (batch->length > batch->capacity)
            continue;
        memcpy(to, &record.length, sizeof record.length);
        status = mapped_read(record, 0, to + sizeof record.length,
                             record.length, error);
    }
    return status;
}

/* Waits for a record, and receives all that are there if there is room for
 * them; if not, they stay in the ring. Answers MAPPED_OK in both cases. */
static mapped_status receive(const mapped_ring *ring, incoming *batch,
                             uint64_t deadline, mapped_error *error)
{
    mapped_status status;
    do {
        mapped_ring_hold hold;
        status = mapped_ring_begin_recv(ring, deadline, &hold, error);
        if (status != MAPPED_OK)
            break;
        status = copy_records(&hold, batch, error);
        if (status == MAPPED_OK && batch->length <= batch->capacity)
            status = mapped_ring_release(&hold, error);
        mapped_ring_end(&hold);
        if (status != MAPPED_TIMEOUT)
            break;
        /* There is no record: waits for one without the end. */
        status = mapped_ring_wait_record(ring, deadline, error);
    } while (status == MAPPED_OK);
    return status;
}

static void push_strings(lua_State *L, const incoming *batch)
{
    const unsigned char *from = batch->bytes;
    size_t i;
    lua_createtable(L, batch->count < INT_MAX ? (int)batch->count : 0, 0);
    for (i = 0; i < batch->count; i++) {
        size_t n;
        memcpy(&n, from, sizeof n);
        lua_pushlstring(L, (const char *)from + sizeof n, n);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
        from += sizeof n + n;
    }
}

static size_t opt_max_count(lua_State *L, int arg)
{
    size_t max_count =
        lua_isnoneornil(L, arg) ? SIZE_MAX : mlua_check_length(L, arg);
    luaL_argcheck(L, max_count > 0, arg, "1 or more records expected, got 0");
    return max_count;
}

/* Each try but the first is for the records that the one before has found, so
 * that senders who are quicker can't keep it busy for ever. */
static int ring_recv_many(lua_State *L)
{
    unsigned char room[ROOM_BYTES];
    mlua_ring *self;
    mapped_error error;
    mapped_status status;
    mlua_wait wait;
    incoming batch = {.length = sizeof room};
    mlua_at_most(L, 3);
    self = mlua_check_ring(L);
    batch.count = opt_max_count(L, 2);
    wait = mlua_begin_wait(L, mlua_opt_deadline(L, 3));
    lua_settop(L, 1);
    do {
        batch.max_count = batch.count;
        batch.capacity = batch.length;
        lua_settop(L, 1);
        batch.bytes = mlua_scratch(L, room, sizeof room, batch.capacity);
        check_receiver(L, self);
        do
            status = receive(&self->core, &batch, wait.turn, &error);
        while (mlua_next_turn(L, &wait, &status, &error));
        if (status != MAPPED_OK)
            return mlua_fail(L, &error);
    } while (batch.length > batch.capacity);
    push_strings(L, &batch);
    return 1;
}

/* Upvalues of the iterator, after the shared ones. */
enum {
    RING = MLUA_SHARED + 1,
    TIMEOUT
};

/* The iterator that `iter` returns. A wait that was interrupted raises, because
 * its results, nil and a reason, would end the loop as if nothing had happened.
 */
static int next_record(lua_State *L)
{
    const mlua_ring *self = lua_touserdata(L, lua_upvalueindex(RING));
    uint64_t deadline = mlua_opt_deadline(L, lua_upvalueindex(TIMEOUT));
    mapped_error error;
    mapped_status status = push_next(L, self, deadline, &error);
    if (status == MAPPED_TIMEOUT)
        lua_pushnil(L);
    else if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    return 1;
}

static int ring_iter(lua_State *L)
{
    mlua_at_most(L, 2);
    mlua_check_ring(L);
    (void)mlua_opt_deadline(L, 2);
    lua_settop(L, 2);
    mlua_push_shared(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, next_record, TIMEOUT);
    return 1;
}

const luaL_Reg mlua_ring_copy_methods[] = {
    {"send", ring_send},           {"try_send", ring_try_send},
    {"send_many", ring_send_many}, {"recv", ring_recv},
    {"try_recv", ring_try_recv},   {"recv_many", ring_recv_many},
    {"iter", ring_iter},           {NULL, NULL}};
