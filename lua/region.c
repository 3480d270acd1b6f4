/* The type Region, and the method topointer.
 *
 * topointer hands out addresses, as lrexlib takes them, and nobody tells when
 * one is no longer used. So all of them count as one export, which lasts as
 * long as the Region; its end tells whether a page was lost meanwhile.
 *
 * A Region ends in one of these ways:
 *
 * - close ends the export early. Before, it takes a second reference to the
 * core region, so that the core keeps the addresses, with zero pages in them,
 * until the Region is collected.
 *
 * - The end of a block, __close, closes the region to every new access, and
 *   leaves the exported memory as it is.
 *
 * - The finalizer ends the export and frees the core region. */
#include "mapped_lua.h"

mlua_region *mlua_check_region(lua_State *L, int arg)
{
    mlua_region *self = mlua_test(L, arg, MLUA_REGION);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Region");
    return self;
}

/* Takes the second reference, if that has not been done. As long as there is
 * one, the core region can't move, its pages are not write-protected, and close
 * puts zero pages in their place. */
static void keep_addresses(mlua_region *self)
{
    if (!self->has_second_reference)
        mapped_region_acquire(self->view.region);
    self->has_second_reference = true;
}

void mlua_keep_accessed(mlua_region *self)
{
    if (MAPPED__UNLIKELY(self->is_accessed) &&
        !mapped_region_closed(self->view.region))
        keep_addresses(self);
}

static mlua_region *check_open_region(lua_State *L, int arg)
{
    mlua_region *self = mlua_check_region(L, arg);
    if (mapped_region_closed(self->view.region))
        mlua_raise_closed(L);
    mlua_keep_accessed(self);
    return self;
}

static void free_region(mlua_resource *resource)
{
    mlua_region *self =
        (mlua_region *)((char *)resource - offsetof(mlua_region, resource));
    if (self->has_second_reference)
        mapped_region_release(self->view.region);
    mapped_region_release(self->view.region);
}

mlua_region *mlua_push_region(lua_State *L, const char *path)
{
    size_t core_size = mapped_region_room(path);
    mlua_region *self =
        lua_newuserdatauv(L, sizeof *self + MLUA_REGION_EXTRA + core_size, 0);
    *self =
        (mlua_region){.view.offset = MLUA_WHOLE,
                      .cache = lua_touserdata(L, lua_upvalueindex(MLUA_CACHE)),
                      .core_size = core_size};
    ((mlua_region **)mlua_region_memory(self))[-1] = self;
    return self;
}

/* Tells the collector how much memory the region takes now, if that can't be
 * had back without closing it. */
static void charge_region(lua_State *L, mlua_region *self)
{
    if (self->has_undroppable_pages)
        mlua_charge(L, &self->resource,
                    mapped_region_length(self->view.region) +
                        mapped_region_copied(self->view.region));
}

void mlua_finish_region(lua_State *L, mlua_region *self)
{
    lua_pushvalue(L, lua_upvalueindex(MLUA_REGION));
    lua_setmetatable(L, -2);
    mlua_add_resource(L, &self->resource, free_region);
    charge_region(L, self);
}

/* Ends the export, if there is one. MAPPED_FAULT if a page of it was lost. */
static mapped_status end_export(mlua_region *self, mapped_error *error)
{
    if (!self->has_export)
        return MAPPED_OK;
    self->has_export = false;
    return mapped_export_end(&self->pointer_export, error);
}

mapped_status mlua_close_region(mlua_region *self, mapped_error *error)
{
    mapped_status close_status, export_status = MAPPED_OK;
    mlua_keep_accessed(self);
    if (self->has_export && !mapped_region_closed(self->view.region)) {
        keep_addresses(self);
        export_status = end_export(self, error);
    }
    /* Of two errors the export's is reported, which never comes again. */
    close_status = mapped_region_close(
        self->view.region, export_status == MAPPED_OK ? error : NULL);
    return export_status != MAPPED_OK ? export_status : close_status;
}

static int region_close(lua_State *L)
{
    mlua_region *self;
    mapped_error error;
    mapped_status status;
    mlua_at_most(L, 1);
    self = mlua_check_region(L, 1);
    status = mlua_close_region(self, &error);
    charge_region(L, self);
    return mlua_result_or_fault(L, status, &error);
}

/* Nobody gets the results of __close, so a lost page raises; but an error that
 * ended the block, which is argument 2, must not be replaced. */
static int region_end_block(lua_State *L)
{
    mlua_region *self = mlua_check_region(L, 1);
    mapped_error error;
    mapped_status export_status = MAPPED_OK;
    mlua_keep_accessed(self);
    if (self->has_export)
        export_status = mapped_export_check(&self->pointer_export, &error);
    if (!mapped_region_closed(self->view.region) &&
        mapped_region_retire(self->view.region) > 0)
        lua_warning(L,
                    "mapped: a region was closed by the end of its block, and "
                    "the pointer to its memory that was given away is valid "
                    "until it is collected",
                    0);
    if (!self->has_export)
        charge_region(L, self);
    if (export_status == MAPPED_FAULT && lua_isnoneornil(L, 2))
        return mlua_raise(L, &error);
    return 0;
}

static int region_gc(lua_State *L)
{
    mlua_region *self = mlua_check_region(L, 1);
    mapped_error error;
    mapped_status export_status;
    if (self->resource.link == NULL)
        return 0;
    mlua_remove_resource(&self->resource);
    export_status = end_export(self, &error);
    free_region(&self->resource);
    if (export_status == MAPPED_FAULT)
        mlua_warn(L, &error);
    return 0;
}

/* Extends `*range` to the smallest range that also holds `slice`. */
static void widen(mapped_slice *range, mapped_slice slice)
{
    size_t range_end = range->offset + range->length;
    size_t slice_end = slice.offset + slice.length;
    if (slice.offset < range->offset)
        range->offset = slice.offset;
    range->length =
        (range_end > slice_end ? range_end : slice_end) - range->offset;
}

/* Sets `*address` to where `slice` is. Each address comes from an export of its
 * own, because the mapping may have moved since the first one. But only the
 * first export is kept, and widened to hold the later ones. */
static mapped_status export_slice(mlua_region *self, mapped_slice slice,
                                  void **address, mapped_error *error)
{
    mapped_export new_export;
    mapped_status status = mapped_export_begin(slice, &new_export, error);
    if (status != MAPPED_OK)
        return status;
    *address = new_export.data;
    if (!self->has_export) {
        mapped_region_copy_on_move(self->view.region);
        self->has_export = true;
        self->pointer_export = new_export;
        return MAPPED_OK;
    }
    widen(&self->pointer_export.slice, slice);
    /* A page that is lost is reported when the first export ends. */
    status = mapped_export_end(&new_export, NULL);
    (void)status;
    return MAPPED_OK;
}

static int view_topointer(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 1);
    mapped_error error;
    void *address;
    mlua_push_owner(L, 1);
    if (export_slice(lua_touserdata(L, -1), slice, &address, &error) !=
        MAPPED_OK)
        return mlua_raise_in(L, "topointer", &error);
    lua_pushlightuserdata(L, address);
    return 1;
}

const luaL_Reg mlua_pointer_methods[] = {{"topointer", view_topointer},
                                         {NULL, NULL}};

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
        status = mapped_region_resize(self->view.region, n, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status == MAPPED_OK)
        charge_region(L, self);
    return mlua_result(L, status, &error);
}

/* The data may be bytes of the same region, which moves when it grows. So they
 * are passed as a slice and not by their address. */
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
    do { /* mlua_check_data may run a finalizer that closes the region. */
        data = mlua_check_data(L, "append", 2);
        self = check_open_region(L, 1);
        status = append(self->view.region, &data, &error);
    } while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status == MAPPED_OK)
        charge_region(L, self);
    return mlua_result(L, status, &error);
}

/* Returns the core region of argument 1, the only one of a method; raises if it
 * is closed. */
static mapped_region *check_core(lua_State *L)
{
    mlua_at_most(L, 1);
    return check_open_region(L, 1)->view.region;
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
        status = mapped_region_refresh(self->view.region, &change, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    charge_region(L, self);
    lua_pushstring(L, mapped_change_text(change));
    return 1;
}

static int region_size(lua_State *L)
{
    uint64_t size;
    mapped_region *region = check_core(L);
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
    lua_pushinteger(L, (lua_Integer)mapped_region_file_offset(check_core(L)));
    return 1;
}

static int region_mode(lua_State *L)
{
    lua_pushstring(L, mapped_mode_text(mapped_region_mode(check_core(L))));
    return 1;
}

static int region_name(lua_State *L)
{
    lua_pushstring(L, mapped_region_name(check_core(L)));
    return 1;
}

static int region_fileno(lua_State *L)
{
    intptr_t descriptor;
    mapped_error error;
    if (mapped_region_descriptor(check_core(L), &descriptor, &error) !=
        MAPPED_OK)
        return mlua_fail(L, &error);
    lua_pushinteger(L, descriptor);
    return 1;
}

static int region_seal(lua_State *L)
{
    static const char *const names[] = {"grow", "shrink", "write", NULL};
    mapped_error error;
    unsigned seals = 0;
    mlua_at_most(L, 2);
    check_open_region(L, 1);
    mlua_check_options(L, 2, names);
    if (mlua_get_flag(L, 2, "grow", true))
        seals |= MAPPED_SEAL_GROW;
    if (mlua_get_flag(L, 2, "shrink", true))
        seals |= MAPPED_SEAL_SHRINK;
    if (mlua_get_flag(L, 2, "write", false))
        seals |= MAPPED_SEAL_WRITE;
    return mlua_result(
        L,
        mapped_region_seal(check_open_region(L, 1)->view.region, seals, &error),
        &error);
}

static int region_tostring(lua_State *L)
{
    const mlua_region *self = mlua_check_region(L, 1);
    const mapped_region *region = self->view.region;
    const char *name;
    if (mapped_region_closed(region)) {
        lua_pushliteral(L, "mapped.Region (closed)");
        return 1;
    }
    lua_pushstring(L, mapped_region_name(region)); /* pushes nil for NULL */
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
                                     {"__close", region_end_block},
                                     {"__tostring", region_tostring},
                                     {NULL, NULL}};
