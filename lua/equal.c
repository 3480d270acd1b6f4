/* Equality and order of our objects.
 *
 * `==` compares contents and never raises: what can't be read, because it is
 * closed, has shrunk away or is lost, equals only itself. A Region and a Slice
 * are arrays of bytes here; arrays are equal if their elements are, whatever
 * their types; records if their fields are. `<` and `<=` compare bytes, also
 * with a string, and raise as every access does. */
#include <string.h>
#include "typed.h"

/* Sets `*core` to the object at `arg` as an array of the core, whose shape and
 * strides are in `*copy`. Returns false if the object is not one of ours. */
static bool get_array(lua_State *L, int arg, mlua_array *copy,
                      mapped_array *core)
{
    const mlua_array *array = mlua_test_array(L, arg);
    const mlua_record *record = mlua_test(L, arg, MLUA_RECORD);
    if (array != NULL) {
        *copy = *array;
    } else if (record != NULL) {
        copy->bytes = record->bytes;
        copy->item = mapped_item_of_record(record->fields);
    } else {
        const mapped_slice *view = mlua_test_view(L, arg);
        if (view == NULL)
            return false;
        copy->bytes = mlua_view_bytes(view);
        copy->item =
            mapped_item_of(mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false));
        copy->count = (ptrdiff_t)copy->bytes.length;
        copy->stride = 1;
    }
    *core = mlua_core_array(copy);
    if (record != NULL)
        core->dimensions = 0; /* a single item */
    return true;
}

/* Lua calls this if one operand is of ours; the other may be anything. */
static int equal(lua_State *L)
{
    mlua_array copies[2];
    mapped_array a, b;
    bool same;
    same = get_array(L, 1, &copies[0], &a) && get_array(L, 2, &copies[1], &b) &&
           mapped_array_equal(&a, &b, &same, NULL) == MAPPED_OK && same;
    lua_pushboolean(L, same);
    return 1;
}

const luaL_Reg mlua_equal_meta[] = {{"__eq", equal}, {NULL, NULL}};

/* The same as mapped_compare, for strings. */
static int order_strings(const mlua_data *a, const mlua_data *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int result = memcmp(a->string, b->string, common);
    return result != 0 ? result
                       : (a->length > b->length) - (a->length < b->length);
}

/* Compares arguments 1 and 2; returns a negative number, 0 or a positive one.
 */
static int order(lua_State *L)
{
    mlua_data a = mlua_check_data(L, "compare", 1);
    mlua_data b = mlua_check_data(L, "compare", 2);
    mapped_error error;
    int result = 0;
    if (a.string != NULL && b.string != NULL)
        return order_strings(&a, &b);
    if (a.string != NULL) {
        if (mlua_compare_data(b.slice, &a, &result, &error) != MAPPED_OK)
            mlua_raise(L, &error);
        return -result;
    }
    /* The check of argument 2 may have run a finalizer that closed or resized
     * argument 1. */
    a = mlua_check_data(L, "compare", 1);
    if (mlua_compare_data(a.slice, &b, &result, &error) != MAPPED_OK)
        mlua_raise(L, &error);
    return result;
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
