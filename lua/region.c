/* The Region: what only the owner of a mapping can do.
 *
 * `topointer` hands out a raw address, as lrexlib and its like want it, to code
 * that doesn't say when it is done with it. From then on the region is pinned,
 * and we hold a second reference: `close` drops the pin, and because of that
 * reference the core keeps the addresses, with zero pages in them, until the
 * object is collected. */
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

static mapped_status close_region(mlua_region *self, mapped_error *error)
{
    mapped_status status;
    bool pinned = self->pinned;
    void *same;
    if (self->region == NULL)
        return MAPPED_OK;
    if (pinned)
        mapped_region_unpin(self->region);
    status = mapped_region_close(self->region, error);
    if (status == MAPPED_OK)
        self->pinned = false;
    else if (pinned)
        self->pinned =
            mapped_region_pin(self->region, &same, NULL) == MAPPED_OK;
    return status;
}

static int region_close(lua_State *L)
{
    mapped_error error;
    if (close_region(check_region(L, 1), &error) != MAPPED_OK)
        return mlua_fail(L, &error, NULL);
    lua_pushboolean(L, true);
    return 1;
}

static int region_gc(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_region *region = self->region;
    self->region = NULL;
    if (region == NULL)
        return 0;
    if (self->pinned)
        mapped_region_unpin(region);
    if (self->exported)
        mapped_region_release(region);
    mapped_region_release(region);
    return 0;
}

static mapped_status export_region(mlua_region *self, mapped_error *error)
{
    void *data;
    mapped_status status = mapped_region_pin(self->region, &data, error);
    if (status != MAPPED_OK)
        return status;
    self->pinned = true;
    self->pointer = data;
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
    if (mapped_slice_check(slice, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    if (!owner->pinned && export_region(owner, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushlightuserdata(L, owner->pointer + slice.offset);
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
                                     {"__close", region_close},
                                     {"__tostring", region_tostring},
                                     {NULL, NULL}};
