/* Finds the fault that a signal was raised again for. Some handlers restore the
 * previous one and raise SIGBUS again, as Python's faulthandler does. The
 * second signal carries no address of a fault, but the kernel's record of the
 * first one is still on the stack, at higher addresses: this file searches for
 * it. A record may be left from long ago, so it counts only if its page is
 * still lost. When all handlers have returned, the access is tried again. */
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "posix/system.h"

static bool is_served_fault(const siginfo_t *info, mapped__fault_handler *serve)
{
    mapped__fault fault;
    if (!mapped__signal_is_fault(info, &fault))
        return false;
    fault.maybe_stale = true;
    return serve(&fault);
}

/* The kernel checks the addresses, so this may run off the end of a stack. */
static size_t read_stack(uintptr_t at, void *to, size_t n)
{
    struct iovec local = {to, n};
    struct iovec remote = {(void *)at, n};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    return got > 0 ? (size_t)got : 0;
}

#define BLOCK 1024
#define ALIGNMENT _Alignof(siginfo_t) /* of registers, too */

/* More than two frames of the kernel take. */
#define FRAMES ((uintptr_t)65536)

/* A handler that took no siginfo leaves no record of it, but the interrupted
 * registers. Among them is the address that faulted. They count only if they
 * are those of a page fault: the code segment of a program, the kind of access
 * (the bit USER is set if a program made it) and the number of the trap. */
enum {
    USER = 4,
    PAGE_FAULT = 14
};

#if defined(__x86_64__)
typedef struct trap {
    greg_t segment, access, number, mask, address;
} trap;

static bool is_segment(greg_t segment)
{
    return (segment & 0xffff) == 0x33;
}
#elif defined(__i386__)
typedef struct trap {
    greg_t number, access, ip, segment, flags, sp, ss, fp, mask, address;
} trap;

/* That of a 64-bit kernel and that of a 32-bit one. */
static bool is_segment(greg_t segment)
{
    return (segment & 0xffff) == 0x23 || (segment & 0xffff) == 0x73;
}
#else
typedef struct trap {
    int segment, access, number, address;
} trap;

static bool is_segment(int segment)
{
    (void)segment;
    return false;
}
#endif

static bool is_served_by_registers(const unsigned char *registers,
                                   mapped__fault_handler *serve)
{
    trap found;
    memcpy(&found, registers, sizeof found);
    siginfo_t guess = {.si_signo = SIGBUS, .si_code = BUS_ADRERR};
    guess.si_addr = (void *)(uintptr_t)found.address;
    return is_segment(found.segment) && (found.access & ~63) == 0 &&
           (found.access & USER) != 0 && found.number == PAGE_FAULT &&
           is_served_fault(&guess, serve);
}

static bool search_block(const unsigned char *block, size_t n,
                         mapped__fault_handler *serve)
{
    siginfo_t older;
    for (size_t at = 0; at + sizeof older <= n; at += ALIGNMENT) {
        memcpy(&older, block + at, sizeof older);
        if (older.si_errno == 0 && is_served_fault(&older, serve))
            return true;
        if (is_served_by_registers(block + at, serve))
            return true;
    }
    return false;
}

/* Where this signal's own frame ends. Its registers still tell of the last
 * fault that the thread ever had, which is another matter. */
static uintptr_t frame_end(const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t a = (uintptr_t)(info + 1);
    uintptr_t b = (uintptr_t)(context + 1);
    return a > b ? a : b;
}

/* Where the interrupted code has its stack, or 0. */
static uintptr_t interrupted_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__i386__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_ESP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    return 0;
#endif
}

typedef struct stretch {
    uintptr_t from;
    uintptr_t to;
} stretch;

/* Where to search for older signals: on the stack of the thread that raised
 * this one. The kernel tells where an alternate one ends. */
static stretch stack_of(const siginfo_t *info, const ucontext_t *context)
{
    const uintptr_t low = (uintptr_t)context->uc_stack.ss_sp;
    const size_t size = context->uc_stack.ss_size;
    uintptr_t here = frame_end(info, context);
    uintptr_t there = interrupted_at(context);
    bool alternate = here - low < size;
    if (alternate && there != 0 && there - low >= size) {
        here = there;
        alternate = false;
    }
    here = (here + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    stretch found = {here, here + FRAMES};
    if (alternate && low + size < found.to)
        found.to = low + size;
    return found;
}

bool mapped__signal_is_raised_again(const siginfo_t *info, const void *context,
                                    mapped__fault_handler *serve)
{
    unsigned char block[BLOCK];
    stretch left = stack_of(info, context);
    if (info->si_code != SI_TKILL || info->si_pid != getpid())
        return false;
    while (left.from + sizeof(siginfo_t) <= left.to) {
        size_t rest = left.to - left.from;
        size_t wanted = rest < sizeof block ? rest : sizeof block;
        size_t n = read_stack(left.from, block, wanted);
        if (search_block(block, n, serve))
            return true;
        if (n < sizeof block)
            return false;
        left.from += sizeof block - sizeof(siginfo_t);
    }
    return false;
}
