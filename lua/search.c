/* Searches for plain bytes, in place: the methods rfind, count, startswith and
 * endswith, and find without a pattern. A needle's bytes may be those of a
 * region; then they are exported during the search. */
#include "search.h"

void mlua_prepare_needle(lua_State *L, const char *operation)
{
    if (lua_type(L, 2) == LUA_TNUMBER)
        lua_tolstring(L, 2, NULL); /* converts it in its place */
    mlua_make_contiguous(L, operation, 2);
}

mapped_slice mlua_check_search(lua_State *L, const char *operation)
{
    mlua_prepare_needle(L, operation);
    return mlua_check_view(L, 1);
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
    mapped_needle_init(&needle->needle, bytes, data.length);
}

mapped_status mlua_needle_close(mlua_needle *needle, mapped_status status,
                                mapped_error *error)
{
    mapped_error lost;
    if (needle->region_export.slice.region == NULL ||
        mapped_export_end(&needle->region_export, &lost) == MAPPED_OK ||
        status != MAPPED_OK)
        return status;
    *error = lost;
    return lost.status;
}

typedef mapped_status search_function(mapped_slice slice, mapped_needle *needle,
                                      size_t *result, mapped_error *error);

/* Searches for the needle at argument 2. Returns what `search_slice` found and
 * sets `*length` to the needle's length. */
static size_t search(lua_State *L, const char *operation,
                     search_function *search_slice, mapped_slice slice,
                     size_t *length)
{
    mlua_needle needle;
    mapped_error error;
    size_t result;
    mapped_status status;
    mlua_needle_open(L, 2, operation, &needle);
    status = search_slice(slice, &needle.needle, &result, &error);
    if (mlua_needle_close(&needle, status, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    *length = mapped_needle_length(&needle.needle);
    return result;
}

/* Searches from `offset` on; pushes the first and the last position of the
 * match, or fail. */
static int find_from(lua_State *L, const char *operation,
                     search_function *search_slice, mapped_slice subject,
                     size_t offset)
{
    size_t length, found;
    subject.offset += offset;
    subject.length -= offset;
    found = search(L, operation, search_slice, subject, &length);
    if (found == MAPPED_NOT_FOUND) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)(offset + found) + 1);
    lua_pushinteger(L, (lua_Integer)(offset + found + length));
    return 2;
}

int mlua_find_plain(lua_State *L, mapped_slice subject, size_t offset)
{
    return find_from(L, "find", mapped_find, subject, offset);
}

static int search_rfind(lua_State *L)
{
    size_t offset;
    lua_Integer init;
    mapped_slice subject;
    mlua_at_most(L, 3);
    init = mlua_opt_integer(L, 3, 1);
    subject = mlua_check_search(L, "rfind");
    offset = mlua_search_offset(init, subject.length);
    if (offset != SIZE_MAX)
        return find_from(L, "rfind", mapped_rfind, subject, offset);
    luaL_pushfail(L);
    return 1;
}

static int search_count(lua_State *L)
{
    size_t offset, length, count;
    lua_Integer from, to;
    mapped_slice slice;
    mlua_at_most(L, 4);
    from = mlua_opt_integer(L, 3, 1);
    to = mlua_opt_integer(L, 4, -1);
    slice = mlua_check_search(L, "count");
    slice.length = mlua_clamp(from, to, slice.length, &offset);
    slice.offset += offset;
    count = search(L, "count", mapped_count, slice, &length);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

typedef mapped_status compare_function(mapped_slice slice, const void *data,
                                       size_t n, bool *result,
                                       mapped_error *error);

static int compare(lua_State *L, const char *operation,
                   compare_function *compare_slice)
{
    mapped_slice subject;
    mlua_needle needle;
    mapped_error error;
    bool result = false;
    mapped_status status;
    mlua_at_most(L, 2);
    subject = mlua_check_search(L, operation);
    mlua_needle_open(L, 2, operation, &needle);
    status =
        compare_slice(subject, mapped_needle_bytes(&needle.needle),
                      mapped_needle_length(&needle.needle), &result, &error);
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
