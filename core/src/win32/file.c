/* Files: opening, telling what they are, changing their size, writing them to
 * the disk. A file is a HANDLE. Where the functions here take one, it may also
 * be that of a section of the pagefile (section.c), which the system's
 * functions for files don't know; so it is asked about sections first. Paths
 * are UTF-8 in the library, and UTF-16 for the system. */
#include <io.h>
#include <stdlib.h>

#include "system.h"

#include <winioctl.h>

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define CREATE_TRIES 16
#define ZEROS_BYTES 65536

intptr_t mapped__file_from_descriptor(int descriptor)
{
    return _get_osfhandle(descriptor);
}

/* The caller frees `*wide`. Bytes that are no UTF-8 name no file: they are an
 * error (1113), not a best guess. */
static mapped_status to_utf16(const char *path, wchar_t **wide,
                              mapped_error *error)
{
    int units =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (units == 0)
        return mapped__system_error(error, "MultiByteToWideChar");
    wchar_t *text = malloc((size_t)units * sizeof *text);
    if (text == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "malloc");
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, text, units);
    *wide = text;
    return MAPPED_OK;
}

/* SECURITY_ANONYMOUS: a path may name somebody's pipe, whose server must not
 * act in our name. */
static HANDLE open_wide(const wchar_t *path, DWORD access, DWORD disposition,
                        DWORD flags)
{
    return CreateFileW(path, access, SHARE_ALL, NULL, disposition,
                       flags | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS,
                       NULL);
}

/* Exclusive creation first and a plain open second tells who has created the
 * file. If a peer creates or removes it in between, both are tried again. */
static HANDLE create(const wchar_t *path, DWORD access, bool may_exist,
                     bool *created)
{
    HANDLE handle = INVALID_HANDLE_VALUE;
    for (int i = 0; handle == INVALID_HANDLE_VALUE && i < CREATE_TRIES; i++) {
        handle = open_wide(path, access, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
        *created = handle != INVALID_HANDLE_VALUE;
        if (*created || GetLastError() != ERROR_FILE_EXISTS || !may_exist)
            break;
        handle = open_wide(path, access, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
        if (GetLastError() != ERROR_FILE_NOT_FOUND)
            break;
    }
    return handle;
}

static HANDLE open_file(const wchar_t *path, unsigned flags, bool *created)
{
    DWORD access =
        GENERIC_READ | (flags & MAPPED__FILE_WRITE ? GENERIC_WRITE : 0);
    if (flags & (MAPPED__FILE_CREATE | MAPPED__FILE_EXCLUSIVE))
        return create(path, access, !(flags & MAPPED__FILE_EXCLUSIVE), created);
    return open_wide(path, access, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
}

static bool is_directory(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES &&
           attributes & FILE_ATTRIBUTE_DIRECTORY;
}

/* Opens a directory, too (which takes backup semantics), although it can't be
 * mapped: Windows would only say "access denied". The caller finds out what it
 * has opened, and says that. */
static HANDLE open_file_or_directory(const wchar_t *path, unsigned flags,
                                     bool *created)
{
    HANDLE handle = open_file(path, flags, created);
    if (handle == INVALID_HANDLE_VALUE && !(flags & MAPPED__FILE_EXCLUSIVE)) {
        DWORD kept = GetLastError();
        if (kept == ERROR_ACCESS_DENIED && is_directory(path))
            handle = open_wide(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
                               FILE_FLAG_BACKUP_SEMANTICS);
        if (handle == INVALID_HANDLE_VALUE)
            SetLastError(kept);
    }
    return handle;
}

mapped_status mapped__file_refuse(mapped__file_kind kind, mapped_error *error)
{
    mapped_error_set(error, MAPPED_NOT_A_FILE, "open");
    if (error != NULL)
        error->os_error = kind == MAPPED__FILE_DIRECTORY ? ERROR_DIRECTORY
                                                         : ERROR_BAD_FILE_TYPE;
    return MAPPED_NOT_A_FILE;
}

/* What begins with a separator or has a drive needs no base. */
size_t mapped__path_base(const char *path, char base[MAPPED__BASE_SIZE])
{
    wchar_t wide[MAPPED__BASE_SIZE / 4];
    DWORD units = GetCurrentDirectoryW(MAPPED__BASE_SIZE / 4, wide);
    if (strpbrk(path, ":") != NULL || path[0] == '/' || path[0] == '\\' ||
        units == 0 || units >= MAPPED__BASE_SIZE / 4)
        return 0;
    int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, (int)units, base,
                                    MAPPED__BASE_SIZE - 1, NULL, NULL);
    if (bytes > 0)
        base[bytes++] = '\\';
    return (size_t)bytes;
}

bool mapped__path_is_absolute(const char *path)
{
    bool drive = path[0] != '\0' && path[1] == ':';
    const char *root = drive ? path + 2 : path + 1;
    return (drive || path[0] == '/' || path[0] == '\\') &&
           (root[0] == '/' || root[0] == '\\');
}

/* MAPPED__FILE_DEVICE_IO has no meaning here: no Windows device is mapped
 * through a file. */
mapped_status mapped__file_open(const char *path, unsigned flags,
                                unsigned permissions, intptr_t *file,
                                bool *created, mapped_error *error)
{
    wchar_t *wide;
    mapped_status status = to_utf16(path, &wide, error);
    if (status != MAPPED_OK)
        return status;
    bool is_created = false;
    HANDLE handle = open_file_or_directory(wide, flags, &is_created);
    if (handle == INVALID_HANDLE_VALUE)
        status = mapped__system_error(error, "CreateFile");
    free(wide);
    if (status != MAPPED_OK)
        return status;
    *file = (intptr_t)handle;
    *created = is_created;
    return MAPPED_OK;
}

mapped_status mapped__file_duplicate(intptr_t file, intptr_t *copy,
                                     mapped_error *error)
{
    HANDLE self = GetCurrentProcess();
    HANDLE handle;
    if (!DuplicateHandle(self, (HANDLE)file, self, &handle, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return mapped__system_error(error, "DuplicateHandle");
    *copy = (intptr_t)handle;
    return MAPPED_OK;
}

void mapped__file_close(intptr_t file)
{
    if (file != MAPPED__NO_FILE)
        CloseHandle((HANDLE)file);
}

static uint64_t join_halves(DWORD high, DWORD low)
{
    return (uint64_t)high << 32 | low;
}

static void init_info(mapped__file_info *info)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    *info = (mapped__file_info){.granularity = system.dwAllocationGranularity,
                                .page = system.dwPageSize,
                                .kind = MAPPED__FILE_OTHER};
}

static void fill_disk_info(const BY_HANDLE_FILE_INFORMATION *found,
                           mapped__file_info *info)
{
    bool directory = found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
    info->kind = directory ? MAPPED__FILE_DIRECTORY : MAPPED__FILE_REGULAR;
    info->device = found->dwVolumeSerialNumber;
    info->serial = join_halves(found->nFileIndexHigh, found->nFileIndexLow);
    if (!directory)
        info->size = join_halves(found->nFileSizeHigh, found->nFileSizeLow);
}

/* A raw volume counts as a disk file but has no file information. It stays
 * MAPPED__FILE_OTHER: it can't be mapped. */
static mapped_status get_disk_info(HANDLE handle, mapped__file_info *info,
                                   mapped_error *error)
{
    BY_HANDLE_FILE_INFORMATION found;
    if (GetFileInformationByHandle(handle, &found)) {
        fill_disk_info(&found, info);
        return MAPPED_OK;
    }
    DWORD reason = GetLastError();
    if (reason == ERROR_INVALID_FUNCTION || reason == ERROR_INVALID_PARAMETER)
        return MAPPED_OK;
    return mapped__system_error(error, "GetFileInformationByHandle");
}

uint64_t mapped__file_birth(intptr_t file)
{
    FILETIME birth;
    if (!GetFileTime((HANDLE)file, &birth, NULL, NULL))
        return 0;
    return join_halves(birth.dwHighDateTime, birth.dwLowDateTime);
}

/* Sections first: what GetFileType says of one differs between versions. They
 * have no serial number; the handle tells two of them apart. */
mapped_status mapped__file_info_get(intptr_t file, mapped__file_info *info,
                                    mapped_error *error)
{
    mapped__file_info found;
    mapped_status status = MAPPED_OK;
    init_info(&found);
    if (mapped__section_size(file, &found.size)) {
        found.kind = MAPPED__FILE_REGULAR;
        found.serial = (uint64_t)file;
    } else {
        SetLastError(NO_ERROR);
        DWORD type = GetFileType((HANDLE)file);
        if (type == FILE_TYPE_DISK)
            status = get_disk_info((HANDLE)file, &found, error);
        else if (type == FILE_TYPE_UNKNOWN && GetLastError() != NO_ERROR)
            status = mapped__system_error(error, "GetFileType");
    }
    if (status == MAPPED_OK)
        *info = found;
    return status;
}

mapped_status mapped__path_identify(const char *path,
                                    mapped__file_identity *identity,
                                    mapped_error *error)
{
    intptr_t file;
    bool created;
    mapped__file_info info;
    mapped_status status =
        mapped__file_open(path, 0, 0, &file, &created, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__file_info_get(file, &info, error);
    if (status == MAPPED_OK)
        *identity = (mapped__file_identity){info.device, info.serial,
                                            mapped__file_birth(file)};
    mapped__file_close(file);
    return status;
}

/* A full disk is reported when pages are written back, and is never the cause
 * of a fault. */
int mapped__file_fault_cause(intptr_t file, uint64_t offset)
{
    mapped__file_info info;
    if (mapped__file_info_get(file, &info, NULL) == MAPPED_OK &&
        offset >= info.size)
        return ERROR_HANDLE_EOF;
    return ERROR_IO_DEVICE;
}

static bool set_end(HANDLE handle, uint64_t size)
{
    FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (LONGLONG)size};
    return SetFileInformationByHandle(handle, FileEndOfFileInfo, &end,
                                      sizeof end);
}

/* Does the error say that the file system doesn't know allocation? Then moving
 * the end of the file allocates or fails. */
static bool lacks_allocation(DWORD reason)
{
    return reason == ERROR_INVALID_FUNCTION || reason == ERROR_NOT_SUPPORTED ||
           reason == ERROR_INVALID_PARAMETER ||
           reason == ERROR_CALL_NOT_IMPLEMENTED;
}

static bool set_allocation(HANDLE handle, uint64_t size)
{
    FILE_ALLOCATION_INFO blocks = {.AllocationSize.QuadPart = (LONGLONG)size};
    return SetFileInformationByHandle(handle, FileAllocationInfo, &blocks,
                                      sizeof blocks) ||
           lacks_allocation(GetLastError());
}

static bool is_sparse(HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION found;
    return GetFileInformationByHandle(handle, &found) &&
           found.dwFileAttributes & FILE_ATTRIBUTE_SPARSE_FILE;
}

/* In a sparse file only bytes that were written have blocks. */
static bool write_zeros(HANDLE handle, uint64_t from, uint64_t to)
{
    static const char zeros[ZEROS_BYTES];
    while (from < to) {
        OVERLAPPED at = {.Offset = (DWORD)from,
                         .OffsetHigh = (DWORD)(from >> 32)};
        DWORD n = to - from < sizeof zeros ? (DWORD)(to - from) : sizeof zeros;
        DWORD done;
        if (!WriteFile(handle, zeros, n, &done, &at))
            return false;
        from += done;
    }
    return true;
}

static mapped_status allocate_blocks(HANDLE handle, uint64_t old_size,
                                     uint64_t size, mapped_error *error)
{
    if (!set_allocation(handle, size))
        return mapped__system_error(error, "SetFileInformationByHandle");
    if (!set_end(handle, size))
        return mapped__system_error(error, "SetFileInformationByHandle");
    if (!is_sparse(handle) || write_zeros(handle, old_size, size))
        return MAPPED_OK;
    mapped_status status = mapped__system_error(error, "WriteFile");
    set_end(handle, old_size);
    return status;
}

/* Makes the file sparse. Where the file system can't, it takes its full size.
 */
static void allow_holes(HANDLE handle)
{
    DWORD unused;
    DeviceIoControl(handle, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &unused, NULL);
}

mapped_status mapped__file_resize(intptr_t file, uint64_t old_size,
                                  uint64_t size, bool allocate,
                                  mapped_error *error)
{
    HANDLE handle = (HANDLE)file;
    uint64_t limit;
    if (mapped__section_size(file, &limit))
        return mapped__section_resize(file, size, error);
    if (size > old_size && allocate)
        return allocate_blocks(handle, old_size, size, error);
    if (size > old_size)
        allow_holes(handle);
    if (!set_end(handle, size))
        return mapped__system_error(error, "SetFileInformationByHandle");
    return MAPPED_OK;
}

mapped_status mapped__file_read_at(intptr_t file, uint64_t offset, void *to,
                                   size_t n, mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "revert");
}

/* No file: one that is mapped can't be truncated here. */
bool mapped__file_can_write_at(intptr_t file)
{
    return false;
}

mapped_status mapped__file_write_at(intptr_t file, uint64_t offset,
                                    const void *from, size_t n,
                                    mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "write");
}

mapped_status mapped__file_write(intptr_t file, const void *from, size_t n,
                                 size_t *written, mapped_error *error)
{
    DWORD bytes;
    if (!WriteFile((HANDLE)file, from, (DWORD)n, &bytes, NULL))
        return mapped__system_error(error, "WriteFile");
    *written = bytes;
    return MAPPED_OK;
}

/* The C library has no streams that call functions of ours. */
mapped_status mapped__stream_open(void *context,
                                  const mapped__stream_calls *calls,
                                  bool writable, FILE **stream,
                                  mapped_error *error)
{
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "file");
}

void mapped__file_remove(const char *path)
{
    wchar_t *wide;
    if (to_utf16(path, &wide, NULL) != MAPPED_OK)
        return;
    DeleteFileW(wide);
    free(wide);
}

/* A mapping may consist of several views, which are flushed one by one.
 * FlushViewOfFile only begins to write. */
mapped_status mapped__file_flush(intptr_t file, uint64_t offset,
                                 unsigned char *address, size_t length,
                                 bool wait, mapped_error *error)
{
    unsigned char *start = address;
    unsigned char *end = address + length;
    mapped__piece piece;
    for (; mapped__view_piece(start, end, &piece); start = piece.end) {
        unsigned char *to = piece.end < end ? piece.end : end;
        if (piece.is_view && !FlushViewOfFile(start, (SIZE_T)(to - start)))
            return mapped__system_error(error, "FlushViewOfFile");
    }
    return wait ? mapped__file_sync(file, error) : MAPPED_OK;
}

mapped_status mapped__file_sync(intptr_t file, mapped_error *error)
{
    return FlushFileBuffers((HANDLE)file)
               ? MAPPED_OK
               : mapped__system_error(error, "FlushFileBuffers");
}

/* FlushFileBuffers of a file also writes the file system's journal, which has
 * the entries of directories. */
mapped_status mapped__directory_sync(const char *path, mapped_error *error)
{
    return MAPPED_OK;
}
