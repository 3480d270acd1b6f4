/* What the files of the Lua module share: what its userdata are, how a function
 * reads its arguments, how a status of the core gets to Lua, and the tables of
 * methods that module.c puts together.
 *
 * Every function that a script can call has the metatables as its first
 * upvalues: nothing is global, and several copies of the module, or several
 * states, never meet.
 *
 * Whatever allocates may run a finalizer, and that may close, resize, search,
 * raise or set the locale. So nothing that came from outside of the module is
 * used after such a call unless it is on the stack: no address, no file handle.
 * Even an object on the stack may be finalized meanwhile, if a finalizer of a
 * script has made it reachable again. So each object goes on answering, as a
 * closed one, after its own finalizer: its memory is Lua's, and stays as long
 * as the object can be reached. */
#ifndef MAPPED_LUA_H
#define MAPPED_LUA_H

#include <stddef.h>
#include <stdio.h>

#include <mapped/mapped.h>

#include "arguments.h"

/* The upvalues that every function has: the metatables of all types, the list
 * of resources, and the cache. A function __index has the methods, too. */
enum {
    MLUA_REGION = 1,
    MLUA_SLICE,
    MLUA_ARRAY,
    MLUA_LAYOUT,
    MLUA_RECORDS,
    MLUA_RECORD,
    MLUA_WINDOWS,
    MLUA_ATOMIC,
    MLUA_LOCK,
    MLUA_MUTEX,
    MLUA_RING,
    MLUA_STREAM, /* no script sees one: see stream.c */
    MLUA_METATABLES = MLUA_STREAM,
    MLUA_RESOURCES,
    MLUA_CACHE,
    MLUA_SHARED = MLUA_CACHE,
    MLUA_METHODS
};

/* An object of the core that a userdata owns. All those of one state are in a
 * list, so that the end of the state frees also the ones that were made too
 * late to be finalized: see resources.c. */
typedef struct mlua_resource {
    struct mlua_resource *next;
    /* The pointer that points here; NULL if this is not in the list. */
    struct mlua_resource **link;
    struct mlua_resources *resources; /* the list */
    size_t bytes; /* how many the collector was told of: see mlua_charge */
    void (*free)(struct mlua_resource *resource);
} mlua_resource;

/* The user values of Slice, Array, Record and other objects over bytes, which
 * also say how many user values such an object has. */
enum {
    MLUA_USER_OWNER = 1, /* the Region that has the bytes */
    MLUA_USER_LAYOUT     /* only of Records and Record: their Layout */
};

/* A Slice is a mapped_slice, and the other objects over bytes begin with one.
 * It borrows: MLUA_USER_OWNER is the Region, whose memory therefore outlives
 * it.
 *
 * A Region owns one reference to its core region until it is finalized. It also
 * owns the memory that the core region lies in, so that it can still answer, as
 * a closed one, when it has been finalized. */
typedef struct mlua_region {
    mapped_slice view; /* of the core region, with MLUA_WHOLE as the offset */
    mlua_resource resource;
    struct mlua_cache *cache; /* the cache of its Lua state */
    /* The export of `topointer`. Its slice holds all bytes that the addresses
     * were asked for. */
    mapped_export pointer_export;
    bool has_export;           /* `pointer_export` has begun, and not ended */
    bool has_second_reference; /* of the core region: see region.c */
    /* Has it pages of no file, which the system can't drop and read again? */
    bool has_undroppable_pages;
    bool is_accessed; /* by library/ffi.lua, at this moment */
    size_t core_size;
    /* Padding, the address of this object (see mlua_owner), and `core_size`
     * bytes for the core region. */
    unsigned char memory[];
} mlua_region;

/* The offset of a Region's `view`, which stands for all of its length. It is no
 * offset of a Slice. */
#define MLUA_WHOLE SIZE_MAX

/* The size of `memory` without `core_size`. */
#define MLUA_REGION_EXTRA (sizeof(mlua_region *) + _Alignof(max_align_t) - 1)

/* The memory for the core region, aligned as by malloc: a userdata is not
 * everywhere. */
MAPPED__INLINE void *mlua_region_memory(mlua_region *self)
{
    unsigned char *first = self->memory + sizeof self;
    return first + (0 - (uintptr_t)first) % _Alignof(max_align_t);
}

/* Options to open the core region in that memory. */
MAPPED__INLINE mapped_open_options mlua_region_options(mlua_region *self)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.memory = mlua_region_memory(self);
    options.memory_size = self->core_size;
    return options;
}

/* Bytes to read: a Lua string, or memory of a region. */
typedef struct mlua_data {
    const char *string; /* NULL if the bytes are those of `slice` */
    mapped_slice slice;
    size_t length;
} mlua_data;

/* error.c: raises the error of an access. Positions in the message count from
 * 1. */
int mlua_raise(lua_State *L, const mapped_error *error);
int mlua_raise_closed(lua_State *L);

/* Raises an error that says how many arguments the function takes at most. */
int mlua_raise_surplus(lua_State *L, int max_count);

/* Like mlua_raise; the message names `operation` instead of the core's
 * function. */
int mlua_raise_in(lua_State *L, const char *operation, mapped_error *error);

/* What a function returns whose operation failed:
 *
 * - of an error that a correct program must expect (the system refused, memory
 *   is busy or used up, the file is too short or no file): nil, the message and
 *   a number, errno or a negative status;
 *
 * - of a wait that ended without success: nil and "timeout", or "interrupted"
 * if a signal came, so that Lua can run the hook that the signal's handler has
 *   set.
 *
 * Raises every other error. */
int mlua_fail(lua_State *L, const mapped_error *error);

/* What a function returns whose operation has answered `status`: true, or what
 * mlua_fail returns. */
int mlua_result(lua_State *L, mapped_status status, const mapped_error *error);

/* The same for a function that looks for lost pages: MAPPED_FAULT, which
 * mlua_fail raises, is an error that is expected. */
int mlua_result_or_fault(lua_State *L, mapped_status status,
                         const mapped_error *error);

/* Warns of an error in a finalizer, whose errors and results reach nobody. */
void mlua_warn(lua_State *L, const mapped_error *error);

/* Pushes the value at `arg` as text for a message, cut to a length that reads
 * well, and returns the text. */
const char *mlua_push_short(lua_State *L, int arg);

/* hint.c: what can be done about the error, in a few words, or NULL. */
const char *mlua_find_hint(lua_State *L, const mapped_error *error);

/* hint.c: pushes and returns a list of what would have been right. */
const char *mlua_push_list(lua_State *L, const char *const names[]);

/* Pushes the metatable of the userdata at `arg` and returns the userdata,
 * whatever its type.
 * Returns NULL and pushes nothing if it is no userdata or has no metatable. The
 * metatable alone decides what type an object is: scripts can't give ours to an
 * object of another library, but some libraries let them choose every byte of
 * their own. */
MAPPED__INLINE void *mlua_push_metatable(lua_State *L, int arg)
{
    void *self = lua_touserdata(L, arg);
    return self != NULL && lua_getmetatable(L, arg) ? self : NULL;
}

/* The metatables of one state of the process, the first that loads the module,
 * by their upvalue's index; NULL when there is none. A metatable that is equal
 * to one of them is of our type in any state, for they live as long as they
 * stand here. */
extern const void *mlua_first_metatables[MLUA_METATABLES + 1];

/* Is the metatable that of this type? A look at mlua_first_metatables takes a
 * quarter of the instructions that one at the upvalue takes. */
MAPPED__INLINE bool mlua_is_metatable(lua_State *L, const void *metatable,
                                      int type)
{
    return metatable == MAPPED__LOAD(&mlua_first_metatables[type]) ||
           metatable == lua_topointer(L, lua_upvalueindex(type));
}

/* Is the metatable on top of the stack that of this type? */
MAPPED__INLINE bool mlua_top_is_type(lua_State *L, int type)
{
    return mlua_is_metatable(L, lua_topointer(L, -1), type);
}

/* Is the metatable on top of the stack that of one of these two types? */
MAPPED__INLINE bool mlua_top_is_either(lua_State *L, int type, int other)
{
    const void *metatable = lua_topointer(L, -1);
    return metatable == MAPPED__LOAD(&mlua_first_metatables[type]) ||
           mlua_is_metatable(L, metatable, other) ||
           mlua_is_metatable(L, metatable, type);
}

/* Is the metatable on top of the stack that of a Region or a Slice? */
MAPPED__INLINE bool mlua_top_is_view(lua_State *L)
{
    return mlua_top_is_either(L, MLUA_REGION, MLUA_SLICE);
}

/* Returns the userdata at `arg` if it is of that type, else NULL. */
MAPPED__INLINE void *mlua_test(lua_State *L, int arg, int type)
{
    void *self = mlua_push_metatable(L, arg);
    if (self == NULL)
        return NULL;
    if (!mlua_top_is_type(L, type))
        self = NULL;
    lua_pop(L, 1);
    return self;
}

/* Returns the userdata at `arg` if it is of that type; else raises an error
 * that expects `name`. */
MAPPED__INLINE void *mlua_check(lua_State *L, int arg, int type,
                                const char *name)
{
    void *self = mlua_test(L, arg, type);
    if (self == NULL)
        mlua_raise_type(L, arg, name);
    return self;
}

/* A Region or a Slice is called a view. */
#define MLUA_VIEW_TYPES "mapped.Region or mapped.Slice"

/* Returns the view at `arg`, or NULL for any other value. */
MAPPED__INLINE const mapped_slice *mlua_test_view(lua_State *L, int arg)
{
    const mapped_slice *self = mlua_push_metatable(L, arg);
    if (self == NULL)
        return NULL;
    if (!mlua_top_is_view(L))
        self = NULL;
    lua_pop(L, 1);
    return self;
}

/* The bytes of a view: of a Region, all of its length as it is now. They may be
 * closed. */
MAPPED__INLINE mapped_slice mlua_view_bytes(const mapped_slice *view)
{
    return view->offset == MLUA_WHOLE ? mapped_region_slice(view->region)
                                      : *view;
}

/* The Region that a view is, or is a part of. */
MAPPED__INLINE const mlua_region *mlua_owner(const mapped_slice *view)
{
    return ((mlua_region **)(void *)view->region)[-1];
}

/* Every function begins with this check of the number of its arguments: a
 * surplus argument is an error and not ignored. */
MAPPED__INLINE void mlua_at_most(lua_State *L, int max_count)
{
    if (MAPPED__UNLIKELY(lua_gettop(L) > max_count))
        mlua_raise_surplus(L, max_count);
}

/* Returns the view at argument 1 of a method that takes at most `max_count`
 * arguments; raises for other types and for surplus arguments. The view may be
 * closed. If all arguments are given, its metatable stays on the stack above
 * them: not to pop it saves a call. (With fewer arguments it would take the
 * place of one.) */
MAPPED__INLINE const mapped_slice *mlua_self_at_most(lua_State *L,
                                                     int max_count)
{
    int top = lua_gettop(L);
    const mapped_slice *self;
    if (MAPPED__UNLIKELY(top > max_count))
        mlua_raise_surplus(L, max_count);
    self = mlua_push_metatable(L, 1);
    if (MAPPED__UNLIKELY(self == NULL || !mlua_top_is_view(L)))
        mlua_raise_type(L, 1, MLUA_VIEW_TYPES);
    if (top < max_count)
        lua_pop(L, 1);
    return self;
}

/* Like mlua_self_at_most, but returns the bytes of the view, and raises if they
 * are closed. */
MAPPED__INLINE mapped_slice mlua_open_self_at_most(lua_State *L, int max_count)
{
    mapped_slice slice = mlua_view_bytes(mlua_self_at_most(L, max_count));
    if (MAPPED__UNLIKELY(mapped_region_closed(slice.region)))
        mlua_raise_closed(L);
    return slice;
}

/* view.c: returns the bytes of the view at `arg`; raises for other types, and
 * if they are closed. The result is good until the next call that may allocate,
 * because a finalizer that runs there may do anything. */
mapped_slice mlua_check_view(lua_State *L, int arg);

/* The same for a function that isn't a method, and whose only argument is the
 * view. */
mapped_slice mlua_check_sole_view(lua_State *L);

/* Like mlua_check_view, but also takes an Array, which stands for all bytes
 * from its first element to its last, whatever lies between. */
mapped_slice mlua_check_bytes(lua_State *L, int arg);

/* Like mlua_check_bytes, but also takes a string, and what mlua_make_contiguous
 * makes a string of. */
mlua_data mlua_check_data(lua_State *L, const char *operation, int arg);

/* buffer.c: puts a string of its bytes in the place of an object at `arg` of
 * another library, if it lends its memory; does nothing to any other value. May
 * collect garbage. */
void mlua_copy_foreign(lua_State *L, int arg);

/* array.c: does the same, and also to an Array whose elements lie apart. An
 * error names the operation. */
void mlua_make_contiguous(lua_State *L, const char *operation, int arg);

/* view.c: does the same, and also to any view and Array. */
void mlua_copy_to_string(lua_State *L, const char *operation, int arg);

/* bytes.c: compares the slice with other bytes, as mapped_compare does. */
mapped_status mlua_compare_data(mapped_slice slice, const mlua_data *data,
                                int *order, mapped_error *error);

/* options.c: raises unless the value at `arg` is missing or is a table that has
 * no other options than these. */
void mlua_check_options(lua_State *L, int arg, const char *const names[]);

/* Returns the option of the table at `arg`, or `fallback` if it is missing;
 * raises if it is not a boolean, or not an integer of 0 or more. */
bool mlua_get_flag(lua_State *L, int arg, const char *name, bool fallback);
uint64_t mlua_get_number(lua_State *L, int arg, const char *name,
                         uint64_t fallback);

/* Pushes the option and returns true; or returns false and pushes nothing, if
 * it is missing. */
bool mlua_push_option(lua_State *L, int arg, const char *name);

/* Returns the option on top of the stack, as mlua_get_number does, and pops it.
 */
uint64_t mlua_pop_number(lua_State *L, int arg, const char *name);

/* Raises an error about the option on top of the stack. */
void mlua_raise_option(lua_State *L, int arg, const char *name,
                       const char *expected);

/* open.c: returns the path at `arg`; raises if it isn't a string, or has a zero
 * byte. */
const char *mlua_check_path(lua_State *L, int arg);

/* What names a file. */
#define MLUA_FILE_TYPES "path or file handle"

/* handle.c: returns the FILE of the file handle at `arg`; raises if it is
 * closed, or is another value than was `expected`. Any call that may run a
 * script's code may close the handle. */
FILE *mlua_check_file(lua_State *L, int arg, const char *expected);

/* handle.c: writes what the FILE of the file handle at `arg` has buffered, and
 * stores its descriptor. `operation` is what an error names. */
mapped_status mlua_flush_to_descriptor(lua_State *L, int arg,
                                       const char *operation,
                                       intptr_t *descriptor,
                                       mapped_error *error);

/* handle.c: pushes and returns a closed file handle with room for one user
 * value; other values that this pushes stay below it. Returns NULL if LuaJIT's
 * io.open failed, whose nil, message and errno it pushes then. */
luaL_Stream *mlua_push_handle(lua_State *L);

/* Gives the handle a FILE, which is closed with it by fclose. Allocates
 * nothing. */
void mlua_open_handle(luaL_Stream *handle, FILE *file);

/* Closes the handle as a script would; does nothing to a closed one. */
void mlua_close_handle(luaL_Stream *handle);

/* Pushes the Region that the object at `arg` is, or has its bytes of. */
void mlua_push_owner(lua_State *L, int arg);

/* Makes the new object on top of the stack keep that Region, as
 * MLUA_USER_OWNER. */
void mlua_set_owner(lua_State *L, int arg);

/* slice.c: pushes a new Slice, which is a part of the view or Array at `arg`.
 */
void mlua_push_slice(lua_State *L, int arg, mapped_slice slice);
/* The same of the Region at the index `owner`. */
void mlua_push_slice_of(lua_State *L, int owner, mapped_slice slice);

/* value.c: pushes a string of `n` bytes at `offset` of a slice, or raises. */
void mlua_push_bytes_in(lua_State *L, const char *operation, mapped_slice slice,
                        size_t offset, size_t n);

/* region.c: pushes an empty Region with room for one that is opened with that
 * path, or without one if it is NULL: open the core's region into it, then call
 * mlua_finish_region. The Region stays on top. */
mlua_region *mlua_push_region(lua_State *L, const char *path);
void mlua_finish_region(lua_State *L, mlua_region *self);

/* Returns the Region at `arg`, or raises. It may be closed. */
mlua_region *mlua_check_region(lua_State *L, int arg);

/* Keeps the region's addresses, also when it is closed, if this interrupts an
 * access of library/ffi.lua, in a finalizer or a debug hook. (If an error has
 * ended the access, nobody notices that, and the addresses are kept for
 * nothing.) */
void mlua_keep_accessed(mlua_region *self);

/* Closes the Region, and ends its export. */
mapped_status mlua_close_region(mlua_region *self, mapped_error *error);

/* Pushes a new userdata of that type, which the caller fills before it calls
 * anything that may allocate. */
MAPPED__INLINE void *mlua_push_object(lua_State *L, int type, size_t size,
                                      int user_values)
{
    void *self = lua_newuserdatauv(L, size, user_values);
    lua_pushvalue(L, lua_upvalueindex(type));
    lua_setmetatable(L, -2);
    return self;
}

/* Pushes the upvalues that all functions share. */
MAPPED__INLINE void mlua_push_shared(lua_State *L)
{
    int i;
    for (i = 1; i <= MLUA_SHARED; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
}

/* Sets the field `name` of the table on top of the stack. */
MAPPED__INLINE void mlua_set_number(lua_State *L, const char *name,
                                    size_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* buffer.c: lets our objects lend their memory to other C libraries. The
 * metatables are at the bottom of the stack. */
void mlua_register_buffers(lua_State *L);

/* resources.c: pushes a new list of resources. The metatables of this module
 * are at the bottom of the stack; they become mlua_first_metatables if no other
 * state has set these. */
void mlua_push_resources(lua_State *L);

/* Adds to the list. In a state that is closing nobody would free the resource
 * later, so it is freed at once, and this raises. */
void mlua_add_resource(lua_State *L, mlua_resource *resource,
                       void (*free)(mlua_resource *resource));
void mlua_remove_resource(mlua_resource *resource);

/* Tells the collector that the resource takes `bytes` of memory now, which the
 * collector can't see. May collect garbage. */
void mlua_charge(lua_State *L, mlua_resource *resource, size_t bytes);

/* Returns true if the caller should try once more: the error says that memory,
 * address space or descriptors have run out, and all garbage, which may hold
 * some, has just been collected. That happens once; `*retried`, false at first,
 * says that it has. */
bool mlua_retry_after_gc(lua_State *L, mapped_status status,
                         const mapped_error *error, bool *retried);

/* The functions of the module, and the metamethods __index. */
int mlua_open(lua_State *L);
int mlua_anonymous(lua_State *L);
int mlua_shared(lua_State *L);
int mlua_unlink(lua_State *L);
int mlua_guard(lua_State *L);
int mlua_stats(lua_State *L);        /* fault.c */
int mlua_type(lua_State *L);         /* type.c */
int mlua_open_windows(lua_State *L); /* windows.c: the function windows */
int mlua_layout_new(lua_State *L);   /* records.c */
int mlua_fence(lua_State *L);        /* atomic.c */
int mlua_mutex_new(lua_State *L);    /* mutex.c: the function Mutex */
int mlua_ring_new(lua_State *L);     /* ring.c: the function Ring */

int mlua_view_index(lua_State *L);   /* view.c: __index for Region and Slice */
int mlua_array_index(lua_State *L);  /* array.c: for Array and Records */
int mlua_record_index(lua_State *L); /* records.c */

/* lock.c: does the Lock at `arg` still hold its bytes? */
bool mlua_lock_is_held(lua_State *L, int arg);

/* equal.c: for all types but Layout. */
extern const luaL_Reg mlua_equal_meta[];
extern const luaL_Reg mlua_order_meta[]; /* for Region, Slice and Array */

/* bytes.c: `..`, for the same. */
extern const luaL_Reg mlua_concat_meta[];

/* The methods and metamethods that Region and Slice share. */
extern const luaL_Reg mlua_view_meta[];       /* view.c */
extern const luaL_Reg mlua_slice_methods[];   /* slice.c */
extern const luaL_Reg mlua_bytes_methods[];   /* bytes.c */
extern const luaL_Reg mlua_typed_methods[];   /* value.c */
extern const luaL_Reg mlua_format_methods[];  /* format.c */
extern const luaL_Reg mlua_search_methods[];  /* search.c */
extern const luaL_Reg mlua_parts_methods[];   /* parts.c */
extern const luaL_Reg mlua_pattern_methods[]; /* pattern.c */
extern const luaL_Reg mlua_cast_methods[];    /* array.c */
extern const luaL_Reg mlua_view_records[];    /* records.c */
extern const luaL_Reg mlua_view_atomic[];     /* atomic.c */
extern const luaL_Reg mlua_view_lock[];       /* lock.c */
extern const luaL_Reg mlua_pointer_methods[]; /* region.c */
extern const luaL_Reg mlua_ffi_methods[];     /* ffi.c */
extern const luaL_Reg mlua_paging_methods[];  /* paging.c */
extern const luaL_Reg mlua_stream_methods[];  /* stream.c */

/* The methods that Region, Slice and Array share. */
extern const luaL_Reg mlua_common_methods[]; /* view.c */

/* The methods and metamethods of one type. */
extern const luaL_Reg mlua_region_meta[]; /* region.c */
extern const luaL_Reg mlua_region_methods[];
extern const luaL_Reg mlua_fault_methods[];
extern const luaL_Reg mlua_slice_meta[]; /* slice.c */
extern const luaL_Reg mlua_array_meta[]; /* array.c: also for Records */
extern const luaL_Reg mlua_array_methods[];
extern const luaL_Reg mlua_layout_meta[]; /* records.c */
extern const luaL_Reg mlua_layout_methods[];
extern const luaL_Reg mlua_records_methods[];
extern const luaL_Reg mlua_record_meta[];
extern const luaL_Reg mlua_windows_meta[]; /* windows.c */
extern const luaL_Reg mlua_windows_methods[];
extern const luaL_Reg mlua_atomic_meta[]; /* atomic.c */
extern const luaL_Reg mlua_atomic_methods[];
extern const luaL_Reg mlua_lock_meta[]; /* lock.c */
extern const luaL_Reg mlua_lock_methods[];
extern const luaL_Reg mlua_mutex_meta[]; /* mutex.c */
extern const luaL_Reg mlua_mutex_methods[];
extern const luaL_Reg mlua_ring_meta[]; /* ring.c */
extern const luaL_Reg mlua_ring_methods[];
extern const luaL_Reg mlua_stream_meta[]; /* stream.c */

#endif
