/* What a state holds of the core, and what it costs: a list for the end of the
 * state, and the collector's share.
 *
 * When a state is closed the finalizers run, latest object first; what they
 * make then is never finalized. The list itself is older than everything that
 * is in it, so its own finalizer runs last and frees what is left. */
#include <errno.h>
#include "mapped_lua.h"

typedef struct mlua_life {
    mlua_holding *first;
    size_t bytes; /* that the collector was told of, and that are still held */
    size_t limit; /* from which on old garbage is collected, too */
    bool over;
} life;

/* Below this nobody minds. */
#define LIMIT_LEAST ((size_t)16 << 20)

static int life_gc(lua_State *L)
{
    life *self = lua_touserdata(L, 1);
    self->over = true;
    while (self->first != NULL) {
        mlua_holding *holding = self->first;
        mlua_let_go(holding);
        holding->free(holding);
    }
    return 0;
}

void mlua_push_life(lua_State *L)
{
    life *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (life){.limit = LIMIT_LEAST};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, life_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
}

void mlua_hold(lua_State *L, mlua_holding *holding,
               void (*free)(mlua_holding *holding))
{
    life *self = lua_touserdata(L, lua_upvalueindex(MLUA_LIFE));
    if (self->over)
        luaL_error(L, "the Lua state is being closed");
    holding->life = self;
    holding->bytes = 0;
    holding->free = free;
    holding->next = self->first;
    holding->link = &self->first;
    if (self->first != NULL)
        self->first->link = &holding->next;
    self->first = holding;
}

void mlua_let_go(mlua_holding *holding)
{
    if (holding->link == NULL)
        return;
    *holding->link = holding->next;
    if (holding->next != NULL)
        holding->next->link = holding->link;
    holding->link = NULL;
    holding->life->bytes -= holding->bytes;
}

/* A step as long as if the bytes were Lua's own is enough for an incremental
 * collector. A generational one looks at old objects only when Lua's memory has
 * grown; so all garbage is collected each time that what is held has doubled.
 * A collector that was stopped stays so. */
static void step(lua_State *L, life *self, size_t bytes)
{
    size_t most = (size_t)INT_MAX, kibibytes = bytes / 1024 + 1;
    if (lua_gc(L, LUA_GCISRUNNING) != 1)
        return;
    lua_gc(L, LUA_GCSTEP, (int)(kibibytes < most ? kibibytes : most));
    if (self->bytes < self->limit)
        return;
    lua_gc(L, LUA_GCCOLLECT);
    self->limit = self->bytes > LIMIT_LEAST / 2 ? 2 * self->bytes : LIMIT_LEAST;
}

void mlua_charge(lua_State *L, mlua_holding *holding, size_t bytes)
{
    life *self = holding->life;
    size_t before = holding->bytes;
    if (holding->link == NULL)
        return;
    holding->bytes = bytes;
    self->bytes += bytes - before;
    if (bytes > before)
        step(L, self, bytes - before);
}

static bool garbage_may_help(mapped_status status, const mapped_error *error)
{
    if (status == MAPPED_MEMORY)
        return true;
    return status == MAPPED_SYSTEM &&
           (error->os_error == EMFILE || error->os_error == ENFILE ||
            error->os_error == ENOMEM);
}

bool mlua_collects(lua_State *L, mapped_status status,
                   const mapped_error *error, bool *tried)
{
    if (*tried || !garbage_may_help(status, error))
        return false;
    *tried = true;
    lua_gc(L, LUA_GCCOLLECT);
    return true;
}
