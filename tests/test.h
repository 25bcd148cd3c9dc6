/*
 * test.h - the test harness: one header, no library.
 *
 *     #include "test.h"
 *
 *     TEST(adds)
 *     {
 *             CHECK_EQ(1 + 1, 2);
 *     }
 *
 *     TEST_MAIN()
 *
 * A program runs its tests in the order of the file, or only those whose name contains argv[1].
 * Exit status: 0 all passed, 1 something failed, 77 everything was skipped (CTest then says so).
 *
 * The CHECK macros only record and return, they never jump, and what they record is atomic: so they
 * work in a fiber, in a helper function and in another thread. In those they end that function
 * alone; the test fails all the same.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static const char *test_current = "";
static atomic_int test_failures;
static atomic_bool test_skipped;

/* Defines and registers a test. */
#define TEST(test_name)                                                         \
    static void test_name##_run(void);                                          \
    __attribute__((constructor)) static void test_name##_register(void)         \
    {                                                                           \
        static struct test test = {.name = #test_name, .run = test_name##_run}; \
        *test_last = &test;                                                     \
        test_last = &test.next;                                                 \
    }                                                                           \
    static void test_name##_run(void)

#define TEST_MAIN()                                \
    int main(int argc, char **argv)                \
    {                                              \
        return test_main(argc > 1 ? argv[1] : ""); \
    }

/* Fails the test and returns from this void function unless cond holds. */
#define CHECK(cond)                                     \
    do {                                                \
        if (!(cond)) {                                  \
            test_fail(__FILE__, __LINE__, "%s", #cond); \
            return;                                     \
        }                                               \
    } while (0)

/* CHECK for a function that is not void: returns result. */
#define CHECK_OR(cond, result)                          \
    do {                                                \
        if (!(cond)) {                                  \
            test_fail(__FILE__, __LINE__, "%s", #cond); \
            return result;                              \
        }                                               \
    } while (0)

/* CHECK(a == b) for integers (and pointers) of up to 64 bits; the report shows both values. */
#define CHECK_EQ(a, b)                                                                       \
    do {                                                                                     \
        long long test_a = (long long)(a), test_b = (long long)(b);                          \
        if (test_a != test_b) {                                                              \
            test_fail(__FILE__, __LINE__, "%s == %s: %lld != %lld", #a, #b, test_a, test_b); \
            return;                                                                          \
        }                                                                                    \
    } while (0)

/* CHECK that two strings are equal; NULL equals only NULL. */
#define CHECK_STR(a, b)                                                         \
    do {                                                                        \
        const char *test_a = (a), *test_b = (b);                                \
        if (!test_str_equal(test_a, test_b)) {                                  \
            test_fail(__FILE__, __LINE__, "%s == %s: \"%s\" != \"%s\"", #a, #b, \
                      test_a ? test_a : "(null)", test_b ? test_b : "(null)");  \
            return;                                                             \
        }                                                                       \
    } while (0)

/* Leaves the test, counted as neither passed nor failed. */
#define SKIP(reason)                                   \
    do {                                               \
        printf("skip %s: %s\n", test_current, reason); \
        atomic_store(&test_skipped, true);             \
        return;                                        \
    } while (0)

/*
 * Fails the test unless fn(arg), run in a child process, dies by SIGABRT with a stderr that
 * contains substring. Does not return from the caller; its value says whether it went as expected.
 */
#define expect_abort(fn, arg, substring) \
    test_expect_abort(__FILE__, __LINE__, #fn, fn, arg, substring)

__attribute__((format(printf, 3, 4))) static inline void test_fail(const char *file, int line,
                                                                   const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    atomic_fetch_add(&test_failures, 1);
    printf("FAIL %s %s:%d: %s\n", test_current, file, line, message);
}

static inline bool test_str_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool test_expect_abort(const char *file, int line, const char *name,
                                     void (*fn)(void *), void *arg, const char *substring)
{
    char text[16384], rest[1024];
    size_t used = 0;
    ssize_t n;
    int ends[2], status;
    pid_t pid;

    fflush(NULL); /* or the child would write our buffers a second time */
    if (pipe(ends) < 0 || (pid = fork()) < 0) {
        test_fail(file, line, "%s: no child process: %s", name, strerror(errno));
        return false;
    }
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        fn(arg);
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
        used += n;
    text[used] = '\0';
    while (n == 0 && used == sizeof(text) - 1 && read(ends[0], rest, sizeof(rest)) > 0)
        continue; /* a child must never block on a full pipe */
    close(ends[0]);
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        test_fail(file, line, "%s: did not abort, wait status 0x%x, stderr: %s", name, status,
                  text);
        return false;
    }
    if (!strstr(text, substring)) {
        test_fail(file, line, "%s: aborted without \"%s\", stderr: %s", name, substring, text);
        return false;
    }
    return true;
}

static inline int test_main(const char *filter)
{
    int passed = 0, failed = 0, skipped = 0;

    setvbuf(stdout, NULL, _IOLBF, 0); /* what was printed survives a crash */
    for (struct test *test = test_first; test; test = test->next) {
        if (!strstr(test->name, filter))
            continue;
        test_current = test->name;
        atomic_store(&test_failures, 0);
        atomic_store(&test_skipped, false);
        test->run();
        if (atomic_load(&test_failures)) {
            failed++;
        } else if (atomic_load(&test_skipped)) {
            skipped++;
        } else {
            printf("ok %s\n", test->name);
            passed++;
        }
    }
    if (passed + failed + skipped == 0) {
        fprintf(stderr, "no test matches \"%s\"\n", filter);
        failed = 1;
    }
    printf("%d passed, %d failed\n", passed, failed);
    if (failed)
        return 1;
    return passed ? 0 : 77;
}

#endif
