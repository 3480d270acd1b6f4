/* Searches for plain bytes, in place: the methods rfind, count, startswith and
 * endswith, and find without a pattern.
 *
 * Argument 1 is the haystack, argument 2 the needle. The bytes of the
 * needle may be those of a region, too; then they are exported meanwhile. */
#include "search.h"

void mlua_prepare_needle(lua_State *L, const char *operation)
{
    if (lua_type(L, 2) == LUA_TNUMBER)
        lua_tolstring(L, 2, NULL); /* converts it in its place */
    mlua_make_contiguous(L, operation, 2);
}

void mlua_needle_open(lua_State *L, int arg, const char *operation,
                      mlua_needle *needle)
{
    mlua_data data = mlua_check_data(L, operation, arg);
    const char *bytes = data.string;
    mapped_error error;
    needle->region_export.slice.region = NULL;
    if (bytes == NULL) {
        if (mapped_export_begin(data.slice, &needle->region_export, &error) !=
            MAPPED_OK)
            mlua_raise_in(L, operation, &error);
        bytes = needle->region_export.data;
    }
    mapped_needle_init(&needle->core, bytes, data.length);
}

mapped_status mlua_needle_close(mlua_needle *needle, mapped_status status,
                                mapped_error *error)
{
    mapped_error export_error;
    bool is_exported = needle->region_export.slice.region != NULL;
    if (!is_exported ||
        mapped_export_end(&needle->region_export, &export_error) == MAPPED_OK ||
        status != MAPPED_OK)
        return status;
    *error = export_error;
    return export_error.status;
}

/* Returns the haystack, and prepares the needle. */
static mapped_slice check_haystack(lua_State *L, const char *operation)
{
    mlua_prepare_needle(L, operation);
    return mlua_check_view(L, 1);
}

typedef mapped_status search_function(mapped_slice haystack,
                                      mapped_needle *needle, size_t *result,
                                      mapped_error *error);

/* Returns the result of `search_slice`, mapped_find or another, and sets
 * `*length` to the needle's length. */
static size_t search(lua_State *L, const char *operation,
                     search_function *search_slice, mapped_slice haystack,
                     size_t *length)
{
    mlua_needle needle;
    mapped_error error;
    size_t result;
    mapped_status status;
    mlua_needle_open(L, 2, operation, &needle);
    status = search_slice(haystack, &needle.core, &result, &error);
    if (mlua_needle_close(&needle, status, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    *length = mapped_needle_length(&needle.core);
    return result;
}

/* Searches from `offset` on, which mlua_search_offset has returned; pushes the
 * first and the last position of the match, or fail. */
static int find_from(lua_State *L, const char *operation,
                     search_function *search_slice, mapped_slice haystack,
                     size_t offset)
{
    size_t found = MAPPED_NOT_FOUND;
    size_t length = 0;
    if (offset != MLUA_PAST_END) {
        haystack.offset += offset;
        haystack.length -= offset;
        found = search(L, operation, search_slice, haystack, &length);
    }
    if (found == MAPPED_NOT_FOUND) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)(offset + found) + 1);
    lua_pushinteger(L, (lua_Integer)(offset + found + length));
    return 2;
}

int mlua_find_plain(lua_State *L, mapped_slice haystack, size_t offset)
{
    return find_from(L, "find", mapped_find, haystack, offset);
}

/* rfind(needle, init) */
static int search_rfind(lua_State *L)
{
    lua_Integer init;
    mapped_slice haystack;
    mlua_at_most(L, 3);
    init = mlua_opt_integer(L, 3, 1);
    haystack = check_haystack(L, "rfind");
    return find_from(L, "rfind", mapped_rfind, haystack,
                     mlua_search_offset(init, haystack.length));
}

/* count(needle, from, to) */
static int search_count(lua_State *L)
{
    size_t offset, length, count;
    lua_Integer from, to;
    mapped_slice haystack;
    mlua_at_most(L, 4);
    from = mlua_opt_integer(L, 3, 1);
    to = mlua_opt_integer(L, 4, -1);
    haystack = check_haystack(L, "count");
    haystack.length = mlua_clamp(from, to, haystack.length, &offset);
    haystack.offset += offset;
    count = search(L, "count", mapped_count, haystack, &length);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

typedef mapped_status compare_function(mapped_slice haystack, const void *data,
                                       size_t n, bool *result,
                                       mapped_error *error);

/* `compare_slice` is mapped_starts_with or mapped_ends_with. */
static int compare(lua_State *L, const char *operation,
                   compare_function *compare_slice)
{
    mapped_slice haystack;
    mlua_needle needle;
    mapped_error error;
    bool result = false;
    mapped_status status;
    mlua_at_most(L, 2);
    haystack = check_haystack(L, operation);
    mlua_needle_open(L, 2, operation, &needle);
    status = compare_slice(haystack, mapped_needle_bytes(&needle.core),
                           mapped_needle_length(&needle.core), &result, &error);
    if (mlua_needle_close(&needle, status, &error) != MAPPED_OK)
        return mlua_raise_in(L, operation, &error);
    lua_pushboolean(L, result);
    return 1;
}

static int search_startswith(lua_State *L)
{
    return compare(L, "startswith", mapped_starts_with);
}

static int search_endswith(lua_State *L)
{
    return compare(L, "endswith", mapped_ends_with);
}

const luaL_Reg mlua_search_methods[] = {{"rfind", search_rfind},
                                        {"count", search_count},
                                        {"startswith", search_startswith},
                                        {"endswith", search_endswith},
                                        {NULL, NULL}};
