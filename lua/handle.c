/* File handles of the io library, in all versions of Lua: those that are
 * arguments, whose FILE or descriptor is used, and new ones for the method
 * file.
 *
 * A handle is a userdata that begins with a luaL_Stream: `f` is its FILE, and
 * from Lua 5.2 on `closef` is the function that closes it, or NULL once it is
 * closed. A handle of ours without a FILE is closed. It is made so, and gets
 * the FILE when that has been opened, so that an error in between loses
 * nothing. */
#include <errno.h>

#include "mapped_lua.h"

static bool is_closed(const luaL_Stream *handle)
{
#if LUA_VERSION_NUM >= 502
    if (handle->closef == NULL)
        return true;
#endif
    return handle->f == NULL; /* from 5.2 on: it never got a FILE */
}

FILE *mlua_check_file(lua_State *L, int arg, const char *expected)
{
    luaL_Stream *handle = luaL_testudata(L, arg, LUA_FILEHANDLE);
    if (handle == NULL)
        mlua_raise_type(L, arg, expected);
    if (is_closed(handle))
        luaL_argerror(L, arg, "attempt to use a closed file");
    return handle->f;
}

mapped_status mlua_flush_to_descriptor(lua_State *L, int arg,
                                       const char *operation,
                                       intptr_t *descriptor,
                                       mapped_error *error)
{
    FILE *file = mlua_check_file(L, arg, MLUA_FILE_TYPES);
    if (fflush(file) != 0) {
        mapped_status status = mapped_error_set_system(error, errno, "fflush");
        mapped_error_set_operation(error, operation);
        return status;
    }
    *descriptor = mapped_system_descriptor(fileno(file));
    return MAPPED_OK;
}

/* The `closef` of our handles. The io library has set that to NULL before it
 * calls this, but not `f`. */
static int close_file(lua_State *L)
{
    luaL_Stream *handle = lua_touserdata(L, 1);
    FILE *file = handle->f;
    handle->f = NULL;
    return luaL_fileresult(L, fclose(file) == 0, NULL);
}

void mlua_open_handle(luaL_Stream *handle, FILE *file)
{
    handle->f = file;
#if LUA_VERSION_NUM >= 502
    handle->closef = close_file;
#endif
}

void mlua_close_handle(luaL_Stream *handle)
{
    FILE *file = handle->f;
    if (file == NULL)
        return;
    handle->f = NULL;
#if LUA_VERSION_NUM >= 502
    handle->closef = NULL;
#endif
    fclose(file);
}

#if LUA_VERSION_NUM < 502

/* How a handle of LuaJIT begins. */
typedef struct luajit_handle {
    luaL_Stream base;
    uint32_t kind; /* 0: fopen's; 1: popen's; 2: a standard file */
} luajit_handle;

/* LuaJIT's methods of files check the type that LuaJIT notes in a userdata, and
 * only its own io library notes the one of a file. So this opens /dev/null with
 * io.open and reuses the handle. The file is closed first: it would be lost
 * when the handle gets the FILE of ours. What else this pushes stays below the
 * handle. */
static luaL_Stream *push_luajit_handle(lua_State *L)
{
    luajit_handle *handle;
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    if (lua_getfield(L, -1, LUA_IOLIBNAME) != LUA_TTABLE ||
        lua_getfield(L, -1, "open") != LUA_TFUNCTION || !lua_iscfunction(L, -1))
        luaL_error(L, "no handles: io.open is not LuaJIT's own");
    lua_pushliteral(L, "/dev/null");
    lua_call(L, 1, 3);
    if (lua_isnil(L, -3))
        return NULL;
    lua_pop(L, 2);
    handle = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (handle == NULL || lua_rawlen(L, -1) < sizeof *handle ||
        handle->base.f == NULL || handle->kind != 0)
        luaL_error(L, "no handles: io.open is not LuaJIT's own");
    fclose(handle->base.f);
    handle->base.f = NULL;
    /* This is where compat.c keeps the user value (see below). */
    lua_createtable(L, 1, 0);
    lua_setfenv(L, -2);
    return &handle->base;
}

#endif

luaL_Stream *mlua_push_handle(lua_State *L)
{
    luaL_Stream *handle;
    if (luaL_getmetatable(L, LUA_FILEHANDLE) != LUA_TTABLE)
        luaL_error(L, "no handles: the io library is not loaded");
#if LUA_VERSION_NUM < 502
    if (mlua_is_luajit(L))
        return push_luajit_handle(L);
#endif
    handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (luaL_Stream){.f = NULL};
#if LUA_VERSION_NUM < 502
    /* Lua 5.1 has no `closef`: it looks into the userdata's environment, where
     * compat.c keeps the user values, too. */
    lua_getfenv(L, -1);
    lua_pushcfunction(L, close_file);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
#endif
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    return handle;
}
