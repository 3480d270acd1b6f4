/* Lends the memory of a Region, Slice, Array or Records to other C libraries,
 * as luabuffer.h has it. A lease is an export. */
#include <luabuffer.h>
#include <string.h>

#include "typed.h"

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

/* Begins a lease of these bytes. */
static int begin(mapped_slice slice, unsigned flags, luabuffer_lease *lease)
{
    mapped_export made;
    mapped_error error;
    bool is_readonly;
    _Static_assert(sizeof made <= sizeof lease->storage, "no room");
    mapped_status status = mapped_export_begin(slice, &made, &error);
    if (status != MAPPED_OK)
        return fail(lease, &error);
    is_readonly = mapped_slice_readonly(slice);
    if (is_readonly && flags & LUABUFFER_WRITE) {
        status = mapped_export_end(&made, NULL);
        (void)status;
        mapped_error_set(&error, MAPPED_READONLY, "lease");
        return fail(lease, &error);
    }
    lease->data = made.data;
    lease->length = slice.length;
    lease->readonly = is_readonly;
    memcpy(lease->storage, &made, sizeof made);
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
    mapped_export made;
    mapped_error error;
    memcpy(&made, lease->storage, sizeof made);
    mapped_status status = mapped_export_end(&made, &error);
    memcpy(lease->storage, &made, sizeof made); /* of which no end is left */
    return status == MAPPED_OK ? LUABUFFER_OK : fail(lease, &error);
}

void mlua_copy_foreign(lua_State *L, int arg)
{
    const luabuffer_lease *lease;
    if (!luabuffer_lends(L, arg))
        return;
    lease = luabuffer_hold(L, arg, 0);
    lua_pushlstring(L, lease->data, lease->length);
    if (luabuffer_end(lua_touserdata(L, -2)) != LUABUFFER_OK)
        luaL_error(L, "%s", lease->message);
    lua_replace(L, arg);
    lua_pop(L, 1);
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
