/* See registers.h. Also a module for Lua (require "registers") and a library
 * for Python's ctypes. */
#include "registers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define MOST 4096
#define EXPORTED __attribute__((visibility("default")))

static unsigned char *page;
static size_t page_size;
static registers_access accesses[MOST];
static volatile size_t count;
static struct sigaction old_segv, old_trap;

#if defined(__x86_64__) || defined(__i386__)
#    ifdef __x86_64__
#        define PROGRAM_COUNTER REG_RIP
#    else
#        define PROGRAM_COUNTER REG_EIP
#    endif
#    define SINGLE_STEP 0x100
#    define IS_WRITE 2

EXPORTED const char *registers_missing(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
        return "valgrind steps through no access";
    return NULL;
}

/* What stands in front of an opcode. */
typedef struct prefixes {
    bool operand; /* 66 */
    bool wide;    /* REX.W */
    unsigned char repeat;
} prefixes;

static const unsigned char *skip_prefixes(const unsigned char *at, prefixes *p)
{
    memset(p, 0, sizeof *p);
    for (;; at++) {
        if (*at == 0x66)
            p->operand = true;
        else if (*at == 0xF2 || *at == 0xF3)
            p->repeat = *at;
        else if (*at != 0x2E && *at != 0x3E && *at != 0x64 && *at != 0x65)
            break;
    }
#    ifdef __x86_64__
    if ((*at & 0xF0) == 0x40)
        p->wide = *at++ & 8;
#    endif
    return at;
}

static uint32_t word(const prefixes *p)
{
    return p->wide ? 8 : p->operand ? 2 : 4;
}

/* Opcodes behind 0F: of registers of SSE, and loads that extend. */
static uint32_t width_behind_0f(const unsigned char *at, const prefixes *p)
{
    if ((*at & 0xF0) == 0x90) /* setcc */
        return 1;
    switch (*at) {
    case 0x10: /* movss, movsd, movups */
    case 0x11:
        return p->repeat == 0xF3 ? 4 : p->repeat == 0xF2 ? 8 : 16;
    case 0x6E: /* movd, movq */
        return p->wide ? 8 : 4;
    case 0x7E:
        return p->wide || p->repeat == 0xF3 ? 8 : 4;
    case 0x12: /* movlps, movlpd */
    case 0x13:
    case 0x16:
    case 0x17:
    case 0xD6: /* movq */
        return 8;
    case 0xB6:
    case 0xBE:
        return 1;
    case 0xB7:
    case 0xBF:
        return 2;
    case 0x38: /* movbe */
        return at[1] == 0xF0 || at[1] == 0xF1 ? word(p) : 0;
    default:
        return 0;
    }
}

/* How many bytes the instruction loads or stores; 0: it is none of these. */
static uint32_t width_of(const unsigned char *at)
{
    prefixes p;
    at = skip_prefixes(at, &p);
    switch (*at) {
    case 0x0F:
        return width_behind_0f(at + 1, &p);
    case 0x38: /* cmp */
    case 0x3A:
    case 0x80:
    case 0x84: /* test */
    case 0x88: /* mov */
    case 0x8A:
    case 0xA4: /* movsb */
    case 0xAA: /* stosb */
    case 0xC6:
    case 0xF6:
        return 1;
    case 0x39:
    case 0x3B:
    case 0x81:
    case 0x83:
    case 0x85:
    case 0x89:
    case 0x8B:
    case 0xA5:
    case 0xAB:
    case 0xC7:
    case 0xF7:
        return word(&p);
    case 0x63: /* movsxd */
        return 4;
    default:
        return 0;
    }
}

static bool is_write(const ucontext_t *context)
{
    return context->uc_mcontext.gregs[REG_ERR] & IS_WRITE;
}
#else
#    define PROGRAM_COUNTER 0
#    define SINGLE_STEP 0
#    define REG_EFL 0

EXPORTED const char *registers_missing(void)
{
    return "only x86 steps through accesses here";
}

static uint32_t width_of(const unsigned char *at)
{
    return *at & 0;
}

static bool is_write(const ucontext_t *context)
{
    return context == NULL;
}
#endif

static void meet(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)page;
    (void)number;
    if (offset >= page_size) { /* a real crash */
        sigaction(SIGSEGV, &old_segv, NULL);
        return;
    }
    const unsigned char *at =
        (const unsigned char *)context->uc_mcontext.gregs[PROGRAM_COUNTER];
    if (count < MOST)
        accesses[count] = (registers_access){(uint32_t)offset, width_of(at),
                                             is_write(context)};
    count++;
    mprotect(page, page_size, PROT_READ | PROT_WRITE);
    context->uc_mcontext.gregs[REG_EFL] |= SINGLE_STEP;
}

static void step(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    (void)number;
    (void)info;
    mprotect(page, page_size, PROT_NONE);
    context->uc_mcontext.gregs[REG_EFL] &= ~SINGLE_STEP;
}

static unsigned char *find_page(const char *path)
{
    char line[1024], *at, *found = NULL;
    unsigned long first = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && found == NULL &&
           fgets(line, sizeof line, maps) != NULL)
        if ((at = strchr(line, '/')) != NULL &&
            strncmp(at, path, strlen(path)) == 0 &&
            sscanf(line, "%lx", &first) == 1)
            found = at;
    if (maps != NULL)
        fclose(maps);
    return found != NULL ? (unsigned char *)first : NULL;
}

EXPORTED bool registers_watch(const char *path)
{
    struct sigaction action;
    page = find_page(path);
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    count = 0;
    if (page == NULL)
        return false;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = meet;
    sigaction(SIGSEGV, &action, &old_segv);
    action.sa_sigaction = step;
    sigaction(SIGTRAP, &action, &old_trap);
    return mprotect(page, page_size, PROT_NONE) == 0;
}

EXPORTED size_t registers_stop(void)
{
    mprotect(page, page_size, PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGTRAP, &old_trap, NULL);
    return count;
}

EXPORTED registers_access registers_get(size_t i)
{
    return accesses[i];
}

#ifdef REGISTERS_LUA
#    include <lauxlib.h>

static int lua_missing(lua_State *L)
{
    lua_pushstring(L, registers_missing());
    return 1;
}

static int lua_watch(lua_State *L)
{
    lua_pushboolean(L, registers_watch(luaL_checkstring(L, 1)));
    return 1;
}

/* Returns "offset:widthR" or W of each access, with blanks in between. */
static int lua_stop(lua_State *L)
{
    size_t i, found = registers_stop();
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (i = 0; i < found && i < MOST; i++) {
        const registers_access *access = &accesses[i];
        lua_pushfstring(L, "%s%d:%d%s", i > 0 ? " " : "", (int)access->offset,
                        (int)access->width, access->write ? "W" : "R");
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    return 1;
}

EXPORTED int luaopen_registers(lua_State *L)
{
    static const luaL_Reg functions[] = {{"missing", lua_missing},
                                         {"watch", lua_watch},
                                         {"stop", lua_stop},
                                         {NULL, NULL}};
#    if LUA_VERSION_NUM < 502
    lua_newtable(L);
    luaL_register(L, NULL, functions);
#    else
    luaL_newlib(L, functions);
#    endif
    return 1;
}
#endif
