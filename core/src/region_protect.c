/* Protection: what may not be written, though the mode allows it.
 *
 * - All bytes: MAPPED__TRAIT_READONLY refuses every write through the library.
 *   The system protects the pages, too, which only catches stray pointers. It
 *   does so only while nobody can be in the middle of a write, and never before
 *   the trait is set, so no write of ours ever meets such a page. The pages of
 *   a wrapped region are their owner's.
 *
 * - Some bytes: MAPPED__TRAIT_PROTECTED makes every write look at a list of
 *   them. The list is changed with the region locked, and read without the lock
 *   in the middle of a write. So it is a sequence lock: `sequence` is odd while
 *   the list changes, and a reader that sees another sequence at the end than
 *   at the beginning reads the list again. */
#include <mapped/region.h>

#include <assert.h>
#include <stdlib.h>

#include "region_internal.h"

typedef struct stretch {
    size_t start;
    size_t end;
} stretch;

/* Stretches that don't touch each other, in any order. */
typedef struct stretch_list {
    size_t count;
    stretch stretches[MAPPED_PROTECTED_RANGES + 2]; /* the last two only until
                                                     * the count is checked */
} stretch_list;

struct mapped__protection {
    uint32_t sequence;
    stretch_list list;
};

/* Adds a stretch. Those that it meets become part of it. */
static void add_stretch(stretch_list *list, stretch added)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const stretch old = list->stretches[i];
        if (old.end < added.start || added.end < old.start) {
            list->stretches[kept++] = old;
            continue;
        }
        added.start = old.start < added.start ? old.start : added.start;
        added.end = old.end > added.end ? old.end : added.end;
    }
    list->stretches[kept++] = added;
    list->count = kept;
}

/* Removes these bytes from all stretches. At most one stretch becomes two. */
static void remove_stretch(stretch_list *list, stretch removed)
{
    const stretch_list before = *list;
    list->count = 0;
    for (size_t i = 0; i < before.count; i++) {
        const stretch old = before.stretches[i];
        const stretch left = {
            old.start, old.end < removed.start ? old.end : removed.start};
        const stretch right = {
            old.start > removed.end ? old.start : removed.end, old.end};
        if (left.start < left.end)
            list->stretches[list->count++] = left;
        if (right.start < right.end)
            list->stretches[list->count++] = right;
    }
}

static void set_trait(mapped__region *self, uint32_t trait, bool on)
{
    if (on)
        __atomic_fetch_or(&self->head.traits_, trait, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&self->head.traits_, ~trait, __ATOMIC_SEQ_CST);
    mapped__region_publish_writable(self);
}

static stretch_list copy_list(const mapped__region *self)
{
    return self->protection != NULL ? self->protection->list
                                    : (stretch_list){0};
}

/* Each store here comes after those before it, and each load in
 * lists_any_byte() before those after it. */
static mapped_status set_list(mapped__region *self, const stretch_list *list,
                              mapped_error *error)
{
    assert(mapped__region_is_locked(self));
    mapped__protection *protection = self->protection;
    if (list->count > MAPPED_PROTECTED_RANGES)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "protect: too many stretches");
    if (protection == NULL && list->count == 0)
        return MAPPED_OK;
    if (protection == NULL)
        protection = calloc(1, sizeof *protection);
    if (protection == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "protect");
    uint32_t sequence = protection->sequence;
    MAPPED__STORE(&protection->sequence, sequence + 1);
    MAPPED__STORE_RELEASE(&protection->list.count, list->count);
    for (size_t i = 0; i < list->count; i++) {
        stretch *to = &protection->list.stretches[i];
        MAPPED__STORE_RELEASE(&to->start, list->stretches[i].start);
        MAPPED__STORE_RELEASE(&to->end, list->stretches[i].end);
    }
    MAPPED__STORE_RELEASE(&protection->sequence, sequence + 2);
    MAPPED__STORE_RELEASE(&self->protection, protection);
    set_trait(self, MAPPED__TRAIT_PROTECTED, list->count > 0);
    return MAPPED_OK;
}

/* Is a byte of [start, end) on the list? */
static bool lists_any_byte(const mapped__protection *protection, size_t start,
                           size_t end)
{
    bool found;
    uint32_t sequence;
    do {
        found = false;
        sequence = MAPPED__LOAD_ACQUIRE(&protection->sequence);
        size_t count = MAPPED__LOAD_ACQUIRE(&protection->list.count);
        for (size_t i = 0; i < count; i++) {
            const stretch *listed = &protection->list.stretches[i];
            found |= start < MAPPED__LOAD_ACQUIRE(&listed->end) &&
                     MAPPED__LOAD_ACQUIRE(&listed->start) < end;
        }
    } while (sequence % 2 != 0 ||
             MAPPED__LOAD(&protection->sequence) != sequence);
    return found;
}

static mapped_status set_pages_writable(mapped__region *self, bool writable,
                                        mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    if (self->mapping.used > 0)
        status = mapped__map_protect(&self->mapping, writable, error);
    for (const mapped__old_mapping *old = self->old_mappings;
         old != NULL && status == MAPPED_OK; old = old->next)
        status = mapped__map_protect(&old->mapping, writable, error);
    if (status == MAPPED_OK)
        MAPPED__STORE(&self->guard.writable, writable);
    return status;
}

/* If the system fails to protect some pages, stray pointers may write there. */
void mapped__region_protect_pages(mapped__region *self)
{
    assert(!self->protects_pages || mapped_region_readonly(&self->head));
    if (self->protects_pages)
        (void)set_pages_writable(self, false, NULL);
}

mapped_status mapped__region_unprotect_pages(mapped__region *self,
                                             mapped_error *error)
{
    return self->protects_pages ? set_pages_writable(self, true, error)
                                : MAPPED_OK;
}

void mapped__region_shrink_protection(mapped__region *self, size_t length)
{
    stretch_list list = copy_list(self);
    remove_stretch(&list, (stretch){length, SIZE_MAX});
    (void)set_list(self, &list,
                   NULL); /* as many stretches as before, or less */
}

bool mapped__region_readonly_at(const mapped_region *region, size_t start,
                                size_t end)
{
    if (mapped_region_readonly(region))
        return true;
    if (region == NULL || start == end ||
        !(MAPPED__LOAD(&region->traits_) & MAPPED__TRAIT_PROTECTED))
        return false;
    return lists_any_byte(
        MAPPED__LOAD_ACQUIRE(&mapped__region_of(region)->protection), start,
        end);
}

void mapped__region_list_protected(const mapped__region *self,
                                   mapped_origin *origin)
{
    assert(mapped__region_is_locked(self));
    stretch_list list = copy_list(self);
    if (self->mode == MAPPED_MODE_READ)
        return;
    if (mapped_region_readonly(&self->head))
        list = (stretch_list){1, {{0, self->length}}};
    origin->protected_count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        origin->protected_bytes[i].start = list.stretches[i].start;
        origin->protected_bytes[i].end = list.stretches[i].end;
    }
}

static bool is_whole(const mapped__region *self, size_t start, size_t end)
{
    return start == 0 && end == mapped_region_length(&self->head);
}

/* No export begins between the check that there is none and the trait. */
mapped_status mapped__region_protect(mapped__region *self, size_t start,
                                     size_t end, mapped_error *error)
{
    bool whole = is_whole(self, start, end);
    if ((start == end && !whole) || mapped_region_readonly(&self->head))
        return MAPPED_OK;
    mapped_status status =
        mapped__region_lock_unexported(self, "protect", error);
    if (status != MAPPED_OK)
        return status;
    stretch_list list = copy_list(self);
    if (!whole) {
        add_stretch(&list, (stretch){start, end});
        status = set_list(self, &list, error);
    } else {
        mapped__region_free_old_mappings(self);
        set_trait(self, MAPPED__TRAIT_READONLY, true);
        /* Nobody can be in the middle of a write, nor use a kept pointer? They
         * may be protected already, by a thread that was faster. */
        if (!self->wrapped && mapped__region_can_unmap(self))
            self->protects_pages = true;
        mapped__region_protect_pages(self);
    }
    mapped__region_unlock(self);
    return status;
}

/* If all bytes were protected, the others are noted one by one now, and the
 * system no longer protects their pages. The region is locked. */
static mapped_status unprotect(mapped__region *self, stretch removed,
                               mapped_error *error)
{
    bool all_protected = mapped_region_readonly(&self->head);
    stretch_list list = copy_list(self);
    mapped_status status = MAPPED_OK;
    if (all_protected)
        add_stretch(&list, (stretch){0, self->length});
    remove_stretch(&list, removed);
    if (all_protected)
        status = mapped__region_unprotect_pages(self, error);
    if (status == MAPPED_OK)
        self->protects_pages = false;
    if (status == MAPPED_OK)
        status = set_list(self, &list, error);
    if (status == MAPPED_OK && all_protected)
        set_trait(self, MAPPED__TRAIT_READONLY, false);
    return status;
}

mapped_status mapped__region_unprotect(mapped__region *self, size_t start,
                                       size_t end, mapped_error *error)
{
    bool whole = is_whole(self, start, end);
    if (self->mode == MAPPED_MODE_READ)
        return mapped_error_set(error, MAPPED_READONLY, "protect");
    if (start == end && !whole)
        return MAPPED_OK;
    mapped_status status = mapped__region_lock(self, "protect", error);
    if (status != MAPPED_OK)
        return status;
    status = unprotect(self, (stretch){start, whole ? SIZE_MAX : end}, error);
    mapped__region_unlock(self);
    return status;
}
