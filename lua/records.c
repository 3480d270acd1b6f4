/* Layouts, and records of one layout over the bytes of a view. */
#include "mapped_lua.h"

static void free_layout(mlua_resource *resource)
{
    mlua_layout *self =
        (mlua_layout *)((char *)resource - offsetof(mlua_layout, resource));
    mapped_layout_release(self->compiled);
    self->compiled = NULL;
}

static int layout_gc(lua_State *L)
{
    mlua_layout *self = mlua_test(L, 1, MLUA_LAYOUT);
    if (self != NULL) {
        mlua_remove_resource(&self->resource);
        free_layout(&self->resource);
    }
    return 0;
}

static const mlua_layout *check_layout(lua_State *L, int arg)
{
    const mlua_layout *self = mlua_test(L, arg, MLUA_LAYOUT);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Layout");
    return self;
}

/* Of the Layout on top. */
static void keep_copy(lua_State *L, mlua_layout *self)
{
    void *memory = lua_newuserdatauv(L, mapped_layout_room(self->compiled), 0);
    self->layout = mapped_layout_copy(self->compiled, memory);
    lua_setiuservalue(L, -2, 1);
    free_layout(&self->resource);
}

/* The userdata comes first, so that an error on the way leaks nothing. */
static void push_layout(lua_State *L, int arg)
{
    size_t length;
    mapped_error error;
    const char *text = mlua_check_string(L, arg, &length);
    mlua_layout *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (mlua_layout){.layout = NULL};
    lua_pushvalue(L, lua_upvalueindex(MLUA_LAYOUT));
    lua_setmetatable(L, -2);
    mlua_add_resource(L, &self->resource, free_layout);
    if (mapped_layout_compile(text, length, &self->compiled, &error) ==
        MAPPED_OK) {
        keep_copy(L, self);
        return;
    }
    if (error.status != MAPPED_LAYOUT)
        mlua_raise(L, &error);
    lua_pushfstring(L, "%s at position %I of the layout", error.operation,
                    (LUAI_UACINT)error.offset + 1);
    luaL_argerror(L, arg, lua_tostring(L, -1));
}

int mlua_layout_new(lua_State *L)
{
    mlua_at_most(L, 1);
    push_layout(L, 1);
    return 1;
}

int mlua_layout_index(lua_State *L)
{
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
    return 1;
}

static int layout_size(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(
        L, (lua_Integer)mapped_layout_size(check_layout(L, 1)->layout));
    return 1;
}

static void push_type(lua_State *L, const mapped_layout_entry *field)
{
    if (field->several)
        lua_pushfstring(L, "%s[%I]", field->element->name,
                        (LUAI_UACINT)field->count);
    else
        lua_pushstring(L, field->element->name);
}

static int layout_fields(lua_State *L)
{
    const mapped_layout *layout;
    size_t i;
    mlua_at_most(L, 1);
    layout = check_layout(L, 1)->layout;
    lua_newtable(L);
    for (i = 0; i < mapped_layout_count(layout); i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, field->name);
        lua_setfield(L, -2, "name");
        push_type(L, field);
        lua_setfield(L, -2, "type");
        lua_pushinteger(L, (lua_Integer)field->offset);
        lua_setfield(L, -2, "offset");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int layout_tostring(lua_State *L)
{
    const mapped_layout *layout = check_layout(L, 1)->layout;
    lua_pushfstring(L, "mapped.Layout (%I fields in %I bytes)",
                    (LUAI_UACINT)mapped_layout_count(layout),
                    (LUAI_UACINT)mapped_layout_size(layout));
    return 1;
}

const luaL_Reg mlua_layout_methods[] = {
    {"size", layout_size}, {"fields", layout_fields}, {NULL, NULL}};

const luaL_Reg mlua_layout_meta[] = {
    {"__gc", layout_gc}, {"__tostring", layout_tostring}, {NULL, NULL}};

/* Pushes records over these bytes of the object at `arg`, with the Layout at
 * `layout_arg`. */
static void push_records(lua_State *L, int arg, int layout_arg,
                         const mlua_records *shape)
{
    mlua_records copy = *shape;
    mlua_records *self = lua_newuserdatauv(L, sizeof *self, 2);
    *self = copy;
    self->bytes.owner = mlua_push_owner(L, arg);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, layout_arg);
    lua_setiuservalue(L, -2, 2);
    lua_pushvalue(L, lua_upvalueindex(MLUA_RECORDS));
    lua_setmetatable(L, -2);
}

static int view_records(lua_State *L)
{
    mlua_records shape = {.count = 0};
    mapped_error error;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING) {
        push_layout(L, 2);
        lua_replace(L, 2);
    }
    shape.layout = check_layout(L, 2);
    shape.bytes.slice = mlua_check_view(L, 1);
    if (mapped_layout_records(shape.layout->layout, shape.bytes.slice,
                              &shape.count, &error) == MAPPED_OK) {
        push_records(L, 1, 2, &shape);
        return 1;
    }
    if (error.status != MAPPED_SIZE)
        return mlua_raise(L, &error);
    lua_pushfstring(L, "length %I is not a multiple of the record's %I",
                    (LUAI_UACINT)shape.bytes.slice.length,
                    (LUAI_UACINT)mapped_layout_size(shape.layout->layout));
    return luaL_argerror(L, 2, lua_tostring(L, -1));
}

const luaL_Reg mlua_view_records[] = {{"records", view_records}, {NULL, NULL}};

static const mlua_records *check_records(lua_State *L, int arg)
{
    const mlua_records *self = mlua_test(L, arg, MLUA_RECORDS);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Records");
    if (mapped_region_closed(self->bytes.slice.region))
        mlua_raise_closed(L);
    return self;
}

/* The bytes of a record, which may be lost to a shrink since. */
static mapped_slice check_bytes(lua_State *L, const mlua_records *self,
                                size_t index)
{
    mapped_slice part;
    mapped_error error;
    if (mapped_layout_record(self->layout->layout, self->bytes.slice, index,
                             &part, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    return part;
}

static void push_record(lua_State *L, const mlua_records *records, size_t index)
{
    mapped_slice part = check_bytes(L, records, index);
    mlua_record *self = lua_newuserdatauv(L, sizeof *self, 2);
    self->bytes.owner = records->bytes.owner;
    self->bytes.slice = part;
    self->layout = records->layout;
    lua_getiuservalue(L, 1, 1);
    lua_setiuservalue(L, -2, 1);
    lua_getiuservalue(L, 1, 2);
    lua_setiuservalue(L, -2, 2);
    lua_pushvalue(L, lua_upvalueindex(MLUA_RECORD));
    lua_setmetatable(L, -2);
}

int mlua_records_index(lua_State *L)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, 2, &is_integer);
    const mlua_records *self;
    size_t index;
    if (!is_integer)
        return mlua_layout_index(L);
    self = check_records(L, 1);
    if (mlua_position(i, self->count, &index))
        push_record(L, self, index);
    else
        lua_pushnil(L);
    return 1;
}

/* A name that is no field's would be lost. */
static void check_names(lua_State *L, int arg, const mapped_layout *layout)
{
    lua_pushnil(L);
    while (lua_next(L, arg) != 0) {
        size_t length;
        const char *name = lua_type(L, -2) == LUA_TSTRING
                               ? lua_tolstring(L, -2, &length)
                               : NULL;
        if (name == NULL || mapped_layout_find(layout, name, length) == NULL)
            luaL_error(L, "no field '%s'", mlua_push_short(L, -2));
        lua_pop(L, 1);
    }
}

/* All fields are converted before the first is stored. */
static int records_newindex(lua_State *L)
{
    const mlua_records *self = check_records(L, 1);
    size_t index = mlua_check_span(L, 2, 0, 1, self->count), i;
    unsigned char *row;
    if (!(lua_istable(L, 3) || mlua_test(L, 3, MLUA_RECORD)))
        mlua_raise_type(L, 3, "table or mapped.Record");
    if (lua_istable(L, 3))
        check_names(L, 3, self->layout->layout);
    row = lua_newuserdatauv(L, mapped_layout_size(self->layout->layout), 0);
    for (i = 0; i < mapped_layout_count(self->layout->layout); i++) {
        const mapped_layout_entry *field =
            mapped_layout_field(self->layout->layout, i);
        lua_getfield(L, 3, field->name);
        mlua_convert_field(L, lua_gettop(L), field, row + field->offset);
        lua_pop(L, 1);
    }
    for (i = 0; i < mapped_layout_count(self->layout->layout); i++) {
        const mapped_layout_entry *field =
            mapped_layout_field(self->layout->layout, i);
        mlua_store_field(L, "set", check_bytes(L, check_records(L, 1), index),
                         field, row + field->offset);
    }
    return 0;
}

static int records_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_records(L, 1)->count);
    return 1;
}

static int records_next(lua_State *L)
{
    const mlua_records *self = check_records(L, 1);
    lua_Integer i = mlua_check_integer(L, 2);
    if (i < 0 || (lua_Unsigned)i >= self->count)
        return 0;
    lua_pushinteger(L, i + 1);
    push_record(L, self, (size_t)i);
    return 2;
}

static int records_pairs(lua_State *L)
{
    int i;
    check_records(L, 1);
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    lua_pushcclosure(L, records_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int records_sub(lua_State *L)
{
    mlua_records shape;
    size_t size, index;
    lua_Integer from, to;
    mapped_error error;
    mlua_at_most(L, 3);
    shape = *check_records(L, 1);
    size = mapped_layout_size(shape.layout->layout);
    from = mlua_check_integer(L, 2);
    to = mlua_opt_integer(L, 3, -1);
    shape.count = mlua_clamp(from, to, shape.count, &index);
    if (mapped_slice_sub(shape.bytes.slice, index * size, shape.count * size,
                         &shape.bytes.slice, &error) != MAPPED_OK)
        return mlua_raise_in(L, "sub", &error);
    lua_getiuservalue(L, 1, 2);
    push_records(L, 1, lua_gettop(L), &shape);
    return 1;
}

static int records_bytes(lua_State *L)
{
    mlua_at_most(L, 1);
    mlua_push_slice(L, 1, check_records(L, 1)->bytes.slice);
    return 1;
}

static int records_layout(lua_State *L)
{
    mlua_at_most(L, 1);
    check_records(L, 1);
    lua_getiuservalue(L, 1, 2);
    return 1;
}

/* Which of a field's elements: a number has one, of several one is chosen. */
static size_t check_choice(lua_State *L, int arg,
                           const mapped_layout_entry *field)
{
    if (lua_isnoneornil(L, arg) && field->several)
        return (size_t)luaL_error(L, "field '%s' has %I elements: choose one",
                                  mlua_push_short(L, 2),
                                  (LUAI_UACINT)field->count);
    return mlua_check_span(L, arg, 1, 1, field->count);
}

/* From the first record's element to the end of the last's. */
static mapped_slice column_bytes(lua_State *L, const mlua_records *self,
                                 size_t offset, size_t width)
{
    size_t size = mapped_layout_size(self->layout->layout);
    size_t length = self->count == 0 ? 0 : (self->count - 1) * size + width;
    mapped_slice slice;
    mapped_error error;
    if (mapped_slice_sub(self->bytes.slice, self->count == 0 ? 0 : offset,
                         length, &slice, &error) != MAPPED_OK)
        mlua_raise_in(L, "column", &error);
    return slice;
}

static int records_column(lua_State *L)
{
    const mlua_records *self;
    size_t length, offset;
    const char *name;
    const mapped_layout_entry *field;
    mlua_array shape = {.width = 0};
    mlua_at_most(L, 3);
    self = check_records(L, 1);
    name = mlua_check_string(L, 2, &length);
    field = mapped_layout_find(self->layout->layout, name, length);
    if (field == NULL)
        return luaL_error(L, "no field '%s'", mlua_push_short(L, 2));
    shape.count = self->count;
    shape.stride = mapped_layout_size(self->layout->layout);
    shape.element = field->element;
    offset = field->offset;
    if (field->several && field->element->kind == MAPPED_KIND_CHAR)
        shape.width = field->count;
    else
        offset += check_choice(L, 3, field) * field->element->size;
    mlua_push_array(
        L, 1,
        column_bytes(L, self, offset,
                     shape.width != 0 ? shape.width : field->element->size),
        &shape);
    return 1;
}

static int records_tostring(lua_State *L)
{
    const mlua_records *self = mlua_test(L, 1, MLUA_RECORDS);
    const mapped_region *region;
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Records");
    region = self->bytes.owner->region;
    if (mapped_region_closed(region))
        lua_pushliteral(L, "mapped.Records (closed)");
    else
        lua_pushfstring(L, "mapped.Records (%I of %I bytes)",
                        (LUAI_UACINT)self->count,
                        (LUAI_UACINT)mapped_layout_size(self->layout->layout));
    return 1;
}

const luaL_Reg mlua_records_methods[] = {{"sub", records_sub},
                                         {"bytes", records_bytes},
                                         {"layout", records_layout},
                                         {"column", records_column},
                                         {NULL, NULL}};

const luaL_Reg mlua_records_meta[] = {{"__newindex", records_newindex},
                                      {"__len", records_len},
                                      {"__pairs", records_pairs},
                                      {"__tostring", records_tostring},
                                      {NULL, NULL}};
