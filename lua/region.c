/* The Region: what only the owner of a mapping can do.
 *
 * `topointer` hands out a raw address, as lrexlib and its like want it, to code
 * that doesn't say when it is done with it. From then on the region is pinned,
 * and we hold a second reference: `close` drops the pin, and because of that
 * reference the core keeps the addresses, with zero pages in them, until the
 * object is collected. Whether the bytes that were shown so were all there is
 * asked at the end, which is the close. */
#include "mapped_lua.h"

static mlua_region *check_region(lua_State *L, int arg)
{
    mlua_region *self = mlua_test(L, arg, MLUA_REGION);
    if (self == NULL)
        luaL_typeerror(L, arg, "mapped.Region");
    return self;
}

static mlua_region *check_open_region(lua_State *L, int arg)
{
    mlua_region *self = check_region(L, arg);
    if (self->region == NULL || mapped_region_closed(self->region))
        mlua_raise_closed(L);
    return self;
}

mlua_region *mlua_push_region(lua_State *L)
{
    mlua_region *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (mlua_region){.head.tag = &mlua_tags[MLUA_REGION]};
    lua_pushvalue(L, lua_upvalueindex(MLUA_REGION));
    lua_setmetatable(L, -2);
    return self;
}

/* Ends what topointer began; MAPPED_FAULT if it has shown lost pages. */
static mapped_status end_export(mlua_region *self, mapped_error *error)
{
    if (!self->pinned)
        return MAPPED_OK;
    self->pinned = false;
    return mapped_export_end(self->shown, self->since, error);
}

/* What was shown stays to be asked about when the close is refused. */
static mapped_status close_region(mlua_region *self, mapped_error *error)
{
    mapped_error fault;
    bool pinned = self->pinned;
    void *same;
    if (self->region == NULL)
        return MAPPED_OK;
    mapped_status shown = end_export(self, &fault);
    mapped_status status = mapped_region_close(self->region, error);
    if (status != MAPPED_OK && pinned)
        self->pinned =
            mapped_region_pin(self->region, &same, NULL) == MAPPED_OK;
    if (status != MAPPED_OK || shown != MAPPED_FAULT)
        return status;
    *error = fault;
    return MAPPED_FAULT;
}

static int region_close(lua_State *L)
{
    mapped_error error;
    mapped_status status = close_region(check_region(L, 1), &error);
    if (status == MAPPED_FAULT)
        return mlua_fail_fault(L, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushboolean(L, true);
    return 1;
}

/* Nobody sees what this returns, so a loss raises, unless there is an error on
 * its way already. */
static int region_leave(lua_State *L)
{
    mapped_error error;
    if (close_region(check_region(L, 1), &error) == MAPPED_FAULT &&
        lua_isnoneornil(L, 2))
        return mlua_raise(L, &error);
    return 0;
}

static int region_gc(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_region *region = self->region;
    mapped_error error;
    self->region = NULL;
    if (region == NULL)
        return 0;
    mapped_status shown = end_export(self, &error);
    if (self->exported)
        mapped_region_release(region);
    mapped_region_release(region);
    if (shown == MAPPED_FAULT)
        mlua_warn(L, &error);
    return 0;
}

/* One stretch that holds all that was shown. */
static void widen(mapped_slice *shown, mapped_slice slice)
{
    size_t end = shown->offset + shown->length;
    size_t other = slice.offset + slice.length;
    if (slice.offset < shown->offset)
        shown->offset = slice.offset;
    shown->length = (end > other ? end : other) - shown->offset;
}

/* The first pin holds for all. */
static mapped_status show(mlua_region *self, mapped_slice slice, void **data,
                          mapped_error *error)
{
    uint64_t since;
    mapped_status status = mapped_export_begin(slice, data, &since, error);
    if (status != MAPPED_OK)
        return status;
    if (self->pinned) {
        mapped_region_unpin(self->region);
        widen(&self->shown, slice);
        return MAPPED_OK;
    }
    self->pinned = true;
    self->shown = slice;
    self->since = since;
    if (!self->exported)
        mapped_region_acquire(self->region);
    self->exported = true;
    return MAPPED_OK;
}

static int view_topointer(lua_State *L)
{
    mapped_slice slice = mlua_check_view(L, 1);
    mlua_region *owner = mlua_push_owner(L, 1);
    mapped_error error;
    void *data;
    if (show(owner, slice, &data, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushlightuserdata(L, data);
    return 1;
}

const luaL_Reg mlua_pointer_methods[] = {{"topointer", view_topointer},
                                         {NULL, NULL}};

static int region_resize(lua_State *L)
{
    mlua_region *self = check_open_region(L, 1);
    mapped_error error;
    lua_Integer n = mlua_check_length(L, 2);
    if (mapped_region_resize(self->region, n, &error) != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushboolean(L, true);
    return 1;
}

/* The bytes may be the region's own, which growth may move: they are named by
 * their slice, never by an address. */
static int region_append(lua_State *L)
{
    mapped_region *region = check_open_region(L, 1)->region;
    mlua_data data = mlua_check_data(L, 2);
    mapped_error error;
    mapped_status status =
        data.string != NULL
            ? mapped_region_append(region, data.string, data.length, &error)
            : mapped_region_append_slice(region, data.slice, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushboolean(L, true);
    return 1;
}

static int region_size(lua_State *L)
{
    uint64_t size;
    mapped_error error;
    mapped_region *region = check_open_region(L, 1)->region;
    if (mapped_region_size(region, &size, &error) != MAPPED_OK)
        return mlua_fail(L, &error, mapped_region_name(region));
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int region_mode(lua_State *L)
{
    mapped_region *region = check_open_region(L, 1)->region;
    lua_pushstring(L, mapped_mode_text(mapped_region_mode(region)));
    return 1;
}

static int region_name(lua_State *L)
{
    mapped_region *region = check_open_region(L, 1)->region;
    lua_pushstring(L, mapped_region_name(region));
    return 1;
}

static int region_fileno(lua_State *L)
{
    intptr_t descriptor;
    mapped_error error;
    mapped_region *region = check_open_region(L, 1)->region;
    if (mapped_region_descriptor(region, &descriptor, &error) != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushinteger(L, descriptor);
    return 1;
}

static int region_seal(lua_State *L)
{
    mapped_error error;
    mapped_region *region = check_open_region(L, 1)->region;
    if (mapped_region_seal(region, &error) != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushboolean(L, true);
    return 1;
}

static int region_tostring(lua_State *L)
{
    const mlua_region *self = check_region(L, 1);
    const mapped_region *region = self->region;
    const char *name;
    if (region == NULL || mapped_region_closed(region)) {
        lua_pushliteral(L, "mapped.Region (closed)");
        return 1;
    }
    name = mapped_region_name(region);
    lua_pushfstring(L, "mapped.Region (%I bytes, mode %s%s%s)",
                    (LUAI_UACINT)mapped_region_length(region),
                    mapped_mode_text(mapped_region_mode(region)),
                    name != NULL ? ", " : "", name != NULL ? name : "");
    return 1;
}

const luaL_Reg mlua_region_methods[] = {{"close", region_close},
                                        {"resize", region_resize},
                                        {"append", region_append},
                                        {"size", region_size},
                                        {"mode", region_mode},
                                        {"name", region_name},
                                        {"fileno", region_fileno},
                                        {"seal", region_seal},
                                        {NULL, NULL}};

const luaL_Reg mlua_region_meta[] = {{"__gc", region_gc},
                                     {"__close", region_leave},
                                     {"__tostring", region_tostring},
                                     {NULL, NULL}};
