/* The methods about pages: advice, locks, protection, what is in memory and
 * what the disk has. If the system refuses, they return nil, a message and a
 * code.
 *
 * If memory or address space has run out, mlua_retry_after_gc collects garbage,
 * and the core is called once more. A finalizer may close or resize the region
 * then, so each try takes the bytes of the object at argument 1 anew. */
#include "mapped_lua.h"

static const char *push_advice(lua_State *L)
{
    const char *names[MAPPED_ADVICE_NOHUGEPAGE + 2] = {NULL};
    int advice;
    for (advice = 0; advice <= MAPPED_ADVICE_NOHUGEPAGE; advice++)
        names[advice] = mapped_advice_text((mapped_advice)advice);
    return mlua_push_list(L, names);
}

static int paging_advise(lua_State *L)
{
    mapped_advice advice;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    size_t length;
    const char *text;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    text = mlua_check_string(L, 2, &length);
    if (mapped_advice_parse(text, length, &advice, NULL) != MAPPED_OK) {
        lua_pushfstring(L, "unknown advice '%s', there are: %s",
                        mlua_push_short(L, 2), push_advice(L));
        return luaL_argerror(L, 2, lua_tostring(L, -1));
    }
    do
        status = mapped_advise(mlua_check_view(L, 1), advice, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result(L, status, &error);
}

typedef mapped_status slice_function(mapped_slice slice, mapped_error *error);

/* A method without arguments. */
static int call_core(lua_State *L, slice_function *function)
{
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 1);
    do
        status = function(mlua_check_view(L, 1), &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result(L, status, &error);
}

static int paging_discard(lua_State *L)
{
    return call_core(L, mapped_discard);
}

static int paging_revert(lua_State *L)
{
    return call_core(L, mapped_revert);
}

static int paging_mlock(lua_State *L)
{
    return call_core(L, mapped_mlock);
}

static int paging_munlock(lua_State *L)
{
    return call_core(L, mapped_munlock);
}

static int paging_protect(lua_State *L)
{
    mapped_mode mode;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    mode = mlua_check_access(L, 2);
    /* An access of LuaJIT may be at these addresses just now. */
    mlua_push_owner(L, 1);
    mlua_keep_accessed(lua_touserdata(L, -1));
    do
        status = mapped_protect(mlua_check_view(L, 1), mode, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result(L, status, &error);
}

/* Calls the progress function at argument 3. */
static void report_progress(lua_State *L, size_t done, size_t total)
{
    lua_pushvalue(L, 3);
    lua_pushinteger(L, (lua_Integer)done);
    lua_pushinteger(L, (lua_Integer)total);
    lua_call(L, 2, 0);
}

/* Prefetches piece by piece. The progress function, too, may close or resize
 * the region: what it cuts off is not prefetched, nor what it adds. */
static int prefetch_and_wait(lua_State *L, bool has_progress)
{
    mapped_slice slice = mlua_check_view(L, 1);
    const size_t total = slice.length;
    size_t done = 0;
    bool retried = false;
    do {
        mapped_error error;
        mapped_status status;
        do {
            slice = mlua_check_view(L, 1);
            if (slice.length > total)
                slice.length = total;
            status = mapped_prefetch_next(slice, &done, &error);
        } while (mlua_retry_after_gc(L, status, &error, &retried));
        if (status != MAPPED_OK)
            return mlua_fail(L, &error);
        if (has_progress)
            report_progress(L, done, total);
    } while (done < total && done < slice.length);
    lua_pushboolean(L, true);
    return 1;
}

static int paging_prefetch(lua_State *L)
{
    mapped_error error;
    mapped_status status;
    bool has_progress, waits, retried = false;
    mlua_at_most(L, 3);
    mlua_check_view(L, 1);
    waits = mlua_opt_boolean(L, 2, true);
    has_progress = !lua_isnoneornil(L, 3);
    if (has_progress && !lua_isfunction(L, 3))
        mlua_raise_type(L, 3, "function");
    if (waits)
        return prefetch_and_wait(L, has_progress);
    if (has_progress)
        luaL_argerror(L, 3, "a progress function needs a prefetch that waits");
    do
        status = mapped_prefetch(mlua_check_view(L, 1), MAPPED_PREFETCH_START,
                                 &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result(L, status, &error);
}

/* Pushes the table of numbers; with a map, it also has a string with a bit for
 * each page. */
static int push_residency(lua_State *L, bool with_map)
{
    mapped_slice slice = mlua_check_view(L, 1);
    size_t map_length = (mapped_residency_pages(slice) + 7) / 8;
    void *map = NULL;
    mapped_residency residency;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    if (with_map)
        map = lua_newuserdatauv(L, map_length, 0);
    do
        status =
            mapped_residency_get(slice, &residency, map, map_length, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    if (status != MAPPED_OK)
        return mlua_fail(L, &error);
    lua_createtable(L, 0, 6);
    mlua_set_number(L, "page_size", residency.page_size);
    mlua_set_number(L, "pages", residency.pages);
    mlua_set_number(L, "resident", residency.resident);
    if (residency.counted) {
        mlua_set_number(L, "dirty", residency.dirty);
        mlua_set_number(L, "writeback", residency.writeback);
    }
    if (with_map) {
        lua_pushlstring(L, map, map_length);
        lua_setfield(L, -2, "map");
    }
    return 1;
}

static int paging_residency(lua_State *L)
{
    mlua_at_most(L, 2);
    mlua_check_view(L, 1);
    return push_residency(L, mlua_opt_boolean(L, 2, false));
}

static int paging_flush(lua_State *L)
{
    static const char *const names[] = {"wait", NULL};
    mapped_slice slice;
    unsigned flags;
    mapped_error error;
    mapped_status status;
    bool retried = false;
    slice = mlua_open_self_at_most(L, 2);
    /* The core's flush refuses regions opened for reading, but not slices. */
    if (slice.readonly != 0 &&
        mapped_slice_check_writable(slice, &error) != MAPPED_OK)
        return mlua_raise_in(L, "flush", &error);
    mlua_check_options(L, 2, names);
    flags = mlua_get_flag(L, 2, "wait", true) ? 0 : MAPPED_FLUSH_START;
    do
        status = mapped_flush(mlua_check_view(L, 1), flags, &error);
    while (mlua_retry_after_gc(L, status, &error, &retried));
    return mlua_result_or_fault(L, status, &error);
}

const luaL_Reg mlua_paging_methods[] = {
    {"flush", paging_flush},       {"advise", paging_advise},
    {"discard", paging_discard},   {"revert", paging_revert},
    {"prefetch", paging_prefetch}, {"residency", paging_residency},
    {"mlock", paging_mlock},       {"munlock", paging_munlock},
    {"protect", paging_protect},   {NULL, NULL}};
