/* The cache of compiled formats and patterns.
 *
 * For each of the two kinds a table maps texts to userdata, which hold what the
 * texts compile to. A slot finds a userdata faster, by the address of its text;
 * the table keeps the text alive, so no other text can have that address.
 *
 * Any allocation may run a finalizer that uses the cache too. So a table is
 * replaced and never emptied, and a userdata is used only until the next
 * allocation, or as long as it is on the stack. */
#include <locale.h>
#include <string.h>
#include "mapped_lua.h"

#define SLOTS 64
#define LOCALE_BYTES 32

#define BYTES_MOST ((size_t)256 << 10) /* of all entries */
#define ENTRY_BYTES 128 /* of one entry beside its text and its userdata */

typedef struct slot {
    const char *text;
    const mlua_compiled *compiled;
} slot;

/* User values 1 and 2 are the tables. */
typedef struct mlua_cache {
    size_t bytes;              /* of all entries */
    char locale[LOCALE_BYTES]; /* that all patterns were compiled in */
    slot slots[MLUA_KINDS][SLOTS];
} cache;

static cache *get_cache(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(MLUA_CACHE));
}

static slot *slot_of(cache *self, mlua_kind kind, const char *text)
{
    return &self->slots[kind][(uintptr_t)text / 32 % SLOTS];
}

/* A pattern's character classes depend on the locale, which os.setlocale
 * changes. */
static bool is_locale(const cache *self)
{
    return strcmp(setlocale(LC_CTYPE, NULL), self->locale) == 0;
}

/* Gives the cache at `index` new tables. Nothing allocates after they are made.
 * A locale's name that doesn't fit is cut, and then never equals the locale's,
 * so that nothing is kept. */
static void replace_tables(lua_State *L, int index, cache *self)
{
    int kind;
    for (kind = 0; kind < MLUA_KINDS; kind++)
        lua_newtable(L);
    memset(self, 0, sizeof *self);
    strncpy(self->locale, setlocale(LC_CTYPE, NULL), LOCALE_BYTES - 1);
    for (kind = MLUA_KINDS; kind > 0; kind--)
        lua_setiuservalue(L, index, kind);
}

void mlua_push_cache(lua_State *L)
{
    cache *self = lua_newuserdatauv(L, sizeof *self, MLUA_KINDS);
    replace_tables(L, lua_gettop(L), self);
}

static void forget_all(lua_State *L)
{
    replace_tables(L, lua_upvalueindex(MLUA_CACHE), get_cache(L));
}

static bool is_plain(const mapped_format *format)
{
    mapped_cursor cursor = {0, 0, 0};
    mapped_step_value item;
    while (mapped_format_next(format, &cursor, &item))
        if (item.step->kind != MAPPED_STEP_ELEMENT)
            return false;
    return true;
}

/* Pushes a userdata that has `bytes` of storage behind it. */
static mlua_compiled *push_room(lua_State *L, size_t bytes)
{
    mlua_compiled *self;
    if (bytes > SIZE_MAX / 2)
        luaL_error(L, "text too long");
    self = lua_newuserdatauv(L, sizeof *self + bytes, 0);
    *self = (mlua_compiled){false, NULL, NULL};
    return self;
}

static const mlua_compiled *push_format(lua_State *L, const char *text)
{
    const mapped_dialect dialect = MAPPED_DIALECT_PACK_LATE;
    size_t length = strlen(text), bytes;
    mapped_error error;
    mlua_compiled *self;
    if (mapped_format_room(dialect, text, length, &bytes, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    self = push_room(L, bytes);
    self->format = mapped_format_init(self + 1, dialect, text, length);
    self->plain = is_plain(self->format);
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
    self = push_room(L, bytes);
    self->plain = mapped_pattern_is_plain(text, length);
    self->pattern = mapped_pattern_init(self + 1, text, length, flags);
    return self;
}

/* Pushes the table's userdata for the text at `arg`; or nil, and returns NULL.
 */
static const mlua_compiled *look_up(lua_State *L, mlua_kind kind, int arg)
{
    lua_getiuservalue(L, lua_upvalueindex(MLUA_CACHE), kind + 1);
    lua_pushvalue(L, arg);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* Enters the userdata on top of the stack under the text at `arg`. If there is
 * no room, empties the cache instead, so that the next text finds room. Since
 * the text was looked up a finalizer may have entered another userdata for it,
 * or have set the locale; then nothing is entered. */
static void remember(lua_State *L, mlua_kind kind, int arg)
{
    cache *self = get_cache(L);
    size_t length = lua_rawlen(L, arg);
    size_t bytes = lua_rawlen(L, -1) + length + ENTRY_BYTES;
    const mlua_compiled *compiled = lua_touserdata(L, -1);
    slot *slot;
    if (length > MLUA_TEXT_MOST || bytes > BYTES_MOST)
        return;
    if (self->bytes + bytes > BYTES_MOST) {
        forget_all(L);
        return;
    }
    if (look_up(L, kind, arg) != NULL || !is_locale(self)) {
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    lua_getiuservalue(L, lua_upvalueindex(MLUA_CACHE), kind + 1);
    lua_pushvalue(L, arg);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    self->bytes += bytes;
    slot = slot_of(self, kind, lua_tostring(L, arg));
    slot->text = lua_tostring(L, arg);
    slot->compiled = compiled;
}

const mlua_compiled *mlua_push_compiled(lua_State *L, mlua_kind kind, int arg)
{
    const mlua_compiled *found;
    if (!is_locale(get_cache(L)))
        forget_all(L);
    found = look_up(L, kind, arg);
    if (found != NULL)
        return found;
    lua_pop(L, 1);
    found = kind == MLUA_FORMAT ? push_format(L, lua_tostring(L, arg))
                                : push_pattern(L, arg, 0);
    remember(L, kind, arg);
    return found;
}

const mlua_compiled *mlua_find_compiled(cache *self, mlua_kind kind,
                                        const char *text)
{
    const slot *slot = slot_of(self, kind, text);
    if (MAPPED__LIKELY(slot->text == text) &&
        (kind == MLUA_FORMAT || MAPPED__LIKELY(is_locale(self))))
        return slot->compiled;
    return NULL;
}

const mlua_compiled *mlua_push_unanchored(lua_State *L, int arg)
{
    return push_pattern(L, arg, MAPPED_PATTERN_NO_ANCHOR);
}
