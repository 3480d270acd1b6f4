/* The methods file and write_to of a view, which is a Region or a Slice of one.
 *
 * write_to writes the view's bytes to a file handle or descriptor. file returns
 * a handle of the io library whose FILE reads and writes the bytes.
 *
 * The FILE works with memory that must stay until it is closed. That memory is
 * a second userdata, the Stream, which no script sees. The handle keeps the
 * Stream as its only user value; the Stream keeps the Region, as
 * MLUA_USER_OWNER, and the handle. So all become garbage together.
 *
 * The FILE is closed by whichever comes first: a script, the io library's
 * finalizer of the handle (which a script can remove), the Stream's finalizer,
 * or, for objects that are made too late to be finalized while the state
 * closes, the list of resources (resources.c). Each marks the handle closed, so
 * the others do nothing. */
#include <limits.h>

#include "mapped_lua.h"

/* The last user value of a Stream, after MLUA_USER_OWNER; and the only one of a
 * handle. */
enum {
    HANDLE_OF_STREAM = MLUA_USER_OWNER + 1,
    STREAM_OF_HANDLE = 1
};

typedef struct mlua_stream {
    mlua_resource resource; /* first: a pointer to it is one to the Stream */
    luaL_Stream *handle;    /* user value HANDLE_OF_STREAM */
    mapped_stream core;     /* what the FILE works with */
} mlua_stream;

static void free_stream(mlua_resource *resource)
{
    mlua_close_handle(((mlua_stream *)resource)->handle);
}

static int stream_gc(lua_State *L)
{
    mlua_stream *self = mlua_test(L, 1, MLUA_STREAM);
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Stream");
    mlua_remove_resource(&self->resource); /* nothing if it isn't in the list */
    free_stream(&self->resource);
    return 0;
}

const luaL_Reg mlua_stream_meta[] = {{"__gc", stream_gc}, {NULL, NULL}};

/* Pushes a closed handle with a new Stream, for the view at argument 1, and
 * returns the Stream. Leaves the Stream below the handle. Like mlua_push_handle
 * it returns NULL and pushes nil, a message and errno if there can't be a
 * handle. */
static mlua_stream *push_handle_with_stream(lua_State *L)
{
    mlua_stream *stream =
        lua_newuserdatauv(L, sizeof *stream, HANDLE_OF_STREAM);
    const int stream_index = lua_gettop(L);
    *stream = (mlua_stream){.handle = NULL};
    mlua_set_owner(L, 1);
    stream->handle = mlua_push_handle(L);
    if (stream->handle == NULL)
        return NULL;
    lua_pushvalue(L, stream_index);
    lua_setiuservalue(L, -2, STREAM_OF_HANDLE);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, stream_index, HANDLE_OF_STREAM);
    /* The metatable comes last: the finalizer needs a handle to close. */
    lua_pushvalue(L, lua_upvalueindex(MLUA_STREAM));
    lua_setmetatable(L, stream_index);
    return stream;
}

/* file(mode): without a mode, the handle is writable if the bytes are. */
static int view_file(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 2);
    bool is_writable = lua_isnoneornil(L, 2)
                           ? !mapped_slice_readonly(slice)
                           : mlua_check_access(L, 2) == MAPPED_MODE_READ_WRITE;
    mlua_stream *stream = push_handle_with_stream(L);
    FILE *file = NULL;
    bool retried = false;
    mapped_status status;
    mapped_error error;
    if (stream == NULL)
        return 3; /* nil, a message and errno */
    /* At most twice: the second time after a collection. That, like what came
     * before, may have closed the region, so the view is checked each time. */
    do {
        status = mapped_stream_open(mlua_check_view(L, 1), is_writable,
                                    &stream->core, &file, &error);
    } while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    /* Nothing may allocate before the handle has the FILE. */
    mlua_open_handle(stream->handle, file);
    mlua_add_resource(L, &stream->resource, free_stream);
    return 1;
}

/* Writes the bytes of argument 1 to the handle or descriptor at argument 2.
 * Returns the status of the write, and raises for wrong arguments. */
static mapped_status write_to(lua_State *L, size_t *written,
                              mapped_error *error)
{
    mapped_slice slice = mlua_open_self_at_most(L, 2);
    int is_integer;
    lua_Integer descriptor = lua_tointegerx(L, 2, &is_integer);
    if (!is_integer) {
        FILE *file = mlua_check_file(L, 2, "file handle or descriptor");
        return mapped_stream_write(slice, file, written, error);
    }
    luaL_argcheck(L, descriptor >= 0 && descriptor <= INT_MAX, 2,
                  "no descriptor");
    return mapped_descriptor_write(
        slice, mapped_system_descriptor((int)descriptor), written, error);
}

/* Returns the number of bytes written; after an error, that is the fourth
 * result after nil, message and code. */
static int view_write_to(lua_State *L)
{
    size_t written = 0;
    mapped_error error;
    mapped_status status = write_to(L, &written, &error);
    int count = status == MAPPED_OK ? 0 : mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)written);
    return count + 1;
}

const luaL_Reg mlua_stream_methods[] = {
    {"file", view_file}, {"write_to", view_write_to}, {NULL, NULL}};
