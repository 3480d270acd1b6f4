/* Arguments that are numbers, strings, positions and ranges. None of these
 * functions looks at memory of a region. What isn't inline is in arguments.c,
 * but mlua_raise_type, which is in error.c.
 *
 * A position counts from 1, or, if it is negative, from the end: -1 is the
 * last. An offset counts from 0. `count` is how many bytes or items there are.
 */
#ifndef MAPPED_LUA_ARGUMENTS_H
#define MAPPED_LUA_ARGUMENTS_H

#include <mapped/base.h>

#include "compat.h"

/* Raises like luaL_typeerror. The name of the type is cut, because a script may
 * have chosen it. If `expected` begins with "mapped." and argument 1 is no
 * object, the message says that methods are called with ':'. */
int mlua_raise_type(lua_State *L, int arg, const char *expected);

/* The same without this hint, for a function that isn't a method. */
int mlua_raise_type_plain(lua_State *L, int arg, const char *expected);

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

MAPPED__INLINE lua_Integer mlua_opt_integer(lua_State *L, int arg,
                                            lua_Integer fallback)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, arg, &is_integer);
    if (is_integer)
        return i;
    return lua_isnoneornil(L, arg) ? fallback : mlua_raise_integer(L, arg);
}

/* mlua_check_integer for a 64-bit value to store: see mlua_to_int64. */
MAPPED__INLINE uint64_t mlua_check_int64(lua_State *L, int arg,
                                         bool is_unsigned)
{
    int is_valid;
    uint64_t bits = mlua_to_int64(L, arg, is_unsigned, &is_valid);
    return is_valid ? bits : (uint64_t)mlua_raise_integer(L, arg);
}

lua_Number mlua_check_number(lua_State *L, int arg);
const char *mlua_check_string(lua_State *L, int arg, size_t *length);
bool mlua_opt_boolean(lua_State *L, int arg, bool fallback);

/* Returns the integer of 0 or more at `arg`, or raises. */
size_t mlua_check_length(lua_State *L, int arg);

/* Returns the byte at `arg`, an integer from 0 to 255, or raises. */
uint8_t mlua_check_byte(lua_State *L, int arg);

/* Returns the mode at `arg`, which is "r" or "r+", or raises. */
mapped_mode mlua_check_access(lua_State *L, int arg);

/* Sets `*offset` to that of position `i`. Returns false if there is none. */
MAPPED__INLINE bool mlua_position(lua_Integer i, size_t count, size_t *offset)
{
    lua_Unsigned at = i > 0 ? (lua_Unsigned)i - 1 : count + (lua_Unsigned)i;
    *offset = (size_t)at;
    return at < count;
}

/* Returns the offset of the position at `arg`; raises unless it and the next
 * n - 1 are there. If there is no argument, `fallback` is the position; or that
 * is an error, too, if `fallback` is MLUA_REQUIRED, which is no position. */
#define MLUA_REQUIRED 0
size_t mlua_check_span(lua_State *L, int arg, lua_Integer fallback, size_t n,
                       size_t count);

/* The same for one position, which must be given. */
MAPPED__INLINE size_t mlua_check_position(lua_State *L, int arg, size_t count)
{
    return mlua_check_span(L, arg, MLUA_REQUIRED, 1, count);
}

/* Returns the length of the range of positions `from` to `to`, clamped as
 * string.sub does, and sets `*offset` to where it begins. */
size_t mlua_clamp(lua_Integer from, lua_Integer to, size_t count,
                  size_t *offset);

/* The same for the optional positions at `arg` and `arg` + 1. Without them the
 * range is all there is. */
size_t mlua_opt_range(lua_State *L, int arg, size_t count, size_t *offset);

/* Returns the offset of position `init`, where a search begins as that of
 * string.find: of one before the start it is 0, and of one behind the end
 * MLUA_PAST_END, from where on nothing is found. */
#define MLUA_PAST_END SIZE_MAX
MAPPED__INLINE size_t mlua_search_offset(lua_Integer init, size_t count)
{
    if (init > 0)
        return (lua_Unsigned)init - 1 > count ? MLUA_PAST_END
                                              : (size_t)init - 1;
    if (init == 0 || 0 - (lua_Unsigned)init > count)
        return 0;
    return count - (size_t)(0 - (lua_Unsigned)init);
}

#endif
