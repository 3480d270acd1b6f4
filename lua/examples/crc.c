/* A C library for Lua that takes and gives memory without a copy, and knows no
 * other library, only luabuffer.h. Build it as a shared module:
 *
 *     cc -shared -fPIC -I.../lua5.4 -I../include crc.c -o crc.so
 *
 * crc.crc32(data) takes a string or any object that lends its memory;
 * crc.later(data) returns a function that computes it when it is called;
 * crc.copy(from, to) copies as many bytes as `to` has;
 * crc.block(n) makes a block of n zero bytes, which lends its memory. */
#include <luabuffer.h>
#include <stdint.h>
#include <string.h>

static uint32_t compute(const unsigned char *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    size_t i;
    int bit;
    for (i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* Pushes the result of a lease, and ends it. */
static int push_crc(lua_State *L, luabuffer_lease *lease)
{
    uint32_t crc = compute(lease->data, lease->length);
    if (luabuffer_end(lease) != LUABUFFER_OK)
        return luaL_error(L, "%s", lease->message);
    lua_pushinteger(L, (lua_Integer)crc);
    return 1;
}

static int crc_crc32(lua_State *L)
{
    luabuffer_lease lease;
    luabuffer_check(L, 1, 0, &lease);
    return push_crc(L, &lease);
}

static int compute_held(lua_State *L)
{
    luabuffer_lease *lease = lua_touserdata(L, lua_upvalueindex(1));
    if (lua_toboolean(L, lua_upvalueindex(2)))
        return luaL_error(L, "the lease has ended");
    lua_pushboolean(L, 1);
    lua_replace(L, lua_upvalueindex(2));
    return push_crc(L, lease);
}

static int crc_later(lua_State *L)
{
    luabuffer_hold(L, 1, 0);
    lua_pushboolean(L, 0);
    lua_pushcclosure(L, compute_held, 2);
    return 1;
}

/* The second lease may raise, so the first one is held. */
static int crc_copy(lua_State *L)
{
    luabuffer_lease *from, to;
    size_t n;
    lua_settop(L, 2);
    from = luabuffer_hold(L, 1, 0);
    luabuffer_check(L, 2, LUABUFFER_WRITE, &to);
    n = from->length < to.length ? from->length : to.length;
    if (n > 0)
        memmove(to.data, from->data, n);
    if (luabuffer_end(&to) != LUABUFFER_OK)
        return luaL_error(L, "%s", to.message);
    if (luabuffer_end(from) != LUABUFFER_OK)
        return luaL_error(L, "%s", from->message);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* A block never moves and never ends before its userdata, so there is nothing
 * that the end of a lease has to do. */
typedef struct block {
    size_t length;
    unsigned char bytes[];
} block;

static int begin_block(lua_State *L, int index, unsigned flags,
                       luabuffer_lease *lease)
{
    block *self = lua_touserdata(L, index);
    (void)flags;
    lease->data = self->bytes;
    lease->length = self->length;
    return LUABUFFER_OK;
}

static int end_block(luabuffer_lease *lease)
{
    (void)lease;
    return LUABUFFER_OK;
}

static const luabuffer_provider provider = {sizeof provider, begin_block,
                                            end_block};

static int crc_block(lua_State *L)
{
    lua_Integer n = luaL_checkinteger(L, 1);
    block *self;
    luaL_argcheck(L, n >= 0 && n <= 1 << 30, 1, "out of range");
    self = lua_newuserdata(L, sizeof *self + (size_t)n);
    self->length = (size_t)n;
    memset(self->bytes, 0, self->length);
    luaL_getmetatable(L, "crc.block");
    lua_setmetatable(L, -2);
    return 1;
}

__attribute__((visibility("default"))) int luaopen_crc(lua_State *L);
int luaopen_crc(lua_State *L)
{
    static const luaL_Reg functions[] = {{"crc32", crc_crc32},
                                         {"later", crc_later},
                                         {"copy", crc_copy},
                                         {"block", crc_block},
                                         {NULL, NULL}};
    luaL_newmetatable(L, "crc.block");
    luabuffer_register(L, -1, &provider);
#if LUA_VERSION_NUM < 502
    lua_newtable(L);
    luaL_register(L, NULL, functions);
#else
    luaL_newlib(L, functions);
#endif
    return 1;
}
