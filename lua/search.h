/* What the files share that search for plain bytes: needles, which are in
 * search.c, and the type Windows. */
#ifndef MAPPED_LUA_SEARCH_H
#define MAPPED_LUA_SEARCH_H

#include "mapped_lua.h"

/* Makes argument 2 what mlua_needle_open takes: a number becomes a string, as
 * for string.*, and elements that lie apart are gathered. May collect garbage.
 */
void mlua_prepare_needle(lua_State *L, const char *operation);

/* Calls mlua_prepare_needle, and then mlua_check_view of argument 1. */
mapped_slice mlua_check_search(lua_State *L, const char *operation);

/* The bytes that are searched for: those of a string, or those of a Region,
 * Slice or Array, which are exported meanwhile. Between open and close nothing
 * may raise, because the export would stay. */
typedef struct mlua_needle {
    mapped_needle needle;
    mapped_export region_export; /* without a region if it is a string */
} mlua_needle;

void mlua_needle_open(lua_State *L, int arg, const char *operation,
                      mlua_needle *needle);

/* Ends the export. Returns `status`, or MAPPED_FAULT if the needle's own bytes
 * were lost. */
mapped_status mlua_needle_close(mlua_needle *needle, mapped_status status,
                                mapped_error *error);

/* The method find without a pattern: searches the subject from `offset` on for
 * the needle at argument 2. Pushes the result and returns how many values that
 * is. */
int mlua_find_plain(lua_State *L, mapped_slice subject, size_t offset);

/* Windows: an iterator over the windows of a file. */
typedef struct mlua_windows {
    mlua_resource resource;
    mapped_windows core;
    mlua_region *window; /* the last window's Region; NULL before the first */
} mlua_windows;

/* windows.c: returns the Windows at `arg`; raises if it is none or is closed.
 */
mlua_windows *mlua_check_open_windows(lua_State *L, int arg);
/* windows.c: closes the Region of a window; does nothing to NULL. */
void mlua_close_window(lua_State *L, mlua_region *window);
int mlua_windows_lines(lua_State *L); /* windows_lines.c: the method lines */

#endif
