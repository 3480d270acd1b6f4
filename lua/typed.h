/* Typed data between Lua and the core: elements, items and arrays. */
#ifndef MAPPED_LUA_TYPED_H
#define MAPPED_LUA_TYPED_H

#include "mapped_lua.h"

/* An Array or Records: items that lie `stride` bytes apart, from the first byte
 * of the slice to the last. Records keep the Layout that their fields belong to
 * as MLUA_USER_LAYOUT. Immutable. */
typedef struct mlua_array {
    mapped_slice bytes;
    mapped_item item;
    ptrdiff_t count;
    ptrdiff_t stride;
} mlua_array;

/* One record, with the user values of Records. A script makes many of them, so
 * it is small. */
typedef struct mlua_record {
    mapped_slice bytes;
    const mapped_fields *fields;
} mlua_record;

/* The fields of a record, which are stored in the rest of this userdata. But
 * those of a record inside of a record are stored in the outer Layout, which is
 * this userdata's only user value. */
typedef struct mlua_layout {
    const mapped_fields *fields;
} mlua_layout;

/* Returns the core's array. Its shape and strides are the count and the stride
 * in `array`, not copies of them. */
MAPPED__INLINE mapped_array mlua_core_array(mlua_array *array)
{
    return (mapped_array){.slice = array->bytes,
                          .item = array->item,
                          .dimensions = 1,
                          .shape = &array->count,
                          .strides = &array->stride};
}

/* Do other bytes lie between the items? */
MAPPED__INLINE bool mlua_is_strided(const mlua_array *array)
{
    return array->count > 1 && (size_t)array->stride != array->item.size;
}

/* array.c: returns the Array or Records at `arg`, which may be closed, or NULL.
 */
mlua_array *mlua_test_array(lua_State *L, int arg);

/* array.c: pushes an Array or Records with a copy of `array`. Its bytes are a
 * part of those of the object at `arg`, and its Layout is that object's. */
void mlua_push_array(lua_State *L, int arg, const mlua_array *array);

/* array.c: the same for an array of the core, which has one dimension and a
 * positive stride, and the object at argument 1; returns 1. Raises an error
 * that names `operation` if it doesn't lie inside of the object. */
int mlua_push_subarray(lua_State *L, const char *operation,
                       const mapped_array *array);

/* array.c: pushes an Array or Records of such items over all bytes of the
 * Region or Slice at argument 1, which are `slice`; returns 1. Raises if that
 * isn't a whole number of items. */
int mlua_push_cast(lua_State *L, const char *operation, mapped_slice slice,
                   const mapped_item *item);

/* view.c: the rest of mlua_full_self_at_most. If `self` isn't NULL, its
 * metatable has been pushed. */
const mapped_slice *mlua_full_self_at_most_slow(lua_State *L,
                                                const mapped_slice *self,
                                                int max_count);

/* Like mlua_self_at_most, which leaves a metatable on the stack, too, and
 * quicker where all arguments are given. The metatable is looked at on top,
 * where it has just been pushed: at any other index it may be an argument. */
MAPPED__INLINE const mapped_slice *mlua_full_self_at_most(lua_State *L,
                                                          int max_count)
{
    const mapped_slice *self = mlua_push_metatable(L, 1);
    const void *found = lua_topointer(L, -1);
    if (MAPPED__LIKELY(
            self != NULL && lua_gettop(L) == max_count + 1 &&
            (found == MAPPED__LOAD(&mlua_first_metatables[MLUA_REGION]) ||
             found == MAPPED__LOAD(&mlua_first_metatables[MLUA_SLICE]))))
        return self;
    return mlua_full_self_at_most_slow(L, self, max_count);
}

/* Pops the metatable that these checks may have left above the arguments. */
MAPPED__INLINE void mlua_pop_metatable(lua_State *L, int max_count)
{
    if (lua_gettop(L) > max_count)
        lua_settop(L, max_count);
}

/* value.c: pushes a value of the element's kind. */
void mlua_push_value(lua_State *L, const mapped_element *element,
                     mapped_value value);

/* value.c: pushes the value of an element at `p`, plain memory. Returns false
 * and pushes nothing for an integer of more than 8 bytes whose value has more;
 * and, in a Lua without integers, for one beyond 2^53. So only a `char`
 * allocates, and whoever pushes none can go on with `p`. */
bool mlua_try_push_element_at_slow(lua_State *L, const mapped_element *element,
                                   const void *p);

/* The same of any element; the most common ones are inline. */
MAPPED__INLINE bool mlua_try_push_element_at(lua_State *L,
                                             const mapped_element *element,
                                             const void *p)
{
    switch (element->form) {
    case MAPPED_FORM_I8:
        lua_pushinteger(L, (int8_t)mapped_load_u8(p));
        return true;
    case MAPPED_FORM_U8:
        lua_pushinteger(L, mapped_load_u8(p));
        return true;
    case MAPPED_FORM_I16:
        lua_pushinteger(L, (int16_t)mapped_load_u16(p));
        return true;
    case MAPPED_FORM_U16:
        lua_pushinteger(L, mapped_load_u16(p));
        return true;
    case MAPPED_FORM_I32:
        lua_pushinteger(L, (int32_t)mapped_load_u32(p));
        return true;
    case MAPPED_FORM_U32:
        lua_pushinteger(L, mapped_load_u32(p));
        return true;
    case MAPPED_FORM_I64:
    case MAPPED_FORM_U64:
        return mlua_push_exact(L, mapped_load_u64(p),
                               element->form == MAPPED_FORM_U64);
    case MAPPED_FORM_F64: {
        const union {
            uint64_t u;
            double f;
        } cell = {mapped_load_u64(p)};
        lua_pushnumber(L, cell.f);
        return true;
    }
    default:
        return mlua_try_push_element_at_slow(L, element, p);
    }
}

/* value.c: pushes the element at `offset` of a slice, or raises. */
void mlua_push_element_in_slow(lua_State *L, mapped_slice slice, size_t offset,
                               const mapped_element *element);

/* The same; an access that succeeds is inline. */
MAPPED__INLINE void mlua_push_element_in(lua_State *L, mapped_slice slice,
                                         size_t offset,
                                         const mapped_element *element)
{
    const unsigned char *p =
        mapped_slice_try_enter(slice, offset, element->size);
    if (MAPPED__LIKELY(p != NULL && mlua_try_push_element_at(L, element, p))) {
        if (MAPPED__LIKELY(mapped_slice_try_leave(slice)))
            return;
        lua_pop(L, 1);
    }
    mlua_push_element_in_slow(L, slice, offset, element);
}

/* value.c: pushes the item at `offset` of a slice of the object at `arg`: a
 * number or a text as a value; a record, or an item that repeats, as an object
 * in place. */
void mlua_push_item_in(lua_State *L, int arg, mapped_slice slice, size_t offset,
                       const mapped_item *item);

/* value.c: pushes a copy of the item at `p`, plain memory: a value, or a table
 * of values. */
void mlua_push_item_at(lua_State *L, const mapped_item *item,
                       const unsigned char *p);

/* value.c: returns the element that the string at `arg` means, which is a code
 * of string.pack or else a layout's name; raises if there is none. */
const mapped_element *mlua_check_element(lua_State *L, int arg);

/* value.c: converts the argument to a value of the element, or raises. */
mapped_value mlua_check_value(lua_State *L, int arg,
                              const mapped_element *element);

/* value.c: raises an error of an access; MAPPED_VALUE becomes an error about
 * the argument at `arg`, which was to be stored as that element. */
int mlua_raise_value(lua_State *L, int arg, const mapped_element *element,
                     const mapped_error *error);

/* hint.c: pushes and returns that the value doesn't fit, and what does. */
const char *mlua_push_misfit(lua_State *L, int index,
                             const mapped_element *element);

/* hint.c: pushes and returns the names of the first fields. */
const char *mlua_push_fields(lua_State *L, const mapped_fields *fields);

/* value.c: stores the value at `index`, a positive one, as an item at `to`,
 * plain memory; bytes between fields are left as they are. Returns NULL; or
 * pushes and returns what is wrong with the value. Reading a table may run any
 * code. */
const char *mlua_convert_item(lua_State *L, int index, const mapped_item *item,
                              unsigned char *to);

/* value.c: the same for an item in a slice; raises if the access fails. */
const char *mlua_set_item(lua_State *L, int index, mapped_slice slice,
                          size_t offset, const mapped_item *item);

/* value.c: returns memory for `n` bytes that the caller needs until it returns:
 * `room`, which has `capacity` bytes, if that is enough; else a userdata, which
 * is pushed. */
unsigned char *mlua_scratch(lua_State *L, void *room, size_t capacity,
                            size_t n);

/* value.c: pushes and returns the text of a problem, with the name of the field
 * before it. */
const char *mlua_push_field_problem(lua_State *L, const mapped_field *field,
                                    const char *problem);

/* value.c: raises an error that says that none of the fields has the name at
 * `index`. */
int mlua_raise_field(lua_State *L, const mapped_fields *fields, int index);

#endif
