/* Lists of lost stretches. Stretches that are noted never meet, so that each
 * lost byte is noted once; and the bounds around them are never narrower than
 * what is lost, so that readers without a lock can't miss one. */
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

/* Are they one stretch, or two that meet? */
static bool joins(const mapped__lost *a, const mapped__lost *b)
{
    return a->poisoned == b->poisoned && a->offset <= end_of(b) &&
           b->offset <= end_of(a);
}

static void drop(mapped__losses *losses, size_t i)
{
    assert(i < losses->count);
    losses->count--;
    memmove(&losses->list[i], &losses->list[i + 1],
            (losses->count - i) * sizeof losses->list[0]);
}

static void widen(mapped__losses *losses, const mapped__lost *lost)
{
    bool none = losses->high == 0;
    if (none || lost->offset < losses->low)
        MAPPED__STORE_RELEASE(&losses->low, lost->offset);
    if (none || end_of(lost) > losses->high)
        MAPPED__STORE_RELEASE(&losses->high, end_of(lost));
}

/* Readers look at one bound after the other. What stays lost is inside of the
 * old bounds and of the new ones, and so of any two of them. */
static void narrow(mapped__losses *losses)
{
    size_t low = SIZE_MAX;
    size_t high = 0;
    for (size_t i = 0; i < losses->count; i++) {
        const mapped__lost *lost = &losses->list[i];
        low = lost->offset < low ? lost->offset : low;
        high = end_of(lost) > high ? end_of(lost) : high;
    }
    MAPPED__STORE_RELEASE(&losses->low, low);
    MAPPED__STORE_RELEASE(&losses->high, high);
}

static bool is_noted(const mapped__losses *losses, const mapped__lost *lost)
{
    for (size_t i = 0; i < losses->count; i++)
        if (!losses->list[i].restored && holds(&losses->list[i], lost))
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

static bool takes_in(const mapped__lost *lost, const mapped__lost *noted)
{
    return !noted->restored && (joins(lost, noted) || holds(lost, noted));
}

static bool meets_any(const mapped__losses *losses, const mapped__lost *lost)
{
    for (size_t i = 0; i < losses->count; i++)
        if (takes_in(lost, &losses->list[i]))
            return true;
    return false;
}

/* What is noted already and meets the new stretch becomes part of it, in the
 * older one's place. Two that are noted never meet each other, so one pass does
 * it. */
static size_t absorb(mapped__losses *losses, mapped__lost *lost)
{
    size_t place = losses->count;
    for (size_t i = losses->count; i-- > 0;) {
        if (!takes_in(lost, &losses->list[i]))
            continue;
        join(lost, &losses->list[i]);
        drop(losses, i);
        place = i;
    }
    return place < losses->count ? place : losses->count;
}

static void insert(mapped__losses *losses, size_t place,
                   const mapped__lost *lost)
{
    assert(place <= losses->count && losses->count < MAPPED__LOST_ROOM);
    memmove(&losses->list[place + 1], &losses->list[place],
            (losses->count - place) * sizeof losses->list[0]);
    losses->list[place] = *lost;
    losses->count++;
}

size_t mapped__lost_unrestored(const mapped__losses *losses)
{
    size_t count = 0;
    for (size_t i = 0; i < losses->count; i++)
        count += !losses->list[i].restored;
    return count;
}

/* One place is kept for the stretch that stands for the whole range. */
static bool is_full(const mapped__losses *losses)
{
    return losses->count == MAPPED__LOST_ROOM - 1 ||
           mapped__lost_unrestored(losses) == MAPPED__LOST_MAX;
}

void mapped__lost_add(mapped__losses *losses, const mapped__lost *lost)
{
    mapped__lost grown = *lost;
    if (is_noted(losses, lost))
        return;
    if (is_full(losses) && !meets_any(losses, lost)) {
        grown.offset = 0;
        grown.length = MAPPED__LOST_ALL;
    }
    size_t place = absorb(losses, &grown);
    insert(losses, place, &grown);
    widen(losses, &grown);
}

bool mapped__lost_find(const mapped__losses *losses, size_t offset, size_t n,
                       mapped__lost *found)
{
    for (size_t i = 0; i < losses->count; i++) {
        if (touches(&losses->list[i], offset, n)) {
            *found = losses->list[i];
            return true;
        }
    }
    return false;
}

size_t mapped__lost_copy(const mapped__losses *losses, mapped__lost *list,
                         size_t capacity)
{
    size_t n = losses->count < capacity ? losses->count : capacity;
    for (size_t i = 0; i < n; i++)
        list[i] = losses->list[i];
    return losses->count;
}

void mapped__lost_cut(mapped__losses *losses, size_t length)
{
    for (size_t i = losses->count; i-- > 0;) {
        mapped__lost *lost = &losses->list[i];
        if (lost->offset >= length)
            drop(losses, i);
        else if (end_of(lost) > length)
            lost->length = length - lost->offset;
    }
    narrow(losses);
}

void mapped__lost_explain(mapped__losses *losses, size_t offset, int cause)
{
    for (size_t i = 0; i < losses->count; i++)
        if (losses->list[i].offset == offset && losses->list[i].cause == 0)
            losses->list[i].cause = cause;
}

bool mapped__lost_retry(mapped__losses *losses, mapped__lost *lost)
{
    for (size_t i = 0; i < losses->count; i++) {
        if (losses->list[i].restored)
            continue;
        *lost = losses->list[i];
        losses->list[i].restored = true;
        return true;
    }
    return false;
}

/* Makes one of the two oldest. It may hold more than was lost, which can only
 * tell somebody of a lost page too many. */
static void join_oldest(mapped__recovered *recovered)
{
    mapped__lost *list = recovered->list;
    size_t rest = --recovered->count - 1;
    join(&list[0], &list[1]);
    recovered->numbers[0] = recovered->numbers[1];
    memmove(&list[1], &list[2], rest * sizeof list[0]);
    memmove(&recovered->numbers[1], &recovered->numbers[2],
            rest * sizeof recovered->numbers[0]);
}

static void note_recovered(mapped__recovered *recovered,
                           const mapped__lost *lost, uint64_t number)
{
    if (recovered->count == MAPPED__RECOVERED_ROOM)
        join_oldest(recovered);
    recovered->list[recovered->count] = *lost;
    recovered->numbers[recovered->count] = number;
    recovered->count++;
}

void mapped__lost_end_recovery(mapped__losses *losses,
                               mapped__recovered *recovered, uint64_t number)
{
    for (size_t i = losses->count; i-- > 0;) {
        if (!losses->list[i].restored)
            continue;
        note_recovered(recovered, &losses->list[i], number);
        drop(losses, i);
    }
    narrow(losses);
}

bool mapped__recovered_find(const mapped__recovered *recovered, uint64_t since,
                            const mapped__lost *part, mapped__lost *found)
{
    for (size_t i = 0; i < recovered->count; i++) {
        if (recovered->numbers[i] > since &&
            touches(&recovered->list[i], part->offset, part->length)) {
            *found = recovered->list[i];
            return true;
        }
    }
    return false;
}
