/* The system's words for its error numbers. */
#include "platform.h"

#include <errno.h>

#include <locale.h>
#include <stdio.h>
#include <string.h>

/* strerror_l of the C locale: the one spelling that is thread-safe everywhere
 * and doesn't come in two incompatible forms, as strerror_r does. */
void mapped__system_text(int os_error, char *text, size_t capacity)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) {
        snprintf(text, capacity, "error %d", os_error);
        return;
    }
    snprintf(text, capacity, "%s", strerror_l(os_error, plain));
    freelocale(plain);
}

bool mapped__system_is_shortage(int os_error)
{
    return os_error == EMFILE || os_error == ENFILE || os_error == ENOMEM;
}

bool mapped__system_is_missing(int os_error)
{
    return os_error == ENOENT || os_error == ENOTDIR;
}
