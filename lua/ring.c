/* The type Ring: a queue of records in shared memory. Like a Slice it borrows:
 * user value 1 is the Region. Here is what is done in place.
 *
 * `reserve` and `peek` hold an end of the ring until the script ends that. Such
 * an end belongs to the Ring, which lets go of it at the latest when it is
 * collected, or the state ends: everybody else waits for it. So the Slice is
 * made before an end is held. */
#include <string.h>

#include "sharing.h"

static void let_go(ring_end *end)
{
    mapped_region *region = end->hold.ring.slice.region;
    if (!end->open)
        return;
    end->open = false;
    mapped_ring_end(&end->hold);
    mapped_region_release(region);
}

static void let_go_of_both(mlua_ring *self)
{
    let_go(&self->sender);
    let_go(&self->receiver);
}

static void free_ring(mlua_resource *resource)
{
    let_go_of_both(
        (mlua_ring *)((char *)resource - offsetof(mlua_ring, resource)));
}

mlua_ring *mlua_check_ring(lua_State *L)
{
    mlua_ring *self = mlua_test(L, 1, MLUA_RING);
    if (self == NULL)
        mlua_raise_type(L, 1, "mapped.Ring");
    return self;
}

void mlua_check_record_length(lua_State *L, const mlua_ring *self, size_t n,
                              size_t i)
{
    const size_t longest = mapped_ring_longest(&self->core);
    if (n <= longest)
        return;
    if (i > 0)
        lua_pushfstring(L, "record %I: ", (LUAI_UACINT)i);
    else
        lua_pushliteral(L, "");
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
    slice = mlua_check_only_view(L);
    if (mapped_ring_at(slice, &ring, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    self = lua_newuserdatauv(L, sizeof *self, 1);
    memset(self, 0, sizeof *self);
    self->bytes = slice;
    self->core = ring;
    mlua_set_owner(L, 1);
    lua_pushvalue(L, lua_upvalueindex(MLUA_RING));
    lua_setmetatable(L, -2);
    mlua_add_resource(L, &self->resource, free_ring);
    return 1;
}

/* A record in place that is wanted at one of the ends: one of n bytes to write,
 * or the next one to read. */
typedef struct wish {
    bool sends;
    size_t n;
    uint64_t deadline;
    mapped_slice record;
} wish;

static mapped_status find_next(mapped_ring_hold *hold, wish *wish,
                               mapped_error *error)
{
    return wish->sends
               ? mapped_ring_reserve(hold, wish->n, 0, &wish->record, error)
               : mapped_ring_peek(hold, 0, &wish->record, error);
}

/* Holds the end from now on. */
static mapped_status open_end(lua_State *L, const mapped_ring *ring,
                              ring_end *end, wish *wish, mapped_error *error)
{
    mapped_status status;
    mlua_wait wait = mlua_begin_wait(L, wish->deadline);
    do
        status =
            wish->sends
                ? mapped_ring_reserve_first(ring, wish->n, wait.turn,
                                            &end->hold, &wish->record, error)
                : mapped_ring_peek_first(ring, wait.turn, &end->hold,
                                         &wish->record, error);
    while (mlua_next_turn(L, &wait, &status, error));
    if (status == MAPPED_OK) {
        mapped_region_acquire(ring->slice.region);
        end->open = true;
    }
    return status;
}

/* Pushes a Slice of the record. Nobody would let go of what a Ring holds that
 * was finalized. */
static int push_record(lua_State *L, mlua_ring *self, wish *wish)
{
    ring_end *end = wish->sends ? &self->sender : &self->receiver;
    mapped_slice record = {.region = self->core.slice.region};
    mapped_status status;
    mapped_error error;
    mapped_slice *slice;
    mlua_push_slice(L, 1, record);
    slice = lua_touserdata(L, -1);
    if (self->resource.link == NULL)
        return mlua_raise_closed(L);
    if (end->open)
        status = find_next(&end->hold, wish, &error);
    else
        status = open_end(L, &self->core, end, wish, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    *slice = wish->record;
    return 1;
}

static int ring_reserve(lua_State *L)
{
    wish wish = {.sends = true};
    mlua_ring *self;
    mlua_at_most(L, 3);
    self = mlua_check_ring(L);
    wish.n = mlua_check_length(L, 2);
    wish.deadline = mlua_opt_deadline(L, 3);
    mlua_check_record_length(L, self, wish.n, 0);
    return push_record(L, self, &wish);
}

static int ring_peek(lua_State *L)
{
    wish wish = {.sends = false};
    mlua_ring *self;
    mlua_at_most(L, 2);
    self = mlua_check_ring(L);
    wish.deadline = mlua_opt_deadline(L, 2);
    return push_record(L, self, &wish);
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
    if (!self->sender.open)
        return luaL_error(L, "commit: no record is reserved");
    if (shortens)
        status = mapped_ring_shorten(&self->sender.hold, n, &error);
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    status = mapped_ring_commit(&self->sender.hold, &error);
    let_go(&self->sender);
    return status == MAPPED_OK ? 0 : mlua_raise(L, &error);
}

static int ring_release(lua_State *L)
{
    mapped_status status;
    mapped_error error;
    mlua_ring *self;
    mlua_at_most(L, 1);
    self = mlua_check_ring(L);
    if (!self->receiver.open)
        return luaL_error(L, "release: no record is peeked at");
    status = mapped_ring_release(&self->receiver.hold, &error);
    let_go(&self->receiver);
    return status == MAPPED_OK ? 0 : mlua_raise(L, &error);
}

static int ring_cancel(lua_State *L)
{
    mlua_at_most(L, 1);
    let_go_of_both(mlua_check_ring(L));
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

static int ring_close(lua_State *L)
{
    let_go_of_both(mlua_check_ring(L));
    return 0;
}

static int ring_gc(lua_State *L)
{
    mlua_ring *self = mlua_check_ring(L);
    let_go_of_both(self);
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
