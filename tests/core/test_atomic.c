/* Guards against an atomic access that isn't one of the whole word, that takes
 * the wrong byte order or a misaligned word, that wraps or widens wrongly, or
 * that writes although it was refused. */
#include "memory.h"

#include <mapped/atomic.h>

#include <math.h>

static const char *const names[] = {"i32",   "u32",   "i64",   "u64",
                                    "i32be", "u32be", "i64be", "u64be"};

static const mapped_element *row(const char *name)
{
    const mapped_element *element =
        mapped_element_from_name(name, strlen(name), NULL);
    CHECK(element != NULL);
    return element;
}

static mapped_atomic word_at(mapped_slice slice, const char *name,
                             size_t offset)
{
    mapped_atomic atomic = {{0}, NULL};
    CHECK_STATUS(mapped_atomic_at(slice, row(name), offset, &atomic, NULL),
                 MAPPED_OK);
    return atomic;
}

static mapped_value number(int64_t i)
{
    return (mapped_value){.i = i};
}

static int64_t load(const mapped_atomic *atomic)
{
    mapped_value value = {.i = 4711};
    CHECK_STATUS(mapped_atomic_load(atomic, MAPPED_ORDER_SEQ_CST, &value, NULL),
                 MAPPED_OK);
    return value.i;
}

static void store(const mapped_atomic *atomic, int64_t i)
{
    CHECK_STATUS(
        mapped_atomic_store(atomic, number(i), MAPPED_ORDER_SEQ_CST, NULL),
        MAPPED_OK);
}

static int64_t update(const mapped_atomic *atomic,
                      mapped_atomic_operation operation, int64_t operand)
{
    mapped_value before = {.i = 4711};
    CHECK_STATUS(mapped_atomic_update(atomic, operation, number(operand),
                                      MAPPED_ORDER_SEQ_CST, &before, NULL),
                 MAPPED_OK);
    return before.i;
}

/* The same value by way of an ordinary typed access. */
static int64_t plain(const mapped_atomic *atomic)
{
    mapped_value value = {.i = 4711};
    CHECK_STATUS(mapped_get(atomic->word, atomic->element, 0, &value, NULL),
                 MAPPED_OK);
    return value.i;
}

static void test_atomic_operations_in_both_orders_and_widths(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mapped_region *region = memory_region(64);
        mapped_atomic word = word_at(mapped_region_slice(region), names[i], 8);
        const int64_t n = 0x12345678;
        store(&word, n);
        CHECK_INT(plain(&word), n);
        CHECK_INT(load(&word), n);
        CHECK_INT(update(&word, MAPPED_ATOMIC_ADD, 0x89), n);
        CHECK_INT(update(&word, MAPPED_ATOMIC_SUB, 0x100), n + 0x89);
        CHECK_INT(update(&word, MAPPED_ATOMIC_AND, 0xffff), n - 0x77);
        CHECK_INT(update(&word, MAPPED_ATOMIC_OR, 0x70000), 0x5601);
        CHECK_INT(update(&word, MAPPED_ATOMIC_XOR, 0x1), 0x75601);
        CHECK_INT(update(&word, MAPPED_ATOMIC_EXCHANGE, 7), 0x75600);
        CHECK_INT(plain(&word), 7);
        for (size_t at = 0; at < 64; at++)
            if (at < 8 || at >= 8 + (size_t)word.element->size)
                CHECK_UINT(region->base_[at], memory_byte(at));
        mapped_region_release(region);
    }
}

static void test_atomic_compare_exchange_tells_what_it_found(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mapped_region *region = memory_region(64);
        mapped_atomic word = word_at(mapped_region_slice(region), names[i], 0);
        mapped_value before;
        store(&word, 5);
        CHECK_STATUS(mapped_atomic_compare_exchange(&word, number(6), number(9),
                                                    MAPPED_ORDER_SEQ_CST,
                                                    &before, NULL),
                     MAPPED_OK);
        CHECK_INT(before.i, 5);
        CHECK_INT(load(&word), 5);
        CHECK_STATUS(mapped_atomic_compare_exchange(&word, number(5), number(9),
                                                    MAPPED_ORDER_ACQ_REL, NULL,
                                                    NULL),
                     MAPPED_OK);
        CHECK_INT(load(&word), 9);
        mapped_region_release(region);
    }
}

static const struct {
    const char *name;
    int64_t least, most;
} limits[] = {{"i32", INT32_MIN, INT32_MAX},   {"u32", 0, UINT32_MAX},
              {"i32be", INT32_MIN, INT32_MAX}, {"u32be", 0, UINT32_MAX},
              {"i64", INT64_MIN, INT64_MAX},   {"i64be", INT64_MIN, INT64_MAX}};

static void test_atomic_sums_wrap_around(void)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        mapped_region *region = memory_region(64);
        mapped_atomic word =
            word_at(mapped_region_slice(region), limits[i].name, 0);
        store(&word, limits[i].most);
        CHECK_INT(update(&word, MAPPED_ATOMIC_ADD, 1), limits[i].most);
        CHECK_INT(update(&word, MAPPED_ATOMIC_SUB, 1), limits[i].least);
        CHECK_INT(load(&word), limits[i].most);
        mapped_region_release(region);
    }
}

static void test_atomic_operand_out_of_range_is_refused(void)
{
    for (size_t i = 0; i < 4; i++) {
        mapped_region *region = memory_region(64);
        mapped_atomic word =
            word_at(mapped_region_slice(region), limits[i].name, 0);
        const mapped_value wrong[2] = {number(limits[i].least - 1),
                                       number(limits[i].most + 1)};
        mapped_value before = {.i = 4711};
        store(&word, 3);
        for (int k = 0; k < 2; k++) {
            CHECK_STATUS(mapped_atomic_store(&word, wrong[k],
                                             MAPPED_ORDER_RELAXED, NULL),
                         MAPPED_VALUE);
            CHECK_STATUS(mapped_atomic_update(&word, MAPPED_ATOMIC_ADD,
                                              wrong[k], MAPPED_ORDER_SEQ_CST,
                                              &before, NULL),
                         MAPPED_VALUE);
            CHECK_STATUS(mapped_atomic_compare_exchange(
                             &word, number(3), wrong[k], MAPPED_ORDER_SEQ_CST,
                             &before, NULL),
                         MAPPED_VALUE);
            CHECK_STATUS(mapped_atomic_wait(&word, wrong[k], 0, &before, NULL),
                         MAPPED_VALUE);
        }
        CHECK_INT(load(&word), 3);
        CHECK_INT(before.i, 4711);
        mapped_region_release(region);
    }
}

static void test_atomic_word_must_be_an_aligned_integer(void)
{
    static const char *const others[] = {"u8",  "i16",  "u24", "f32",
                                         "f64", "bool", "char"};
    mapped_region *region = memory_region(64);
    mapped_slice all = mapped_region_slice(region);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_atomic word;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CHECK_STATUS(mapped_atomic_at(all, row(others[i]), 0, &word, &error),
                     MAPPED_ARGUMENT);
    for (size_t offset = 1; offset < 8; offset++) {
        CHECK_STATUS(mapped_atomic_at(all, row("u64"), offset, &word, &error),
                     MAPPED_MISALIGNED);
        CHECK_UINT(error.offset, offset);
        if (offset != 4)
            CHECK_STATUS(mapped_atomic_at(all, row("i32"), offset, &word, NULL),
                         MAPPED_MISALIGNED);
    }
    CHECK_STATUS(mapped_atomic_at(memory_slice(region, 1, 63), row("u32"), 3,
                                  &word, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_atomic_at(all, row("u32"), 61, &word, NULL),
                 MAPPED_RANGE);
    CHECK_STATUS(mapped_atomic_at(all, row("u32"), SIZE_MAX, &word, NULL),
                 MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_atomic_access_is_checked_like_all_others(void)
{
    mapped_region *region = memory_region(64);
    mapped_atomic word = word_at(mapped_region_slice(region), "u32", 0);
    mapped_value value = {.u = 4711};
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_atomic_load(&word, MAPPED_ORDER_SEQ_CST, &value, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(
        mapped_atomic_store(&word, number(1), MAPPED_ORDER_SEQ_CST, NULL),
        MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_update(&word, MAPPED_ATOMIC_ADD, number(1),
                                      MAPPED_ORDER_SEQ_CST, &value, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_wait(&word, number(0), 0, &value, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_notify(&word, 1, NULL, NULL), MAPPED_CLOSED);
    CHECK_UINT(value.u, 4711);
    mapped_region_release(region);
}

static void test_atomic_wait_returns_at_once_or_in_time(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mapped_region *region = memory_region(64);
        mapped_atomic word = word_at(mapped_region_slice(region), names[i], 0);
        mapped_value found = {.i = 4711};
        mapped_error error;
        uint32_t woken = 4711;
        store(&word, 0x1234);
        CHECK_STATUS(mapped_atomic_wait(&word, number(0x1234), 0, &found, NULL),
                     MAPPED_TIMEOUT);
        CHECK_STATUS(mapped_atomic_wait(&word, number(0x1234),
                                        mapped_deadline(2000000), &found,
                                        &error),
                     MAPPED_TIMEOUT);
        CHECK_TEXT(error.operation, "wait");
        CHECK_INT(found.i, 4711);
        CHECK_STATUS(mapped_atomic_wait(&word, number(0x1235), MAPPED_NEVER,
                                        &found, NULL),
                     MAPPED_OK);
        CHECK_INT(found.i, 0x1234);
        CHECK_STATUS(mapped_atomic_notify(&word, 1, &woken, NULL), MAPPED_OK);
        CHECK_UINT(woken, 0);
        mapped_region_release(region);
    }
}

static void test_atomic_order_that_makes_no_sense_is_refused(void)
{
    mapped_region *region = memory_region(64);
    mapped_atomic word = word_at(mapped_region_slice(region), "u32", 0);
    const mapped_order wrong = (mapped_order)(MAPPED_ORDER_ACQ_REL + 1);
    mapped_value value = {.u = 4711};
    store(&word, 3);
    for (int order = 0; order <= (int)wrong; order++) {
        bool known = order < (int)wrong;
        bool loads = order == MAPPED_ORDER_SEQ_CST ||
                     order == MAPPED_ORDER_RELAXED ||
                     order == MAPPED_ORDER_ACQUIRE;
        bool stores = known && order != MAPPED_ORDER_ACQUIRE &&
                      order != MAPPED_ORDER_ACQ_REL;
        CHECK_STATUS(
            mapped_atomic_load(&word, (mapped_order)order, &value, NULL),
            loads ? MAPPED_OK : MAPPED_ARGUMENT);
        CHECK_STATUS(
            mapped_atomic_store(&word, number(3), (mapped_order)order, NULL),
            stores ? MAPPED_OK : MAPPED_ARGUMENT);
        CHECK_STATUS(mapped_atomic_update(&word, MAPPED_ATOMIC_ADD, number(0),
                                          (mapped_order)order, NULL, NULL),
                     known ? MAPPED_OK : MAPPED_ARGUMENT);
        mapped_atomic_fence((mapped_order)order);
    }
    CHECK_INT(load(&word), 3);
    mapped_region_release(region);
}

static void test_atomic_orders_have_names(void)
{
    mapped_order order = MAPPED_ORDER_RELAXED;
    CHECK_STATUS(mapped_order_parse("acq_rel", 7, &order, NULL), MAPPED_OK);
    CHECK_INT(order, MAPPED_ORDER_ACQ_REL);
    CHECK_STATUS(mapped_order_parse("seq_cst!", 7, &order, NULL), MAPPED_OK);
    CHECK_INT(order, MAPPED_ORDER_SEQ_CST);
    CHECK_STATUS(mapped_order_parse("relaxe", 6, &order, NULL),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_order_parse("", 0, &order, NULL), MAPPED_ARGUMENT);
    CHECK_INT(order, MAPPED_ORDER_SEQ_CST);
}

static void test_atomic_deadlines_from_seconds(void)
{
    uint64_t deadline = 4711, now = mapped_deadline(0);
    static const double wrong[] = {-1, -0.1, -HUGE_VAL, NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_STATUS(mapped_deadline_seconds(wrong[i], &deadline, NULL),
                     MAPPED_ARGUMENT);
    CHECK_UINT(deadline, 4711);
    CHECK_STATUS(mapped_deadline_seconds(HUGE_VAL, &deadline, NULL), MAPPED_OK);
    CHECK_UINT(deadline, MAPPED_NEVER);
    CHECK_STATUS(mapped_deadline_seconds(1e300, &deadline, NULL), MAPPED_OK);
    CHECK_UINT(deadline, MAPPED_NEVER);
    CHECK_STATUS(mapped_deadline_seconds(1e-12, &deadline, NULL), MAPPED_OK);
    CHECK(deadline > now);
    CHECK_STATUS(mapped_deadline_seconds(0.5, &deadline, NULL), MAPPED_OK);
    CHECK(deadline - now >= 500000000);
    CHECK(deadline - now < UINT64_C(500000000000));
    CHECK_UINT(mapped_deadline(UINT64_MAX), MAPPED_NEVER);
}

int main(void)
{
    RUN(test_atomic_order_that_makes_no_sense_is_refused);
    RUN(test_atomic_orders_have_names);
    RUN(test_atomic_deadlines_from_seconds);
    RUN(test_atomic_operations_in_both_orders_and_widths);
    RUN(test_atomic_compare_exchange_tells_what_it_found);
    RUN(test_atomic_sums_wrap_around);
    RUN(test_atomic_operand_out_of_range_is_refused);
    RUN(test_atomic_word_must_be_an_aligned_integer);
    RUN(test_atomic_access_is_checked_like_all_others);
    RUN(test_atomic_wait_returns_at_once_or_in_time);
    return check_finish();
}
