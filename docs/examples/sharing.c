/* Shared memory: by name, and without one across a fork. */
#include "example.h"

#include <sys/wait.h>
#include <unistd.h>

static void by_name(const char *name)
{
    mapped_open_options options = {.length = 1000, .flags = MAPPED_OPEN_SHARED};
    mapped_region *maker, *other;
    uint32_t price;

    must(mapped_region_open(name, MAPPED_MODE_EXCLUSIVE, &options, &maker,
                            &error));
    must(mapped_set_u32(mapped_region_slice(maker), 0, 17, &error));
    options.length = MAPPED_LENGTH_TO_END; /* another process: attaches */
    must(mapped_region_open(name, MAPPED_MODE_READ, &options, &other, &error));
    must(mapped_get_u32(mapped_region_slice(other), 0, &price, &error));
    assert(price == 17 && mapped_region_length(other) == 1000);
    must(mapped_shared_unlink(name, &error)); /* both keep it */
    mapped_region_release(other);
    mapped_region_release(maker);
}

static void across_a_fork(void)
{
    mapped_anonymous_options options = {.shared = true};
    mapped_region *region;
    uint32_t number;

    must(mapped_region_anonymous(4096, &options, &region, &error));
    must(mapped_region_seal(region, MAPPED_SEAL_SHRINK | MAPPED_SEAL_GROW,
                            &error));
    pid_t child = fork();
    if (child == 0) {
        must(mapped_set_u32(mapped_region_slice(region), 0, 42, &error));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    must(mapped_get_u32(mapped_region_slice(region), 0, &number, &error));
    assert(number == 42);
    mapped_region_release(region);
}

int main(void)
{
    char name[40];

    snprintf(name, sizeof name, "mapped-example-%ld", (long)getpid());
    by_name(name);
    across_a_fork();
    return 0;
}
