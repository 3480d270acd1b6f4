/* Resources: the core's objects that the userdata of a Lua state own.
 *
 * A list of them frees at the end of the state what is left. When a state is
 * closed, finalizers run from the latest object to the oldest, and an object
 * that a finalizer makes is not finalized itself. The list is older than
 * everything in it, so its own finalizer runs last. It always has one, because
 * a finalizer can't load the module.
 *
 * The list also knows how much memory the resources take, which the collector
 * can't see, and makes it work accordingly.
 *
 * Besides, mlua_first_metatables belongs to the list of one state. */
#include <limits.h>
#include "mapped_lua.h"

typedef struct mlua_resources {
    mlua_resource *first;
    size_t bytes; /* the sum of what mlua_charge was told */
    size_t limit; /* all garbage is collected when `bytes` reaches this */
    bool closing;
} resources;

#define MIN_LIMIT ((size_t)16 << 20)

const void *mlua_first_metatables[MLUA_METATABLES + 1];
static const resources *first_state; /* whose metatables these are, or NULL */

/* Makes this state the first one, if there is none. The list keeps its
 * metatables, as user values, as long as they stand there. Other states compare
 * theirs with them at the same time, so all accesses are atomic. */
static void set_first_state(lua_State *L, const resources *self)
{
    const resources *none = NULL;
    int i;
    if (!__atomic_compare_exchange_n(&first_state, &none, self, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    for (i = 1; i <= MLUA_METATABLES; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
        MAPPED__STORE(&mlua_first_metatables[i], lua_topointer(L, i));
    }
}

static void clear_first_state(const resources *self)
{
    int i;
    if (MAPPED__LOAD(&first_state) != self)
        return;
    for (i = 1; i <= MLUA_METATABLES; i++)
        MAPPED__STORE(&mlua_first_metatables[i], NULL);
    MAPPED__STORE_RELEASE(&first_state, NULL);
}

static int resources_gc(lua_State *L)
{
    resources *self = lua_touserdata(L, 1);
    self->closing = true;
    clear_first_state(self);
    while (self->first != NULL) {
        mlua_resource *resource = self->first;
        mlua_remove_resource(resource);
        resource->free(resource);
    }
    return 0;
}

void mlua_push_resources(lua_State *L)
{
    resources *self = lua_newuserdatauv(L, sizeof *self, MLUA_METATABLES);
    *self = (resources){.limit = MIN_LIMIT};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, resources_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    set_first_state(L, self);
}

void mlua_add_resource(lua_State *L, mlua_resource *resource,
                       void (*free)(mlua_resource *resource))
{
    resources *self = lua_touserdata(L, lua_upvalueindex(MLUA_RESOURCES));
    if (self->closing) {
        free(resource);
        luaL_error(L, "this state's mapped module has been collected");
    }
    resource->resources = self;
    resource->bytes = 0;
    resource->free = free;
    resource->next = self->first;
    resource->link = &self->first;
    if (self->first != NULL)
        self->first->link = &resource->next;
    self->first = resource;
}

void mlua_remove_resource(mlua_resource *resource)
{
    if (resource->link == NULL)
        return;
    *resource->link = resource->next;
    if (resource->next != NULL)
        resource->next->link = resource->link;
    resource->link = NULL;
    resource->resources->bytes -= resource->bytes;
}

/* Makes the collector work as if Lua had allocated the bytes. That is enough
 * for an incremental collector. A generational one looks at old objects only
 * when Lua's own memory has grown; so all garbage is collected whenever the sum
 * has doubled. A collector that was stopped is left alone. */
static void step(lua_State *L, resources *self, size_t bytes)
{
    const size_t max = (size_t)INT_MAX;
    size_t kibibytes = bytes / 1024 + 1;
    if (lua_gc(L, LUA_GCISRUNNING) != 1)
        return;
    lua_gc(L, LUA_GCSTEP, (int)(kibibytes < max ? kibibytes : max));
    if (self->bytes < self->limit)
        return;
    lua_gc(L, LUA_GCCOLLECT);
    self->limit = self->bytes > MIN_LIMIT / 2 ? 2 * self->bytes : MIN_LIMIT;
}

void mlua_charge(lua_State *L, mlua_resource *resource, size_t bytes)
{
    resources *self = resource->resources;
    size_t before = resource->bytes;
    if (resource->link == NULL)
        return;
    resource->bytes = bytes;
    self->bytes += bytes - before;
    if (bytes > before)
        step(L, self, bytes - before);
}

bool mlua_retry_after_gc(lua_State *L, mapped_status status,
                         const mapped_error *error, bool *retried)
{
    if (status == MAPPED_OK || *retried || !mapped_error_is_shortage(error))
        return false;
    *retried = true;
    lua_gc(L, LUA_GCCOLLECT);
    return true;
}
