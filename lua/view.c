/* What Region and Slice share: the checks that turn an argument into the bytes
 * that it stands for, the metamethods, and the methods about the object itself,
 * which Array has too.
 *
 * The checks by what they take: mlua_to_view a Region or Slice, perhaps closed;
 * mlua_check_view one that is open; mlua_check_bytes an Array, too;
 * mlua_check_data a string, too. */
#include "typed.h"

/* Returns the Region or Slice at `arg`, or raises. Pushes its metatable. */
static const mapped_slice *push_view(lua_State *L, int arg)
{
    const mapped_slice *self = mlua_push_metatable(L, arg);
    if (self == NULL || !mlua_is_view(L))
        mlua_raise_type(L, arg, "mapped.Region or mapped.Slice");
    return self;
}

const mapped_slice *mlua_check_handle(lua_State *L, int arg)
{
    const mapped_slice *self = push_view(L, arg);
    lua_pop(L, 1);
    return self;
}

void mlua_check_place(lua_State *L)
{
    mlua_at_most(L, 1);
    if (!mlua_test_view(L, 1))
        mlua_raise_type(L, 1, "a mapped.Region or mapped.Slice");
}

mapped_slice mlua_to_view(lua_State *L, int arg)
{
    return mlua_view_bytes(mlua_check_handle(L, arg));
}

static mapped_slice check_open_slice(lua_State *L, mapped_slice slice)
{
    if (mapped_region_closed(slice.region))
        mlua_raise_closed(L);
    return slice;
}

mapped_slice mlua_check_view(lua_State *L, int arg)
{
    return check_open_slice(L, mlua_to_view(L, arg));
}

mapped_slice mlua_check_bytes(lua_State *L, int arg)
{
    const mlua_array *array = mlua_test(L, arg, MLUA_ARRAY);
    if (array == NULL)
        return mlua_check_view(L, arg);
    return check_open_slice(L, mlua_view_bytes(&array->bytes));
}

void mlua_copy_to_string(lua_State *L, const char *operation, int arg)
{
    mlua_data data;
    if (!mlua_test_view(L, arg) && mlua_test(L, arg, MLUA_ARRAY) == NULL) {
        mlua_borrow(L, arg);
        return;
    }
    data = mlua_check_data(L, operation, arg);
    if (data.string != NULL)
        return; /* its elements lay apart and were gathered into a string */
    mlua_push_bytes(L, operation, data.slice, 0, data.length);
    lua_replace(L, arg);
}

mlua_data mlua_check_data(lua_State *L, const char *operation, int arg)
{
    mlua_data data = {.string = NULL};
    mlua_gather(L, operation, arg);
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        data.string = lua_tolstring(L, arg, &data.length);
        break;
    case LUA_TUSERDATA:
        data.slice = mlua_check_bytes(L, arg);
        data.length = data.slice.length;
        break;
    default:
        mlua_raise_type(L, arg, "string, mapped.Region, Slice or Array");
    }
    return data;
}

/* A Region, whose offset is MLUA_WHOLE, is its own owner; the other types keep
 * theirs as user value 1. */
void mlua_push_owner(lua_State *L, int arg)
{
    const mapped_slice *self = lua_touserdata(L, arg);
    if (self->offset == MLUA_WHOLE)
        lua_pushvalue(L, arg);
    else
        lua_getiuservalue(L, arg, 1);
}

void mlua_adopt(lua_State *L, int arg)
{
    mlua_push_owner(L, arg);
    lua_setiuservalue(L, -2, 1);
}

/* The value of a position that no byte has: nil, unless the region is closed.
 */
static int push_absent_byte(lua_State *L, mapped_slice slice)
{
    if (mapped_region_closed(slice.region))
        return mlua_raise_closed(L);
    lua_pushnil(L);
    return 1;
}

/* push_view leaves the metatable of argument 1 on the stack: not to pop it
 * saves a call. */
int mlua_view_index(lua_State *L)
{
    const mapped_slice *self;
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
    self = push_view(L, 1);
    slice = mlua_view_bytes(self);
    if (!is_integer || !mlua_position(i, slice.length, &offset))
        return push_absent_byte(L, slice);
    if (mapped_get_u8(slice, offset, &byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, byte);
    return 1;
}

static int view_newindex(lua_State *L)
{
    mapped_slice slice = mlua_check_open_self(L, 3);
    mapped_error error;
    size_t offset;
    uint8_t byte;
    /* A string is a method's name to __index, so s["1"] is no byte here. */
    if (lua_type(L, 2) == LUA_TSTRING)
        mlua_raise_type(L, 2, "number");
    offset = mlua_check_span(L, 2, MLUA_REQUIRED, 1, slice.length);
    byte = mlua_check_byte(L, 3);
    if (mapped_set_u8(slice, offset, byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

static int view_len(lua_State *L)
{
    /* Lua passes the object as argument 2, too. */
    lua_pushinteger(L, (lua_Integer)mlua_check_open_self(L, 2).length);
    return 1;
}

static int view_next(lua_State *L)
{
    mapped_slice slice = mlua_check_view(L, 1);
    lua_Integer i = mlua_check_integer(L, 2);
    mapped_error error;
    uint8_t byte;
    if (i < 0 || (lua_Unsigned)i >= slice.length)
        return 0;
    if (mapped_get_u8(slice, (size_t)i, &byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, i + 1);
    lua_pushinteger(L, byte);
    return 2;
}

/* Like ipairs, without a look-up by metamethod for each byte. */
static int view_pairs(lua_State *L)
{
    mlua_check_view(L, 1);
    mlua_push_shared(L);
    lua_pushcclosure(L, view_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

const luaL_Reg mlua_view_meta[] = {{"__newindex", view_newindex},
                                   {"__len", view_len},
                                   {"__pairs", view_pairs},
                                   {NULL, NULL}};

/* Pushes an object over the bytes of that at argument 1 that can't be written.
 */
static int push_readonly(lua_State *L)
{
    mapped_slice *made; /* or what an Array begins with */
    const mlua_array *array = mlua_test(L, 1, MLUA_ARRAY);
    if (array != NULL)
        mlua_push_array(L, 1, array);
    else
        mlua_push_slice(L, 1, mlua_check_view(L, 1));
    made = lua_touserdata(L, -1);
    *made = mapped_slice_toreadonly(*made);
    return 1;
}

static int about_readonly(lua_State *L)
{
    mapped_slice slice;
    mlua_at_most(L, 2);
    slice = mlua_check_bytes(L, 1);
    if (!lua_isnoneornil(L, 2)) {
        luaL_argcheck(L, lua_isboolean(L, 2) && lua_toboolean(L, 2), 2,
                      "true or nil expected: readonly(true) makes a read-only "
                      "view, and no view can be made writable again");
        return push_readonly(L);
    }
    lua_pushboolean(L, mapped_slice_readonly(slice));
    return 1;
}

static int about_offset(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(L, (lua_Integer)mlua_check_bytes(L, 1).offset);
    return 1;
}

/* Raises unless argument 1, the only one, is an object that has an owner. */
static void check_owned(lua_State *L)
{
    mlua_at_most(L, 1);
    if (mlua_test(L, 1, MLUA_SLICE) == NULL &&
        mlua_test(L, 1, MLUA_REGION) == NULL &&
        mlua_test(L, 1, MLUA_ARRAY) == NULL)
        mlua_raise_type(L, 1, "mapped.Region, Slice or Array");
}

static int about_closed(lua_State *L)
{
    const mapped_slice *self = lua_touserdata(L, 1);
    check_owned(L);
    lua_pushboolean(L, mapped_region_closed(self->region));
    return 1;
}

static int about_region(lua_State *L)
{
    check_owned(L);
    mlua_push_owner(L, 1);
    return 1;
}

const luaL_Reg mlua_about_methods[] = {{"readonly", about_readonly},
                                       {"offset", about_offset},
                                       {"closed", about_closed},
                                       {"region", about_region},
                                       {NULL, NULL}};
