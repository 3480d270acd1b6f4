/* What the POSIX backend asks Linux to do with mapped pages: use huge ones,
 * bring them in, move them; and a test whether one can be had, for the guard.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix/system.h"

#ifndef MADV_POPULATE_READ
#    define MADV_POPULATE_READ 22
#    define MADV_POPULATE_WRITE 23
#endif

#ifndef MAP_HUGE_SHIFT
#    define MAP_HUGE_SHIFT 26
#endif

int mapped__pages_flags(const mapped__map_request *request)
{
    if (!(request->flags & MAPPED__MAP_HUGETLB))
        return 0;
    unsigned size = (unsigned)__builtin_ctzll(request->page);
    return (int)(MAP_HUGETLB | size << MAP_HUGE_SHIFT);
}

void mapped__pages_advise_huge(void *start, size_t length)
{
    (void)madvise(start, length, MADV_HUGEPAGE);
}

bool mapped__pages_populate(void *start, size_t length, bool writable)
{
    int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    int result;
    do
        result = madvise(start, length, advice);
    while (result != 0 && (errno == EAGAIN || errno == EINTR));
    return result == 0;
}

/* Kernels before 5.14 can't populate, and none can for a device (EINVAL). There
 * the kernel copies a byte out of the page, which fails if the page can't be
 * had. */
bool mapped__page_available(unsigned char *address, bool writable)
{
    const size_t page = mapped__page_size();
    unsigned char *start = address - (uintptr_t)address % page;
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {start, 1};
    if (mapped__pages_populate(start, page, writable))
        return true;
    return errno == EINVAL &&
           process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

void *mapped__pages_remap(void *start, size_t old_length, size_t length,
                          bool may_move)
{
    return mremap(start, old_length, length, may_move ? MREMAP_MAYMOVE : 0);
}
