/* What a fork leaves of a region in the child, which has no other thread than
 * the one that forked. Two things may have been going on.
 *
 * - Another thread had the region locked. It doesn't exist in the child and
 *   can't finish, so the region is closed there.
 *
 * - A fault handler has forked in the middle of an append. The child goes on
 *   with that append, too, and would store its bytes in the file of the parent,
 *   perhaps where another append has its bytes by then. So from the fork until
 *   that append ends, the child's pages at this place are private: they show
 *   the file, and what is stored there stays in the child. Then they are the
 *   file's again, and the append fails. */
#include <assert.h>

#include <mapped/checked.h>

#include "region_internal.h"

/* The latest appends that this thread is in the middle of, in a ring: more than
 * one if a fault handler appends, too. One that a handler has left by a jump
 * stays here, and another region may be where its region was. So `region` is
 * only compared with one that has running appends. */
#define OWN_APPENDS_MAX 8
typedef struct own_append {
    const mapped__region *region;
    size_t start; /* from here to `end` of the mapping it stores its bytes */
    size_t end;
} own_append;
static _Thread_local own_append own_appends[OWN_APPENDS_MAX];
static _Thread_local unsigned own_count;

void mapped__thread_begin_append(const mapped__region *self,
                                 mapped__append_range *range)
{
    size_t start = self->lead + range->start;
    range->outer = own_count++;
    own_appends[range->outer % OWN_APPENDS_MAX] =
        (own_append){self, start, start + range->length};
}

void mapped__thread_end_append(const mapped__append_range *range)
{
    own_count = range->outer;
}

/* Makes the pages of an append range private. In memory without a file, and in
 * a region that an earlier fork has closed, they are so already. False: that
 * failed. */
static bool make_private(mapped__region *self, const own_append *append)
{
    mapped__appends *appends = &self->appends;
    const size_t page = self->mapping.page;
    size_t start = append->start - append->start % page;
    size_t end = self->mapping.used;
    (void)mapped_round_up(append->end, page, &end);
    if (self->file == MAPPED__NO_FILE || self->mapping.address == NULL ||
        append->start == append->end || end > self->mapping.used)
        return true;
    if (appends->private_end == 0 || start < appends->private_start)
        appends->private_start = start;
    if (end > appends->private_end)
        appends->private_end = end;
    return mapped__region_map_anew(self, start, end, MAPPED__MAP_PRIVATE) ==
           MAPPED_OK;
}

/* A refresh may have cut some of the pages off the mapping. */
void mapped__region_share_again(mapped__region *self)
{
    size_t start = self->appends.private_start;
    size_t end = self->appends.private_end;
    assert(mapped__region_is_locked(self) && self->appends.running == 0);
    self->appends.private_end = 0;
    if (end > self->mapping.used)
        end = self->mapping.used;
    if (end <= start)
        return;
    mapped__region_map_anew_or_lose(self, start, end);
    mapped__region_protect_pages(self);
}

/* Only this thread's appends are running in the child, and they will fail. They
 * are looked for from the newest one on, and no more than were running: the
 * older ones that are known may have been left by a jump. Returns false if an
 * append would store to the parent's file. */
static bool reset_appends(mapped__region *self)
{
    mapped__appends *appends = &self->appends;
    unsigned known = own_count < OWN_APPENDS_MAX ? own_count : OWN_APPENDS_MAX;
    size_t were_running = appends->running;
    bool is_private = true;
    appends->capacity = 0; /* the spare stays the parent's */
    appends->running = 0;
    for (unsigned i = 1; i <= known && appends->running < were_running; i++) {
        const own_append *append =
            &own_appends[(own_count - i) % OWN_APPENDS_MAX];
        if (append->region != self)
            continue;
        appends->running++;
        is_private &= make_private(self, append);
    }
    mapped__region_invalidate_appends(self);
    return is_private;
}

/* How far the thread had come that had the region locked is unknown. So the
 * region's memory stays out of reach until the process ends. */
static void close_in_child(mapped__region *self, uint64_t control)
{
    __atomic_fetch_or(&self->head.state_, MAPPED__STATE_CLOSED,
                      __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&self->head.traits_, ~MAPPED__TRAIT_PROTECTED,
                       __ATOMIC_SEQ_CST);
    mapped__region_publish_length(self, 0);
    self->mapping.address = NULL;
    for (mapped__old_mapping *old = self->old_mappings; old != NULL;
         old = old->next)
        old->mapping.address = NULL;
    MAPPED__STORE(&self->control, (control & ~MAPPED__CONTROL_WHILE_LOCKED) |
                                      MAPPED__CONTROL_CLOSED);
}

void mapped__region_reset_in_child(mapped__guard *guard)
{
    mapped__region *self = mapped__region_of_guard(guard);
    uint64_t control = MAPPED__LOAD(&self->control);
    bool is_private = reset_appends(self);
    if (!is_private)
        (void)mapped__whole_replace(self->mapping.address, self->mapping.used,
                                    true);
    if (!is_private || control & MAPPED__CONTROL_LOCKED)
        close_in_child(self, control);
}
