/* Protection of a whole region: the trait, which refuses every write through
 * the library, and the protection of the pages themselves, which only catches
 * stray pointers. The pages are protected only while nobody could be in the
 * middle of a write, and never before the trait is set: so no write of ours
 * ever meets them. Those of a wrapped region are their owner's. */
#include <mapped/region.h>

#include <assert.h>

#include "region_internal.h"

static mapped_status set_writable(mapped__region *full, bool writable,
                                  mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    if (full->mapping.used > 0)
        status = mapped__map_protect(&full->mapping, writable, error);
    if (status == MAPPED_OK)
        MAPPED__STORE(&full->guard.writable, writable);
    return status;
}

/* Pages that the system doesn't protect are no more than not protected. */
void mapped__region_protect_pages(mapped__region *full)
{
    assert(mapped_region_readonly(&full->head));
    full->pages_protected = set_writable(full, false, NULL) == MAPPED_OK;
}

mapped_status mapped__region_unprotect_pages(mapped__region *full,
                                             mapped_error *error)
{
    if (!full->pages_protected)
        return MAPPED_OK;
    mapped_status status = set_writable(full, true, error);
    full->pages_protected = status != MAPPED_OK;
    return status;
}

/* No export begins between the look at their number and the trait. */
mapped_status mapped__region_protect(mapped__region *full, mapped_error *error)
{
    if (mapped_region_readonly(&full->head))
        return MAPPED_OK;
    mapped_status status = mapped__region_lock(full, true, "protect", error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_free_old(full);
    __atomic_fetch_or(&full->head.traits_, MAPPED__TRAIT_READONLY,
                      __ATOMIC_SEQ_CST);
    if (!full->wrapped && MAPPED__LOAD_ACQUIRE(&full->references) == 1)
        mapped__region_protect_pages(full);
    mapped__region_unlock(full);
    return MAPPED_OK;
}

mapped_status mapped__region_unprotect(mapped__region *full,
                                       mapped_error *error)
{
    if (full->mode == MAPPED_MODE_READ)
        return mapped_error_set(error, MAPPED_READONLY, "protect");
    mapped_status status = mapped__region_lock(full, false, "protect", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_unprotect_pages(full, error);
    if (status == MAPPED_OK)
        __atomic_fetch_and(&full->head.traits_, ~MAPPED__TRAIT_READONLY,
                           __ATOMIC_SEQ_CST);
    mapped__region_unlock(full);
    return status;
}
