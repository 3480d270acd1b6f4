/* The type Ring, for its two files: ring.c has the type and what is done in
 * place, ring_copy.c what sends and receives copies. */
#ifndef MAPPED_LUA_RING_H
#define MAPPED_LUA_RING_H

#include "typed.h"
#include "wait.h"

/* An end that stays held between two calls, with a reference to the region. */
typedef struct ring_end {
    mapped_ring_hold hold;
    bool open;
} ring_end;

typedef struct mlua_ring {
    mlua_slice bytes;
    mlua_resource resource;
    mapped_ring core;
    ring_end sender;
    ring_end receiver;
} mlua_ring;

/* The Ring at argument 1, or raises. */
mlua_ring *mlua_check_ring(lua_State *L);

/* Raises of argument 2 if n bytes are too long for a record, of which it has
 * several if `i`, from 1, isn't 0. */
void mlua_check_record_length(lua_State *L, const mlua_ring *self, size_t n,
                              size_t i);

extern const luaL_Reg mlua_ring_copy_methods[]; /* ring_copy.c */

#endif
