/* A test harness in one header. A test is a `static void test_topic_behaviour
 * (void)`; `main` calls RUN for each and returns check_finish(). A check that
 * fails prints where and with which values, marks the running test as failed
 * and goes on; it also answers false, for tests that can't:
 *
 *     if (!CHECK_STATUS(open_it(&region), MAPPED_OK))
 *         return; */
#ifndef CHECK_H
#define CHECK_H

#include <mapped/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK__UNUSED __attribute__((unused))

static const char *check_test;   /* the running test's name */
static const char *check_reason; /* why it was skipped, or NULL */
static bool check_test_failed;
static int check_passed;
static int check_failed;
static int check_skipped;

/* Prints where a check failed. Each line is written at once, even to a pipe, so
 * that it isn't lost in a crash. */
CHECK__UNUSED static bool check_report(bool ok, const char *file, int line)
{
    if (ok)
        return true;
    check_test_failed = true;
    printf("%s:%d: %s: ", file, line, check_test ? check_test : "main");
    return false;
}

CHECK__UNUSED static bool check_true(bool ok, const char *file, int line,
                                     const char *text)
{
    if (!check_report(ok, file, line))
        printf("not true: %s\n", text);
    return ok;
}

CHECK__UNUSED static bool check_int(const int64_t values[2], const char *file,
                                    int line, const char *text)
{
    bool ok = values[0] == values[1];
    if (!check_report(ok, file, line))
        printf("%s is %" PRId64 ", expected %" PRId64 "\n", text, values[0],
               values[1]);
    return ok;
}

CHECK__UNUSED static bool check_uint(const uint64_t values[2], const char *file,
                                     int line, const char *text)
{
    bool ok = values[0] == values[1];
    if (!check_report(ok, file, line))
        printf("%s is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64
               " (0x%" PRIx64 ")\n",
               text, values[0], values[0], values[1], values[1]);
    return ok;
}

CHECK__UNUSED static bool check_status(const int values[2], const char *file,
                                       int line, const char *text)
{
    bool ok = values[0] == values[1];
    if (!check_report(ok, file, line))
        printf("%s is %s, expected %s\n", text, mapped_status_name(values[0]),
               mapped_status_name(values[1]));
    return ok;
}

CHECK__UNUSED static bool check_text(const char *const values[2],
                                     const char *file, int line,
                                     const char *text)
{
    bool ok = values[0] && values[1] && strcmp(values[0], values[1]) == 0;
    if (!check_report(ok, file, line))
        printf("%s is \"%s\", expected \"%s\"\n", text,
               values[0] ? values[0] : "(null)",
               values[1] ? values[1] : "(null)");
    return ok;
}

CHECK__UNUSED static void check_print_bytes(const void *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < n && i < 32; i++)
        printf("%02x", p[i]);
    if (n > 32)
        printf("...");
}

CHECK__UNUSED static bool check_bytes(const void *const values[2], size_t n,
                                      const char *where, int line)
{
    bool ok = memcmp(values[0], values[1], n) == 0;
    if (!check_report(ok, where, line)) {
        printf("bytes are ");
        check_print_bytes(values[0], n);
        printf(", expected ");
        check_print_bytes(values[1], n);
        printf("\n");
    }
    return ok;
}

#define CHECK(condition) check_true((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(actual, expected)                                       \
    check_int((const int64_t[2]){(int64_t)(actual), (int64_t)(expected)}, \
              __FILE__, __LINE__, #actual)
#define CHECK_UINT(actual, expected)                                          \
    check_uint((const uint64_t[2]){(uint64_t)(actual), (uint64_t)(expected)}, \
               __FILE__, __LINE__, #actual)
#define CHECK_STATUS(actual, expected)                                     \
    check_status((const int[2]){(int)(actual), (int)(expected)}, __FILE__, \
                 __LINE__, #actual)
#define CHECK_TEXT(actual, expected)                                   \
    check_text((const char *const[2]){(actual), (expected)}, __FILE__, \
               __LINE__, #actual)
#define CHECK_BYTES(actual, expected, n)                                     \
    check_bytes((const void *const[2]){(actual), (expected)}, (n), __FILE__, \
                __LINE__)

#define RUN(test) check_run((test), #test)

/* Takes the status of a call that may succeed or fail: neither is a mistake. */
CHECK__UNUSED static void check_nothing(int status)
{
    (void)status;
}

/* Marks the running test as skipped, because this machine can't run it. The
 * reason is printed. */
CHECK__UNUSED static void check_skip(const char *reason)
{
    check_reason = reason;
}

/* Skips a test whose numbers and native sizes are those of 64-bit machines, if
 * this is none, and returns true then. */
CHECK__UNUSED static bool check_skip_narrow(void)
{
    if (sizeof(void *) >= 8)
        return false;
    check_skip("made for the numbers and native sizes of 64 bits");
    return true;
}

/* Makes the stack long enough for a signal handler, because valgrind can't
 * extend the stack while it delivers a signal. */
CHECK__UNUSED static void check_lengthen_stack(void)
{
    volatile char bytes[32768];
    for (size_t i = sizeof bytes; i > 0; i -= 1024)
        bytes[i - 1] = 0;
}

/* Runs one test. `scons test only=NAME` sets MAPPED_ONLY, and then only tests
 * with NAME in their names run. */
CHECK__UNUSED static void check_run(void (*test)(void), const char *name)
{
    const char *only = getenv("MAPPED_ONLY");
    if (only && !strstr(name, only))
        return;
    check_test = name;
    check_test_failed = false;
    check_reason = NULL;
    check_lengthen_stack();
    setvbuf(stdout, NULL, _IOLBF, 0);
    test();
    check_test = NULL;
    if (check_test_failed)
        check_failed++;
    else if (check_reason)
        check_skipped++;
    else
        check_passed++;
    if (check_reason)
        printf("%s: skipped: %s\n", name, check_reason);
}

/* Prints the counts and returns the exit status. A test that can't go on calls
 * exit(check_finish()); it counts as failed. */
CHECK__UNUSED static int check_finish(void)
{
    check_failed += check_test != NULL;
    printf("%d passed, %d failed", check_passed, check_failed);
    if (check_skipped > 0)
        printf(", %d skipped", check_skipped);
    printf("\n");
    return check_failed != 0;
}

#endif
