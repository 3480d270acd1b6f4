/* The fault guard: what happens when a page of a mapping can't be had, because
 * the file was truncated, the disk is full or broken, or memory failed.
 *
 * One process-wide handler (SIGBUS; in-page exceptions on Windows) is installed
 * at the first mapping, on top of whatever was there. A fault at an address of
 * a region gets a zero page and is noted in the region: the access ends in
 * MAPPED_FAULT. Any other fault goes to the previous handler with its original
 * information; without one the process dies as it would have.
 *
 * Limits. A handler that others install later gets all faults first, until the
 * next mapping is made. A thread that blocks SIGBUS is killed by any fault,
 * whatever is installed. Where the process has used up its address space, or
 * may lock no more memory and locks all that comes, only 128 pages can be lost
 * between one mapping that is made and the next, and no huge page.
 *
 * Three things are not as if the guard weren't there. The previous handler runs
 * on the thread's alternate signal stack, if there is one, also without
 * SA_ONSTACK. Where SIGBUS was ignored, one that is sent still ends a wait that
 * no handler lets go on (poll, sleep), and programs that are started meet the
 * default. And a handler on top that puts the guard's back and raises the
 * signal again (as Python's faulthandler does) is taken for a program that
 * raises a signal of its own, if the page can be had again by then. */
#ifndef MAPPED_GUARD_H
#define MAPPED_GUARD_H

#include <mapped/base.h>

MAPPED_BEGIN

/* Switches the guard off or on again for the whole process; any thread, any
 * time. Off, every fault goes to the previous handler. On (also when it was on
 * before), the guard's handler goes on top of those that others have installed
 * meanwhile, as it does with every mapping that is made. The environment
 * variable MAPPED_GUARD=0, read at the first mapping, is the same as calling
 * this with false before. */
void mapped_guard_enable(bool enabled);
bool mapped_guard_enabled(void);

MAPPED_END

#endif
