/* Guards against a close or a resize in one thread that kills another thread in
 * the middle of an access, or gives it wrong values. The tests don't depend on
 * the order of events: they accept every result that the headers allow. */
#include "scratch.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 40
#define LENGTH 40000
#define VALUE 0x5a5a5a5au

static mapped_region *opened(void)
{
    const mapped_open_options options = {.length = LENGTH,
                                         .reserve = 2 * LENGTH};
    mapped_region *region =
        scratch_open(scratch_path("threads"), MAPPED_MODE_CREATE, &options);
    if (!CHECK_STATUS(mapped_fill(mapped_region_slice(region), 0x5a, NULL),
                      MAPPED_OK))
        exit(check_finish());
    return region;
}

typedef struct job {
    mapped_region *region;
    unsigned started; /* the thread sets it */
    unsigned stop;
    unsigned accesses;
    unsigned refused;
    unsigned wrong; /* values that were never there */
} job;

static void start(pthread_t *thread, void *(*body)(void *), job *j)
{
    mapped_region_acquire(j->region);
    if (pthread_create(thread, NULL, body, j) != 0)
        exit(1);
    while (!MAPPED__LOAD_ACQUIRE(&j->started))
        sched_yield();
}

static void *read_until_closed(void *context)
{
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    for (size_t at = 0;; at = (at + 4) % LENGTH) {
        uint32_t value = 0;
        mapped_status status = mapped_get_u32le(all, at, &value, NULL);
        if (status != MAPPED_OK) {
            j->wrong += status != MAPPED_CLOSED;
            break;
        }
        j->wrong += value != VALUE;
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    mapped_region_release(j->region);
    return NULL;
}

/* Closes regions while a thread uses them. */
static void close_meanwhile(void *(*use)(void *))
{
    for (int round = 0; round < ROUNDS; round++) {
        job j = {.region = opened()};
        pthread_t thread;
        start(&thread, use, &j);
        CHECK_STATUS(mapped_region_close(j.region, NULL), MAPPED_OK);
        mapped_region_release(j.region);
        pthread_join(thread, NULL);
        CHECK_UINT(j.wrong, 0);
    }
}

static void test_threads_reader_meets_closed_and_no_crash(void)
{
    close_meanwhile(read_until_closed);
}

static void *copy_until_closed(void *context)
{
    static unsigned char out[LENGTH];
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK) {
        status = mapped_read(all, 0, out, sizeof out, NULL);
        if (status == MAPPED_OK)
            j->wrong += out[0] != 0x5a || out[LENGTH - 1] != 0x5a;
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    j->wrong += status != MAPPED_CLOSED;
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_copy_meets_closed_and_no_crash(void)
{
    close_meanwhile(copy_until_closed);
}

static void *write_until_closed(void *context)
{
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK) {
        for (size_t at = 0; at < LENGTH && status == MAPPED_OK; at += 4)
            status = mapped_set_u32le(all, at, VALUE, NULL);
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    j->wrong += status != MAPPED_CLOSED;
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_writer_meets_closed_and_no_crash(void)
{
    close_meanwhile(write_until_closed);
}

static void *export_until_closed(void *context)
{
    job *j = context;
    mapped_export held;
    mapped_status status;
    while ((status = mapped_export_begin(mapped_region_slice(j->region), &held,
                                         NULL)) == MAPPED_OK) {
        j->wrong += *(volatile unsigned char *)held.data != 0x5a;
        j->accesses++;
        j->wrong += mapped_export_end(&held, NULL) != MAPPED_OK;
        MAPPED__STORE_RELEASE(&j->started, 1);
        sched_yield();
    }
    j->wrong += status != MAPPED_CLOSED;
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_close_waits_its_turn_between_exports(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        mapped_region *region = opened();
        job jobs[2] = {{.region = region}, {.region = region}};
        pthread_t threads[2];
        mapped_status status = MAPPED_BUSY;
        start(&threads[0], export_until_closed, &jobs[0]);
        start(&threads[1], export_until_closed, &jobs[1]);
        while ((status = mapped_region_close(region, NULL)) == MAPPED_BUSY)
            sched_yield();
        CHECK_STATUS(status, MAPPED_OK);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            CHECK_UINT(jobs[i].wrong, 0);
        }
        CHECK_UINT(mapped_region_exports(region), 0);
        mapped_region_release(region);
    }
}

static void *close_it(void *context)
{
    job *j = context;
    MAPPED__STORE_RELEASE(&j->started, 1);
    j->wrong += mapped_region_close(j->region, NULL) != MAPPED_OK;
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_closing_at_once_is_fine(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        mapped_region *region = opened();
        job jobs[2] = {{.region = region}, {.region = region}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            start(&threads[i], close_it, &jobs[i]);
        mapped_region_release(region);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            CHECK_UINT(jobs[i].wrong, 0);
        }
    }
    CHECK_INT(scratch_mappings_of("/threads"), 0);
}

static void *read_until_stopped(void *context)
{
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    for (size_t at = 0; !MAPPED__LOAD_ACQUIRE(&j->stop);
         at = (at + 4) % LENGTH) {
        uint32_t value = VALUE;
        mapped_status status = mapped_get_u32le(all, at, &value, NULL);
        j->wrong += status != MAPPED_OK && status != MAPPED_RANGE;
        j->wrong += value != VALUE && value != 0;
        j->accesses++;
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_growth_disturbs_no_reader(void)
{
    job j = {.region = opened()};
    pthread_t thread;
    start(&thread, read_until_stopped, &j);
    for (size_t length = LENGTH; length <= 2 * LENGTH; length += 500)
        CHECK_STATUS(mapped_region_resize(j.region, length, NULL), MAPPED_OK);
    MAPPED__STORE_RELEASE(&j.stop, 1);
    pthread_join(thread, NULL);
    CHECK_UINT(j.wrong, 0);
    mapped_region_release(j.region);
}

static void test_threads_shrinking_kills_no_reader(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        job j = {.region = opened()};
        pthread_t thread;
        start(&thread, read_until_stopped, &j);
        CHECK_STATUS(mapped_region_resize(j.region, 100, NULL), MAPPED_OK);
        sched_yield();
        CHECK_STATUS(mapped_region_resize(j.region, LENGTH, NULL), MAPPED_OK);
        MAPPED__STORE_RELEASE(&j.stop, 1);
        pthread_join(thread, NULL);
        CHECK_UINT(j.wrong, 0);
        mapped_region_release(j.region);
    }
}

/* Copies long enough that the shrink comes during a copy nearly every time. */
static void *copy_until_out_of_range(void *context)
{
    static unsigned char out[LENGTH];
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK) {
        status = mapped_read(all, 0, out, sizeof out, NULL);
        if (status == MAPPED_OK)
            j->wrong += out[0] != 0x5a || out[LENGTH - 1] != 0x5a;
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    j->wrong += status != MAPPED_RANGE;
    mapped_region_release(j->region);
    return NULL;
}

static void shrink_under(void *(*reader)(void *))
{
    for (int round = 0; round < ROUNDS; round++) {
        job j = {.region = opened()};
        pthread_t thread;
        start(&thread, reader, &j);
        CHECK_STATUS(mapped_region_resize(j.region, 100, NULL), MAPPED_OK);
        pthread_join(thread, NULL);
        CHECK_UINT(j.wrong, 0);
        mapped_region_release(j.region);
    }
}

/* The guard would hide a mistake here: readers must survive a shrink without
 * it. */
static void test_threads_shrinking_needs_no_guard(void)
{
    mapped_guard_enable(false);
    shrink_under(copy_until_out_of_range);
    mapped_guard_enable(true);
}

/* Zeros that replace the removed bytes must never be read without an error. */
static void *read_until_out_of_range(void *context)
{
    job *j = context;
    mapped_slice all = mapped_region_slice(j->region);
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK) {
        for (size_t at = 0; at < LENGTH && status == MAPPED_OK; at += 4) {
            uint32_t value = 0;
            status = mapped_get_u32le(all, at, &value, NULL);
            j->wrong += status == MAPPED_OK && value != VALUE;
        }
        MAPPED__STORE_RELEASE(&j->started, 1);
    }
    j->wrong += status != MAPPED_RANGE;
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_shrinking_deceives_no_reader(void)
{
    shrink_under(read_until_out_of_range);
    shrink_under(copy_until_out_of_range);
}

static void *append_some(void *context)
{
    job *j = context;
    MAPPED__STORE_RELEASE(&j->started, 1);
    for (unsigned i = 0; i < 100; i++) {
        unsigned char record[16];
        memset(record, (int)(j->stop + i % 10), sizeof record);
        j->wrong += mapped_region_append(j->region, record, sizeof record,
                                         NULL) != MAPPED_OK;
    }
    mapped_region_release(j->region);
    return NULL;
}

static void test_threads_append_gives_each_a_place_of_its_own(void)
{
    mapped_region *region = opened();
    job jobs[2] = {{.region = region, .stop = 100},
                   {.region = region, .stop = 200}};
    pthread_t threads[2];
    unsigned torn = 0;
    for (int i = 0; i < 2; i++)
        start(&threads[i], append_some, &jobs[i]);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK_UINT(jobs[i].wrong, 0);
    }
    CHECK_UINT(mapped_region_length(region), LENGTH + 2 * 100 * 16);
    for (size_t at = LENGTH; at < LENGTH + 2 * 100 * 16; at += 16) {
        const unsigned char *record = region->base_ + at;
        torn += record[0] < 100 || memcmp(record, record + 1, 15) != 0;
    }
    CHECK_UINT(torn, 0);
    mapped_region_release(region);
}

/* What the hooks saw of `region` while they were on. */
static struct {
    mapped_region *region;
    int begun, ended, alive;
} hooks;

static void *before_wait(void)
{
    hooks.begun++;
    if (hooks.region != NULL)
        hooks.alive += mapped_region_length(hooks.region) != 0 ||
                       scratch_get(hooks.region, 0) >= 0;
    return &hooks;
}

static void after_wait(void *context)
{
    hooks.ended += context == &hooks;
}

static mapped_region *anonymous(uint64_t length)
{
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_anonymous(length, NULL, &region, NULL),
                 MAPPED_OK);
    return region;
}

/* Returns how often the hooks were called for a close and the release. */
static int waits_of(mapped_region *region)
{
    hooks.begun = hooks.ended = 0;
    hooks.region = region;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    hooks.region = NULL;
    mapped_region_release(region);
    CHECK_INT(hooks.ended, hooks.begun);
    CHECK_INT(hooks.alive, 0);
    return hooks.begun;
}

/* A lock that the hooks give up lets others in, who must find it closed. */
static void test_threads_long_close_calls_the_hooks_when_access_has_ended(void)
{
    mapped_region_on_wait((mapped_wait_hooks){before_wait, after_wait});
    const char *path = scratch_file("threads", LENGTH);
    CHECK_INT(waits_of(scratch_open(path, MAPPED_MODE_READ, NULL)), 0);
    CHECK_INT(waits_of(scratch_open(path, MAPPED_MODE_READ_WRITE, NULL)), 1);
    CHECK_INT(waits_of(anonymous(LENGTH)), 0);
    CHECK_INT(waits_of(anonymous((uint64_t)16 << 20)), 1);

    mapped_region *shared = anonymous((uint64_t)16 << 20);
    mapped_region_acquire(shared); /* so a close keeps the addresses */
    CHECK_INT(waits_of(shared), 0);
    mapped_region_release(shared);
    CHECK_INT(hooks.begun, 1);
    CHECK_INT(hooks.ended, 1);
    mapped_region_on_wait((mapped_wait_hooks){NULL, NULL});
}

int main(void)
{
    RUN(test_threads_long_close_calls_the_hooks_when_access_has_ended);
    RUN(test_threads_reader_meets_closed_and_no_crash);
    RUN(test_threads_copy_meets_closed_and_no_crash);
    RUN(test_threads_writer_meets_closed_and_no_crash);
    RUN(test_threads_close_waits_its_turn_between_exports);
    RUN(test_threads_closing_at_once_is_fine);
    RUN(test_threads_growth_disturbs_no_reader);
    RUN(test_threads_shrinking_kills_no_reader);
    RUN(test_threads_shrinking_needs_no_guard);
    RUN(test_threads_shrinking_deceives_no_reader);
    RUN(test_threads_append_gives_each_a_place_of_its_own);
    return check_finish();
}
