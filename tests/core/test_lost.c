/* Guards against lost pages that are forgotten, and against intact pages that
 * count as lost. The list of lost pages decides which accesses are errors. */
#include "check.h"

#include "lost.h"

#define PAGE ((size_t)4096)

static mapped__lost page_at(size_t number)
{
    return (mapped__lost){
        .offset = number * PAGE, .length = PAGE, .first = number * PAGE};
}

static void add(mapped__lost_list *ranges, size_t number)
{
    const mapped__lost lost = page_at(number);
    mapped__lost_add(ranges, &lost);
}

/* Adds the pages 0, 2, 4 and so on, of which no two are neighbours. */
static void fill(mapped__lost_list *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(ranges, 2 * i);
}

static void retry_all(mapped__lost_list *ranges)
{
    mapped__lost lost;
    while (mapped__lost_mark_next_restored(ranges, &lost))
        ;
}

/* Ends a recovery, and returns whether anything was recovered. */
static bool end_recovery(mapped__lost_list *ranges)
{
    mapped__recovered recovered = {0};
    mapped__lost_end_recovery(ranges, &recovered, 1);
    return recovered.count > 0;
}

static bool lost_at(const mapped__lost_list *ranges, size_t offset)
{
    mapped__lost found;
    bool hit = mapped__lost_find(ranges, offset, 1, &found);
    /* The quick check of the bounds must never miss a lost page. */
    CHECK(!hit || mapped__lost_may_include(ranges, offset, 1));
    return hit;
}

/* Checks an entry's first page, its number of pages, and the page whose cause
 * it reports. */
static void check_entry(const mapped__lost *lost, const size_t pages[3])
{
    CHECK_UINT(lost->offset, pages[0] * PAGE);
    CHECK_UINT(lost->length, pages[1] * PAGE);
    CHECK_UINT(lost->first, pages[2] * PAGE);
}

static void test_lost_nothing_at_first(void)
{
    mapped__lost_list ranges = {0};
    CHECK(!mapped__lost_may_include(&ranges, 0, SIZE_MAX));
    CHECK(!lost_at(&ranges, 0));
    CHECK_UINT(mapped__lost_count_unrestored(&ranges), 0);
}

static void test_lost_is_the_page_and_no_more(void)
{
    mapped__lost_list ranges = {0};
    add(&ranges, 3);
    CHECK(!lost_at(&ranges, 3 * PAGE - 1));
    CHECK(lost_at(&ranges, 3 * PAGE));
    CHECK(lost_at(&ranges, 4 * PAGE - 1));
    CHECK(!lost_at(&ranges, 4 * PAGE));
    CHECK(!mapped__lost_may_include(&ranges, 0, 3 * PAGE));
    CHECK(!mapped__lost_may_include(&ranges, 4 * PAGE, PAGE));
}

static void test_lost_neighbours_join_under_the_older_one(void)
{
    mapped__lost_list ranges = {0};
    add(&ranges, 5);
    add(&ranges, 3);
    CHECK_UINT(ranges.count, 2);
    mapped__lost_set_cause(&ranges, 5 * PAGE, 7);
    mapped__lost_set_cause(&ranges, 5 * PAGE, 8);
    add(&ranges, 9);
    add(&ranges, 20);
    CHECK(lost_at(&ranges, 3 * PAGE));
    add(&ranges, 4);
    CHECK_UINT(ranges.count, 3);
    check_entry(&ranges.list[1], (const size_t[3]){9, 1, 9});
    check_entry(&ranges.list[0], (const size_t[3]){3, 3, 5});
    CHECK_INT(ranges.list[0].cause, 7);
}

static void test_lost_twice_is_noted_once(void)
{
    mapped__lost_list ranges = {0};
    add(&ranges, 3);
    add(&ranges, 3);
    CHECK_UINT(ranges.count, 1);
    check_entry(&ranges.list[0], (const size_t[3]){3, 1, 3});
}

static void test_lost_broken_memory_is_no_part_of_a_cut_file(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost poisoned = page_at(4);
    poisoned.poisoned = true;
    add(&ranges, 3);
    mapped__lost_add(&ranges, &poisoned);
    CHECK_UINT(ranges.count, 2);
    CHECK(!ranges.list[0].poisoned);
    CHECK(ranges.list[1].poisoned);
    CHECK(lost_at(&ranges, 3 * PAGE));
}

static void test_lost_too_many_lose_everything(void)
{
    mapped__lost_list ranges = {0};
    fill(&ranges, MAPPED__LOST_MAX);
    CHECK_UINT(ranges.count, MAPPED__LOST_MAX);
    CHECK(!lost_at(&ranges, 1 * PAGE));
    add(&ranges, 1000);
    CHECK_UINT(ranges.count, 1);
    CHECK(lost_at(&ranges, 1 * PAGE));
    CHECK(lost_at(&ranges, SIZE_MAX / 2));
    CHECK_UINT(ranges.list[0].first, 0);
}

/* When everything counts as lost, the cause and the kind are those of the page
 * that was lost first. */
static void test_lost_everything_keeps_the_first_reason(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost poisoned = page_at(500);
    poisoned.poisoned = true;
    mapped__lost_add(&ranges, &poisoned);
    fill(&ranges, MAPPED__LOST_MAX - 1);
    add(&ranges, 1000);
    CHECK_UINT(ranges.count, 1);
    CHECK_UINT(ranges.list[0].first, 500 * PAGE);
    CHECK(ranges.list[0].poisoned);
}

static void test_lost_neighbour_of_a_full_list_finds_room(void)
{
    mapped__lost_list ranges = {0};
    fill(&ranges, MAPPED__LOST_MAX);
    add(&ranges, 2 * MAPPED__LOST_MAX - 1);
    CHECK_UINT(ranges.count, MAPPED__LOST_MAX);
    CHECK(!lost_at(&ranges, 1 * PAGE));
    check_entry(&ranges.list[MAPPED__LOST_MAX - 1],
                (const size_t[3]){2 * MAPPED__LOST_MAX - 2, 2,
                                  2 * MAPPED__LOST_MAX - 2});
}

/* Ranges that are being restored count as lost until the recovery ends, and
 * take entries of the list. */
static void test_lost_again_while_being_restored_stays_in_its_room(void)
{
    mapped__lost_list ranges = {0};
    struct {
        mapped__lost_list ranges;
        unsigned char behind[sizeof(mapped__lost)];
    } fenced = {.ranges = {0}};
    memset(fenced.behind, 0x5a, sizeof fenced.behind);
    fill(&fenced.ranges, MAPPED__LOST_MAX);
    retry_all(&fenced.ranges);
    CHECK_UINT(mapped__lost_count_unrestored(&fenced.ranges), 0);
    for (size_t i = 0; i < MAPPED__LOST_ROOM; i++)
        add(&fenced.ranges, 1000 + 2 * i);
    CHECK(fenced.ranges.count <= MAPPED__LOST_ROOM);
    CHECK_INT(fenced.behind[0], 0x5a);
    CHECK(lost_at(&fenced.ranges, 1 * PAGE));
    CHECK(end_recovery(&fenced.ranges));
    CHECK(lost_at(&fenced.ranges, 1 * PAGE));
    CHECK(!end_recovery(&ranges));
}

/* Also if that happens again before the recovery ends. */
static void test_lost_while_everything_is_restored_stays_in_its_room(void)
{
    struct {
        mapped__lost_list ranges;
        unsigned char behind[sizeof(mapped__lost)];
    } fenced = {.ranges = {0}};
    memset(fenced.behind, 0x5a, sizeof fenced.behind);
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < MAPPED__LOST_ROOM; i++)
            add(&fenced.ranges, 1000 * round + 2 * i);
        retry_all(&fenced.ranges);
        CHECK(fenced.ranges.count <= MAPPED__LOST_ROOM);
    }
    CHECK_INT(fenced.behind[0], 0x5a);
    add(&fenced.ranges, 7);
    CHECK(end_recovery(&fenced.ranges));
    CHECK(lost_at(&fenced.ranges, 7 * PAGE));
}

static void test_lost_that_is_not_restored_is_one_loss(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost lost;
    add(&ranges, 3);
    for (int i = 0; i < 60; i++) {
        CHECK(mapped__lost_mark_next_restored(&ranges, &lost));
        mapped__lost_mark_unrestored(&ranges, &lost);
    }
    CHECK_UINT(ranges.count, 1);
    CHECK(mapped__lost_mark_next_restored(&ranges, &lost));
    add(&ranges, 3); /* met again before it turned out not to be restored */
    mapped__lost_mark_unrestored(&ranges, &lost);
    CHECK_UINT(ranges.count, 1);
    CHECK(!end_recovery(&ranges));
    CHECK(lost_at(&ranges, 3 * PAGE));
}

static void test_lost_again_after_a_retry_is_a_loss_of_its_own(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost lost;
    add(&ranges, 3);
    mapped__lost_set_cause(&ranges, 3 * PAGE, 7);
    CHECK(mapped__lost_mark_next_restored(&ranges, &lost));
    CHECK_UINT(lost.offset, 3 * PAGE);
    add(&ranges, 3);
    CHECK_UINT(ranges.count, 2);
    CHECK(end_recovery(&ranges));
    CHECK_UINT(ranges.count, 1);
    CHECK_INT(ranges.list[0].cause, 0);
    CHECK(lost_at(&ranges, 3 * PAGE));
}

static void test_lost_bounds_after_a_recovery_are_narrow_again(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost lost;
    add(&ranges, 3);
    add(&ranges, 100);
    CHECK(mapped__lost_mark_next_restored(&ranges, &lost));
    CHECK(end_recovery(&ranges));
    CHECK(!mapped__lost_may_include(&ranges, 3 * PAGE, PAGE));
    CHECK(mapped__lost_may_include(&ranges, 100 * PAGE, PAGE));
}

static bool came_back(const mapped__recovered *recovered, uint64_t since,
                      size_t number)
{
    const mapped__recovered_query query = {
        .offset = number * PAGE, .length = PAGE, .since = since};
    mapped__lost found;
    return mapped__recovered_find(recovered, &query, &found);
}

/* There is one recovery more than there are entries. The oldest two are joined,
 * and the result may name too many pages, but never too few. */
static void test_lost_and_recovered_is_remembered(void)
{
    mapped__lost_list ranges = {0};
    mapped__recovered recovered = {0};
    for (uint64_t number = 1; number <= 2 * MAPPED__RECOVERED_ROOM; number++) {
        add(&ranges, 10 * number);
        retry_all(&ranges);
        mapped__lost_end_recovery(&ranges, &recovered, number);
        for (size_t i = 1; i <= number; i++)
            CHECK(came_back(&recovered, i - 1, 10 * i));
        CHECK(!came_back(&recovered, number, 10 * number));
        CHECK(!came_back(&recovered, 0, 10 * number + 1));
    }
    CHECK(recovered.count <= MAPPED__RECOVERED_ROOM);
}

static void test_lost_cut_shortens_what_straddles(void)
{
    mapped__lost_list ranges = {0};
    add(&ranges, 3);
    add(&ranges, 4);
    add(&ranges, 9);
    mapped__lost_forget(&ranges, 4 * PAGE);
    CHECK_UINT(ranges.count, 1);
    check_entry(&ranges.list[0], (const size_t[3]){3, 1, 3});
    CHECK(!mapped__lost_may_include(&ranges, 4 * PAGE, PAGE));
    mapped__lost_forget(&ranges, 3 * PAGE);
    CHECK_UINT(ranges.count, 0);
    CHECK(!mapped__lost_may_include(&ranges, 0, SIZE_MAX));
}

static void test_lost_copy_tells_of_what_has_no_room(void)
{
    mapped__lost_list ranges = {0};
    mapped__lost list[2] = {{.offset = 1}, {.offset = 1}};
    fill(&ranges, 3);
    CHECK_UINT(mapped__lost_copy(&ranges, list, 1), 3);
    CHECK_UINT(list[0].offset, 0);
    CHECK_UINT(list[1].offset, 1);
}

int main(void)
{
    RUN(test_lost_nothing_at_first);
    RUN(test_lost_is_the_page_and_no_more);
    RUN(test_lost_neighbours_join_under_the_older_one);
    RUN(test_lost_twice_is_noted_once);
    RUN(test_lost_broken_memory_is_no_part_of_a_cut_file);
    RUN(test_lost_too_many_lose_everything);
    RUN(test_lost_everything_keeps_the_first_reason);
    RUN(test_lost_neighbour_of_a_full_list_finds_room);
    RUN(test_lost_again_while_being_restored_stays_in_its_room);
    RUN(test_lost_while_everything_is_restored_stays_in_its_room);
    RUN(test_lost_that_is_not_restored_is_one_loss);
    RUN(test_lost_again_after_a_retry_is_a_loss_of_its_own);
    RUN(test_lost_bounds_after_a_recovery_are_narrow_again);
    RUN(test_lost_and_recovered_is_remembered);
    RUN(test_lost_cut_shortens_what_straddles);
    RUN(test_lost_copy_tells_of_what_has_no_room);
    return check_finish();
}
