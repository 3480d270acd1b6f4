/* What the tests of files on Windows share: a directory of their own, files
 * with known bytes, and the number of handles that the process holds. */
#ifndef FOLDER_H
#define FOLDER_H

#include "../memory.h"

#include <windows.h>

static char folder_name[MAX_PATH + 32];

/* Removes the directory, unless a test has left a file in it. */
CHECK__UNUSED static void folder_remove(void)
{
    RemoveDirectoryA(folder_name);
}

/* Returns the path of `name` inside the directory, which is valid until the
 * fourth call after this one. */
CHECK__UNUSED static const char *folder_path(const char *name)
{
    static char paths[4][sizeof folder_name + 64];
    static unsigned next;
    if (folder_name[0] == '\0') {
        char parent[MAX_PATH] = "";
        GetTempPathA(sizeof parent, parent);
        snprintf(folder_name, sizeof folder_name, "%smapped-test-%lu", parent,
                 GetCurrentProcessId());
        CreateDirectoryA(folder_name, NULL);
        atexit(folder_remove);
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder_name, name);
    return path;
}

/* Makes a file of `length` bytes. Byte i is memory_byte(i). */
CHECK__UNUSED static const char *folder_file(const char *name, size_t length)
{
    const char *path = folder_path(name);
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; file != NULL && i < length; i++)
        putc(memory_byte(i), file);
    if (file == NULL || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    return path;
}

/* Returns -1 if there is no such file. */
CHECK__UNUSED static int64_t folder_size(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA found;
    if (!GetFileAttributesExA(path, GetFileExInfoStandard, &found))
        return -1;
    return (int64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow;
}

/* Deletes a file, which fails while anything maps it. */
CHECK__UNUSED static void folder_delete(const char *path)
{
    CHECK(DeleteFileA(path));
    CHECK_INT(folder_size(path), -1);
}

CHECK__UNUSED static DWORD folder_handles(void)
{
    DWORD count = 0;
    GetProcessHandleCount(GetCurrentProcess(), &count);
    return count;
}

CHECK__UNUSED static mapped_region *folder_open(const char *path,
                                                mapped_mode mode,
                                                uint64_t offset,
                                                uint64_t length)
{
    mapped_region *region = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.offset = offset;
    options.length = length;
    if (mapped_region_open(path, mode, &options, &region, &error) !=
        MAPPED_OK) {
        char text[MAPPED_ERROR_MESSAGE_SIZE];
        mapped_error_message(&error, text, sizeof text);
        printf("can't open %s: %s\n", path, text);
        exit(1);
    }
    return region;
}

/* Returns whether bytes [from, to) of the region are those of the file from
 * byte `offset` + from on. */
CHECK__UNUSED static bool folder_pattern(const mapped_region *region,
                                         size_t from, size_t to, size_t offset)
{
    for (size_t i = from; i < to; i++)
        if (region->base_[i] != memory_byte(offset + i))
            return false;
    return true;
}

CHECK__UNUSED static bool folder_zeros(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

#endif
