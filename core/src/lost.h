/* What a guarded range has lost: stretches of whole pages, on two lists.
 *
 * - The lost list has what is lost now. A fault adds a page, and pages that
 * meet become one stretch. A stretch that the file is mapped over again is
 * marked as restored, and stays on the list until the recovery ends.
 *
 * - The recovered list has what went off the lost list then, for accesses that
 *   began before.
 *
 * This is plain data: callers keep other threads out, except from
 * mapped__lost_may_include. */
#ifndef MAPPED_LOST_H
#define MAPPED_LOST_H

#include <mapped/base.h>

/* So many lost stretches are noted one by one. With one more, the whole range
 * counts as lost. There is room for some more, because stretches that are being
 * restored stay on the list. */
#define MAPPED__LOST_MAX 32
#define MAPPED__LOST_ROOM 48

typedef struct mapped__lost {
    size_t offset;  /* from the range's base */
    size_t length;  /* MAPPED__LOST_ALL: to the end, wherever that is */
    size_t first;   /* the page that was lost first: the file is asked there for
                     * the cause */
    int cause;      /* the error number; 0: nobody has asked for it yet */
    bool poisoned;  /* the memory itself is broken */
    bool restored;  /* the pages are back, but count as lost until the recovery
                     * ends */
    bool truncated; /* a refresh has seen that the file was truncated here; only
                     * exports ask for such stretches */
} mapped__lost;

#define MAPPED__LOST_ALL SIZE_MAX

/* All zero: nothing is lost. */
typedef struct mapped__lost_list {
    size_t low;  /* everything lost lies in [low, high) */
    size_t high; /* 0: nothing is lost */
    size_t count;
    mapped__lost list[MAPPED__LOST_ROOM]; /* in the order of their loss */
} mapped__lost_list;

/* Recovered stretches, and the numbers of their recoveries. If there is no room
 * for one more, the two oldest become one, with the later number. */
#define MAPPED__RECOVERED_ROOM 8

typedef struct mapped__recovered {
    size_t count;
    mapped__lost list[MAPPED__RECOVERED_ROOM];
    uint64_t numbers[MAPPED__RECOVERED_ROOM]; /* rising */
} mapped__recovered;

/* Notes a stretch, unless it is noted already. Callable in a fault handler. */
void mapped__lost_add(mapped__lost_list *lost_list, const mapped__lost *lost);

/* False: no byte of [offset, offset + n) is lost. Any thread may call this at
 * any time. As a page is noted before it is replaced, a thread that has read
 * from a replaced page gets true. */
static inline bool mapped__lost_may_include(const mapped__lost_list *lost_list,
                                            size_t offset, size_t n)
{
    return offset < MAPPED__LOAD_ACQUIRE(&lost_list->high) &&
           offset + n > MAPPED__LOAD_ACQUIRE(&lost_list->low);
}

/* Is a byte of [offset, offset + n) lost? Then `*found` is the first stretch
 * noted that holds one. */
bool mapped__lost_find(const mapped__lost_list *lost_list, size_t offset,
                       size_t n, mapped__lost *found);

/* Copies up to `capacity` stretches, returns how many there are. */
size_t mapped__lost_copy(const mapped__lost_list *lost_list, mapped__lost *list,
                         size_t capacity);

/* Forgets what is lost at `offset` and after it, also the end of a stretch that
 * begins before it. */
void mapped__lost_forget(mapped__lost_list *lost_list, size_t offset);

/* Notes why the stretch that begins at `offset` was lost. The first cause
 * stays: the file may have changed since. */
void mapped__lost_set_cause(mapped__lost_list *lost_list, size_t offset,
                            int cause);

/* How many stretches are not restored. */
size_t mapped__lost_count_unrestored(const mapped__lost_list *lost_list);

/* Marks the first stretch that isn't marked yet as restored, and copies it to
 * `*lost`; false if there is none. Pages of a restored stretch that are lost
 * again are noted again. */
bool mapped__lost_mark_next_restored(mapped__lost_list *lost_list,
                                     mapped__lost *lost);

/* Takes back the mark of a stretch that could not be restored. Pages of it may
 * have been lost again meanwhile. */
void mapped__lost_mark_unrestored(mapped__lost_list *lost_list,
                                  const mapped__lost *lost);

/* Moves all restored stretches to `recovered`, with that number. */
void mapped__lost_end_recovery(mapped__lost_list *lost_list,
                               mapped__recovered *recovered, uint64_t number);

/* Notes a stretch, which need not have been on a list. */
void mapped__recovered_add(mapped__recovered *recovered,
                           const mapped__lost *lost, uint64_t number);

/* Which recovered stretches are asked for. */
typedef struct mapped__recovered_query {
    size_t offset; /* those that hold a byte of [offset, offset + length) */
    size_t length;
    uint64_t since;      /* and have a number above this */
    bool also_truncated; /* and are not `truncated`, unless this is set */
} mapped__recovered_query;

/* As mapped__lost_find. */
bool mapped__recovered_find(const mapped__recovered *recovered,
                            const mapped__recovered_query *query,
                            mapped__lost *found);

#endif
