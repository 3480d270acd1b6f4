/* The types Array, whose items are numbers or texts, and Records, whose items
 * are records: mlua_array, see typed.h. One set of functions serves both, and
 * what only Records have is in records.c.
 *
 * An mlua_array on the C stack describes a part of such an object. The core
 * does the work on a mapped_array, which mlua_core_array makes of either. */
#include "typed.h"

#define BLOCK_BYTES 4096 /* of items that totable reads at a time */
#define EITHER_TYPE "mapped.Array or mapped.Records"

mlua_array *mlua_test_array(lua_State *L, int arg)
{
    mlua_array *self = mlua_push_metatable(L, arg);
    if (self == NULL)
        return NULL;
    if (!mlua_top_is_either(L, MLUA_ARRAY, MLUA_RECORDS))
        self = NULL;
    lua_pop(L, 1);
    return self;
}

/* Returns the Array or Records at `arg`; raises if it is neither, or is closed.
 */
static mlua_array *check_array(lua_State *L, int arg)
{
    mlua_array *self = mlua_test_array(L, arg);
    if (self == NULL)
        mlua_raise_type(L, arg, EITHER_TYPE);
    if (mapped_region_closed(self->bytes.region))
        mlua_raise_closed(L);
    return self;
}

void mlua_push_array(lua_State *L, int arg, const mlua_array *copy)
{
    bool has_layout = copy->item.record != NULL;
    mlua_array *self = mlua_push_object(
        L, has_layout ? MLUA_RECORDS : MLUA_ARRAY, sizeof *self,
        has_layout ? MLUA_USER_LAYOUT : MLUA_USER_OWNER);
    *self = *copy;
    mlua_set_owner(L, arg);
    if (has_layout) {
        lua_getiuservalue(L, arg, MLUA_USER_LAYOUT);
        lua_setiuservalue(L, -2, MLUA_USER_LAYOUT);
    }
}

int mlua_push_subarray(lua_State *L, const char *operation,
                       const mapped_array *array)
{
    mlua_array part = {.item = array->item,
                       .count = array->shape[0],
                       .stride = array->strides[0]};
    size_t first = 0, length = 0; /* of no items: nowhere */
    mapped_error error;
    if (part.count > 0) {
        first = array->first;
        length = (size_t)((part.count - 1) * part.stride) + part.item.size;
    }
    if (mapped_slice_sub(array->slice, first, length, &part.bytes, &error) !=
        MAPPED_OK)
        return mlua_raise_in(L, operation, &error);
    mlua_push_array(L, 1, &part);
    return 1;
}

int mlua_push_cast(lua_State *L, const char *operation, mapped_slice slice,
                   const mapped_item *item)
{
    mlua_array whole = {.bytes = slice, .item = *item, .count = -1};
    mapped_array array = mlua_core_array(&whole);
    mapped_error error;
    /* This sets the count, which is -1, and the stride of `whole`. */
    if (mapped_array_cover(&array, &error) == MAPPED_OK) {
        mlua_push_array(L, 1, &whole);
        return 1;
    }
    if (error.status != MAPPED_SIZE)
        return mlua_raise_in(L, operation, &error);
    lua_pushfstring(
        L, "length %I is not a multiple of %s%I", (LUAI_UACINT)slice.length,
        item->record != NULL ? "the record's " : "", (LUAI_UACINT)item->size);
    return luaL_argerror(L, 2, lua_tostring(L, -1));
}

static int view_cast(lua_State *L)
{
    mapped_slice slice = mlua_open_self_at_most(L, 2);
    const mapped_item item = mapped_item_of(mlua_check_element(L, 2));
    return mlua_push_cast(L, "cast", slice, &item);
}

const luaL_Reg mlua_cast_methods[] = {{"cast", view_cast}, {NULL, NULL}};

static int array_sub(lua_State *L)
{
    mlua_array part;
    mapped_array array;
    lua_Integer from, to;
    size_t index;
    mlua_at_most(L, 3);
    part = *check_array(L, 1);
    from = mlua_check_integer(L, 2);
    to = mlua_opt_integer(L, 3, -1);
    part.count = (ptrdiff_t)mlua_clamp(from, to, (size_t)part.count, &index);
    array = mlua_core_array(&part);
    array.first = index * (size_t)part.stride;
    return mlua_push_subarray(L, "sub", &array);
}

static int array_bytes(lua_State *L)
{
    mlua_at_most(L, 1);
    mlua_push_slice(L, 1, check_array(L, 1)->bytes);
    return 1;
}

MAPPED__INLINE void push_item(lua_State *L, mlua_array *self, size_t index)
{
    size_t offset = index * (size_t)self->stride;
    if (MAPPED__LIKELY(self->item.kind == MAPPED_ITEM_ELEMENT))
        mlua_push_element_in(L, self->bytes, offset, self->item.element);
    else
        mlua_push_item_in(L, 1, self->bytes, offset, &self->item);
}

/* The value of a position that no item has: nil, unless the region is closed.
 */
static int push_absent_item(lua_State *L, const mlua_array *self)
{
    if (mapped_region_closed(self->bytes.region))
        return mlua_raise_closed(L);
    lua_pushnil(L);
    return 1;
}

/* The metamethod __index. A key is taken as a position first, so that only a
 * method's name costs a conversion that fails. The metatable of argument 1 is
 * left on the stack, which saves the call that pops it. */
int mlua_array_index(lua_State *L)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, 2, &is_integer);
    mlua_array *self;
    size_t index;
    if (MAPPED__UNLIKELY(!is_integer)) {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
        return 1;
    }
    self = mlua_push_metatable(L, 1);
    if (MAPPED__UNLIKELY(self == NULL ||
                         !mlua_top_is_either(L, MLUA_ARRAY, MLUA_RECORDS)))
        return mlua_raise_type(L, 1, EITHER_TYPE);
    if (MAPPED__UNLIKELY(!mlua_position(i, (size_t)self->count, &index)))
        return push_absent_item(L, self);
    push_item(L, self, index);
    return 1;
}

static int array_newindex(lua_State *L)
{
    mlua_array *self = check_array(L, 1);
    size_t index = mlua_check_position(L, 2, (size_t)self->count);
    size_t offset = index * (size_t)self->stride;
    const char *problem;
    mapped_value value;
    mapped_error error;
    if (self->item.kind != MAPPED_ITEM_ELEMENT) {
        problem = mlua_set_item(L, 3, self->bytes, offset, &self->item);
        return problem == NULL ? 0 : luaL_argerror(L, 3, problem);
    }
    value = mlua_check_value(L, 3, self->item.element);
    if (mapped_set(self->bytes, self->item.element, offset, value, &error) !=
        MAPPED_OK)
        return mlua_raise_value(L, 3, self->item.element, &error);
    return 0;
}

static int array_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_array(L, 1)->count);
    return 1;
}

static int array_next(lua_State *L)
{
    mlua_array *self = check_array(L, 1);
    lua_Integer i = mlua_check_integer(L, 2);
    if (i < 0 || i >= self->count)
        return 0;
    lua_pushinteger(L, i + 1);
    push_item(L, self, (size_t)i);
    return 2;
}

/* The metamethod __pairs: like ipairs, but without a call of __index for each
 * item. */
static int array_pairs(lua_State *L)
{
    check_array(L, 1);
    mlua_push_shared(L);
    lua_pushcclosure(L, array_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int array_tostring(lua_State *L)
{
    char type[64];
    const mlua_array *self = mlua_test_array(L, 1);
    if (self == NULL)
        return mlua_raise_type(L, 1, EITHER_TYPE);
    mapped_item_spell(&self->item, MAPPED_SPELLING_LAYOUT, type, sizeof type);
    if (mapped_region_closed(self->bytes.region))
        lua_pushfstring(L, "mapped.%s (closed)",
                        self->item.record != NULL ? "Records" : "Array");
    else if (self->item.record != NULL)
        lua_pushfstring(L, "mapped.Records (%I of %I bytes)",
                        (LUAI_UACINT)self->count, (LUAI_UACINT)self->item.size);
    else
        lua_pushfstring(L, "mapped.Array (%I elements of type %s)",
                        (LUAI_UACINT)self->count, type);
    return 1;
}

/* Stores the values of `n` items, which lie side by side at `bytes`, in the
 * table on top of the stack, behind the `done` values that it has. */
static void add_values(lua_State *L, const mapped_item *item,
                       const unsigned char *bytes, size_t n, size_t done)
{
    size_t i;
    for (i = 0; i < n; i++, bytes += item->size) {
        if (item->kind != MAPPED_ITEM_ELEMENT ||
            !mlua_try_push_element_at(L, item->element, bytes))
            mlua_push_item_at(L, item, bytes);
        lua_rawseti(L, -2, (lua_Integer)(done + i) + 1);
    }
}

/* Items are copied in blocks before their values are stored, because the table
 * allocates, which may run any code. */
static int array_totable(lua_State *L)
{
    unsigned char room[BLOCK_BYTES];
    unsigned char *bytes;
    mlua_array block;
    mapped_array array;
    mapped_error error;
    size_t first, n, done, max_count;
    mlua_at_most(L, 3);
    block = *check_array(L, 1);
    n = mlua_opt_range(L, 2, (size_t)block.count, &first);
    max_count =
        block.item.size < BLOCK_BYTES ? BLOCK_BYTES / block.item.size : 1;
    bytes = mlua_scratch(L, room, sizeof room, n > 0 ? block.item.size : 0);
    lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
    array = mlua_core_array(&block);
    for (done = 0; done < n; done += (size_t)block.count) {
        /* This count is the array's shape, too. */
        block.count = (ptrdiff_t)(n - done < max_count ? n - done : max_count);
        array.first = (first + done) * (size_t)block.stride;
        if (mapped_array_gather(&array, bytes, &error) != MAPPED_OK)
            return mlua_raise_in(L, "totable", &error);
        add_values(L, &block.item, bytes, (size_t)block.count, done);
    }
    return 1;
}

void mlua_make_contiguous(lua_State *L, const char *operation, int arg)
{
    mlua_array *self = mlua_test(L, arg, MLUA_ARRAY);
    luaL_Buffer buffer;
    mapped_array array;
    mapped_error error;
    size_t n;
    char *to;
    if (self == NULL && lua_type(L, arg) == LUA_TUSERDATA &&
        mlua_test_view(L, arg) == NULL)
        mlua_copy_foreign(L, arg);
    if (self == NULL || !mlua_is_strided(self))
        return;
    n = (size_t)self->count * self->item.size;
    to = luaL_buffinitsize(L, &buffer, n);
    array = mlua_core_array(self);
    if (mapped_array_gather(&array, to, &error) != MAPPED_OK)
        mlua_raise_in(L, operation, &error);
    luaL_pushresultsize(&buffer, n);
    lua_replace(L, arg);
}

/* Converts the values 1 to `n` of argument 2 to items that lie side by side at
 * `to`. Reading the values may run any code. */
static void convert_values(lua_State *L, const mapped_item *item, size_t n,
                           unsigned char *to)
{
    int top = lua_gettop(L) + 1;
    size_t i;
    for (i = 0; i < n; i++) {
        const char *problem;
        lua_geti(L, 2, (lua_Integer)i + 1);
        problem = mlua_convert_item(L, top, item, to + i * item->size);
        if (problem != NULL) {
            lua_pushfstring(L, "element %I: %s", (LUAI_UACINT)i + 1, problem);
            luaL_argerror(L, 2, lua_tostring(L, -1));
        }
        lua_pop(L, 1);
    }
}

/* Takes any table or userdata with a length and values at 1, 2, ... All values
 * are converted before the first is stored. */
static int array_copy_from(lua_State *L)
{
    mlua_array part;
    mapped_array array;
    mapped_error error;
    size_t count, first, n, bytes;
    lua_Integer length;
    unsigned char *values;
    mlua_at_most(L, 3);
    part = *check_array(L, 1);
    count = (size_t)part.count;
    if (!(lua_istable(L, 2) || lua_isuserdata(L, 2)))
        mlua_raise_type(L, 2, "table or mapped.Array");
    lua_settop(L, 3);
    length = luaL_len(L, 2);
    luaL_argcheck(L, length >= 0, 2, "negative length");
    luaL_argcheck(L, (lua_Unsigned)length <= PTRDIFF_MAX, 2, "too many values");
    n = (size_t)length;
    first = mlua_check_span(L, 3, 1, n, count);
    if (!mapped_multiply_size(n, part.item.size, &bytes))
        return luaL_error(L, "too many values");
    values = lua_newuserdatauv(L, bytes, 0);
    convert_values(L, &part.item, n, values);
    part.count = (ptrdiff_t)n;
    array = mlua_core_array(&part);
    array.first = n > 0 ? first * (size_t)part.stride : 0;
    if (mapped_array_scatter(&array, values, &error) != MAPPED_OK)
        return mlua_raise_in(L, "copy_from", &error);
    return 0;
}

const luaL_Reg mlua_array_methods[] = {{"sub", array_sub},
                                       {"bytes", array_bytes},
                                       {"totable", array_totable},
                                       {"copy_from", array_copy_from},
                                       {NULL, NULL}};

const luaL_Reg mlua_array_meta[] = {{"__newindex", array_newindex},
                                    {"__len", array_len},
                                    {"__pairs", array_pairs},
                                    {"__tostring", array_tostring},
                                    {NULL, NULL}};
