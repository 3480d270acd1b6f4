/* The Array: values of one element type, or texts of one length. */
#include "mapped_lua.h"

const mlua_array *mlua_check_array(lua_State *L, int arg)
{
    const mlua_array *self = mlua_test(L, arg, MLUA_ARRAY);
    if (self == NULL)
        mlua_raise_type(L, arg, "mapped.Array");
    if (mapped_region_closed(self->bytes.slice.region))
        mlua_raise_closed(L);
    return self;
}

void mlua_push_array(lua_State *L, int arg, mapped_slice slice,
                     const mlua_array *shape)
{
    mlua_array copy = *shape, *self;
    self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = copy;
    self->bytes.slice = slice;
    self->bytes.owner = mlua_push_owner(L, arg);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(MLUA_ARRAY));
    lua_setmetatable(L, -2);
}

static int view_cast(lua_State *L)
{
    mapped_slice slice = mlua_open_self(L, 2);
    mlua_array shape = {.element = mlua_check_element(L, 2)};
    mapped_error error;
    shape.stride = shape.element->size;
    shape.count = slice.length / shape.stride;
    if (slice.length % shape.stride != 0) {
        lua_pushfstring(L, "length %I is not a multiple of %d",
                        (LUAI_UACINT)slice.length, (int)shape.stride);
        return luaL_argerror(L, 2, lua_tostring(L, -1));
    }
    if (mapped_slice_sub(slice, 0, slice.length, &slice, &error) != MAPPED_OK)
        return mlua_raise_in(L, "cast", &error);
    mlua_push_array(L, 1, slice, &shape);
    return 1;
}

const luaL_Reg mlua_cast_methods[] = {{"cast", view_cast}, {NULL, NULL}};

/* The bytes from the first element on to the end of the last. */
static size_t span_of(const mlua_array *shape)
{
    return shape->count == 0
               ? 0
               : (shape->count - 1) * shape->stride + mlua_array_width(shape);
}

static int array_sub(lua_State *L)
{
    mlua_array shape;
    mapped_slice slice;
    mapped_error error;
    lua_Integer from, to;
    size_t index, offset;
    mlua_at_most(L, 3);
    shape = *mlua_check_array(L, 1);
    from = mlua_check_integer(L, 2);
    to = mlua_opt_integer(L, 3, -1);
    shape.count = mlua_clamp(from, to, shape.count, &index);
    offset = shape.count == 0 ? 0 : index * shape.stride;
    if (mapped_slice_sub(shape.bytes.slice, offset, span_of(&shape), &slice,
                         &error) != MAPPED_OK)
        return mlua_raise_in(L, "sub", &error);
    mlua_push_array(L, 1, slice, &shape);
    return 1;
}

static int array_bytes(lua_State *L)
{
    mlua_at_most(L, 1);
    mlua_push_slice(L, 1, mlua_check_array(L, 1)->bytes.slice);
    return 1;
}

/* A text is a string: of an Array's bytes nothing is shown in place. */
static int push_text(lua_State *L, const mlua_array *self, size_t index)
{
    const mapped_layout_entry field = mlua_text_field(self, index);
    mlua_push_field(L, 1, self->bytes.slice, &field);
    return 1;
}

static int push_slow(lua_State *L, const mlua_array *self, size_t index)
{
    mapped_value value;
    mapped_error error;
    if (self->width != 0)
        return push_text(L, self, index);
    if (mapped_get(self->bytes.slice, self->element, index * self->stride,
                   &value, &error) != MAPPED_OK)
        return mlua_raise(L, &error);
    mlua_push_value(L, self->element, value);
    return 1;
}

/* All but what nearly always happens is left to push_slow. */
MAPPED__INLINE int push_element(lua_State *L, const mlua_array *self,
                                size_t index)
{
    const mapped_element *element = self->element;
    mapped_value value;
    const unsigned char *p = mapped_slice_hit(
        self->bytes.slice, index * self->stride, element->size);
    if (MAPPED__UNLIKELY(p == NULL || self->width != 0 ||
                         element->load(element, p, &value) != MAPPED_OK ||
                         !mapped_slice_clean(self->bytes.slice)))
        return push_slow(L, self, index);
    mlua_push_value(L, element, value);
    return 1;
}

void mlua_push_element(lua_State *L, const mlua_array *array, size_t index)
{
    push_element(L, array, index);
}

static int absent(lua_State *L, const mlua_array *self)
{
    if (mapped_region_closed(self->bytes.slice.region))
        return mlua_raise_closed(L);
    lua_pushnil(L);
    return 1;
}

/* Keys that are positions come first: a name costs a failed conversion. The
 * metatable of argument 1 is left on the stack, which saves a call. */
int mlua_array_index(lua_State *L)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, 2, &is_integer);
    const mlua_array *self;
    size_t index;
    if (MAPPED__UNLIKELY(!is_integer)) {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(MLUA_METHODS));
        return 1;
    }
    self = mlua_push_metatable(L, 1);
    if (MAPPED__UNLIKELY(self == NULL || !mlua_is_type(L, MLUA_ARRAY)))
        return mlua_raise_type(L, 1, "mapped.Array");
    if (MAPPED__UNLIKELY(!mlua_position(i, self->count, &index)))
        return absent(L, self);
    return push_element(L, self, index);
}

static int set_text(lua_State *L, const mlua_array *self, size_t index)
{
    const mapped_layout_entry field = mlua_text_field(self, index);
    mlua_set_field(L, 3, self->bytes.slice, &field);
    return 0;
}

static int array_newindex(lua_State *L)
{
    const mlua_array *self = mlua_check_array(L, 1);
    size_t index = mlua_check_span(L, 2, 0, 1, self->count);
    mapped_value value;
    mapped_error error;
    if (self->width != 0)
        return set_text(L, self, index);
    value = mlua_check_value(L, 3, self->element);
    if (mapped_set(self->bytes.slice, self->element, index * self->stride,
                   value, &error) != MAPPED_OK)
        return mlua_raise_value(L, 3, &error);
    return 0;
}

static int array_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mlua_check_array(L, 1)->count);
    return 1;
}

static int array_next(lua_State *L)
{
    const mlua_array *self = mlua_check_array(L, 1);
    lua_Integer i = mlua_check_integer(L, 2);
    if (i < 0 || (lua_Unsigned)i >= self->count)
        return 0;
    lua_pushinteger(L, i + 1);
    return 1 + push_element(L, self, (size_t)i);
}

/* Like ipairs, without a look-up by metamethod for each element. */
static int array_pairs(lua_State *L)
{
    int i;
    mlua_check_array(L, 1);
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    lua_pushcclosure(L, array_next, MLUA_SHARED);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int array_tostring(lua_State *L)
{
    const mlua_array *self = mlua_test(L, 1, MLUA_ARRAY);
    const mapped_region *region;
    if (self == NULL)
        return mlua_raise_type(L, 1, "mapped.Array");
    region = self->bytes.owner->region;
    if (mapped_region_closed(region))
        lua_pushliteral(L, "mapped.Array (closed)");
    else
        lua_pushfstring(L, "mapped.Array (%I elements of type %s)",
                        (LUAI_UACINT)self->count, self->element->name);
    return 1;
}

mapped_element_array mlua_core_array(const mlua_array *array,
                                     ptrdiff_t numbers[2])
{
    mapped_element_array core = {.slice = array->bytes.slice,
                                 .element = array->element,
                                 .dimensions = 1,
                                 .shape = numbers,
                                 .strides = numbers + 1};
    numbers[0] = (ptrdiff_t)array->count;
    numbers[1] = (ptrdiff_t)array->stride;
    return core;
}

const luaL_Reg mlua_array_methods[] = {
    {"sub", array_sub}, {"bytes", array_bytes}, {NULL, NULL}};

const luaL_Reg mlua_array_meta[] = {{"__newindex", array_newindex},
                                    {"__len", array_len},
                                    {"__pairs", array_pairs},
                                    {"__tostring", array_tostring},
                                    {NULL, NULL}};
