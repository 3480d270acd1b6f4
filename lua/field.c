/* One field of a record between Lua and the core: a number, a boolean, a text,
 * or an Array in place. */
#include <string.h>
#include "mapped_lua.h"

static bool is_text(const mapped_layout_entry *field)
{
    return field->several && field->element->kind == MAPPED_KIND_CHAR;
}

/* Memory until the caller returns: `room` if that is enough, else a userdata on
 * the stack. */
static unsigned char *take_room(lua_State *L, unsigned char *room,
                                size_t capacity, size_t n)
{
    if (n > capacity)
        return lua_newuserdatauv(L, n, 0);
    lua_pushnil(L);
    return room;
}

#define SHORT_FIELD 64

/* Without the zero bytes that fill it up. */
static void push_text(lua_State *L, mapped_slice record,
                      const mapped_layout_entry *field)
{
    unsigned char room[SHORT_FIELD];
    unsigned char *text = take_room(L, room, sizeof room, field->count);
    size_t length = field->count;
    mapped_error error;
    if (mapped_read(record, field->offset, text, length, &error) != MAPPED_OK)
        mlua_raise_in(L, "get", &error);
    while (length > 0 && text[length - 1] == '\0')
        length--;
    lua_pushlstring(L, (const char *)text, length);
    lua_remove(L, -2);
}

static void push_one(lua_State *L, mapped_slice record,
                     const mapped_element *element, size_t offset)
{
    mapped_value value;
    mapped_error error;
    if (mapped_get(record, element, offset, &value, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    mlua_push_value(L, element, value);
}

/* In place: what is written to them reaches the record. */
static void push_elements(lua_State *L, int arg, mapped_slice record,
                          const mapped_layout_entry *field)
{
    const mlua_array shape = {.element = field->element,
                              .count = field->count,
                              .stride = field->element->size};
    mapped_slice slice;
    mapped_error error;
    if (mapped_slice_sub(record, field->offset, mapped_layout_entry_size(field),
                         &slice, &error) != MAPPED_OK)
        mlua_raise_in(L, "get", &error);
    mlua_push_array(L, arg, slice, &shape);
}

void mlua_push_field(lua_State *L, int arg, mapped_slice record,
                     const mapped_layout_entry *field)
{
    if (!field->several) {
        push_one(L, record, field->element, field->offset);
        return;
    }
    if (is_text(field))
        push_text(L, record, field);
    else
        push_elements(L, arg, record, field);
}

/* Pushed, and cut as all texts in messages are. */
static const char *name_of(lua_State *L, const mapped_layout_entry *field)
{
    lua_pushstring(L, field->name);
    return mlua_push_short(L, -1);
}

static void refuse(lua_State *L, int index, const mapped_layout_entry *field,
                   const char *expected)
{
    luaL_error(L, "field '%s': %s expected, got %s", name_of(L, field),
               expected, luaL_typename(L, index));
}

static void convert_one(lua_State *L, int index,
                        const mapped_layout_entry *field, unsigned char *to)
{
    const mapped_element *element = field->element;
    mapped_value value;
    const char *expected = mlua_to_value(L, index, element, &value);
    if (expected != NULL)
        refuse(L, index, field, expected);
    if (element->store(element, to, value) != MAPPED_OK)
        luaL_error(L, "field '%s': %s does not fit %s", name_of(L, field),
                   mlua_push_short(L, index), element->name);
}

static void convert_text(lua_State *L, int index,
                         const mapped_layout_entry *field, unsigned char *to)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    if (text == NULL)
        refuse(L, index, field, "string");
    if (length > field->count)
        luaL_error(L, "field '%s': %I bytes do not fit char[%I]",
                   name_of(L, field), (LUAI_UACINT)length,
                   (LUAI_UACINT)field->count);
    memcpy(to, text, length);
    memset(to + length, 0, field->count - length);
}

/* An Array may lose its region to a finalizer, and then raises. */
static void convert_sequence(lua_State *L, int index,
                             const mapped_layout_entry *field,
                             unsigned char *to)
{
    bool is_array = mlua_test(L, index, MLUA_ARRAY) != NULL;
    size_t i, count;
    if (!is_array && lua_type(L, index) != LUA_TTABLE)
        refuse(L, index, field, "table or mapped.Array");
    count = is_array ? mlua_check_array(L, index)->count
                     : (size_t)lua_rawlen(L, index);
    if (count != field->count)
        luaL_error(L, "field '%s': %I values expected, got %I",
                   name_of(L, field), (LUAI_UACINT)field->count,
                   (LUAI_UACINT)count);
    for (i = 0; i < count; i++) {
        if (is_array)
            lua_geti(L, index, (lua_Integer)i + 1);
        else
            lua_rawgeti(L, index, (lua_Integer)i + 1);
        convert_one(L, lua_gettop(L), field, to + i * field->element->size);
        lua_pop(L, 1);
    }
}

void mlua_convert_field(lua_State *L, int index,
                        const mapped_layout_entry *field, unsigned char *to)
{
    luaL_checkstack(L, 8, NULL);
    if (!field->several)
        convert_one(L, index, field, to);
    else if (is_text(field))
        convert_text(L, index, field, to);
    else
        convert_sequence(L, index, field, to);
}

/* Element by element only where that is seen: on devices. */
static mapped_status store_each(mapped_slice record,
                                const mapped_layout_entry *field,
                                const unsigned char *from, mapped_error *error)
{
    const mapped_element *element = field->element;
    mapped_status status = MAPPED_OK;
    size_t i;
    for (i = 0; i < field->count && status == MAPPED_OK; i++) {
        mapped_value value;
        size_t at = i * element->size;
        element->load(element, from + at, &value);
        status = mapped_set(record, element, field->offset + at, value, error);
    }
    return status;
}

void mlua_store_field(lua_State *L, const char *operation, mapped_slice record,
                      const mapped_layout_entry *field,
                      const unsigned char *from)
{
    mapped_error error;
    mapped_status status;
    if (field->several && !mapped_region_device(record.region))
        status = mapped_write(record, field->offset, from,
                              mapped_layout_entry_size(field), &error);
    else
        status = store_each(record, field, from, &error);
    if (status != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
}

void mlua_set_field(lua_State *L, int index, mapped_slice record,
                    const mapped_layout_entry *field)
{
    unsigned char room[SHORT_FIELD];
    unsigned char *bytes =
        take_room(L, room, sizeof room, mapped_layout_entry_size(field));
    mlua_convert_field(L, index, field, bytes);
    mlua_store_field(L, "set", record, field, bytes);
    lua_pop(L, 1);
}

mapped_layout_entry mlua_text_field(const mlua_array *array, size_t index)
{
    mapped_layout_entry field = {.name = "char",
                                 .element = array->element,
                                 .count = array->width,
                                 .several = true,
                                 .offset = index * array->stride};
    return field;
}
