/* Puts the module together. Each topic has a file with tables of methods, which
 * the lists here assign to the types. */
#include "sharing.h"

/* What Region and Slice have. */
#define VIEW_METHODS                                                    \
    mlua_slice_methods, mlua_bytes_methods, mlua_typed_methods,         \
        mlua_cast_methods, mlua_view_records, mlua_format_methods,      \
        mlua_search_methods, mlua_parts_methods, mlua_pattern_methods,  \
        mlua_pointer_methods, mlua_common_methods, mlua_paging_methods, \
        mlua_view_atomic, mlua_view_lock, mlua_stream_methods,          \
        mlua_ffi_methods

static const luaL_Reg *const region_methods[] = {
    VIEW_METHODS, mlua_region_methods, mlua_fault_methods, NULL};

static const luaL_Reg *const slice_methods[] = {VIEW_METHODS, NULL};

static const luaL_Reg *const array_methods[] = {mlua_array_methods,
                                                mlua_common_methods, NULL};

static const luaL_Reg *const layout_methods[] = {mlua_layout_methods, NULL};

static const luaL_Reg *const records_methods[] = {mlua_array_methods,
                                                  mlua_records_methods, NULL};

static const luaL_Reg *const record_methods[] = {NULL};

static const luaL_Reg *const windows_methods[] = {mlua_windows_methods, NULL};

static const luaL_Reg *const atomic_methods[] = {mlua_atomic_methods, NULL};

static const luaL_Reg *const lock_methods[] = {mlua_lock_methods, NULL};

static const luaL_Reg *const mutex_methods[] = {mlua_mutex_methods, NULL};

static const luaL_Reg *const ring_methods[] = {mlua_ring_methods,
                                               mlua_ring_copy_methods, NULL};

static const luaL_Reg *const region_meta[] = {
    mlua_view_meta,  mlua_region_meta, mlua_equal_meta,
    mlua_order_meta, mlua_concat_meta, NULL};

static const luaL_Reg *const slice_meta[] = {mlua_view_meta,   mlua_slice_meta,
                                             mlua_equal_meta,  mlua_order_meta,
                                             mlua_concat_meta, NULL};

static const luaL_Reg *const array_meta[] = {
    mlua_array_meta, mlua_equal_meta, mlua_order_meta, mlua_concat_meta, NULL};

static const luaL_Reg *const layout_meta[] = {mlua_layout_meta, NULL};

static const luaL_Reg *const records_meta[] = {mlua_array_meta, mlua_equal_meta,
                                               NULL};

static const luaL_Reg *const record_meta[] = {mlua_record_meta, mlua_equal_meta,
                                              NULL};

static const luaL_Reg *const windows_meta[] = {mlua_windows_meta, NULL};

static const luaL_Reg *const atomic_meta[] = {mlua_atomic_meta, NULL};

static const luaL_Reg *const lock_meta[] = {mlua_lock_meta, NULL};

static const luaL_Reg *const mutex_meta[] = {mlua_mutex_meta, NULL};

static const luaL_Reg *const ring_meta[] = {mlua_ring_meta, NULL};

static const luaL_Reg *const no_methods[] = {NULL};

static const luaL_Reg *const stream_meta[] = {mlua_stream_meta, NULL};

typedef struct type {
    const char *name;
    int index; /* of its metatable: on luaopen's stack, and as an upvalue */
    lua_CFunction get;
    const luaL_Reg *const *meta;
    const luaL_Reg *const *methods;
} type;

static const type types[] = {
    {"mapped.Region", MLUA_REGION, mlua_view_index, region_meta,
     region_methods},
    {"mapped.Slice", MLUA_SLICE, mlua_view_index, slice_meta, slice_methods},
    {"mapped.Array", MLUA_ARRAY, mlua_array_index, array_meta, array_methods},
    {"mapped.Layout", MLUA_LAYOUT, mlua_layout_index, layout_meta,
     layout_methods},
    {"mapped.Records", MLUA_RECORDS, mlua_array_index, records_meta,
     records_methods},
    {"mapped.Record", MLUA_RECORD, mlua_record_index, record_meta,
     record_methods},
    {"mapped.Windows", MLUA_WINDOWS, mlua_windows_index, windows_meta,
     windows_methods},
    {"mapped.Atomic", MLUA_ATOMIC, mlua_atomic_index, atomic_meta,
     atomic_methods},
    {"mapped.Lock", MLUA_LOCK, mlua_atomic_index, lock_meta, lock_methods},
    {"mapped.Mutex", MLUA_MUTEX, mlua_atomic_index, mutex_meta, mutex_methods},
    {"mapped.Ring", MLUA_RING, mlua_atomic_index, ring_meta, ring_methods},
    {"mapped.Stream", MLUA_STREAM, mlua_atomic_index, stream_meta, no_methods}};

static void push_shared(lua_State *L)
{
    int i;
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, i);
}

/* Adds the functions to the table on top of the stack. */
static void set_functions(lua_State *L, const luaL_Reg *const *lists)
{
    for (; *lists != NULL; lists++) {
        push_shared(L);
        luaL_setfuncs(L, *lists, MLUA_SHARED);
    }
}

/* `__metatable` hides the metatable, and with it `__gc`, from scripts. */
static void fill_metatable(lua_State *L, const type *it)
{
    lua_pushvalue(L, it->index);
    set_functions(L, it->meta);
    push_shared(L);
    lua_newtable(L);
    set_functions(L, it->methods);
    lua_pushcclosure(L, it->get, MLUA_METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, it->name);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__name");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

#if !MLUA_COMPARES_TYPES
/* Gives all types that have the metamethod the same function: that of Region,
 * which takes all. Objects of two types compare only then. */
static void share_metamethod(lua_State *L, const char *name)
{
    size_t i;
    for (i = 1; i < MLUA_METATABLES; i++) {
        const int index = types[i].index;
        if (lua_getfield(L, index, name) != LUA_TNIL) {
            lua_getfield(L, MLUA_REGION, name);
            lua_setfield(L, index, name);
        }
        lua_pop(L, 1);
    }
}
#endif

/* Pushes the table mapped.status: the codes of errors that have no errno. */
static void push_statuses(lua_State *L)
{
    lua_newtable(L);
#define MLUA_SET_STATUS(name, value, text) \
    lua_pushinteger(L, value);             \
    lua_setfield(L, -2, #name);
    MAPPED_STATUS_MAP(MLUA_SET_STATUS)
#undef MLUA_SET_STATUS
}

static const luaL_Reg functions[] = {{"open", mlua_open},
                                     {"anonymous", mlua_anonymous},
                                     {"guard", mlua_guard},
                                     {"layout", mlua_layout_new},
                                     {"stats", mlua_stats},
                                     {"windows", mlua_open_windows},
                                     {"fence", mlua_fence},
                                     {"unlink", mlua_unlink},
                                     {"shared", mlua_shared},
                                     {"Mutex", mlua_mutex_new},
                                     {"Ring", mlua_ring_new},
                                     {"type", mlua_type},
                                     {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_mapped(lua_State *L);

/* Lua 5.4.4 and later tell a finalizer from other code so: the collector can't
 * be asked anything there. In the finalizers of a state that is being closed,
 * the list of resources would get none of its own. */
static void refuse_finalizer(lua_State *L)
{
    if (lua_gc(L, LUA_GCCOUNT) < 0)
        luaL_error(L, "mapped can't be loaded by a finalizer");
}

int luaopen_mapped(lua_State *L)
{
    size_t i;
    luaL_checkversion(L);
    refuse_finalizer(L);
    luaL_checkstack(L, 2 * MLUA_SHARED + LUA_MINSTACK, NULL);
    lua_settop(L, 0);
    for (i = 0; i < MLUA_METATABLES; i++)
        lua_newtable(L);
    mlua_push_resources(L);
    mlua_push_cache(L);
    for (i = 0; i < MLUA_METATABLES; i++)
        fill_metatable(L, &types[i]);
#if !MLUA_COMPARES_TYPES
    share_metamethod(L, "__eq");
    share_metamethod(L, "__lt");
    share_metamethod(L, "__le");
#endif
    mlua_register_buffers(L);
    luaL_newlibtable(L, functions);
    push_shared(L);
    luaL_setfuncs(L, functions, MLUA_SHARED);
    lua_pushliteral(L, MAPPED_VERSION);
    lua_setfield(L, -2, "version");
    push_statuses(L);
    lua_setfield(L, -2, "status");
    return 1;
}
