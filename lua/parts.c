/* The methods lines and split. Both return an iterator over parts of the view,
 * each of them a Slice. */
#include "mapped_lua.h"

/* Upvalues of the iterator, after the shared ones. The Region and the separator
 * are kept alive for `parts`, a mapped_parts. */
enum {
    OWNER = MLUA_SHARED + 1,
    PARTS,
    SEPARATOR
};

static int next_part(lua_State *L)
{
    mapped_parts *parts = lua_touserdata(L, lua_upvalueindex(PARTS));
    mapped_slice part;
    mapped_error error;
    bool more;
    if (mapped_parts_next(parts, &part, &more, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    if (more)
        mlua_push_slice_of(L, lua_upvalueindex(OWNER), part);
    else
        lua_pushnil(L);
    return 1;
}

/* Pushes the iterator. Argument 2 is the separator, if there is one. */
static int push_iterator(lua_State *L, const mapped_parts *parts)
{
    lua_settop(L, 2);
    mlua_push_shared(L);
    mlua_push_owner(L, 1);
    *(mapped_parts *)lua_newuserdatauv(L, sizeof *parts, 0) = *parts;
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, next_part, SEPARATOR);
    return 1;
}

/* lines(keep_newlines) */
static int parts_lines(lua_State *L)
{
    mapped_parts parts;
    bool keep_newlines;
    mlua_at_most(L, 2);
    keep_newlines = mlua_opt_boolean(L, 2, false);
    mapped_parts_lines(&parts, mlua_check_view(L, 1), keep_newlines);
    return push_iterator(L, &parts);
}

/* split(separator) */
static int parts_split(lua_State *L)
{
    mapped_parts parts;
    mapped_slice subject;
    size_t length;
    mapped_error error;
    const char *separator;
    mlua_at_most(L, 2);
    mlua_copy_to_string(L, "split", 2);
    separator = mlua_check_string(L, 2, &length);
    subject = mlua_check_view(L, 1);
    luaL_argcheck(L, length > 0, 2, "empty separator");
    if (mapped_parts_split(&parts, subject, separator, length, &error) !=
        MAPPED_OK)
        return mlua_raise(L, &error);
    return push_iterator(L, &parts);
}

const luaL_Reg mlua_parts_methods[] = {
    {"lines", parts_lines}, {"split", parts_split}, {NULL, NULL}};
