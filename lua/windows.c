/* The function windows and the type Windows: an iterator over a file of any
 * size. Each window is a Region of its own, and the next one closes it, because
 * the collector doesn't know how many addresses garbage takes. User value 1 is
 * the Region of the last window, 2 the path.
 *
 * Any allocation may run a finalizer that uses the same Windows: what was read
 * from it is read again after each. */
#include <errno.h>
#include <stdio.h>
#include "mapped_lua.h"

typedef struct windows {
    mlua_resource resource;
    mapped_windows core;
    mlua_region *window; /* the last one; NULL before the first */
} windows;

static windows *check_windows(lua_State *L, int arg)
{
    windows *self = mlua_test(L, arg, MLUA_WINDOWS);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Windows");
    return self;
}

static windows *check_open_windows(lua_State *L, int arg)
{
    windows *self = check_windows(L, arg);
    if (mapped_windows_closed(&self->core))
        luaL_error(L, "attempt to use closed windows");
    return self;
}

static void free_windows(mlua_resource *resource)
{
    windows *self = (windows *)((char *)resource - offsetof(windows, resource));
    mapped_windows_close(&self->core);
}

/* Closes the Region that a window was in. */
static void close_window(lua_State *L, mlua_region *window)
{
    mapped_error error;
    if (window != NULL && mlua_close_region(window, &error) == MAPPED_FAULT)
        mlua_warn(L, &error);
}

/* A number of bytes. */
static uint64_t check_bytes(lua_State *L, int arg)
{
    lua_Integer n = mlua_check_integer(L, arg);
    luaL_argcheck(L, n >= 0, arg, "must not be negative");
    return (uint64_t)n;
}

static mapped_status open_handle(lua_State *L, windows *self, uint64_t size,
                                 uint64_t overlap, mapped_error *error)
{
    FILE *stream = mlua_check_stream(L, 1);
    if (fflush(stream) != 0) {
        mapped_status status = mapped_error_set_system(error, errno, "fflush");
        mapped_error_set_operation(error, "windows");
        return status;
    }
    return mapped_windows_open_descriptor(
        &self->core, mapped_system_descriptor(fileno(stream)), NULL, size,
        overlap, error);
}

static mapped_status open_file(lua_State *L, windows *self, uint64_t size,
                               uint64_t overlap, mapped_error *error)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        return open_handle(L, self, size, overlap, error);
    return mapped_windows_open(&self->core, lua_tostring(L, 1), size, overlap,
                               error);
}

static windows *push_windows(lua_State *L)
{
    windows *self = lua_newuserdatauv(L, sizeof *self, 2);
    *self = (windows){.window = NULL};
    lua_pushvalue(L, lua_upvalueindex(MLUA_WINDOWS));
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    return self;
}

/* Raises what the system refuses, as io.lines does, because the result is used
 * in a `for`. The fourth result is what the `for` closes at its end. */
int mlua_windows(lua_State *L)
{
    uint64_t size, overlap = 0;
    mapped_error error;
    mapped_status status;
    windows *self;
    bool tried = false;
    mlua_at_most(L, 3);
    size = check_bytes(L, 2);
    if (!lua_isnoneornil(L, 3))
        overlap = check_bytes(L, 3);
    if (lua_type(L, 1) == LUA_TSTRING)
        mlua_check_path(L, 1);
    else
        mlua_check_stream(L, 1);
    self = push_windows(L);
    do
        status = open_file(L, self, size, overlap, &error);
    while (mlua_collects(L, status, &error, &tried));
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    mlua_add_resource(L, &self->resource, free_windows);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, -3);
    return 4;
}

/* Maps the next window into `region`. */
static mapped_status map_next(windows *self, mlua_region *region, bool *more,
                              mapped_error *error)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    const mapped_windows before = self->core;
    mapped_window window;
    uint64_t size;
    mapped_status status = mapped_windows_file_size(&self->core, &size, error);
    if (status != MAPPED_OK)
        return status;
    *more = mapped_windows_advance(&self->core, size, &window);
    if (!*more)
        return MAPPED_OK;
    options.memory = mlua_region_memory(region);
    options.memory_size = region->room;
    status = mapped_windows_map(&self->core, window, &options, &region->region,
                                error);
    if (status != MAPPED_OK)
        mapped_windows_undo(&self->core, window, &before);
    return status;
}

/* What a `for` calls, with two more arguments. MAPPED_PAST_END: the file has
 * got shorter since its size was read, so that is read again. */
static int windows_call(lua_State *L)
{
    windows *self;
    mlua_region *region;
    mapped_error error;
    mapped_status status;
    bool more = false, tried = false;
    lua_settop(L, 1);
    self = check_open_windows(L, 1);
    close_window(L, self->window);
    region = mlua_push_region(L, self->core.name_);
    do
        status = map_next(self, region, &more, &error);
    while (status == MAPPED_PAST_END ||
           mlua_collects(L, status, &error, &tried));
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    if (!more) {
        lua_pushnil(L);
        return 1;
    }
    mlua_finish_region(L, region);
    close_window(L, self->window); /* a finalizer may have opened another one */
    self->window = region;
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, 1);
    mlua_push_slice(L, 2, mapped_region_slice(region->region));
    return 1;
}

/* Argument 2 becomes bytes to look for. */
static windows *check_search(lua_State *L, const char *operation)
{
    if (lua_type(L, 2) == LUA_TNUMBER)
        lua_tolstring(L, 2, NULL);
    mlua_gather(L, operation, 2);
    return check_open_windows(L, 1);
}

typedef mapped_status search_function(const mapped_windows *core,
                                      mapped_needle *needle, uint64_t *result,
                                      mapped_error *error);

static mapped_status find_from(const mapped_windows *core,
                               mapped_needle *needle, uint64_t *result,
                               mapped_error *error)
{
    return mapped_windows_find(core, needle, *result, result, error);
}

/* Returns the needle's length; `*result` is where from, and then what is found.
 */
static size_t search(lua_State *L, const char *operation, search_function *how,
                     const windows *self, uint64_t *result)
{
    mlua_needle needle;
    mapped_error error;
    mapped_status status;
    bool tried = false;
    size_t length;
    do {
        mlua_needle_open(L, 2, operation, &needle);
        length = mapped_needle_length(&needle.needle);
        status = how(&self->core, &needle.needle, result, &error);
        status = mlua_needle_close(&needle, status, &error);
    } while (mlua_collects(L, status, &error, &tried));
    if (status != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    return length;
}

/* Converts a position, from 1 or from the end, to an offset in the file. */
static uint64_t file_offset(lua_State *L, const windows *self,
                            lua_Integer position)
{
    uint64_t size, back = 0 - (uint64_t)position;
    mapped_error error;
    if (position >= 0)
        return position > 0 ? (uint64_t)position - 1 : 0;
    if (mapped_windows_file_size(&self->core, &size, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    return size > back ? size - back : 0;
}

static int windows_find(lua_State *L)
{
    lua_Integer init;
    const windows *self;
    uint64_t found;
    size_t length;
    mlua_at_most(L, 3);
    init = mlua_opt_integer(L, 3, 1);
    self = check_search(L, "find");
    found = file_offset(L, self, init);
    length = search(L, "find", find_from, self, &found);
    if (found == MAPPED_WINDOWS_NOT_FOUND) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)found + 1);
    lua_pushinteger(L, (lua_Integer)(found + length));
    return 2;
}

static int windows_count(lua_State *L)
{
    uint64_t found = 0;
    mlua_at_most(L, 2);
    search(L, "count", mapped_windows_count, check_search(L, "count"), &found);
    lua_pushinteger(L, (lua_Integer)found);
    return 1;
}

static int windows_seek(lua_State *L)
{
    lua_Integer position;
    windows *self;
    mlua_at_most(L, 2);
    position = mlua_check_integer(L, 2);
    luaL_argcheck(L, position != 0, 2, "position 0");
    self = check_open_windows(L, 1);
    mapped_windows_seek(&self->core, file_offset(L, self, position));
    return 0;
}

static int windows_size(lua_State *L)
{
    uint64_t size;
    mapped_error error;
    mlua_at_most(L, 1);
    if (mapped_windows_file_size(&check_open_windows(L, 1)->core, &size,
                                 &error) != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int windows_closed(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushboolean(L, mapped_windows_closed(&check_windows(L, 1)->core));
    return 1;
}

/* The metamethod __close, which has one more argument. */
static int windows_leave(lua_State *L)
{
    mapped_windows_close(&check_windows(L, 1)->core);
    return 0;
}

static int windows_close(lua_State *L)
{
    mlua_at_most(L, 1);
    windows_leave(L);
    lua_pushboolean(L, true);
    return 1;
}

static int windows_gc(lua_State *L)
{
    windows *self = check_windows(L, 1);
    mlua_remove_resource(&self->resource);
    mapped_windows_close(&self->core);
    return 0;
}

static int windows_tostring(lua_State *L)
{
    const windows *self = check_windows(L, 1);
    if (mapped_windows_closed(&self->core))
        lua_pushliteral(L, "mapped.Windows (closed)");
    else
        lua_pushfstring(L, "mapped.Windows (%I bytes each)",
                        (LUAI_UACINT)self->core.size_);
    return 1;
}

int mlua_windows_index(lua_State *L)
{
    check_windows(L, 1);
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
    return 1;
}

/* The iterator over lines has the Windows and this as upvalues behind the
 * shared ones. User value 1 is the Region of the window that it is in. */
typedef struct lines {
    mapped_windows_lines core;
    mlua_region *window;
} lines;

enum {
    OWNER = MLUA_SHARED + 1,
    LINES,
    LINES_UPVALUES = LINES
};

/* Maps the window that is wanted, for which there is memory on top of the
 * stack, and closes the one before. */
static mapped_status map_lines(lua_State *L, lines *self, mlua_region *region,
                               mapped_error *error)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mlua_region *before = self->window;
    mapped_status status;
    options.memory = mlua_region_memory(region);
    options.memory_size = region->room;
    status =
        mapped_windows_lines_map(&self->core, &options, &region->region, error);
    if (status != MAPPED_OK)
        return status;
    self->window = region;
    mlua_finish_region(L, region);
    lua_setiuservalue(L, -2, 1);
    close_window(L, before);
    return MAPPED_OK;
}

static mapped_lines_step take_step(lua_State *L, lines *self,
                                   mapped_slice *line, bool *tried)
{
    mapped_lines_step step;
    mapped_error error;
    mapped_status status;
    do
        status = mapped_windows_lines_step(&self->core, line, &step, &error);
    while (mlua_collects(L, status, &error, tried));
    if (status != MAPPED_OK)
        mlua_raise(L, &error);
    return step;
}

/* False: the step has to be taken again, because the file has got shorter or
 * garbage was collected. */
static bool supply_window(lua_State *L, lines *self, mlua_region *region,
                          bool *tried)
{
    mapped_error error;
    mapped_status status = map_lines(L, self, region, &error);
    if (status != MAPPED_OK && status != MAPPED_PAST_END &&
        !mlua_collects(L, status, &error, tried))
        mlua_raise(L, &error);
    return status == MAPPED_OK;
}

/* Steps until there is a line or the end. To allocate a Region may run a
 * finalizer that moves the Windows, so the step that asks for a window is taken
 * again before that is mapped. On top of the stack is the userdata of the
 * lines. */
static mapped_lines_step step_lines(lua_State *L, lines *self,
                                    mapped_slice *line)
{
    mlua_region *region = NULL;
    bool tried = false;
    for (;;) {
        mapped_lines_step step = take_step(L, self, line, &tried);
        if (step != MAPPED_LINES_WINDOW)
            return step;
        if (region == NULL)
            region = mlua_push_region(L, self->core.windows_->name_);
        else if (supply_window(L, self, region, &tried))
            region = NULL;
    }
}

static int next_line(lua_State *L)
{
    lines *self = lua_touserdata(L, lua_upvalueindex(LINES));
    mapped_slice line;
    lua_settop(L, 0);
    check_open_windows(L, lua_upvalueindex(OWNER));
    lua_pushvalue(L, lua_upvalueindex(LINES));
    if (step_lines(L, self, &line) == MAPPED_LINES_END) {
        lua_pushnil(L);
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    mlua_push_slice(L, lua_gettop(L), line);
    return 1;
}

static int windows_lines(lua_State *L)
{
    lines *self;
    bool keep;
    mlua_at_most(L, 2);
    keep = lua_toboolean(L, 2);
    check_open_windows(L, 1);
    mlua_push_shared(L);
    lua_pushvalue(L, 1);
    self = lua_newuserdatauv(L, sizeof *self, 1);
    self->window = NULL;
    mapped_windows_lines_init(&self->core, &check_windows(L, 1)->core, keep);
    lua_pushcclosure(L, next_line, LINES_UPVALUES);
    return 1;
}

const luaL_Reg mlua_windows_methods[] = {
    {"find", windows_find},     {"count", windows_count},
    {"lines", windows_lines},   {"seek", windows_seek},
    {"size", windows_size},     {"close", windows_close},
    {"closed", windows_closed}, {NULL, NULL}};

const luaL_Reg mlua_windows_meta[] = {{"__call", windows_call},
                                      {"__close", windows_leave},
                                      {"__gc", windows_gc},
                                      {"__tostring", windows_tostring},
                                      {NULL, NULL}};
