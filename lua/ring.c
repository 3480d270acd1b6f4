/* The type Ring: a queue of records in shared memory. Like a Slice it borrows:
 * MLUA_USER_OWNER is the Region.
 *
 * A ring has two ends, one to send and one to receive. Who uses an end holds
 * it, and all others wait meanwhile. The methods in ring_copy.c hold it during
 * one call. Those here give the script a record in place, so they hold it from
 * `reserve` to `commit`, and from `peek` to `release`.
 *
 * Of errors of the core, mlua_raise raises, mlua_raise_in does so in the name
 * of the method, and mlua_fail returns nil and a message if the error is one to
 * be expected. For a mistake of the script luaL_error raises.
 *
 * Invariant: an end that stays held after a call belongs to a Ring that will be
 * finalized, or freed with the state, which ends the hold. So nothing that may
 * raise, as the making of a Slice, comes between the begin of a hold and the
 * note of it in the Ring. */
#include "sharing.h"

static void end_hold(ring_end *end)
{
    /* Read now, because mapped_ring_end clears it. */
    mapped_region *region = end->hold.ring.slice.region;
    if (!end->is_held)
        return;
    end->is_held = false;
    mapped_ring_end(&end->hold);
    mapped_region_release(region); /* the reference that get_first took */
}

static void end_holds(mlua_ring *self)
{
    end_hold(&self->sender);
    end_hold(&self->receiver);
}

static void free_ring(mlua_resource *resource)
{
    end_holds((mlua_ring *)((char *)resource - offsetof(mlua_ring, resource)));
}

mlua_ring *mlua_check_ring(lua_State *L)
{
    return mlua_check(L, 1, MLUA_RING, "mapped.Ring");
}

void mlua_check_record_length(lua_State *L, const mlua_ring *self, size_t n,
                              size_t number)
{
    const size_t longest = mapped_ring_longest(&self->core);
    if (n <= longest)
        return;
    if (number > 0)
        lua_pushfstring(L, "record %I: ", (LUAI_UACINT)number);
    else
        lua_pushliteral(L, ""); /* nothing in front */
    lua_pushfstring(L, "%I bytes are more than the longest record's %I",
                    (LUAI_UACINT)n, (LUAI_UACINT)longest);
    lua_concat(L, 2);
    luaL_argerror(L, 2, lua_tostring(L, -1));
}

int mlua_ring_new(lua_State *L)
{
    mapped_slice slice;
    mlua_ring *self;
    mapped_ring ring;
    mapped_error error;
    slice = mlua_check_sole_view(L);
    if (mapped_ring_at(slice, &ring, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    self = mlua_push_object(L, MLUA_RING, sizeof *self, MLUA_USER_OWNER);
    *self = (mlua_ring){.bytes = slice, .core = ring};
    mlua_set_owner(L, 1);
    mlua_add_resource(L, &self->resource, free_ring);
    return 1;
}

/* Is it off the list of resources? Then nothing would end its hold. */
static bool is_finalized(const mlua_ring *self)
{
    return self->resource.link == NULL;
}

/* What a script asks for, and gets: a record of n bytes to write, or the next
 * record to read. */
typedef struct request {
    bool is_reserve; /* else it is a peek */
    size_t n;
    uint64_t deadline;
    mapped_slice record; /* the result */
} request;

/* Gets a record at an end that is held already, and waits for nothing. */
static mapped_status get_next(mapped_ring_hold *hold, request *request,
                              mapped_error *error)
{
    if (request->is_reserve)
        return mapped_ring_reserve(hold, request->n, 0, &request->record,
                                   error);
    return mapped_ring_peek(hold, 0, &request->record, error);
}

/* Tries to get the first record, and the hold with it, in one turn. */
static mapped_status try_first(const mapped_ring *ring, mapped_ring_hold *hold,
                               request *request, uint64_t turn,
                               mapped_error *error)
{
    if (request->is_reserve)
        return mapped_ring_reserve_first(ring, request->n, turn, hold,
                                         &request->record, error);
    return mapped_ring_peek_first(ring, turn, hold, &request->record, error);
}

/* Gets the first record, and holds the end from now on. */
static mapped_status get_first(lua_State *L, const mapped_ring *ring,
                               ring_end *end, request *request,
                               mapped_error *error)
{
    mapped_status status;
    mlua_wait wait = mlua_begin_wait(L, request->deadline);
    do
        status = try_first(ring, &end->hold, request, wait.turn, error);
    while (mlua_next_turn(L, &wait, &status, error));
    if (status == MAPPED_OK) {
        mapped_region_acquire(ring->slice.region);
        end->is_held = true;
    }
    return status;
}

/* Pushes a Slice of the record. The Slice is made first, and empty. */
static int push_record(lua_State *L, mlua_ring *self, request *request)
{
    ring_end *end = request->is_reserve ? &self->sender : &self->receiver;
    const mapped_slice empty = {.region = self->core.slice.region};
    mapped_status status;
    mapped_error error;
    mapped_slice *slice;
    mlua_push_slice(L, 1, empty);
    slice = lua_touserdata(L, -1);
    if (is_finalized(self))
        return mlua_raise_closed(L);
    if (end->is_held)
        status = get_next(&end->hold, request, &error);
    else
        status = get_first(L, &self->core, end, request, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    *slice = request->record;
    return 1;
}

static int ring_reserve(lua_State *L)
{
    request request = {.is_reserve = true};
    mlua_ring *self;
    mlua_at_most(L, 3);
    self = mlua_check_ring(L);
    request.n = mlua_check_length(L, 2);
    request.deadline = mlua_opt_deadline(L, 3);
    mlua_check_record_length(L, self, request.n, 0);
    return push_record(L, self, &request);
}

static int ring_peek(lua_State *L)
{
    request request = {.is_reserve = false};
    mlua_ring *self;
    mlua_at_most(L, 2);
    self = mlua_check_ring(L);
    request.deadline = mlua_opt_deadline(L, 2);
    return push_record(L, self, &request);
}

static int ring_commit(lua_State *L)
{
    mapped_status status = MAPPED_OK;
    mapped_error error;
    mlua_ring *self;
    bool shortens;
    size_t n = 0;
    mlua_at_most(L, 2);
    self = mlua_check_ring(L);
    shortens = !lua_isnoneornil(L, 2);
    if (shortens)
        n = mlua_check_length(L, 2);
    if (!self->sender.is_held)
        return luaL_error(L, "commit: no record is reserved");
    if (shortens)
        status = mapped_ring_shorten(&self->sender.hold, n, &error);
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    status = mapped_ring_commit(&self->sender.hold, &error);
    end_hold(&self->sender);
    return status == MAPPED_OK ? 0 : mlua_raise(L, &error);
}

static int ring_release(lua_State *L)
{
    mapped_status status;
    mapped_error error;
    mlua_ring *self;
    mlua_at_most(L, 1);
    self = mlua_check_ring(L);
    if (!self->receiver.is_held)
        return luaL_error(L, "release: no record is peeked at");
    status = mapped_ring_release(&self->receiver.hold, &error);
    end_hold(&self->receiver);
    return status == MAPPED_OK ? 0 : mlua_raise(L, &error);
}

static int ring_cancel(lua_State *L)
{
    mlua_at_most(L, 1);
    end_holds(mlua_check_ring(L));
    return 0;
}

static int ring_capacity(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(L, (lua_Integer)mlua_check_ring(L)->core.capacity);
    return 1;
}

static int ring_longest(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(
        L, (lua_Integer)mapped_ring_longest(&mlua_check_ring(L)->core));
    return 1;
}

/* Returns what mapped_ring_look tells, for a method that takes no arguments. */
static mapped_ring_state look(lua_State *L, const char *operation)
{
    mapped_ring_state state = {0, 0, 0};
    mapped_error error;
    mlua_at_most(L, 1);
    if (mapped_ring_look(&mlua_check_ring(L)->core, &state, &error) !=
        MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    return state;
}

static int ring_used(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)look(L, "used").used);
    return 1;
}

static int ring_senders_died(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)look(L, "senders_died").senders_died);
    return 1;
}

static int ring_receivers_died(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)look(L, "receivers_died").receivers_died);
    return 1;
}

static int ring_region(lua_State *L)
{
    mlua_at_most(L, 1);
    mlua_check_ring(L);
    mlua_push_owner(L, 1);
    return 1;
}

/* The metamethod __close. The Ring can be used again after it. */
static int ring_close(lua_State *L)
{
    end_holds(mlua_check_ring(L));
    return 0;
}

static int ring_gc(lua_State *L)
{
    mlua_ring *self = mlua_check_ring(L);
    end_holds(self);
    mlua_remove_resource(&self->resource);
    return 0;
}

static int ring_tostring(lua_State *L)
{
    const mlua_ring *self = mlua_check_ring(L);
    if (mapped_region_closed(self->core.slice.region))
        lua_pushliteral(L, "mapped.Ring (closed)");
    else
        lua_pushfstring(L, "mapped.Ring (%I bytes)",
                        (LUAI_UACINT)self->core.capacity);
    return 1;
}

const luaL_Reg mlua_ring_methods[] = {{"reserve", ring_reserve},
                                      {"commit", ring_commit},
                                      {"peek", ring_peek},
                                      {"release", ring_release},
                                      {"cancel", ring_cancel},
                                      {"capacity", ring_capacity},
                                      {"longest", ring_longest},
                                      {"used", ring_used},
                                      {"senders_died", ring_senders_died},
                                      {"receivers_died", ring_receivers_died},
                                      {"region", ring_region},
                                      {NULL, NULL}};

const luaL_Reg mlua_ring_meta[] = {{"__close", ring_close},
                                   {"__gc", ring_gc},
                                   {"__tostring", ring_tostring},
                                   {NULL, NULL}};
