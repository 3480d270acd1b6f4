/* The way out: what a message says after what is wrong, where there is
 * something that the caller can do. */
#include <errno.h>
#include <string.h>

#include "typed.h"

/* The object at `arg` that stands for bytes of a region, or NULL. */
static const mapped_slice *find_bytes(lua_State *L, int arg)
{
    if (mlua_test_view(L, arg) || mlua_test_array(L, arg) != NULL ||
        mlua_test(L, arg, MLUA_RECORD) != NULL ||
        mlua_test(L, arg, MLUA_ATOMIC) != NULL)
        return lua_touserdata(L, arg);
    return NULL;
}

#define MAX_ARGUMENTS 5

static bool is_named(const char *name, const char *const names[])
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* Why the first argument that can't be written can't be. A private copy has no
 * length of its own, no lock and no flush. */
static const char *hint_readonly(lua_State *L, const mapped_error *error)
{
    static const char *const of_files[] = {"append", "resize",  "lock",
                                           "flush",  "protect", NULL};
    int arg;
    if (error->limit == MAPPED_READONLY_SLICE)
        return "the view is one of readonly(true)";
    for (arg = 1; arg <= MAX_ARGUMENTS; arg++) {
        const mapped_slice *bytes = find_bytes(L, arg);
        if (bytes == NULL)
            continue;
        if (mapped_region_mode(bytes->region) == MAPPED_MODE_READ)
            return is_named(error->operation, of_files)
                       ? "open with \"r+\""
                       : "open with \"r+\" to change the file, or with \"c\" "
                         "to change a private copy";
        if (mapped_slice_readonly(mlua_view_bytes(bytes)))
            return "it is protected: protect(\"r+\") ends that";
    }
    return NULL;
}

/* What the operations that not all memory has need. */
static const char *hint_unsupported(const char *operation)
{
    static const struct {
        const char *operation, *hint;
    } needs[] = {
        {"append", "what is mapped with \"c\" can't get longer: open with "
                   "\"r+\""},
        {"resize", "what is mapped with \"c\" can't get longer: open with "
                   "\"r+\""},
        {"flush", "the memory is no file"},
        {"fileno", "mode \"r+\" holds a descriptor, and so does shared memory"},
        {"refresh", "the memory is no file"},
        {"seal", "make memory by anonymous(length, {shared = true})"},
        {"lock", "needs a file, or anonymous(length, {shared = true})"},
        {"revert", "only what is mapped with \"c\" has private changes"}};
    size_t i;
    for (i = 0; i < sizeof needs / sizeof *needs; i++)
        if (strcmp(needs[i].operation, operation) == 0)
            return needs[i].hint;
    return NULL;
}

static bool is_sealed(const mapped_error *error)
{
    return error->os_error == EPERM && strcmp(error->call, "ftruncate") == 0;
}

static const char *hint_range(const char *operation)
{
    if (strcmp(operation, "Ring") == 0)
        return "it needs that length at least, and the limit is there";
    if (strcmp(operation, "Mutex") == 0)
        return "it needs that length, and the limit is there";
    return NULL;
}

const char *mlua_find_hint(lua_State *L, const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_READONLY:
        return hint_readonly(L, error);
    case MAPPED_UNSUPPORTED:
        return hint_unsupported(error->operation);
    case MAPPED_BUSY:
        return error->length > 0
                   ? "an address of topointer is given back by close, a lease "
                     "of another library by its end"
                   : NULL;
    case MAPPED_PAST_END:
        return strcmp(error->operation, "open") == 0
                   ? "modes \"r+\" and \"a+\" make the file longer"
                   : NULL;
    case MAPPED_FAULT:
        return "refresh() follows a file that was cut, recover() tries again";
    case MAPPED_ARGUMENT:
        return strcmp(error->operation, "Ring: neither zero nor a ring") == 0
                   ? "fill(0) makes room for a new one"
                   : NULL;
    case MAPPED_RANGE:
        return hint_range(error->operation);
    case MAPPED_SYSTEM:
        return is_sealed(error) ? "it is sealed against that" : NULL;
    case MAPPED_MISALIGNED:
        return "it must begin at a multiple of the limit in memory";
    default:
        return NULL;
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
