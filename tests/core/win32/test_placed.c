/* Guards against a wrong use of placeholders: splitting, joining and replacing
 * them in ways that Windows would refuse, or that set addresses free. Not every
 * system that runs these tests has placeholders, so view.c runs on a model that
 * keeps to the documented rules and notes each call that breaks one. The
 * model's views begin at multiples of 64 KiB, so the tests' sizes do too. */
#include "folder.h"

#include "win32/system.h"

#define GRANULE ((size_t)65536)
#define SLOTS 64

typedef enum slot_kind {
    NOTHING,
    PLACEHOLDER,
    VIEW
} slot_kind;

typedef struct slot {
    slot_kind kind;
    unsigned char *start;
    size_t size; /* bytes, whole pages */
} slot;

static slot slots[SLOTS];
static int broken_rules;
static int views_to_refuse;
static bool refusing;
static DWORD pause; /* in a replacement, in milliseconds */

static bool broken(const char *rule)
{
    printf("placeholder rule broken: %s\n", rule);
    broken_rules++;
    SetLastError(ERROR_INVALID_PARAMETER);
    return false;
}

static slot *slot_at(const unsigned char *start)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].kind != NOTHING && slots[i].start == start)
            return &slots[i];
    return NULL;
}

static void add(slot_kind kind, unsigned char *start, size_t size)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].kind == NOTHING) {
            slots[i] = (slot){kind, start, size};
            return;
        }
    }
    exit(1);
}

static size_t whole(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* Reserves addresses again. No other mapping can begin inside a granule, so the
 * rest of a granule in use need not be reserved. */
static bool hold(unsigned char *start, size_t size)
{
    unsigned char *first = (unsigned char *)whole((uintptr_t)start, GRANULE);
    size_t lost = (size_t)(first - start);
    return size <= lost || VirtualAlloc(first, size - lost, MEM_RESERVE,
                                        PAGE_NOACCESS) == first;
}

bool mapped__placeholder_available(void)
{
    return true;
}

unsigned char *mapped__placeholder_reserve(size_t size)
{
    if (size % GRANULE != 0)
        return broken("reserved by the granule"), NULL;
    unsigned char *start = VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS);
    if (start != NULL)
        add(PLACEHOLDER, start, size);
    return start;
}

bool mapped__placeholder_split(unsigned char *start, size_t size)
{
    slot *found = slot_at(start);
    if (found == NULL || found->kind != PLACEHOLDER || size >= found->size)
        return broken("split a placeholder at its head");
    size_t rest = found->size - size;
    VirtualFree(start, 0, MEM_RELEASE);
    found->size = size;
    add(PLACEHOLDER, start + size, rest);
    return hold(start, size) && hold(start + size, rest);
}

bool mapped__placeholder_join(unsigned char *start, size_t size)
{
    size_t sum = 0;
    int parts = 0;
    for (slot *part; sum < size; sum += part->size, parts++) {
        part = slot_at(start + sum);
        if (part == NULL || part->kind != PLACEHOLDER)
            return broken("join placeholders only");
        part->kind = NOTHING;
        VirtualFree(part->start, 0, MEM_RELEASE);
    }
    if (sum != size || parts < 2)
        return broken("join two or more, to their very end");
    add(PLACEHOLDER, start, size);
    return hold(start, size);
}

bool mapped__placeholder_to_view(unsigned char *start, const mapped__view *view)
{
    DWORD access = view->protection == PAGE_READONLY
                       ? FILE_MAP_READ
                       : (view->protection == PAGE_WRITECOPY ? FILE_MAP_COPY
                                                             : FILE_MAP_WRITE);
    slot *found = slot_at(start);
    if (found == NULL || found->kind != PLACEHOLDER ||
        found->size != whole(view->size, 4096))
        return broken("a view replaces exactly one placeholder");
    if (refusing && views_to_refuse-- > 0) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return false;
    }
    VirtualFree(start, 0, MEM_RELEASE);
    if (MapViewOfFileEx(view->section, access, (DWORD)(view->offset >> 32),
                        (DWORD)view->offset, view->size, start) != start) {
        DWORD kept = GetLastError();
        hold(start, found->size);
        SetLastError(kept);
        return false;
    }
    found->kind = VIEW;
    return true;
}

bool mapped__placeholder_from_view(unsigned char *start)
{
    slot *found = slot_at(start);
    if (found == NULL || found->kind != VIEW)
        return broken("only a view becomes a placeholder");
    UnmapViewOfFile(start);
    found->kind = PLACEHOLDER;
    bool held = hold(start, found->size);
    Sleep(pause);
    return held;
}

/* Removes views from the model that have been unmapped. */
static void forget_free(void)
{
    for (int i = 0; i < SLOTS; i++) {
        MEMORY_BASIC_INFORMATION found;
        if (slots[i].kind == NOTHING)
            continue;
        VirtualQuery(slots[i].start, &found, sizeof found);
        if (found.State == MEM_FREE)
            slots[i].kind = NOTHING;
    }
}

static int slots_in_use(void)
{
    int count = 0;
    forget_free();
    for (int i = 0; i < SLOTS; i++)
        count += slots[i].kind != NOTHING;
    return count;
}

static mapped_region *open_reserving(const char *path, uint64_t reserve)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    options.reserve = reserve;
    CHECK_STATUS(mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options,
                                    &region, NULL),
                 MAPPED_OK);
    return region;
}

static void finish(mapped_region *region, const char *path)
{
    mapped_region_release(region);
    folder_delete(path);
    CHECK_INT(slots_in_use(), 0);
    CHECK_INT(broken_rules, 0);
    broken_rules = 0;
}

static void test_grow_in_the_reserve_keeps_the_address(void)
{
    const char *path = folder_file("reserve", 3 * GRANULE);
    mapped_region *region = open_reserving(path, 10 * GRANULE);
    mapped_export held;
    if (region == NULL)
        return;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    for (size_t n = 4; n <= 10; n += 3) {
        CHECK_STATUS(mapped_region_resize(region, n * GRANULE, NULL),
                     MAPPED_OK);
        CHECK(region->base_ == held.data);
        CHECK_INT(folder_size(path), n * GRANULE);
        CHECK(folder_pattern(region, 0, 3 * GRANULE, 0));
        CHECK(folder_zeros(region->base_ + 3 * GRANULE, (n - 3) * GRANULE));
    }
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
    finish(region, path);
}

static void test_shrink_and_regrow_in_the_reserve(void)
{
    const char *path = folder_file("regrow", 3 * GRANULE - 1);
    mapped_region *region = open_reserving(path, 10 * GRANULE);
    const size_t lengths[] = {8, 2, 5, 1, 10};
    if (region == NULL)
        return;
    unsigned char *base = region->base_;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i] * GRANULE;
        CHECK_STATUS(mapped_region_resize(region, n, NULL), MAPPED_OK);
        CHECK(region->base_ == base);
        CHECK_INT(folder_size(path), n);
        CHECK(folder_pattern(region, 0, GRANULE, 0));
    }
    finish(region, path);
}

static void test_reserve_of_an_empty_file(void)
{
    const char *path = folder_file("fresh", 0);
    mapped_region *region = open_reserving(path, 4 * GRANULE);
    if (region == NULL)
        return;
    CHECK_STATUS(mapped_region_resize(region, GRANULE, NULL), MAPPED_OK);
    unsigned char *base = region->base_;
    CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 4 * GRANULE, NULL), MAPPED_OK);
    CHECK(region->base_ == base);
    finish(region, path);
}

static void test_grow_without_a_reserve_moves(void)
{
    const char *path = folder_file("moves", GRANULE);
    mapped_region *region = open_reserving(path, 0);
    if (region == NULL)
        return;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_resize(region, 2 * GRANULE, NULL), MAPPED_BUSY);
    CHECK_UINT(mapped_region_length(region), GRANULE);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_resize(region, 2 * GRANULE, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, GRANULE, 0));
    finish(region, path);
}

static void test_failed_growth_changes_nothing(void)
{
    const char *path = folder_file("refused", GRANULE);
    mapped_region *region = open_reserving(path, 4 * GRANULE);
    mapped_error error = MAPPED_ERROR_INIT;
    if (region == NULL)
        return;
    refusing = true;
    views_to_refuse = 1;
    CHECK_STATUS(mapped_region_resize(region, 2 * GRANULE, &error),
                 MAPPED_SYSTEM);
    refusing = false;
    CHECK_INT(error.os_error, ERROR_NOT_ENOUGH_MEMORY);
    CHECK_UINT(mapped_region_length(region), GRANULE);
    CHECK(folder_pattern(region, 0, GRANULE, 0));
    CHECK_STATUS(mapped_region_resize(region, 4 * GRANULE, NULL), MAPPED_OK);
    finish(region, path);
}

/* When a shrink can't map its pages again, the region is empty. */
static void test_shrink_that_cannot_map_again(void)
{
    const char *path = folder_file("gone", 2 * GRANULE);
    mapped_region *region = open_reserving(path, 0);
    mapped_error error = MAPPED_ERROR_INIT;
    if (region == NULL)
        return;
    refusing = true;
    views_to_refuse = 2;
    CHECK_STATUS(mapped_region_resize(region, GRANULE, &error), MAPPED_SYSTEM);
    refusing = false;
    CHECK_UINT(mapped_region_length(region), 0);
    CHECK_STATUS(mapped_region_resize(region, GRANULE, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, GRANULE, 0));
    finish(region, path);
}

static void test_failed_open_leaves_nothing(void)
{
    const char *path = folder_file("unopened", GRANULE);
    mapped_region *region = NULL;
    refusing = true;
    views_to_refuse = 1;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL),
        MAPPED_SYSTEM);
    refusing = false;
    finish(region, path);
}

/* Closing unmaps the file although the addresses stay reserved. */
static void test_close_swaps_all_views_for_zeros(void)
{
    const char *path = folder_file("swapped", GRANULE);
    mapped_region *region = open_reserving(path, 600 * GRANULE);
    if (region == NULL)
        return;
    const size_t length = 520 * GRANULE; /* more than one section of zeros */
    CHECK_STATUS(mapped_region_resize(region, 2 * GRANULE, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, length, NULL), MAPPED_OK);
    unsigned char *stale = region->base_;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK(folder_zeros(stale, length));
    stale[length - 1] = 1;
    folder_delete(path);
    mapped_region_release(region);
    path = folder_file("swapped", 0);
    finish(region, path);
}

/* Raises the exception that the system raises when a page can't be read. */
static void fault_at(unsigned char *address)
{
    const ULONG_PTR facts[3] = {0, (ULONG_PTR)address, 0xC000009C};
    RaiseException(EXCEPTION_IN_PAGE_ERROR, 0, 3, facts);
}

static void test_lost_page_is_an_error_until_recovered(void)
{
    const char *path = folder_file("lost", 3 * GRANULE);
    mapped_region *region = open_reserving(path, 6 * GRANULE);
    mapped_error error = MAPPED_ERROR_INIT;
    if (region == NULL)
        return;
    CHECK_STATUS(mapped_region_resize(region, 4 * GRANULE, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    fault_at(region->base_ + GRANULE + 5);
    CHECK(folder_zeros(region->base_, 4 * GRANULE));
    CHECK_STATUS(mapped_region_check(region, &error), MAPPED_FAULT);
    fault_at(region->base_);
    refusing = true;
    views_to_refuse = 1;
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_SYSTEM);
    refusing = false;
    CHECK(folder_zeros(region->base_, 4 * GRANULE));
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, 3 * GRANULE, 0));
    finish(region, path);
}

static volatile LONG stop_reading;

static DWORD WINAPI read_until_told(void *base)
{
    const volatile unsigned char *bytes = base;
    DWORD seen = 0;
    while (!stop_reading)
        seen |= bytes[0] | bytes[2 * GRANULE - 1];
    return seen;
}

/* The exception handler has to wait for the close, or the reader would end the
 * process. */
static void test_close_while_another_thread_reads(void)
{
    const char *path = folder_file("read", 2 * GRANULE);
    for (int i = 0; i < 20; i++) {
        mapped_region *region = open_reserving(path, 0);
        if (region == NULL)
            return;
        pause = i % 2;
        stop_reading = 0;
        mapped_region_acquire(region);
        HANDLE thread =
            CreateThread(NULL, 0, read_until_told, region->base_, 0, NULL);
        Sleep(1);
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        Sleep(1);
        stop_reading = 1;
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
        mapped_region_release(region);
        mapped_region_release(region);
        CHECK_INT(slots_in_use(), 0);
    }
    pause = 0;
    path = folder_file("read", 0);
    finish(NULL, path);
}

static void test_grow_in_the_last_page_stays_in_place(void)
{
    const char *path = folder_file("slack", 100);
    mapped_region *region = open_reserving(path, 0);
    if (region == NULL)
        return;
    unsigned char *base = region->base_;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_resize(region, 4096, NULL), MAPPED_OK);
    CHECK(region->base_ == base);
    CHECK(folder_pattern(region, 0, 100, 0));
    mapped_region_release(region);
    finish(region, path);
}

int main(void)
{
    RUN(test_grow_in_the_reserve_keeps_the_address);
    RUN(test_shrink_and_regrow_in_the_reserve);
    RUN(test_reserve_of_an_empty_file);
    RUN(test_grow_without_a_reserve_moves);
    RUN(test_failed_growth_changes_nothing);
    RUN(test_shrink_that_cannot_map_again);
    RUN(test_failed_open_leaves_nothing);
    RUN(test_close_swaps_all_views_for_zeros);
    RUN(test_lost_page_is_an_error_until_recovered);
    RUN(test_close_while_another_thread_reads);
    RUN(test_grow_in_the_last_page_stays_in_place);
    return check_finish();
}
