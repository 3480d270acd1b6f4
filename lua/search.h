/* What the files share that search for plain bytes: needles, which are in
 * search.c, and the type Windows. */
#ifndef MAPPED_LUA_SEARCH_H
#define MAPPED_LUA_SEARCH_H

#include "mapped_lua.h"

/* Makes argument 2 what mlua_needle_open takes: a number becomes a string, as
 * for string.*, and so does what mlua_make_contiguous makes one. May collect
 * garbage. */
void mlua_prepare_needle(lua_State *L, const char *operation);

/* The needle of a search: the bytes of a string, or those of a view or Array,
 * which are exported meanwhile. */
typedef struct mlua_needle {
    mapped_needle core;
    mapped_export region_export; /* its slice has no region if it is a string */
} mlua_needle;

/* Begins the export of the bytes at `arg`, if they are exported; raises if they
 * are not bytes. Nothing may raise before mlua_needle_close, because the export
 * would stay. */
void mlua_needle_open(lua_State *L, int arg, const char *operation,
                      mlua_needle *needle);

/* Ends the export. Returns `status`, or MAPPED_FAULT if the needle's own bytes
 * were lost. */
mapped_status mlua_needle_close(mlua_needle *needle, mapped_status status,
                                mapped_error *error);

/* The method find without a pattern: searches from `offset` on, which
 * mlua_search_offset has returned, for the needle at argument 2. Pushes the
 * result and returns how many values that is. */
int mlua_find_plain(lua_State *L, mapped_slice haystack, size_t offset);

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
