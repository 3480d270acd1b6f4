/* Waits in turns: see mlua_wait. When a signal comes, the command `lua` sets a
 * hook in the main thread, which raises an error as soon as Lua code runs
 * there. So the end of each turn looks whether the hook is another one. */
#include "sharing.h"

uint64_t mlua_opt_deadline(lua_State *L, int arg)
{
    uint64_t deadline = MAPPED_NEVER;
    if (!lua_isnoneornil(L, arg) &&
        mapped_deadline_seconds(mlua_check_number(L, arg), &deadline, NULL) !=
            MAPPED_OK) {
        lua_pushfstring(L, "a timeout must be 0 or more seconds, got %s",
                        mlua_push_short(L, arg));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    return deadline;
}

/* In nanoseconds: as long may a signal wait that comes just before a sleep. */
#define LONGEST_TURN ((uint64_t)50000000)

static uint64_t end_of_turn(uint64_t deadline)
{
    uint64_t soon = mapped_deadline(LONGEST_TURN);
    return deadline < soon ? deadline : soon;
}

/* Lua 5.1 doesn't tell its main thread: there it is the waiting thread's hook.
 */
static lua_Hook main_hook(lua_State *L)
{
#ifdef LUA_RIDX_MAINTHREAD
    lua_State *main;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    main = lua_tothread(L, -1);
    lua_pop(L, 1);
    return lua_gethook(main != NULL ? main : L);
#else
    return lua_gethook(L);
#endif
}

mlua_wait mlua_begin_wait(lua_State *L, uint64_t deadline)
{
    mlua_wait wait;
    wait.deadline = deadline;
    wait.turn = end_of_turn(deadline);
    wait.hook = main_hook(L);
    return wait;
}

bool mlua_next_turn(lua_State *L, mlua_wait *wait, mapped_status *status,
                    mapped_error *error)
{
    if (*status != MAPPED_TIMEOUT || wait->turn == wait->deadline)
        return false;
    if (main_hook(L) != wait->hook) {
        *status = mapped_error_set(error, MAPPED_INTERRUPTED, error->operation);
        return false;
    }
    wait->turn = end_of_turn(wait->deadline);
    return true;
}
