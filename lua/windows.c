/* The function windows and the type Windows: an iterator over a file of any
 * size. Each window is a Region of its own. The call for the next window closes
 * that Region, because the collector doesn't know how many addresses it takes.
 *
 * The method lines is in windows_lines.c.
 *
 * The user value SOURCE of a Windows is the path or file handle that it was
 * opened with, which keeps the path's text.
 *
 * Any allocation may run a finalizer that uses or closes the same Windows. So
 * what was read from a Windows is read anew after each allocation. */
#include "search.h"

/* The user values of a Windows. */
enum {
    LAST_WINDOW = 1, /* its Region */
    SOURCE
};

static mlua_windows *check_windows(lua_State *L, int arg)
{
    return mlua_check(L, arg, MLUA_WINDOWS, "mapped.Windows");
}

mlua_windows *mlua_check_open_windows(lua_State *L, int arg)
{
    mlua_windows *self = check_windows(L, arg);
    if (mapped_windows_closed(&self->core))
        luaL_error(L, "attempt to use closed windows");
    return self;
}

static void close_resource(mlua_resource *resource)
{
    mlua_windows *self =
        (mlua_windows *)((char *)resource - offsetof(mlua_windows, resource));
    mapped_windows_close(&self->core);
}

void mlua_close_window(lua_State *L, mlua_region *window)
{
    mapped_error error;
    if (window != NULL && mlua_close_region(window, &error) == MAPPED_FAULT)
        mlua_warn(L, &error);
}

static uint64_t check_byte_count(lua_State *L, int arg)
{
    lua_Integer n = mlua_check_integer(L, arg);
    if (n < 0)
        luaL_argerror(
            L, arg,
            lua_pushfstring(L, "must not be negative, got %I", (LUAI_UACINT)n));
    return (uint64_t)n;
}

static mapped_status open_path(lua_State *L, mlua_windows *self, uint64_t size,
                               uint64_t overlap, mapped_error *error)
{
    return mapped_windows_open(&self->core, lua_tostring(L, 1), size, overlap,
                               error);
}

static mapped_status open_stream(lua_State *L, mlua_windows *self,
                                 uint64_t size, uint64_t overlap,
                                 mapped_error *error)
{
    intptr_t descriptor;
    mapped_status status =
        mlua_flush_to_descriptor(L, 1, "windows", &descriptor, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_windows_open_descriptor(&self->core, descriptor, NULL, size,
                                          overlap, error);
}

/* Pushes a Windows that is closed so far. It is complete before anything is
 * opened, so that no error can lose what was opened. */
static mlua_windows *push_windows(lua_State *L)
{
    mlua_windows *self =
        mlua_push_object(L, MLUA_WINDOWS, sizeof *self, SOURCE);
    *self = (mlua_windows){.window = NULL};
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, SOURCE);
    return self;
}

/* An error of the system is raised, as io.lines does it, because the results
 * are used in a `for`. */
int mlua_open_windows(lua_State *L)
{
    uint64_t size, overlap = 0;
    mapped_error error;
    mapped_status status;
    mlua_windows *self;
    bool is_path, retried = false;
    mlua_at_most(L, 3);
    size = check_byte_count(L, 2);
    if (!lua_isnoneornil(L, 3))
        overlap = check_byte_count(L, 3);
    is_path = lua_type(L, 1) == LUA_TSTRING;
    if (is_path)
        mlua_check_path(L, 1);
    else
        mlua_check_file(L, 1, MLUA_FILE_TYPES);
    self = push_windows(L);
    /* Once more after a full collection, if memory or descriptors ran out. */
    do
        status = is_path ? open_path(L, self, size, overlap, &error)
                         : open_stream(L, self, size, overlap, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    mlua_add_resource(L, &self->resource, close_resource);
    /* A `for` takes four values: the iterator, which is on the stack; a state
     * and a first value, which are not needed; and what it closes at its end.
     */
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, -3);
    return 4;
}

/* Maps the next window into `region`, or sets `*at_end` and maps nothing. After
 * an error the Windows are where they were. */
static mapped_status map_next_window(mlua_windows *self, mlua_region *region,
                                     bool *at_end, mapped_error *error)
{
    const mapped_open_options options = mlua_region_options(region);
    const mapped_windows before = self->core;
    mapped_window window;
    uint64_t size;
    mapped_status status = mapped_windows_file_size(&self->core, &size, error);
    if (status != MAPPED_OK)
        return status;
    *at_end = !mapped_windows_advance(&self->core, size, &window);
    if (*at_end)
        return MAPPED_OK;
    status = mapped_windows_map(&self->core, window, &options,
                                &region->view.region, error);
    if (status != MAPPED_OK)
        mapped_windows_undo(&self->core, window, &before);
    return status;
}

/* The metamethod __call is the iterator of a `for`, which passes two more
 * arguments. MAPPED_PAST_END says that the file has got shorter since its size
 * was read: then the size is read again. If memory or descriptors ran out, it
 * is tried once more after a full collection. */
static int windows_call(lua_State *L)
{
    /* Indices in the stack. */
    enum {
        WINDOWS_AT = 1,
        REGION_AT
    };
    mlua_windows *self;
    mlua_region *region;
    mapped_error error;
    mapped_status status;
    bool at_end = false, retried = false;
    lua_settop(L, WINDOWS_AT);
    self = mlua_check_open_windows(L, WINDOWS_AT);
    mlua_close_window(L, self->window);
    region = mlua_push_region(L, mapped_windows_name(&self->core));
    do
        status = map_next_window(self, region, &at_end, &error);
    while (status == MAPPED_PAST_END ||
           mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    if (at_end) {
        lua_pushnil(L);
        return 1;
    }
    mlua_finish_region(L, region);
    /* A finalizer may have called the same Windows since the first close, and
     * then there is another window to close. */
    mlua_close_window(L, self->window);
    self->window = region;
    lua_pushvalue(L, REGION_AT);
    lua_setiuservalue(L, WINDOWS_AT, LAST_WINDOW);
    mlua_push_slice(L, REGION_AT, mapped_region_slice(region->view.region));
    return 1;
}

/* Returns the Windows at argument 1, once argument 2 is bytes to search for. */
static mlua_windows *check_search(lua_State *L, const char *operation)
{
    mlua_prepare_needle(L, operation);
    return mlua_check_open_windows(L, 1);
}

typedef mapped_status search_function(const mapped_windows *core,
                                      mapped_needle *needle, uint64_t from,
                                      uint64_t *result, mapped_error *error);

/* mapped_windows_count as a search_function: it has no use for `from`. */
static mapped_status count_all(const mapped_windows *core,
                               mapped_needle *needle, uint64_t from,
                               uint64_t *result, mapped_error *error)
{
    (void)from;
    return mapped_windows_count(core, needle, result, error);
}

/* Searches the whole file; check_search has checked the arguments. Returns the
 * needle's length. `search` is mapped_windows_find or count_all. */
static size_t search_file(lua_State *L, const char *operation,
                          search_function *search, uint64_t from,
                          uint64_t *result)
{
    const mlua_windows *self = lua_touserdata(L, 1);
    mlua_needle needle;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    size_t length;
    do {
        mlua_needle_open(L, 2, operation, &needle);
        length = mapped_needle_length(&needle.core);
        status = search(&self->core, &needle.core, from, result, &error);
        status = mlua_needle_close(&needle, status, &error);
    } while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    return length;
}

/* Converts a position, which counts from 1 or, if it is negative, from the end,
 * to an offset in the file. 0 is taken as 1: so find does, as string.find. */
static uint64_t file_offset(lua_State *L, const mlua_windows *self,
                            lua_Integer position)
{
    uint64_t size, distance_from_end;
    mapped_error error;
    if (position >= 0)
        return position > 0 ? (uint64_t)position - 1 : 0;
    if (mapped_windows_file_size(&self->core, &size, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    /* -position would overflow for the smallest integer. */
    distance_from_end = 0 - (uint64_t)position;
    return size > distance_from_end ? size - distance_from_end : 0;
}

static int windows_find(lua_State *L)
{
    lua_Integer init;
    const mlua_windows *self;
    uint64_t from, offset;
    size_t length;
    mlua_at_most(L, 3);
    init = mlua_opt_integer(L, 3, 1);
    self = check_search(L, "find");
    from = file_offset(L, self, init);
    length = search_file(L, "find", mapped_windows_find, from, &offset);
    if (offset == MAPPED_WINDOWS_NOT_FOUND) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)offset + 1);
    lua_pushinteger(L, (lua_Integer)(offset + length));
    return 2;
}

static int windows_count(lua_State *L)
{
    uint64_t count;
    mlua_at_most(L, 2);
    check_search(L, "count");
    search_file(L, "count", count_all, 0, &count);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int windows_seek(lua_State *L)
{
    lua_Integer position;
    mlua_windows *self;
    mlua_at_most(L, 2);
    position = mlua_check_integer(L, 2);
    luaL_argcheck(L, position != 0, 2, "position 0");
    self = mlua_check_open_windows(L, 1);
    mapped_windows_seek(&self->core, file_offset(L, self, position));
    return 0;
}

static int windows_size(lua_State *L)
{
    const mlua_windows *self;
    uint64_t size;
    mapped_error error;
    mlua_at_most(L, 1);
    self = mlua_check_open_windows(L, 1);
    if (mapped_windows_file_size(&self->core, &size, &error) != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int windows_closed(lua_State *L)
{
    const mlua_windows *self;
    mlua_at_most(L, 1);
    self = check_windows(L, 1);
    lua_pushboolean(L, mapped_windows_closed(&self->core));
    return 1;
}

/* The metamethod __close. Lua passes the error that ended the block, or nil, as
 * argument 2. */
static int windows_close_metamethod(lua_State *L)
{
    mapped_windows_close(&check_windows(L, 1)->core);
    return 0;
}

static int windows_close(lua_State *L)
{
    mlua_at_most(L, 1);
    windows_close_metamethod(L);
    lua_pushboolean(L, true);
    return 1;
}

static int windows_gc(lua_State *L)
{
    mlua_windows *self = check_windows(L, 1);
    mlua_remove_resource(&self->resource);
    mapped_windows_close(&self->core);
    return 0;
}

static int windows_tostring(lua_State *L)
{
    const mlua_windows *self = check_windows(L, 1);
    if (mapped_windows_closed(&self->core))
        lua_pushliteral(L, "mapped.Windows (closed)");
    else
        lua_pushfstring(L, "mapped.Windows (%I bytes each)",
                        (LUAI_UACINT)mapped_windows_length(&self->core));
    return 1;
}

const luaL_Reg mlua_windows_methods[] = {
    {"find", windows_find},        {"count", windows_count},
    {"lines", mlua_windows_lines}, {"seek", windows_seek},
    {"size", windows_size},        {"close", windows_close},
    {"closed", windows_closed},    {NULL, NULL}};

const luaL_Reg mlua_windows_meta[] = {{"__call", windows_call},
                                      {"__close", windows_close_metamethod},
                                      {"__gc", windows_gc},
                                      {"__tostring", windows_tostring},
                                      {NULL, NULL}};
