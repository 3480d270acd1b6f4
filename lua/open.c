/* Making regions. Everything a script passes is read, which may run its code,
 * before anything is opened; and the Region, closed, exists before something is
 * opened into it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "mapped_lua.h"

static bool is_one_of(const char *name, const char *const names[])
{
    size_t i;
    for (i = 0; names[i] != NULL; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Complains about a value that isn't a table, and about a misspelt option,
 * which otherwise would be ignored. */
static void check_options(lua_State *L, int arg, const char *const names[])
{
    if (lua_isnoneornil(L, arg))
        return;
    luaL_checktype(L, arg, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING &&
            is_one_of(lua_tostring(L, -2), names))
            continue;
        lua_pushfstring(L, "unknown option '%s'", luaL_tolstring(L, -2, NULL));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
}

/* Pushes the option; false and nothing pushed if it isn't there. */
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
                    luaL_tolstring(L, -1, NULL));
    luaL_argerror(L, arg, lua_tostring(L, -1));
}

static bool get_flag(lua_State *L, int arg, const char *name)
{
    bool value;
    if (!push_option(L, arg, name))
        return false;
    if (!lua_isboolean(L, -1))
        raise_option(L, arg, name, "boolean");
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static uint64_t get_number(lua_State *L, int arg, const char *name,
                           uint64_t missing)
{
    lua_Integer value;
    int is_integer;
    if (!push_option(L, arg, name))
        return missing;
    value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || value < 0)
        raise_option(L, arg, name, "non-negative integer");
    lua_pop(L, 1);
    return (uint64_t)value;
}

/* true asks for huge pages where they are to be had, a number for pages of
 * exactly that many bytes. */
static uint64_t get_huge(lua_State *L, int arg)
{
    bool is_boolean;
    if (!push_option(L, arg, "huge"))
        return MAPPED_HUGE_NONE;
    is_boolean = lua_isboolean(L, -1);
    lua_pop(L, 1);
    if (is_boolean)
        return get_flag(L, arg, "huge") ? MAPPED_HUGE_ADVISE : MAPPED_HUGE_NONE;
    return get_number(L, arg, "huge", MAPPED_HUGE_NONE);
}

static mapped_open_options check_open_options(lua_State *L, int arg)
{
    static const char *const names[] = {"offset", "length",   "reserve",
                                        "sparse", "populate", "device",
                                        "huge",   "fd",       NULL};
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    uint64_t length;
    check_options(L, arg, names);
    options.offset = get_number(L, arg, "offset", options.offset);
    length = get_number(L, arg, "length", UINT64_MAX);
    if (length != UINT64_MAX)
        options.length = mapped_length_exactly(length);
    options.reserve = get_number(L, arg, "reserve", options.reserve);
    options.huge = get_huge(L, arg);
    if (get_flag(L, arg, "sparse"))
        options.flags |= MAPPED_OPEN_SPARSE;
    if (get_flag(L, arg, "populate"))
        options.flags |= MAPPED_OPEN_POPULATE;
    if (get_flag(L, arg, "device"))
        options.flags |= MAPPED_OPEN_DEVICE;
    return options;
}

typedef struct source {
    const char *path; /* NULL: `descriptor` */
    FILE *stream;     /* what the descriptor belongs to, or NULL */
    int descriptor;
} source;

static const char *check_path(lua_State *L, int arg)
{
    size_t length;
    const char *path = lua_tolstring(L, arg, &length);
    if (strlen(path) != length)
        luaL_argerror(L, arg, "path contains a zero byte");
    return path;
}

static FILE *check_stream(lua_State *L, int arg)
{
    luaL_Stream *handle = luaL_testudata(L, arg, LUA_FILEHANDLE);
    if (handle == NULL)
        luaL_typeerror(L, arg, "path or file handle");
    if (handle->closef == NULL)
        luaL_argerror(L, arg, "attempt to use a closed file");
    return handle->f;
}

static source check_source(lua_State *L, int arg, int options)
{
    source found = {NULL, NULL, -1};
    uint64_t descriptor = get_number(L, options, "fd", UINT64_MAX);
    if (descriptor != UINT64_MAX && !lua_isnoneornil(L, arg))
        luaL_argerror(L, arg, "nil expected, because option 'fd' is given");
    if (descriptor != UINT64_MAX && descriptor > INT_MAX)
        luaL_argerror(L, options, "option 'fd' is no descriptor");
    if (descriptor != UINT64_MAX)
        found.descriptor = (int)descriptor;
    else if (lua_type(L, arg) == LUA_TSTRING)
        found.path = check_path(L, arg);
    else
        found.stream = check_stream(L, arg);
    if (found.stream != NULL)
        found.descriptor = fileno(found.stream);
    return found;
}

static mapped_mode check_mode(lua_State *L, int arg)
{
    size_t length;
    mapped_mode mode = MAPPED_MODE_READ;
    const char *text = luaL_optlstring(L, arg, "r", &length);
    if (strlen(text) != length)
        luaL_argerror(L, arg, "unknown mode: it contains a zero byte");
    if (mapped_mode_parse(text, length, &mode, NULL) != MAPPED_OK) {
        lua_pushfstring(L, "unknown mode '%s'", text);
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    return mode;
}

static mapped_status open_source(const source *from, mapped_mode mode,
                                 const mapped_open_options *options,
                                 mapped_region **region, mapped_error *error)
{
    if (from->path != NULL)
        return mapped_region_open(from->path, mode, options, region, error);
    return mapped_region_open_descriptor(
        mapped_system_descriptor(from->descriptor), NULL, mode, options, region,
        error);
}

int mlua_open(lua_State *L)
{
    mapped_mode mode = check_mode(L, 2);
    mapped_open_options options = check_open_options(L, 3);
    source from = check_source(L, 1, 3);
    mapped_error error;
    mlua_region *self;
    lua_settop(L, 3);
    self = mlua_push_region(L);
    /* What was written to the handle must be in the file first. */
    if (from.stream != NULL && fflush(from.stream) != 0)
        return luaL_fileresult(L, 0, NULL);
    if (open_source(&from, mode, &options, &self->region, &error) != MAPPED_OK)
        return mlua_fail(L, &error, from.path);
    return 1;
}

int mlua_anonymous(lua_State *L)
{
    static const char *const names[] = {"shared", "reserve", "huge", NULL};
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    size_t length = mlua_check_length(L, 1);
    mlua_region *self;
    mapped_error error;
    check_options(L, 2, names);
    options.reserve = get_number(L, 2, "reserve", 0);
    options.huge = get_huge(L, 2);
    options.shared = get_flag(L, 2, "shared");
    self = mlua_push_region(L);
    if (mapped_region_anonymous(length, &options, &self->region, &error) !=
        MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    return 1;
}
