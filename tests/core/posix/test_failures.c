/* Guards against mistakes on error paths that ordinary tests never take. Every
 * allocation and system call of the core fails once: each scenario below is run
 * with its first call refused, then with its second, until there is none left.
 * After each failure the status and the system's error number are right,
 * outputs are untouched, and descriptors, mappings, memory and the file are as
 * they were. */
#include "refuse.h"

#define NAME "failures"
#define SIZE 10000

typedef struct scenario {
    const char *name;
    mapped_region *(*prepare)(void); /* makes the argument of `act`, or NULL */
    mapped_status (*act)(mapped_region **region, mapped_error *error);
} scenario;

/* What the process holds, and what the file looks like. */
typedef struct state {
    int descriptors;
    long pages;
    long blocks;
    int64_t size;
    int last_byte;
    size_t length;
} state;

static const char *path(void)
{
    return scratch_path(NAME);
}

static state look(const mapped_region *region)
{
    state now = {scratch_descriptors(),
                 scratch_address_pages(),
                 refuse_blocks,
                 scratch_size(path()),
                 -1,
                 0};
    if (now.size > 0)
        now.last_byte = scratch_read_byte(path(), (long)now.size - 1);
    if (region)
        now.length = mapped_region_length(region);
    return now;
}

static mapped_open_options options_of(uint64_t length, uint64_t reserve,
                                      uint32_t flags)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.offset = 3;
    options.length = length;
    options.reserve = reserve;
    options.flags = flags;
    return options;
}

static mapped_region *prepare_file(void)
{
    scratch_file(NAME, SIZE);
    return NULL;
}

static mapped_region *prepare_no_file(void)
{
    unlink(path());
    return NULL;
}

#define OPEN(name, mode, length, reserve, flags)                           \
    static mapped_status name(mapped_region **region, mapped_error *error) \
    {                                                                      \
        mapped_open_options options = options_of(length, reserve, flags);  \
        return mapped_region_open(path(), mode, &options, region, error);  \
    }
OPEN(open_read, MAPPED_MODE_READ, MAPPED_LENGTH_TO_END, 0, 0)
OPEN(open_copy, MAPPED_MODE_COPY, MAPPED_LENGTH_TO_END, 0, 0)
OPEN(open_write, MAPPED_MODE_READ_WRITE, MAPPED_LENGTH_TO_END, 0, 0)
OPEN(open_append, MAPPED_MODE_APPEND, 3 * SIZE, 0, 0)
OPEN(open_empty, MAPPED_MODE_READ_WRITE, 0, 0, 0)
OPEN(open_extending, MAPPED_MODE_READ_WRITE, 3 * SIZE, 0, 0)
OPEN(open_sparse, MAPPED_MODE_READ_WRITE, 3 * SIZE, 0, MAPPED_OPEN_SPARSE)
OPEN(open_reserved, MAPPED_MODE_READ_WRITE, 3 * SIZE, 9 * SIZE, 0)
OPEN(populate, MAPPED_MODE_READ, SIZE / 2, 0, MAPPED_OPEN_POPULATE)
OPEN(open_created, MAPPED_MODE_CREATE, SIZE, 0, 0)
OPEN(open_exclusive, MAPPED_MODE_EXCLUSIVE, SIZE, 0, 0)
OPEN(open_device, MAPPED_MODE_READ, SIZE / 2, 0, MAPPED_OPEN_DEVICE)
#undef OPEN

/* A failing madvise() is ignored elsewhere, but the caller has asked for
 * populated pages, so here it is an error. */
static mapped_status open_populated(mapped_region **region, mapped_error *error)
{
    mapped_status status = populate(region, error);
    if (refuse_hit && strcmp(refuse_hit, "madvise") == 0)
        CHECK_STATUS(status, MAPPED_SYSTEM);
    return status;
}

static mapped_status open_descriptor(mapped_region **region,
                                     mapped_error *error)
{
    mapped_open_options options = options_of(3 * SIZE, 0, 0);
    int file = __real_open(path(), O_RDWR | O_CLOEXEC);
    mapped_status status = mapped_region_open_descriptor(
        file, NAME, MAPPED_MODE_READ_WRITE, &options, region, error);
    close(file);
    return status;
}

#define ANONYMOUS(name, shared_, reserve_, huge_)                          \
    static mapped_status name(mapped_region **region, mapped_error *error) \
    {                                                                      \
        mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;  \
        options.shared = shared_;                                          \
        options.reserve = reserve_;                                        \
        options.huge = huge_;                                              \
        return mapped_region_anonymous(SIZE, &options, region, error);     \
    }
ANONYMOUS(anonymous_private, false, 0, 0)
ANONYMOUS(anonymous_reserved, false, 9 * SIZE, 0)
ANONYMOUS(anonymous_huge, false, 0, MAPPED_HUGE_ADVISE)
ANONYMOUS(anonymous_shared, true, 0, 0)
#undef ANONYMOUS

static mapped_status wrap(mapped_region **region, mapped_error *error)
{
    static char data[16];
    return mapped_region_wrap(data, sizeof data, false, NULL, NULL, region,
                              error);
}

static mapped_region *prepared(mapped_mode mode, uint64_t length,
                               uint64_t reserve)
{
    mapped_open_options options = options_of(length, reserve, 0);
    mapped_region *region = NULL;
    scratch_file(NAME, SIZE);
    CHECK_STATUS(mapped_region_open(path(), mode, &options, &region, NULL),
                 MAPPED_OK);
    return region;
}

static mapped_region *prepare_reader(void)
{
    return prepared(MAPPED_MODE_READ, MAPPED_LENGTH_TO_END, 0);
}

static mapped_region *prepare_writer(void)
{
    return prepared(MAPPED_MODE_READ_WRITE, MAPPED_LENGTH_TO_END, 0);
}

static mapped_region *prepare_reserve(void)
{
    return prepared(MAPPED_MODE_READ_WRITE, MAPPED_LENGTH_TO_END, 9 * SIZE);
}

static mapped_region *prepare_empty(void)
{
    mapped_region *region = NULL;
    scratch_file(NAME, 0);
    CHECK_STATUS(
        mapped_region_open(path(), MAPPED_MODE_READ_WRITE, NULL, &region, NULL),
        MAPPED_OK);
    return region;
}

static mapped_region *prepare_shared(void)
{
    mapped_region *region = prepare_writer();
    mapped_region_acquire(region);
    return region;
}

static mapped_region *prepare_memory(void)
{
    scratch_file(NAME, 1);
    return memory_region(SIZE);
}

/* Exports a region without an end, and takes the addresses behind it. */
static void *taken;

static mapped_region *exported(mapped_region *region)
{
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    taken = scratch_block_growth(region);
    return region;
}

static mapped_region *prepare_exported(void)
{
    return exported(prepare_writer());
}

static mapped_region *prepare_exported_memory(void)
{
    mapped_region *region = prepare_memory();
    mapped_region_copy_on_move(region);
    return exported(region);
}

/* Makes a region that has lost its last page, and whose file is complete again.
 */
static mapped_region *prepare_lost(mapped_mode mode)
{
    mapped_region *region = prepared(mode, MAPPED_LENGTH_TO_END, 0);
    uint8_t byte;
    CHECK_INT(truncate(path(), 1), 0);
    CHECK_STATUS(
        mapped_get_u8(mapped_region_slice(region), SIZE - 4, &byte, NULL),
        MAPPED_FAULT);
    scratch_file(NAME, SIZE);
    return region;
}

/* Makes a region whose file is cut off, but whose pages nobody has touched. */
static mapped_region *prepare_cut(void)
{
    mapped_region *region = prepare_reader();
    CHECK_INT(truncate(path(), 1), 0);
    return region;
}

static mapped_region *prepare_lost_writer(void)
{
    return prepare_lost(MAPPED_MODE_READ_WRITE);
}

static mapped_region *prepare_lost_reader(void)
{
    return prepare_lost(MAPPED_MODE_READ);
}

/* Holds its descriptor already. */
static mapped_region *follower(mapped_mode mode)
{
    mapped_change change;
    mapped_region *region = prepared(mode, MAPPED_LENGTH_TO_END, 0);
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    return region;
}

static mapped_region *prepare_follower(void)
{
    return follower(MAPPED_MODE_READ);
}

static mapped_region *grown(mapped_region *region)
{
    CHECK_INT(truncate(path(), 3 * SIZE), 0);
    return region;
}

static mapped_region *prepare_longer(void)
{
    return grown(follower(MAPPED_MODE_READ));
}

static mapped_region *prepare_private_longer(void)
{
    return grown(follower(MAPPED_MODE_COPY));
}

static mapped_region *prepare_replaced(void)
{
    mapped_region *region = follower(MAPPED_MODE_READ);
    CHECK_INT(unlink(path()), 0);
    scratch_file(NAME, 3 * SIZE);
    return region;
}

static mapped_status refresh(mapped_region **region, mapped_error *error)
{
    mapped_change change;
    return mapped_region_refresh(*region, &change, error);
}

static mapped_status grow(mapped_region **region, mapped_error *error)
{
    return mapped_region_resize(*region, 3 * SIZE, error);
}

static mapped_status shrink(mapped_region **region, mapped_error *error)
{
    return mapped_region_resize(*region, 100, error);
}

static mapped_status shrink_to_nothing(mapped_region **region,
                                       mapped_error *error)
{
    return mapped_region_resize(*region, 0, error);
}

static mapped_status append(mapped_region **region, mapped_error *error)
{
    return mapped_region_append(*region, "0123456789", 10, error);
}

static mapped_status get_size(mapped_region **region, mapped_error *error)
{
    uint64_t size = 4711;
    mapped_status status = mapped_region_size(*region, &size, error);
    CHECK_UINT(size, status == MAPPED_OK ? SIZE : 4711);
    return status;
}

static mapped_status recover(mapped_region **region, mapped_error *error)
{
    mapped_status status = mapped_region_recover(*region, error);
    CHECK_STATUS(mapped_region_check(*region, NULL),
                 status == MAPPED_OK ? MAPPED_OK : MAPPED_FAULT);
    return status;
}

/* The handler's calls fail, and those that find out the cause. The process must
 * live on, and the lost page must be reported. */
static mapped_status meet_fault(mapped_region **region, mapped_error *error)
{
    mapped_slice all = mapped_region_slice(*region);
    mapped_lost_range range = {0, 0, 0};
    uint8_t byte = 7;
    size_t count = 0;
    CHECK_STATUS(mapped_get_u8(all, SIZE - 4, &byte, error), MAPPED_FAULT);
    CHECK_INT(byte, 7);
    CHECK_STATUS(mapped_region_check(*region, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_faults(*region, &range, 1, &count, NULL),
                 MAPPED_OK);
    CHECK_UINT(count, 1);
    CHECK_UINT(range.offset + range.length, SIZE - 3);
    return MAPPED_OK;
}

/* Closing succeeds even if a system call fails: nothing can be reached
 * afterwards. */
static mapped_status close_region(mapped_region **region, mapped_error *error)
{
    mapped_slice all = mapped_region_slice(*region);
    uint8_t byte;
    mapped_status status = mapped_region_close(*region, error);
    CHECK_STATUS(status, MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(all, 0, &byte, NULL), MAPPED_CLOSED);
    return status;
}

/* A window, a search and a line, and all is released whatever fails. */
static mapped_status use_windows(mapped_windows *windows, mapped_error *error)
{
    mapped_windows_lines lines;
    mapped_needle needle;
    mapped_slice slice;
    uint64_t offset;
    bool more;
    mapped_needle_init(&needle, "none", 4);
    mapped_status status = mapped_windows_next(windows, &slice, &more, error);
    if (status == MAPPED_OK)
        status = mapped_windows_find(windows, &needle, 0, &offset, error);
    mapped_windows_lines_init(&lines, windows, false);
    if (status == MAPPED_OK)
        status = mapped_windows_lines_next(&lines, &slice, &more, error);
    mapped_windows_lines_deinit(&lines);
    return status;
}

static mapped_status walk_windows(mapped_region **region, mapped_error *error)
{
    mapped_windows windows;
    (void)region;
    mapped_status status =
        mapped_windows_open(&windows, path(), SIZE / 2, 3, error);
    if (status != MAPPED_OK)
        return status;
    status = use_windows(&windows, error);
    mapped_windows_close(&windows);
    return status;
}

static mapped_status compile_format(mapped_region **region, mapped_error *error)
{
    const char *text = "<bBhHiIlLqQbBhHiIlLqQbBhHiIlLqQbBhHiIlLqQbBhHiIlLqQ";
    mapped_fields *format = (mapped_fields *)region;
    mapped_status status = memory_compile(MAPPED_DIALECT_STRUCT, text,
                                          strlen(text), &format, error);
    CHECK((format == (mapped_fields *)region) == (status != MAPPED_OK));
    if (status == MAPPED_OK)
        mapped_fields_release(format);
    return status;
}

static mapped_status compile_layout(mapped_region **region, mapped_error *error)
{
    const char *text = "a:u8 b:u8 c:u8 d:u8 e:u8 f:u8 g:u8 h:u8 i:u8 j:u8 "
                       "k:u8 l:u8 m:u8 n:u8 o:u8 p:u8 q:u8 r:u8 s:u8 t:u8";
    mapped_fields *layout = (mapped_fields *)region;
    mapped_status status = memory_compile(MAPPED_DIALECT_LAYOUT, text,
                                          strlen(text), &layout, error);
    CHECK((layout == (mapped_fields *)region) == (status != MAPPED_OK));
    if (status == MAPPED_OK)
        mapped_fields_release(layout);
    return status;
}

static mapped_status copy_array(mapped_region **region, mapped_error *error)
{
    ptrdiff_t shape = 10, there = 2, back = -2;
    mapped_item item =
        mapped_item_of(mapped_element_find(MAPPED_KIND_UNSIGNED, 1, false));
    mapped_slice all = mapped_region_slice(*region);
    const mapped_array to = {all, 0, item, 1, &shape, &there};
    const mapped_array from = {all, 18, item, 1, &shape, &back};
    return mapped_array_copy(&to, &from, error);
}

static bool may_fail_silently(void)
{
    return strcmp(refuse_hit, "munmap") == 0;
}

/* Checks that a failed call has changed nothing. Mode "w+" may have emptied the
 * file already, and promises nothing about it then. */
static void check_unchanged(const scenario *s, const state *before,
                            const state *after)
{
    CHECK_INT(after->descriptors, before->descriptors);
    CHECK_INT(after->blocks, before->blocks);
    if (!scratch_instrumented() && !may_fail_silently())
        CHECK_INT(after->pages, before->pages);
    CHECK_UINT(after->length, before->length);
    if (s->act == open_created && after->size == 0)
        return;
    CHECK_INT(after->size, before->size);
    CHECK_INT(after->last_byte, before->last_byte);
}

static void release_all(mapped_region *region, const scenario *s)
{
    if (s->prepare == prepare_shared)
        mapped_region_release(region);
    mapped_region_release(region);
    if (taken != NULL)
        munmap(taken, scratch_page());
    taken = NULL;
}

/* Runs a scenario with the n-th call refused. Returns true if there is no n-th
 * call. */
static bool run_once(const scenario *s, long n)
{
    mapped_error error = MAPPED_ERROR_INIT;
    state clean = look(NULL);
    mapped_region *given = s->prepare();
    mapped_region *region = given;
    state before = look(given);
    refuse_nth(n);
    mapped_status status = s->act(&region, &error);
    bool over = refuse_over();
    state after = look(given);
    if (status != MAPPED_OK && CHECK(!over)) {
        refuse_check_error(status, &error);
        check_unchanged(s, &before, &after);
        CHECK(region == given);
    }
    bool silently = !over && may_fail_silently();
    release_all(region, s);
    state end = look(NULL);
    CHECK_INT(end.descriptors, clean.descriptors);
    CHECK_INT(end.blocks, clean.blocks);
    if (!scratch_instrumented() && !silently)
        CHECK_INT(end.pages, clean.pages);
    return over;
}

static const scenario *running;

static bool run_nth(long n)
{
    return run_once(running, n);
}

static void run_scenario(void)
{
    mapped_region_release(prepare_writer()); /* Makes what a process keeps. */
    refuse_each(running->name, run_nth);
}

static const scenario scenarios[] = {
    {"test_failures_open_read", prepare_file, open_read},
    {"test_failures_open_copy", prepare_file, open_copy},
    {"test_failures_open_write", prepare_file, open_write},
    {"test_failures_open_append", prepare_file, open_append},
    {"test_failures_open_empty", prepare_file, open_empty},
    {"test_failures_open_extending", prepare_file, open_extending},
    {"test_failures_open_sparse", prepare_file, open_sparse},
    {"test_failures_open_reserved", prepare_file, open_reserved},
    {"test_failures_open_populated", prepare_file, open_populated},
    {"test_failures_open_device", prepare_file, open_device},
    {"test_failures_open_descriptor", prepare_file, open_descriptor},
    {"test_failures_create_over", prepare_file, open_created},
    {"test_failures_create_new", prepare_no_file, open_created},
    {"test_failures_create_exclusive", prepare_no_file, open_exclusive},
    {"test_failures_anonymous", prepare_file, anonymous_private},
    {"test_failures_anonymous_reserved", prepare_file, anonymous_reserved},
    {"test_failures_anonymous_huge", prepare_file, anonymous_huge},
    {"test_failures_anonymous_shared", prepare_file, anonymous_shared},
    {"test_failures_wrap", prepare_file, wrap},
    {"test_failures_grow", prepare_writer, grow},
    {"test_failures_grow_in_reserve", prepare_reserve, grow},
    {"test_failures_grow_from_empty", prepare_empty, grow},
    {"test_failures_grow_memory", prepare_memory, grow},
    {"test_failures_grow_exported", prepare_exported, grow},
    {"test_failures_grow_exported_memory", prepare_exported_memory, grow},
    {"test_failures_shrink", prepare_writer, shrink},
    {"test_failures_shrink_in_reserve", prepare_reserve, shrink},
    {"test_failures_shrink_shared", prepare_shared, shrink},
    {"test_failures_shrink_memory", prepare_memory, shrink},
    {"test_failures_shrink_to_nothing", prepare_writer, shrink_to_nothing},
    {"test_failures_append", prepare_writer, append},
    {"test_failures_refresh", prepare_follower, refresh},
    {"test_failures_refresh_longer", prepare_longer, refresh},
    {"test_failures_refresh_private_longer", prepare_private_longer, refresh},
    {"test_failures_refresh_replaced", prepare_replaced, refresh},
    {"test_failures_size_by_descriptor", prepare_writer, get_size},
    {"test_failures_size_by_name", prepare_reader, get_size},
    {"test_failures_recover", prepare_lost_writer, recover},
    {"test_failures_recover_by_name", prepare_lost_reader, recover},
    {"test_failures_meet_fault", prepare_cut, meet_fault},
    {"test_failures_compile_format", prepare_file, compile_format},
    {"test_failures_compile_layout", prepare_file, compile_layout},
    {"test_failures_windows", prepare_file, walk_windows},
    {"test_failures_copy_array", prepare_memory, copy_array},
    {"test_failures_close", prepare_writer, close_region},
    {"test_failures_close_shared", prepare_shared, close_region},
};

static long first_call;

static const char *open_first(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = NULL;
    state before = look(NULL);
    refuse_nth(first_call);
    mapped_status status = open_read(&region, &error);
    if (refuse_over()) {
        CHECK_STATUS(status, MAPPED_OK);
        return "over";
    }
    if (status == MAPPED_OK)
        return NULL;
    refuse_check_error(status, &error);
    CHECK(region == NULL);
    CHECK_INT(scratch_descriptors(), before.descriptors);
    CHECK_STATUS(open_read(&region, &error), MAPPED_OK);
    mapped_region_release(region);
    return NULL;
}

/* This test runs first, because later ones find the guard installed already. */
static void test_failures_first_mapping_of_a_process(void)
{
    prepare_file();
    for (first_call = 1; first_call < 100; first_call++) {
        CHECK_INT(scratch_child(open_first), 0);
        if (check_reason != NULL)
            break;
    }
    CHECK(first_call > 5);
    check_skip(NULL);
}

static void test_failures_message_without_a_locale(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set_system(&error, ENOENT, "open");
    refuse_nth(1);
    mapped_error_message(&error, text, sizeof text);
    CHECK(!refuse_over());
    CHECK_TEXT(text, "open: error 2");
}

int main(void)
{
    RUN(test_failures_first_mapping_of_a_process);
    RUN(test_failures_message_without_a_locale);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        running = &scenarios[i];
        check_run(run_scenario, running->name);
    }
    return check_finish();
}
