/* The method lines of Windows. The iterator that it returns is a closure over
 * next_line, which goes through these states until it has a line or the end:
 *
 *     FIND_LINE ----------> LINE_FOUND or FILE_ENDED
 *      ^   | a window is wanted
 *      |   v
 *      |  MAKE_REGION
 *      |   |
 *      |   v
 *      |  FIND_LINE_AGAIN --> LINE_FOUND or FILE_ENDED
 *      |   |           ^
 *      |   | a window  | the file has got shorter, or
 *      |   v is wanted | garbage was collected
 *      +- MAP_WINDOW --+
 *
 * A Region must be allocated before the window can be mapped into it. This may
 * run a finalizer that calls the same iterator or closes the Windows. So the
 * line is looked for again, and the window that is wanted then is mapped. */
#include "search.h"

typedef enum search_state {
    FIND_LINE,
    MAKE_REGION,
    FIND_LINE_AGAIN,
    MAP_WINDOW,
    LINE_FOUND,
    FILE_ENDED
} search_state;

/* MLUA_USER_OWNER of a line_iterator is the Region of the window that it is in.
 */
typedef struct line_iterator {
    mapped_windows_lines core;
    mlua_region *window; /* that Region; NULL before the first window */
} line_iterator;

/* Upvalues of next_line, after the shared ones. */
enum {
    OWNER = MLUA_SHARED + 1, /* the Windows */
    ITERATOR,                /* the line_iterator */
    LAST_UPVALUE = ITERATOR
};

/* The state after FIND_LINE or FIND_LINE_AGAIN: `if_window_wanted` where no
 * line ends in the window. */
static search_state find_line(lua_State *L, line_iterator *self,
                              search_state if_window_wanted, mapped_slice *line,
                              bool *retried)
{
    mapped_lines_step step;
    mapped_error error;
    mapped_status status;
    do
        status = mapped_windows_lines_step(&self->core, line, &step, &error);
    while (mlua_retry_after_gc(L, status, &error, retried));
    if (status != MAPPED_OK)
        mlua_raise(L, &error);
    switch (step) {
    case MAPPED_LINES_LINE:
        return LINE_FOUND;
    case MAPPED_LINES_WINDOW:
        return if_window_wanted;
    case MAPPED_LINES_END:
    default:
        return FILE_ENDED;
    }
}

/* The state after MAP_WINDOW. Maps the wanted window into `region` and closes
 * the previous one. The stack is the line_iterator, which stays, and the
 * Region, which is popped if the window is mapped. */
static search_state map_window(lua_State *L, line_iterator *self,
                               mlua_region *region, bool *retried)
{
    const mapped_open_options options = mlua_region_options(region);
    mlua_region *previous = self->window;
    mapped_error error;
    mapped_status status = mapped_windows_lines_map(
        &self->core, &options, &region->view.region, &error);
    if (status == MAPPED_PAST_END ||
        mlua_retry_after_gc(L, status, &error, retried))
        return FIND_LINE_AGAIN;
    if (status != MAPPED_OK)
        mlua_raise(L, &error);
    self->window = region;
    mlua_finish_region(L, region);
    lua_setiuservalue(L, -2, MLUA_USER_OWNER);
    mlua_close_window(L, previous);
    return FIND_LINE;
}

/* Returns whether there is a next line. The stack is the line_iterator. */
static bool find_next_line(lua_State *L, line_iterator *self,
                           const mlua_windows *windows, mapped_slice *line)
{
    mlua_region *region = NULL;
    search_state state = FIND_LINE;
    bool retried = false;
    for (;;)
        switch (state) {
        case FIND_LINE:
            state = find_line(L, self, MAKE_REGION, line, &retried);
            break;
        case MAKE_REGION:
            region = mlua_push_region(L, mapped_windows_name(&windows->core));
            state = FIND_LINE_AGAIN;
            break;
        case FIND_LINE_AGAIN:
            state = find_line(L, self, MAP_WINDOW, line, &retried);
            break;
        case MAP_WINDOW:
            state = map_window(L, self, region, &retried);
            break;
        case LINE_FOUND:
            return true;
        case FILE_ENDED:
            return false;
        }
}

static int next_line(lua_State *L)
{
    line_iterator *self = lua_touserdata(L, lua_upvalueindex(ITERATOR));
    const mlua_windows *windows;
    mapped_slice line;
    lua_settop(L, 0);
    windows = mlua_check_open_windows(L, lua_upvalueindex(OWNER));
    lua_pushvalue(L, lua_upvalueindex(ITERATOR));
    if (!find_next_line(L, self, windows, &line)) {
        lua_pushnil(L);
        return 1;
    }
    lua_getiuservalue(L, 1, MLUA_USER_OWNER);
    mlua_push_slice(L, lua_gettop(L), line);
    return 1;
}

int mlua_windows_lines(lua_State *L)
{
    line_iterator *self;
    const mlua_windows *windows;
    bool keep_newlines;
    mlua_at_most(L, 2);
    keep_newlines = mlua_opt_boolean(L, 2, false);
    mlua_check_open_windows(L, 1);
    mlua_push_shared(L);
    lua_pushvalue(L, 1);
    self = lua_newuserdatauv(L, sizeof *self, MLUA_USER_OWNER);
    self->window = NULL;
    /* The allocation may have run a finalizer that closed the Windows. */
    windows = mlua_check_open_windows(L, 1);
    mapped_windows_lines_init(&self->core, &windows->core, keep_newlines);
    lua_pushcclosure(L, next_line, LAST_UPVALUE);
    return 1;
}
