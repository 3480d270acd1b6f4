/* What the files about searching share. */
#ifndef MAPPED_LUA_SEARCH_H
#define MAPPED_LUA_SEARCH_H

#include "mapped_lua.h"

/* mlua_check_view for argument 1, once argument 2 has become bytes to look for:
 * numbers become strings, as for string.*, and elements that lie apart are
 * gathered. */
mapped_slice mlua_check_search(lua_State *L);

/* What is looked for: a string, or the bytes of a view, which are exported.
 * From open to close nothing may raise. */
typedef struct mlua_needle {
    mapped_needle needle;
    mapped_slice exported; /* region NULL: a string */
    uint64_t since;
} mlua_needle;

void mlua_needle_open(lua_State *L, int arg, mlua_needle *needle);

/* Returns `status`, or that the needle's own bytes are lost. */
mapped_status mlua_needle_close(mlua_needle *needle, mapped_status status,
                                mapped_error *error);

/* `find` without a pattern: looks for what is at argument 2 in the subject from
 * `offset` on. Pushes the result and returns how many values that is. */
int mlua_find_plain(lua_State *L, mapped_slice subject, size_t offset);

#endif
