/* What formats, codes and patterns compile to, and the cache of that: see
 * cache.c. */
#ifndef MAPPED_LUA_CACHE_H
#define MAPPED_LUA_CACHE_H

#include "mapped_lua.h"

/* What a format, a code or a pattern was compiled to, in one userdata. */
typedef struct mlua_compiled {
    /* True for a format of a few numbers at fixed places, and for a pattern
     * without special characters. */
    bool is_plain;
    const mapped_fields *fields;
    const mapped_element *element;
    const mapped_pattern *pattern;
} mlua_compiled;

typedef enum mlua_kind {
    MLUA_FORMAT,  /* sets `fields` */
    MLUA_CODE,    /* `element` */
    MLUA_PATTERN, /* `pattern` */
    MLUA_KINDS
} mlua_kind;

/* A plain format has no more values than that. */
#define MLUA_MAX_PLAIN_VALUES 12

/* An entry that is found by the address of its text. */
typedef struct mlua_slot {
    const char *text;
    const mlua_compiled *compiled;
} mlua_slot;

#define MLUA_SLOTS 64

/* The cache keeps texts up to this length. */
#define MLUA_MAX_TEXT_BYTES 256

/* The cache of one state. */
typedef struct mlua_cache {
    size_t bytes;                   /* the sum over all entries */
    mapped_pattern_classes classes; /* those that the patterns were made with */
    mlua_slot slots[MLUA_KINDS][MLUA_SLOTS];
} mlua_cache;

/* Pushes a new cache. */
void mlua_push_cache(lua_State *L);

/* Pushes what the string at `arg` compiles to. It stays valid while it is on
 * the stack. */
const mlua_compiled *mlua_push_compiled(lua_State *L, mlua_kind kind, int arg);

/* The slot for a text. The lowest bits of its address say nothing. */
MAPPED__INLINE size_t mlua_slot_index(const char *text)
{
    return (uintptr_t)text / 32 % MLUA_SLOTS;
}

/* Returns what `text`, which is that of a string of Lua's, compiles to, if a
 * slot has it, else NULL. It is valid until Lua may collect garbage. */
MAPPED__INLINE const mlua_compiled *
mlua_find_compiled(const mlua_cache *cache, mlua_kind kind, const char *text)
{
    const mlua_slot *slot = &cache->slots[kind][mlua_slot_index(text)];
    if (MAPPED__LIKELY(slot->text == text) &&
        (kind != MLUA_PATTERN ||
         MAPPED__LIKELY(mapped_pattern_classes_current(&cache->classes))))
        return slot->compiled;
    return NULL;
}

/* Pushes the pattern at `arg` compiled for gmatch, where a "^" in front is a
 * character like others. The cache doesn't keep it. */
const mlua_compiled *mlua_push_unanchored(lua_State *L, int arg);

#endif
