/* Puts the module together. Each topic has a file with tables of methods, which
 * are assigned to the types here.
 *
 * The metatables are made first, empty, then the list of resources and the
 * cache: all of them are upvalues of every function. Then the metatables are
 * filled. */
#include "cache.h"
#include "sharing.h"

/* What Region and Slice have. */
#define VIEW_METHODS                                                    \
    mlua_slice_methods, mlua_bytes_methods, mlua_typed_methods,         \
        mlua_cast_methods, mlua_view_records, mlua_format_methods,      \
        mlua_search_methods, mlua_parts_methods, mlua_pattern_methods,  \
        mlua_pointer_methods, mlua_common_methods, mlua_paging_methods, \
        mlua_view_atomic, mlua_view_lock, mlua_stream_methods,          \
        mlua_ffi_methods

typedef struct type {
    const char *name;
    lua_CFunction index; /* `__index`; NULL: the table of methods itself */
    /* Lists of the other metamethods, and of the methods; a NULL ends each. */
    const luaL_Reg *meta[8];
    const luaL_Reg *methods[24];
} type;

/* The index is that of the metatable: on the stack of luaopen_mapped, and as an
 * upvalue. */
static const type types[MLUA_METATABLES + 1] = {
    [MLUA_REGION] = {"mapped.Region",
                     mlua_view_index,
                     {mlua_view_meta, mlua_region_meta, mlua_equal_meta,
                      mlua_order_meta, mlua_concat_meta},
                     {VIEW_METHODS, mlua_region_methods, mlua_fault_methods}},
    [MLUA_SLICE] = {"mapped.Slice",
                    mlua_view_index,
                    {mlua_view_meta, mlua_slice_meta, mlua_equal_meta,
                     mlua_order_meta, mlua_concat_meta},
                    {VIEW_METHODS}},
    [MLUA_ARRAY] = {"mapped.Array",
                    mlua_array_index,
                    {mlua_array_meta, mlua_equal_meta, mlua_order_meta,
                     mlua_concat_meta},
                    {mlua_array_methods, mlua_common_methods}},
    [MLUA_LAYOUT] = {"mapped.Layout",
                     NULL,
                     {mlua_layout_meta},
                     {mlua_layout_methods}},
    [MLUA_RECORDS] = {"mapped.Records",
                      mlua_array_index,
                      {mlua_array_meta, mlua_equal_meta},
                      {mlua_array_methods, mlua_records_methods}},
    [MLUA_RECORD] = {"mapped.Record",
                     mlua_record_index,
                     {mlua_record_meta, mlua_equal_meta},
                     {NULL}},
    [MLUA_WINDOWS] = {"mapped.Windows",
                      NULL,
                      {mlua_windows_meta},
                      {mlua_windows_methods}},
    [MLUA_ATOMIC] = {"mapped.Atomic",
                     NULL,
                     {mlua_atomic_meta},
                     {mlua_atomic_methods}},
    [MLUA_LOCK] = {"mapped.Lock", NULL, {mlua_lock_meta}, {mlua_lock_methods}},
    [MLUA_MUTEX] = {"mapped.Mutex",
                    NULL,
                    {mlua_mutex_meta},
                    {mlua_mutex_methods}},
    [MLUA_RING] = {"mapped.Ring",
                   NULL,
                   {mlua_ring_meta},
                   {mlua_ring_methods, mlua_ring_copy_methods}},
    [MLUA_STREAM] = {"mapped.Stream", NULL, {mlua_stream_meta}, {NULL}}};

/* Pushes the upvalues that all functions share. */
static void push_shared(lua_State *L)
{
    int i;
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, i);
}

/* Adds the functions of all lists to the table on top of the stack. */
static void set_functions(lua_State *L, const luaL_Reg *const *lists)
{
    for (; *lists != NULL; lists++) {
        push_shared(L);
        luaL_setfuncs(L, *lists, MLUA_SHARED);
    }
}

/* `__metatable` hides the metatable, and with it `__gc`, from scripts. */
static void fill_metatable(lua_State *L, int index)
{
    const type *type = &types[index];
    lua_pushvalue(L, index);
    set_functions(L, type->meta);
    if (type->index != NULL)
        push_shared(L);
    lua_newtable(L);
    set_functions(L, type->methods);
    if (type->index != NULL)
        lua_pushcclosure(L, type->index, MLUA_METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, type->name);
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
    int index;
    for (index = MLUA_REGION + 1; index <= MLUA_METATABLES; index++) {
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

/* In a state that is being closed, the list of resources would not get a
 * finalizer any more. Lua 5.4.4 and later answer no question about the
 * collector in a finalizer. */
static void refuse_finalizer(lua_State *L)
{
    if (lua_gc(L, LUA_GCCOUNT) < 0)
        luaL_error(L, "mapped can't be loaded by a finalizer");
}

int luaopen_mapped(lua_State *L)
{
    int index;
    luaL_checkversion(L);
    refuse_finalizer(L);
    luaL_checkstack(L, 2 * MLUA_SHARED + LUA_MINSTACK, NULL);
    lua_settop(L, 0);
    for (index = 1; index <= MLUA_METATABLES; index++)
        lua_newtable(L);
    mlua_push_resources(L);
    mlua_push_cache(L);
    for (index = 1; index <= MLUA_METATABLES; index++)
        fill_metatable(L, index);
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
