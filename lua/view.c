/* What Region and Slice have in common. Either of them is called a view: a
 * userdata that begins with a mapped_slice. Its owner is the Region that has
 * the memory of its bytes.
 *
 * A Region's slice has the offset MLUA_WHOLE and stands for all its bytes,
 * however long it is now. So read bytes with mlua_view_bytes, never from the
 * struct.
 *
 * First come the functions that return the bytes of an argument. They raise for
 * a value of another type, and for bytes that are closed:
 *
 * - mlua_check_view       takes a view;
 * - mlua_check_sole_view  a view that is the function's only argument;
 * - mlua_check_bytes      a view or an Array;
 * - mlua_check_data       a view, an Array, a string, or an object of another
 *                         library that lends its memory.
 *
 * mlua_copy_to_string puts a string of its bytes in the place of a view, an
 * Array or such an object, and leaves other values alone.
 *
 * Methods of views call mlua_self_at_most(L, n) or mlua_open_self_at_most(L,
 * n), which are inline and raise for more than n arguments. Then come the
 * owner, the metamethods of views, and the methods that Array has too. */
#include "typed.h"

static mapped_slice check_open(lua_State *L, mapped_slice slice)
{
    if (mapped_region_closed(slice.region))
        mlua_raise_closed(L);
    return slice;
}

mapped_slice mlua_check_view(lua_State *L, int arg)
{
    const mapped_slice *view = mlua_test_view(L, arg);
    if (view == NULL)
        mlua_raise_type(L, arg, MLUA_VIEW_TYPES);
    return check_open(L, mlua_view_bytes(view));
}

mapped_slice mlua_check_sole_view(lua_State *L)
{
    mlua_at_most(L, 1);
    /* Its callers aren't methods, so the message has no hint about ':'. */
    if (mlua_test_view(L, 1) == NULL)
        mlua_raise_type_plain(L, 1, "a " MLUA_VIEW_TYPES);
    return mlua_check_view(L, 1);
}

mapped_slice mlua_check_bytes(lua_State *L, int arg)
{
    const mlua_array *array = mlua_test(L, arg, MLUA_ARRAY);
    return array == NULL ? mlua_check_view(L, arg)
                         : check_open(L, array->bytes);
}

mlua_data mlua_check_data(lua_State *L, const char *operation, int arg)
{
    mlua_data data = {.string = NULL};
    /* This may replace the argument by a string. */
    mlua_make_contiguous(L, operation, arg);
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

/* The metatable of `self` is on top, if `self` isn't NULL. */
const mapped_slice *mlua_full_self_at_most_slow(lua_State *L,
                                                const mapped_slice *self,
                                                int max_count)
{
    if (self == NULL || !mlua_top_is_view(L))
        mlua_raise_type(L, 1, MLUA_VIEW_TYPES);
    lua_pop(L, 1);
    mlua_at_most(L, max_count);
    return self;
}

static bool is_view_or_array(lua_State *L, int arg)
{
    return mlua_test_view(L, arg) != NULL ||
           mlua_test(L, arg, MLUA_ARRAY) != NULL;
}

void mlua_copy_to_string(lua_State *L, const char *operation, int arg)
{
    mapped_slice slice;
    mlua_make_contiguous(L, operation, arg);
    if (!is_view_or_array(L, arg))
        return;
    slice = mlua_check_bytes(L, arg);
    mlua_push_bytes_in(L, operation, slice, 0, slice.length);
    lua_replace(L, arg);
}

/* The argument is a view, or an Array, which begins with a slice, too, and
 * keeps its owner as a Slice does. A Region is its own owner. */
void mlua_push_owner(lua_State *L, int arg)
{
    const mapped_slice *self = lua_touserdata(L, arg);
    if (self->offset == MLUA_WHOLE)
        lua_pushvalue(L, arg);
    else
        lua_getiuservalue(L, arg, MLUA_USER_OWNER);
}

/* The new object, which gets the owner, is on top of the stack. */
void mlua_set_owner(lua_State *L, int arg)
{
    mlua_push_owner(L, arg);
    lua_setiuservalue(L, -2, MLUA_USER_OWNER);
}

/* view[i]: the byte or, where there is none, nil, as for a table. Leaves the
 * metatable of argument 1 below the result, which saves a lua_pop. This stays
 * out of line: inlining it slows the look-up of methods, which every call
 * needs. */
MAPPED__NOINLINE static int push_byte(lua_State *L)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, 2, &is_integer);
    const mapped_slice *self = mlua_push_metatable(L, 1);
    mapped_slice slice;
    mapped_error error;
    size_t offset;
    uint8_t byte;
    if (self == NULL || !mlua_top_is_view(L))
        return mlua_raise_type(L, 1, MLUA_VIEW_TYPES);
    slice = mlua_view_bytes(self);
    if (!is_integer || !mlua_position(i, slice.length, &offset)) {
        check_open(L, slice); /* mapped_get_u8 checks this itself */
        lua_pushnil(L);
        return 1;
    }
    if (mapped_get_u8(slice, offset, &byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, byte);
    return 1;
}

int mlua_view_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return push_byte(L);
    lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
    return 1;
}

/* view[i] = byte */
static int view_newindex(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 3);
    mapped_error error;
    size_t offset;
    uint8_t byte;
    /* lua_tointeger would take "1" for 1, but view["1"] reads a method. */
    if (lua_type(L, 2) == LUA_TSTRING)
        mlua_raise_type(L, 2, "number");
    offset = mlua_check_position(L, 2, slice.length);
    byte = mlua_check_byte(L, 3);
    if (mapped_set_u8(slice, offset, byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

static int view_len(lua_State *L)
{
    /* Lua passes the object as argument 2, too. */
    lua_pushinteger(L, (lua_Integer)mlua_open_self_at_most(L, 2).length);
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

/* pairs(view) gives what ipairs(view) gives, but calls no __index. */
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

/* Pushes a read-only Slice or Array of argument 1's bytes. */
static void push_readonly(lua_State *L)
{
    const mlua_array *array = mlua_test(L, 1, MLUA_ARRAY);
    mapped_slice *bytes; /* a Slice, or what an Array begins with */
    if (array != NULL)
        mlua_push_array(L, 1, array);
    else
        mlua_push_slice(L, 1, mlua_check_view(L, 1));
    bytes = lua_touserdata(L, -1);
    *bytes = mapped_slice_toreadonly(*bytes);
}

static int common_readonly(lua_State *L)
{
    mapped_slice slice;
    mlua_at_most(L, 2);
    slice = mlua_check_bytes(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_pushboolean(L, mapped_slice_readonly(slice));
        return 1;
    }
    luaL_argcheck(L, lua_isboolean(L, 2) && lua_toboolean(L, 2), 2,
                  "true or nil expected: readonly(true) makes a read-only "
                  "view, and no view can be made writable again");
    push_readonly(L);
    return 1;
}

static int common_offset(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(L, (lua_Integer)mlua_check_bytes(L, 1).offset);
    return 1;
}

/* Raises unless the only argument is a view or Array; it may be closed. */
static void check_object(lua_State *L)
{
    mlua_at_most(L, 1);
    if (!is_view_or_array(L, 1))
        mlua_raise_type(L, 1, "mapped.Region, Slice or Array");
}

static int common_closed(lua_State *L)
{
    const mapped_slice *bytes;
    check_object(L);
    bytes = lua_touserdata(L, 1);
    lua_pushboolean(L, mapped_region_closed(bytes->region));
    return 1;
}

static int common_region(lua_State *L)
{
    check_object(L);
    mlua_push_owner(L, 1);
    return 1;
}

const luaL_Reg mlua_common_methods[] = {{"readonly", common_readonly},
                                        {"offset", common_offset},
                                        {"closed", common_closed},
                                        {"region", common_region},
                                        {NULL, NULL}};
