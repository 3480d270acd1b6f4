/* The system's words for error numbers, and the C library's for classes of
 * characters. */
#include "platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define TEXT_UNITS 256

/* The texts come as one line that ends in ".", a space or both. */
static DWORD without_end(const wchar_t *wide, DWORD units)
{
    while (units > 0 && (wide[units - 1] <= L' ' || wide[units - 1] == L'.'))
        units--;
    return units;
}

static DWORD look_up(int os_error, DWORD language, wchar_t *wide)
{
    DWORD how = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                FORMAT_MESSAGE_MAX_WIDTH_MASK;
    DWORD units = FormatMessageW(how, NULL, (DWORD)os_error, language, wide,
                                 TEXT_UNITS, NULL);
    return without_end(wide, units);
}

/* English as in every other text of the library; where only another language
 * is installed, that one. */
void mapped__system_text(int os_error, char *text, size_t capacity)
{
    wchar_t wide[TEXT_UNITS];
    char bytes[3 * TEXT_UNITS + 1]; /* one UTF-16 unit: at most three bytes */
    DWORD units =
        look_up(os_error, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), wide);
    if (units == 0)
        units = look_up(os_error, 0, wide);
    int length = WideCharToMultiByte(CP_UTF8, 0, wide, (int)units, bytes,
                                     sizeof bytes - 1, NULL, NULL);
    if (length <= 0) {
        snprintf(text, capacity, "error %d", os_error);
        return;
    }
    bytes[length] = '\0';
    snprintf(text, capacity, "%s", bytes);
}

bool mapped__system_is_shortage(int os_error)
{
    switch (os_error) {
    case ERROR_TOO_MANY_OPEN_FILES:
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_COMMITMENT_LIMIT:
        return true;
    default:
        return false;
    }
}

bool mapped__system_is_missing(int os_error)
{
    return os_error == ERROR_FILE_NOT_FOUND || os_error == ERROR_PATH_NOT_FOUND;
}

/* The table that isalpha and its like look into. */
void mapped__system_classes(uint16_t classes[MAPPED__CLASSES])
{
    memcpy(classes, __pctype_func() + 128, MAPPED__CLASSES * sizeof *classes);
}
