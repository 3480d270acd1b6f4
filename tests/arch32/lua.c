/* A Lua interpreter of 32 bits: `lua [-e TEXT] [SCRIPT [ARGUMENT...]]`. Debian
 * has only Lua's library for other machines' sake. It finds C modules also in
 * lib/lua/5.4 beside its own folder. See make_lua.py. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

static int report(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static int load(lua_State *L, int count, char **arguments)
{
    if (count > 2 && strcmp(arguments[1], "-e") == 0)
        return luaL_loadstring(L, arguments[2]);
    return luaL_loadfile(L, count > 1 ? arguments[1] : NULL);
}

/* Sets the table `arg` and returns how many arguments the script has, which it
 * leaves on the stack. */
static int push_arguments(lua_State *L, int count, char **arguments)
{
    int i;
    lua_newtable(L);
    for (i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    luaL_checkstack(L, count, NULL);
    for (i = 2; i < count; i++)
        lua_pushstring(L, arguments[i]);
    return count > 2 ? count - 2 : 0;
}

int main(int count, char **arguments)
{
    lua_State *L = luaL_newstate();
    int status;
    luaL_openlibs(L);
    status = luaL_dostring(
        L, "package.cpath = package.cpath .. ';' .. '" LUA32_PREFIX
           "/lib/lua/5.4/?.so'");
    lua_pushcfunction(L, report);
    if (status == LUA_OK)
        status = load(L, count, arguments);
    if (status == LUA_OK)
        status = lua_pcall(L, push_arguments(L, count, arguments), 0, 1);
    if (status != LUA_OK)
        fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return status != LUA_OK;
}
