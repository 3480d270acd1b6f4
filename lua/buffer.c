/* Memory that C libraries lend each other, by luabuffer.h: ours, that of a
 * view, Array or Records, and theirs, for an argument of ours. A lease of our
 * memory is an export. */
#include <luabuffer.h>
#include <string.h>

#include "typed.h"

/* Writes the message, and returns the code of luabuffer.h. */
static int fail(luabuffer_lease *lease, const mapped_error *error)
{
    mapped_error_message(error, lease->message, sizeof lease->message);
    switch (error->status) {
    case MAPPED_CLOSED:
        return LUABUFFER_CLOSED;
    case MAPPED_READONLY:
        return LUABUFFER_READONLY;
    case MAPPED_FAULT:
        return LUABUFFER_LOST;
    default:
        return LUABUFFER_FAILED;
    }
}

/* Begins a lease of these bytes; `storage` keeps the export. */
static int begin(mapped_slice slice, unsigned flags, luabuffer_lease *lease)
{
    mapped_export export;
    mapped_error error;
    mapped_status status = MAPPED_OK;
    _Static_assert(sizeof export <= sizeof lease->storage, "no room");
    if (flags & LUABUFFER_WRITE)
        status = mapped_slice_check_writable(slice, &error);
    if (status == MAPPED_OK)
        status = mapped_export_begin(slice, &export, &error);
    if (status != MAPPED_OK)
        return fail(lease, &error);
    lease->data = export.data;
    lease->length = slice.length;
    lease->readonly = mapped_slice_readonly(slice);
    memcpy(lease->storage, &export, sizeof export);
    return LUABUFFER_OK;
}

static int begin_view(lua_State *L, int index, unsigned flags,
                      luabuffer_lease *lease)
{
    return begin(mlua_view_bytes(lua_touserdata(L, index)), flags, lease);
}

static int begin_array(lua_State *L, int index, unsigned flags,
                       luabuffer_lease *lease)
{
    const mlua_array *array = lua_touserdata(L, index);
    if (mlua_is_strided(array)) {
        strcpy(lease->message, "the elements of a column lie apart");
        return LUABUFFER_FAILED;
    }
    return begin(array->bytes, flags, lease);
}

static int end(luabuffer_lease *lease)
{
    mapped_export export;
    mapped_error error;
    mapped_status status;
    memcpy(&export, lease->storage, sizeof export);
    status = mapped_export_end(&export, &error);
    /* The export knows that it has ended, and refuses to end again. */
    memcpy(lease->storage, &export, sizeof export);
    return status == MAPPED_OK ? LUABUFFER_OK : fail(lease, &error);
}

void mlua_copy_foreign(lua_State *L, int arg)
{
    luabuffer_lease *lease;
    if (!luabuffer_lends(L, arg))
        return;
    lease = luabuffer_hold(L, arg, 0); /* pushes it */
    lua_pushlstring(L, lease->data, lease->length);
    if (luabuffer_end(lease) != LUABUFFER_OK)
        luaL_error(L, "%s", lease->message);
    lua_replace(L, arg);
    lua_pop(L, 1); /* the lease */
}

void mlua_register_buffers(lua_State *L)
{
    static const luabuffer_provider views = {sizeof views, begin_view, end};
    static const luabuffer_provider arrays = {sizeof arrays, begin_array, end};
    luabuffer_register(L, MLUA_REGION, &views);
    luabuffer_register(L, MLUA_SLICE, &views);
    luabuffer_register(L, MLUA_ARRAY, &arrays);
    luabuffer_register(L, MLUA_RECORDS, &arrays);
}
