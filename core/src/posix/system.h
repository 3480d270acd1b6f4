/* What the POSIX backend asks of the one system that it runs on. linux/ answers
 * it; another POSIX system needs a directory of its own with the same
 * functions. They are callable in a fault handler where their comments say so.
 */
#ifndef MAPPED_POSIX_SYSTEM_H
#define MAPPED_POSIX_SYSTEM_H

#include <errno.h>
#include <signal.h>

#include "platform.h"

/* MAPPED_SYSTEM with errno, which the call has set. */
static inline mapped_status mapped__system_error(mapped_error *error,
                                                 const char *call)
{
    return mapped_error_set_system(error, errno, call);
}

/* File systems (filesystem.c). */

/* The page size of the file system that an open file lies on, if its files are
 * made of huge pages; else 0. */
size_t mapped__file_huge_page(int fd);

/* Is the file's content made up by the kernel as it is read? */
bool mapped__file_is_made_up(int fd);

/* Is the file sealed, so that its size can't change? */
bool mapped__file_is_sealed(int fd);

/* Would a file of `size` bytes on this file system take more memory than the
 * machine has? */
bool mapped__file_exceeds_memory(int fd, uint64_t size);

/* Bytes that the file system still has for this process; UINT64_MAX: it doesn't
 * tell. */
uint64_t mapped__file_free_bytes(int fd);

/* Has the file system no room for another page? */
bool mapped__file_is_full(int fd);

/* Pages (pages.c). */

/* Flags for mmap besides POSIX' own. */
int mapped__pages_flags(const mapped__map_request *request);

/* Asks for transparent huge pages. */
void mapped__pages_advise_huge(void *start, size_t length);

/* Brings pages in. False with errno: EFAULT if touching one would raise a
 * signal, EINVAL if the system can't tell for this memory. */
bool mapped__pages_populate(void *start, size_t length, bool writable);

/* Makes a mapping longer or shorter, as mremap does; elsewhere only if it
 * `may_move`. Returns where it is, or MAP_FAILED with errno: ENOMEM where there
 * is no room, EFAULT if it consists of several mappings. */
void *mapped__pages_remap(void *start, size_t old_length, size_t length,
                          bool may_move);

/* Spare pages, to replace lost ones with while the process is at its limits
 * (replace.c). */

/* Makes spare pages if there are none left; not for fault handlers. */
void mapped__spare_pages_prepare(void);

/* Unmaps the spare pages, which makes room for some mappings more where their
 * number is at its limit. False: there were none. Callable in a fault handler.
 */
bool mapped__spare_pages_release(void);

/* Signals (signals.c, raised.c); all callable in a fault handler. */

/* The number of a signal that the C library keeps to itself, so that no program
 * blocks it. Its bit in a signal mask is free to be a mark (posix/fault.c). */
#define MAPPED__MARK 32

/* As sigaddset and its like, except for the mark too, and only for the part of
 * a set that the kernel knows. */
void mapped__mask_add(sigset_t *set, int signal_number);
void mapped__mask_remove(sigset_t *set, int signal_number);
void mapped__mask_add_all(sigset_t *set, const sigset_t *more);
bool mapped__mask_has(const sigset_t *set, int signal_number);
bool mapped__mask_same(const sigset_t *a, const sigset_t *b);
void mapped__mask_copy(sigset_t *to, const sigset_t *from);

/* Makes `set` the thread's mask, unless it is NULL; `old` may be NULL too. */
void mapped__mask_swap(const sigset_t *set, sigset_t *old);
/* Blocks all signals that can be blocked. */
void mapped__mask_block_all(sigset_t *old);

/* Does the signal tell of a page that can't be had? Then `*fault` says which.
 */
bool mapped__signal_is_fault(const siginfo_t *info, mapped__fault *fault);

/* Does the kernel send it for what the thread is just doing? It kills the
 * process if it is ignored or blocked. */
bool mapped__signal_is_forced(const siginfo_t *info);

/* Sends the signal once more with its original information. It is delivered
 * when the interrupted code would go on. */
void mapped__signal_send_again(int signal_number, siginfo_t *info);

/* If this may be a signal that a handler was called for and has raised again,
 * looks on the stack for the original one, and calls `serve` for each fault
 * that is found, until one is served. False: none was. */
bool mapped__signal_serve_raised_again(const siginfo_t *info,
                                       const void *context,
                                       mapped__fault_server *serve);

#endif
