/* The methods of a Region about its lost pages, and the functions guard and
 * stats. A question about lost pages is no access, so they return nil and a
 * message instead of raising. */
#include "mapped_lua.h"

#define MAX_RANGES 64

static mapped_region *check_region(lua_State *L)
{
    const mlua_region *self = mlua_test(L, 1, MLUA_REGION);
    if (self == NULL)
        mlua_raise_type(L, 1, "mapped.Region");
    return self->region;
}

/* Pushes true; or nil, the message and the errno. */
static int answer(lua_State *L, mapped_status status, const mapped_error *error)
{
    if (status == MAPPED_FAULT)
        return mlua_fail_fault(L, error);
    if (status != MAPPED_OK)
        return mlua_fail(L, error);
    lua_pushboolean(L, true);
    return 1;
}

static int region_check(lua_State *L)
{
    mapped_error error;
    mlua_at_most(L, 1);
    return answer(L, mapped_region_check(check_region(L), &error), &error);
}

static int region_recover(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 1);
    do
        status = mapped_region_recover(check_region(L), &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return answer(L, status, &error);
}

static void set_field(lua_State *L, const char *name, size_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static int region_faults(lua_State *L)
{
    mapped_lost_range ranges[MAX_RANGES];
    size_t count, i;
    mapped_error error;
    mlua_at_most(L, 1);
    if (mapped_region_faults(check_region(L), ranges, MAX_RANGES, &count,
                             &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_newtable(L);
    for (i = 0; i < count && i < MAX_RANGES; i++) {
        lua_createtable(L, 0, 3);
        set_field(L, "pos", ranges[i].offset + 1);
        set_field(L, "length", ranges[i].length);
        set_field(L, "errno", (size_t)ranges[i].os_error);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int mlua_stats(lua_State *L)
{
    mapped_statistics now;
    mlua_at_most(L, 0);
    mapped_stats(&now);
    lua_createtable(L, 0, 4);
    set_field(L, "regions", now.regions);
    set_field(L, "bytes", (size_t)now.bytes);
    set_field(L, "exports", now.exports);
    set_field(L, "faults", (size_t)now.faults);
    return 1;
}

int mlua_guard(lua_State *L)
{
    bool before = mapped_guard_enabled();
    mlua_at_most(L, 1);
    if (!lua_isnoneornil(L, 1)) {
        if (!lua_isboolean(L, 1)) /* "off" would switch it on */
            mlua_raise_type(L, 1, "boolean");
        mapped_guard_enable(lua_toboolean(L, 1));
    }
    lua_pushboolean(L, before);
    return 1;
}

const luaL_Reg mlua_fault_methods[] = {{"check", region_check},
                                       {"recover", region_recover},
                                       {"faults", region_faults},
                                       {NULL, NULL}};
