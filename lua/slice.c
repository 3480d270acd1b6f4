/* The type Slice: its constructor, its metamethods, and the methods sub and
 * slice, which Region has too. User value 1 of a Slice is its Region, which
 * therefore stays alive. A Slice needs no finalizer. */
#include "mapped_lua.h"

void mlua_push_slice(lua_State *L, int arg, mapped_slice slice)
{
    mapped_slice *self = lua_newuserdatauv(L, sizeof *self, MLUA_USER_OWNER);
    *self = slice;
    mlua_set_owner(L, arg);
    lua_pushvalue(L, lua_upvalueindex(MLUA_SLICE));
    lua_setmetatable(L, -2);
}

void mlua_push_slice_of(lua_State *L, int owner, mapped_slice slice)
{
    mapped_slice *self = lua_newuserdatauv(L, sizeof *self, MLUA_USER_OWNER);
    *self = slice;
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, MLUA_USER_OWNER);
    lua_pushvalue(L, lua_upvalueindex(MLUA_SLICE));
    lua_setmetatable(L, -2);
}

/* Pushes a Slice of the bytes [offset, offset + n) of `slice`, which are those
 * of the view at argument 1. */
static int push_subslice(lua_State *L, const char *operation,
                         mapped_slice slice, size_t offset, size_t n)
{
    mapped_slice subslice;
    mapped_error error;
    if (mapped_slice_sub(slice, offset, n, &subslice, &error) != MAPPED_OK)
        return mlua_raise_in(L, operation, &error);
    mlua_push_slice(L, 1, subslice);
    return 1;
}

/* sub(from, to) clamps positions as string.sub does. */
static int view_sub(lua_State *L)
{
    mapped_slice slice = mlua_view_bytes(mlua_self_at_most(L, 3));
    lua_Integer from = mlua_check_integer(L, 2);
    lua_Integer to = mlua_opt_integer(L, 3, -1);
    size_t offset;
    size_t n = mlua_clamp(from, to, slice.length, &offset);
    return push_subslice(L, "sub", slice, offset, n);
}

/* slice(position, length) raises unless all of the bytes are there. */
static int view_slice(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 3);
    size_t n = mlua_check_length(L, 3);
    size_t offset = mlua_check_span(L, 2, MLUA_REQUIRED, n, slice.length);
    return push_subslice(L, "slice", slice, offset, n);
}

const luaL_Reg mlua_slice_methods[] = {
    {"sub", view_sub}, {"slice", view_slice}, {NULL, NULL}};

static int slice_tostring(lua_State *L)
{
    const mapped_slice *self = mlua_test(L, 1, MLUA_SLICE);
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Slice");
    if (mapped_region_closed(self->region))
        lua_pushliteral(L, "mapped.Slice (closed)");
    else
        lua_pushfstring(L, "mapped.Slice (%I bytes at offset %I)",
                        (LUAI_UACINT)self->length, (LUAI_UACINT)self->offset);
    return 1;
}

const luaL_Reg mlua_slice_meta[] = {{"__tostring", slice_tostring},
                                    {NULL, NULL}};
