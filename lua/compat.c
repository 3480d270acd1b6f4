/* The functions that compat.h gives to Luas older than 5.4; those for integers
 * are in integers.c. */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* The table of a userdata's user values. */
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

/* Adds what `kind`, the character after a "%", stands for. */
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

/* lua_pushvfstring, which knows no "%I" in Lua 5.1 and 5.2. */
static const char *push_vformat(lua_State *L, const char *format,
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
    text = push_vformat(L, format, &arguments);
    va_end(arguments);
    return text;
}

int mlua_raise_format(lua_State *L, const char *format, ...)
{
    va_list arguments;
    luaL_where(L, 1);
    va_start(arguments, format);
    push_vformat(L, format, &arguments);
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
