/* Guards against mistakes that need several events at once. Threads slice,
 * read, write, export, resize, close and recover the same regions, while their
 * files are truncated and written again, and while other memory is mapped where
 * a region was a moment ago. The test accepts every result that the headers
 * allow; the process must not die, no value may be wrong, and no memory of
 * others may be written. It is meant to run with sanitizers too. */
#include "faulty.h"

#include <time.h>

#define FILES 4
#define THREADS 6
#define LENGTH 65536
#define RESERVE (4 * LENGTH)
#define VALUE 0x5a5a5a5au

typedef struct place {
    pthread_mutex_t lock;
    char path[300];
    mapped_region *region;
} place;

static place places[FILES];
static unsigned stop;
static unsigned wrong;     /* values that were never there */
static unsigned surprised; /* statuses not allowed there */

typedef struct worker {
    pthread_t thread;
    uint64_t random;
    char path[300];
    size_t done;
    size_t faults;
} worker;

static uint64_t next(worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random >> 8;
}

static void fill_file(const char *path)
{
    static const unsigned char bytes[4096] = {[0 ... 4095] = 0x5a};
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t at = 0; fd >= 0 && at < LENGTH; at += sizeof bytes)
        if (pwrite(fd, bytes, sizeof bytes, (off_t)at) < 0)
            exit(1);
    close(fd);
}

static mapped_region *open_place(const place *p)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    options.reserve = RESERVE;
    fill_file(p->path);
    if (mapped_region_open(p->path, MAPPED_MODE_READ_WRITE, &options, &region,
                           NULL) != MAPPED_OK)
        __atomic_fetch_add(&surprised, 1, __ATOMIC_RELAXED);
    return region;
}

/* Returns the region with one more reference, which the caller releases. */
static mapped_region *borrow(place *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->region != NULL && mapped_region_closed(p->region)) {
        mapped_region_release(p->region);
        p->region = NULL;
    }
    if (p->region == NULL)
        p->region = open_place(p);
    mapped_region *region = p->region;
    if (region != NULL)
        mapped_region_acquire(region);
    pthread_mutex_unlock(&p->lock);
    return region;
}

static void expect(worker *w, mapped_status status, unsigned allowed)
{
    w->faults += status == MAPPED_FAULT;
    if (status != MAPPED_OK && !(allowed & 1u << -status)) {
        printf("status %s\n", mapped_status_name(status));
        __atomic_fetch_add(&surprised, 1, __ATOMIC_RELAXED);
    }
}

#define MAY(status) (1u << -MAPPED_##status)
#define ACCESS (MAY(CLOSED) | MAY(RANGE) | MAY(FAULT))

/* A file that was truncated and has grown again holds zeros, which may begin at
 * any byte. */
static void check_bytes_of(uint32_t value)
{
    for (int i = 0; i < 4; i++, value >>= 8)
        if ((value & 255) != 0x5a && (value & 255) != 0)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void read_value(worker *w, mapped_slice all)
{
    uint32_t value = VALUE;
    size_t at = next(w) % LENGTH & ~(size_t)3;
    expect(w, mapped_get_u32le(all, at, &value, NULL), ACCESS);
    check_bytes_of(value);
}

static void write_value(worker *w, mapped_slice all)
{
    size_t at = next(w) % LENGTH & ~(size_t)3;
    expect(w, mapped_set_u32le(all, at, VALUE, NULL), ACCESS);
}

static void use_part(worker *w, mapped_slice all)
{
    mapped_slice part;
    unsigned char bytes[3000];
    size_t at = next(w) % LENGTH;
    mapped_status status =
        mapped_slice_sub(all, at, next(w) % 3000, &part, NULL);
    expect(w, status, ACCESS);
    if (status != MAPPED_OK)
        return;
    status = mapped_read(part, 0, bytes, part.length, NULL);
    expect(w, status, ACCESS);
    for (size_t i = 0; status == MAPPED_OK && i < part.length; i++)
        if (bytes[i] != 0x5a && bytes[i] != 0)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    if (next(w) % 2)
        expect(w, mapped_fill(part, 0x5a, NULL), ACCESS);
}

static void move_and_compare(worker *w, mapped_slice all)
{
    int order;
    unsigned char same[100];
    memset(same, 0x5a, sizeof same);
    expect(w, mapped_move(all, next(w) % 9999, next(w) % 9999, 5000, NULL),
           ACCESS);
    expect(w, mapped_compare_bytes(all, same, sizeof same, &order, NULL),
           ACCESS);
}

static void export_and_look(worker *w, mapped_region *region)
{
    mapped_export held;
    mapped_status status =
        mapped_export_begin(mapped_region_slice(region), &held, NULL);
    expect(w, status, ACCESS);
    if (status != MAPPED_OK)
        return;
    uint64_t before = mapped_region_fault_count(region);
    size_t length = mapped_region_length(region);
    if (length > 0) {
        const volatile unsigned char *bytes = held.data;
        size_t at = next(w) % length;
        unsigned char byte = __atomic_load_n(&bytes[at], __ATOMIC_RELAXED);
        if (byte != 0x5a && byte != 0)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    }
    w->faults += mapped_region_fault_count(region) != before;
    expect(w, mapped_export_end(&held, NULL), MAY(FAULT));
}

static void ask(worker *w, mapped_region *region)
{
    mapped_lost_range ranges[4];
    size_t count;
    expect(w, mapped_region_check(region, NULL), MAY(CLOSED) | MAY(FAULT));
    expect(w, mapped_region_faults(region, ranges, 4, &count, NULL),
           MAY(CLOSED));
}

static void change(worker *w, mapped_region *region)
{
    switch (next(w) % 8) {
    case 0:
        expect(w, mapped_region_close(region, NULL), MAY(BUSY));
        break;
    case 1:
    case 2:
        expect(w, mapped_region_recover(region, NULL),
               MAY(CLOSED) | MAY(FAULT));
        break;
    default:
        expect(w, mapped_region_resize(region, next(w) % (2 * LENGTH), NULL),
               MAY(CLOSED) | MAY(BUSY) | MAY(FAULT));
    }
}

static void cut_file(worker *w, const place *p)
{
    if (truncate(p->path, (off_t)(next(w) % LENGTH)) != 0)
        return;
    if (next(w) % 2)
        fill_file(p->path);
}

static void act(worker *w, place *p, mapped_region *region)
{
    mapped_slice all = mapped_region_slice(region);
    unsigned what = next(w) % 64;
    if (what < 20)
        read_value(w, all);
    else if (what < 36)
        write_value(w, all);
    else if (what < 44)
        use_part(w, all);
    else if (what < 48)
        move_and_compare(w, all);
    else if (what < 54)
        export_and_look(w, region);
    else if (what < 58)
        ask(w, region);
    else if (what < 61)
        change(w, region);
    else
        cut_file(w, p);
}

static void *torture(void *context)
{
    worker *w = context;
    while (!MAPPED__LOAD(&stop)) {
        place *p = &places[next(w) % FILES];
        mapped_region *region = borrow(p);
        if (region == NULL)
            break;
        for (int i = 0; i < 10; i++)
            act(w, p, region);
        mapped_region_release(region);
        w->done += 10;
    }
    return NULL;
}

/* Maps a file of its own again and again, often at addresses that a region has
 * just given back. Its faults must reach its own handler, which stores a value
 * there, and must not be answered by zero pages of the library. */
static void *squat(void *context)
{
    worker *w = context;
    const size_t page = scratch_page();
    int fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (!MAPPED__LOAD(&stop)) {
        unsigned char *start =
            mmap(NULL, RESERVE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (start == MAP_FAILED)
            break;
        for (size_t at = 0; at < LENGTH; at += page)
            if (faulty_touch(start + at) != 0x77)
                __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        munmap(start, RESERVE);
        w->done++;
    }
    close(fd);
    return NULL;
}

static void mend_squatted(int signal_number, siginfo_t *info, void *context)
{
    const size_t page = scratch_page();
    unsigned char *start =
        (unsigned char *)((uintptr_t)info->si_addr & ~(page - 1));
    (void)signal_number;
    (void)context;
    faulty_mend(start);
    *start = 0x77;
}

static void init_worker(worker *w, int number)
{
    char name[32];
    snprintf(name, sizeof name, "worker%d", number);
    *w = (worker){.random = 0x9e3779b97f4a7c15u * (uint64_t)(number + 1)};
    snprintf(w->path, sizeof w->path, "%s", scratch_file(name, LENGTH));
}

static double seconds(void)
{
    const char *wish = getenv("MAPPED_TORTURE_SECONDS");
    return wish != NULL ? atof(wish) : 2;
}

static void test_torture_everything_at_once(void)
{
    worker workers[THREADS + 1];
    size_t done = 0;
    size_t faults = 0;
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "torture%d", i);
        pthread_mutex_init(&places[i].lock, NULL);
        snprintf(places[i].path, sizeof places[i].path, "%s",
                 scratch_path(name));
    }
    MAPPED__STORE(&stop, 0);
    for (int i = 0; i <= THREADS; i++) {
        init_worker(&workers[i], i);
        pthread_create(&workers[i].thread, NULL, i < THREADS ? torture : squat,
                       &workers[i]);
    }
    usleep((useconds_t)(seconds() * 1e6));
    MAPPED__STORE(&stop, 1);
    for (int i = 0; i <= THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
        faults += workers[i].faults;
    }
    for (int i = 0; i < FILES; i++)
        mapped_region_release(places[i].region);
    CHECK_UINT(wrong, 0);
    CHECK_UINT(surprised, 0);
    CHECK(done > 100);
    CHECK(faults > 0);
    printf("%zu operations, %zu met a fault\n", done, faults);
}

/* Opens and closes regions; half of them grow, and may move, before they are
 * closed. */
static void *open_and_close(void *context)
{
    worker *w = context;
    while (!MAPPED__LOAD(&stop)) {
        mapped_region *region;
        if (mapped_region_open(w->path, MAPPED_MODE_READ_WRITE, NULL, &region,
                               NULL) != MAPPED_OK)
            break;
        if (w->done++ % 2)
            expect(w, mapped_region_resize(region, RESERVE, NULL), 0);
        if (w->done % 3)
            expect(w, mapped_region_resize(region, LENGTH, NULL), 0);
        mapped_region_release(region);
    }
    return NULL;
}

static void test_torture_addresses_change_hands(void)
{
    worker workers[4];
    faulty_handle(mend_squatted, 0, NULL);
    MAPPED__STORE(&stop, 0);
    for (int i = 0; i < 4; i++) {
        init_worker(&workers[i], i);
        pthread_create(&workers[i].thread, NULL, i % 2 ? open_and_close : squat,
                       &workers[i]);
    }
    usleep((useconds_t)(seconds() * 1e6 / 2));
    MAPPED__STORE(&stop, 1);
    for (int i = 0; i < 4; i++)
        pthread_join(workers[i].thread, NULL);
    CHECK_UINT(wrong, 0);
    CHECK_UINT(surprised, 0);
    printf("%zu mappings came, %zu went\n", workers[0].done, workers[1].done);
}

int main(void)
{
    RUN(test_torture_addresses_change_hands);
    RUN(test_torture_everything_at_once);
    return check_finish();
}
