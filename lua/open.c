/* The functions open, shared, anonymous and unlink.
 *
 * Each reads all arguments, which may run a script's code; then makes the
 * Region, so that no error can lose what is opened; then opens the core region.
 * A file handle is checked again when it is opened, because a finalizer may
 * have closed it. */
#include <limits.h>
#include <string.h>
#include "mapped_lua.h"

/* The value of an option that is a number, if it is missing. */
#define MISSING UINT64_MAX

/* true asks for huge pages where possible, a number for pages of exactly that
 * many bytes. */
static uint64_t get_huge(lua_State *L, int arg)
{
    bool is_wanted;
    if (!mlua_push_option(L, arg, "huge"))
        return MAPPED_HUGE_NONE;
    if (!lua_isboolean(L, -1))
        return mlua_pop_number(L, arg, "huge");
    is_wanted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_wanted ? MAPPED_HUGE_ADVISE : MAPPED_HUGE_NONE;
}

static uint32_t get_permissions(lua_State *L, int arg)
{
    uint64_t permissions;
    if (!mlua_push_option(L, arg, "permissions"))
        return 0; /* the default */
    /* "600" would be read as decimal. */
    if (lua_type(L, -1) != LUA_TNUMBER)
        mlua_raise_option(L, arg, "permissions",
                          "a number, as tonumber(\"600\", 8),");
    permissions = mlua_pop_number(L, arg, "permissions");
    luaL_argcheck(L, permissions <= 07777, arg,
                  "permissions are at most 4095, octal 7777");
    return permissions == 0 ? MAPPED_PERMISSIONS_NONE : (uint32_t)permissions;
}

static mapped_open_options check_open_options(lua_State *L, int arg,
                                              const char *const names[])
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    uint64_t length;
    mlua_check_options(L, arg, names);
    options.offset = mlua_get_number(L, arg, "offset", options.offset);
    length = mlua_get_number(L, arg, "length", MISSING);
    if (length != MISSING)
        options.length = mapped_length_exactly(length);
    options.reserve = mlua_get_number(L, arg, "reserve", options.reserve);
    options.huge = get_huge(L, arg);
    if (mlua_get_flag(L, arg, "sparse", false))
        options.flags |= MAPPED_OPEN_SPARSE;
    if (mlua_get_flag(L, arg, "populate", false))
        options.flags |= MAPPED_OPEN_POPULATE;
    if (mlua_get_flag(L, arg, "device", false))
        options.flags |= MAPPED_OPEN_DEVICE;
    options.permissions = get_permissions(L, arg);
    return options;
}

const char *mlua_check_path(lua_State *L, int arg)
{
    size_t length;
    const char *path = mlua_check_string(L, arg, &length);
    if (strlen(path) != length)
        luaL_argerror(L, arg, "path contains a zero byte");
    return path;
}

/* Pushes and returns a list of all modes. */
static const char *push_modes(lua_State *L)
{
    enum {
        MODE_COUNT = MAPPED_MODE_APPEND + 1 /* that is the last one */
    };
    const char *names[MODE_COUNT + 1] = {NULL};
    int mode;
    for (mode = 0; mode < MODE_COUNT; mode++)
        names[mode] = mapped_mode_text((mapped_mode)mode);
    return mlua_push_list(L, names);
}

static mapped_mode check_mode(lua_State *L, int arg, mapped_mode fallback)
{
    size_t length;
    mapped_mode mode;
    const char *text;
    if (lua_isnoneornil(L, arg))
        return fallback;
    text = mlua_check_string(L, arg, &length);
    if (strlen(text) != length)
        luaL_argerror(L, arg, "unknown mode: it contains a zero byte");
    if (mapped_mode_parse(text, length, &mode, NULL) != MAPPED_OK)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "unknown mode '%s', there are: %s",
                                      mlua_push_short(L, arg), push_modes(L)));
    return mode;
}

/* What to open, and how. What isn't a descriptor is a path or file handle, and
 * stays at index 1 of the stack until it is open. */
typedef struct source {
    int descriptor; /* -1: what is at index 1 */
    mapped_mode mode;
    mapped_open_options options;
} source;

/* Lua runs no code between the check of a file handle and the use of its
 * descriptor. */
static mapped_status open_source(lua_State *L, const source *from,
                                 mapped_region **region, mapped_error *error)
{
    intptr_t descriptor;
    mapped_status status = MAPPED_OK;
    if (from->descriptor >= 0)
        descriptor = mapped_system_descriptor(from->descriptor);
    else if (lua_type(L, 1) == LUA_TSTRING)
        return mapped_region_open(lua_tostring(L, 1), from->mode,
                                  &from->options, region, error);
    else
        status = mlua_flush_to_descriptor(L, 1, "open", &descriptor, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_region_open_descriptor(descriptor, NULL, from->mode,
                                         &from->options, region, error);
}

/* Pushes a Region of the source, or what mlua_fail pushes. */
static int push_source(lua_State *L, source *from)
{
    mapped_error error;
    mapped_status status;
    mlua_region *self;
    bool retried = false;
    self = mlua_push_region(
        L, lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL);
    /* The core region lies in the userdata: no memory is allocated for it. */
    from->options.memory = mlua_region_memory(self);
    from->options.memory_size = self->core_size;
    do
        status = open_source(L, from, &self->view.region, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    self->has_undroppable_pages = from->mode == MAPPED_MODE_COPY;
    mlua_finish_region(L, self);
    return 1;
}

/* Returns the option fd of argument 3, which takes the place of argument 1; -1
 * if it is missing. */
static int get_descriptor(lua_State *L)
{
    uint64_t descriptor = mlua_get_number(L, 3, "fd", MISSING);
    if (descriptor == MISSING) {
        if (lua_isnoneornil(L, 1))
            mlua_raise_type(L, 1, "path or file handle");
        return -1;
    }
    if (!lua_isnoneornil(L, 1))
        luaL_argerror(L, 1, "nil expected, because option 'fd' is given");
    if (descriptor > INT_MAX)
        luaL_argerror(L, 3, "option 'fd' is no descriptor");
    return (int)descriptor;
}

int mlua_open(lua_State *L)
{
    static const char *const names[] = {
        "offset", "length", "reserve", "sparse",      "populate",
        "device", "huge",   "fd",      "permissions", NULL};
    source from;
    mlua_at_most(L, 3);
    if (lua_type(L, 1) == LUA_TSTRING)
        mlua_check_path(L, 1);
    else if (!lua_isnoneornil(L, 1))
        mlua_check_file(L, 1, MLUA_FILE_TYPES);
    from.mode = check_mode(L, 2, MAPPED_MODE_READ);
    from.options = check_open_options(L, 3, names);
    from.descriptor = get_descriptor(L);
    lua_settop(L, 3);
    return push_source(L, &from);
}

int mlua_shared(lua_State *L)
{
    static const char *const names[] = {
        "offset", "reserve", "sparse", "populate", "huge", "permissions", NULL};
    source from;
    mlua_at_most(L, 4);
    mlua_check_path(L, 1);
    from.mode = check_mode(L, 3, MAPPED_MODE_READ_WRITE);
    from.options = check_open_options(L, 4, names);
    if (!lua_isnoneornil(L, 2))
        from.options.length = mapped_length_exactly(mlua_check_length(L, 2));
    from.options.flags |= MAPPED_OPEN_SHARED;
    from.descriptor = -1;
    lua_settop(L, 4);
    return push_source(L, &from);
}

int mlua_unlink(lua_State *L)
{
    mapped_error error;
    mlua_at_most(L, 1);
    return mlua_result(L, mapped_shared_unlink(mlua_check_path(L, 1), &error),
                       &error);
}

int mlua_anonymous(lua_State *L)
{
    static const char *const names[] = {"shared", "reserve", "huge", NULL};
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    size_t length;
    mlua_region *self;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 2);
    length = mlua_check_length(L, 1);
    mlua_check_options(L, 2, names);
    options.reserve = mlua_get_number(L, 2, "reserve", 0);
    options.huge = get_huge(L, 2);
    options.shared = mlua_get_flag(L, 2, "shared", false);
    self = mlua_push_region(L, NULL);
    options.memory = mlua_region_memory(self);
    options.memory_size = self->core_size;
    do
        status = mapped_region_anonymous(length, &options, &self->view.region,
                                         &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    self->has_undroppable_pages = true; /* shared ones, too */
    mlua_finish_region(L, self);
    return 1;
}
