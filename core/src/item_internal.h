/* What the files of typed data share about items. */
#ifndef MAPPED_ITEM_INTERNAL_H
#define MAPPED_ITEM_INTERNAL_H

#include <string.h>

#include <mapped/item.h>

/* Stores one item from plain memory, as mapped_item_write does off devices. */
void mapped__item_store(const mapped_item *item, unsigned char *to,
                        const unsigned char *from);

/* Do two fields have the same name, or both none? */
static inline bool mapped__field_is_named(const mapped_field *a,
                                          const mapped_field *b)
{
    if (a->name == NULL || b->name == NULL)
        return a->name == b->name;
    return a->name_length == b->name_length &&
           memcmp(a->name, b->name, a->name_length) == 0;
}

#endif
