/* Turns a status of the core into an error of Lua. No other file does, so that
 * messages are alike: positions count from 1, and texts of a script are cut. */
#include <string.h>

#include "mapped_lua.h"

static bool is_position(mapped_status status)
{
    return status == MAPPED_RANGE || status == MAPPED_FAULT ||
           status == MAPPED_MISALIGNED;
}

#define SHORT_BYTES 60

/* The text may be cut inside of a character of several bytes, which does no
 * harm in Lua. */
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

int mlua_raise_type(lua_State *L, int arg, const char *expected)
{
    /* A method that is called with a dot. */
    const char *hint = arg == 1 && lua_type(L, 1) != LUA_TUSERDATA &&
                               strncmp(expected, "mapped.", 7) == 0
                           ? ": methods are called with ':'"
                           : "";
    lua_pushfstring(L, "%s expected, got %s%s", expected,
                    push_type_name(L, arg), hint);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

bool mlua_opt_boolean(lua_State *L, int arg, bool fallback)
{
    if (lua_isnoneornil(L, arg))
        return fallback;
    if (!lua_isboolean(L, arg))
        mlua_raise_type(L, arg, "boolean");
    return lua_toboolean(L, arg);
}

int mlua_raise_surplus(lua_State *L, int max_count)
{
    lua_Debug call;
    int count = lua_gettop(L);
    if (lua_getstack(L, 0, &call) != 0 && lua_getinfo(L, "n", &call) != 0 &&
        strcmp(call.namewhat, "method") == 0) {
        max_count--; /* The object isn't what a caller counts. */
        count--;
    }
    return luaL_error(L, "%d argument%s expected at most, got %d", max_count,
                      max_count == 1 ? "" : "s", count);
}

/* The text is made without the path, which is put in front of it afterwards, so
 * that nothing in the path is replaced. */
static void push_what(lua_State *L, const mapped_error *error)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error rest = *error;
    if (error->status == MAPPED_PATTERN) {
        /* `operation` is the message that string.find would raise. */
        lua_pushfstring(L, "%s at position %I of the pattern", error->operation,
                        (LUAI_UACINT)error->offset + 1);
        return;
    }
    if (is_position(rest.status))
        rest.offset++;
    rest.path[0] = '\0';
    mapped_error_message(&rest, text, sizeof text);
    lua_pushfstring(L, "%s%s", error->path, error->path[0] != '\0' ? ": " : "");
    if (is_position(rest.status))
        luaL_gsub(L, text, ": offset ", ": position ");
    else
        lua_pushstring(L, text);
    lua_concat(L, 2);
}

/* And then what can be done about it. */
static void push_message(lua_State *L, const mapped_error *error)
{
    const char *hint = mlua_find_hint(L, error);
    push_what(L, error);
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

int mlua_fail(lua_State *L, const mapped_error *error)
{
    if (error->status == MAPPED_TIMEOUT ||
        error->status == MAPPED_INTERRUPTED) {
        luaL_pushfail(L);
        lua_pushstring(L, error->status == MAPPED_TIMEOUT ? "timeout"
                                                          : "interrupted");
        return 2;
    }
    if (!is_expected(error->status))
        return mlua_raise(L, error);
    luaL_pushfail(L);
    push_message(L, error);
    lua_pushinteger(L, error->os_error != 0 ? error->os_error
                                            : (int)error->status);
    return 3;
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
    if (status != MAPPED_FAULT)
        return mlua_result(L, status, error);
    luaL_pushfail(L);
    push_message(L, error);
    lua_pushinteger(L, error->os_error);
    return 3;
}
