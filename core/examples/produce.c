/* The first of three programs in a row: makes log lines and sends them into a
 * ring, in batches. lua/examples/filter.lua picks some of them and
 * python/examples/consume.py counts those; python/examples/pipeline.py starts
 * all three. An empty record says that no more lines come.
 *
 *     produce NAME COUNT
 *
 * NAME is shared memory that has been made, of zeros or with a ring in it. */
#include "need.h"

enum {
    BATCH = 64,
    LONGEST = 80
};

static size_t make_line(char *line, unsigned long number)
{
    const char *level = number % 10 == 0 ? "ERROR" : "INFO";
    return (size_t)snprintf(line, LONGEST, "%08lu %s page=%lu ms=%lu", number,
                            level, number % 97, number * 7919 % 1000);
}

int main(int argc, char **argv)
{
    static char lines[BATCH][LONGEST];
    mapped_ring_data batch[BATCH] = {{0}};
    mapped_open_options options = {.flags = MAPPED_OPEN_SHARED};
    mapped_region *region;
    mapped_ring ring;

    need_that(argc == 3, "usage: produce NAME COUNT");
    need(mapped_region_open(argv[1], MAPPED_MODE_READ_WRITE, &options, &region,
                            &error));
    need(mapped_ring_at(mapped_region_slice(region), &ring, &error));
    unsigned long count = strtoul(argv[2], NULL, 10), made = 0;
    while (made < count) {
        size_t size = 0, sent = 0;
        for (; size < BATCH && made < count; size++, made++) {
            batch[size].bytes = lines[size];
            batch[size].length = make_line(lines[size], made);
        }
        need(mapped_ring_send_all(&ring, batch, size, MAPPED_NEVER, &sent,
                                  &error));
    }
    need(mapped_ring_send(&ring, "", 0, MAPPED_NEVER, &error));
    mapped_region_release(region);
}
