/* The type Mutex: a robust lock in shared memory. Like a Slice it borrows: user
 * value 1 is the Region. It is the process that holds the lock: a Mutex that is
 * collected leaves it as it is, and `is_held` is for `<close>` alone. */
#include "sharing.h"

typedef struct mlua_mutex {
    mapped_slice bytes; /* the bytes of the word */
    mapped_mutex core;
    bool is_held; /* locked through this object, and not unlocked */
} mlua_mutex;

static mlua_mutex *check_mutex(lua_State *L)
{
    return mlua_check(L, 1, MLUA_MUTEX, "mapped.Mutex");
}

int mlua_mutex_new(lua_State *L)
{
    mapped_slice slice;
    mlua_mutex *self;
    mapped_mutex mutex;
    mapped_error error;
    slice = mlua_check_sole_view(L);
    if (mapped_mutex_at(slice, &mutex, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    self = mlua_push_object(L, MLUA_MUTEX, sizeof *self, MLUA_USER_OWNER);
    *self = (mlua_mutex){.bytes = slice, .core = mutex, .is_held = false};
    mlua_set_owner(L, 1);
    return 1;
}

static int mutex_lock(lua_State *L)
{
    mlua_mutex *self;
    mapped_error error;
    mapped_status status;
    mlua_wait wait;
    bool owner_died;
    mlua_at_most(L, 2);
    self = check_mutex(L);
    wait = mlua_begin_wait(L, mlua_opt_deadline(L, 2));
    do
        status = mapped_mutex_lock(&self->core, wait.turn, &owner_died, &error);
    while (mlua_next_turn(L, &wait, &status, &error));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    self->is_held = true;
    lua_pushvalue(L, 1);
    lua_pushboolean(L, owner_died);
    return 2;
}

typedef mapped_status unlock_function(const mapped_mutex *mutex,
                                      mapped_error *error);

static int unlock_by(lua_State *L, unlock_function *unlock)
{
    mapped_error error;
    mlua_mutex *self;
    mlua_at_most(L, 1);
    self = check_mutex(L);
    self->is_held = false;
    if (unlock(&self->core, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

static int mutex_unlock(lua_State *L)
{
    return unlock_by(L, mapped_mutex_unlock);
}

static int mutex_abandon(lua_State *L)
{
    return unlock_by(L, mapped_mutex_abandon);
}

/* The metamethod __close. The block may have unlocked the mutex, and another
 * object of this process may have locked it since: `is_held` tells that, and
 * MAPPED_ARGUMENT that this process doesn't hold it. */
static int mutex_close(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    mlua_mutex *self = check_mutex(L);
    if (!self->is_held)
        return 0;
    self->is_held = false;
    status = mapped_mutex_unlock(&self->core, &error);
    if (status != MAPPED_OK && status != MAPPED_ARGUMENT)
        return mlua_raise(L, &error);
    return 0;
}

static int mutex_tostring(lua_State *L)
{
    bool closed = mapped_region_closed(check_mutex(L)->core.word_.word.region);
    lua_pushstring(L, closed ? "mapped.Mutex (closed)" : "mapped.Mutex");
    return 1;
}

const luaL_Reg mlua_mutex_methods[] = {{"lock", mutex_lock},
                                       {"unlock", mutex_unlock},
                                       {"abandon", mutex_abandon},
                                       {NULL, NULL}};

const luaL_Reg mlua_mutex_meta[] = {
    {"__close", mutex_close}, {"__tostring", mutex_tostring}, {NULL, NULL}};
