/* The type Region, and the export of `topointer`.
 *
 * `topointer` returns a raw address to code that never says when it is done, as
 * lrexlib's convention is. So the export lasts as long as the Region, and the
 * address stays valid that long, also if the region grows. `close` ends the
 * export early: it takes a second reference to the core's region, so that the
 * core keeps the addresses, with zero pages in them, until the Region is
 * collected. The end of a block leaves the exported memory as it is and closes
 * the region to every new access. The end of the export tells whether a page
 * was lost meanwhile. */
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
    mlua_region *self = lua_newuserdatauv(
        L, sizeof *self + _Alignof(max_align_t) - 1 + room, 0);
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

/* Ends the export, if there is one; MAPPED_FAULT if a page of it was lost. */
static mapped_status end_export(mlua_region *self, mapped_error *error)
{
    if (!self->exported)
        return MAPPED_OK;
    self->exported = false;
    return mapped_export_end(&self->pointer, error);
}

mapped_status mlua_close_region(mlua_region *self, mapped_error *error)
{
    mapped_status status, ended = MAPPED_OK;
    if (self->exported && !mapped_region_closed(self->region)) {
        if (!self->kept)
            mapped_region_acquire(self->region);
        self->kept = true;
        ended = end_export(self, error);
    }
    status =
        mapped_region_close(self->region, ended == MAPPED_OK ? error : NULL);
    return status != MAPPED_OK ? status : ended;
}

static int region_close(lua_State *L)
{
    mlua_region *self;
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 1);
    self = check_region(L, 1);
    status = mlua_close_region(self, &error);
    mlua_charge_region(L, self);
    if (status == MAPPED_FAULT)
        return mlua_fail_fault(L, &error);
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* The method __close, whose results nobody gets. So a lost page raises, unless
 * the block ends with an error, which must not be replaced. */
static int region_leave(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_error error;
    mapped_status checked = MAPPED_OK;
    if (self->exported)
        checked = mapped_export_check(&self->pointer, &error);
    if (!mapped_region_closed(self->region) &&
        mapped_region_retire(self->region) > 0)
        lua_warning(L,
                    "mapped: a region was closed by the end of its block, and "
                    "the pointer to its memory that was given away is valid "
                    "until it is collected",
                    0);
    if (!self->exported)
        mlua_charge_region(L, self);
    if (checked == MAPPED_FAULT && lua_isnoneornil(L, 2))
        return mlua_raise(L, &error);
    return 0;
}

static int region_gc(lua_State *L)
{
    mlua_region *self = check_region(L, 1);
    mapped_error error;
    mapped_status ended;
    if (self->resource.link == NULL)
        return 0;
    mlua_remove_resource(&self->resource);
    ended = end_export(self, &error);
    free_region(&self->resource);
    if (ended == MAPPED_FAULT)
        mlua_warn(L, &error);
    return 0;
}

/* Extends `*all` to the smallest range that holds `slice` too. */
static void widen(mapped_slice *all, mapped_slice slice)
{
    size_t end = all->offset + all->length;
    size_t other = slice.offset + slice.length;
    if (slice.offset < all->offset)
        all->offset = slice.offset;
    all->length = (end > other ? end : other) - all->offset;
}

/* Exports `slice`. The first export stands for all later ones; but each address
 * comes from an export of its own, because the mapping may have moved. */
static mapped_status export(mlua_region *self, mapped_slice slice, void **data,
                            mapped_error *error)
{
    mapped_export made;
    mapped_status status = mapped_export_begin(slice, &made, error);
    if (status != MAPPED_OK)
        return status;
    *data = made.data;
    if (self->exported) {
        widen(&self->pointer.slice, slice);
        status = mapped_export_end(&made, NULL);
        (void)status; /* the first one tells, at its end */
        return MAPPED_OK;
    }
    mapped_region_copy_on_move(self->region);
    self->exported = true;
    self->pointer = made;
    return MAPPED_OK;
}

static int view_topointer(lua_State *L)
{
    mapped_slice slice = mlua_check_open_self(L, 1);
    mapped_error error;
    void *data;
    mlua_push_owner(L, 1);
    if (export(lua_touserdata(L, -1), slice, &data, &error) != MAPPED_OK)
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

/* Pushes true; or nil, the message and a number. */
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
    bool retried = false;
    mlua_at_most(L, 2);
    self = check_open_region(L, 1);
    n = mlua_check_length(L, 2);
    do
        status = mapped_region_resize(self->region, n, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status == MAPPED_OK)
        mlua_charge_region(L, self);
    return answer(L, status, &error);
}

/* The bytes may be the region's own, which growth may move, so they are passed
 * as a slice and not by an address. */
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
    bool retried = false;
    mlua_at_most(L, 2);
    check_open_region(L, 1);
    do {
        data = mlua_check_data(L, "append", 2);
        self = check_open_region(L, 1);
        status = append(self->region, &data, &error);
    } while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status == MAPPED_OK)
        mlua_charge_region(L, self);
    return answer(L, status, &error);
}

/* Returns the region of a method that takes no arguments. */
static mapped_region *open_region(lua_State *L)
{
    mlua_at_most(L, 1);
    return check_open_region(L, 1)->region;
}

static int region_refresh(lua_State *L)
{
    mlua_region *self;
    mapped_change change;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 1);
    self = check_open_region(L, 1);
    do
        status = mapped_region_refresh(self->region, &change, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    mlua_charge_region(L, self);
    lua_pushstring(L, mapped_change_text(change));
    return 1;
}

static int region_size(lua_State *L)
{
    uint64_t size;
    mapped_region *region = open_region(L);
    mapped_error error;
    mapped_status status;
    bool retried = false;
    do
        status = mapped_region_size(region, &size, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int region_file_offset(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mapped_region_file_offset(open_region(L)));
    return 1;
}

static int region_mode(lua_State *L)
{
    lua_pushstring(L, mapped_mode_text(mapped_region_mode(open_region(L))));
    return 1;
}

static int region_name(lua_State *L)
{
    lua_pushstring(L, mapped_region_name(open_region(L)));
    return 1;
}

static int region_fileno(lua_State *L)
{
    intptr_t descriptor;
    mapped_error error;
    if (mapped_region_descriptor(open_region(L), &descriptor, &error) !=
        MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, descriptor);
    return 1;
}

static int region_seal(lua_State *L)
{
    mapped_error error;
    return answer(L, mapped_region_seal(open_region(L), &error), &error);
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
                                        {"refresh", region_refresh},
                                        {"size", region_size},
                                        {"file_offset", region_file_offset},
                                        {"mode", region_mode},
                                        {"name", region_name},
                                        {"fileno", region_fileno},
                                        {"seal", region_seal},
                                        {NULL, NULL}};

const luaL_Reg mlua_region_meta[] = {{"__gc", region_gc},
                                     {"__close", region_leave},
                                     {"__tostring", region_tostring},
                                     {NULL, NULL}};
