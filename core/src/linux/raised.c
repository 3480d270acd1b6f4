/* Finds the fault that a signal was raised again for. Some handlers restore the
 * previous one and raise SIGBUS again, as Python's faulthandler does. The
 * second signal carries no address of a fault. But the frame that the kernel
 * pushed for the first one is still on the stack, at higher addresses, with a
 * record (siginfo_t) of the fault or at least the interrupted registers. This
 * file searches the stack for either, and asks `serve` about each fault found.
 *
 * What is found may be left from long ago, so it is marked `maybe_stale`, and
 * counts only if its page is still lost. When all handlers have returned, the
 * access is tried again. */
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "posix/system.h"

static bool serve_record(const siginfo_t *info, mapped__fault_server *serve)
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

#define BLOCK 1024                    /* bytes that are looked at together */
#define ALIGNMENT _Alignof(siginfo_t) /* of records and of registers */

/* How many bytes of the stack to search: more than two frames of the kernel
 * take. */
#define SEARCHED ((uintptr_t)65536)

/* The frame of a handler that takes no siginfo has no record, but it has the
 * interrupted registers, and among them the address that faulted. They count
 * only if they are those of a page fault: by the code segment of a program, the
 * kind of access (the bit FROM_PROGRAM is set if a program made it) and the
 * number of the trap. `trap` is that part of the registers, as the kernel
 * pushes it. */
enum {
    FROM_PROGRAM = 4,
    ACCESS_BITS = 63, /* all that an access can have */
    PAGE_FAULT = 14
};

#if defined(__x86_64__)
typedef struct trap {
    greg_t segment, access, number, mask, address;
} trap;

static bool is_code_segment(greg_t segment)
{
    return (segment & 0xffff) == 0x33;
}
#elif defined(__i386__)
typedef struct trap {
    greg_t number, access, ip, segment, flags, sp, ss, fp, mask, address;
} trap;

/* A 64-bit kernel has one number for it, a 32-bit one another. */
static bool is_code_segment(greg_t segment)
{
    return (segment & 0xffff) == 0x23 || (segment & 0xffff) == 0x73;
}
#else /* there are only records */
typedef struct trap {
    int segment, access, number, address;
} trap;

static bool is_code_segment(int segment)
{
    (void)segment;
    return false;
}
#endif

static bool serve_registers(const unsigned char *registers,
                            mapped__fault_server *serve)
{
    trap found;
    memcpy(&found, registers, sizeof found);
    siginfo_t record = {.si_signo = SIGBUS, .si_code = BUS_ADRERR};
    record.si_addr = (void *)(uintptr_t)found.address;
    return is_code_segment(found.segment) &&
           (found.access & ~ACCESS_BITS) == 0 &&
           (found.access & FROM_PROGRAM) != 0 && found.number == PAGE_FAULT &&
           serve_record(&record, serve);
}

static bool search_block(const unsigned char *block, size_t n,
                         mapped__fault_server *serve)
{
    siginfo_t record;
    for (size_t at = 0; at + sizeof record <= n; at += ALIGNMENT) {
        memcpy(&record, block + at, sizeof record);
        if (record.si_errno == 0 && serve_record(&record, serve))
            return true;
        if (serve_registers(block + at, serve))
            return true;
    }
    return false;
}

/* Where the frame of this signal itself ends. It is left out: its registers
 * still tell of the last fault that the thread has had, whenever that was. */
static uintptr_t frame_end(const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t a = (uintptr_t)(info + 1);
    uintptr_t b = (uintptr_t)(context + 1);
    return a > b ? a : b;
}

/* The stack pointer of the interrupted code, or 0 if that isn't known. */
static uintptr_t interrupted_stack(const ucontext_t *context)
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

/* Where to search: from here on the stack that the interrupted code had, which
 * raised this signal. If this handler runs on an alternate stack and that code
 * didn't, that is the thread's own stack; if both do, the search ends with the
 * alternate stack, and the kernel tells where that is. */
static stretch stack_to_search(const siginfo_t *info, const ucontext_t *context)
{
    const uintptr_t low = (uintptr_t)context->uc_stack.ss_sp;
    const size_t size = context->uc_stack.ss_size;
    uintptr_t start = frame_end(info, context);
    uintptr_t interrupted = interrupted_stack(context);
    bool on_alternate = start - low < size;
    if (on_alternate && interrupted != 0 && interrupted - low >= size) {
        start = interrupted;
        on_alternate = false;
    }
    start = (start + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    stretch found = {start, start + SEARCHED};
    if (on_alternate && low + size < found.to)
        found.to = low + size;
    return found;
}

bool mapped__signal_serve_raised_again(const siginfo_t *info,
                                       const void *context,
                                       mapped__fault_server *serve)
{
    unsigned char block[BLOCK];
    if (info->si_code != SI_TKILL || info->si_pid != getpid())
        return false;
    stretch left = stack_to_search(info, context);
    while (left.from + sizeof(siginfo_t) <= left.to) {
        size_t rest = left.to - left.from;
        size_t wanted = rest < sizeof block ? rest : sizeof block;
        size_t n = read_stack(left.from, block, wanted);
        if (search_block(block, n, serve))
            return true;
        if (n < sizeof block)
            return false;
        /* The next block overlaps this one: a record may lie across its end. */
        left.from += sizeof block - sizeof(siginfo_t);
    }
    return false;
}
