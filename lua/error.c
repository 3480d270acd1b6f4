/* Errors of Lua: about arguments, and of a status of the core. No other file
 * makes one of a status, so that messages are alike: positions count from 1,
 * and texts of a script are cut. */
#include <string.h>

#include "mapped_lua.h"

/* Texts of a script are cut to that length, maybe inside of a character. */
#define SHORT_BYTES 60

const char *mlua_push_short(lua_State *L, int arg)
{
    size_t length;
    const char *text = luaL_tolstring(L, arg, &length);
    if (length <= SHORT_BYTES)
        return text;
    lua_pushlstring(L, text, SHORT_BYTES);
    lua_pushliteral(L, "...");
    lua_concat(L, 2);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

static const char *push_type_name(lua_State *L, int arg)
{
    if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING)
        return mlua_push_short(L, -1);
    return lua_islightuserdata(L, arg) ? "light userdata"
                                       : luaL_typename(L, arg);
}

static int raise_type(lua_State *L, int arg, const char *expected,
                      const char *hint)
{
    return luaL_argerror(L, arg,
                         lua_pushfstring(L, "%s expected, got %s%s", expected,
                                         push_type_name(L, arg), hint));
}

int mlua_raise_type(lua_State *L, int arg, const char *expected)
{
    const bool lacks_object = arg == 1 && lua_type(L, 1) != LUA_TUSERDATA &&
                              strncmp(expected, "mapped.", 7) == 0;
    return raise_type(L, arg, expected,
                      lacks_object ? ": methods are called with ':'" : "");
}

int mlua_raise_type_plain(lua_State *L, int arg, const char *expected)
{
    return raise_type(L, arg, expected, "");
}

int mlua_raise_surplus(lua_State *L, int max_count)
{
    lua_Debug call;
    int count = lua_gettop(L);
    if (lua_getstack(L, 0, &call) != 0 && lua_getinfo(L, "n", &call) != 0 &&
        strcmp(call.namewhat, "method") == 0) {
        max_count--; /* A caller doesn't count the object. */
        count--;
    }
    return luaL_error(L, "%d argument%s expected at most, got %d", max_count,
                      max_count == 1 ? "" : "s", count);
}

static bool has_offset(mapped_status status)
{
    return status == MAPPED_RANGE || status == MAPPED_FAULT ||
           status == MAPPED_MISALIGNED;
}

/* Pushes what the core says about the error, with a position in the place of an
 * offset. The path is put in front afterwards, so that nothing in it is
 * replaced. */
static void push_text(lua_State *L, const mapped_error *error)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error copy = *error;
    if (error->status == MAPPED_PATTERN) {
        /* `operation` is the message that string.find would raise. */
        lua_pushfstring(L, "%s at position %I of the pattern", error->operation,
                        (LUAI_UACINT)error->offset + 1);
        return;
    }
    copy.path[0] = '\0';
    copy.offset += has_offset(error->status);
    mapped_error_message(&copy, text, sizeof text);
    lua_pushfstring(L, "%s%s", error->path, error->path[0] != '\0' ? ": " : "");
    if (has_offset(error->status))
        luaL_gsub(L, text, ": offset ", ": position ");
    else
        lua_pushstring(L, text);
    lua_concat(L, 2);
}

/* Pushes the text, and then what can be done about the error. */
static void push_message(lua_State *L, const mapped_error *error)
{
    const char *hint = mlua_find_hint(L, error);
    push_text(L, error);
    if (hint != NULL) {
        lua_pushfstring(L, " (%s)", hint);
        lua_concat(L, 2);
    }
}

void mlua_warn(lua_State *L, const mapped_error *error)
{
    lua_pushliteral(L, "mapped: ");
    push_message(L, error);
    lua_concat(L, 2);
    lua_warning(L, lua_tostring(L, -1), 0);
    lua_pop(L, 1);
}

int mlua_raise_in(lua_State *L, const char *operation, mapped_error *error)
{
    mapped_error_set_operation(error, operation);
    return mlua_raise(L, error);
}

int mlua_raise_closed(lua_State *L)
{
    return luaL_error(L, "%s", mapped_status_text(MAPPED_CLOSED));
}

int mlua_raise(lua_State *L, const mapped_error *error)
{
    if (error->status == MAPPED_CLOSED)
        return mlua_raise_closed(L);
    luaL_where(L, 1);
    push_message(L, error);
    lua_concat(L, 2);
    return lua_error(L);
}

static bool is_expected(mapped_status status)
{
    switch (status) {
    case MAPPED_SYSTEM:
    case MAPPED_BUSY:
    case MAPPED_MEMORY:
    case MAPPED_PAST_END:
    case MAPPED_NOT_A_FILE:
    case MAPPED_UNSUPPORTED:
    case MAPPED_STALE:
        return true;
    default:
        return false;
    }
}

/* As luaL_fileresult: nil, the message and errno, or a status without one. */
static int push_failure(lua_State *L, const mapped_error *error)
{
    luaL_pushfail(L);
    push_message(L, error);
    lua_pushinteger(L, error->os_error != 0 ? error->os_error
                                            : (int)error->status);
    return 3;
}

int mlua_fail(lua_State *L, const mapped_error *error)
{
    if (error->status == MAPPED_TIMEOUT ||
        error->status == MAPPED_INTERRUPTED) {
        luaL_pushfail(L);
        lua_pushstring(L, error->status == MAPPED_TIMEOUT ? "timeout"
                                                          : "interrupted");
        return 2;
    }
    return is_expected(error->status) ? push_failure(L, error)
                                      : mlua_raise(L, error);
}

int mlua_result(lua_State *L, mapped_status status, const mapped_error *error)
{
    if (status != MAPPED_OK)
        return mlua_fail(L, error);
    lua_pushboolean(L, true);
    return 1;
}

int mlua_result_or_fault(lua_State *L, mapped_status status,
                         const mapped_error *error)
{
    return status == MAPPED_FAULT ? push_failure(L, error)
                                  : mlua_result(L, status, error);
}
