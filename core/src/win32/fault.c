/* The handler of exceptions, one of a list that the system keeps. It serves
 * two:
 *
 * - an in-page error: a page of a file can't be had. The guard's server puts a
 *   zero page there if it is one of ours.
 * - an access violation that meets a swap of views (view.c): the pages are away
 *   for that long. The access waits for the end of the swap, and is repeated.
 *
 * Anything else goes on to the other handlers. */
#include "system.h"

#include <assert.h>

static mapped__fault_server *guard_server;
static INIT_ONCE installed = INIT_ONCE_STATIC_INIT;

static SRWLOCK swapping = SRWLOCK_INIT; /* held for the length of a swap */
static uint32_t swap_happened;          /* 1: there has been one */
static uintptr_t swap_start;            /* of the one under way */
static size_t swap_length;              /* 0: none is under way */

void mapped__swap_begin(unsigned char *start, size_t length)
{
    AcquireSRWLockExclusive(&swapping);
    MAPPED__STORE(&swap_happened, 1);
    MAPPED__STORE(&swap_start, (uintptr_t)start);
    __atomic_store_n(&swap_length, length, __ATOMIC_SEQ_CST);
}

void mapped__swap_end(void)
{
    assert(MAPPED__LOAD(&swap_length) > 0);
    __atomic_store_n(&swap_length, 0, __ATOMIC_SEQ_CST);
    ReleaseSRWLockExclusive(&swapping);
}

/* May answer true wrongly if another swap begins between the two loads; then an
 * access is only repeated once more. */
static bool is_swapped_now(const unsigned char *address)
{
    size_t length = MAPPED__LOAD_ACQUIRE(&swap_length);
    return (uintptr_t)address - MAPPED__LOAD(&swap_start) < length;
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

/* Has the access met a swap? One that is under way is waited for. One that is
 * over by now has left pages which can be accessed: if these can't, the access
 * is wrong for another reason. */
static bool met_a_swap(const unsigned char *address, bool write)
{
    if (is_swapped_now(address)) {
        AcquireSRWLockShared(&swapping);
        ReleaseSRWLockShared(&swapping);
        return true;
    }
    return MAPPED__LOAD_ACQUIRE(&swap_happened) != 0 &&
           is_accessible(address, write);
}

/* A touch might raise an exception. A copy by the system just fails. */
bool mapped__page_available(unsigned char *address, bool writable)
{
    unsigned char byte;
    SIZE_T got = 0;
    return is_accessible(address, writable) &&
           ReadProcessMemory(GetCurrentProcess(), address, &byte, 1, &got) &&
           got == 1;
}

/* The first parameter of both exceptions. */
enum {
    READ,
    WRITE
};

/* True when the access can be repeated. */
static bool serve(const EXCEPTION_RECORD *record)
{
    if (record->NumberParameters < 2)
        return false;
    ULONG_PTR access = record->ExceptionInformation[0];
    unsigned char *address = (unsigned char *)record->ExceptionInformation[1];
    mapped__fault fault = {.address = address};
    if (record->ExceptionCode == EXCEPTION_IN_PAGE_ERROR)
        return guard_server(&fault);
    return record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION &&
           (access == READ || access == WRITE) &&
           met_a_swap(address, access == WRITE);
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    DWORD kept = GetLastError();
    bool served = serve(exception->ExceptionRecord);
    SetLastError(kept);
    return served ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

static BOOL CALLBACK install(INIT_ONCE *once, void *server, void **context)
{
    guard_server = *(mapped__fault_server **)server;
    return AddVectoredExceptionHandler(1, on_exception) != NULL;
}

/* Once is enough: the system goes on to all other handlers with what this one
 * declines, wherever they are in the list. */
mapped_status mapped__fault_install(mapped__fault_server *server,
                                    mapped_error *error)
{
    if (InitOnceExecuteOnce(&installed, install, &server, NULL))
        return MAPPED_OK;
    return mapped__system_error(error, "AddVectoredExceptionHandler");
}

/* A thread runs exception handlers only for what it does itself, so there is
 * nothing to keep out. */
void mapped__signals_block(mapped__signal_mask *held)
{
    held->saved[0] = 0;
}

void mapped__signals_unblock(const mapped__signal_mask *held)
{
}
