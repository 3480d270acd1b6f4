/* Makes the garbage collector run as often as possible. Lua collects garbage at
 * some of the calls that allocate; in a build with hostile=yes every such call
 * collects all of it, and runs the finalizers of tests/lua/hostile.lua. An
 * object that the module uses but that nothing keeps alive is then freed at
 * once, and a sanitizer notices the next use.
 *
 * Lua collects after it has pushed the new object, so the wrappers do the same.
 * A function that raises an error collects first, because it doesn't return.
 * While a finalizer runs, there is no other collection.
 *
 * `require "mapped.hostile"` finds luaopen_mapped_hostile in the module. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A full collection in busted takes about a millisecond, and some tests make
 * 100,000 calls. So each test has a collection at its first calls, and later at
 * one call in CALLS_APART. That is a prime number, so that the collection comes
 * at each call of a loop in turn. */
#define AT_EVERY_CALL 1000
#define CALLS_APART 997

static atomic_bool armed;
static atomic_ulong calls, collections;
static _Thread_local bool collecting; /* a finalizer's calls don't collect */

static void collect(lua_State *L)
{
    unsigned long n;
    if (!armed || collecting)
        return;
    n = ++calls;
    if (n > AT_EVERY_CALL && n % CALLS_APART != 0)
        return;
    collecting = true;
    if (lua_gc(L, LUA_GCCOLLECT) == 0)
        collections++;
    collecting = false;
}

/* Finalizers may have changed errno. */
static void collect_after(lua_State *L)
{
    collect(L);
    if (armed)
        errno = EDOM;
}

static void collect_before(lua_State *L)
{
    int saved = errno;
    collect(L);
    errno = saved;
}

/* Defines `type __wrap_name(parameters)`, which makes the real call and then
 * collects. */
#define WRAP(type, name, parameters, arguments) \
    type __real_##name parameters;              \
    type __wrap_##name parameters;              \
    type __wrap_##name parameters               \
    {                                           \
        type result = __real_##name arguments;  \
        collect_after(L);                       \
        return result;                          \
    }

/* Does the same for a function that returns nothing. */
#define WRAP_VOID(name, parameters, arguments) \
    void __real_##name parameters;             \
    void __wrap_##name parameters;             \
    void __wrap_##name parameters              \
    {                                          \
        __real_##name arguments;               \
        collect_after(L);                      \
    }

/* Does the same for a function that replaces a number by a string. */
#define WRAP_NUMBER(name, parameters, arguments)        \
    const char *__real_##name parameters;               \
    const char *__wrap_##name parameters;               \
    const char *__wrap_##name parameters                \
    {                                                   \
        int converts = lua_type(L, arg) == LUA_TNUMBER; \
        const char *result = __real_##name arguments;   \
        if (converts)                                   \
            collect_after(L);                           \
        return result;                                  \
    }

/* Does the same for a function that raises an error, but collects first. */
#define WRAP_ERROR(name, parameters, arguments) \
    int __real_##name parameters;               \
    int __wrap_##name parameters;               \
    int __wrap_##name parameters                \
    {                                           \
        collect_before(L);                      \
        return __real_##name arguments;         \
    }

WRAP_VOID(lua_concat, (lua_State * L, int n), (L, n))
WRAP_VOID(lua_createtable, (lua_State * L, int items, int names),
          (L, items, names))
WRAP(void *, lua_newuserdatauv, (lua_State * L, size_t n, int values),
     (L, n, values))
WRAP_VOID(lua_pushcclosure, (lua_State * L, lua_CFunction f, int n), (L, f, n))
WRAP(const char *, lua_pushlstring, (lua_State * L, const char *s, size_t n),
     (L, s, n))
WRAP(const char *, lua_pushstring, (lua_State * L, const char *s), (L, s))
WRAP(const char *, lua_pushvfstring,
     (lua_State * L, const char *format, va_list list), (L, format, list))
WRAP(int, luaL_fileresult, (lua_State * L, int ok, const char *name),
     (L, ok, name))
WRAP(const char *, luaL_gsub,
     (lua_State * L, const char *s, const char *p, const char *r), (L, s, p, r))
WRAP(int, luaL_newmetatable, (lua_State * L, const char *name), (L, name))
WRAP(int, luaL_ref, (lua_State * L, int table), (L, table))
WRAP_VOID(luaL_setfuncs, (lua_State * L, const luaL_Reg *list, int n),
          (L, list, n))
WRAP_VOID(luaL_traceback,
          (lua_State * L, lua_State *of, const char *text, int level),
          (L, of, text, level))
WRAP_VOID(luaL_where, (lua_State * L, int level), (L, level))

WRAP(char *, luaL_buffinitsize, (lua_State * L, luaL_Buffer *buffer, size_t n),
     (L, buffer, n))
#define L (buffer->L)
WRAP_VOID(luaL_addlstring, (luaL_Buffer * buffer, const char *s, size_t n),
          (buffer, s, n))
WRAP_VOID(luaL_addstring, (luaL_Buffer * buffer, const char *s), (buffer, s))
WRAP_VOID(luaL_addvalue, (luaL_Buffer * buffer), (buffer))
WRAP(char *, luaL_prepbuffsize, (luaL_Buffer * buffer, size_t n), (buffer, n))
WRAP_VOID(luaL_pushresult, (luaL_Buffer * buffer), (buffer))
WRAP_VOID(luaL_pushresultsize, (luaL_Buffer * buffer, size_t n), (buffer, n))
#undef L

WRAP_NUMBER(lua_tolstring, (lua_State * L, int arg, size_t *n), (L, arg, n))
WRAP_NUMBER(luaL_checklstring, (lua_State * L, int arg, size_t *n), (L, arg, n))
WRAP_NUMBER(luaL_optlstring,
            (lua_State * L, int arg, const char *missing, size_t *n),
            (L, arg, missing, n))

WRAP_VOID(lua_arith, (lua_State * L, int op), (L, op))
WRAP_VOID(lua_callk,
          (lua_State * L, int arguments, int results, lua_KContext context,
           lua_KFunction next),
          (L, arguments, results, context, next))
WRAP(int, lua_compare, (lua_State * L, int a, int b, int op), (L, a, b, op))
WRAP(int, lua_getfield, (lua_State * L, int table, const char *name),
     (L, table, name))
WRAP(int, lua_getglobal, (lua_State * L, const char *name), (L, name))
WRAP(int, lua_geti, (lua_State * L, int table, lua_Integer i), (L, table, i))
WRAP(int, lua_gettable, (lua_State * L, int table), (L, table))
WRAP_VOID(lua_len, (lua_State * L, int index), (L, index))
WRAP(int, lua_pcallk,
     (lua_State * L, int arguments, int results, int handler,
      lua_KContext context, lua_KFunction next),
     (L, arguments, results, handler, context, next))
WRAP_VOID(lua_setfield, (lua_State * L, int table, const char *name),
          (L, table, name))
WRAP_VOID(lua_setglobal, (lua_State * L, const char *name), (L, name))
WRAP_VOID(lua_seti, (lua_State * L, int table, lua_Integer i), (L, table, i))
WRAP_VOID(lua_settable, (lua_State * L, int table), (L, table))
WRAP(int, luaL_callmeta, (lua_State * L, int index, const char *name),
     (L, index, name))
WRAP(int, luaL_getmetafield, (lua_State * L, int index, const char *name),
     (L, index, name))
WRAP(int, luaL_getsubtable, (lua_State * L, int index, const char *name),
     (L, index, name))
WRAP(lua_Integer, luaL_len, (lua_State * L, int index), (L, index))
WRAP(void *, luaL_testudata, (lua_State * L, int arg, const char *name),
     (L, arg, name))
WRAP(const char *, luaL_tolstring, (lua_State * L, int index, size_t *n),
     (L, index, n))

WRAP_ERROR(luaL_argerror, (lua_State * L, int arg, const char *text),
           (L, arg, text))
WRAP_ERROR(luaL_typeerror, (lua_State * L, int arg, const char *name),
           (L, arg, name))

const char *__wrap_lua_pushfstring(lua_State *L, const char *format, ...);
const char *__wrap_lua_pushfstring(lua_State *L, const char *format, ...)
{
    const char *result;
    va_list list;
    va_start(list, format);
    result = __real_lua_pushvfstring(L, format, list);
    va_end(list);
    collect_after(L);
    return result;
}

/* As luaL_error does, this puts the position before the message. */
int __wrap_luaL_error(lua_State *L, const char *format, ...);
int __wrap_luaL_error(lua_State *L, const char *format, ...)
{
    va_list list;
    __real_luaL_where(L, 1);
    collect_before(L);
    va_start(list, format);
    __real_lua_pushvfstring(L, format, list);
    va_end(list);
    __real_lua_concat(L, 2);
    return lua_error(L);
}

/* Implements start(): a new test begins, and its calls collect. */
static int hostile_start(lua_State *L)
{
    (void)L;
    calls = 0;
    armed = true;
    return 0;
}

static int hostile_stop(lua_State *L)
{
    (void)L;
    armed = false;
    return 0;
}

/* Implements count(): returns the calls since start(), and all collections. */
static int hostile_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)calls);
    lua_pushinteger(L, (lua_Integer)collections);
    return 2;
}

__attribute__((visibility("default"))) int luaopen_mapped_hostile(lua_State *L);
int luaopen_mapped_hostile(lua_State *L)
{
    static const luaL_Reg functions[] = {{"start", hostile_start},
                                         {"stop", hostile_stop},
                                         {"count", hostile_count},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
