#include <mapped/region.h>

#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

static const char *const mode_texts[] = {"r", "r+", "c", "w+", "x+"};

mapped_status mapped_mode_parse(const char *text, size_t length,
                                mapped_mode *mode, mapped_error *error)
{
    for (size_t i = 0; i < sizeof mode_texts / sizeof mode_texts[0]; i++) {
        if (strlen(mode_texts[i]) == length &&
            memcmp(mode_texts[i], text, length) == 0) {
            *mode = (mapped_mode)i;
            return MAPPED_OK;
        }
    }
    return mapped_error_set(error, MAPPED_ARGUMENT, "mode");
}

const char *mapped_mode_text(mapped_mode mode)
{
    return mode_texts[mode];
}

static bool swap_control(mapped__region *full, uint64_t *seen, uint64_t next)
{
    return __atomic_compare_exchange_n(&full->control, seen, next, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t control_of(const mapped__region *full)
{
    return MAPPED__LOAD_ACQUIRE(&full->control);
}

static mapped_status check_alone(uint64_t seen, const char *what,
                                 mapped_error *error)
{
    if ((seen & MAPPED__CONTROL_PINS) != 0)
        return mapped_error_set(error, MAPPED_BUSY, what);
    return MAPPED_OK;
}

mapped_status mapped__region_lock(mapped__region *full, bool alone,
                                  const char *what, mapped_error *error)
{
    uint64_t seen = control_of(full);
    uint64_t added =
        MAPPED__CONTROL_LOCKED | (alone ? MAPPED__CONTROL_CLOSED : 0);
    for (;;) {
        if (seen & MAPPED__CONTROL_LOCKED) {
            mapped__yield();
            seen = control_of(full);
        } else if (seen & MAPPED__CONTROL_CLOSED) {
            return mapped_error_set(error, MAPPED_CLOSED, what);
        } else if (alone && check_alone(seen, what, error) != MAPPED_OK) {
            return MAPPED_BUSY;
        } else if (swap_control(full, &seen, seen | added)) {
            return MAPPED_OK;
        }
    }
}

mapped_status mapped__region_lock_pins(mapped__region *full, const char *what,
                                       mapped_error *error)
{
    uint64_t seen = control_of(full);
    while (check_alone(seen, what, error) == MAPPED_OK)
        if (swap_control(full, &seen, seen | MAPPED__CONTROL_CLOSED))
            return MAPPED_OK;
    return MAPPED_BUSY;
}

void mapped__region_unlock(mapped__region *full)
{
    __atomic_fetch_and(&full->control,
                       ~(MAPPED__CONTROL_LOCKED | MAPPED__CONTROL_CLOSED),
                       __ATOMIC_ACQ_REL);
}

mapped_status mapped_region_pin(mapped_region *region, void **data,
                                mapped_error *error)
{
    mapped__region *full = mapped__region_of(region);
    uint64_t seen = control_of(full);
    do {
        while ((seen & MAPPED__CONTROL_CLOSED) &&
               (seen & MAPPED__CONTROL_LOCKED)) {
            mapped__yield();
            seen = control_of(full);
        }
        if (seen & MAPPED__CONTROL_CLOSED)
            return mapped_error_set(error, MAPPED_CLOSED, "pin");
    } while (!swap_control(full, &seen, seen + 1));
    *data = region->base_;
    return MAPPED_OK;
}

void mapped_region_unpin(mapped_region *region)
{
    __atomic_fetch_sub(&mapped__region_of(region)->control, 1,
                       __ATOMIC_ACQ_REL);
}

bool mapped_region_occupied(const mapped_region *region)
{
    return control_of(mapped__region_of(region)) & MAPPED__CONTROL_LOCKED;
}

void mapped_region_wait(const mapped_region *region)
{
    while (mapped_region_occupied(region))
        mapped__yield();
}

size_t mapped_region_pins(const mapped_region *region)
{
    return (size_t)(control_of(mapped__region_of(region)) &
                    MAPPED__CONTROL_PINS);
}

unsigned char mapped__region_nothing[1];

/* Inline code may check against a live length that it read some time ago. A
 * region that is shorter than it once was says so in its state, before the
 * length is seen. */
void mapped__region_publish_length(mapped__region *full, size_t length)
{
    bool device = full->head.traits_ & MAPPED__TRAIT_DEVICE;
    bool shrunk = length < full->longest;
    if (shrunk)
        __atomic_fetch_or(&full->head.state_, MAPPED__STATE_SHRUNK,
                          __ATOMIC_SEQ_CST);
    MAPPED__STORE(&full->length, length);
    MAPPED__STORE_RELEASE(&full->head.live_, device ? 0 : length);
    if (shrunk)
        return;
    full->longest = length;
    __atomic_fetch_and(&full->head.state_, ~MAPPED__STATE_SHRUNK,
                       __ATOMIC_SEQ_CST);
}

void mapped__region_publish(mapped__region *full, size_t length)
{
    unsigned char *start = full->mapping.address;
    unsigned char *base =
        start != NULL ? start + full->lead : mapped__region_nothing;
    /* Other threads may be reading it, unless it really moves. */
    if (full->head.base_ != base)
        MAPPED__STORE(&full->head.base_, base);
    mapped__region_publish_length(full, length);
}

/* The request that describes the region's mapping at `length` bytes. Adding the
 * lead can't overflow where the length was accepted: it is less than a page,
 * and the backend rounds up with a check of its own. */
bool mapped__region_describe(const mapped__region *full, size_t length,
                             mapped__map_request *request)
{
    request->file = full->file;
    request->offset = full->offset - full->lead;
    request->page = full->mapping.page;
    request->flags = full->mapping.flags & ~MAPPED__MAP_POPULATE;
    request->reserve = 0;
    return mapped_add_size(length, length > 0 ? full->lead : 0,
                           &request->length) &&
           (full->reserve == 0 ||
            mapped_add_size((size_t)full->reserve, full->lead,
                            &request->reserve));
}

static void free_memory(mapped__region *full)
{
    mapped__guard_remove(&full->guard);
    mapped__unmap(&full->mapping);
    if (full->hook != NULL)
        full->hook(full->context);
    full->hook = NULL;
}

/* Others may be between their two checks: the pages go, the addresses stay. If
 * even that fails the file stays mapped until the last release, out of reach
 * all the same because the live length is 0. */
static void revoke_memory(mapped__region *full)
{
    if (full->mapping.used > 0)
        (void)mapped__map_revoke(&full->mapping, 0, full->mapping.used, NULL);
}

/* Runs once, with the region locked and no pin left, or by the last release.
 * Closed first: who then meets the length 0 knows why. */
static void end_access(mapped__region *full, bool alone)
{
    __atomic_fetch_or(&full->head.state_, MAPPED__STATE_CLOSED,
                      __ATOMIC_SEQ_CST);
    mapped__region_publish_length(full, 0);
    if (alone)
        free_memory(full);
    else
        revoke_memory(full);
    mapped__file_close(full->file);
    full->file = MAPPED__NO_FILE;
}

mapped_status mapped_region_close(mapped_region *region, mapped_error *error)
{
    mapped__region *full = mapped__region_of(region);
    mapped_status status = mapped__region_lock(full, true, "close", error);
    if (status == MAPPED_CLOSED)
        return MAPPED_OK;
    if (status != MAPPED_OK)
        return status;
    end_access(full, MAPPED__LOAD_ACQUIRE(&full->references) == 1);
    __atomic_fetch_and(&full->control, ~MAPPED__CONTROL_LOCKED,
                       __ATOMIC_ACQ_REL);
    return MAPPED_OK;
}

void mapped_region_acquire(mapped_region *region)
{
    __atomic_fetch_add(&mapped__region_of(region)->references, 1,
                       __ATOMIC_RELAXED);
}

void mapped_region_release(mapped_region *region)
{
    if (region == NULL)
        return;
    mapped__region *full = mapped__region_of(region);
    if (__atomic_fetch_sub(&full->references, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    if (control_of(full) & MAPPED__CONTROL_CLOSED)
        free_memory(full);
    else
        end_access(full, true);
    free(full);
}

size_t mapped_region_length(const mapped_region *region)
{
    return MAPPED__LOAD_ACQUIRE(&mapped__region_of(region)->length);
}

bool mapped_region_closed(const mapped_region *region)
{
    return MAPPED__LOAD_ACQUIRE(&region->state_) & MAPPED__STATE_CLOSED;
}

bool mapped_region_readonly(const mapped_region *region)
{
    return MAPPED__LOAD(&region->traits_) & MAPPED__TRAIT_READONLY;
}

bool mapped_region_device(const mapped_region *region)
{
    return MAPPED__LOAD(&region->traits_) & MAPPED__TRAIT_DEVICE;
}

mapped_mode mapped_region_mode(const mapped_region *region)
{
    return mapped__region_of(region)->mode;
}

const char *mapped_region_name(const mapped_region *region)
{
    return mapped__region_of(region)->name;
}
