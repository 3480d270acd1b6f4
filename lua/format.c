/* pack and unpack: string.pack's language on the bytes of a view, with the
 * errors of string.pack and string.unpack. */
#include "mapped_lua.h"

/* The format whose text is at `arg`, pushed; but one of numbers alone is valid
 * without, for pushing numbers collects no garbage. */
MAPPED__INLINE const mapped_format *
check_format(lua_State *L, struct mlua_cache *cache, int arg)
{
    const char *text = lua_tolstring(L, arg, NULL);
    const mlua_compiled *found = mlua_find_compiled(cache, MLUA_FORMAT, text);
    if (MAPPED__LIKELY(found != NULL && found->plain))
        return found->format;
    mlua_check_string(L, arg, NULL);
    return mlua_push_compiled(L, MLUA_FORMAT, arg)->format;
}

/* The words of string.pack, and the place in the format. */
static int raise_wrong(lua_State *L, int arg, const mapped_step *step)
{
    LUAI_UACINT place = (LUAI_UACINT)step->place + 1;
    switch ((mapped_format_reason)step->reason) {
    case MAPPED_FORMAT_NUMBER_WRONG:
        return luaL_error(L,
                          "integral size (%I) out of limits [1,16] at "
                          "position %I of the format",
                          (LUAI_UACINT)step->count, place);
    case MAPPED_FORMAT_NO_SIZE_WRONG:
        return luaL_error(
            L,
            "missing size for format option 'c' at position %I of the format",
            place);
    case MAPPED_FORMAT_ALIGNMENT_WRONG:
        lua_pushfstring(L,
                        "format asks for alignment not power of 2 at position "
                        "%I of the format",
                        place);
        return luaL_argerror(L, arg, lua_tostring(L, -1));
    case MAPPED_FORMAT_NEXT_WRONG:
        lua_pushfstring(
            L,
            "invalid next option for option 'X' at position %I of the format",
            place);
        return luaL_argerror(L, arg, lua_tostring(L, -1));
    default:
        return luaL_error(
            L, "invalid format option '%c' at position %I of the format",
            (int)(unsigned char)step->code, place);
    }
}

static int raise_place(lua_State *L, int arg, const char *what,
                       const mapped_step *step)
{
    lua_pushfstring(L, "%s at position %I of the format", what,
                    (LUAI_UACINT)step->place + 1);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

static int raise_unpack(lua_State *L, const mapped_step *step,
                        const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_FORMAT:
        return raise_wrong(L, 2, step);
    case MAPPED_VALUE:
        return luaL_error(
            L,
            "%d-byte integer does not fit into Lua Integer at position %I "
            "of the format",
            (int)step->element->size, (LUAI_UACINT)step->place + 1);
    case MAPPED_RANGE:
        return raise_place(L, 2,
                           step->kind == MAPPED_STEP_ZERO
                               ? "unfinished string for format 'z'"
                               : "data string too short",
                           step);
    default:
        return mlua_raise(L, error);
    }
}

static int raise_pack(lua_State *L, int arg, const mapped_step_value *item)
{
    const mapped_step *step = item->step;
    const char *what = "string longer than given size";
    if (step->kind == MAPPED_STEP_WRONG)
        return raise_wrong(L, 2, step);
    if (step->kind == MAPPED_STEP_ZERO)
        what = "string contains zeros";
    else if (step->kind == MAPPED_STEP_COUNTED)
        what = "string length does not fit in given size";
    else if (step->kind == MAPPED_STEP_ELEMENT)
        what = step->element->kind == MAPPED_KIND_SIGNED ? "integer overflow"
                                                         : "unsigned overflow";
    return raise_place(L, arg, what, step);
}

/* Few enough for the stack that every C function has, with two to spare. */
#define ITEMS_AT_ONCE 12
#define SHORT_BYTES 256

void mlua_push_bytes(lua_State *L, const char *operation, mapped_slice slice,
                     size_t offset, size_t n)
{
    char bytes[SHORT_BYTES];
    luaL_Buffer buffer;
    mapped_error error;
    char *to = bytes;
    if (n > sizeof bytes)
        to = luaL_buffinitsize(L, &buffer, n);
    if (mapped_read(slice, offset, to, n, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    if (n > sizeof bytes)
        luaL_pushresultsize(&buffer, n);
    else
        lua_pushlstring(L, bytes, n);
}

static void push_items(lua_State *L, mapped_slice slice,
                       const mapped_step_values *items)
{
    size_t i;
    for (i = 0; i < items->count; i++) {
        const mapped_step_value *item = &items->items[i];
        if (MAPPED__LIKELY(item->step->kind == MAPPED_STEP_ELEMENT))
            mlua_push_value(L, item->step->element, item->value);
        else
            mlua_push_bytes(L, "unpack", slice, item->offset, item->length);
    }
}

/* As string.unpack: before the start is the start, behind the end an error. */
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

static int format_unpack(lua_State *L)
{
    mapped_step_value room[ITEMS_AT_ONCE];
    mapped_step_values items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {0, 0, 0};
    const mlua_slice *self = mlua_self(L, 3);
    mapped_slice slice = mlua_view_bytes(self);
    const mapped_format *format;
    mapped_error error;
    size_t count = 0;
    cursor.offset = check_start(L, 3, slice);
    format = check_format(L, self->owner->cache, 2);
    for (;;) {
        if (MAPPED__UNLIKELY(mapped_format_unpack(format, slice, &cursor,
                                                  &items, &error) != MAPPED_OK))
            return raise_unpack(L, mapped_format_step(format, &cursor), &error);
        push_items(L, slice, &items);
        count += items.count;
        if (items.count < ITEMS_AT_ONCE)
            break;
        luaL_checkstack(L, LUA_MINSTACK, "too many results");
    }
    lua_pushinteger(L, (lua_Integer)cursor.offset + 1);
    return (int)count + 1;
}

/* Floats too large for `f` become infinite, as string.pack has it. */
static void check_item(lua_State *L, int arg, mapped_step_value *item)
{
    const mapped_element *element = item->step->element;
    if (item->step->kind == MAPPED_STEP_WRONG)
        raise_pack(L, arg, item);
    if (item->step->kind != MAPPED_STEP_ELEMENT)
        item->data = mlua_check_string(L, arg, &item->length);
    else if (element->kind != MAPPED_KIND_FLOAT)
        item->value.i = mlua_check_integer(L, arg);
    else if (element->size == sizeof(float))
        item->value.f = (float)mlua_check_number(L, arg);
    else
        item->value.f = mlua_check_number(L, arg);
    if (mapped_format_check(item, NULL) != MAPPED_OK)
        raise_pack(L, arg, item);
}

/* All arguments become items; conversion stops at the first that can't. */
static void check_items(lua_State *L, const mapped_format *format,
                        mapped_step_values *items)
{
    mapped_cursor cursor = {0, 0, 0};
    mapped_step_value item = {NULL, {0}, NULL, 0, 0};
    int arg = 4;
    while (mapped_format_next(format, &cursor, &item)) {
        check_item(L, arg++, &item);
        items->items[items->count++] = item;
    }
}

/* Room for the items of a long format. It takes the format's place on the stack
 * and keeps it, for an argument that is missing must find nothing there. */
static void make_room(lua_State *L, int place, size_t count,
                      mapped_step_values *items)
{
    items->items = lua_newuserdatauv(L, count * sizeof *items->items, 1);
    items->capacity = count;
    lua_pushvalue(L, place);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, place);
}

static int format_pack(lua_State *L)
{
    mapped_step_value room[ITEMS_AT_ONCE];
    mapped_step_values items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {0, 0, 0};
    mapped_slice slice;
    const mapped_format *format;
    mapped_error error;
    int top = lua_gettop(L);
    mlua_check_view(L, 1);
    mlua_check_string(L, 2, NULL);
    mlua_check_integer(L, 3);
    format = mlua_push_compiled(L, MLUA_FORMAT, 2)->format;
    lua_replace(L, 2);
    lua_pushnil(L); /* what string.pack finds where an argument is missing */
    if (mapped_format_count(format) > ITEMS_AT_ONCE)
        make_room(L, 2, mapped_format_count(format), &items);
    check_items(L, format, &items);
    lua_settop(L, top);
    mlua_at_most(L, (int)items.count + 3);
    slice = mlua_check_view(L, 1);
    cursor.offset = mlua_check_span(L, 3, 0, 0, slice.length);
    if (mapped_format_pack(format, slice, &cursor, &items, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, (lua_Integer)cursor.offset + 1);
    return 1;
}

const luaL_Reg mlua_format_methods[] = {
    {"unpack", format_unpack}, {"pack", format_pack}, {NULL, NULL}};
