/* Runs several Lua states in one process, each in a thread of its own: they
 * load the module, use it, and close at different times, with regions still
 * open. Meanwhile the first sets the locale again and again. Prints the errors,
 * and how many descriptors are left. */
#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>

#define STATES 8

static const char script[] =
    "local mapped = require 'mapped'\n"
    "local path = os.tmpname()\n"
    "for round = 1, 20 do\n"
    "  local region = assert(mapped.open(path, 'w+', {length = 10000}))\n"
    "  local slice, array = region:sub(2), region:cast('<I4')\n"
    "  for i = 1, #array do array[i] = i end\n"
    "  assert(array[2500] == 2500 and slice:get('<I4', 4) == 2)\n"
    "  if FIRST then\n"
    "    for i = 1, 2000 do\n"
    "      os.setlocale('C.UTF-8') os.setlocale('C')\n"
    "    end\n"
    "  else\n"
    "    for i = 1, 2000 do assert(not slice:find('%a%d%a', -3)) end\n"
    "  end\n"
    "  if round % 2 == 0 then region:close() end\n"
    "  KEPT = {region, slice, array, region:closed() or region:topointer()}\n"
    "end\n"
    "assert(os.remove(path))\n";

static int failed[STATES];

static void *run_state(void *result)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_pushboolean(L, result == failed);
    lua_setglobal(L, "FIRST");
    if (luaL_dostring(L, script) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        *(int *)result = 1;
    }
    lua_close(L);
    return NULL;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

int main(void)
{
    pthread_t threads[STATES];
    int i, failures = 0, before = count_descriptors();
    for (i = 0; i < STATES; i++)
        pthread_create(&threads[i], NULL, run_state, &failed[i]);
    for (i = 0; i < STATES; i++) {
        pthread_join(threads[i], NULL);
        failures += failed[i];
    }
    printf("%d states, %d failed, %d descriptors left\n", STATES, failures,
           count_descriptors() - before);
    return failures != 0;
}
