/* The cache of compiled formats, codes and patterns.
 *
 * For each kind a table maps texts to userdata, which hold what the texts
 * compile to. The slots are a faster way to some of them, by the address of the
 * text: the table keeps the text alive, so no other text can have its address.
 *
 * mlua_push_compiled looks a text up in the table, and else compiles it and
 * enters the result.
 *
 * Any allocation may run a finalizer that uses the cache too. So a table is
 * replaced and never emptied, and a userdata is used only until the next
 * allocation, or as long as it is on the stack. */
#include <string.h>
#include "cache.h"

/* The limit of the sum over all entries. */
#define MAX_CACHE_BYTES ((size_t)256 << 10)

/* About how many bytes an entry takes beside its text and its userdata. */
#define ENTRY_BYTES 128

static mlua_cache *get_cache(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(MLUA_CACHE));
}

/* Gives the cache at `index` new tables. Nothing allocates after they are made.
 */
static void replace_tables(lua_State *L, int index, mlua_cache *self)
{
    int kind;
    for (kind = 0; kind < MLUA_KINDS; kind++)
        lua_newtable(L);
    memset(self, 0, sizeof *self);
    mapped_pattern_classes_get(&self->classes);
    for (kind = MLUA_KINDS; kind > 0; kind--)
        lua_setiuservalue(L, index, kind);
}

void mlua_push_cache(lua_State *L)
{
    mlua_cache *self = lua_newuserdatauv(L, sizeof *self, MLUA_KINDS);
    replace_tables(L, lua_gettop(L), self);
}

static void empty_cache(lua_State *L)
{
    replace_tables(L, lua_upvalueindex(MLUA_CACHE), get_cache(L));
}

/* See mlua_compiled. */
static bool is_plain(const mapped_fields *fields)
{
    size_t i;
    if (!fields->fixed || fields->count == 0 ||
        fields->count > MLUA_MAX_PLAIN_VALUES)
        return false;
    for (i = 0; i < fields->count; i++)
        if (fields->fields[i].item.kind != MAPPED_ITEM_ELEMENT)
            return false;
    return true;
}

/* Pushes a userdata with `bytes` of storage after the mlua_compiled. */
static mlua_compiled *push_compiled(lua_State *L, size_t bytes)
{
    mlua_compiled *self;
    if (bytes > SIZE_MAX / 2)
        luaL_error(L, "text too long");
    self = lua_newuserdatauv(L, sizeof *self + bytes, 0);
    *self = (mlua_compiled){.is_plain = false};
    return self;
}

static const mlua_compiled *push_format(lua_State *L, const char *text)
{
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_PACK_LATE,
                                         .text = text,
                                         .length = strlen(text)};
    mapped_fields *fields;
    size_t bytes;
    mapped_error error;
    mlua_compiled *self;
    if (mapped_fields_room(&source, &bytes, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    self = push_compiled(L, bytes);
    if (mapped_fields_init(&source, self + 1, &fields, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    self->fields = fields;
    self->is_plain = is_plain(fields);
    return self;
}

/* The text is looked up as a code of string.pack first, and then as a layout's
 * name. Texts like `i8` and `i16` are both, and mean different types. */
static const mlua_compiled *push_code(lua_State *L, int arg)
{
    size_t length;
    mapped_error error;
    mlua_compiled *self;
    const char *code = lua_tolstring(L, arg, &length);
    const mapped_element *element =
        mapped_element_from_pack(code, length, &error);
    if (element == NULL)
        element = mapped_element_from_name(code, length, MAPPED_BIG_ENDIAN);
    if (element == NULL)
        luaL_argerror(
            L, arg,
            lua_pushfstring(
                L,
                "%s '%s': codes are those of string.pack for one value, as "
                "'<I4' and 'd', or names as 'u32' and 'f16'",
                mapped_status_text(error.status), mlua_push_short(L, arg)));
    self = push_compiled(L, 0);
    self->element = element;
    return self;
}

static const mlua_compiled *push_pattern(lua_State *L, int arg, unsigned flags)
{
    size_t length;
    const char *text = lua_tolstring(L, arg, &length);
    size_t bytes = mapped_pattern_size(text, length, flags);
    mlua_compiled *self;
    if (bytes == 0)
        luaL_error(L, "pattern too long");
    self = push_compiled(L, bytes);
    self->is_plain = mapped_pattern_is_plain(text, length);
    self->pattern = mapped_pattern_init(self + 1, text, length, flags);
    return self;
}

/* Pushes and returns the table's userdata for the text at `arg`. If there is
 * none, pushes nil and returns NULL. */
static const mlua_compiled *look_up(lua_State *L, mlua_kind kind, int arg)
{
    lua_getiuservalue(L, lua_upvalueindex(MLUA_CACHE), kind + 1);
    lua_pushvalue(L, arg);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* Enters the userdata on top of the stack under the text at `arg`. If there is
 * no room, empties the cache instead, so that the next text finds room.
 *
 * Compiling may have run a finalizer. If that has entered another userdata for
 * the text, or has set the locale, which changes what classes as %a mean,
 * nothing is entered. */
static void enter(lua_State *L, mlua_kind kind, int arg)
{
    mlua_cache *self = get_cache(L);
    size_t length = lua_rawlen(L, arg);
    size_t bytes = lua_rawlen(L, -1) + length + ENTRY_BYTES;
    const mlua_compiled *compiled = lua_touserdata(L, -1);
    mlua_slot *slot;
    const char *text;
    bool is_entered;
    if (length > MLUA_MAX_TEXT_BYTES || bytes > MAX_CACHE_BYTES)
        return;
    if (self->bytes + bytes > MAX_CACHE_BYTES) {
        empty_cache(L);
        return;
    }
    if (kind == MLUA_PATTERN && !mapped_pattern_classes_current(&self->classes))
        return;
    is_entered = look_up(L, kind, arg) != NULL;
    lua_pop(L, 1);
    if (is_entered)
        return;
    lua_getiuservalue(L, lua_upvalueindex(MLUA_CACHE), kind + 1);
    lua_pushvalue(L, arg);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    self->bytes += bytes;
    text = lua_tostring(L, arg);
    slot = &self->slots[kind][mlua_slot_index(text)];
    slot->text = text;
    slot->compiled = compiled;
}

static const mlua_compiled *compile(lua_State *L, mlua_kind kind, int arg)
{
    switch (kind) {
    case MLUA_FORMAT:
        return push_format(L, lua_tostring(L, arg));
    case MLUA_CODE:
        return push_code(L, arg);
    default:
        return push_pattern(L, arg, 0);
    }
}

const mlua_compiled *mlua_push_compiled(lua_State *L, mlua_kind kind, int arg)
{
    const mlua_compiled *found;
    if (kind == MLUA_PATTERN &&
        !mapped_pattern_classes_current(&get_cache(L)->classes))
        empty_cache(L);
    found = look_up(L, kind, arg);
    if (found != NULL)
        return found;
    lua_pop(L, 1);
    found = compile(L, kind, arg);
    enter(L, kind, arg);
    return found;
}

const mlua_compiled *mlua_push_unanchored(lua_State *L, int arg)
{
    return push_pattern(L, arg, MAPPED_PATTERN_NO_ANCHOR);
}
