/* Which process this is, and whether another one lives. Numbers of processes
 * are given out again, so the time of the start belongs to an identity. */
#include "system.h"

#define NUMBER_BITS 0x7fffffff

/* The time of its start in the upper half (0: it can't be told), the number in
 * the lower one. Numbers are small, but nobody promises that the highest bit is
 * 0. */
static uint64_t identity_of(HANDLE process, DWORD number)
{
    FILETIME start, end, kernel, user;
    if (!GetProcessTimes(process, &start, &end, &kernel, &user))
        return number & NUMBER_BITS;
    return (uint64_t)start.dwLowDateTime << 32 | (number & NUMBER_BITS);
}

uint64_t mapped__process_identity_cache;

uint64_t mapped__process_identity_find(void)
{
    uint64_t found = identity_of(GetCurrentProcess(), GetCurrentProcessId());
    MAPPED__STORE(&mapped__process_identity_cache, found);
    return found;
}

bool mapped__process_lives(uint64_t identity)
{
    DWORD number = (DWORD)identity;
    HANDLE process = OpenProcess(
        SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, number);
    if (process == NULL)
        return GetLastError() == ERROR_ACCESS_DENIED;
    bool lives = WaitForSingleObject(process, 0) == WAIT_TIMEOUT &&
                 identity_of(process, number) == identity;
    CloseHandle(process);
    return lives;
}

/* Windows has no fork. */
mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    return MAPPED_OK;
}
