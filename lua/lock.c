/* The method lock, and the type Lock that it makes: bytes of a file that are
 * locked until `unlock`, or until the variable that has the Lock goes out of
 * scope. A Lock needs no Region: the core's lock has a descriptor of its own.
 */
#include "sharing.h"

typedef struct mlua_lock {
    mlua_resource resource; /* first: a pointer to it is one to the lock */
    mapped_lock core;
    bool held;
} mlua_lock;

static void release(mlua_lock *self)
{
    if (self->held)
        mapped_lock_release(&self->core);
    self->held = false;
}

static void free_resource(mlua_resource *resource)
{
    release((mlua_lock *)resource);
}

static mlua_lock *check_lock(lua_State *L)
{
    return mlua_check(L, 1, MLUA_LOCK, "mapped.Lock");
}

/* Pushes a Lock that holds nothing so far. It is complete before anything is
 * locked, so that no error can lose what was locked. */
static mlua_lock *push_lock(lua_State *L)
{
    mlua_lock *self = mlua_push_object(L, MLUA_LOCK, sizeof *self, 0);
    *self = (mlua_lock){.held = false};
    return self;
}

static int view_lock(lua_State *L)
{
    static const char *const names[] = {"shared", "timeout", NULL};
    mapped_status status;
    mapped_error error;
    mlua_wait wait;
    mlua_lock *self;
    bool shared, retried = false;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    mlua_check_options(L, 2, names);
    shared = mlua_get_flag(L, 2, "shared", false);
    wait = mlua_begin_wait(L, mlua_get_deadline(L, 2, "timeout"));
    self = push_lock(L);
    do {
        status = mapped_lock_acquire(mlua_check_view(L, 1), shared, wait.turn,
                                     &self->core, &error);
        self->held = status == MAPPED_OK;
    } while (mlua_next_turn(L, &wait, &status, &error) ||
             mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    mlua_add_resource(L, &self->resource, free_resource);
    return 1;
}

const luaL_Reg mlua_view_lock[] = {{"lock", view_lock}, {NULL, NULL}};

static int lock_unlock(lua_State *L)
{
    mlua_lock *self;
    mlua_at_most(L, 1);
    self = check_lock(L);
    luaL_argcheck(L, self->held, 1, "the lock has ended");
    release(self);
    return 0;
}

bool mlua_lock_is_held(lua_State *L, int arg)
{
    const mlua_lock *self = lua_touserdata(L, arg);
    return self->held;
}

static int lock_held(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushboolean(L, check_lock(L)->held);
    return 1;
}

/* The metamethod __close. */
static int lock_close(lua_State *L)
{
    release(check_lock(L));
    return 0;
}

static int lock_gc(lua_State *L)
{
    mlua_lock *self = check_lock(L);
    release(self);
    mlua_remove_resource(&self->resource);
    return 0;
}

static int lock_tostring(lua_State *L)
{
    lua_pushstring(L,
                   check_lock(L)->held ? "mapped.Lock" : "mapped.Lock (ended)");
    return 1;
}

const luaL_Reg mlua_lock_methods[] = {
    {"unlock", lock_unlock}, {"held", lock_held}, {NULL, NULL}};

const luaL_Reg mlua_lock_meta[] = {{"__close", lock_close},
                                   {"__gc", lock_gc},
                                   {"__tostring", lock_tostring},
                                   {NULL, NULL}};
