/* The methods pack and unpack: string.pack's language on the bytes of a view,
 * with the errors of string.pack and string.unpack.
 *
 * A format compiles to fields, which the cache keeps. A plain format, of a few
 * numbers at fixed offsets, is one access to the bytes of all fields. Every
 * other one, whose later offsets may depend on the data, is done by the core's
 * functions for fields, value by value; and so is a plain one that fails, to
 * find the value that an error is about.
 *
 * Invariant: pack converts all values before it stores any, because a
 * conversion may run any code. */
#include "cache.h"
#include "typed.h"

#define NO_ARGUMENT 0
#define FIRST_VALUE 4 /* the argument of pack */

/* Raises string.pack's message, with the field's place in the format. `arg` is
 * the argument that the error is about, or NO_ARGUMENT. */
static int raise_at_field(lua_State *L, int arg, const char *what,
                          const mapped_field *field)
{
    const char *message =
        lua_pushfstring(L, "%s at position %I of the format", what,
                        (LUAI_UACINT)field->source_at + 1);
    return arg == NO_ARGUMENT ? luaL_error(L, "%s", message)
                              : luaL_argerror(L, arg, message);
}

/* Raises the error of a field that stands for where the format is wrong. Only
 * some of these are errors of the argument, as in string.pack. */
static int raise_wrong_format(lua_State *L, const mapped_field *field)
{
    const char *what;
    int arg = NO_ARGUMENT;
    switch ((mapped_format_reason)field->reason) {
    case MAPPED_FORMAT_ALIGNMENT_WRONG:
        what = "format asks for alignment not power of 2";
        arg = 2;
        break;
    case MAPPED_FORMAT_NEXT_WRONG:
        what = "invalid next option for option 'X'";
        arg = 2;
        break;
    case MAPPED_FORMAT_NO_SIZE_WRONG:
        what = "missing size for format option 'c'";
        break;
    case MAPPED_FORMAT_NUMBER_WRONG:
        what = lua_pushfstring(L, "integral size (%I) out of limits [1,16]",
                               (LUAI_UACINT)field->item.count);
        break;
    default:
        what = lua_pushfstring(L, "invalid format option '%c'",
                               (int)(unsigned char)field->code);
    }
    return raise_at_field(L, arg, what, field);
}

static int raise_unpack(lua_State *L, const mapped_field *field,
                        const mapped_error *error)
{
    const char *what = "data string too short";
    switch (error->status) {
    case MAPPED_FORMAT:
        return raise_wrong_format(L, field);
    case MAPPED_VALUE:
        what =
            lua_pushfstring(L, "%d-byte integer does not fit into Lua Integer",
                            (int)field->item.element->size);
        return raise_at_field(L, NO_ARGUMENT, what, field);
    case MAPPED_RANGE:
        if (field->item.kind == MAPPED_ITEM_ZERO)
            what = "unfinished string for format 'z'";
        return raise_at_field(L, 2, what, field);
    default:
        return mlua_raise(L, error);
    }
}

/* Raises why the value at `arg` can't be packed as that field. */
static int raise_misfit(lua_State *L, int arg, const mapped_field *field)
{
    const char *what;
    switch ((mapped_item_kind)field->item.kind) {
    case MAPPED_ITEM_WRONG:
        return raise_wrong_format(L, field);
    case MAPPED_ITEM_ZERO:
        what = "string contains zeros";
        break;
    case MAPPED_ITEM_COUNTED:
        what = "string length does not fit in given size";
        break;
    case MAPPED_ITEM_ELEMENT:
        what = field->item.element->kind == MAPPED_KIND_SIGNED
                   ? "integer overflow"
                   : "unsigned overflow";
        break;
    default:
        what = "string longer than given size";
    }
    return raise_at_field(L, arg, what, field);
}

static void push_values(lua_State *L, mapped_slice slice,
                        const mapped_field_values *values)
{
    size_t i;
    for (i = 0; i < values->count; i++) {
        const mapped_field_value *value = &values->values[i];
        const mapped_item *item = &value->field->item;
        if (MAPPED__LIKELY(item->kind == MAPPED_ITEM_ELEMENT))
            mlua_push_value(L, item->element, value->value);
        else
            mlua_push_bytes_in(L, "unpack", slice, value->offset,
                               value->length);
    }
}

/* The offset of the position at `arg`, as string.unpack has it: of one before
 * the start it is 0, and one past the end is an error. */
static size_t check_start(lua_State *L, int arg, mapped_slice slice)
{
    size_t offset =
        mlua_search_offset(mlua_opt_integer(L, arg, 1), slice.length);
    if (MAPPED__LIKELY(offset != SIZE_MAX))
        return offset;
    if (mapped_region_closed(slice.region))
        return (size_t)mlua_raise_closed(L);
    return (size_t)luaL_argerror(L, arg, "initial position out of string");
}

/* The method unpack for any format, a few values at a time. */
static int unpack_any(lua_State *L, mapped_slice slice, size_t offset)
{
    mapped_field_value room[MLUA_MAX_PLAIN_VALUES];
    mapped_field_values values = {room, MLUA_MAX_PLAIN_VALUES, 0};
    mapped_cursor cursor = {offset, 0, 0};
    const mapped_fields *fields;
    mapped_error error;
    size_t count = 0;
    mlua_pop_metatable(L, 3);
    mlua_check_string(L, 2, NULL);
    fields = mlua_push_compiled(L, MLUA_FORMAT, 2)->fields;
    for (;;) {
        if (mapped_fields_unpack(fields, slice, &cursor, &values, &error) !=
            MAPPED_OK)
            return raise_unpack(L, mapped_fields_at(fields, &cursor), &error);
        push_values(L, slice, &values);
        count += values.count;
        if (values.count < values.capacity)
            break; /* these were the last */
        luaL_checkstack(L, LUA_MINSTACK, "too many results");
    }
    lua_pushinteger(L, (lua_Integer)cursor.offset + 1);
    return (int)count + 1;
}

/* Pushes the values of a plain format, up to the first that fails: because the
 * bytes can't be accessed, or a value is no Lua integer. Returns how many. */
static size_t push_plain_values(lua_State *L, const mapped_fields *fields,
                                mapped_slice slice, size_t offset)
{
    const unsigned char *p =
        mapped_slice_try_enter(slice, offset, fields->size);
    size_t i = 0;
    while (p != NULL && i < fields->count &&
           mlua_try_push_element_at(L, fields->fields[i].item.element,
                                    p + fields->fields[i].offset))
        i++;
    return i;
}

/* The method unpack for a plain format that is in the cache and an access that
 * succeeds; everything else is left to unpack_any. */
static int format_unpack(lua_State *L)
{
    const mapped_slice *self = mlua_full_self_at_most(L, 3);
    mapped_slice slice = mlua_view_bytes(self);
    size_t offset = check_start(L, 3, slice);
    const mlua_compiled *found = mlua_find_compiled(
        mlua_owner(self)->cache, MLUA_FORMAT, lua_tolstring(L, 2, NULL));
    size_t pushed;
    if (MAPPED__UNLIKELY(found == NULL || !found->is_plain))
        return unpack_any(L, slice, offset);
    pushed = push_plain_values(L, found->fields, slice, offset);
    if (MAPPED__UNLIKELY(pushed < found->fields->count ||
                         !mapped_slice_try_leave(slice))) {
        lua_pop(L, (int)pushed);
        return unpack_any(L, slice, offset);
    }
    lua_pushinteger(L, (lua_Integer)(offset + found->fields->size) + 1);
    return (int)pushed + 1;
}

/* A number that is too large for a float becomes infinite, as by string.pack.
 */
static mapped_value check_number(lua_State *L, int arg,
                                 const mapped_element *element)
{
    mapped_value value;
    if (element->kind != MAPPED_KIND_FLOAT)
        value.u =
            mlua_check_int64(L, arg, element->kind == MAPPED_KIND_UNSIGNED);
    else if (element->size == sizeof(float))
        value.f = (float)mlua_check_number(L, arg);
    else
        value.f = mlua_check_number(L, arg);
    return value;
}

/* Returns the bytes of argument 1 and sets the offset of the position at
 * argument 3, once all values have been converted. `top` arguments were given;
 * if more of them are values than `count`, that is an error. */
static mapped_slice check_target(lua_State *L, int top, size_t count,
                                 size_t *offset)
{
    mapped_slice slice;
    lua_settop(L, top);
    mlua_at_most(L, (int)count + FIRST_VALUE - 1);
    slice = mlua_check_view(L, 1);
    *offset = mlua_check_span(L, 3, MLUA_REQUIRED, 0, slice.length);
    return slice;
}

/* The method pack for a plain format: converts all numbers to bytes, and then
 * writes these in one access. */
static int pack_plain(lua_State *L, int top, const mapped_fields *fields)
{
    unsigned char bytes[MLUA_MAX_PLAIN_VALUES * 16]; /* the longest is 16 */
    const mapped_item record = mapped_item_of_record(fields);
    mapped_slice slice;
    mapped_error error;
    size_t i, offset;
    for (i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        const mapped_element *element = field->item.element;
        mapped_value value = check_number(L, (int)i + FIRST_VALUE, element);
        if (element->store(element, bytes + field->offset, value) != MAPPED_OK)
            return raise_misfit(L, (int)i + FIRST_VALUE, field);
    }
    slice = check_target(L, top, fields->count, &offset);
    if (mapped_item_write(slice, &record, offset, bytes, &error) != MAPPED_OK)
        return mlua_raise_in(L, "pack", &error);
    lua_pushinteger(L, (lua_Integer)(offset + fields->size) + 1);
    return 1;
}

/* Converts the argument to `value`, whose field is set, or raises. */
static void check_field_value(lua_State *L, int arg, mapped_field_value *value)
{
    const mapped_item *item = &value->field->item;
    if (item->kind == MAPPED_ITEM_WRONG)
        raise_misfit(L, arg, value->field);
    if (item->kind == MAPPED_ITEM_ELEMENT) {
        value->value = check_number(L, arg, item->element);
    } else {
        mlua_copy_to_string(L, "pack", arg);
        value->data = mlua_check_string(L, arg, &value->length);
    }
    if (mapped_field_check(value, NULL) != MAPPED_OK)
        raise_misfit(L, arg, value->field);
}

/* Returns memory for many values. It is a userdata, which takes the place of
 * the compiled format on the stack and keeps that as its user value. On top of
 * the stack it would stand where an argument may be missing. */
static mapped_field_value *allocate_values(lua_State *L, size_t count)
{
    mapped_field_value *values =
        lua_newuserdatauv(L, count * sizeof *values, 1);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, 2);
    return values;
}

/* The method pack for any format: converts all arguments to field values, and
 * then packs these. */
static int pack_any(lua_State *L, int top, const mapped_fields *fields)
{
    mapped_field_value room[MLUA_MAX_PLAIN_VALUES];
    mapped_field_values values = {room, fields->values, 0};
    mapped_field_value value = {.field = NULL};
    mapped_cursor cursor = {0, 0, 0};
    mapped_slice slice;
    mapped_error error;
    if (fields->values > MLUA_MAX_PLAIN_VALUES)
        values.values = allocate_values(L, fields->values);
    while (mapped_fields_next(fields, &cursor, &value)) {
        check_field_value(L, (int)values.count + FIRST_VALUE, &value);
        values.values[values.count++] = value;
    }
    cursor = (mapped_cursor){0, 0, 0};
    slice = check_target(L, top, values.count, &cursor.offset);
    if (mapped_fields_pack(fields, slice, &cursor, &values, &error) !=
        MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, (lua_Integer)cursor.offset + 1);
    return 1;
}

static int format_pack(lua_State *L)
{
    const mlua_compiled *compiled;
    int top = lua_gettop(L);
    mlua_check_view(L, 1);
    mlua_check_string(L, 2, NULL);
    mlua_check_integer(L, 3);
    compiled = mlua_push_compiled(L, MLUA_FORMAT, 2);
    lua_replace(L, 2); /* there it stays valid */
    /* This nil stands where the first argument may be missing: string.pack says
     * that it got nil then. */
    lua_pushnil(L);
    return compiled->is_plain ? pack_plain(L, top, compiled->fields)
                              : pack_any(L, top, compiled->fields);
}

const luaL_Reg mlua_format_methods[] = {
    {"unpack", format_unpack}, {"pack", format_pack}, {NULL, NULL}};
