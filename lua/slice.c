/* The type Slice: how one is made, and its metamethods. The methods that it
 * shares with Region are in view.c, bytes.c, typed.c and others. A Slice has
 * its Region as user value 1, which keeps that alive, and no finalizer. */
#include "mapped_lua.h"

void mlua_push_slice(lua_State *L, int arg, mapped_slice slice)
{
    mlua_slice *self = lua_newuserdatauv(L, sizeof *self, 1);
    self->slice = slice;
    self->owner = mlua_push_owner(L, arg);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(MLUA_SLICE));
    lua_setmetatable(L, -2);
}

static int push_sub(lua_State *L, const char *operation, mapped_slice slice,
                    size_t offset, size_t n)
{
    mapped_error error;
    if (mapped_slice_sub(slice, offset, n, &slice, &error) != MAPPED_OK)
        return mlua_raise_in(L, operation, &error);
    mlua_push_slice(L, 1, slice);
    return 1;
}

/* The short way is for some bytes of an open region; push_sub decides on the
 * rest. */
static int view_sub(lua_State *L)
{
    mapped_slice slice = mlua_view_bytes(mlua_self(L, 3));
    lua_Integer from = mlua_check_integer(L, 2);
    lua_Integer to = mlua_opt_integer(L, 3, -1);
    size_t offset;
    size_t n = mlua_clamp(from, to, slice.length, &offset);
    if (n == 0 || mapped_slice_try_enter(slice, offset, n) == NULL)
        return push_sub(L, "sub", slice, offset, n);
    slice.offset += offset;
    slice.length = n;
    mlua_push_slice(L, 1, slice);
    return 1;
}

static int view_slice(lua_State *L)
{
    mapped_slice slice = mlua_open_self(L, 3);
    size_t n = mlua_check_length(L, 3);
    return push_sub(L, "slice", slice,
                    mlua_check_span(L, 2, 0, n, slice.length), n);
}

const luaL_Reg mlua_slice_methods[] = {
    {"sub", view_sub}, {"slice", view_slice}, {NULL, NULL}};

static int slice_tostring(lua_State *L)
{
    const mlua_slice *self = mlua_test(L, 1, MLUA_SLICE);
    const mapped_region *region;
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Slice");
    region = self->owner->region;
    if (mapped_region_closed(region))
        lua_pushliteral(L, "mapped.Slice (closed)");
    else
        lua_pushfstring(L, "mapped.Slice (%I bytes at offset %I)",
                        (LUAI_UACINT)self->slice.length,
                        (LUAI_UACINT)self->slice.offset);
    return 1;
}

const luaL_Reg mlua_slice_meta[] = {{"__tostring", slice_tostring},
                                    {NULL, NULL}};
