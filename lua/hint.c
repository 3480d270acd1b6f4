/* Hints: the way out that stands in brackets after what is wrong. The core
 * knows which one (mapped/hint.h); some are spelled as calls of Lua here. And
 * texts of what would have been right. */
#include "typed.h"

#define MAX_ARGUMENTS 5

/* Returns the bytes that the object at `arg` stands for, or NULL. */
static const mapped_slice *test_bytes(lua_State *L, int arg)
{
    if (mlua_test_view(L, arg) != NULL || mlua_test_array(L, arg) != NULL ||
        mlua_test(L, arg, MLUA_RECORD) != NULL ||
        mlua_test(L, arg, MLUA_ATOMIC) != NULL)
        return lua_touserdata(L, arg);
    return NULL;
}

/* Returns the bytes that an error is about: those of the first argument that
 * can't be written, else of the first that has bytes, else NULL. */
static const mapped_slice *find_bytes(lua_State *L)
{
    const mapped_slice *first = NULL;
    for (int arg = 1; arg <= MAX_ARGUMENTS; arg++) {
        const mapped_slice *bytes = test_bytes(L, arg);
        if (bytes != NULL && mapped_slice_readonly(mlua_view_bytes(bytes)))
            return bytes;
        first = first != NULL ? first : bytes;
    }
    return first;
}

const char *mlua_find_hint(lua_State *L, const mapped_error *error)
{
    mapped_hint hint = mapped_error_hint(error, find_bytes(L));
    switch (hint) {
    case MAPPED_HINT_NONE:
        return NULL;
    case MAPPED_HINT_READONLY_SLICE:
        return "the view is one of readonly(true)";
    case MAPPED_HINT_LOCK_SHARED:
        return "open with \"r+\", or give {shared = true}";
    case MAPPED_HINT_SHARED_ANONYMOUS:
        return "make memory by anonymous(length, {shared = true})";
    case MAPPED_HINT_FILE_OR_SHARED:
        return "needs a file, or anonymous(length, {shared = true})";
    case MAPPED_HINT_END_EXPORTS:
        return "an address of topointer is given back by close, a lease of "
               "another library by its end";
    default:
        return mapped_hint_text(hint);
    }
}

const char *mlua_push_list(lua_State *L, const char *const names[])
{
    luaL_Buffer buffer;
    size_t i;
    luaL_buffinit(L, &buffer);
    for (i = 0; names[i] != NULL; i++) {
        luaL_addstring(&buffer, i > 0 ? ", " : "");
        luaL_addstring(&buffer, names[i]);
    }
    luaL_pushresult(&buffer);
    return lua_tostring(L, -1);
}

const char *mlua_push_fields(lua_State *L, const mapped_fields *fields)
{
    luaL_Buffer buffer;
    size_t i;
    luaL_buffinit(L, &buffer);
    for (i = 0; i < fields->count && i < 100; i++) {
        luaL_addstring(&buffer, i > 0 ? ", " : "");
        luaL_addlstring(&buffer, fields->fields[i].name,
                        fields->fields[i].name_length);
    }
    luaL_pushresult(&buffer);
    return mlua_push_short(L, -1);
}

const char *mlua_push_misfit(lua_State *L, int index,
                             const mapped_element *element)
{
    const char *value = mlua_push_short(L, index);
    const unsigned bits = 8 * (unsigned)element->size;
    if (element->kind == MAPPED_KIND_SIGNED && bits < 64)
        return lua_pushfstring(L, "%s does not fit %s, %I to %I", value,
                               element->name,
                               (LUAI_UACINT) - ((lua_Integer)1 << (bits - 1)),
                               (LUAI_UACINT)((lua_Integer)1 << (bits - 1)) - 1);
    if (element->kind == MAPPED_KIND_UNSIGNED && bits < 64)
        return lua_pushfstring(L, "%s does not fit %s, 0 to %I", value,
                               element->name,
                               (LUAI_UACINT)((lua_Integer)1 << bits) - 1);
    return lua_pushfstring(L, "%s does not fit %s", value, element->name);
}
