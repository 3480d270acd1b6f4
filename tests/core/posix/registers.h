/* A target like a device's registers: memory of which every single access is
 * recorded, with its place, its width and its direction. The page can't be
 * accessed (PROT_NONE); the handler of the signal notes what the instruction
 * that met it does, gives the page back for this one instruction, by the
 * processor's single-step flag, and takes it away again. So what is recorded is
 * what the machine does, whatever language asked for it. x86 only, and no more
 * instructions than compilers use for plain accesses: another one is recorded
 * with width 0. One thread, one page. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct registers_access {
    uint32_t offset; /* from the page's first byte */
    uint32_t width;  /* bytes */
    uint32_t write;  /* 1: a store, 0: a load */
} registers_access;

/* Why there are none here; NULL if there are. */
const char *registers_missing(void);

/* From now on accesses to the page that the process has mapped of this file are
 * recorded. False if there is none. */
bool registers_watch(const char *path);

/* The page is as before. Returns how many accesses there were. */
size_t registers_stop(void);

/* The i-th of them. */
registers_access registers_get(size_t i);

#endif
