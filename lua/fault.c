/* The methods of a Region about its lost pages, and the functions guard and
 * stats.
 *
 * An access to a lost page raises. But check and recover are asked about lost
 * pages, so they return nil and a message. */
#include "mapped_lua.h"

/* The method faults returns no more ranges than that. */
#define MAX_RANGES 64

static int region_check(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 1);
    status = mapped_region_check(mlua_check_region(L, 1)->view.region, &error);
    return mlua_result_or_fault(L, status, &error);
}

static int region_recover(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 1);
    do
        status =
            mapped_region_recover(mlua_check_region(L, 1)->view.region, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result_or_fault(L, status, &error);
}

static int region_faults(lua_State *L)
{
    mapped_lost_range ranges[MAX_RANGES];
    size_t count, i;
    mapped_error error;
    mlua_at_most(L, 1);
    if (mapped_region_faults(mlua_check_region(L, 1)->view.region, ranges,
                             MAX_RANGES, &count, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_newtable(L);
    for (i = 0; i < count && i < MAX_RANGES; i++) {
        lua_createtable(L, 0, 3);
        mlua_set_number(L, "pos", ranges[i].offset + 1);
        mlua_set_number(L, "length", ranges[i].length);
        mlua_set_number(L, "errno", (size_t)ranges[i].os_error);
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
    mlua_set_number(L, "regions", now.regions);
    mlua_set_number(L, "bytes", (size_t)now.bytes);
    mlua_set_number(L, "exports", now.exports);
    mlua_set_number(L, "faults", (size_t)now.faults);
    return 1;
}

int mlua_guard(lua_State *L)
{
    bool was_enabled = mapped_guard_enabled();
    mlua_at_most(L, 1);
    if (!lua_isnoneornil(L, 1))
        mapped_guard_enable(mlua_opt_boolean(L, 1, true));
    lua_pushboolean(L, was_enabled);
    return 1;
}

const luaL_Reg mlua_fault_methods[] = {{"check", region_check},
                                       {"recover", region_recover},
                                       {"faults", region_faults},
                                       {NULL, NULL}};
