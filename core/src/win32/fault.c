/* The handler of in-page errors, which is one of a list that the system keeps,
 * and of accesses that meet a swap of pages: they wait and try again. */
#include "system.h"

#include <assert.h>

static mapped__fault_handler *guard_handler;
static INIT_ONCE installed = INIT_ONCE_STATIC_INIT;

/* Held for the length of a swap. */
static SRWLOCK swapping = SRWLOCK_INIT;
static uint32_t happened;
static uintptr_t current_start;
static size_t current_length;

void mapped__swap_begin(unsigned char *start, size_t length)
{
    AcquireSRWLockExclusive(&swapping);
    MAPPED__STORE(&happened, 1);
    MAPPED__STORE(&current_start, (uintptr_t)start);
    __atomic_store_n(&current_length, length, __ATOMIC_SEQ_CST);
}

void mapped__swap_end(void)
{
    assert(MAPPED__LOAD(&current_length) > 0);
    __atomic_store_n(&current_length, 0, __ATOMIC_SEQ_CST);
    ReleaseSRWLockExclusive(&swapping);
}

/* A mix of two swaps' numbers only makes an access try once more. */
static bool swap_covers(const unsigned char *address)
{
    size_t length = MAPPED__LOAD_ACQUIRE(&current_length);
    return (uintptr_t)address - MAPPED__LOAD(&current_start) < length;
}

static bool swap_happened(void)
{
    return MAPPED__LOAD_ACQUIRE(&happened) != 0;
}

static bool is_accessible(const void *address, bool write)
{
    const DWORD writable = PAGE_READWRITE | PAGE_WRITECOPY |
                           PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    const DWORD readable = writable | PAGE_READONLY | PAGE_EXECUTE_READ;
    MEMORY_BASIC_INFORMATION found;
    return VirtualQuery(address, &found, sizeof found) != 0 &&
           found.State == MEM_COMMIT && !(found.Protect & PAGE_GUARD) &&
           found.Protect & (write ? writable : readable);
}

/* The access met a swap under way, or one that is over by now; an access that
 * would still fail is somebody else's. */
static bool met_a_swap(const unsigned char *address, bool write)
{
    if (swap_covers(address)) {
        AcquireSRWLockShared(&swapping);
        ReleaseSRWLockShared(&swapping);
        return true;
    }
    return swap_happened() && is_accessible(address, write);
}

/* Touching it would be one exception more; the system's own copying fails. */
bool mapped__page_available(unsigned char *address, bool writable)
{
    unsigned char byte;
    SIZE_T got = 0;
    return is_accessible(address, writable) &&
           ReadProcessMemory(GetCurrentProcess(), address, &byte, 1, &got) &&
           got == 1;
}

static bool is_ours(const EXCEPTION_RECORD *record)
{
    if (record->NumberParameters < 2)
        return false;
    unsigned char *address = (unsigned char *)record->ExceptionInformation[1];
    mapped__fault fault = {.address = address};
    if (record->ExceptionCode == EXCEPTION_IN_PAGE_ERROR)
        return guard_handler(&fault);
    return record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION &&
           record->ExceptionInformation[0] <= 1 &&
           met_a_swap(address, record->ExceptionInformation[0] == 1);
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    DWORD kept = GetLastError();
    bool ours = is_ours(exception->ExceptionRecord);
    SetLastError(kept);
    return ours ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

static BOOL CALLBACK install(INIT_ONCE *once, void *handler, void **context)
{
    guard_handler = *(mapped__fault_handler **)handler;
    return AddVectoredExceptionHandler(1, on_exception) != NULL;
}

/* Once is enough: what it declines goes on to all others, in any order. */
mapped_status mapped__fault_install(mapped__fault_handler *handler,
                                    mapped_error *error)
{
    if (InitOnceExecuteOnce(&installed, install, &handler, NULL))
        return MAPPED_OK;
    return mapped__system_error(error, "AddVectoredExceptionHandler");
}

mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    return MAPPED_OK;
}

/* No handler ever interrupts a thread between two accesses. */
void mapped__signals_block(mapped__signal_mask *held)
{
    held->saved[0] = 0;
}

void mapped__signals_unblock(const mapped__signal_mask *held)
{
}
