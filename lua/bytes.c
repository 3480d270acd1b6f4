/* The methods that read, write, compare, fill and move many bytes, and `..`.
 *
 * mlua_check_data and making a buffer may collect garbage, and a finalizer may
 * close or resize the region. So a method that calls either checks argument 1
 * first, for the error, and takes the slice afterwards. */
#include <limits.h>
#include <string.h>
#include "typed.h"

/* byte(from, to) */
static int bytes_byte(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 3);
    lua_Integer from = mlua_opt_integer(L, 2, 1);
    lua_Integer to = mlua_opt_integer(L, 3, from);
    mapped_error error;
    size_t offset, i;
    size_t n = mlua_clamp(from, to, slice.length, &offset);
    uint8_t byte;
    if (n >= INT_MAX)
        return luaL_error(L, "too many bytes: %I", (LUAI_UACINT)n);
    luaL_checkstack(L, (int)n, "too many bytes");
    for (i = 0; i < n; i++) {
        if (mapped_get_u8(slice, offset + i, &byte, &error) != MAPPED_OK)
            return mlua_raise_in(L, "byte", &error);
        lua_pushinteger(L, byte);
    }
    return (int)n;
}

/* tostring(from, to) */
static int bytes_tostring(lua_State *L)
{
    mapped_error error;
    luaL_Buffer buffer;
    size_t offset;
    size_t n =
        mlua_opt_range(L, 2, mlua_open_self_at_most(L, 3).length, &offset);
    char *copy = luaL_buffinitsize(L, &buffer, n);
    if (mapped_read(mlua_check_view(L, 1), offset, copy, n, &error) !=
        MAPPED_OK)
        return mlua_raise_in(L, "tostring", &error);
    luaL_pushresultsize(&buffer, n);
    return 1;
}

/* Stores the bytes of argument `data_arg` at the position at `position_arg`. */
static int store(lua_State *L, const char *operation, int position_arg,
                 int data_arg)
{
    mlua_data data = mlua_check_data(L, operation, data_arg);
    mapped_slice to = mlua_check_view(L, 1);
    size_t offset = mlua_check_span(L, position_arg, 1, data.length, to.length);
    mapped_error error;
    mapped_status status =
        data.string != NULL
            ? mapped_write(to, offset, data.string, data.length, &error)
            : mapped_copy(to, offset, data.slice, &error);
    return status == MAPPED_OK ? 0 : mlua_raise_in(L, operation, &error);
}

/* write(position, data) */
static int bytes_write(lua_State *L)
{
    mlua_open_self_at_most(L, 3);
    mlua_check_integer(L, 2);
    return store(L, "write", 2, 3);
}

/* copy_from(data, position) */
static int bytes_copy_from(lua_State *L)
{
    mlua_open_self_at_most(L, 3);
    return store(L, "copy_from", 3, 2);
}

/* copy_to(target, position) */
static int bytes_copy_to(lua_State *L)
{
    mapped_slice from = mlua_open_self_at_most(L, 3);
    mapped_slice to = mlua_check_bytes(L, 2);
    const mlua_array *array = mlua_test(L, 2, MLUA_ARRAY);
    size_t offset = mlua_check_span(L, 3, 1, from.length, to.length);
    mapped_error error;
    luaL_argcheck(L, array == NULL || !mlua_is_strided(array), 2,
                  "its elements lie apart: use its copy_from");
    if (mapped_copy(to, offset, from, &error) != MAPPED_OK)
        return mlua_raise_in(L, "copy_to", &error);
    return 0;
}

/* fill(byte, from, to) */
static int bytes_fill(lua_State *L)
{
    mapped_error error;
    mapped_slice slice = mlua_open_self_at_most(L, 4);
    uint8_t byte = mlua_check_byte(L, 2);
    size_t offset;
    size_t n = mlua_opt_range(L, 3, slice.length, &offset);
    slice.offset += offset;
    slice.length = n;
    if (mapped_fill(slice, byte, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

/* move(to, from, length) */
static int bytes_move(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 4);
    size_t n = mlua_check_length(L, 4);
    size_t to = mlua_check_span(L, 2, MLUA_REQUIRED, n, slice.length);
    size_t from = mlua_check_span(L, 3, MLUA_REQUIRED, n, slice.length);
    mapped_error error;
    if (mapped_move(slice, to, from, n, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return 0;
}

mapped_status mlua_compare_data(mapped_slice slice, const mlua_data *data,
                                int *order, mapped_error *error)
{
    if (data->string == NULL)
        return mapped_compare(slice, data->slice, order, error);
    return mapped_compare_bytes(slice, data->string, data->length, order,
                                error);
}

/* equals(data) */
static int bytes_equals(lua_State *L)
{
    mlua_data data;
    mapped_slice slice;
    mapped_error error;
    int order = 1; /* of different lengths: not equal */
    mlua_open_self_at_most(L, 2);
    data = mlua_check_data(L, "equals", 2);
    slice = mlua_check_view(L, 1);
    if (slice.length == data.length &&
        mlua_compare_data(slice, &data, &order, &error) != MAPPED_OK)
        return mlua_raise_in(L, "equals", &error);
    lua_pushboolean(L, order == 0);
    return 1;
}

/* Returns the length of an operand of `..`. As between strings, a number stands
 * for its text. */
static size_t check_operand(lua_State *L, int arg)
{
    if (lua_type(L, arg) == LUA_TNUMBER)
        lua_tolstring(L, arg, NULL); /* converts it in its place */
    return mlua_check_data(L, "concat", arg).length;
}

/* Copies the operand, which check_operand has found to have n bytes. If they
 * have become fewer since, the read fails. */
static void copy_operand(lua_State *L, int arg, char *to, size_t n)
{
    mlua_data data = mlua_check_data(L, "concat", arg);
    mapped_error error;
    if (data.string != NULL)
        memcpy(to, data.string, n);
    else if (mapped_read(data.slice, 0, to, n, &error) != MAPPED_OK)
        mlua_raise_in(L, "concat", &error);
}

static int concat(lua_State *L)
{
    luaL_Buffer buffer;
    char *to;
    size_t first = check_operand(L, 1);
    size_t second = check_operand(L, 2);
    if (first > SIZE_MAX / 2 - second)
        return luaL_error(L, "string length overflow");
    to = luaL_buffinitsize(L, &buffer, first + second);
    copy_operand(L, 1, to, first);
    copy_operand(L, 2, to + first, second);
    luaL_pushresultsize(&buffer, first + second);
    return 1;
}

const luaL_Reg mlua_concat_meta[] = {{"__concat", concat}, {NULL, NULL}};

const luaL_Reg mlua_bytes_methods[] = {{"byte", bytes_byte},
                                       {"tostring", bytes_tostring},
                                       {"write", bytes_write},
                                       {"equals", bytes_equals},
                                       {"copy_from", bytes_copy_from},
                                       {"copy_to", bytes_copy_to},
                                       {"fill", bytes_fill},
                                       {"move", bytes_move},
                                       {NULL, NULL}};
