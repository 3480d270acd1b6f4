/* Converts arguments to numbers, strings, positions and ranges, or raises: see
 * arguments.h. */
#include "mapped_lua.h"

lua_Integer mlua_raise_integer(lua_State *L, int arg)
{
    if (lua_isnumber(L, arg))
        return luaL_argerror(L, arg, "number has no integer representation");
    return mlua_raise_type(L, arg, "number");
}

lua_Number mlua_check_number(lua_State *L, int arg)
{
    int is_number;
    lua_Number number = lua_tonumberx(L, arg, &is_number);
    return is_number ? number : mlua_raise_type(L, arg, "number");
}

const char *mlua_check_string(lua_State *L, int arg, size_t *length)
{
    const char *text = lua_tolstring(L, arg, length);
    if (text == NULL)
        mlua_raise_type(L, arg, "string");
    return text;
}

bool mlua_opt_boolean(lua_State *L, int arg, bool fallback)
{
    if (lua_isnoneornil(L, arg))
        return fallback;
    if (!lua_isboolean(L, arg))
        mlua_raise_type(L, arg, "boolean");
    return lua_toboolean(L, arg);
}

size_t mlua_check_length(lua_State *L, int arg)
{
    lua_Integer n = mlua_check_integer(L, arg);
    if (n < 0 || (lua_Unsigned)n > SIZE_MAX)
        luaL_argerror(
            L, arg,
            lua_pushfstring(L, "length %I is out of range", (LUAI_UACINT)n));
    return (size_t)n;
}

uint8_t mlua_check_byte(lua_State *L, int arg)
{
    lua_Integer byte = mlua_check_integer(L, arg);
    if (byte < 0 || byte > UINT8_MAX)
        luaL_argerror(
            L, arg,
            lua_pushfstring(L, "byte %I is not in 0..255", (LUAI_UACINT)byte));
    return (uint8_t)byte;
}

mapped_mode mlua_check_access(lua_State *L, int arg)
{
    mapped_mode mode;
    size_t length;
    const char *text = mlua_check_string(L, arg, &length);
    if (mapped_mode_parse(text, length, &mode, NULL) != MAPPED_OK ||
        (mode != MAPPED_MODE_READ && mode != MAPPED_MODE_READ_WRITE))
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "mode must be 'r' or 'r+', not '%s'",
                                      mlua_push_short(L, arg)));
    return mode;
}

static void raise_span(lua_State *L, int arg, lua_Integer i, size_t n,
                       size_t count)
{
    luaL_argerror(
        L, arg,
        lua_pushfstring(L, "position %I, length %I is outside of 1..%I%s",
                        (LUAI_UACINT)i, (LUAI_UACINT)n, (LUAI_UACINT)count,
                        i == 0 ? ": positions count from 1" : ""));
}

size_t mlua_check_span(lua_State *L, int arg, lua_Integer fallback, size_t n,
                       size_t count)
{
    lua_Integer i = fallback != MLUA_REQUIRED
                        ? mlua_opt_integer(L, arg, fallback)
                        : mlua_check_integer(L, arg);
    lua_Unsigned offset = i > 0 ? (lua_Unsigned)i - 1 : count + (lua_Unsigned)i;
    if (i == 0 || !mapped_range_fits_u64(offset, n, count))
        raise_span(L, arg, i, n, count);
    return (size_t)offset;
}

/* Makes a negative position count from the start; one before the start becomes
 * 0. */
static lua_Unsigned from_start(lua_Integer i, size_t count)
{
    if (i >= 0)
        return (lua_Unsigned)i;
    return 0 - (lua_Unsigned)i > count ? 0 : count + (lua_Unsigned)i + 1;
}

size_t mlua_clamp(lua_Integer from, lua_Integer to, size_t count,
                  size_t *offset)
{
    lua_Unsigned first = from_start(from, count);
    lua_Unsigned last = from_start(to, count);
    if (first == 0)
        first = 1;
    if (last > count)
        last = count;
    if (first > last) {
        *offset = first > count ? count : (size_t)first - 1;
        return 0;
    }
    *offset = (size_t)first - 1;
    return (size_t)(last - first + 1);
}

size_t mlua_opt_range(lua_State *L, int arg, size_t count, size_t *offset)
{
    lua_Integer from = mlua_opt_integer(L, arg, 1);
    return mlua_clamp(from, mlua_opt_integer(L, arg + 1, -1), count, offset);
}
