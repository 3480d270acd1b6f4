/* What the files share whose types are shared by threads and processes:
 * waiting, and the type Ring. */
#ifndef MAPPED_LUA_SHARING_H
#define MAPPED_LUA_SHARING_H

#include "typed.h"

/* wait.c: returns the time that is as many seconds from now as the argument
 * says, or MAPPED_NEVER if there is none; raises for other values. */
uint64_t mlua_opt_deadline(lua_State *L, int arg);

/* options.c: the same for the option `name` of the table at `arg`. */
uint64_t mlua_get_deadline(lua_State *L, int arg, const char *name);

/* A wait in the core, in turns with a deadline that is soon. The core notices
 * only the signals that come while it sleeps, and a turn that ends lets us look
 * for the others:
 *
 *     do
 *         status = mapped_mutex_lock(mutex, wait.turn, NULL, &error);
 *     while (mlua_next_turn(L, &wait, &status, &error));
 *
 * If a signal's handler has set a hook since the wait began, so that Lua runs
 * it, the wait ends with MAPPED_INTERRUPTED. */
typedef struct mlua_wait {
    uint64_t deadline;
    uint64_t turn; /* the deadline of this turn */
    lua_Hook hook; /* the main thread's when the wait began */
} mlua_wait;

mlua_wait mlua_begin_wait(lua_State *L, uint64_t deadline);
bool mlua_next_turn(lua_State *L, mlua_wait *wait, mapped_status *status,
                    mapped_error *error);

/* One of the two ends of a ring, which one process at a time holds. While the
 * Ring holds it, between two calls of a script, it has a reference to the
 * region. */
typedef struct ring_end {
    mapped_ring_hold hold;
    bool is_held;
} ring_end;

/* ring.c has the type and what is done in place, ring_copy.c what sends and
 * receives copies. */
typedef struct mlua_ring {
    mapped_slice bytes;
    mlua_resource resource;
    mapped_ring core;
    ring_end sender;
    ring_end receiver;
} mlua_ring;

/* The Ring at argument 1, or raises. */
mlua_ring *mlua_check_ring(lua_State *L);

/* Raises an error about argument 2 if a record of n bytes is too long. If the
 * argument is a list of records, `number` is this one's, from 1; else 0. */
void mlua_check_record_length(lua_State *L, const mlua_ring *self, size_t n,
                              size_t number);

extern const luaL_Reg mlua_ring_copy_methods[]; /* ring_copy.c */

#endif
