/* Locks of bytes, which belong to an open handle. */
#include "system.h"

mapped_status mapped__file_reopen(intptr_t file, bool writable, intptr_t *again,
                                  mapped_error *error)
{
    HANDLE made =
        ReOpenFile((HANDLE)file, GENERIC_READ | (writable ? GENERIC_WRITE : 0),
                   FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, 0);
    if (made == INVALID_HANDLE_VALUE)
        return mapped__system_error(error, "ReOpenFile");
    *again = (intptr_t)made;
    return MAPPED_OK;
}

mapped_status mapped__file_lock(intptr_t file, uint64_t offset, uint64_t length,
                                bool shared, bool *taken, mapped_error *error)
{
    OVERLAPPED from = {.Offset = (DWORD)offset,
                       .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD flags = LOCKFILE_FAIL_IMMEDIATELY |
                  (shared ? 0 : (DWORD)LOCKFILE_EXCLUSIVE_LOCK);
    *taken = LockFileEx((HANDLE)file, flags, 0, (DWORD)length,
                        (DWORD)(length >> 32), &from);
    if (*taken || GetLastError() == ERROR_LOCK_VIOLATION ||
        GetLastError() == ERROR_IO_PENDING)
        return MAPPED_OK;
    return mapped__system_error(error, "LockFileEx");
}

/* No fork shares the handle, so its close is enough. */
void mapped__file_unlock(intptr_t file, uint64_t offset, uint64_t length)
{
}
