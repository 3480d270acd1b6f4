/* What is typed: elements, items and arrays between Lua and the core. */
#ifndef MAPPED_LUA_TYPED_H
#define MAPPED_LUA_TYPED_H

#include "mapped_lua.h"

/* An Array or Records: items that lie `stride` bytes apart, from the first byte
 * of the slice to the last. Records keep the Layout that their fields belong to
 * as user value 2. Immutable. */
typedef struct mlua_array {
    mlua_slice bytes;
    mapped_item item;
    ptrdiff_t count;
    ptrdiff_t stride;
} mlua_array;

/* One of them: a script makes many, so it is small. */
typedef struct mlua_record {
    mlua_slice bytes;
    const mapped_fields *fields;
} mlua_record;

/* `fields` are stored in the rest of this userdata; or, of a record in a
 * record, in that of the Layout that is user value 1. */
typedef struct mlua_layout {
    const mapped_fields *fields;
} mlua_layout;

/* As the core has it, with the numbers that are in `array`. */
MAPPED__INLINE mapped_array mlua_core_array(mlua_array *array)
{
    return (mapped_array){.slice = array->bytes.slice,
                          .item = array->item,
                          .dimensions = 1,
                          .shape = &array->count,
                          .strides = &array->stride};
}

/* array.c: an Array or Records that is not closed, or raises. */
mlua_array *mlua_check_array(lua_State *L, int arg);

/* The same, or NULL if it is neither; it may be closed. */
mlua_array *mlua_test_array(lua_State *L, int arg);

/* Pushes an object with a copy of `array`, over bytes of the object at `arg`,
 * of which it also takes the Layout. */
void mlua_push_array(lua_State *L, int arg, const mlua_array *array);

/* Pushes the array, of one dimension and a positive stride and with the Layout
 * of the object at argument 1; returns 1. Raises if it doesn't lie inside, as
 * of `operation`. */
int mlua_push_subarray(lua_State *L, const char *operation,
                       const mapped_array *array);

/* Pushes such items over all bytes of the view at argument 1; returns 1. Raises
 * if a part of one is left over. */
int mlua_push_cast(lua_State *L, const char *operation, mapped_slice slice,
                   const mapped_item *item);

/* Do other bytes lie between the items? */
MAPPED__INLINE bool mlua_is_strided(const mlua_array *array)
{
    return array->count > 1 && (size_t)array->stride != array->item.size;
}

/* value.c: pushes a value of the element's kind. */
void mlua_push_value(lua_State *L, const mapped_element *element,
                     mapped_value value);

/* The same of what lies at `p`. False, and nothing is pushed, for an integer
 * that Lua's can't hold. */
bool mlua_push_other(lua_State *L, const mapped_element *element,
                     const void *p);

/* The same, with what is most common inline. Only a `char` allocates. */
MAPPED__INLINE bool
mlua_push_loaded(lua_State *L, const mapped_element *element, const void *p)
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
        lua_pushinteger(L, (lua_Integer)mapped_load_u64(p));
        return true;
    case MAPPED_FORM_F64: {
        const union {
            uint64_t u;
            double f;
        } cell = {mapped_load_u64(p)};
        lua_pushnumber(L, cell.f);
        return true;
    }
    default:
        return mlua_push_other(L, element, p);
    }
}

/* Pushes the element at `offset` of a slice, or raises. */
void mlua_push_slow(lua_State *L, mapped_slice slice, size_t offset,
                    const mapped_element *element);

/* The same, with what nearly always happens inline. */
MAPPED__INLINE void mlua_push_element(lua_State *L, mapped_slice slice,
                                      size_t offset,
                                      const mapped_element *element)
{
    const unsigned char *p =
        mapped_slice_try_enter(slice, offset, element->size);
    if (MAPPED__LIKELY(p != NULL && mlua_push_loaded(L, element, p))) {
        if (MAPPED__LIKELY(mapped_slice_try_leave(slice)))
            return;
        lua_pop(L, 1);
    }
    mlua_push_slow(L, slice, offset, element);
}

/* Pushes the item at `offset` of a slice, which is one of the object's at
 * `arg`: a value, or what repeats and records as an object in place. */
void mlua_push_item(lua_State *L, int arg, mapped_slice slice, size_t offset,
                    const mapped_item *item);

/* Pushes a copy of the item at `p`, plain memory on the stack: a value, or a
 * table of these. */
void mlua_push_copy(lua_State *L, const mapped_item *item,
                    const unsigned char *p);

/* The element whose string.pack code, or else a layout's name of it, is at
 * `arg`. */
const mapped_element *mlua_check_element(lua_State *L, int arg);

/* The value at an argument for an element; raises. */
mapped_value mlua_check_value(lua_State *L, int arg,
                              const mapped_element *element);

/* Raises; MAPPED_VALUE becomes a complaint about the argument at `arg`. */
int mlua_raise_value(lua_State *L, int arg, const mapped_error *error);

/* Stores the value at `index`, counted from the bottom, as such an item in
 * plain memory on the stack, all but what lies between fields. Returns NULL, or
 * what is wrong with the value, pushed. Reading tables runs any code. */
const char *mlua_convert(lua_State *L, int index, const mapped_item *item,
                         unsigned char *to);

/* The same in a slice; also raises. */
const char *mlua_set_item(lua_State *L, int index, mapped_slice slice,
                          size_t offset, const mapped_item *item);

/* Memory until the caller returns: `room` if that is enough, else a userdata,
 * which is pushed. */
unsigned char *mlua_take_room(lua_State *L, void *room, size_t capacity,
                              size_t n);

/* Pushes that, and of which field. */
const char *mlua_push_wrong(lua_State *L, const mapped_field *field,
                            const char *wrong);

/* Raises: no field has the name at `index`. */
int mlua_raise_field(lua_State *L, int index);

#endif
