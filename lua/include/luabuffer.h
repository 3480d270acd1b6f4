/* luabuffer: how C libraries for Lua lend each other memory, without a copy and
 * without knowing each other. This file is all there is to it: it needs nothing
 * but Lua's C API, 5.1 to 5.5, and may be copied (MIT licence).
 *
 * Three words: an object *lends* its memory if its library has registered a
 * *provider* for its metatable; a *lease* is the use of that memory, from begin
 * to end.
 *
 * A library that takes memory begins a lease of an argument, which may be a
 * string or an object of any library that lends:
 *
 *     static int crc32(lua_State *L)
 *     {
 *         luabuffer_lease lease;
 *         uint32_t crc;
 *         luabuffer_check(L, 1, 0, &lease);
 *         crc = compute(lease.data, lease.length); // must not raise
 *         if (luabuffer_end(&lease) != LUABUFFER_OK)
 *             return luaL_error(L, "%s", lease.message);
 *         lua_pushinteger(L, crc);
 *         return 1;
 *     }
 *
 * During the lease the memory keeps its address and its length, if the object
 * stays on the stack or is kept otherwise. Code between begin and end must not
 * raise an error, which would skip the end. If it has to, or if the lease lasts
 * longer than the call, use luabuffer_hold.
 *
 * The end tells whether what was read may be trusted: memory that is a file may
 * lose pages (the file was cut, the disk failed), and then reads as zeros.
 *
 * A library that lends has a static luabuffer_provider, and registers it for
 * the metatable of its type:
 *
 *     luaL_newmetatable(L, "mylib.block");
 *     luabuffer_register(L, -1, &provider);
 *
 * A script can't forge an object that lends. The registry, which scripts can't
 * reach, knows the metatables; only full userdata count; and neither the bytes
 * of a userdata nor the fields of its metatable are looked at. (The debug
 * library can do it, as it can break any C library.) */
#ifndef LUABUFFER_H
#define LUABUFFER_H

#include <stddef.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#ifdef __GNUC__
#    define LUABUFFER__UNUSED __attribute__((unused))
#else
#    define LUABUFFER__UNUSED
#endif

/* What begin and end return. */
enum {
    LUABUFFER_OK,
    LUABUFFER_NONE,     /* neither a string nor an object that lends */
    LUABUFFER_READONLY, /* LUABUFFER_WRITE for memory that can't be written */
    LUABUFFER_CLOSED,   /* the object has no memory any more */
    LUABUFFER_LOST,     /* a part of the memory is lost, or was meanwhile */
    LUABUFFER_FAILED    /* anything else: `message` says what */
};

/* A flag for begin: the memory will be written. */
#define LUABUFFER_WRITE 1u

struct luabuffer_provider;

/* A lease, in the memory of the library that takes it. */
typedef struct luabuffer_lease {
    void *data;    /* the first byte; may be NULL if there are none */
    size_t length; /* bytes */
    int readonly;  /* the memory must not be written */
    const struct luabuffer_provider *provider; /* NULL: nothing to end */
    unsigned long long storage[8];             /* the provider's own */
    char message[256]; /* after a failure: what is wrong */
} luabuffer_lease;

/* How a library lends. Its functions don't raise, allocate in Lua or call it,
 * so that no other code runs between the begin and the use. */
typedef struct luabuffer_provider {
    size_t size; /* of this struct; a later version may have more */
    /* Sets data, length, readonly, and storage for the object at `index`, whose
     * metatable was registered for this provider. Returns LUABUFFER_OK; or
     * another code, with a message. */
    int (*begin)(lua_State *L, int index, unsigned flags,
                 luabuffer_lease *lease);
    /* Ends the lease, in any thread; returns LUABUFFER_OK, or LUABUFFER_LOST
     * with a message. */
    int (*end)(luabuffer_lease *lease);
} luabuffer_provider;

/* Private: keys of the registry, for the table from metatables to providers and
 * for the metatable of held leases. The number is that of the structs' version.
 */
#define LUABUFFER__PROVIDERS "luabuffer.providers.1"
#define LUABUFFER__HELD "luabuffer.held.1"

/* Lets objects with the metatable at `index` lend. The provider must stay as
 * long as the state. */
LUABUFFER__UNUSED static void
luabuffer_register(lua_State *L, int index, const luabuffer_provider *provider)
{
    lua_pushvalue(L, index);
    lua_getfield(L, LUA_REGISTRYINDEX, LUABUFFER__PROVIDERS);
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_newtable(L);
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, LUABUFFER__PROVIDERS);
    }
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)provider);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* Private: the provider of the value at `index`, or NULL. */
LUABUFFER__UNUSED static const luabuffer_provider *luabuffer__find(lua_State *L,
                                                                   int index)
{
    const luabuffer_provider *found = NULL;
    if (lua_type(L, index) != LUA_TUSERDATA)
        return NULL;
    lua_getfield(L, LUA_REGISTRYINDEX, LUABUFFER__PROVIDERS);
    if (lua_istable(L, -1) && lua_getmetatable(L, index)) {
        lua_rawget(L, -2);
        found = (const luabuffer_provider *)lua_touserdata(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return found;
}

/* Does the value at `index` lend? A string doesn't. */
LUABUFFER__UNUSED static int luabuffer_lends(lua_State *L, int index)
{
    return luabuffer__find(L, index) != NULL;
}

/* Begins a lease of the string or object at `index`, a positive one, where it
 * stays until the end. Returns LUABUFFER_OK, or a code and sets lease->message.
 * Raises only if there is no memory for a short string. */
LUABUFFER__UNUSED static int
luabuffer_begin(lua_State *L, int index, unsigned flags, luabuffer_lease *lease)
{
    const luabuffer_provider *provider = luabuffer__find(L, index);
    int code;
    memset(lease, 0, offsetof(luabuffer_lease, message) + 1);
    if (provider != NULL) {
        code = provider->begin(L, index, flags, lease);
        lease->provider = code == LUABUFFER_OK ? provider : NULL;
        return code;
    }
    if (lua_type(L, index) != LUA_TSTRING) {
        strcpy(lease->message, "string or object that lends memory expected");
        return LUABUFFER_NONE;
    }
    lease->readonly = 1;
    lease->data = (void *)lua_tolstring(L, index, &lease->length);
    if (!(flags & LUABUFFER_WRITE))
        return LUABUFFER_OK;
    strcpy(lease->message, "a string can't be written");
    return LUABUFFER_READONLY;
}

/* Ends a lease; does nothing to one that has ended or never began. Returns
 * LUABUFFER_OK if what was read may be trusted; else a code, and sets
 * lease->message. */
LUABUFFER__UNUSED static int luabuffer_end(luabuffer_lease *lease)
{
    const luabuffer_provider *provider = lease->provider;
    lease->provider = NULL;
    lease->data = NULL;
    lease->length = 0;
    return provider == NULL ? LUABUFFER_OK : provider->end(lease);
}

/* luabuffer_begin for an argument: raises an error about it if it fails. */
LUABUFFER__UNUSED static void
luabuffer_check(lua_State *L, int arg, unsigned flags, luabuffer_lease *lease)
{
    int code = luabuffer_begin(L, arg, flags, lease);
    if (code == LUABUFFER_NONE)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "%s, got %s", lease->message,
                                      luaL_typename(L, arg)));
    if (code != LUABUFFER_OK)
        luaL_argerror(L, arg, lease->message);
}

/* Private: __gc of a held lease. */
LUABUFFER__UNUSED static int luabuffer__gc(lua_State *L)
{
    luabuffer_lease *lease = (luabuffer_lease *)lua_touserdata(L, 1);
    int code = luabuffer_end(lease);
#if LUA_VERSION_NUM >= 504
    if (code != LUABUFFER_OK)
        lua_warning(L, lease->message, 0);
#else
    (void)code;
#endif
    return 0;
}

/* Private: makes the value at `index` stay as long as the userdata on top. */
LUABUFFER__UNUSED static void luabuffer__keep(lua_State *L, int index)
{
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, 1);
#if LUA_VERSION_NUM >= 504
    lua_setiuservalue(L, -2, 1);
#elif LUA_VERSION_NUM >= 502
    lua_setuservalue(L, -2);
#else
    lua_setfenv(L, -2);
#endif
}

/* Private: pushes a userdata for a lease. */
LUABUFFER__UNUSED static luabuffer_lease *luabuffer__push(lua_State *L)
{
#if LUA_VERSION_NUM >= 504
    void *memory = lua_newuserdatauv(L, sizeof(luabuffer_lease), 1);
#else
    void *memory = lua_newuserdata(L, sizeof(luabuffer_lease));
#endif
    memset(memory, 0, sizeof(luabuffer_lease));
    if (luaL_newmetatable(L, LUABUFFER__HELD)) {
        lua_pushcfunction(L, luabuffer__gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return (luabuffer_lease *)memory;
}

/* luabuffer_check for a lease that may last: pushes a userdata with the lease,
 * which keeps the object, and ends the lease when it is collected. End it as
 * soon as you can, because the object may be unable to close or resize
 * meanwhile. Don't give the userdata to scripts. */
LUABUFFER__UNUSED static luabuffer_lease *luabuffer_hold(lua_State *L, int arg,
                                                         unsigned flags)
{
    luabuffer_lease *lease = luabuffer__push(L);
    luabuffer__keep(L, arg);
    luabuffer_check(L, arg, flags, lease);
    return lease;
}

#endif
