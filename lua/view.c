/* Regions and slices as one: each method is written once, on the bytes that
 * its first argument stands for. */
#include "mapped_lua.h"

const char mlua_tags[MLUA_METATABLES + 1];

static mapped_slice region_bytes(lua_State *L, const mlua_region *self)
{
    if (self->region == NULL)
        mlua_raise_closed(L);
    return mapped_region_slice(self->region);
}

static mapped_slice slice_bytes(lua_State *L, const mlua_slice *self)
{
    if (self->owner->region == NULL)
        mlua_raise_closed(L);
    return self->slice;
}

mapped_slice mlua_to_view(lua_State *L, int arg)
{
    const void *self = mlua_to_head(L, arg);
    if (mlua_has_tag(self, MLUA_SLICE))
        return slice_bytes(L, self);
    if (!mlua_has_tag(self, MLUA_REGION))
        luaL_typeerror(L, arg, "mapped.Region or mapped.Slice");
    return region_bytes(L, self);
}

static mapped_slice check_open(lua_State *L, mapped_slice slice)
{
    if (mapped_region_closed(slice.region))
        mlua_raise_closed(L);
    return slice;
}

mapped_slice mlua_check_view(lua_State *L, int arg)
{
    return check_open(L, mlua_to_view(L, arg));
}

mapped_slice mlua_check_bytes(lua_State *L, int arg)
{
    const mlua_array *array = mlua_test(L, arg, MLUA_ARRAY);
    if (array == NULL)
        return mlua_check_view(L, arg);
    return check_open(L, slice_bytes(L, &array->bytes));
}

mlua_data mlua_check_data(lua_State *L, int arg)
{
    mlua_data data = {NULL, {NULL, 0, 0}, 0};
    mlua_gather(L, arg);
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        data.string = lua_tolstring(L, arg, &data.length);
        break;
    case LUA_TUSERDATA:
        data.slice = mlua_check_bytes(L, arg);
        data.length = data.slice.length;
        break;
    default:
        luaL_typeerror(L, arg, "string, mapped.Region, Slice or Array");
    }
    return data;
}

mlua_region *mlua_push_owner(lua_State *L, int arg)
{
    /* A Region has no user value: it is its own owner. */
    if (lua_getiuservalue(L, arg, 1) == LUA_TNONE) {
        lua_pop(L, 1);
        lua_pushvalue(L, arg);
    }
    return lua_touserdata(L, -1);
}

static int absent(lua_State *L, mapped_slice slice)
{
    if (mapped_region_closed(slice.region))
        return mlua_raise_closed(L);
    lua_pushnil(L);
    return 1;
}

int mlua_view_index(lua_State *L)
{
    mapped_slice slice;
    mapped_error error;
    size_t offset;
    uint8_t byte;
    int is_integer;
    lua_Integer i;
    if (lua_type(L, 2) == LUA_TSTRING) {
        lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
        return 1;
    }
    i = lua_tointegerx(L, 2, &is_integer);
    slice = mlua_to_view(L, 1);
    if (!is_integer || !mlua_position(i, slice.length, &offset))
        return absent(L, slice);
    if (mapped_get_u8(slice, offset, &byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, byte);
    return 1;
}

static int view_newindex(lua_State *L)
{
    mapped_slice slice = mlua_check_view(L, 1);
    mapped_error error;
    size_t offset = mlua_check_span(L, 2, 0, 1, slice.length);
    uint8_t byte = mlua_check_byte(L, 3);
    if (mapped_set_u8(slice, offset, byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

static int view_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mlua_check_view(L, 1).length);
    return 1;
}

static bool is_view(lua_State *L, int arg)
{
    return mlua_test(L, arg, MLUA_SLICE) != NULL ||
           mlua_test(L, arg, MLUA_REGION) != NULL;
}

static int view_eq(lua_State *L)
{
    mapped_error error;
    mapped_slice a, b;
    int order = 1;
    /* Lua asks either operand's metamethod: the other may be anything. */
    if (!is_view(L, 1) || !is_view(L, 2))
        return 0;
    a = mlua_check_view(L, 1);
    b = mlua_check_view(L, 2);
    if (a.length == b.length &&
        mapped_compare(a, b, &order, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushboolean(L, order == 0);
    return 1;
}

const luaL_Reg mlua_view_meta[] = {{"__newindex", view_newindex},
                                   {"__len", view_len},
                                   {"__eq", view_eq},
                                   {NULL, NULL}};

static int about_readonly(lua_State *L)
{
    mapped_slice slice = mlua_check_bytes(L, 1);
    lua_pushboolean(L, mapped_region_readonly(slice.region));
    return 1;
}

static int about_offset(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mlua_check_bytes(L, 1).offset);
    return 1;
}

static void check_handle(lua_State *L, int arg)
{
    if (!is_view(L, arg) && mlua_test(L, arg, MLUA_ARRAY) == NULL)
        luaL_typeerror(L, arg, "mapped.Region, Slice or Array");
}

static int about_closed(lua_State *L)
{
    const mlua_region *owner;
    check_handle(L, 1);
    owner = mlua_push_owner(L, 1);
    lua_pushboolean(L, owner->region == NULL ||
                           mapped_region_closed(owner->region));
    return 1;
}

static int about_region(lua_State *L)
{
    check_handle(L, 1);
    mlua_push_owner(L, 1);
    return 1;
}

const luaL_Reg mlua_about_methods[] = {{"readonly", about_readonly},
                                       {"offset", about_offset},
                                       {"closed", about_closed},
                                       {"region", about_region},
                                       {NULL, NULL}};
