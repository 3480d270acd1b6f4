/* pack and unpack: string.pack's language on the bytes of a view, with the
 * errors of string.pack and string.unpack. */
#include <string.h>
#include "mapped_lua.h"

#define SLOTS 64
#define FORMATS_MOST 256

/* The upvalue MLUA_FORMATS. A table, its user value, maps each text to a
 * userdata that owns the format. The slots find one by the address of the text,
 * which the table keeps alive and thus unique. */
typedef struct slot {
    const char *text;
    const mapped_format *format;
    bool plain; /* nothing but numbers */
} slot;

typedef struct cache {
    int count; /* in the table */
    slot slots[SLOTS];
} cache;

void mlua_push_formats(lua_State *L)
{
    cache *self = lua_newuserdatauv(L, sizeof *self, 1);
    memset(self, 0, sizeof *self);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
}

static slot *slot_of(cache *self, const char *text)
{
    return &self->slots[(uintptr_t)text / 32 % SLOTS];
}

/* In a closing state formats go while others' finalizers may still look for
 * them; the cache, as memory, stays to the end. */
static int format_gc(lua_State *L)
{
    mapped_format **self = lua_touserdata(L, 1);
    cache *known = lua_touserdata(L, lua_upvalueindex(1));
    memset(known->slots, 0, sizeof known->slots);
    mapped_format_release(*self);
    *self = NULL;
    return 0;
}

static bool is_plain(const mapped_format *format)
{
    mapped_cursor cursor = {0, 0, 0};
    mapped_item item;
    while (mapped_format_next(format, &cursor, &item))
        if (item.step->kind != MAPPED_STEP_ELEMENT)
            return false;
    return true;
}

/* Puts the format on top of the stack under the text at `arg`. A full table is
 * replaced: calls in progress keep their format on the stack. */
static void remember(lua_State *L, cache *self, int arg)
{
    if (self->count == FORMATS_MOST) {
        memset(self, 0, sizeof *self);
        lua_newtable(L);
        lua_setiuservalue(L, lua_upvalueindex(MLUA_FORMATS), 1);
    }
    lua_getiuservalue(L, lua_upvalueindex(MLUA_FORMATS), 1);
    lua_pushvalue(L, arg);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    self->count++;
}

/* Pushes what the text at `arg` means. The userdata comes first, so that an
 * error on the way leaks nothing. */
static const mapped_format *compile(lua_State *L, cache *self, int arg)
{
    mapped_error error;
    mapped_format *format;
    const char *text = lua_tostring(L, arg);
    mapped_format **owner = lua_newuserdatauv(L, sizeof *owner, 0);
    *owner = NULL;
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, lua_upvalueindex(MLUA_FORMATS));
    lua_pushcclosure(L, format_gc, 1);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if (mapped_format_compile(MAPPED_DIALECT_PACK_LATE, text, strlen(text),
                              &format, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    *owner = format;
    remember(L, self, arg);
    return format;
}

/* Pushes the format whose text is at `arg`: on the stack it stays valid. */
static const mapped_format *push_format(lua_State *L, int arg)
{
    cache *self = lua_touserdata(L, lua_upvalueindex(MLUA_FORMATS));
    const char *text = luaL_checkstring(L, arg);
    mapped_format *const *owner;
    slot *slot;
    lua_getiuservalue(L, lua_upvalueindex(MLUA_FORMATS), 1);
    lua_pushvalue(L, arg);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    owner = lua_touserdata(L, -1);
    if (owner != NULL && *owner != NULL)
        return *owner;
    lua_pop(L, 1);
    slot = slot_of(self, text);
    slot->text = NULL;
    slot->format = compile(L, self, arg);
    slot->plain = is_plain(slot->format);
    slot->text = text;
    return slot->format;
}

/* The same; but a format of numbers alone is valid without being pushed, for
 * pushing numbers collects no garbage, and so runs no finalizer that could make
 * the cache forget it. */
MAPPED__INLINE const mapped_format *check_format(lua_State *L, int arg)
{
    cache *self = lua_touserdata(L, lua_upvalueindex(MLUA_FORMATS));
    const char *text = lua_tostring(L, arg);
    const slot *slot = slot_of(self, text);
    if (MAPPED__LIKELY(text != NULL && slot->text == text && slot->plain))
        return slot->format;
    return push_format(L, arg);
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

static int raise_pack(lua_State *L, int arg, const mapped_item *item)
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

void mlua_push_bytes(lua_State *L, mapped_slice slice, size_t offset, size_t n)
{
    char bytes[SHORT_BYTES];
    luaL_Buffer buffer;
    mapped_error error;
    char *to = bytes;
    if (n > sizeof bytes)
        to = luaL_buffinitsize(L, &buffer, n);
    if (mapped_read(slice, offset, to, n, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    if (n > sizeof bytes)
        luaL_pushresultsize(&buffer, n);
    else
        lua_pushlstring(L, bytes, n);
}

static void push_items(lua_State *L, mapped_slice slice,
                       const mapped_items *items)
{
    size_t i;
    for (i = 0; i < items->count; i++) {
        const mapped_item *item = &items->items[i];
        if (item->step->kind == MAPPED_STEP_ELEMENT)
            mlua_push_value(L, item->step->element, item->value);
        else
            mlua_push_bytes(L, slice, item->offset, item->length);
    }
}

/* As string.unpack: before the start is the start, behind the end an error. */
static size_t check_start(lua_State *L, int arg, mapped_slice slice)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, arg, &is_integer);
    size_t offset = 0, length = slice.length;
    if (!is_integer)
        i = luaL_optinteger(L, arg, 1);
    if (i > 0)
        offset = (lua_Unsigned)i - 1 <= length ? (size_t)i - 1 : SIZE_MAX;
    else if (i < 0 && 0 - (lua_Unsigned)i <= length)
        offset = length - (size_t)(0 - (lua_Unsigned)i);
    if (MAPPED__LIKELY(offset <= length))
        return offset;
    if (mapped_region_closed(slice.region))
        return (size_t)mlua_raise_closed(L);
    return (size_t)luaL_argerror(L, arg, "initial position out of string");
}

static int format_unpack(lua_State *L)
{
    mapped_item room[ITEMS_AT_ONCE];
    mapped_items items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {0, 0, 0};
    mapped_slice slice = mlua_to_view(L, 1);
    const mapped_format *format;
    mapped_error error;
    size_t count = 0;
    cursor.offset = check_start(L, 3, slice);
    format = check_format(L, 2);
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
static void check_item(lua_State *L, int arg, mapped_item *item)
{
    const mapped_element *element = item->step->element;
    if (item->step->kind == MAPPED_STEP_WRONG)
        raise_pack(L, arg, item);
    if (item->step->kind != MAPPED_STEP_ELEMENT)
        item->data = luaL_checklstring(L, arg, &item->length);
    else if (element->kind != MAPPED_KIND_FLOAT)
        item->value.i = luaL_checkinteger(L, arg);
    else if (element->size == sizeof(float))
        item->value.f = (float)luaL_checknumber(L, arg);
    else
        item->value.f = luaL_checknumber(L, arg);
    if (mapped_format_check(item, NULL) != MAPPED_OK)
        raise_pack(L, arg, item);
}

/* All arguments become items; conversion stops at the first that can't. */
static void check_items(lua_State *L, const mapped_format *format,
                        mapped_items *items)
{
    mapped_cursor cursor = {0, 0, 0};
    mapped_item item = {NULL, {0}, NULL, 0, 0};
    int arg = 4;
    while (mapped_format_next(format, &cursor, &item)) {
        check_item(L, arg++, &item);
        items->items[items->count++] = item;
    }
}

/* Room for the items of a long format. It takes the format's place on the stack
 * and keeps it, for an argument that is missing must find nothing there. */
static void make_room(lua_State *L, int place, size_t count,
                      mapped_items *items)
{
    items->items = lua_newuserdatauv(L, count * sizeof *items->items, 1);
    items->capacity = count;
    lua_pushvalue(L, place);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, place);
}

static int format_pack(lua_State *L)
{
    mapped_item room[ITEMS_AT_ONCE];
    mapped_items items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {0, 0, 0};
    mapped_slice slice;
    const mapped_format *format;
    mapped_error error;
    mlua_check_view(L, 1);
    luaL_checkinteger(L, 3);
    format = push_format(L, 2);
    lua_replace(L, 2);
    lua_pushnil(L); /* what string.pack finds where an argument is missing */
    if (mapped_format_count(format) > ITEMS_AT_ONCE)
        make_room(L, 2, mapped_format_count(format), &items);
    check_items(L, format, &items);
    slice = mlua_check_view(L, 1);
    cursor.offset = mlua_check_span(L, 3, 0, 0, slice.length);
    if (mapped_format_pack(format, slice, &cursor, &items, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    lua_pushinteger(L, (lua_Integer)cursor.offset + 1);
    return 1;
}

const luaL_Reg mlua_format_methods[] = {
    {"unpack", format_unpack}, {"pack", format_pack}, {NULL, NULL}};
