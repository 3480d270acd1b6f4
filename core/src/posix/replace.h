/* What is kept for pages that are lost while the process is at its limits. */
#ifndef MAPPED_POSIX_REPLACE_H
#define MAPPED_POSIX_REPLACE_H

#include <mapped/base.h>

/* Sees to it that there are spares; not for fault handlers. */
void mapped__spares_keep(void);

/* Room for some mappings more, where their number is at its limit. False: there
 * was nothing left to give up. Callable in a fault handler. */
bool mapped__spares_give_up(void);

#endif
