/* The function type, which tells our objects from everything else. */
#include "search.h"
#include "typed.h"

static const char *const names[] = {
    [MLUA_REGION] = "region",   [MLUA_SLICE] = "slice",
    [MLUA_ARRAY] = "array",     [MLUA_LAYOUT] = "layout",
    [MLUA_RECORDS] = "records", [MLUA_RECORD] = "record",
    [MLUA_WINDOWS] = "windows", [MLUA_ATOMIC] = "atomic",
    [MLUA_LOCK] = "lock",       [MLUA_MUTEX] = "mutex",
    [MLUA_RING] = "ring"};

/* Returns MLUA_REGION or another, for an object of ours; 0 for other values. */
static int find_type(lua_State *L, int arg)
{
    int type;
    if (mlua_push_metatable(L, arg) == NULL)
        return 0;
    for (type = MLUA_RING; type > 0 && !mlua_top_is_type(L, type); type--)
        continue;
    lua_pop(L, 1);
    return type;
}

static bool is_closed(lua_State *L, int arg, int type)
{
    const mapped_slice *bytes = lua_touserdata(L, arg);
    const mlua_windows *windows = lua_touserdata(L, arg);
    switch (type) { /* By default, the object begins with its bytes. */
    case MLUA_LAYOUT:
        return false;
    case MLUA_LOCK:
        return !mlua_lock_is_held(L, arg);
    case MLUA_WINDOWS:
        return mapped_windows_closed(&windows->core);
    default:
        return mapped_region_closed(bytes->region);
    }
}

int mlua_type(lua_State *L)
{
    int type;
    mlua_at_most(L, 1);
    luaL_checkany(L, 1);
    type = find_type(L, 1);
    if (type == 0)
        luaL_pushfail(L);
    else
        lua_pushfstring(L, "%s%s", is_closed(L, 1, type) ? "closed " : "",
                        names[type]);
    return 1;
}
