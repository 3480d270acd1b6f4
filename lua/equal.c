/* Equality and order of our objects.
 *
 * `==` compares contents and never raises: what can't be read, because it is
 * closed, has shrunk away or is lost, equals only itself. A Region and a Slice
 * are arrays of bytes here; arrays are equal if their elements are, whatever
 * their types; records if their fields are. `<` and `<=` compare bytes, also
 * with a string, and raise as every access does. */
#include <string.h>
#include "mapped_lua.h"

/* Lua asks either operand's metamethod: the other may be anything. */
static bool is_array(lua_State *L, int arg)
{
    return mlua_test(L, arg, MLUA_SLICE) != NULL ||
           mlua_test(L, arg, MLUA_REGION) != NULL ||
           mlua_test(L, arg, MLUA_ARRAY) != NULL;
}

/* An Array of texts has two dimensions: texts and their bytes. `numbers` holds
 * lengths, then distances. */
static mapped_element_array texts_of(const mlua_array *array,
                                     ptrdiff_t numbers[4])
{
    mapped_element_array core = mlua_core_array(array, numbers);
    core.dimensions = 2;
    core.strides = numbers + 2;
    numbers[1] = (ptrdiff_t)array->width;
    numbers[2] = (ptrdiff_t)array->stride;
    numbers[3] = 1;
    return core;
}

static mapped_element_array bytes_of(mapped_slice slice, ptrdiff_t numbers[4])
{
    const mlua_array array = {
        .bytes.slice = slice,
        .element = mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false),
        .count = slice.length,
        .stride = 1};
    return mlua_core_array(&array, numbers);
}

/* The object at `arg` as the core's array. */
static void get_array(lua_State *L, int arg, mapped_element_array *core,
                      ptrdiff_t numbers[4])
{
    const mlua_slice *view = lua_touserdata(L, arg);
    const mlua_array *array = mlua_test(L, arg, MLUA_ARRAY);
    if (array == NULL)
        *core = bytes_of(mlua_view_bytes(view), numbers);
    else if (array->width != 0)
        *core = texts_of(array, numbers);
    else
        *core = mlua_core_array(array, numbers);
}

static bool equal_arrays(lua_State *L)
{
    ptrdiff_t numbers[2][4];
    mapped_element_array a, b;
    bool equal = false;
    get_array(L, 1, &a, numbers[0]);
    get_array(L, 2, &b, numbers[1]);
    return mapped_element_array_equal(&a, &b, &equal, NULL) == MAPPED_OK &&
           equal;
}

/* The Records or the Record at `arg` as the core's; false if it is neither. */
static bool get_records(lua_State *L, int arg, int type, mapped_records *core)
{
    const mlua_records *records = mlua_test(L, arg, type);
    const mlua_record *record = lua_touserdata(L, arg);
    bool one = type == MLUA_RECORD;
    if (records == NULL)
        return false;
    core->slice = records->bytes.slice;
    core->first = 0;
    core->layout = one ? record->layout->layout : records->layout->layout;
    core->count = one ? 1 : records->count;
    core->stride = (ptrdiff_t)mapped_layout_size(core->layout);
    return true;
}

static bool equal_records(lua_State *L, int type)
{
    mapped_records a, b;
    bool equal = false;
    return get_records(L, 1, type, &a) && get_records(L, 2, type, &b) &&
           mapped_records_equal(&a, &b, &equal, NULL) == MAPPED_OK && equal;
}

static int equal(lua_State *L)
{
    bool result =
        is_array(L, 1) && is_array(L, 2)
            ? equal_arrays(L)
            : equal_records(L, MLUA_RECORDS) || equal_records(L, MLUA_RECORD);
    lua_pushboolean(L, result);
    return 1;
}

const luaL_Reg mlua_equal_meta[] = {{"__eq", equal}, {NULL, NULL}};

/* As mapped_compare. */
static int order_strings(const mlua_data *a, const mlua_data *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int result = memcmp(a->string, b->string, common);
    return result != 0 ? result
                       : (a->length > b->length) - (a->length < b->length);
}

/* Negative, 0 or positive. Elements that lie apart have become strings. */
static int order(lua_State *L)
{
    mlua_data a = mlua_check_data(L, 1);
    mlua_data b = mlua_check_data(L, 2);
    mapped_error error;
    mapped_status status;
    int result = 0;
    if (a.string == NULL)
        a = mlua_check_data(L, 1); /* the other may have been gathered */
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
