/* Guards against data that is lost, or zeros that are shown, where others
 * append, close, trim or look while an append is under way. */
#include "appended.h"

#include <mapped/export.h>
#include <mapped/paging.h>

#include <pthread.h>

static size_t seen_in_between[2];

/* Is called when an append meets the page that can't be read yet. */
static void append_in_between(int signal)
{
    (void)signal;
    seen_in_between[0] = length_seen();
    CHECK_STATUS(append_record(appended, 1), MAPPED_OK);
    seen_in_between[1] = length_seen();
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

/* The bytes of an append that is under way are not there yet, but those of a
 * later one that has ended are. */
static void test_append_counts_what_is_there(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    open_slowly(append_in_between, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(seen_in_between[0], RECORD);
    CHECK_UINT(seen_in_between[1], 2 * RECORD + LONG);
    CHECK_UINT(length_seen(), 2 * RECORD + LONG);
    CHECK_INT(scratch_get(appended, RECORD + LONG), 2);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* A source whose only page is lost when it is read. */
static mapped_region *lost_source(void)
{
    const char *other = scratch_file("other", LONG);
    mapped_region *source = scratch_open(other, MAPPED_MODE_READ, NULL);
    CHECK_INT(truncate(other, 0), 0);
    return source;
}

/* Appends what can't be had to a region that is exported, and then something
 * else. */
static void check_nothing_left(mapped_region *region, bool is_file)
{
    mapped_export held;
    mapped_region *source = lost_source();
    size_t length = mapped_region_length(region);
    int64_t size =
        is_file && mapped_region_spare(region) == 0 ? file_size() : 0;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_STATUS(
        mapped_region_append_slice(region, mapped_region_slice(source), NULL),
        MAPPED_FAULT);
    CHECK_UINT(mapped_region_length(region), length);
    if (size > 0)
        CHECK_INT(file_size(), size);
    if (is_file)
        CHECK_UINT(length_seen(), length);
    CHECK_STATUS(append_record(region, 7), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), length + RECORD);
    CHECK_INT(scratch_get(region, length + RECORD - 1), 8);
    CHECK_STATUS(mapped_region_append_slice(
                     region, (mapped_slice){region, 0, 0, 0}, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, length + LONG, NULL), MAPPED_OK);
    CHECK_INT(scratch_get(region, length + LONG - 1), 0);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(source);
    mapped_region_release(region);
    if (is_file)
        CHECK_INT(file_size(), (int64_t)(length + LONG));
}

/* Without a spare the file and the mapping have got longer for it. */
static void test_append_that_fails_gives_its_pages_back(void)
{
    mapped_region *region;
    const char *other = scratch_file("other", 100 * scratch_page());
    mapped_region *source = scratch_open(other, MAPPED_MODE_READ, NULL);
    int file = open(scratch_file(NAME, 10), O_RDWR | O_APPEND | O_CLOEXEC);
    CHECK_INT(truncate(other, 90 * (off_t)scratch_page()), 0);
    CHECK_STATUS(mapped_region_open_descriptor(
                     file, NULL, MAPPED_MODE_READ_WRITE, NULL, &region, NULL),
                 MAPPED_OK);
    close(file);
    long pages = scratch_address_pages();
    CHECK_STATUS(
        mapped_region_append_slice(region, mapped_region_slice(source), NULL),
        MAPPED_FAULT);
    if (!scratch_instrumented())
        CHECK(scratch_address_pages() < pages + 50);
    CHECK_INT(file_size(), 10);
    mapped_region_release(source);
    mapped_region_release(region);
}

/* With an export, too, which would keep a region from getting shorter. */
static void test_append_that_fails_leaves_nothing(void)
{
    mapped_anonymous_options roomy = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region;
    scratch_file(NAME, 0);
    region = opened(MAPPED_MODE_READ_WRITE, 0, 2 * STEP);
    append_records(region, 0, 1);
    check_nothing_left(region, true);
    scratch_file(NAME, 500);
    region = opened(MAPPED_MODE_READ_WRITE, 0, 5000); /* no room for a step */
    check_nothing_left(region, true);
    roomy.reserve = 5000;
    CHECK_STATUS(mapped_region_anonymous(500, &roomy, &region, NULL),
                 MAPPED_OK);
    check_nothing_left(region, false);
}

/* Of the file's own bytes behind the region nothing is cut off. */
static void test_append_that_fails_in_the_middle_keeps_the_end(void)
{
    const mapped_open_options part = {.length = 500};
    mapped_region *source = lost_source();
    static const int64_t sizes[] = {500 + LONG, 500 + LONG / 2};
    for (size_t i = 0; i < 2; i++) {
        scratch_file(NAME, (size_t)sizes[i]);
        mapped_region *region =
            scratch_open(path(), MAPPED_MODE_READ_WRITE, &part);
        CHECK_STATUS(mapped_region_append_slice(
                         region, mapped_region_slice(source), NULL),
                     MAPPED_FAULT);
        CHECK_UINT(mapped_region_length(region), 500);
        CHECK_INT(file_size(), sizes[i]);
        mapped_region_release(region);
        CHECK_INT(file_size(), sizes[i]);
    }
    mapped_region_release(source);
}

static void cut_in_between(int signal)
{
    mapped_change change;
    (void)signal;
    CHECK_INT(truncate(path(), 10), 0);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(appended), 10);
    CHECK_STATUS(mapped_region_resize(appended, 5000, NULL), MAPPED_BUSY);
    CHECK_STATUS(append_record(appended, 1), MAPPED_BUSY);
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

/* Its place went with the file's end. Nobody else gets it while the bytes still
 * come. */
static void test_append_whose_place_goes_says_so(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    mapped_error error = MAPPED_ERROR_INIT;
    open_slowly(cut_in_between, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, &error),
                 MAPPED_RANGE);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(error.offset, RECORD);
    CHECK_UINT(error.length, LONG);
    CHECK_UINT(mapped_region_length(appended), 10);
    CHECK_INT(file_size(), 10);
    CHECK_STATUS(append_record(appended, 1), MAPPED_OK);
    CHECK_UINT(mapped_region_length(appended), 10 + RECORD);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* The file is cut, and another process makes it longer again. */
static void cut_and_write_in_between(int signal)
{
    mapped_change change;
    (void)signal;
    CHECK_INT(truncate(path(), 10), 0);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_OK);
    scratch_file(NAME, 10 * LONG);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_BUSY);
    CHECK_UINT(mapped_region_length(appended), 10);
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

/* Its bytes go nowhere: what is in the file now is another process'. (In the
 * page that has the region's end they would overwrite it.) */
static void test_append_whose_place_is_taken_overwrites_nothing(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    mapped_change change;
    open_slowly(cut_and_write_in_between, &before);
    append_records(appended, 1, 59);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_RANGE);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_LONGER);
    for (size_t i = 0; i < 10 * LONG; i++)
        CHECK_INT(scratch_get(appended, i), scratch_byte(i));
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* An append is under way, as far as `handler` is called. */
static mapped_status append_slowly(void (*handler)(int))
{
    struct sigaction before;
    open_slowly(handler, &before);
    mapped_status status =
        mapped_region_append(appended, slow_source, LONG, NULL);
    sigaction(SIGSEGV, &before, NULL);
    munmap(slow_source, scratch_page());
    return status;
}

static void refuse_in_between(int signal)
{
    mapped_export held;
    mapped_change change = MAPPED_REMOVED;
    (void)signal;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(appended), &held, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(appended, RECORD + 10, NULL),
                 MAPPED_BUSY);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_UNCHANGED);
    CHECK_UINT(mapped_region_length(appended), RECORD);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(appended, 10, NULL), MAPPED_BUSY);
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

/* What is refused, or finds nothing new, shows nothing of it. */
static void test_append_is_shown_by_nothing_but_its_end(void)
{
    if (skip_handlers())
        return;
    CHECK_STATUS(append_slowly(refuse_in_between), MAPPED_OK);
    CHECK_UINT(mapped_region_length(appended), RECORD + LONG);
    mapped_region_release(appended);
    CHECK_INT(file_size(), RECORD + LONG);
}

/* Without room for a spare the file itself is longer already. */
static void refresh_in_between(int signal)
{
    mapped_change change = MAPPED_REMOVED;
    (void)signal;
    CHECK_INT(file_size(), RECORD + LONG);
    CHECK_STATUS(mapped_region_refresh(appended, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_UNCHANGED);
    CHECK_UINT(mapped_region_length(appended), RECORD);
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

static void test_append_without_a_spare_is_shown_by_its_end(void)
{
    struct sigaction before;
    const struct sigaction action = {.sa_handler = refresh_in_between};
    if (skip_handlers())
        return;
    slow_source = mmap(NULL, scratch_page(), PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    scratch_file(NAME, RECORD);
    appended = opened(MAPPED_MODE_READ_WRITE, 0, 5000);
    sigaction(SIGSEGV, &action, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(mapped_region_length(appended), RECORD + LONG);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* An append copies so many bytes of a slice at a time. */
#define PIECE ((size_t)8192)

/* Appends three pieces of a wrap whose second and third call `handler`. */
static mapped_status append_pieces(void (*handler)(int))
{
    mapped_region *source;
    struct sigaction before;
    const struct sigaction action = {.sa_handler = handler};
    slow_source = mmap(NULL, 3 * PIECE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(slow_source, 7, 3 * PIECE);
    CHECK_INT(mprotect(slow_source + PIECE, 2 * PIECE, PROT_NONE), 0);
    CHECK_STATUS(mapped_region_wrap(slow_source, 3 * PIECE, true, NULL, NULL,
                                    &source, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &action, &before);
    mapped_status status =
        mapped_region_append_slice(appended, mapped_region_slice(source), NULL);
    sigaction(SIGSEGV, &before, NULL);
    mapped_region_release(source);
    munmap(slow_source, 3 * PIECE);
    return status;
}

static int pieces_met;

static void meet_piece(void)
{
    size_t at = PIECE * (size_t)++pieces_met;
    CHECK_INT(mprotect(slow_source + at, PIECE, PROT_READ), 0);
}

/* The place is lost, and is there again before another append. */
static void cut_and_append_in_between(int signal)
{
    (void)signal;
    meet_piece();
    CHECK_INT(truncate(path(), pieces_met == 1 ? RECORD : STEP), 0);
    if (pieces_met == 2)
        CHECK_STATUS(append_record(appended, 1), MAPPED_OK);
}

static void test_append_finds_its_place_lost_whatever_comes_behind(void)
{
    if (skip_handlers())
        return;
    pieces_met = 0;
    scratch_file(NAME, 0);
    appended = opened(MAPPED_MODE_READ_WRITE, 0, 2 * STEP);
    append_records(appended, 0, 1);
    CHECK_STATUS(append_pieces(cut_and_append_in_between), MAPPED_FAULT);
    CHECK_INT(pieces_met, 2);
    mapped_region_release(appended);
}

static void discard_in_between(int signal)
{
    (void)signal;
    meet_piece();
    CHECK_STATUS(mapped_discard(mapped_region_slice(appended), NULL),
                 MAPPED_OK);
}

/* The last page of the region has the first bytes of the place. */
static void test_append_keeps_its_bytes_from_a_discard(void)
{
    if (skip_handlers())
        return;
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    options.reserve = 1 << 20;
    pieces_met = 0;
    CHECK_STATUS(mapped_region_anonymous(RECORD, &options, &appended, NULL),
                 MAPPED_OK);
    CHECK_STATUS(append_pieces(discard_in_between), MAPPED_OK);
    CHECK_INT(pieces_met, 2);
    for (size_t at = RECORD; at < RECORD + 3 * PIECE; at += 100)
        CHECK_INT(scratch_get(appended, at), 7);
    mapped_region_release(appended);
}

static void close_in_between(int signal)
{
    append_in_between(signal);
    mapped_region_acquire(appended);
    CHECK_STATUS(mapped_region_close(appended, NULL), MAPPED_OK);
}

/* What has been appended stays, if an earlier append never ends. */
static void test_append_keeps_what_lies_behind_one_under_way(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    open_slowly(close_in_between, &before);
    mapped_region_acquire(appended);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_CLOSED);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_INT(file_size(), 2 * RECORD + LONG);
    CHECK_INT(scratch_read_byte(path(), 2 * RECORD + LONG - 1), 2);
    for (int i = 0; i < 3; i++)
        mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* A short append reads its data before it locks the region: what the handler of
 * that fault appends comes first, and neither waits for the other. */
static void test_append_of_a_short_record_reads_it_first(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    open_slowly(append_in_between, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, RECORD, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(seen_in_between[0], RECORD);
    CHECK_UINT(seen_in_between[1], 2 * RECORD);
    CHECK_UINT(length_seen(), 3 * RECORD);
    CHECK_INT(scratch_get(appended, RECORD), 2);
    CHECK_INT(scratch_get(appended, 2 * RECORD), 0);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

static mapped_status shrunk_in_between;

static void append_and_shrink_in_between(int signal)
{
    append_in_between(signal);
    shrunk_in_between = mapped_region_resize(appended, RECORD + 1, NULL);
}

/* Also if another append has ended behind it, which makes the region so long
 * that the place of this one is in it. */
static void test_append_under_way_keeps_its_place_from_a_resize(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    open_slowly(append_and_shrink_in_between, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_STATUS(shrunk_in_between, MAPPED_BUSY);
    CHECK_UINT(length_seen(), 2 * RECORD + LONG);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

static void append_nothing_in_between(int signal)
{
    (void)signal;
    CHECK_STATUS(mapped_region_append(appended, "", 0, NULL), MAPPED_OK);
    seen_in_between[0] = length_seen();
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

static void test_append_of_nothing_shows_nothing_of_another(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    open_slowly(append_nothing_in_between, &before);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 MAPPED_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(seen_in_between[0], RECORD);
    CHECK_UINT(length_seen(), RECORD + LONG);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

/* The reader's two looks at the file see different sizes of it now and then. */
static void test_append_that_is_trimmed_shows_nobody_zeros(void)
{
    size_t wrong = 0;
    scratch_file(NAME, 100);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
            if (append_record(region, 0) != MAPPED_OK ||
                mapped_region_resize(region, 100, NULL) != MAPPED_OK ||
                append_record(region, 0) != MAPPED_OK)
                _exit(1);
            mapped_region_release(region);
            if (truncate(path(), 100) != 0)
                _exit(1);
        }
    }
    for (int i = 0; i < 20000; i++) {
        size_t length = length_seen();
        wrong += length != 100 && length != 200;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK_UINT(wrong, 0);
}

#define THREADS 4
#define EACH 2000

static void *append_many(void *context)
{
    mapped_region *region = context;
    for (unsigned i = 0; i < EACH; i++) {
        mapped_status status;
        do /* another thread's growth may have to move the region */
            status = append_record(region, i);
        while (status == MAPPED_BUSY);
        if (status != MAPPED_OK)
            return context;
    }
    return NULL;
}

/* Every record whole, and each as often as it was appended. */
static void test_append_by_several_threads(void)
{
    pthread_t threads[THREADS];
    unsigned counts[256] = {0};
    void *failed;
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 16 << 20);
    for (int i = 0; i < THREADS; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&threads[i], NULL, append_many, region), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
        mapped_region_release(region);
    }
    CHECK_UINT(length_seen(), THREADS * EACH * RECORD);
    mapped_region_release(region);
    region = opened(MAPPED_MODE_READ, 0, 0);
    CHECK_UINT(mapped_region_length(region), THREADS * EACH * RECORD);
    for (size_t at = 0; at < THREADS * EACH * RECORD; at += RECORD) {
        int first = scratch_get(region, at);
        counts[first & 255]++;
        for (size_t i = 1; i < RECORD; i++)
            if (scratch_get(region, at + i) != first)
                counts[0]++;
    }
    CHECK_UINT(counts[0], 0);
    for (unsigned i = 0; i < 251; i++)
        CHECK_UINT(counts[1 + i],
                   THREADS * (EACH / 251 + (i < EACH % 251 ? 1 : 0)));
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_append_counts_what_is_there);
    RUN(test_append_that_fails_gives_its_pages_back);
    RUN(test_append_that_fails_leaves_nothing);
    RUN(test_append_that_fails_in_the_middle_keeps_the_end);
    RUN(test_append_whose_place_goes_says_so);
    RUN(test_append_whose_place_is_taken_overwrites_nothing);
    RUN(test_append_is_shown_by_nothing_but_its_end);
    RUN(test_append_without_a_spare_is_shown_by_its_end);
    RUN(test_append_finds_its_place_lost_whatever_comes_behind);
    RUN(test_append_keeps_its_bytes_from_a_discard);
    RUN(test_append_keeps_what_lies_behind_one_under_way);
    RUN(test_append_of_a_short_record_reads_it_first);
    RUN(test_append_under_way_keeps_its_place_from_a_resize);
    RUN(test_append_of_nothing_shows_nothing_of_another);
    RUN(test_append_that_is_trimmed_shows_nobody_zeros);
    RUN(test_append_by_several_threads);
    return check_finish();
}
