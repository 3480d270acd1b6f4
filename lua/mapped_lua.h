/* What the files of the Lua module share: the layout of its three kinds of
 * userdata, argument conversion, and the one way from a status to Lua.
 *
 * Every C function of the module has the three metatables as its first
 * upvalues: nothing is global, and several copies of the module, or several
 * states, never meet. */
#ifndef MAPPED_LUA_H
#define MAPPED_LUA_H

#include <lauxlib.h>
#include <lua.h>
#include <mapped/mapped.h>

/* Upvalues of every function; the metamethod __index has the methods too. */
enum {
    MLUA_REGION = 1,
    MLUA_SLICE,
    MLUA_ARRAY,
    MLUA_LAYOUT,
    MLUA_RECORDS,
    MLUA_RECORD,
    MLUA_METATABLES = MLUA_RECORD,
    MLUA_FORMATS,  /* the compiled formats: see format.c */
    MLUA_PATTERNS, /* the compiled patterns: see pattern.c */
    MLUA_SHARED = MLUA_PATTERNS,
    MLUA_METHODS
};

/* Every userdata of ours begins with the address of its type's tag. Nobody else
 * has that address in a userdata, so it tells the type as surely as comparing
 * metatables would, in two calls of the API instead of four; that is a fifth of
 * the time of `array[i]`. It also withstands debug.setmetatable. */
extern const char mlua_tags[MLUA_METATABLES + 1];

typedef struct mlua_head {
    const char *tag;
} mlua_head;

/* A Region owns one reference to its core region until it is collected. After
 * `topointer` it owns a second one and a pin: see region.c. */
typedef struct mlua_region {
    mlua_head head;
    mapped_region *region; /* NULL before it is opened and once collected */
    mapped_slice shown;    /* all that pointers were given to, and */
    uint64_t since;        /* from when on, as long as `pinned` */
    bool pinned;
    bool exported; /* a pointer was given away: the second reference */
} mlua_region;

/* A Slice borrows. Its user value 1 is the Region, whose memory therefore
 * outlives it; `slice` may be used only while `owner->region` is not NULL, for
 * in a closing state the Region may be finalized first. */
typedef struct mlua_slice {
    mlua_head head;
    const mlua_region *owner;
    mapped_slice slice;
} mlua_slice;

/* An Array is a slice that counts in elements, which in a column of records lie
 * apart. With a `width` each is a text of that many bytes. */
typedef struct mlua_array {
    mlua_slice bytes; /* with the tag of an array */
    const mapped_element *element;
    size_t count;
    size_t stride; /* bytes from one to the next */
    size_t width;
} mlua_array;

/* A Layout owns a reference; the padding makes it as long as all userdata of
 * ours must be. */
typedef struct mlua_layout {
    mlua_head head;
    mapped_layout *layout;
    char padding[sizeof(mlua_slice)];
} mlua_layout;

/* Records and a Record keep their Layout as user value 2. Like the Region, it
 * may be finalized first in a closing state: then its pointer is NULL. */
typedef struct mlua_records {
    mlua_slice bytes; /* with the tag of records */
    const mlua_layout *layout;
    size_t count;
} mlua_records;

typedef struct mlua_record {
    mlua_slice bytes; /* with the tag of a record */
    const mlua_layout *layout;
} mlua_record;

/* Bytes to read: a Lua string, or memory of a region. */
typedef struct mlua_data {
    const char *string; /* NULL: `slice` */
    mapped_slice slice;
    size_t length;
} mlua_data;

/* A failed access raises. Positions in the message count from 1. */
int mlua_raise(lua_State *L, const mapped_error *error);
int mlua_raise_closed(lua_State *L);

/* What a failed change of a whole region becomes. What a correct program must
 * expect (the system refused, memory is busy or used up, the file is too short
 * or no file) pushes nil, the message and a number, errno or a negative status,
 * and returns 3. Everything else raises. `name`, of a file, goes in front of
 * the message unless NULL. */
int mlua_fail(lua_State *L, const mapped_error *error, const char *name);

/* Lost pages that were asked for, not met: nil, the message, errno; returns 3.
 */
int mlua_fail_fault(lua_State *L, const mapped_error *error);

/* For a finalizer, where nobody can be told otherwise: a warning. */
void mlua_warn(lua_State *L, const mapped_error *error);

/* The userdata at `arg`, as far as it can be one of ours; NULL if not. The
 * shortest of ours are slices. */
MAPPED__INLINE void *mlua_to_head(lua_State *L, int arg)
{
    return lua_rawlen(L, arg) >= sizeof(mlua_slice) ? lua_touserdata(L, arg)
                                                    : NULL;
}

MAPPED__INLINE bool mlua_has_tag(const void *head, int type)
{
    return head != NULL && ((const mlua_head *)head)->tag == &mlua_tags[type];
}

/* The userdata at `arg` if it is of that type, else NULL. */
MAPPED__INLINE void *mlua_test(lua_State *L, int arg, int type)
{
    void *head = mlua_to_head(L, arg);
    return mlua_has_tag(head, type) ? head : NULL;
}

/* The bytes of a Region or Slice at `arg`, or raises. They may be closed: the
 * access will tell. Good until the next call that may allocate, because a
 * finalizer that runs there may do anything. */
mapped_slice mlua_to_view(lua_State *L, int arg);

/* The same; also raises if closed. */
mapped_slice mlua_check_view(lua_State *L, int arg);

/* The same; an Array will do, and stands for all from its first element to its
 * last, whatever lies between. */
mapped_slice mlua_check_bytes(lua_State *L, int arg);

/* Puts a string of its elements in the place of an Array at `arg` whose
 * elements lie apart; does nothing to anything else. May collect garbage. */
void mlua_gather(lua_State *L, int arg);

/* A string, Region, Slice or Array at `arg`, or raises. Gathers. */
mlua_data mlua_check_data(lua_State *L, int arg);

/* Pushes the Region behind the Region, Slice or Array at `arg`. */
mlua_region *mlua_push_owner(lua_State *L, int arg);

/* Pushes a new Region with nothing in it, which counts as closed. */
mlua_region *mlua_push_region(lua_State *L);

/* Pushes a new Slice of the Region, Slice or Array at `arg`. */
void mlua_push_slice(lua_State *L, int arg, mapped_slice slice);

/* Is position `i` (from 1, negative from the end) one of `count`? */
MAPPED__INLINE bool mlua_position(lua_Integer i, size_t count, size_t *offset)
{
    lua_Unsigned at = i > 0 ? (lua_Unsigned)i - 1 : count + (lua_Unsigned)i;
    *offset = (size_t)at;
    return at < count;
}

/* The offset of the position at `arg`, strictly: [position, position + n) must
 * lie within `count`. `missing` is the position when there is no argument; 0
 * makes it obligatory. */
size_t mlua_check_span(lua_State *L, int arg, lua_Integer missing, size_t n,
                       size_t count);

/* The range that positions `from` to `to` select among `count`, clamped as
 * string.sub does. Returns its length. */
size_t mlua_clamp(lua_Integer from, lua_Integer to, size_t count,
                  size_t *offset);

/* luaL_optinteger, with fewer calls of the API when there is an integer. */
MAPPED__INLINE lua_Integer mlua_opt_integer(lua_State *L, int arg,
                                            lua_Integer missing)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, arg, &is_integer);
    return is_integer ? i : luaL_optinteger(L, arg, missing);
}

/* The non-negative integer at `arg`. */
size_t mlua_check_length(lua_State *L, int arg);

/* The byte, 0 to 255, at `arg`. */
uint8_t mlua_check_byte(lua_State *L, int arg);

/* The element whose string.pack code is at `arg`. */
const mapped_element *mlua_check_element(lua_State *L, int arg);

/* The Lua value at `index` as a value of the element's kind. Returns NULL, or
 * what is expected instead. */
const char *mlua_to_value(lua_State *L, int index,
                          const mapped_element *element, mapped_value *value);

/* The same for an argument; raises. */
mapped_value mlua_check_value(lua_State *L, int arg,
                              const mapped_element *element);

/* Raises; MAPPED_VALUE becomes a complaint about the argument at `arg`. */
int mlua_raise_value(lua_State *L, int arg, const mapped_error *error);

/* A boolean, or a string of one byte. */
void mlua_push_other(lua_State *L, const mapped_element *element,
                     mapped_value value);

MAPPED__INLINE void mlua_push_value(lua_State *L, const mapped_element *element,
                                    mapped_value value)
{
    if (element->kind == MAPPED_KIND_FLOAT)
        lua_pushnumber(L, value.f);
    else if (MAPPED__LIKELY(element->kind <= MAPPED_KIND_UNSIGNED))
        lua_pushinteger(L, value.i);
    else
        mlua_push_other(L, element, value);
}

/* An Array that is not closed, or raises. */
const mlua_array *mlua_check_array(lua_State *L, int arg);

/* The bytes of one element. */
MAPPED__INLINE size_t mlua_array_width(const mlua_array *array)
{
    return array->width != 0 ? array->width : array->element->size;
}

/* Do other bytes lie between the elements? */
MAPPED__INLINE bool mlua_is_strided(const mlua_array *array)
{
    return array->count > 1 && array->stride != mlua_array_width(array);
}

/* Pushes a copy of `shape` over these bytes of the object at `arg`. */
void mlua_push_array(lua_State *L, int arg, mapped_slice slice,
                     const mlua_array *shape);

/* Pushes an element, or raises. */
void mlua_push_element(lua_State *L, const mlua_array *array, size_t index);

/* Pushes a field of the record in these bytes, or raises. */
void mlua_push_field(lua_State *L, mapped_slice record,
                     const mapped_field *field);

/* The two halves of storing the value at `index`: to plain memory of the
 * field's size, and from there. They raise. */
void mlua_convert_field(lua_State *L, int index, const mapped_field *field,
                        unsigned char *to);
void mlua_store_field(lua_State *L, mapped_slice record,
                      const mapped_field *field, const unsigned char *from);

/* Both halves. */
void mlua_set_field(lua_State *L, int index, mapped_slice record,
                    const mapped_field *field);

/* The field that stands for a text of an array. */
mapped_field mlua_text_field(const mlua_array *array, size_t index);

/* Pushes a cache for compiled formats. */
void mlua_push_formats(lua_State *L);

/* Pushes `n` bytes at `offset` of a slice as a string, or raises. */
void mlua_push_bytes(lua_State *L, mapped_slice slice, size_t offset, size_t n);

/* Pushes a cache for compiled patterns. */
void mlua_push_patterns(lua_State *L);

int mlua_open(lua_State *L); /* open.c */
int mlua_anonymous(lua_State *L);
int mlua_guard(lua_State *L);      /* fault.c */
int mlua_layout_new(lua_State *L); /* records.c */

int mlua_view_index(lua_State *L);   /* view.c: __index of Region and Slice */
int mlua_array_index(lua_State *L);  /* array.c: __index of Array */
int mlua_layout_index(lua_State *L); /* records.c */
int mlua_records_index(lua_State *L);
int mlua_record_index(lua_State *L); /* record.c */

/* Of Region and Slice alike. */
extern const luaL_Reg mlua_view_meta[];       /* view.c */
extern const luaL_Reg mlua_slice_methods[];   /* slice.c */
extern const luaL_Reg mlua_bytes_methods[];   /* bytes.c */
extern const luaL_Reg mlua_typed_methods[];   /* typed.c */
extern const luaL_Reg mlua_format_methods[];  /* format.c */
extern const luaL_Reg mlua_search_methods[];  /* search.c */
extern const luaL_Reg mlua_parts_methods[];   /* parts.c */
extern const luaL_Reg mlua_pattern_methods[]; /* pattern.c */
extern const luaL_Reg mlua_cast_methods[];    /* array.c */
extern const luaL_Reg mlua_view_records[];    /* records.c */
extern const luaL_Reg mlua_pointer_methods[]; /* region.c */

/* Of all three. */
extern const luaL_Reg mlua_about_methods[]; /* view.c */

/* Of one type alone. */
extern const luaL_Reg mlua_region_meta[]; /* region.c */
extern const luaL_Reg mlua_region_methods[];
extern const luaL_Reg mlua_fault_methods[]; /* fault.c */
extern const luaL_Reg mlua_slice_meta[];    /* slice.c */
extern const luaL_Reg mlua_array_meta[];    /* array.c */
extern const luaL_Reg mlua_array_methods[];
extern const luaL_Reg mlua_table_methods[]; /* table.c */
extern const luaL_Reg mlua_layout_meta[];   /* records.c */
extern const luaL_Reg mlua_layout_methods[];
extern const luaL_Reg mlua_records_meta[];
extern const luaL_Reg mlua_records_methods[];
extern const luaL_Reg mlua_record_meta[]; /* record.c */

#endif
