/* The methods file and write_to: handles of the io library over our bytes, and
 * our bytes written to handles and descriptors.
 *
 * A handle is a userdata with the io library's metatable, whose `__gc` a script
 * may remove. So the stream belongs to a second userdata, a Stream, with a
 * metatable of ours. The handle keeps the Stream as user value 1; the Stream
 * keeps the Region, whose memory it borrows, as user value 1 and the handle as
 * user value 2. So both become garbage together, and either may be finalized
 * first: that one closes the stream, and marks the handle as closed. No script
 * sees a Stream. */
#include <limits.h>

#include "mapped_lua.h"

typedef struct mlua_stream {
    mlua_resource resource; /* first: a pointer to it is one to the Stream */
    luaL_Stream *handle;
    FILE *file; /* what `handle` has while it is open */
    mapped_stream core;
} mlua_stream;

/* What io.open makes, and the Stream. */
typedef struct mlua_handle {
    luaL_Stream base; /* first: what the io library knows */
    mlua_stream *stream;
} mlua_handle;

static void mark_closed(luaL_Stream *handle)
{
    handle->f = NULL;
#if LUA_VERSION_NUM >= 502
    handle->closef = NULL;
#endif
}

/* The io library calls this to close a handle, after it has cleared `closef`,
 * but not `f`. There are no upvalues here to check the type with; argument 1 is
 * always the handle. */
static int close_handle(lua_State *L)
{
    mlua_handle *handle = lua_touserdata(L, 1);
    FILE *file = handle->base.f;
    mlua_remove_resource(&handle->stream->resource);
    mark_closed(&handle->base);
    return luaL_fileresult(L, fclose(file) == 0, NULL);
}

static void free_stream(mlua_resource *resource)
{
    const mlua_stream *self = (mlua_stream *)resource;
    if (self->file == NULL || self->handle->f != self->file)
        return; /* was never opened, or LuaJIT has closed the handle itself */
    mark_closed(self->handle);
    fclose(self->file);
}

static int stream_gc(lua_State *L)
{
    mlua_stream *self = mlua_test(L, 1, MLUA_STREAM);
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Stream");
    mlua_remove_resource(&self->resource);
    free_stream(&self->resource);
    return 0;
}

const luaL_Reg mlua_stream_meta[] = {{"__gc", stream_gc}, {NULL, NULL}};

/* Tells Lua 5.1 how the handle on top of the stack is closed: it looks for that
 * into the userdata's environment, which has its user values, too. */
static void add_closer(lua_State *L)
{
#if LUA_VERSION_NUM < 502
    lua_getfenv(L, -1);
    lua_pushcfunction(L, close_handle);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
#endif
    (void)L;
}

/* Pushes a handle that is closed, with room for one user value. */
static luaL_Stream *push_closed_handle(lua_State *L, mlua_stream *stream)
{
    mlua_handle *handle;
    if (luaL_getmetatable(L, LUA_FILEHANDLE) != LUA_TTABLE)
        luaL_error(L, "no handles: the io library is not loaded");
    handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (mlua_handle){.stream = stream};
    add_closer(L);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    return &handle->base;
}

#if LUA_VERSION_NUM < 502

/* How a handle of LuaJIT begins. It closes a file by fclose if `kind` is 0;
 * those of popen and the standard ones have other kinds. */
typedef struct luajit_handle {
    luaL_Stream base;
    uint32_t kind;
} luajit_handle;

/* LuaJIT accepts only handles that its own io.open has made. So this opens
 * /dev/null with it, closes the file, and reuses the handle. LuaJIT sets the
 * first member to NULL when it closes one. Returns NULL if io.open failed; its
 * nil, message and errno are on top of the stack then. */
static luaL_Stream *push_luajit_handle(lua_State *L)
{
    luajit_handle *handle;
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    if (lua_getfield(L, -1, LUA_IOLIBNAME) != LUA_TTABLE)
        luaL_error(L, "no handles: the io library is not loaded");
    lua_getfield(L, -1, "open");
    if (!lua_iscfunction(L, -1))
        luaL_error(L, "no handles: io.open is not LuaJIT's own");
    lua_pushliteral(L, "/dev/null");
    lua_call(L, 1, 3);
    if (lua_isnil(L, -3))
        return NULL;
    lua_pop(L, 2);
    handle = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (handle == NULL)
        luaL_error(L, "no handles: the io library is not loaded");
    if (lua_rawlen(L, -1) < sizeof *handle || handle->base.f == NULL ||
        handle->kind != 0)
        luaL_error(L, "no handles: io.open is not LuaJIT's own");
    fclose(handle->base.f);
    handle->base.f = NULL;
    lua_createtable(L, 1, 0);
    lua_setfenv(L, -2);
    return &handle->base;
}

static luaL_Stream *push_any_handle(lua_State *L, mlua_stream *stream)
{
    return mlua_is_luajit(L) ? push_luajit_handle(L)
                             : push_closed_handle(L, stream);
}

#else
#    define push_any_handle push_closed_handle
#endif

/* To be called right after mapped_stream_open. It allocates nothing, so no
 * finalizer runs before the handle has the file. */
static void open_handle(mlua_stream *stream, FILE *file)
{
    stream->file = stream->handle->f = file;
#if LUA_VERSION_NUM >= 502
    stream->handle->closef = close_handle;
#endif
}

/* Pushes a closed handle of a new Stream of the object at argument 1 and
 * returns the Stream. Returns NULL if LuaJIT's io.open failed; its nil, message
 * and errno are on top of the stack then. */
static mlua_stream *push_stream(lua_State *L)
{
    mlua_stream *stream = lua_newuserdatauv(L, sizeof *stream, 2);
    const int at = lua_gettop(L);
    *stream = (mlua_stream){.handle = NULL};
    mlua_push_owner(L, 1);
    lua_setiuservalue(L, at, 1);
    stream->handle = push_any_handle(L, stream);
    if (stream->handle == NULL)
        return NULL;
    lua_pushvalue(L, at);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, at, 2);
    lua_pushvalue(L, lua_upvalueindex(MLUA_STREAM));
    lua_setmetatable(L, at);
    return stream;
}

/* Should the handle be writable? Argument 2, "r" or "r+", decides; without it,
 * whether the bytes can be written. */
static bool is_for_writing(lua_State *L)
{
    return lua_isnoneornil(L, 2)
               ? !mapped_slice_readonly(mlua_check_view(L, 1))
               : mlua_check_access(L, 2) == MAPPED_MODE_READ_WRITE;
}

static int view_file(lua_State *L)
{
    mlua_stream *stream;
    mapped_status status;
    mapped_error error;
    FILE *file = NULL;
    bool is_writable, retried = false;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    is_writable = is_for_writing(L);
    stream = push_stream(L);
    if (stream == NULL)
        return 3; /* nil, message and errno of io.open */
    do
        status = mapped_stream_open(mlua_check_view(L, 1), is_writable,
                                    &stream->core, &file, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    open_handle(stream, file);
    mlua_add_resource(L, &stream->resource, free_stream);
    return 1;
}

/* Writes the bytes of argument 1 to the handle or descriptor at argument 2.
 * Both are checked anew: a finalizer may have closed either since the last
 * check. */
static mapped_status write_out(lua_State *L, size_t *written,
                               mapped_error *error)
{
    int is_integer;
    lua_Integer descriptor = lua_tointegerx(L, 2, &is_integer);
    FILE *file;
    if (is_integer) {
        luaL_argcheck(L, descriptor >= 0 && descriptor <= INT_MAX, 2,
                      "no descriptor");
        return mapped_descriptor_write(
            mlua_check_view(L, 1), mapped_system_descriptor((int)descriptor),
            written, error);
    }
    if (luaL_testudata(L, 2, LUA_FILEHANDLE) == NULL)
        mlua_raise_type(L, 2, "file handle or descriptor");
    file = mlua_check_stream(L, 2);
    return mapped_stream_write(mlua_check_view(L, 1), file, written, error);
}

static int view_write_to(lua_State *L)
{
    size_t written = 0;
    mapped_error error;
    int count;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    if (write_out(L, &written, &error) == MAPPED_OK) {
        lua_pushinteger(L, (lua_Integer)written);
        return 1;
    }
    count = mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)written);
    return count + 1;
}

const luaL_Reg mlua_stream_methods[] = {
    {"file", view_file}, {"write_to", view_write_to}, {NULL, NULL}};
