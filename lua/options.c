/* Tables of options. Reading a field of one may run a script's code, so a
 * function reads its options before anything else, and each of them once. */
#include <string.h>

#include "sharing.h"

/* Is the string at `index` one of the names? It may have zero bytes. */
static bool is_one_of(lua_State *L, int index, const char *const names[])
{
    size_t length, i;
    const char *name = lua_tolstring(L, index, &length);
    for (i = 0; names[i] != NULL; i++)
        if (strlen(names[i]) == length && memcmp(name, names[i], length) == 0)
            return true;
    return false;
}

void mlua_check_options(lua_State *L, int arg, const char *const names[])
{
    if (lua_isnoneornil(L, arg))
        return;
    if (!lua_istable(L, arg))
        mlua_raise_type(L, arg, "table");
    /* The stack has a key, and the value above it. */
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        const char *key;
        if (lua_type(L, -2) == LUA_TSTRING && is_one_of(L, -2, names))
            continue;
        key = mlua_push_short(L, -2);
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "unknown option '%s', there are: %s",
                                      key, mlua_push_list(L, names)));
    }
}

/* Pushes a value only if this returns true. */
bool mlua_push_option(lua_State *L, int arg, const char *name)
{
    if (lua_isnoneornil(L, arg))
        return false;
    if (lua_getfield(L, arg, name) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

void mlua_raise_option(lua_State *L, int arg, const char *name,
                       const char *expected)
{
    luaL_argerror(L, arg,
                  lua_pushfstring(L, "option '%s': %s expected, got %s", name,
                                  expected, mlua_push_short(L, -1)));
}

bool mlua_get_flag(lua_State *L, int arg, const char *name, bool fallback)
{
    bool value;
    if (!mlua_push_option(L, arg, name))
        return fallback;
    if (!lua_isboolean(L, -1))
        mlua_raise_option(L, arg, name, "boolean");
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

uint64_t mlua_pop_number(lua_State *L, int arg, const char *name)
{
    int is_integer;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || value < 0)
        mlua_raise_option(L, arg, name, "non-negative integer");
    lua_pop(L, 1);
    return (uint64_t)value;
}

uint64_t mlua_get_number(lua_State *L, int arg, const char *name,
                         uint64_t fallback)
{
    return mlua_push_option(L, arg, name) ? mlua_pop_number(L, arg, name)
                                          : fallback;
}

uint64_t mlua_get_deadline(lua_State *L, int arg, const char *name)
{
    uint64_t deadline = MAPPED_NEVER;
    lua_Number seconds;
    int is_number;
    if (!mlua_push_option(L, arg, name))
        return deadline;
    seconds = lua_tonumberx(L, -1, &is_number);
    if (!is_number ||
        mapped_deadline_seconds(seconds, &deadline, NULL) != MAPPED_OK)
        mlua_raise_option(L, arg, name, "0 or more seconds");
    lua_pop(L, 1);
    return deadline;
}
