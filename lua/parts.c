/* Lines, and what separators leave: iterators over slices. */
#include "mapped_lua.h"

/* Upvalues of an iterator, behind the shared ones. */
enum {
    OWNER = MLUA_SHARED + 1,
    WALK,
    SEPARATOR
};

typedef struct walk {
    mapped_slice subject;
    mapped_parts parts;
} walk;

static int next_part(lua_State *L)
{
    walk *self = lua_touserdata(L, lua_upvalueindex(WALK));
    mapped_slice part;
    mapped_error error;
    bool more;
    if (mapped_parts_next(&self->parts, &part, &more, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    if (more)
        mlua_push_slice(L, lua_upvalueindex(OWNER), part);
    else
        lua_pushnil(L);
    return 1;
}

/* Pushes the iterator; argument 2 stays with it, for its bytes may be the
 * separator. */
static int push_iterator(lua_State *L, const walk *start)
{
    walk *self;
    int i;
    lua_settop(L, 2);
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    mlua_push_owner(L, 1);
    self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = *start;
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, next_part, SEPARATOR);
    return 1;
}

static int parts_lines(lua_State *L)
{
    walk start;
    mlua_at_most(L, 2);
    start.subject = mlua_check_view(L, 1);
    mapped_parts_lines(&start.parts, start.subject, lua_toboolean(L, 2));
    return push_iterator(L, &start);
}

static int parts_split(lua_State *L)
{
    walk start;
    size_t length;
    mapped_error error;
    const char *separator;
    mlua_at_most(L, 2);
    separator = mlua_check_string(L, 2, &length);
    start.subject = mlua_check_view(L, 1);
    luaL_argcheck(L, length > 0, 2, "empty separator");
    if (mapped_parts_split(&start.parts, start.subject, separator, length,
                           &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    return push_iterator(L, &start);
}

const luaL_Reg mlua_parts_methods[] = {
    {"lines", parts_lines}, {"split", parts_split}, {NULL, NULL}};
