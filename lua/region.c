/* The Region: what only the owner of a mapping can do.
 *
 * `topointer` hands out a raw address, as lrexlib and its like want it, to code
 * that doesn't say when it is done with it: an export that ends with the
 * object. Until then the address stays valid. Growth leaves it where it is.
 * `close` ends the export, and takes a second reference, because of which the
 * core keeps the addresses, with zero pages in them, until the object is
 * collected. The end of a block closes to every new access and leaves the
 * memory as it is. Whether the bytes that were shown so were all there is asked
 * at the end of the export. */
#include "mapped_lua.h"

static mlua_region *check_region(lua_State *L, int arg)
{
    mlua_region *self = mlua_test(L, arg, MLUA_REGION);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Region");
    return self;
}

static mlua_region *check_open_region(lua_State *L, int arg)
{
    mlua_region *self = check_region(L, arg);
    if (mapped_region_closed(self->region))
        mlua_raise_closed(L);
    return self;
}

static void free_region(mlua_resource *resource)
{
    mlua_region *self =
        (mlua_region *)((char *)resource - offsetof(mlua_region, resource));
    if (self->kept)
        mapped_region_release(self->region);
    mapped_region_release(self->region);
}

mlua_region *mlua_push_region(lua_State *L, const char *path)
{
    size_t room = mapped_region_room(path);
    mlua_region *self = lua_newuserdatauv(L, sizeof *self + room, 0);
    *self =
        (mlua_region){.view.owner = self,
                      .cache = lua_touserdata(L, lua_upvalueindex(MLUA_CACHE)),
                      .room = room};
    return self;
}

void mlua_finish_region(lua_State *L, mlua_region *self)
{
    lua_pushvalue(L, lua_upvalueindex(MLUA_REGION));
    lua_setmetatable(L, -2);
    mlua_add_resource(L, &self->resource, free_region);
    mlua_charge_region(L, self);
}

/* Ends what topointer began; MAPPED_FAULT if it has shown lost pages. */
static mapped_status end_export(mlua_region *self, mapped_error *error)
{
    if (!self->exported)
        return MAPPED_OK;
    self->exported = false;
    return mapped_export_end(self->exported_bytes, self->since, error);
}

static mapped_status close_region(mlua_region *self, mapped_error *error)
{
    mapped_status status, shown = MAPPED_OK;
    if (self->exported && !mapped_region_closed(self->region)) {
        if (!self->kept)
            mapped_region_acquire(self->region);
        self->kept = true;
        shown = end_export(self, error);
    }
    status =
        mapped_region_close(self->region, shown == MAPPED_OK ? error : NULL);
    return status != MAPPED_OK ? status : shown;
}

static int region_close(lua_State *L)
{
    mlua_region *self;
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 1);
    self = check_region(L, 1);
    status = close_region(self, &error);
    mlua_charge_region(L, self);
    if (status == MAPPED_FAULT)
        return mlua_fail_fault(L, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* What was lost of what pointers have shown so far, without an end of that. */
static mapped_status check_export(const mlua_region *self, mapped_error *error)
{
    void *same;
    if (!self->exported ||
        mapped_region_pin(self->region, &same, NULL) != MAPPED_OK)
        return MAPPED_OK;
    return mapped_export_end(self->exported_bytes, self->since, error);
}

/* Nobody sees what this returns, so a loss raises, unless there is an error on
 * its way already. */
static int region_leave(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_error error;
    mapped_status shown = check_export(self, &error);
    if (!mapped_region_closed(self->region) &&
        mapped_region_retire(self->region) > 0)
        lua_warning(L,
                    "mapped: a region was closed by the end of its block, and "
                    "the pointer to its memory that was given away is valid "
                    "until it is collected",
                    0);
    if (!self->exported)
        mlua_charge_region(L, self);
    if (shown == MAPPED_FAULT && lua_isnoneornil(L, 2))
        return mlua_raise(L, &error);
    return 0;
}

static int region_gc(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_error error;
    mapped_status shown;
    if (self->resource.link == NULL)
        return 0;
    mlua_remove_resource(&self->resource);
    shown = end_export(self, &error);
    free_region(&self->resource);
    if (shown == MAPPED_FAULT)
        mlua_warn(L, &error);
    return 0;
}

/* One stretch that holds both. */
static void widen(mapped_slice *all, mapped_slice slice)
{
    size_t end = all->offset + all->length;
    size_t other = slice.offset + slice.length;
    if (slice.offset < all->offset)
        all->offset = slice.offset;
    all->length = (end > other ? end : other) - all->offset;
}

/* The first export holds for all; the mapping may have moved since it began, so
 * that each address must be one that an export has given. */
static mapped_status show(mlua_region *self, mapped_slice slice, void **data,
                          mapped_error *error)
{
    uint64_t since;
    mapped_status status = mapped_export_begin(slice, data, &since, error);
    if (status != MAPPED_OK)
        return status;
    if (self->exported) {
        mapped_region_unpin(self->region);
        widen(&self->exported_bytes, slice);
        return MAPPED_OK;
    }
    mapped_region_copy_on_move(self->region);
    self->exported = true;
    self->exported_bytes = slice;
    self->since = since;
    return MAPPED_OK;
}

static int view_topointer(lua_State *L)
{
    mapped_slice slice = mlua_open_self(L, 1);
    mapped_error error;
    void *data;
    mlua_push_owner(L, 1);
    if (show(lua_touserdata(L, -1), slice, &data, &error) != MAPPED_OK)
        return mlua_raise_in(L, "topointer", &error);
    lua_pushlightuserdata(L, data);
    return 1;
}

const luaL_Reg mlua_pointer_methods[] = {{"topointer", view_topointer},
                                         {NULL, NULL}};

void mlua_charge_region(lua_State *L, mlua_region *self)
{
    if (self->own)
        mlua_charge(L, &self->resource,
                    mapped_region_length(self->region) +
                        mapped_region_copied(self->region));
}

/* true, or nil, the message and a number. */
static int answer(lua_State *L, mapped_status status, const mapped_error *error)
{
    if (status != MAPPED_OK)
        return mlua_fail(L, error);
    lua_pushboolean(L, true);
    return 1;
}

static int region_resize(lua_State *L)
{
    mlua_region *self;
    mapped_error error;
    mapped_status status;
    size_t n;
    bool tried = false;
    mlua_at_most(L, 2);
    self = check_open_region(L, 1);
    n = mlua_check_length(L, 2);
    do
        status = mapped_region_resize(self->region, n, &error);
    while (mlua_collects(L, status, &error, &tried));
    if (status == MAPPED_OK)
        mlua_charge_region(L, self);
    return answer(L, status, &error);
}

/* The bytes may be the region's own, which growth may move: they are named by
 * their slice, never by an address. */
static mapped_status append(mapped_region *region, const mlua_data *data,
                            mapped_error *error)
{
    if (data->string != NULL)
        return mapped_region_append(region, data->string, data->length, error);
    return mapped_region_append_slice(region, data->slice, error);
}

static int region_append(lua_State *L)
{
    mlua_region *self;
    mlua_data data;
    mapped_error error;
    mapped_status status;
    bool tried = false;
    mlua_at_most(L, 2);
    check_open_region(L, 1);
    do {
        data = mlua_check_data(L, 2);
        self = check_open_region(L, 1);
        status = append(self->region, &data, &error);
    } while (mlua_collects(L, status, &error, &tried));
    if (status == MAPPED_OK)
        mlua_charge_region(L, self);
    return answer(L, status, &error);
}

static int region_size(lua_State *L)
{
    uint64_t size;
    mapped_region *region;
    mapped_error error;
    mapped_status status;
    bool tried = false;
    mlua_at_most(L, 1);
    region = check_open_region(L, 1)->region;
    do
        status = mapped_region_size(region, &size, &error);
    while (mlua_collects(L, status, &error, &tried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int region_mode(lua_State *L)
{
    mapped_region *region;
    mlua_at_most(L, 1);
    region = check_open_region(L, 1)->region;
    lua_pushstring(L, mapped_mode_text(mapped_region_mode(region)));
    return 1;
}

static int region_name(lua_State *L)
{
    mapped_region *region;
    mlua_at_most(L, 1);
    region = check_open_region(L, 1)->region;
    lua_pushstring(L, mapped_region_name(region));
    return 1;
}

static int region_fileno(lua_State *L)
{
    intptr_t descriptor;
    mapped_error error;
    mapped_region *region;
    mlua_at_most(L, 1);
    region = check_open_region(L, 1)->region;
    if (mapped_region_descriptor(region, &descriptor, &error) != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, descriptor);
    return 1;
}

static int region_seal(lua_State *L)
{
    mapped_error error;
    mapped_region *region;
    mlua_at_most(L, 1);
    region = check_open_region(L, 1)->region;
    return answer(L, mapped_region_seal(region, &error), &error);
}

static int region_tostring(lua_State *L)
{
    const mlua_region *self = check_region(L, 1);
    const mapped_region *region = self->region;
    const char *name;
    if (mapped_region_closed(region)) {
        lua_pushliteral(L, "mapped.Region (closed)");
        return 1;
    }
    lua_pushstring(L, mapped_region_name(region)); /* or nil */
    name = lua_isnil(L, -1) ? "" : mlua_push_short(L, -1);
    lua_pushfstring(L, "mapped.Region (%I bytes, mode %s%s%s)",
                    (LUAI_UACINT)mapped_region_length(region),
                    mapped_mode_text(mapped_region_mode(region)),
                    name[0] != '\0' ? ", " : "", name);
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
