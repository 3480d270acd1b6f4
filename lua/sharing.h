/* What the files share whose types are shared by threads and processes:
 * waiting, and the type Ring. */
#ifndef MAPPED_LUA_SHARING_H
#define MAPPED_LUA_SHARING_H

#include "typed.h"

/* Return the time that is so many seconds from now, or MAPPED_NEVER if there is
 * no argument or no option; raise for other values. */
uint64_t mlua_opt_deadline(lua_State *L, int arg);
uint64_t mlua_get_deadline(lua_State *L, int arg, const char *name);

/* A wait in the core, in turns with a deadline that is soon, because the core
 * notices only signals that come while it sleeps:
 *
 *     do
 *         status = mapped_mutex_lock(mutex, wait.turn, NULL, &error);
 *     while (mlua_next_turn(L, &wait, &status, &error));
 *
 * A hook that a signal handler has set since the begin ends it with
 * MAPPED_INTERRUPTED. */
typedef struct mlua_wait {
    uint64_t deadline;
    uint64_t turn; /* the deadline of this turn */
    lua_Hook hook; /* what the main thread's was */
} mlua_wait;

mlua_wait mlua_begin_wait(lua_State *L, uint64_t deadline);
bool mlua_next_turn(lua_State *L, mlua_wait *wait, mapped_status *status,
                    mapped_error *error);

/* The type Ring has two files: ring.c has the type and what is done in place,
 * ring_copy.c what sends and receives copies.
 *
 * An end that stays held between two calls, with a reference to the region. */
typedef struct ring_end {
    mapped_ring_hold hold;
    bool open;
} ring_end;

typedef struct mlua_ring {
    mapped_slice bytes;
    mlua_resource resource;
    mapped_ring core;
    ring_end sender;
    ring_end receiver;
} mlua_ring;

/* The Ring at argument 1, or raises. */
mlua_ring *mlua_check_ring(lua_State *L);

/* Raises an error of argument 2 if its record, of n bytes, is too long. If the
 * argument is a list of records, `i` is this one's number, from 1; else 0. */
void mlua_check_record_length(lua_State *L, const mlua_ring *self, size_t n,
                              size_t i);

extern const luaL_Reg mlua_ring_copy_methods[]; /* ring_copy.c */

#endif
