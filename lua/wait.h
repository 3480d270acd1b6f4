/* Timeouts, and waits in the core that a signal can end. */
#ifndef MAPPED_LUA_WAIT_H
#define MAPPED_LUA_WAIT_H

#include "mapped_lua.h"

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

#endif
