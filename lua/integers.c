/* 64-bit integers for Luas that have none: 5.1, 5.2 and LuaJIT.
 *
 * A value up to 2^53 is a number. A larger one is a string of its digits or, in
 * LuaJIT, a cdata of its FFI; both are arguments, too. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !MLUA_HAS_INTEGERS

#    define INT64_LIMIT 9223372036854775808.0 /* 2^63 */
#    define SPACE " \f\n\r\t\v"

/* Reads an integer of decimal or hexadecimal digits, which may end with the LL
 * or ULL that LuaJIT writes. A 0 in front makes no octal number, as in Lua. */
static bool parse(const char *text, size_t length, bool is_unsigned,
                  uint64_t *value)
{
    const char *const limit = text + length;
    const char *digits = text + strspn(text, SPACE);
    const bool is_negative = *digits == '-';
    int base;
    char *end;
    digits += *digits == '-' || *digits == '+';
    base = digits[0] == '0' && (digits[1] | 32) == 'x' ? 16 : 10;
    errno = 0;
    if (is_unsigned && !is_negative)
        *value = strtoull(text, &end, base);
    else
        *value = (uint64_t)strtoll(text, &end, base);
    if (end == text || errno != 0)
        return false;
    if (strncmp(end, "ULL", 3) == 0)
        return end + 3 == limit && (is_unsigned || (int64_t)*value >= 0);
    if (strncmp(end, "LL", 2) == 0)
        end += 2;
    return end + strspn(end, SPACE) == limit;
}

/* The value of a string of digits without a fraction, or of a cdata. */
static bool from_text(lua_State *L, int index, bool is_unsigned,
                      uint64_t *value)
{
    const char *text;
    size_t length;
    bool is_valid;
    index = lua_absindex(L, index);
    if (lua_type(L, index) == LUA_TSTRING) {
        text = lua_tolstring(L, index, &length);
        return parse(text, length, is_unsigned, value);
    }
    if (strcmp(luaL_typename(L, index), "cdata") != 0)
        return false;
    text = luaL_tolstring(L, index, &length); /* pushes it */
    is_valid = parse(text, length, is_unsigned, value);
    lua_pop(L, 1);
    return is_valid;
}

static bool from_number(lua_Number n, bool is_unsigned, uint64_t *value)
{
    if (n >= -INT64_LIMIT && n < INT64_LIMIT) {
        *value = (uint64_t)(int64_t)n;
        return (lua_Number)(int64_t)n == n;
    }
    if (is_unsigned && n >= INT64_LIMIT && n < 2 * INT64_LIMIT) {
        *value = (uint64_t)n;
        return true;
    }
    return false;
}

uint64_t mlua_to_int64(lua_State *L, int index, bool is_unsigned, int *is_valid)
{
    uint64_t value = 0;
    if (MAPPED__LIKELY(lua_type(L, index) == LUA_TNUMBER))
        *is_valid = from_number(lua_tonumber(L, index), is_unsigned, &value);
    else /* A text such as "1e3" or "2.0" is a number, too. */
        *is_valid = from_text(L, index, is_unsigned, &value) ||
                    (lua_isnumber(L, index) &&
                     from_number(lua_tonumber(L, index), is_unsigned, &value));
    return value;
}

lua_Integer mlua_to_integer(lua_State *L, int index, int *is_integer)
{
    lua_Integer i = (lua_Integer)mlua_to_int64(L, index, false, is_integer);
    return *is_integer ? i : 0;
}

/* Pushes a Lua function that returns the 8 bytes at an address as a cdata, and
 * returns true; or pushes and returns false if there is no FFI. */
static bool push_cdata_loader(lua_State *L)
{
    static const char source[] =
        "local ok, ffi = pcall(require, 'ffi')\n"
        "if not jit or not ok then return false end\n"
        "local int64 = ffi.typeof 'const int64_t *'\n"
        "local uint64 = ffi.typeof 'const uint64_t *'\n"
        "return function(address, is_unsigned)\n"
        "  return ffi.cast(is_unsigned and uint64 or int64, address)[0]\n"
        "end";
    static const char key = 0;
    lua_pushlightuserdata(L, (void *)&key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        if (luaL_loadbuffer(L, source, sizeof source - 1, "=mapped") != 0)
            lua_error(L);
        lua_call(L, 0, 1);
        lua_pushlightuserdata(L, (void *)&key);
        lua_pushvalue(L, -2);
        lua_rawset(L, LUA_REGISTRYINDEX);
    }
    return lua_toboolean(L, -1);
}

/* Pushes an integer that no number can be. */
static void push_large(lua_State *L, uint64_t bits, bool is_unsigned)
{
    char text[32];
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (push_cdata_loader(L)) {
        lua_pushlightuserdata(L, &bits);
        lua_pushboolean(L, is_unsigned);
        lua_call(L, 2, 1);
        return;
    }
    lua_pop(L, 1);
    snprintf(text, sizeof text, is_unsigned ? "%llu" : "%lld",
             (unsigned long long)bits);
    lua_pushstring(L, text);
}

void mlua_push_int64(lua_State *L, uint64_t bits, bool is_unsigned)
{
    if (!mlua_push_exact(L, bits, is_unsigned))
        push_large(L, bits, is_unsigned);
}

#endif
