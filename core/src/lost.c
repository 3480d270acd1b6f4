/* The lists of lost and recovered stretches. Of those on the lost list that are
 * not restored no two meet, so each lost byte is noted once. The bounds around
 * the list are never narrower than what is lost, so readers without a lock
 * can't miss a byte. */
#include "lost.h"

#include <assert.h>
#include <string.h>

static size_t end_of(const mapped__lost *lost)
{
    return lost->length > SIZE_MAX - lost->offset ? SIZE_MAX
                                                  : lost->offset + lost->length;
}

static bool touches(const mapped__lost *lost, size_t offset, size_t n)
{
    return lost->offset < offset + n && offset < end_of(lost);
}

static bool holds(const mapped__lost *whole, const mapped__lost *part)
{
    return whole->offset <= part->offset && end_of(part) <= end_of(whole);
}

/* Do they overlap or meet, so that they can be one stretch? */
static bool can_join(const mapped__lost *a, const mapped__lost *b)
{
    return a->poisoned == b->poisoned && a->offset <= end_of(b) &&
           b->offset <= end_of(a);
}

static void remove_at(mapped__lost_list *lost_list, size_t i)
{
    assert(i < lost_list->count);
    lost_list->count--;
    memmove(&lost_list->list[i], &lost_list->list[i + 1],
            (lost_list->count - i) * sizeof lost_list->list[0]);
}

static void widen(mapped__lost_list *lost_list, const mapped__lost *lost)
{
    bool none = lost_list->high == 0;
    if (none || lost->offset < lost_list->low)
        MAPPED__STORE_RELEASE(&lost_list->low, lost->offset);
    if (none || end_of(lost) > lost_list->high)
        MAPPED__STORE_RELEASE(&lost_list->high, end_of(lost));
}

/* Readers read one bound after the other. What stays lost is inside of the
 * old bounds and of the new ones, and so of any two of them. */
static void narrow(mapped__lost_list *lost_list)
{
    size_t low = SIZE_MAX;
    size_t high = 0;
    for (size_t i = 0; i < lost_list->count; i++) {
        const mapped__lost *lost = &lost_list->list[i];
        low = lost->offset < low ? lost->offset : low;
        high = end_of(lost) > high ? end_of(lost) : high;
    }
    MAPPED__STORE_RELEASE(&lost_list->low, low);
    MAPPED__STORE_RELEASE(&lost_list->high, high);
}

static bool is_noted(const mapped__lost_list *lost_list,
                     const mapped__lost *lost)
{
    for (size_t i = 0; i < lost_list->count; i++)
        if (!lost_list->list[i].restored && holds(&lost_list->list[i], lost))
            return true;
    return false;
}

/* `from` is the older one. */
static void join(mapped__lost *to, const mapped__lost *from)
{
    size_t end = end_of(to) > end_of(from) ? end_of(to) : end_of(from);
    if (from->offset < to->offset)
        to->offset = from->offset;
    to->length = end - to->offset;
    to->first = from->first;
    to->cause = from->cause;
    to->poisoned = from->poisoned;
}

/* Is a stretch that is noted to become part of the new one? */
static bool absorbs(const mapped__lost *lost, const mapped__lost *noted)
{
    return !noted->restored && (can_join(lost, noted) || holds(lost, noted));
}

static bool absorbs_any(const mapped__lost_list *lost_list,
                        const mapped__lost *lost)
{
    for (size_t i = 0; i < lost_list->count; i++)
        if (absorbs(lost, &lost_list->list[i]))
            return true;
    return false;
}

/* Takes off the list what becomes part of the new stretch. Returns where on the
 * list this belongs: in the place of the oldest of them, else at the end. Two
 * that are noted never meet each other, so one pass does it. */
static size_t absorb(mapped__lost_list *lost_list, mapped__lost *lost)
{
    size_t index = lost_list->count;
    for (size_t i = lost_list->count; i-- > 0;) {
        if (!absorbs(lost, &lost_list->list[i]))
            continue;
        join(lost, &lost_list->list[i]);
        remove_at(lost_list, i);
        index = i;
    }
    return index;
}

static void insert(mapped__lost_list *lost_list, size_t index,
                   const mapped__lost *lost)
{
    assert(index <= lost_list->count && lost_list->count < MAPPED__LOST_ROOM);
    memmove(&lost_list->list[index + 1], &lost_list->list[index],
            (lost_list->count - index) * sizeof lost_list->list[0]);
    lost_list->list[index] = *lost;
    lost_list->count++;
}

size_t mapped__lost_count_unrestored(const mapped__lost_list *lost_list)
{
    size_t count = 0;
    for (size_t i = 0; i < lost_list->count; i++)
        count += !lost_list->list[i].restored;
    return count;
}

/* One entry is kept for the stretch that stands for the whole range. */
static bool is_full(const mapped__lost_list *lost_list)
{
    return lost_list->count >= MAPPED__LOST_ROOM - 1 ||
           mapped__lost_count_unrestored(lost_list) >= MAPPED__LOST_MAX;
}

/* If `lost` lies in a restored stretch, this goes off the list, and `lost`
 * becomes all of it: a full list has no room for both. */
static bool replace_restored(mapped__lost_list *lost_list, mapped__lost *lost)
{
    for (size_t i = 0; i < lost_list->count; i++) {
        const mapped__lost old = lost_list->list[i];
        if (!old.restored || !holds(&old, lost))
            continue;
        remove_at(lost_list, i);
        lost->offset = old.offset;
        lost->length = old.length;
        return true;
    }
    return false;
}

/* Without room the whole range counts as lost. The entry that is kept for this
 * may be taken by an earlier loss of the whole range, which is restored or was
 * shortened since. */
void mapped__lost_add(mapped__lost_list *lost_list, const mapped__lost *lost)
{
    mapped__lost grown = *lost;
    if (is_noted(lost_list, lost))
        return;
    if (is_full(lost_list) && !absorbs_any(lost_list, lost) &&
        !replace_restored(lost_list, &grown)) {
        grown.offset = 0;
        grown.length = MAPPED__LOST_ALL;
    }
    size_t index = absorb(lost_list, &grown);
    if (lost_list->count == MAPPED__LOST_ROOM) /* all restored */
        remove_at(lost_list, --index);
    insert(lost_list, index, &grown);
    widen(lost_list, &grown);
}

void mapped__lost_mark_unrestored(mapped__lost_list *lost_list,
                                  const mapped__lost *lost)
{
    for (size_t i = 0; i < lost_list->count; i++) {
        const mapped__lost *old = &lost_list->list[i];
        if (!old->restored || old->offset != lost->offset ||
            old->length != lost->length)
            continue;
        remove_at(lost_list, i);
        mapped__lost_add(lost_list, lost);
        return;
    }
}

bool mapped__lost_find(const mapped__lost_list *lost_list, size_t offset,
                       size_t n, mapped__lost *found)
{
    for (size_t i = 0; i < lost_list->count; i++) {
        if (touches(&lost_list->list[i], offset, n)) {
            *found = lost_list->list[i];
            return true;
        }
    }
    return false;
}

size_t mapped__lost_copy(const mapped__lost_list *lost_list, mapped__lost *list,
                         size_t capacity)
{
    size_t n = lost_list->count < capacity ? lost_list->count : capacity;
    memcpy(list, lost_list->list, n * sizeof *list);
    return lost_list->count;
}

void mapped__lost_forget(mapped__lost_list *lost_list, size_t offset)
{
    for (size_t i = lost_list->count; i-- > 0;) {
        mapped__lost *lost = &lost_list->list[i];
        if (lost->offset >= offset)
            remove_at(lost_list, i);
        else if (end_of(lost) > offset)
            lost->length = offset - lost->offset;
    }
    narrow(lost_list);
}

void mapped__lost_set_cause(mapped__lost_list *lost_list, size_t offset,
                            int cause)
{
    for (size_t i = 0; i < lost_list->count; i++)
        if (lost_list->list[i].offset == offset &&
            lost_list->list[i].cause == 0)
            lost_list->list[i].cause = cause;
}

bool mapped__lost_mark_next_restored(mapped__lost_list *lost_list,
                                     mapped__lost *lost)
{
    for (size_t i = 0; i < lost_list->count; i++) {
        if (lost_list->list[i].restored)
            continue;
        *lost = lost_list->list[i];
        lost_list->list[i].restored = true;
        return true;
    }
    return false;
}

/* Makes one of the two oldest. It may cover more than was lost, so an export
 * may report a page too many. */
static void join_oldest(mapped__recovered *recovered)
{
    mapped__lost *list = recovered->list;
    size_t rest = --recovered->count - 1;
    list[0].truncated = list[0].truncated && list[1].truncated;
    join(&list[0], &list[1]);
    recovered->numbers[0] = recovered->numbers[1];
    memmove(&list[1], &list[2], rest * sizeof list[0]);
    memmove(&recovered->numbers[1], &recovered->numbers[2],
            rest * sizeof recovered->numbers[0]);
}

void mapped__recovered_add(mapped__recovered *recovered,
                           const mapped__lost *lost, uint64_t number)
{
    if (recovered->count == MAPPED__RECOVERED_ROOM)
        join_oldest(recovered);
    recovered->list[recovered->count] = *lost;
    recovered->numbers[recovered->count] = number;
    recovered->count++;
}

void mapped__lost_end_recovery(mapped__lost_list *lost_list,
                               mapped__recovered *recovered, uint64_t number)
{
    for (size_t i = lost_list->count; i-- > 0;) {
        if (!lost_list->list[i].restored)
            continue;
        mapped__recovered_add(recovered, &lost_list->list[i], number);
        remove_at(lost_list, i);
    }
    narrow(lost_list);
}

bool mapped__recovered_find(const mapped__recovered *recovered,
                            const mapped__recovered_query *query,
                            mapped__lost *found)
{
    for (size_t i = 0; i < recovered->count; i++) {
        const mapped__lost *lost = &recovered->list[i];
        if (recovered->numbers[i] > query->since &&
            (query->also_truncated || !lost->truncated) &&
            touches(lost, query->offset, query->length)) {
            *found = *lost;
            return true;
        }
    }
    return false;
}
