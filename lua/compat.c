/* The functions that compat.h gives to Luas older than 5.4. */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#if LUA_VERSION_NUM < 502
#    define push_values lua_getfenv
#    define set_values lua_setfenv
#elif LUA_VERSION_NUM < 504
#    define push_values lua_getuservalue
#    define set_values lua_setuservalue
#endif

#if LUA_VERSION_NUM < 504

void *mlua_new_userdata(lua_State *L, size_t size, int values)
{
    void *memory = lua_newuserdata(L, size);
    /* Without a table of its own it would have, in Lua 5.1, the globals. */
    lua_createtable(L, values, 0);
    set_values(L, -2);
    return memory;
}

int mlua_get_user_value(lua_State *L, int index, int n)
{
    push_values(L, index);
    lua_rawgeti(L, -1, n);
    lua_remove(L, -2);
    return lua_type(L, -1);
}

int mlua_set_user_value(lua_State *L, int index, int n)
{
    push_values(L, index);
    lua_insert(L, -2);
    lua_rawseti(L, -2, n);
    lua_pop(L, 1);
    return 1;
}

/* Lua 5.1 can't tell whether its collector runs, so it counts as running. */
int mlua_gc(lua_State *L, int what, int data)
{
    int result = (lua_gc)(L, what, data);
    return what == LUA_GCISRUNNING && result < 0 ? 1 : result;
}

#endif

#if LUA_VERSION_NUM < 503

#    define INT64_LIMIT 9223372036854775808.0 /* 2^63 */

static void add_argument(luaL_Buffer *buffer, char kind, va_list *arguments)
{
    char text[32];
    const char *string;
    switch (kind) {
    case 's':
        string = va_arg(*arguments, const char *);
        luaL_addstring(buffer, string != NULL ? string : "(null)");
        return;
    case 'c':
        luaL_addchar(buffer, (char)va_arg(*arguments, int));
        return;
    case 'd':
        snprintf(text, sizeof text, "%d", va_arg(*arguments, int));
        break;
    case 'p':
        snprintf(text, sizeof text, "%p", va_arg(*arguments, void *));
        break;
    case 'I':
        snprintf(text, sizeof text, "%lld", va_arg(*arguments, LUAI_UACINT));
        break;
    default: /* %% */
        luaL_addchar(buffer, '%');
        return;
    }
    luaL_addstring(buffer, text);
}

static const char *push_arguments(lua_State *L, const char *format,
                                  va_list *arguments)
{
    luaL_Buffer buffer;
    const char *special;
    luaL_buffinit(L, &buffer);
    while ((special = strchr(format, '%')) != NULL) {
        luaL_addlstring(&buffer, format, (size_t)(special - format));
        add_argument(&buffer, special[1], arguments);
        format = special + 2;
    }
    luaL_addstring(&buffer, format);
    luaL_pushresult(&buffer);
    return lua_tostring(L, -1);
}

const char *mlua_push_format(lua_State *L, const char *format, ...)
{
    va_list arguments;
    const char *text;
    va_start(arguments, format);
    text = push_arguments(L, format, &arguments);
    va_end(arguments);
    return text;
}

int mlua_raise_format(lua_State *L, const char *format, ...)
{
    va_list arguments;
    luaL_where(L, 1);
    va_start(arguments, format);
    push_arguments(L, format, &arguments);
    va_end(arguments);
    lua_concat(L, 2);
    return lua_error(L);
}

int mlua_get_index(lua_State *L, int index, lua_Integer i)
{
    index = lua_absindex(L, index);
    lua_pushinteger(L, i);
    lua_gettable(L, index);
    return lua_type(L, -1);
}

#    define SPACE " \f\n\r\t\v"

/* The digits of a string of this length, or of what LuaJIT writes for its
 * integers. A 0 in front makes no octal number, as in Lua. */
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

/* A string of digits without a fraction, or a cdata. */
static bool to_int64_text(lua_State *L, int index, bool is_unsigned,
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
    text = luaL_tolstring(L, index, &length);
    is_valid = parse(text, length, is_unsigned, value);
    lua_pop(L, 1);
    return is_valid;
}

uint64_t mlua_to_int64(lua_State *L, int index, bool is_unsigned, int *is_valid)
{
    const lua_Number n = lua_tonumber(L, index);
    uint64_t value = 0, exact;
    *is_valid = 1;
    if (n >= -INT64_LIMIT && n < INT64_LIMIT)
        value = (uint64_t)(int64_t)n;
    else if (is_unsigned && n >= INT64_LIMIT && n < 2 * INT64_LIMIT)
        value = (uint64_t)n;
    else
        *is_valid = 0;
    if (MAPPED__LIKELY(lua_type(L, index) == LUA_TNUMBER)) {
        *is_valid &= (n < INT64_LIMIT ? (lua_Number)(int64_t)value
                                      : (lua_Number)value) == n;
        return value;
    }
    if (to_int64_text(L, index, is_unsigned, &exact)) {
        *is_valid = 1;
        return exact;
    }
    *is_valid &= lua_isnumber(L, index) &&
                 (lua_Number)(int64_t)n == n; /* as "1e3" or "2.0" */
    return value;
}

lua_Integer mlua_to_integer(lua_State *L, int index, int *is_integer)
{
    lua_Integer i = (lua_Integer)mlua_to_int64(L, index, false, is_integer);
    return *is_integer ? i : 0;
}

/* Pushes the function that makes a cdata of the 8 bytes at an address, or false
 * if there is no FFI. */
static bool push_maker(lua_State *L)
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

static void push_inexact(lua_State *L, uint64_t bits, bool is_unsigned)
{
    char text[32];
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (push_maker(L)) {
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
        push_inexact(L, bits, is_unsigned);
}

#endif

#if LUA_VERSION_NUM < 502

/* The library `jit` is loaded in LuaJIT alone. */
bool mlua_is_luajit(lua_State *L)
{
    const int top = lua_gettop(L);
    bool found;
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    found = lua_istable(L, -1) && lua_getfield(L, -1, "jit") == LUA_TTABLE;
    lua_settop(L, top);
    return found;
}

lua_Number mlua_to_number(lua_State *L, int index, int *is_number)
{
    *is_number = lua_isnumber(L, index);
    return lua_tonumber(L, index);
}

int mlua_abs_index(lua_State *L, int index)
{
    if (index < 0 && index > LUA_REGISTRYINDEX)
        return lua_gettop(L) + index + 1;
    return index;
}

lua_Integer mlua_len(lua_State *L, int index)
{
    lua_Integer length;
    int is_integer;
    if (!luaL_callmeta(L, index, "__len"))
        return (lua_Integer)lua_objlen(L, index);
    length = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer)
        luaL_error(L, "object length is not an integer");
    lua_pop(L, 1);
    return length;
}

const char *mlua_tostring(lua_State *L, int index, size_t *length)
{
    index = lua_absindex(L, index);
    if (luaL_callmeta(L, index, "__tostring")) {
        if (!lua_isstring(L, -1))
            luaL_error(L, "'__tostring' must return a string");
        return lua_tolstring(L, -1, length);
    }
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    default:
        lua_pushfstring(L, "%s: %p", luaL_typename(L, index),
                        lua_topointer(L, index));
    }
    return lua_tolstring(L, -1, length);
}

void *mlua_test_userdata(lua_State *L, int index, const char *name)
{
    void *memory = lua_touserdata(L, index);
    if (memory == NULL || !lua_getmetatable(L, index))
        return NULL;
    luaL_getmetatable(L, name);
    if (!lua_rawequal(L, -1, -2))
        memory = NULL;
    lua_pop(L, 2);
    return memory;
}

void mlua_set_functions(lua_State *L, const luaL_Reg *list, int upvalues)
{
    luaL_checkstack(L, upvalues + 1, "too many upvalues");
    for (; list->name != NULL; list++) {
        int i;
        for (i = 0; i < upvalues; i++)
            lua_pushvalue(L, -upvalues);
        lua_pushcclosure(L, list->func, upvalues);
        lua_setfield(L, -(upvalues + 2), list->name);
    }
    lua_pop(L, upvalues);
}

int mlua_file_result(lua_State *L, int ok, const char *path)
{
    const int code = errno;
    if (ok) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s%s%s", path != NULL ? path : "",
                    path != NULL ? ": " : "", strerror(code));
    lua_pushinteger(L, code);
    return 3;
}

/* A buffer has one slot of the stack, which holds its userdata, or nil. */
void mlua_buffer_init(lua_State *L, mlua_buffer *buffer)
{
    lua_pushnil(L);
    buffer->L = L;
    buffer->bytes = buffer->room;
    buffer->length = 0;
    buffer->size = sizeof buffer->room;
    buffer->index = lua_gettop(L);
}

char *mlua_buffer_room(mlua_buffer *buffer, size_t n)
{
    size_t size = buffer->size;
    char *bytes;
    if (n <= size - buffer->length)
        return buffer->bytes + buffer->length;
    if (size > SIZE_MAX / 2 || n > SIZE_MAX / 2 - buffer->length)
        luaL_error(buffer->L, "buffer too large");
    size = 2 * size > buffer->length + n ? 2 * size : buffer->length + n;
    bytes = lua_newuserdata(buffer->L, size);
    memcpy(bytes, buffer->bytes, buffer->length);
    lua_replace(buffer->L, buffer->index);
    buffer->bytes = bytes;
    buffer->size = size;
    return buffer->bytes + buffer->length;
}

char *mlua_buffer_init_size(lua_State *L, mlua_buffer *buffer, size_t n)
{
    mlua_buffer_init(L, buffer);
    return mlua_buffer_room(buffer, n);
}

void mlua_buffer_add(mlua_buffer *buffer, const char *text, size_t length)
{
    memcpy(mlua_buffer_room(buffer, length), text, length);
    buffer->length += length;
}

void mlua_buffer_add_string(mlua_buffer *buffer, const char *text)
{
    mlua_buffer_add(buffer, text, strlen(text));
}

void mlua_buffer_add_value(mlua_buffer *buffer)
{
    size_t length;
    const char *text = lua_tolstring(buffer->L, -1, &length);
    mlua_buffer_add(buffer, text, length);
    lua_pop(buffer->L, 1);
}

void mlua_buffer_push(mlua_buffer *buffer)
{
    lua_pushlstring(buffer->L, buffer->bytes, buffer->length);
    lua_replace(buffer->L, buffer->index);
}

void mlua_buffer_push_size(mlua_buffer *buffer, size_t n)
{
    buffer->length += n;
    mlua_buffer_push(buffer);
}

#endif
