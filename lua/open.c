/* The functions open, shared and anonymous. Reading the arguments may run a
 * script's code, so they are read before anything is opened. The Region's
 * memory is allocated before too, so that no error can lose what was opened. A
 * file handle is read last of all, because a finalizer may close it before. */
#include <limits.h>
#include <string.h>
#include "sharing.h"

/* A key of a script's table may have zero bytes, which strcmp can't see. */
static bool is_one_of(lua_State *L, int at, const char *const names[])
{
    size_t length, i;
    const char *name = lua_tolstring(L, at, &length);
    for (i = 0; names[i] != NULL; i++)
        if (strcmp(name, names[i]) == 0 && strlen(name) == length)
            return true;
    return false;
}

void mlua_check_options(lua_State *L, int arg, const char *const names[])
{
    const char *option;
    if (lua_isnoneornil(L, arg))
        return;
    if (!lua_istable(L, arg))
        mlua_raise_type(L, arg, "table");
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && is_one_of(L, -2, names))
            continue;
        option = mlua_push_short(L, -2);
        lua_pushfstring(L, "unknown option '%s', there are: %s", option,
                        mlua_push_list(L, names));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
}

/* Pushes the option. Returns false and pushes nothing if it is missing. */
static bool push_option(lua_State *L, int arg, const char *name)
{
    if (lua_isnoneornil(L, arg))
        return false;
    if (lua_getfield(L, arg, name) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static void raise_option(lua_State *L, int arg, const char *name,
                         const char *wanted)
{
    lua_pushfstring(L, "option '%s': %s expected, got %s", name, wanted,
                    mlua_push_short(L, -1));
    luaL_argerror(L, arg, lua_tostring(L, -1));
}

bool mlua_get_flag(lua_State *L, int arg, const char *name, bool fallback)
{
    bool value;
    if (!push_option(L, arg, name))
        return fallback;
    if (!lua_isboolean(L, -1))
        raise_option(L, arg, name, "boolean");
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static uint64_t get_number(lua_State *L, int arg, const char *name,
                           uint64_t fallback)
{
    lua_Integer value;
    int is_integer;
    if (!push_option(L, arg, name))
        return fallback;
    value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || value < 0)
        raise_option(L, arg, name, "non-negative integer");
    lua_pop(L, 1);
    return (uint64_t)value;
}

uint64_t mlua_get_deadline(lua_State *L, int arg, const char *name)
{
    uint64_t deadline = MAPPED_NEVER;
    lua_Number seconds;
    int is_number;
    if (!push_option(L, arg, name))
        return deadline;
    seconds = lua_tonumberx(L, -1, &is_number);
    if (!is_number ||
        mapped_deadline_seconds(seconds, &deadline, NULL) != MAPPED_OK)
        raise_option(L, arg, name, "0 or more seconds");
    lua_pop(L, 1);
    return deadline;
}

/* true asks for huge pages where possible, a number for pages of exactly that
 * many bytes. */
static uint64_t get_huge(lua_State *L, int arg)
{
    bool is_boolean;
    if (!push_option(L, arg, "huge"))
        return MAPPED_HUGE_NONE;
    is_boolean = lua_isboolean(L, -1);
    lua_pop(L, 1);
    if (is_boolean)
        return mlua_get_flag(L, arg, "huge", false) ? MAPPED_HUGE_ADVISE
                                                    : MAPPED_HUGE_NONE;
    return get_number(L, arg, "huge", MAPPED_HUGE_NONE);
}

static uint32_t get_permissions(lua_State *L, int arg)
{
    uint64_t given;
    if (push_option(L, arg, "permissions")) {
        if (lua_type(L, -1) != LUA_TNUMBER) /* "600" would be read as decimal */
            raise_option(L, arg, "permissions",
                         "a number, as tonumber(\"600\", 8),");
        lua_pop(L, 1);
    }
    given = get_number(L, arg, "permissions", UINT64_MAX);
    if (given == UINT64_MAX)
        return 0;
    luaL_argcheck(L, given <= 07777, arg,
                  "permissions are at most 4095, octal 7777");
    return given == 0 ? MAPPED_PERMISSIONS_NONE : (uint32_t)given;
}

static mapped_open_options check_open_options(lua_State *L, int arg,
                                              const char *const names[])
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    uint64_t length;
    mlua_check_options(L, arg, names);
    options.offset = get_number(L, arg, "offset", options.offset);
    length = get_number(L, arg, "length", UINT64_MAX);
    if (length != UINT64_MAX)
        options.length = mapped_length_exactly(length);
    options.reserve = get_number(L, arg, "reserve", options.reserve);
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

/* What to open: a descriptor or, if that is negative, the path or file handle
 * at argument 1. */
typedef struct source {
    mapped_mode mode;
    mapped_open_options options;
    int descriptor;
} source;

static int check_descriptor(lua_State *L, int arg, int options)
{
    uint64_t descriptor = get_number(L, options, "fd", UINT64_MAX);
    if (descriptor == UINT64_MAX)
        return -1;
    if (!lua_isnoneornil(L, arg))
        luaL_argerror(L, arg, "nil expected, because option 'fd' is given");
    if (descriptor > INT_MAX)
        luaL_argerror(L, options, "option 'fd' is no descriptor");
    return (int)descriptor;
}

void mlua_check_path(lua_State *L, int arg)
{
    if (strlen(lua_tostring(L, arg)) != lua_rawlen(L, arg))
        luaL_argerror(L, arg, "path contains a zero byte");
}

static const char *push_modes(lua_State *L)
{
    const char *names[MAPPED_MODE_APPEND + 2] = {NULL};
    int mode;
    for (mode = MAPPED_MODE_READ; mode <= MAPPED_MODE_APPEND; mode++)
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
    if (mapped_mode_parse(text, length, &mode, NULL) != MAPPED_OK) {
        lua_pushfstring(L, "unknown mode '%s', there are: %s",
                        mlua_push_short(L, arg), push_modes(L));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    return mode;
}

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
        status = mlua_flush_file(L, 1, "open", &descriptor, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_region_open_descriptor(descriptor, NULL, from->mode,
                                         &from->options, region, error);
}

/* Opens what is at argument 1, whose name that is if it is a string. */
static int push_opened(lua_State *L, source *from)
{
    mapped_error error;
    mapped_status status;
    mlua_region *self;
    bool retried = false;
    self = mlua_push_region(
        L, lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL);
    from->options.memory = mlua_region_memory(self);
    from->options.memory_size = self->core_size;
    do
        status = open_source(L, from, &self->view.region, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    self->has_private_pages = from->mode == MAPPED_MODE_COPY;
    mlua_finish_region(L, self);
    return 1;
}

int mlua_open(lua_State *L)
{
    static const char *const names[] = {
        "offset", "length", "reserve", "sparse",      "populate",
        "device", "huge",   "fd",      "permissions", NULL};
    source from;
    mlua_at_most(L, 3);
    if (lua_istable(L, 1)) /* perhaps mapped itself, of mapped:open(path) */
        mlua_check_file(L, 1);
    from.mode = check_mode(L, 2, MAPPED_MODE_READ);
    from.options = check_open_options(L, 3, names);
    from.descriptor = check_descriptor(L, 1, 3);
    if (lua_type(L, 1) == LUA_TSTRING)
        mlua_check_path(L, 1);
    else if (from.descriptor < 0)
        mlua_check_file(L, 1);
    lua_settop(L, 3);
    return push_opened(L, &from);
}

int mlua_shared(lua_State *L)
{
    static const char *const names[] = {
        "offset", "reserve", "sparse", "populate", "huge", "permissions", NULL};
    source from;
    size_t length;
    mlua_at_most(L, 4);
    mlua_check_string(L, 1, &length);
    mlua_check_path(L, 1);
    from.mode = check_mode(L, 3, MAPPED_MODE_READ_WRITE);
    from.options = check_open_options(L, 4, names);
    if (!lua_isnoneornil(L, 2))
        from.options.length = mapped_length_exactly(mlua_check_length(L, 2));
    from.options.flags |= MAPPED_OPEN_SHARED;
    from.descriptor = -1;
    lua_settop(L, 4);
    return push_opened(L, &from);
}

int mlua_unlink(lua_State *L)
{
    mapped_error error;
    size_t length;
    mlua_at_most(L, 1);
    mlua_check_string(L, 1, &length);
    mlua_check_path(L, 1);
    if (mapped_shared_unlink(lua_tostring(L, 1), &error) != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushboolean(L, 1);
    return 1;
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
    options.reserve = get_number(L, 2, "reserve", 0);
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
    self->has_private_pages = true;
    mlua_finish_region(L, self);
    return 1;
}
