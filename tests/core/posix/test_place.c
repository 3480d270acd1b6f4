/* Guards against a use after free where a garbage collector ends a region that
 * is still in use. A region in the caller's own memory and its slices must
 * answer closed after the last release, for as long as that memory exists. */
#include "scratch.h"

#include <mapped/flush.h>

#define LENGTH 5000

typedef struct place {
    size_t room;
    void *memory;
    mapped_region *region;
    mapped_slice slice;
} place;

static place opened(const char *path, mapped_mode mode)
{
    place it = {.room = mapped_region_room(path)};
    it.memory = malloc(it.room);
    mapped_open_options options = {.memory = it.memory, .memory_size = it.room};
    if (!CHECK_STATUS(
            mapped_region_open(path, mode, &options, &it.region, NULL),
            MAPPED_OK))
        exit(1);
    CHECK((void *)it.region == it.memory);
    it.slice = mapped_region_slice(it.region);
    return it;
}

static void check_closed(const place *it)
{
    uint8_t byte;
    mapped_export held;
    uint64_t size;
    CHECK(mapped_region_closed(it->region));
    CHECK_UINT(mapped_region_length(it->region), 0);
    CHECK_STATUS(mapped_get_u8(it->slice, 0, &byte, NULL), MAPPED_CLOSED);
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(it->region), &held, NULL),
        MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_resize(it->region, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_size(it->region, &size, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_flush(it->slice, 0, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_close(it->region, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_retire(it->region), 0);
}

static void test_place_answers_closed_after_the_last_release(void)
{
    const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_READ_WRITE,
                                 MAPPED_MODE_COPY};
    const char *path = scratch_file("place", LENGTH);
    int descriptors = scratch_descriptors();
    for (size_t i = 0; i < 3; i++) {
        uint8_t byte;
        place it = opened(path, modes[i]);
        CHECK_STATUS(mapped_get_u8(it.slice, LENGTH - 1, &byte, NULL),
                     MAPPED_OK);
        mapped_region_release(it.region);
        check_closed(&it);
        CHECK_TEXT(mapped_region_name(it.region), path);
        free(it.memory);
    }
    CHECK_INT(scratch_mappings_of("/place"), 0);
    CHECK_INT(scratch_descriptors(), descriptors);
    unlink(path);
}

static void test_place_of_closed_and_exported_regions(void)
{
    const char *path = scratch_file("place", LENGTH);
    mapped_export held;
    place it = opened(path, MAPPED_MODE_READ);
    CHECK_STATUS(mapped_region_close(it.region, NULL), MAPPED_OK);
    mapped_region_release(it.region);
    check_closed(&it);
    free(it.memory);
    it = opened(path, MAPPED_MODE_READ);
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(it.region), &held, NULL),
        MAPPED_OK);
    CHECK_UINT(mapped_region_retire(it.region), 1);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(it.region);
    check_closed(&it);
    free(it.memory);
    CHECK_INT(scratch_mappings_of("/place"), 0);
    unlink(path);
}

static void test_place_of_anonymous_memory(void)
{
    place it = {.room = mapped_region_room(NULL)};
    it.memory = malloc(it.room);
    const mapped_anonymous_options options = {.memory = it.memory,
                                              .memory_size = it.room};
    if (!CHECK_STATUS(
            mapped_region_anonymous(LENGTH, &options, &it.region, NULL),
            MAPPED_OK))
        return;
    CHECK((void *)it.region == it.memory);
    it.slice = mapped_region_slice(it.region);
    mapped_region_release(it.region);
    check_closed(&it);
    free(it.memory);
}

/* A failed open leaves nothing in the memory that the guard or a fork could use
 * later. */
static void test_place_of_a_failed_open(void)
{
    uint64_t memory[1024];
    const char *path = scratch_path("absent");
    mapped_region *region = NULL;
    mapped_open_options options = {.memory = memory,
                                   .memory_size = sizeof memory};
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &options, &region, NULL),
        MAPPED_SYSTEM);
    path = scratch_file("place", LENGTH);
    options.offset = LENGTH + 1;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &options, &region, NULL),
        MAPPED_PAST_END);
    options.offset = 0;
    options.memory_size = mapped_region_room(path) - 1;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &options, &region, NULL),
        MAPPED_ARGUMENT);
    CHECK(region == NULL);
    memset(memory, 0xff, sizeof memory);
    mapped_region_release(memory_region(100));
    unlink(path);
}

int main(void)
{
    RUN(test_place_answers_closed_after_the_last_release);
    RUN(test_place_of_closed_and_exported_regions);
    RUN(test_place_of_anonymous_memory);
    RUN(test_place_of_a_failed_open);
    return check_finish();
}
