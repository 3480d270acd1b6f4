/* Turns bytes in memory into Lua's values and back. An element is one number,
 * boolean or char; an item is an element, a text, a record, or several of them.
 * The first half pushes values, the second converts values that a script gave,
 * and the methods get and set are last. Everything typed comes down to these:
 * get and set, arrays, records, pack and unpack.
 *
 * What is pushed lies at an address, in plain memory that is only read (_at);
 * or it lies in a slice, whose access is checked and may raise (_in):
 *
 *     from                         by
 *     a mapped_value               mlua_push_value
 *     an element at an address     mlua_try_push_element_at
 *     an element in a slice        mlua_push_element_in
 *     an item at an address        mlua_push_item_at: a record becomes a table
 *     an item in a slice           mlua_push_item_in: a record becomes a Record
 *     any bytes in a slice         mlua_push_bytes_in: a string
 *
 * The two for elements are inline, in typed.h, because they are the hot paths;
 * the rest of each is here, with _slow at the end of its name.
 *
 * A value of a script is converted to:
 *
 *     a mapped_value               mlua_check_value, of an argument
 *     an element at an address     convert_element
 *     an item at an address        mlua_convert_item
 *     an item in a slice           mlua_set_item
 *
 * Invariant: a value is converted completely before any of it is stored,
 * because its conversion may run any code. */
#include "cache.h"
#include "typed.h"

/* The bytes of most items and texts fit in so many on the C stack. */
#define ROOM_BYTES 256

void mlua_push_value(lua_State *L, const mapped_element *element,
                     mapped_value value)
{
    const char byte = (char)value.u;
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_FLOAT:
        lua_pushnumber(L, value.f);
        break;
    case MAPPED_KIND_BOOL:
        lua_pushboolean(L, value.u != 0);
        break;
    case MAPPED_KIND_CHAR:
        lua_pushlstring(L, &byte, 1);
        break;
    default:
        mlua_push_int64(L, value.u, element->kind == MAPPED_KIND_UNSIGNED);
    }
}

/* The rest of mlua_try_push_element_at. */
bool mlua_try_push_element_at_slow(lua_State *L, const mapped_element *element,
                                   const void *p)
{
    mapped_value value;
    if (element->load(element, p, &value) != MAPPED_OK)
        return false;
    if (element->kind == MAPPED_KIND_SIGNED ||
        element->kind == MAPPED_KIND_UNSIGNED)
        return mlua_push_exact(L, value.u,
                               element->kind == MAPPED_KIND_UNSIGNED);
    mlua_push_value(L, element, value);
    return true;
}

/* The rest of mlua_push_element_in, which does all of it anew. */
void mlua_push_element_in_slow(lua_State *L, mapped_slice slice, size_t offset,
                               const mapped_element *element)
{
    mapped_value value;
    mapped_error error;
    if (mapped_get(slice, element, offset, &value, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    mlua_push_value(L, element, value);
}

/* Pushes a userdata if `room` is too small. */
unsigned char *mlua_scratch(lua_State *L, void *room, size_t capacity, size_t n)
{
    return n > capacity ? lua_newuserdatauv(L, n, 0) : room;
}

/* The next three push what mlua_push_item_in finds in a slice. Arrays and
 * records are read by subscripts, which have no name that an error could say;
 * so it says "get", the method that reads one value, or "record". */

/* Pushes a string of the bytes of a text. */
static void push_text(lua_State *L, mapped_slice slice, size_t offset,
                      const mapped_item *item)
{
    unsigned char room[ROOM_BYTES];
    unsigned char *bytes = mlua_scratch(L, room, sizeof room, item->size);
    mapped_error error;
    if (mapped_item_read(slice, item, offset, bytes, &error) != MAPPED_OK)
        mlua_raise_in(L, "get", &error);
    mlua_push_item_at(L, item, bytes);
    if (bytes != room)
        lua_remove(L, -2);
}

/* Returns the slice of the item's bytes, or raises. */
static mapped_slice item_slice(lua_State *L, mapped_slice slice, size_t offset,
                               const mapped_item *item)
{
    mapped_slice bytes;
    mapped_error error;
    if (mapped_slice_sub(slice, offset, item->size, &bytes, &error) !=
        MAPPED_OK)
        mlua_raise_in(L, item->record != NULL ? "record" : "get", &error);
    return bytes;
}

/* Pushes the elements or records of the item, in place. */
static void push_array(lua_State *L, int arg, mapped_slice slice, size_t offset,
                       const mapped_item *item)
{
    mlua_array array = {.bytes = item_slice(L, slice, offset, item),
                        .item = mapped_item_single(item),
                        .count = (ptrdiff_t)item->count};
    array.stride = (ptrdiff_t)array.item.size;
    mlua_push_array(L, arg, &array);
}

/* Pushes the record, in place. */
static void push_record(lua_State *L, int arg, mapped_slice slice,
                        size_t offset, const mapped_item *item)
{
    const mlua_record record = {item_slice(L, slice, offset, item),
                                item->record};
    mlua_record *self =
        mlua_push_object(L, MLUA_RECORD, sizeof *self, MLUA_USER_LAYOUT);
    *self = record;
    mlua_set_owner(L, arg);
    lua_getiuservalue(L, arg, MLUA_USER_LAYOUT);
    lua_setiuservalue(L, -2, MLUA_USER_LAYOUT);
}

/* Pushes a value of a number or a text, and an object over the slice's bytes
 * for anything larger. */
void mlua_push_item_in(lua_State *L, int arg, mapped_slice slice, size_t offset,
                       const mapped_item *item)
{
    switch ((mapped_item_kind)item->kind) {
    case MAPPED_ITEM_ELEMENT:
        mlua_push_element_in(L, slice, offset, item->element);
        break;
    case MAPPED_ITEM_ELEMENTS:
    case MAPPED_ITEM_RECORDS:
        push_array(L, arg, slice, offset, item);
        break;
    case MAPPED_ITEM_RECORD:
        push_record(L, arg, slice, offset, item);
        break;
    default: /* a text or bytes */
        push_text(L, slice, offset, item);
    }
}

/* Pushes a list of the values of several elements or records. */
static void push_sequence(lua_State *L, const mapped_item *item,
                          const unsigned char *p)
{
    const mapped_item single = mapped_item_single(item);
    size_t i;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_createtable(L, item->count < INT32_MAX ? (int)item->count : 0, 0);
    for (i = 0; i < item->count; i++) {
        mlua_push_item_at(L, &single, p + i * single.size);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Pushes a table of a record's values by the names of the fields. */
static void push_table(lua_State *L, const mapped_fields *fields,
                       const unsigned char *p)
{
    size_t i;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_createtable(L, 0, (int)fields->count);
    for (i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        lua_pushlstring(L, field->name, field->name_length);
        mlua_push_item_at(L, &field->item, p + field->offset);
        lua_rawset(L, -3);
    }
}

/* Pushes the value of any element. */
static void push_element_at(lua_State *L, const mapped_element *element,
                            const unsigned char *p)
{
    mapped_value value;
    if (element->load(element, p, &value) != MAPPED_OK)
        luaL_error(L, "%d-byte integer does not fit into Lua Integer",
                   (int)element->size);
    mlua_push_value(L, element, value);
}

/* Pushes a value of the item, however large: a list or a table of values for
 * what mlua_push_item_in makes an object of. */
void mlua_push_item_at(lua_State *L, const mapped_item *item,
                       const unsigned char *p)
{
    size_t length;
    const char *text;
    switch ((mapped_item_kind)item->kind) {
    case MAPPED_ITEM_ELEMENT:
        if (!mlua_try_push_element_at(L, item->element, p))
            push_element_at(L, item->element, p);
        break;
    case MAPPED_ITEM_ELEMENTS:
    case MAPPED_ITEM_RECORDS:
        push_sequence(L, item, p);
        break;
    case MAPPED_ITEM_RECORD:
        push_table(L, item->record, p);
        break;
    default: /* a text or bytes */
        text = mapped_item_load_bytes(item, p, &length);
        lua_pushlstring(L, text, length);
    }
}

/* Pushes a string of any length. */
void mlua_push_bytes_in(lua_State *L, const char *operation, mapped_slice slice,
                        size_t offset, size_t n)
{
    char room[ROOM_BYTES];
    luaL_Buffer buffer;
    mapped_error error;
    bool fits = n <= sizeof room;
    char *to = fits ? room : luaL_buffinitsize(L, &buffer, n);
    if (mapped_read(slice, offset, to, n, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    if (fits)
        lua_pushlstring(L, room, n);
    else
        luaL_pushresultsize(&buffer, n);
}

/* From here on values of a script become bytes. A conversion that can fail
 * returns NULL if it succeeds; else it pushes and returns the text of what is
 * wrong, for the caller to put the name of a field before it. */

const mapped_element *mlua_check_element(lua_State *L, int arg)
{
    const mlua_cache *cache = lua_touserdata(L, lua_upvalueindex(MLUA_CACHE));
    const char *code = mlua_check_string(L, arg, NULL);
    const mlua_compiled *found = mlua_find_compiled(cache, MLUA_CODE, code);
    if (MAPPED__UNLIKELY(found == NULL)) {
        found = mlua_push_compiled(L, MLUA_CODE, arg);
        lua_pop(L, 1);
    }
    /* The element is in a table of the core, so it stays valid. */
    return found->element;
}

/* Sets `*value` and returns NULL; or returns less than the other conversions
 * do, and pushes nothing: the name of the type that is expected instead of that
 * of the value at `index`. */
MAPPED__INLINE const char *convert_or_expected(lua_State *L, int index,
                                               const mapped_element *element,
                                               mapped_value *value)
{
    int is_valid = 1;
    size_t length;
    const char *text;
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_FLOAT:
        value->f = lua_tonumberx(L, index, &is_valid);
        return is_valid ? NULL : "number";
    case MAPPED_KIND_BOOL:
        value->u = (uint64_t)lua_toboolean(L, index);
        return lua_isboolean(L, index) ? NULL : "boolean";
    case MAPPED_KIND_CHAR:
        text = lua_tolstring(L, index, &length);
        is_valid = text != NULL && length == 1;
        value->u = is_valid ? (unsigned char)*text : 0;
        return is_valid ? NULL : "string of one byte";
    default:
        value->u = mlua_to_int64(
            L, index, element->kind == MAPPED_KIND_UNSIGNED, &is_valid);
        return is_valid ? NULL : "integer";
    }
}

mapped_value mlua_check_value(lua_State *L, int arg,
                              const mapped_element *element)
{
    mapped_value value = {0};
    const char *expected = convert_or_expected(L, arg, element, &value);
    if (MAPPED__LIKELY(expected == NULL))
        return value;
    if (element->kind == MAPPED_KIND_SIGNED ||
        element->kind == MAPPED_KIND_UNSIGNED)
        mlua_raise_integer(L, arg);
    mlua_raise_type(L, arg, expected);
    return value;
}

int mlua_raise_value(lua_State *L, int arg, const mapped_element *element,
                     const mapped_error *error)
{
    if (error->status != MAPPED_VALUE)
        return mlua_raise(L, error);
    return luaL_argerror(L, arg, mlua_push_misfit(L, arg, element));
}

static const char *push_expected(lua_State *L, int index, const char *type)
{
    return lua_pushfstring(L, "%s expected, got %s", type,
                           luaL_typename(L, index));
}

static const char *convert_element(lua_State *L, int index,
                                   const mapped_element *element,
                                   unsigned char *to)
{
    mapped_value value;
    const char *expected = convert_or_expected(L, index, element, &value);
    if (expected != NULL)
        return push_expected(L, index, expected);
    if (element->store(element, to, value) == MAPPED_OK)
        return NULL;
    return mlua_push_misfit(L, index, element);
}

MAPPED__NOINLINE static const char *convert_text(lua_State *L, int index,
                                                 const mapped_item *item,
                                                 unsigned char *to)
{
    size_t length;
    const char *text;
    mlua_copy_to_string(L, "set", index);
    text = lua_tolstring(L, index, &length);
    if (text == NULL)
        return push_expected(L, index, "string");
    if (mapped_item_store_bytes(item, to, text, length))
        return NULL;
    return lua_pushfstring(L, "%I bytes do not fit char[%I]",
                           (LUAI_UACINT)length, (LUAI_UACINT)item->count);
}

/* Pops all values above `top` but the text on top of the stack, and returns
 * that. Nested records recurse, each level with LUA_MINSTACK slots, so no level
 * may leave more than the text. */
static const char *keep_problem(lua_State *L, int top)
{
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_tostring(L, -1);
}

/* Converts an Array of ours, or a table that is read raw, with exactly
 * item->count values. It isn't inline, so that mlua_convert_item stays short
 * for numbers. */
MAPPED__NOINLINE static const char *convert_sequence(lua_State *L, int index,
                                                     const mapped_item *item,
                                                     unsigned char *to)
{
    const mapped_item single = mapped_item_single(item);
    const mlua_array *array = mlua_test_array(L, index);
    const int top = lua_gettop(L);
    const char *problem = NULL;
    size_t i, count;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (array == NULL && !lua_istable(L, index))
        return push_expected(L, index,
                             single.record != NULL ? "table or mapped.Records"
                                                   : "table or mapped.Array");
    count = array != NULL ? (size_t)array->count : lua_rawlen(L, index);
    if (count != item->count)
        return lua_pushfstring(L, "%I values expected, got %I",
                               (LUAI_UACINT)item->count, (LUAI_UACINT)count);
    for (i = 0; i < count && problem == NULL; i++) {
        if (array != NULL)
            lua_geti(L, index, (lua_Integer)i + 1);
        else
            lua_rawgeti(L, index, (lua_Integer)i + 1);
        problem =
            mlua_convert_item(L, lua_gettop(L), &single, to + i * single.size);
        if (problem == NULL)
            lua_pop(L, 1);
    }
    if (problem == NULL)
        return NULL;
    /* The last i++ has made `i` the position of that value. */
    lua_pushfstring(L, "value %I: %s", (LUAI_UACINT)i, problem);
    return keep_problem(L, top);
}

/* Raises for a name in the table that no field has: its value would be lost. */
static void check_names(lua_State *L, int index, const mapped_fields *fields)
{
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        size_t length;
        const char *name = lua_type(L, -2) == LUA_TSTRING
                               ? lua_tolstring(L, -2, &length)
                               : NULL;
        if (name == NULL || mapped_fields_find(fields, name, length) == NULL)
            mlua_raise_field(L, fields, lua_gettop(L) - 1);
        lua_pop(L, 1);
    }
}

/* The same for the names of a Record's fields. */
static void check_fields(lua_State *L, const mapped_fields *from,
                         const mapped_fields *to)
{
    size_t i;
    for (i = 0; i < from->count; i++) {
        const mapped_field *field = &from->fields[i];
        if (mapped_fields_find(to, field->name, field->name_length) != NULL)
            continue;
        lua_pushlstring(L, field->name, field->name_length);
        mlua_raise_field(L, to, lua_gettop(L));
    }
}

const char *mlua_push_field_problem(lua_State *L, const mapped_field *field,
                                    const char *problem)
{
    lua_pushlstring(L, field->name, field->name_length);
    return lua_pushfstring(L, "field '%s': %s", mlua_push_short(L, -1),
                           problem);
}

int mlua_raise_field(lua_State *L, const mapped_fields *fields, int index)
{
    const char *name = mlua_push_short(L, index);
    return luaL_error(L, "no field '%s', there are: %s", name,
                      mlua_push_fields(L, fields));
}

MAPPED__NOINLINE static const char *convert_record(lua_State *L, int index,
                                                   const mapped_fields *fields,
                                                   unsigned char *to)
{
    const int top = lua_gettop(L);
    const mlua_record *record = mlua_test(L, index, MLUA_RECORD);
    size_t i;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (record != NULL)
        check_fields(L, record->fields, fields);
    else if (lua_istable(L, index))
        check_names(L, index, fields);
    else
        return push_expected(L, index, "table or mapped.Record");
    for (i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        const char *problem;
        lua_getfield(L, index, field->name);
        problem = mlua_convert_item(L, lua_gettop(L), &field->item,
                                    to + field->offset);
        if (problem != NULL) {
            mlua_push_field_problem(L, field, problem);
            return keep_problem(L, top);
        }
        lua_pop(L, 1);
    }
    return NULL;
}

const char *mlua_convert_item(lua_State *L, int index, const mapped_item *item,
                              unsigned char *to)
{
    switch ((mapped_item_kind)item->kind) {
    case MAPPED_ITEM_ELEMENT:
        return convert_element(L, index, item->element, to);
    case MAPPED_ITEM_ELEMENTS:
    case MAPPED_ITEM_RECORDS:
        return convert_sequence(L, index, item, to);
    case MAPPED_ITEM_RECORD:
        return convert_record(L, index, item->record, to);
    default: /* a text or bytes */
        return convert_text(L, index, item, to);
    }
}

const char *mlua_set_item(lua_State *L, int index, mapped_slice slice,
                          size_t offset, const mapped_item *item)
{
    unsigned char room[ROOM_BYTES];
    unsigned char *bytes = mlua_scratch(L, room, sizeof room, item->size);
    const char *problem = mlua_convert_item(L, index, item, bytes);
    mapped_error error;
    if (problem == NULL &&
        mapped_item_write(slice, item, offset, bytes, &error) != MAPPED_OK)
        mlua_raise_in(L, "set", &error);
    return problem;
}

/* The method get in all cases. The stack is that of typed_get. */
static int get_slow(lua_State *L)
{
    mapped_slice slice;
    const mapped_element *element;
    size_t offset;
    mlua_pop_metatable(L, 3);
    slice = mlua_open_self_at_most(L, 3);
    element = mlua_check_element(L, 2);
    offset = mlua_check_span(L, 3, 1, element->size, slice.length);
    mlua_push_element_in_slow(L, slice, offset, element);
    return 1;
}

/* The method get, where the code is in the cache and the access succeeds;
 * everything else is left to get_slow. */
static int typed_get(lua_State *L)
{
    /* After this the stack is: self, code, position, and then the metatable of
     * self if all three are given. Only the positive indexes up to 3 are read
     * from here on. */
    const mapped_slice *self = mlua_full_self_at_most(L, 3);
    const char *text = lua_tolstring(L, 2, NULL); /* NULL is never found */
    int is_integer;
    lua_Integer i = lua_tointegerx(L, 3, &is_integer);
    const mlua_compiled *code =
        mlua_find_compiled(mlua_owner(self)->cache, MLUA_CODE, text);
    const mapped_slice slice = mlua_view_bytes(self);
    const unsigned char *p;
    size_t offset;
    if (!is_integer && lua_isnoneornil(L, 3))
        i = 1;
    /* If argument 3 isn't an integer, `i` is 0, which is no position. */
    if (MAPPED__UNLIKELY(code == NULL ||
                         !mlua_position(i, slice.length, &offset)))
        return get_slow(L);
    p = mapped_slice_try_enter(slice, offset, code->element->size);
    if (MAPPED__UNLIKELY(p == NULL ||
                         !mlua_try_push_element_at(L, code->element, p)))
        return get_slow(L);
    if (MAPPED__LIKELY(mapped_slice_try_leave(slice)))
        return 1;
    lua_pop(L, 1); /* the value, which doesn't count */
    return get_slow(L);
}

static int typed_set(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 4);
    const mapped_element *element = mlua_check_element(L, 2);
    size_t offset =
        mlua_check_span(L, 3, MLUA_REQUIRED, element->size, slice.length);
    mapped_value value = mlua_check_value(L, 4, element);
    mapped_error error;
    if (mapped_set(slice, element, offset, value, &error) != MAPPED_OK)
        return mlua_raise_value(L, 4, element, &error);
    return 0;
}

const luaL_Reg mlua_typed_methods[] = {
    {"get", typed_get}, {"set", typed_set}, {NULL, NULL}};
