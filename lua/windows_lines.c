/* The method lines of Windows. The iterator that it returns is a closure over
 * next_line with the upvalues
 *
 *     1 to MLUA_SHARED  what all functions of the module share
 *     OWNER             the Windows
 *     LINES             a `lines`, whose user value 1 is the Region of the
 *                       window that it is in
 */
#include "mapped_lua.h"

typedef struct lines {
    mapped_windows_lines core;
    mlua_region *window;
} lines;

enum {
    OWNER = MLUA_SHARED + 1,
    LINES,
    LINES_UPVALUES = LINES
};

/* Stack: the `lines`, `region`. Maps the wanted window into `region`, then
 * closes the previous one. */
static mapped_status map_window(lua_State *L, lines *self, mlua_region *region,
                                mapped_error *error)
{
    const mapped_open_options options = mlua_region_options(region);
    mlua_region *old_window = self->window;
    mapped_status status =
        mapped_windows_lines_map(&self->core, &options, &region->region, error);
    if (status != MAPPED_OK)
        return status;
    self->window = region;
    mlua_finish_region(L, region);
    lua_setiuservalue(L, -2, 1);
    mlua_close_window(L, old_window);
    return MAPPED_OK;
}

static mapped_lines_step ask_for_line(lua_State *L, lines *self,
                                      mapped_slice *line, bool *retried)
{
    mapped_lines_step step;
    mapped_error error;
    mapped_status status;
    do
        status = mapped_windows_lines_step(&self->core, line, &step, &error);
    while (mlua_retry_after_gc(L, status, &error, retried));
    if (status != MAPPED_OK)
        mlua_raise(L, &error);
    return step;
}

/* Returns false if the step has to be taken again, because the file has got
 * shorter or garbage was collected. */
static bool map_wanted_window(lua_State *L, lines *self, mlua_region *region,
                              bool *retried)
{
    mapped_error error;
    mapped_status status = map_window(L, self, region, &error);
    if (status != MAPPED_OK && status != MAPPED_PAST_END &&
        !mlua_retry_after_gc(L, status, &error, retried))
        mlua_raise(L, &error);
    return status == MAPPED_OK;
}

/* A window that is wanted needs a Region. To allocate that may run a finalizer
 * that moves the Windows, so the step is taken again before the window is
 * mapped: MAPPED_LINES_WINDOW comes twice. Stack: the `lines`. */
static mapped_lines_step next_line_or_end(lua_State *L, lines *self,
                                          const mlua_windows *windows,
                                          mapped_slice *line)
{
    mlua_region *region = NULL;
    bool retried = false;
    for (;;) {
        mapped_lines_step step = ask_for_line(L, self, line, &retried);
        if (step != MAPPED_LINES_WINDOW)
            return step;
        if (region == NULL)
            region = mlua_push_region(L, mapped_windows_name(&windows->core));
        else if (map_wanted_window(L, self, region, &retried))
            region = NULL;
    }
}

static int next_line(lua_State *L)
{
    lines *self = lua_touserdata(L, lua_upvalueindex(LINES));
    const mlua_windows *windows;
    mapped_slice line;
    lua_settop(L, 0);
    windows = mlua_check_windows(L, lua_upvalueindex(OWNER));
    lua_pushvalue(L, lua_upvalueindex(LINES));
    if (next_line_or_end(L, self, windows, &line) == MAPPED_LINES_END) {
        lua_pushnil(L);
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    mlua_push_slice(L, lua_gettop(L), line); /* of the Region just pushed */
    return 1;
}

int mlua_windows_lines(lua_State *L)
{
    lines *self;
    bool keep;
    mlua_at_most(L, 2);
    keep = lua_toboolean(L, 2);
    mlua_check_windows(L, 1);
    mlua_push_shared(L);
    lua_pushvalue(L, 1);
    self = lua_newuserdatauv(L, sizeof *self, 1);
    self->window = NULL;
    /* again: to allocate may have run a finalizer that closed them */
    mapped_windows_lines_init(&self->core, &mlua_check_windows(L, 1)->core,
                              keep);
    lua_pushcclosure(L, next_line, LINES_UPVALUES);
    return 1;
}
