/* Locks of bytes of a file. The system takes all locks of one open file
 * description for those of one owner. So each lock opens the file again, and
 * has a description of its own. The system can't wait with a deadline, so a
 * lock is tried again and again, with growing pauses. */
#include <mapped/lock.h>

#include "region_internal.h"

/* How long the first pause between two tries is, and the longest, in
 * nanoseconds. The first is short because most locks are held for a short time.
 */
#define FIRST_PAUSE ((uint64_t)50000)
#define LONGEST_PAUSE ((uint64_t)10000000)

/* Opens the file a second time. The region is locked. */
static mapped_status reopen(mapped__region *self, bool shared, intptr_t *file,
                            mapped_error *error)
{
    if (!shared && !mapped__mode_shares_writes(self->mode))
        return mapped_error_set(error, MAPPED_READONLY, "lock");
    if (self->fixed)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "lock");
    return mapped__region_reopen_file(self, !shared, file, error);
}

static mapped_status open_for_lock(mapped_slice slice, bool shared,
                                   intptr_t *file, mapped_error *error)
{
    mapped__region *self = mapped__region_of(slice.region);
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && slice.length == 0)
        status = mapped_error_set(error, MAPPED_ARGUMENT, "lock of no bytes");
    if (status == MAPPED_OK)
        status = mapped__region_lock(self, "lock", error);
    if (status != MAPPED_OK)
        return status;
    status = reopen(self, shared, file, error);
    mapped__region_unlock(self);
    return status;
}

/* Sleeps for `pause`, or until the deadline if that is sooner. */
static mapped_status sleep_for(const mapped_region *region, uint64_t pause,
                               uint64_t deadline, mapped_error *error)
{
    static const uint32_t nothing; /* nobody changes it */
    uint64_t now = mapped__now();
    if (mapped_region_closed(region))
        return mapped_error_set(error, MAPPED_CLOSED, "lock");
    if (now >= deadline)
        return mapped_error_set(error, MAPPED_TIMEOUT, "lock");
    uint64_t left = deadline - now;
    if (!mapped__wait_shared(&nothing, 0, left < pause ? left : pause))
        return mapped_error_set(error, MAPPED_INTERRUPTED, "lock");
    return MAPPED_OK;
}

static uint64_t start_of(mapped_slice slice)
{
    return mapped__region_of(slice.region)->offset + (uint64_t)slice.offset;
}

static mapped_status acquire(mapped_slice slice, bool shared, uint64_t deadline,
                             intptr_t file, mapped_error *error)
{
    uint64_t pause = FIRST_PAUSE;
    for (;;) {
        bool taken;
        mapped_status status = mapped__file_lock(
            file, start_of(slice), slice.length, shared, &taken, error);
        if (status != MAPPED_OK || taken)
            return status;
        status = sleep_for(slice.region, pause, deadline, error);
        if (status != MAPPED_OK)
            return status;
        pause = 2 * pause < LONGEST_PAUSE ? 2 * pause : LONGEST_PAUSE;
    }
}

mapped_status mapped_lock_acquire(mapped_slice slice, bool shared,
                                  uint64_t deadline, mapped_lock *lock,
                                  mapped_error *error)
{
    intptr_t file;
    mapped_status status = open_for_lock(slice, shared, &file, error);
    if (status == MAPPED_OK) {
        status = acquire(slice, shared, deadline, file, error);
        if (status != MAPPED_OK)
            mapped__file_close(file);
    }
    if (status == MAPPED_OK)
        /* 1 more than the file, so that 0 is a lock that isn't held. */
        *lock = (mapped_lock){.file_ = file + 1,
                              .start_ = start_of(slice),
                              .length_ = slice.length,
                              .owner_ = mapped__process_identity()};
    return mapped__region_complete_error(slice.region, "lock", status, error);
}

/* The child of a fork has the description, too, so the lock would outlive the
 * close: its owner ends it first. In the child, nothing but the descriptor is
 * closed. */
void mapped_lock_release(mapped_lock *lock)
{
    if (lock == NULL || lock->file_ == 0)
        return;
    intptr_t file = lock->file_ - 1;
    if (lock->owner_ != 0 && lock->owner_ == mapped__process_identity())
        mapped__file_unlock(file, lock->start_, lock->length_);
    mapped__file_close(file);
    lock->file_ = 0;
}
