/* Opening: modes, options, what a region tells about itself, the end. */
#include "example.h"

#include <fcntl.h>
#include <unistd.h>

static void make_and_reopen(void)
{
    mapped_open_options options = {.length = 4096, .reserve = 1 << 20};
    mapped_region *region;
    uint64_t size;
    intptr_t descriptor;

    /* Room for the region itself: only where it is to lie in our memory. */
    options.memory_size = mapped_region_room("data.bin");
    options.memory = malloc(options.memory_size);
    must(mapped_region_open("data.bin", MAPPED_MODE_CREATE, &options, &region,
                            &error));
    assert(mapped_region_length(region) == 4096);
    assert(mapped_region_mode(region) == MAPPED_MODE_CREATE);
    assert(strcmp(mapped_region_name(region), "data.bin") == 0);
    assert(mapped_region_file_offset(region) == 0);
    assert(!mapped_region_readonly(region) && !mapped_region_device(region));
    assert(mapped_region_exports(region) == 0);
    must(mapped_region_size(region, &size, &error));
    must(mapped_region_descriptor(region, &descriptor, &error));
    assert(size == 4096 && descriptor >= 0);

    mapped_slice all = mapped_region_slice(region);
    must(mapped_slice_check_writable(all, &error));
    must(mapped_region_close(region, &error));
    assert(mapped_region_closed(region)); /* and what is left of it is safe */
    assert(mapped_slice_check(all, &error) == MAPPED_CLOSED);
    mapped_region_release(region);
    free(options.memory);
}

static void open_a_part(const char *mode_text)
{
    mapped_open_options options = {.offset = 100, /* any byte */
                                   .length = mapped_length_exactly(50)};
    mapped_mode mode;
    mapped_region *region;

    must(mapped_mode_parse(mode_text, strlen(mode_text), &mode, &error));
    assert(strcmp(mapped_mode_text(mode), "c") == 0);
    must(mapped_region_open("data.bin", mode, &options, &region, &error));
    assert(mapped_region_length(region) == 50);
    must(mapped_fill(mapped_region_slice(region), 7, &error)); /* ours alone */
    mapped_region_acquire(region); /* one for another thread */
    mapped_region_release(region);
    mapped_region_release(region);
}

static void open_a_descriptor(void)
{
    int file = open("data.bin", O_RDONLY);
    mapped_region *region;

    must(mapped_region_open_descriptor(mapped_system_descriptor(file), "mine",
                                       MAPPED_MODE_READ, NULL, &region,
                                       &error));
    close(file); /* the region has a duplicate */
    assert(mapped_slice_readonly(mapped_region_slice(region)));
    mapped_region_release(region);
}

static void errors(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_region *region;
    mapped_status status = mapped_region_open("missing.bin", MAPPED_MODE_READ,
                                              NULL, &region, &error);

    assert(status == MAPPED_SYSTEM && !mapped_error_is_shortage(&error));
    mapped_error_message(&error, text, sizeof text);
    assert(strncmp(text, "missing.bin: ", 13) == 0);
    assert(strcmp(mapped_status_name(MAPPED_RANGE), "MAPPED_RANGE") == 0);
    assert(strcmp(mapped_status_text(MAPPED_RANGE), "out of range") == 0);

    /* For code that reports errors of its own in this form. */
    mapped_error_set(&error, MAPPED_CORRUPT, "index");
    mapped_error_set_range(&error, MAPPED_RANGE, "index",
                           (mapped_error_range){8, 4, 10});
    assert(error.offset == 8 && error.limit == 10);
    mapped_error_set_operation(&error, "read_index");
    mapped_error_set_path(&error, "data.idx");
    mapped_error_set_system(&error, 2, "open");
    assert(error.status == MAPPED_SYSTEM && error.os_error == 2);
}

/* What a message can say after what is wrong. */
static void hints(void)
{
    mapped_region *region;
    must(mapped_region_open("data.bin", MAPPED_MODE_READ, NULL, &region,
                            &error));
    mapped_slice all = mapped_region_slice(region);
    if (mapped_set_u8(all, 0, 1, &error) == MAPPED_READONLY) {
        mapped_hint hint = mapped_error_hint(&error, &all);
        assert(hint == MAPPED_HINT_OPEN_WRITABLE_OR_COPY);
        assert(strncmp(mapped_hint_text(hint), "open with \"r+\"", 14) == 0);
    }
    mapped_region_release(region);
}

/* Called when the memory that was wrapped is not needed any more. */
static void free_it(void *memory)
{
    free(memory);
}

static void memory_of_others(void)
{
    mapped_statistics statistics;
    mapped_region *region;
    void *memory = calloc(1, 100);

    must(mapped_region_wrap(memory, 100, false, free_it, memory, &region,
                            &error));
    must(mapped_set_u8(mapped_region_slice(region), 99, 1, &error));
    mapped_stats(&statistics);
    assert(statistics.regions == 1 && statistics.bytes == 100);
    mapped_region_release(region);
}

/* Hooks for programs with a lock that other threads may need during a wait. */
static void *before_wait(void)
{
    return NULL;
}

static void after_wait(void *context)
{
    (void)context;
}

int main(void)
{
    mapped_region_on_wait((mapped_wait_hooks){before_wait, after_wait});
    make_and_reopen();
    open_a_part("c");
    open_a_descriptor();
    errors();
    hints();
    memory_of_others();
    return 0;
}
