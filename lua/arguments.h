/* Numbers, positions and ranges from arguments. None of these functions looks
 * at memory of a region; all of them are in convert.c or inline. */
#ifndef MAPPED_LUA_ARGUMENTS_H
#define MAPPED_LUA_ARGUMENTS_H

#include <mapped/base.h>

#include "compat.h"

/* Is position `i` (from 1, negative from the end) one of `count`? */
MAPPED__INLINE bool mlua_position(lua_Integer i, size_t count, size_t *offset)
{
    lua_Unsigned at = i > 0 ? (lua_Unsigned)i - 1 : count + (lua_Unsigned)i;
    *offset = (size_t)at;
    return at < count;
}

/* The `fallback` of an argument that must be given. */
#define MLUA_REQUIRED 0

/* Returns the offset of the position at `arg`; raises unless all of [position,
 * position + n) lies within `count`. `fallback` is the position if there is no
 * argument, or MLUA_REQUIRED. */
size_t mlua_check_span(lua_State *L, int arg, lua_Integer fallback, size_t n,
                       size_t count);

/* The range that positions `from` to `to` select among `count`, clamped as
 * string.sub does. Returns its length. */
size_t mlua_clamp(lua_Integer from, lua_Integer to, size_t count,
                  size_t *offset);

/* An offset from which on nothing is found. */
#define MLUA_PAST_END SIZE_MAX

/* The offset of position `init`, as string.find has it: of one before the start
 * it is 0, and of one behind the end MLUA_PAST_END. */
MAPPED__INLINE size_t mlua_search_offset(lua_Integer init, size_t length)
{
    if (init > 0)
        return (lua_Unsigned)init - 1 > length ? MLUA_PAST_END
                                               : (size_t)init - 1;
    if (init == 0 || 0 - (lua_Unsigned)init > length)
        return 0;
    return length - (size_t)(0 - (lua_Unsigned)init);
}

/* The range that the optional positions at `arg` and `arg` + 1 select among
 * `count`; without them, all of it. Returns its length. */
size_t mlua_opt_range(lua_State *L, int arg, size_t count, size_t *offset);

/* Raises like luaL_typeerror. The name of the type is cut, because a script may
 * have chosen it. */
int mlua_raise_type(lua_State *L, int arg, const char *expected);

/* Raises an error that says that the value at `arg` is no integer. */
lua_Integer mlua_raise_integer(lua_State *L, int arg);

/* luaL_checkinteger and so on, with the messages of mlua_raise_integer and
 * mlua_raise_type. */
MAPPED__INLINE lua_Integer mlua_check_integer(lua_State *L, int arg)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, arg, &is_integer);
    return is_integer ? i : mlua_raise_integer(L, arg);
}

/* The same for a 64-bit value to store: see mlua_to_int64. */
MAPPED__INLINE uint64_t mlua_check_int64(lua_State *L, int arg,
                                         bool is_unsigned)
{
    int is_valid;
    uint64_t bits = mlua_to_int64(L, arg, is_unsigned, &is_valid);
    return is_valid ? bits : (uint64_t)mlua_raise_integer(L, arg);
}

MAPPED__INLINE lua_Integer mlua_opt_integer(lua_State *L, int arg,
                                            lua_Integer fallback)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, arg, &is_integer);
    if (is_integer)
        return i;
    return lua_isnoneornil(L, arg) ? fallback : mlua_raise_integer(L, arg);
}

lua_Number mlua_check_number(lua_State *L, int arg);
const char *mlua_check_string(lua_State *L, int arg, size_t *length);

/* Returns the mode that argument is, "r" or "r+", or raises. */
mapped_mode mlua_check_access(lua_State *L, int arg);

/* The non-negative integer at `arg`. */
size_t mlua_check_length(lua_State *L, int arg);

/* The byte, 0 to 255, at `arg`. */
uint8_t mlua_check_byte(lua_State *L, int arg);

#endif
