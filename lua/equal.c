/* Equality and order of our objects.
 *
 * `==` compares contents and never raises: what can't be read, because it is
 * closed, has shrunk away or is lost, equals only itself. A Region and a Slice
 * are arrays of bytes here; arrays are equal if their elements are, whatever
 * their types; records if their fields are. `<` and `<=` compare bytes, also
 * with a string, and raise as every access does. */
#include <string.h>
#include "typed.h"

/* The object at `arg`, if it is one of ours, as the core's array, with a copy
 * of its numbers. */
static bool get_array(lua_State *L, int arg, mlua_array *copy,
                      mapped_array *core)
{
    const mlua_array *array = mlua_test_array(L, arg);
    const mlua_record *record = mlua_test(L, arg, MLUA_RECORD);
    const mapped_slice *view = mlua_test_view(L, arg);
    if (array != NULL) {
        *copy = *array;
    } else if (record != NULL) {
        copy->bytes = record->bytes;
        copy->item = mapped_item_of_record(record->fields);
    } else if (view != NULL) {
        copy->bytes = mlua_view_bytes(view);
        copy->item =
            mapped_item_of(mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false));
        copy->count = (ptrdiff_t)copy->bytes.length;
        copy->stride = 1;
    } else {
        return false;
    }
    *core = mlua_core_array(copy);
    if (record != NULL)
        core->dimensions = 0;
    return true;
}

/* Lua calls the metamethod of either operand, so the other may be anything. */
static int equal(lua_State *L)
{
    mlua_array copies[2];
    mapped_array a, b;
    bool equal = false;
    equal = get_array(L, 1, &copies[0], &a) &&
            get_array(L, 2, &copies[1], &b) &&
            mapped_array_equal(&a, &b, &equal, NULL) == MAPPED_OK && equal;
    lua_pushboolean(L, equal);
    return 1;
}

const luaL_Reg mlua_equal_meta[] = {{"__eq", equal}, {NULL, NULL}};

/* Has the result of mapped_compare. */
static int order_strings(const mlua_data *a, const mlua_data *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int result = memcmp(a->string, b->string, common);
    return result != 0 ? result
                       : (a->length > b->length) - (a->length < b->length);
}

/* Returns a negative number, 0 or a positive one. mlua_check_data makes strings
 * of elements that lie apart. */
static int order(lua_State *L)
{
    mlua_data a = mlua_check_data(L, "compare", 1);
    mlua_data b = mlua_check_data(L, "compare", 2);
    mapped_error error;
    mapped_status status;
    int result = 0;
    /* Gathering argument 2 may have run a finalizer that closed or resized. */
    if (a.string == NULL)
        a = mlua_check_data(L, "compare", 1);
    if (a.string != NULL && b.string != NULL)
        return order_strings(&a, &b);
    if (a.string != NULL)
        status =
            mapped_compare_bytes(b.slice, a.string, a.length, &result, &error);
    else if (b.string != NULL)
        status =
            mapped_compare_bytes(a.slice, b.string, b.length, &result, &error);
    else
        status = mapped_compare(a.slice, b.slice, &result, &error);
    if (status != MAPPED_OK)
        return mlua_raise(L, &error);
    return a.string != NULL ? -result : result;
}

static int less(lua_State *L)
{
    lua_pushboolean(L, order(L) < 0);
    return 1;
}

static int less_or_equal(lua_State *L)
{
    lua_pushboolean(L, order(L) <= 0);
    return 1;
}

const luaL_Reg mlua_order_meta[] = {
    {"__lt", less}, {"__le", less_or_equal}, {NULL, NULL}};
