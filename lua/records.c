/* The types Layout, the fields of a record; Record, one record in place, whose
 * fields are read and written by name; and what Records, an array of records,
 * have that an Array hasn't: how they are made, `layout` and `column`.
 *
 * Whatever has fields keeps the Layout that they are stored in: Records and a
 * Record as MLUA_USER_LAYOUT. */
#include "typed.h"

static const mlua_layout *check_layout(lua_State *L, int arg)
{
    return mlua_check(L, arg, MLUA_LAYOUT, "mapped.Layout or the text of one");
}

/* Makes the userdata on top of the stack a Layout of these fields. */
static void finish_layout(lua_State *L, const mapped_fields *fields)
{
    mlua_layout *self = lua_touserdata(L, -1);
    self->fields = fields;
    lua_pushvalue(L, lua_upvalueindex(MLUA_LAYOUT));
    lua_setmetatable(L, -2);
}

/* Pushes the Layout that the text at `arg` describes, or raises. */
static void push_layout(lua_State *L, int arg)
{
    mapped_fields_source source = {.dialect = MAPPED_DIALECT_LAYOUT};
    mapped_fields *fields;
    mapped_error error;
    size_t bytes;
    mlua_layout *self;
    mapped_status status;
    source.text = mlua_check_string(L, arg, &source.length);
    status = mapped_fields_room(&source, &bytes, &error);
    if (status == MAPPED_OK) {
        self = lua_newuserdatauv(L, sizeof *self + bytes, 0);
        status = mapped_fields_init(&source, self + 1, &fields, &error);
    }
    if (status == MAPPED_OK) {
        finish_layout(L, fields);
        return;
    }
    if (status != MAPPED_LAYOUT)
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

static int layout_size(lua_State *L)
{
    mlua_at_most(L, 1);
    lua_pushinteger(L, (lua_Integer)check_layout(L, 1)->fields->size);
    return 1;
}

/* Pushes the item's type as a layout's text has it. */
static void push_type(lua_State *L, const mapped_item *item)
{
    size_t length = mapped_item_spell(item, MAPPED_SPELLING_LAYOUT, NULL, 0);
    luaL_Buffer buffer;
    char *text = luaL_buffinitsize(L, &buffer, length + 1);
    mapped_item_spell(item, MAPPED_SPELLING_LAYOUT, text, length + 1);
    luaL_pushresultsize(&buffer, length);
}

static int layout_fields(lua_State *L)
{
    const mapped_fields *fields;
    size_t i;
    mlua_at_most(L, 1);
    fields = check_layout(L, 1)->fields;
    lua_newtable(L);
    for (i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        lua_createtable(L, 0, 3);
        lua_pushlstring(L, field->name, field->name_length);
        lua_setfield(L, -2, "name");
        push_type(L, &field->item);
        lua_setfield(L, -2, "type");
        lua_pushinteger(L, (lua_Integer)field->offset);
        lua_setfield(L, -2, "offset");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int layout_tostring(lua_State *L)
{
    const mapped_fields *fields = check_layout(L, 1)->fields;
    lua_pushfstring(L, "mapped.Layout (%I fields in %I bytes)",
                    (LUAI_UACINT)fields->count, (LUAI_UACINT)fields->size);
    return 1;
}

const luaL_Reg mlua_layout_methods[] = {
    {"size", layout_size}, {"fields", layout_fields}, {NULL, NULL}};

const luaL_Reg mlua_layout_meta[] = {{"__tostring", layout_tostring},
                                     {NULL, NULL}};

static int view_records(lua_State *L)
{
    mapped_item item;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING) {
        push_layout(L, 2);
        lua_replace(L, 2);
    }
    item = mapped_item_of_record(check_layout(L, 2)->fields);
    mlua_push_cast(L, "records", mlua_check_view(L, 1), &item);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, MLUA_USER_LAYOUT);
    return 1;
}

const luaL_Reg mlua_view_records[] = {{"records", view_records}, {NULL, NULL}};

static mlua_array *check_records(lua_State *L, int arg)
{
    mlua_array *self = mlua_check(L, arg, MLUA_RECORDS, "mapped.Records");
    if (mapped_region_closed(self->bytes.region))
        mlua_raise_closed(L);
    return self;
}

/* Returns the Layout that the Records keep. If they are records inside of its
 * records, returns a new one of their fields, which keeps that. */
static int records_layout(lua_State *L)
{
    const mlua_array *self;
    const mlua_layout *outer;
    mlua_at_most(L, 1);
    self = check_records(L, 1);
    lua_getiuservalue(L, 1, MLUA_USER_LAYOUT);
    outer = lua_touserdata(L, -1);
    if (outer->fields == self->item.record)
        return 1;
    lua_newuserdatauv(L, sizeof *outer, 1);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1); /* the outer Layout */
    finish_layout(L, self->item.record);
    return 1;
}

/* Returns the index, from 0, that the argument chooses among the elements of a
 * field. It may be missing where there is only one. */
static size_t check_element_index(lua_State *L, int arg,
                                  const mapped_item *item)
{
    bool repeats =
        item->kind == MAPPED_ITEM_ELEMENTS || item->kind == MAPPED_ITEM_RECORDS;
    if (repeats && lua_isnoneornil(L, arg))
        return (size_t)luaL_error(L, "field '%s' has %I elements: choose one",
                                  mlua_push_short(L, 2),
                                  (LUAI_UACINT)item->count);
    return mlua_check_span(L, arg, 1, 1, repeats ? item->count : 1);
}

/* Returns the field that argument 2 names, or raises. */
static const mapped_field *check_field(lua_State *L,
                                       const mapped_fields *fields)
{
    size_t length;
    const char *name = mlua_check_string(L, 2, &length);
    const mapped_field *field = mapped_fields_find(fields, name, length);
    if (field == NULL)
        mlua_raise_field(L, fields, 2);
    return field;
}

static int records_column(lua_State *L)
{
    mlua_array *self;
    size_t index;
    const mapped_field *field;
    mapped_array array, column;
    mlua_at_most(L, 3);
    self = check_records(L, 1);
    field = check_field(L, self->item.record);
    array = mlua_core_array(self);
    mapped_array_column(&array, field, &column);
    index = check_element_index(L, 3, &field->item);
    if (field->item.kind != MAPPED_ITEM_TEXT)
        column.item = mapped_item_single(&field->item);
    column.first += index * column.item.size;
    return mlua_push_subarray(L, "column", &column);
}

const luaL_Reg mlua_records_methods[] = {
    {"layout", records_layout}, {"column", records_column}, {NULL, NULL}};

static const mlua_record *check_record(lua_State *L, int arg)
{
    return mlua_check(L, arg, MLUA_RECORD, "mapped.Record");
}

int mlua_record_index(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    const mapped_field *field = check_field(L, self->fields);
    mlua_push_item_in(L, 1, self->bytes, field->offset, &field->item);
    return 1;
}

static int record_newindex(lua_State *L)
{
    const char *problem;
    const mlua_record *self = check_record(L, 1);
    const mapped_field *field = check_field(L, self->fields);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    problem = mlua_set_item(L, 3, self->bytes, field->offset, &field->item);
    if (problem != NULL)
        return luaL_error(L, "%s", mlua_push_field_problem(L, field, problem));
    return 0;
}

/* What `pairs` calls: returns the name and the value of the field after the one
 * that argument 2 names, in the order of the layout; nothing at the end. */
static int record_next(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    const mapped_fields *fields = self->fields;
    const mapped_field *field = fields->fields;
    if (!lua_isnil(L, 2))
        field = check_field(L, fields) + 1;
    if (field == fields->fields + fields->count)
        return 0;
    lua_pushlstring(L, field->name, field->name_length);
    mlua_push_item_in(L, 1, self->bytes, field->offset, &field->item);
    return 2;
}

static int record_pairs(lua_State *L)
{
    check_record(L, 1);
    mlua_push_shared(L);
    lua_pushcclosure(L, record_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int record_tostring(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    if (mapped_region_closed(self->bytes.region))
        lua_pushliteral(L, "mapped.Record (closed)");
    else
        lua_pushfstring(L, "mapped.Record (%I fields at offset %I)",
                        (LUAI_UACINT)self->fields->count,
                        (LUAI_UACINT)self->bytes.offset);
    return 1;
}

const luaL_Reg mlua_record_meta[] = {{"__newindex", record_newindex},
                                     {"__pairs", record_pairs},
                                     {"__tostring", record_tostring},
                                     {NULL, NULL}};
