/* The C interface of Lua 5.4, as far as the module uses it, for Lua 5.1 to 5.3
 * and LuaJIT; Lua 5.4 and 5.5 have it themselves. Every file includes this
 * header in the place of Lua's own. A macro gives each function its name of Lua
 * 5.4; what it does is in Lua's manual.
 *
 * Integers: Lua 5.1, 5.2 and LuaJIT have numbers that are doubles. An integer
 * argument is a number without a fraction, in the range of int64_t. A 64-bit
 * value from memory is a number up to 2^53. Beyond, where doubles have gaps, it
 * is what mlua_push_int64 pushes; where such a value is an argument that is
 * one, too, so that copying loses nothing.
 *
 * Lua 5.1 and LuaJIT load the same module, so what only LuaJIT has is looked
 * for at run time.
 *
 * User values: older Luas have one for each userdata, or an environment. Here
 * that is a table of all user values, which is made with the userdata; so to
 * set one allocates nothing, as in Lua 5.4. */
#ifndef MAPPED_LUA_COMPAT_H
#define MAPPED_LUA_COMPAT_H

#include <stdint.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <mapped/base.h>

/* Does this Lua have 64-bit integers? Else all its numbers are doubles. */
#define MLUA_HAS_INTEGERS (LUA_VERSION_NUM >= 503)

/* Do objects of different types compare by the metamethod of either? Else both
 * need the same one. */
#define MLUA_COMPARES_TYPES (LUA_VERSION_NUM >= 503)

#if LUA_VERSION_NUM < 502
#    undef LUA_GCISRUNNING
#    define LUA_GCISRUNNING 9 /* LuaJIT has it */
#endif

#if LUA_VERSION_NUM < 504

void *mlua_new_userdata(lua_State *L, size_t size, int values);
int mlua_get_user_value(lua_State *L, int index, int n);
int mlua_set_user_value(lua_State *L, int index, int n);
int mlua_gc(lua_State *L, int what, int data);

#    define lua_newuserdatauv mlua_new_userdata
#    define lua_getiuservalue mlua_get_user_value
#    define lua_setiuservalue mlua_set_user_value
#    define luaL_pushfail lua_pushnil
/* There are no warnings. (Lua 5.4 shows them only if it is told to.) */
#    define lua_warning(L, message, to_continue) ((void)(message))
#    undef lua_gc
#    define lua_gc(...) MLUA_GC(__VA_ARGS__, 0, 0)
#    define MLUA_GC(L, what, data, ...) mlua_gc(L, what, data)

#endif

#if LUA_VERSION_NUM < 503

#    define lua_Integer int64_t
#    define lua_Unsigned uint64_t
#    undef LUA_MAXINTEGER
#    define LUA_MAXINTEGER INT64_MAX
#    undef LUAI_UACINT
#    define LUAI_UACINT long long

lua_Integer mlua_to_integer(lua_State *L, int index, int *is_integer);
const char *mlua_push_format(lua_State *L, const char *format, ...);
int mlua_raise_format(lua_State *L, const char *format, ...);
int mlua_get_index(lua_State *L, int index, lua_Integer i);

#    undef lua_tointegerx
#    define lua_tointegerx mlua_to_integer
#    define lua_pushinteger(L, i) lua_pushnumber(L, (lua_Number)(i))
#    define lua_pushfstring mlua_push_format
#    define luaL_error mlua_raise_format
#    define lua_geti mlua_get_index
#    define lua_getfield(L, index, name) \
        (lua_getfield(L, index, name), lua_type(L, -1))
#    define lua_rawgeti(L, index, i) lua_rawgeti(L, index, (int)(i))
#    define lua_rawseti(L, index, i) lua_rawseti(L, index, (int)(i))
#    define luaL_getmetafield(L, index, name) \
        (luaL_getmetafield(L, index, name) ? lua_type(L, -1) : LUA_TNIL)

#endif

#if LUA_VERSION_NUM < 502

typedef struct mlua_buffer {
    lua_State *L;
    char *bytes; /* `room`, or a userdata at `index` */
    size_t length;
    size_t size;
    int index;
    char room[256];
} mlua_buffer;

/* What is first in a file handle of Lua 5.1 and LuaJIT. */
typedef struct mlua_file_handle {
    FILE *f;
} mlua_file_handle;

bool mlua_is_luajit(lua_State *L);
lua_Number mlua_to_number(lua_State *L, int index, int *is_number);
int mlua_abs_index(lua_State *L, int index);
lua_Integer mlua_len(lua_State *L, int index);
const char *mlua_tostring(lua_State *L, int index, size_t *length);
void *mlua_test_userdata(lua_State *L, int index, const char *name);
void mlua_set_functions(lua_State *L, const luaL_Reg *list, int upvalues);
int mlua_file_result(lua_State *L, int ok, const char *path);
void mlua_buffer_init(lua_State *L, mlua_buffer *buffer);
char *mlua_buffer_room(mlua_buffer *buffer, size_t n);
char *mlua_buffer_init_size(lua_State *L, mlua_buffer *buffer, size_t n);
void mlua_buffer_add(mlua_buffer *buffer, const char *text, size_t length);
void mlua_buffer_add_string(mlua_buffer *buffer, const char *text);
void mlua_buffer_add_value(mlua_buffer *buffer);
void mlua_buffer_push(mlua_buffer *buffer);
void mlua_buffer_push_size(mlua_buffer *buffer, size_t n);

#    undef lua_tonumberx
#    define lua_tonumberx mlua_to_number
#    define lua_absindex mlua_abs_index
#    define lua_rawlen lua_objlen
#    define luaL_len mlua_len
#    undef luaL_tolstring
#    define luaL_tolstring mlua_tostring
#    undef luaL_testudata
#    define luaL_testudata mlua_test_userdata
#    undef luaL_setfuncs
#    define luaL_setfuncs mlua_set_functions
#    undef luaL_newlibtable
#    define luaL_newlibtable(L, list) lua_newtable(L)
#    undef luaL_checkversion
#    define luaL_checkversion(L) ((void)0)
#    undef luaL_fileresult
#    define luaL_fileresult mlua_file_result
#    define luaL_Stream mlua_file_handle
#    undef luaL_Buffer
#    define luaL_Buffer mlua_buffer
#    undef luaL_addchar
#    define luaL_addchar(buffer, c) \
        (*mlua_buffer_room(buffer, 1) = (c), (buffer)->length++)
#    undef luaL_addsize
#    define luaL_addsize(buffer, n) ((buffer)->length += (n))
#    define luaL_buffinit mlua_buffer_init
#    define luaL_buffinitsize mlua_buffer_init_size
#    undef luaL_prepbuffsize
#    define luaL_prepbuffsize mlua_buffer_room
#    define luaL_addlstring mlua_buffer_add
#    define luaL_addstring mlua_buffer_add_string
#    define luaL_addvalue mlua_buffer_add_value
#    define luaL_pushresult mlua_buffer_push
#    define luaL_pushresultsize mlua_buffer_push_size

#endif

#if LUA_VERSION_NUM >= 502
#    define mlua_is_luajit(L) false
#endif

#if MLUA_HAS_INTEGERS

MAPPED__INLINE bool mlua_push_exact(lua_State *L, uint64_t bits,
                                    bool is_unsigned)
{
    (void)is_unsigned;
    lua_pushinteger(L, (lua_Integer)bits);
    return true;
}

MAPPED__INLINE void mlua_push_int64(lua_State *L, uint64_t bits,
                                    bool is_unsigned)
{
    mlua_push_exact(L, bits, is_unsigned);
}

MAPPED__INLINE uint64_t mlua_to_int64(lua_State *L, int index, bool is_unsigned,
                                      int *is_valid)
{
    (void)is_unsigned;
    return (uint64_t)lua_tointegerx(L, index, is_valid);
}

#else

/* Pushes the 64-bit integer as a number and returns true, if all integers up to
 * it are doubles; else returns false. */
MAPPED__INLINE bool mlua_push_exact(lua_State *L, uint64_t bits,
                                    bool is_unsigned)
{
    const uint64_t limit = (uint64_t)1 << 53;
    if (is_unsigned ? bits > limit : bits + limit > 2 * limit)
        return false;
    lua_pushnumber(L,
                   is_unsigned ? (lua_Number)bits : (lua_Number)(int64_t)bits);
    return true;
}

/* The same for any value: one beyond 2^53 becomes a string of decimal digits;
 * in LuaJIT, an int64_t or uint64_t of its FFI. May run any code. */
void mlua_push_int64(lua_State *L, uint64_t bits, bool is_unsigned);

/* The value of such a number, string or cdata; of an unsigned integer up to
 * 2^64 - 1, else in the range of int64_t. */
uint64_t mlua_to_int64(lua_State *L, int index, bool is_unsigned,
                       int *is_valid);

#endif

#endif
