/* The C library's words: for error numbers, and for classes of characters. */
#include "platform.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* strerror_l in the C locale: it is thread-safe everywhere, and doesn't come in
 * two incompatible forms, as strerror_r does. */
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

#ifdef __GLIBC__
/* Copies the table that isalpha and its like look into. */
void mapped__system_classes(uint16_t classes[MAPPED__CLASSES])
{
    memcpy(classes, *__ctype_b_loc() + 128, MAPPED__CLASSES * sizeof *classes);
}
#else
/* Other C libraries don't show theirs, so each function is asked. */
void mapped__system_classes(uint16_t classes[MAPPED__CLASSES])
{
    for (int i = 0; i < MAPPED__CLASSES; i++) {
        int byte = 128 + i;
        const bool is_in[] = {isalpha(byte), iscntrl(byte), isdigit(byte),
                              isgraph(byte), islower(byte), ispunct(byte),
                              isspace(byte), isupper(byte), isxdigit(byte)};
        classes[i] = 0;
        for (size_t bit = 0; bit < sizeof is_in / sizeof is_in[0]; bit++)
            classes[i] |= (uint16_t)(is_in[bit] << bit);
    }
}
#endif
