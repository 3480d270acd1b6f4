/* flush: what a Region or Slice has reaches the disk. That it doesn't is no
 * fault of the caller's, so the method returns nil and a message then. */
#include "mapped_lua.h"

static int view_flush(lua_State *L)
{
    static const char *const names[] = {"wait", NULL};
    unsigned flags;
    mapped_error error;
    mapped_status status;
    bool tried = false;
    mlua_open_self(L, 2);
    mlua_check_options(L, 2, names);
    flags = mlua_get_flag(L, 2, "wait", true) ? 0 : MAPPED_FLUSH_START;
    do
        status = mapped_flush(mlua_check_view(L, 1), flags, &error);
    while (mlua_collects(L, status, &error, &tried));
    if (status == MAPPED_FAULT)
        return mlua_fail_fault(L, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushboolean(L, true);
    return 1;
}

const luaL_Reg mlua_flush_methods[] = {{"flush", view_flush}, {NULL, NULL}};
