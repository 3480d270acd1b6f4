/* Whole runs of an array's elements: from and to Lua tables, and gathered. */
#include "mapped_lua.h"

#define BLOCK_BYTES 4096

/* Elements side by side in plain memory are copied in blocks; one by one where
 * that can't be. */
static bool is_plain(const mlua_array *self)
{
    return self->width == 0 && self->stride == self->element->size &&
           !mapped_region_device(self->bytes.slice.region);
}

/* Into the table on top of the stack, from index `at` + 1 on. */
static void fill_block(lua_State *L, const mlua_array *self, mapped_slice block,
                       size_t at)
{
    unsigned char bytes[BLOCK_BYTES];
    const mapped_element *element = self->element;
    mapped_error error;
    size_t offset;
    if (mapped_read(block, 0, bytes, block.length, &error) != MAPPED_OK)
        mlua_raise_in(L, "totable", &error);
    for (offset = 0; offset < block.length; offset += element->size) {
        mapped_value value;
        if (element->load(element, bytes + offset, &value) != MAPPED_OK)
            luaL_error(L, "%d-byte integer does not fit into Lua Integer",
                       (int)element->size);
        mlua_push_value(L, element, value);
        lua_rawseti(L, -2, (lua_Integer)++at);
    }
}

static void fill_plain(lua_State *L, const mlua_array *self, size_t first,
                       size_t n)
{
    size_t size = self->element->size, most = BLOCK_BYTES / size, at;
    for (at = 0; at < n; at += most) {
        size_t now = n - at < most ? n - at : most;
        mapped_slice block;
        mapped_error error;
        if (mapped_slice_sub(self->bytes.slice, (first + at) * size, now * size,
                             &block, &error) != MAPPED_OK)
            mlua_raise_in(L, "totable", &error);
        fill_block(L, self, block, at);
    }
}

static int array_totable(lua_State *L)
{
    const mlua_array *self;
    size_t first, i, n;
    mlua_at_most(L, 3);
    self = mlua_check_array(L, 1);
    n = mlua_opt_range(L, 2, self->count, &first);
    lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
    if (is_plain(self)) {
        fill_plain(L, self, first, n);
        return 1;
    }
    for (i = 0; i < n; i++) {
        mlua_push_element(L, self, first + i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

void mlua_gather(lua_State *L, int arg)
{
    const mlua_array *self = mlua_test(L, arg, MLUA_ARRAY);
    luaL_Buffer buffer;
    mapped_error error;
    size_t width, i;
    char *to;
    if (self == NULL || !mlua_is_strided(self))
        return;
    width = mlua_array_width(self);
    to = luaL_buffinitsize(L, &buffer, self->count * width);
    mlua_check_array(L, arg);
    for (i = 0; i < self->count; i++)
        if (mapped_read(self->bytes.slice, i * self->stride, to + i * width,
                        width, &error) != MAPPED_OK)
            mlua_raise(L, &error);
    luaL_pushresultsize(&buffer, self->count * width);
    lua_replace(L, arg);
}

static void refuse(lua_State *L, size_t i, const char *what)
{
    lua_pushfstring(L, "element %I: %s", (LUAI_UACINT)i + 1, what);
    luaL_argerror(L, 2, lua_tostring(L, -1));
}

/* The value on top of the stack, into plain memory. */
static void convert_element(lua_State *L, const mlua_array *self, size_t i,
                            unsigned char *to)
{
    const mapped_element *element = self->element;
    mapped_value value;
    const char *expected;
    if (self->width != 0) {
        const mapped_layout_entry field = mlua_text_field(self, 0);
        mlua_convert_field(L, lua_gettop(L), &field, to);
        return;
    }
    expected = mlua_to_value(L, -1, element, &value);
    if (expected != NULL)
        refuse(L, i,
               lua_pushfstring(L, "%s expected, got %s", expected,
                               luaL_typename(L, -1)));
    if (element->store(element, to, value) != MAPPED_OK)
        refuse(L, i,
               lua_pushfstring(L, "%s does not fit %s", mlua_push_short(L, -1),
                               element->name));
}

static void store_elements(lua_State *L, const mlua_array *self, size_t first,
                           const unsigned char *bytes, size_t n)
{
    size_t size = mlua_array_width(self), i;
    mapped_error error;
    if (is_plain(self)) {
        if (mapped_write(self->bytes.slice, first * size, bytes, n * size,
                         &error) != MAPPED_OK)
            mlua_raise_in(L, "copy_from", &error);
        return;
    }
    for (i = 0; i < n; i++) {
        mapped_layout_entry field = mlua_text_field(self, first + i);
        field.several = self->width != 0;
        field.count = self->width != 0 ? self->width : 1;
        mlua_store_field(L, "copy_from", self->bytes.slice, &field,
                         bytes + i * size);
    }
}

/* Anything with a length and values at 1, 2, ... All are converted before the
 * first is stored: reading them may run any code. */
static int array_copy_from(lua_State *L)
{
    const mlua_array *self;
    lua_Integer length;
    size_t size, n, first, bytes, i;
    unsigned char *values;
    mlua_at_most(L, 3);
    self = mlua_check_array(L, 1);
    size = mlua_array_width(self);
    if (!(lua_istable(L, 2) || lua_isuserdata(L, 2)))
        mlua_raise_type(L, 2, "table or mapped.Array");
    lua_settop(L, 3);
    length = luaL_len(L, 2);
    luaL_argcheck(L, length >= 0, 2, "negative length");
    n = (size_t)length;
    first = mlua_check_span(L, 3, 1, n, self->count);
    if (!mapped_multiply_size(n, size, &bytes))
        return luaL_error(L, "too many values");
    values = lua_newuserdatauv(L, bytes, 0);
    for (i = 0; i < n; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        convert_element(L, self, i, values + i * size);
        lua_pop(L, 1);
    }
    store_elements(L, mlua_check_array(L, 1), first, values, n);
    return 0;
}

const luaL_Reg mlua_table_methods[] = {
    {"totable", array_totable}, {"copy_from", array_copy_from}, {NULL, NULL}};
