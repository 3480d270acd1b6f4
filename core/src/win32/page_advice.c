/* Paging. Windows takes no advice but that pages will be needed. It doesn't
 * tell which pages of a file are in memory, and can't make holes in a file that
 * is mapped. All that is not supported. */
#include "system.h"

static mapped_status unsupported(const char *operation, mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, operation);
}

mapped_status mapped__range_advise(unsigned char *start, size_t length,
                                   mapped__advice advice, mapped_error *error)
{
    WIN32_MEMORY_RANGE_ENTRY range = {start, length};
    if (advice == MAPPED__ADVICE_WILLNEED)
        PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
    else if (advice != MAPPED__ADVICE_NORMAL)
        return unsupported("advise", error);
    return MAPPED_OK;
}

/* The prefetch is a hint, which reports nothing: the caller has to touch the
 * pages. */
mapped_status mapped__range_populate(unsigned char *start, size_t length,
                                     bool writable)
{
    (void)mapped__range_advise(start, length, MAPPED__ADVICE_WILLNEED, NULL);
    return MAPPED_UNSUPPORTED;
}

mapped_status mapped__range_drop(unsigned char *start, size_t length,
                                 mapped_error *error)
{
    return unsupported("drop", error);
}

mapped_status mapped__range_resident(unsigned char *start, size_t length,
                                     unsigned char *vector, mapped_error *error)
{
    return unsupported("residency", error);
}

mapped_status mapped__range_lock(unsigned char *start, size_t length,
                                 mapped_error *error)
{
    if (!VirtualLock(start, length))
        return mapped__system_error(error, "VirtualLock");
    return MAPPED_OK;
}

mapped_status mapped__range_unlock(unsigned char *start, size_t length,
                                   mapped_error *error)
{
    if (!VirtualUnlock(start, length))
        return mapped__system_error(error, "VirtualUnlock");
    return MAPPED_OK;
}

mapped_status mapped__file_discard(intptr_t file, uint64_t offset,
                                   uint64_t length, mapped_error *error)
{
    return unsupported("discard", error);
}

bool mapped__file_cached(intptr_t file, uint64_t offset, uint64_t length,
                         mapped__cached *cached)
{
    return false;
}

mapped__readahead *mapped__readahead_new(void)
{
    return NULL;
}

bool mapped__readahead_start(mapped__readahead *ahead, intptr_t file,
                             uint64_t offset, uint64_t length)
{
    return false;
}

void mapped__readahead_stop(mapped__readahead *ahead)
{
}
