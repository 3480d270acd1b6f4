/* One record in place: its fields are read and written by name. */
#include "mapped_lua.h"

static const mlua_record *check_record(lua_State *L, int arg)
{
    const mlua_record *self = mlua_test(L, arg, MLUA_RECORD);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Record");
    return self;
}

static const mapped_layout_entry *check_field(lua_State *L,
                                              const mlua_record *self)
{
    size_t length;
    const char *name = mlua_check_string(L, 2, &length);
    const mapped_layout_entry *field =
        mapped_layout_find(self->layout->layout, name, length);
    if (field == NULL)
        luaL_error(L, "no field '%s'", mlua_push_short(L, 2));
    return field;
}

int mlua_record_index(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    mlua_push_field(L, 1, self->bytes.slice, check_field(L, self));
    return 1;
}

static int record_newindex(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    const mapped_layout_entry *field = check_field(L, self);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    mlua_set_field(L, 3, self->bytes.slice, field);
    return 0;
}

/* The field after the one named at 2, in the order of the layout. */
static int record_next(lua_State *L)
{
    const mlua_record *self = check_record(L, 1);
    const mapped_layout_entry *field =
        mapped_layout_field(self->layout->layout, 0);
    const mapped_layout_entry *end =
        field + mapped_layout_count(self->layout->layout);
    if (!lua_isnil(L, 2))
        field = check_field(L, self) + 1;
    if (field == end)
        return 0;
    lua_pushstring(L, field->name);
    mlua_push_field(L, 1, self->bytes.slice, field);
    return 2;
}

static int record_pairs(lua_State *L)
{
    int i;
    check_record(L, 1);
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    lua_pushcclosure(L, record_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int record_tostring(lua_State *L)
{
    const mlua_record *self = mlua_test(L, 1, MLUA_RECORD);
    const mapped_region *region;
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Record");
    region = self->bytes.owner->region;
    if (mapped_region_closed(region))
        lua_pushliteral(L, "mapped.Record (closed)");
    else
        lua_pushfstring(L, "mapped.Record (%I fields at offset %I)",
                        (LUAI_UACINT)mapped_layout_count(self->layout->layout),
                        (LUAI_UACINT)self->bytes.slice.offset);
    return 1;
}

const luaL_Reg mlua_record_meta[] = {{"__newindex", record_newindex},
                                     {"__pairs", record_pairs},
                                     {"__tostring", record_tostring},
                                     {NULL, NULL}};
