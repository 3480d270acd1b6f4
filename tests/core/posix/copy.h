/* The functions of one copy of the library. copy.so exports them as
 * `copy_table`. */
#ifndef COPY_H
#define COPY_H

#include <mapped/mapped.h>

typedef struct copy_functions {
    mapped_region *(*open)(const char *path);
    mapped_status (*read)(mapped_region *region, size_t offset);
    void (*release)(mapped_region *region);
    void (*guard)(bool enabled);
} copy_functions;

#endif
