/* What a process has mapped, counted over the guard's table, which knows every
 * region from before it is opened until its memory is gone. So nothing is
 * counted where regions are made, exported or closed. */
#include <mapped/region.h>

#include "region_internal.h"

static void count(mapped__guard *guard, void *context)
{
    mapped_statistics *sum = context;
    const mapped__region *full = mapped__region_of_guard(guard);
    uint64_t control = MAPPED__LOAD(&full->control);
    size_t exports = (size_t)(control & MAPPED__CONTROL_EXPORTS);
    if (control & MAPPED__CONTROL_CLOSED && exports == 0)
        return;
    sum->regions++;
    sum->bytes += MAPPED__LOAD(&full->length);
    sum->exports += exports;
}

void mapped_stats(mapped_statistics *statistics)
{
    mapped_statistics sum = {.faults = mapped__guard_faults()};
    mapped__guard_each(count, &sum);
    *statistics = sum;
}
