/* The method ffi, for LuaJIT. The Lua file library/ffi.lua makes the view that
 * it returns, and loads and stores its values. Here is what C alone can do: the
 * checks that aren't a comparison of a word, and the addresses of these words.
 */
#include "mapped_lua.h"

/* The field `check` of a view: raises unless `n` bytes at an offset of the
 * Slice can be read, or written, now, and none of them is lost. */
static int check_access(lua_State *L)
{
    const mapped_slice slice = mlua_check_view(L, 1);
    const size_t offset = (size_t)lua_tonumber(L, 2);
    const size_t n = (size_t)lua_tonumber(L, 3);
    const bool is_write = lua_toboolean(L, 4);
    unsigned char *p;
    mapped_error error;
    mapped_status status;
    if (is_write) {
        status = mapped_slice_enter_write(slice, offset, n, &p, &error);
    } else {
        status = mapped_slice_enter(slice, offset, n, &p, &error);
    }
    if (status == MAPPED_OK)
        status = mapped_slice_leave(slice, offset, n, &error);
    return status == MAPPED_OK
               ? 0
               : mlua_raise_in(L, is_write ? "set" : "get", &error);
}

static void set_address(lua_State *L, const char *name, const void *address)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)address);
    lua_setfield(L, -2, name);
}

/* Pushes the table that a view of the Slice at index 3 begins as: see
 * library/ffi.lua. */
static void push_view(lua_State *L, mapped_slice slice)
{
    const mapped_region *region = slice.region;
    lua_newtable(L);
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "owner");
    mlua_push_owner(L, 3);
    lua_setfield(L, -2, "region");
    mlua_push_shared(L);
    lua_pushcclosure(L, check_access, MLUA_SHARED);
    lua_setfield(L, -2, "check");
    lua_pushboolean(L, slice.readonly != 0);
    lua_setfield(L, -2, "is_readonly");
    mlua_set_number(L, "offset", slice.offset);
    mlua_set_number(L, "length", slice.length);
    set_address(L, "mark", &mlua_owner(&slice)->is_accessed);
    set_address(L, "base", &region->base_);
    set_address(L, "state", &region->state_);
    set_address(L, "traits", &region->traits_);
}

static bool has_ffi(lua_State *L)
{
#if LUA_VERSION_NUM < 502
    return mlua_is_luajit(L);
#else
    (void)L;
    return false;
#endif
}

static int view_ffi(lua_State *L)
{
    mapped_slice slice;
    mapped_error error;
    mlua_at_most(L, 2);
    slice = mlua_open_self_at_most(L, 2);
    if (!has_ffi(L))
        return luaL_error(L, "ffi is for LuaJIT alone; cast and records are "
                             "for every Lua");
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (mapped_region_device(slice.region))
        return luaL_error(L, "a device has no FFI view, because the compiler "
                             "may merge accesses; get and set do not");
    if (mapped_slice_check(slice, &error) != MAPPED_OK)
        return mlua_raise_in(L, "ffi", &error);
    mlua_push_slice(L, 1, slice);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "mapped.ffi");
    lua_call(L, 1, 1);
    push_view(L, slice);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 2); /* returns what scripts get, or nil and a message */
    if (lua_isnil(L, -2))
        return luaL_argerror(L, 2, lua_tostring(L, -1));
    lua_pop(L, 1);
    return 1;
}

const luaL_Reg mlua_ffi_methods[] = {{"ffi", view_ffi}, {NULL, NULL}};
