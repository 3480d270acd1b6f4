/* One typed value at a position. */
#include "mapped_lua.h"

static int typed_get(lua_State *L)
{
    mapped_slice slice = mlua_open_self(L, 3);
    const mapped_element *element = mlua_check_element(L, 2);
    size_t offset = mlua_check_span(L, 3, 1, element->size, slice.length);
    mapped_value value;
    mapped_error error;
    if (mapped_get(slice, element, offset, &value, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    mlua_push_value(L, element, value);
    return 1;
}

static int typed_set(lua_State *L)
{
    mapped_slice slice = mlua_open_self(L, 4);
    const mapped_element *element = mlua_check_element(L, 2);
    size_t offset = mlua_check_span(L, 3, 0, element->size, slice.length);
    mapped_value value = mlua_check_value(L, 4, element);
    mapped_error error;
    if (mapped_set(slice, element, offset, value, &error) != MAPPED_OK)
        return mlua_raise_value(L, 4, &error);
    return 0;
}

const luaL_Reg mlua_typed_methods[] = {
    {"get", typed_get}, {"set", typed_set}, {NULL, NULL}};
