/* Guards against copies of the library that disturb each other in one process,
 * which has several where Lua runs inside Python. Each copy must handle its own
 * faults, whichever copy's handler is installed last and whatever other
 * handlers are installed in between. */
#include "copy.h"
#include "faulty.h"

#include <dlfcn.h>

#define COPIES 3

static copy_functions copies[COPIES]; /* the last is this program's own */

static mapped_region *own_open(const char *path)
{
    mapped_region *region;
    mapped_status status =
        mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL);
    return status == MAPPED_OK ? region : NULL;
}

static mapped_status own_read(mapped_region *region, size_t offset)
{
    uint8_t byte;
    return mapped_get_u8(mapped_region_slice(region), offset, &byte, NULL);
}

static void copy_bytes(const char *from, const char *to)
{
    char block[65536];
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT, 0700);
    for (ssize_t n; (n = read(in, block, sizeof block)) > 0;)
        if (write(out, block, (size_t)n) != n)
            exit(1);
    close(in);
    close(out);
}

/* Loads copy.so twice. The loader takes a copy of the file for another library.
 */
static void load_copies(void)
{
    char path[4096] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    if (length < 0)
        exit(1);
    strcpy(strrchr(path, '/') + 1, "copy.so");
    for (int i = 0; i < COPIES - 1; i++) {
        const char *file = scratch_path(i == 0 ? "copy1.so" : "copy2.so");
        copy_bytes(path, file);
        void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        const copy_functions *table =
            module ? dlsym(module, "copy_table") : NULL;
        if (!table) {
            printf("%s\n", dlerror());
            exit(1);
        }
        copies[i] = *table;
    }
    copies[COPIES - 1] = (copy_functions){
        own_open, own_read, mapped_region_release, mapped_guard_enable};
}

static mapped_region *opened(int copy)
{
    const char *path = scratch_file("copies", 16 * scratch_page());
    mapped_region *region = copies[copy].open(path);
    if (!region || truncate(path, 0) != 0)
        exit(1);
    return region;
}

static mapped_region *regions[COPIES];

static void check_all_served(size_t number)
{
    for (int i = 0; i < COPIES; i++)
        CHECK_STATUS(copies[i].read(regions[i], number * scratch_page()),
                     MAPPED_FAULT);
}

static volatile unsigned char *foreign;
static int calls;

static void mend(int signal_number)
{
    (void)signal_number;
    calls++;
    faulty_mend(foreign);
}

static void check_foreign_called_once(void)
{
    foreign = faulty_page();
    calls = 0;
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 1);
}

static const char *take_turns(void)
{
    faulty_standard(mend);
    for (int i = 0; i < COPIES; i++)
        regions[i] = opened(i);
    check_all_served(0);
    check_foreign_called_once();
    for (int i = 0; i < 100; i++)
        copies[i % COPIES].release(opened(i % COPIES));
    check_all_served(1);
    check_foreign_called_once();
    return NULL;
}

static void test_copies_take_turns(void)
{
    CHECK_INT(scratch_child(take_turns), 0);
}

static const char *die_of_foreign(void)
{
    for (int i = 0; i < COPIES; i++)
        regions[i] = opened(i);
    foreign = faulty_page();
    faulty_touch(foreign);
    return NULL;
}

static void test_copies_let_foreign_faults_kill(void)
{
    CHECK_INT(scratch_child(die_of_foreign), SIGBUS);
}

static struct sigaction chained;

static void chain(int signal_number, siginfo_t *info, void *context)
{
    calls += 10;
    chained.sa_sigaction(signal_number, info, context);
}

/* Installs another handler between those of the copies. It must be called once
 * for each fault that is its own. */
static const char *put_another_between(void)
{
    faulty_standard(mend);
    regions[0] = opened(0);
    faulty_handle(chain, 0, &chained);
    regions[1] = opened(1);
    regions[2] = opened(2);
    copies[0].release(opened(0));
    check_all_served(0);
    CHECK_INT(calls, 0);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 11);
    for (int i = 0; i < 50; i++)
        copies[i % COPIES].release(opened(i % COPIES));
    calls = 0;
    check_all_served(1);
    CHECK_INT(calls, 0);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 11);
    sigaction(SIGBUS, &chained, NULL);
    check_foreign_called_once();
    for (int i = 0; i < COPIES; i++)
        copies[i].release(opened(i));
    check_all_served(2);
    return NULL;
}

static void test_copies_with_another_handler_between(void)
{
    CHECK_INT(scratch_child(put_another_between), 0);
}

static const char *switch_one_off(void)
{
    for (int i = 0; i < COPIES; i++)
        regions[i] = opened(i);
    copies[0].guard(false);
    CHECK_STATUS(copies[1].read(regions[1], 0), MAPPED_FAULT);
    CHECK_STATUS(copies[2].read(regions[2], 0), MAPPED_FAULT);
    if (check_test_failed)
        _exit(1);
    copies[0].read(regions[0], 0);
    return NULL;
}

static void test_copies_switch_by_themselves(void)
{
    CHECK_INT(scratch_child(switch_one_off), SIGBUS);
}

int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    faulty_standard(SIG_DFL);
    load_copies();
    RUN(test_copies_take_turns);
    RUN(test_copies_let_foreign_faults_kill);
    RUN(test_copies_with_another_handler_between);
    RUN(test_copies_switch_by_themselves);
    return check_finish();
}
