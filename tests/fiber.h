/*
 * fiber.h - for tests whose body runs inside a runtime, with as many workers as BIDE_WORKERS says.
 * Linked with the static library: they may look at the worker's internals.
 *
 *     FIBER_TEST(sleeps)
 *     {
 *             CHECK_EQ(bide_sleep(BIDE_MS), 0);
 *     }
 *
 * SIM_TEST runs its body in simulations instead, from one seed after another: no time is waited
 * for, and all spans are exact.
 *
 *     SIM_TEST(lasts_an_hour)
 *     {
 *             bide_time begin = bide_now();
 *             CHECK_EQ(bide_sleep(3600 * BIDE_S), 0);
 *             CHECK_EQ(bide_now() - begin, 3600 * BIDE_S);
 *     }
 *
 * After either body nothing may be left: no fiber, timer, operation, task or descriptor.
 */
#ifndef TEST_FIBER_H
#define TEST_FIBER_H

#include "test.h"

#include "core/internal.h"

#include <bide/sim.h>

#include <dirent.h>
#include <sched.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#ifdef BIDE__ASAN
enum { UNDER_ASAN = 1 };
#else
enum { UNDER_ASAN = 0 };
#endif

#ifdef BIDE__TSAN
enum { UNDER_TSAN = 1 };
#else
enum { UNDER_TSAN = 0 };
#endif

/* Are loops to be short? Under ASan, valgrind or an emulator they are. */
static inline bool test_small(void)
{
    return UNDER_ASAN || RUNNING_ON_VALGRIND || getenv("BIDE_TEST_SMALL");
}

#define FIBER_TEST(name)                                  \
    static void name##_body(void);                        \
    BIDE_ASYNC_VOID(name##_body)                          \
    static void name##_fiber(void)                        \
    {                                                     \
        start_workers();                                  \
        name##_body();                                    \
        check_quiet();                                    \
    }                                                     \
    BIDE_ASYNC_VOID(name##_fiber)                         \
    TEST(name)                                            \
    {                                                     \
        int before = open_descriptors();                  \
        bide_let main_future = bide_async(name##_fiber);  \
        bide_run(&main_future);                           \
        CHECK_EQ(bide_error(&main_future), 0);            \
        CHECK_EQ(bide_state(&main_future), BIDE_DONE);    \
        CHECK_EQ(open_descriptors(), before);             \
    }                                                     \
    static void name##_body(void)

enum { SIM_SEEDS = 5 }; /* that a SIM_TEST runs from, 1 and up */

#define SIM_TEST(name)                                             \
    static void name##_body(void);                                 \
    BIDE_ASYNC_VOID(name##_body)                                   \
    static void name##_fiber(void)                                 \
    {                                                              \
        name##_body();                                             \
        check_quiet();                                             \
    }                                                              \
    BIDE_ASYNC_VOID(name##_fiber)                                  \
    static void name##_from(uint64_t seed)                         \
    {                                                              \
        int before = open_descriptors();                           \
        struct bide_sim_result result;                             \
        struct bide_sim sim = { .seed = seed, .result = &result }; \
        bide_let main_future = bide_async(name##_fiber);           \
        bide_sim_run(&sim, &main_future);                          \
        CHECK_EQ(bide_error(&main_future), 0);                     \
        CHECK_EQ(bide_state(&main_future), BIDE_DONE);             \
        CHECK_EQ(result.descriptors, 0);                           \
        CHECK_EQ(open_descriptors(), before);                      \
    }                                                              \
    TEST(name)                                                     \
    {                                                              \
        for_seeds(name##_from);                                    \
    }                                                              \
    static void name##_body(void)

/* The first seed that fails is named; the others are not tried then. */
static inline void for_seeds(void (*from)(uint64_t seed))
{
    for (uint64_t seed = 1; seed <= SIM_SEEDS; seed++) {
        from(seed);
        if (atomic_load(&test_failures)) {
            printf("     from seed %d\n", (int)seed);
            return;
        }
    }
}

static inline int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* As many as BIDE_WORKERS says; all run, and have opened their descriptors, when this returns. */
static inline void start_workers(void)
{
    struct bide__worker *w = bide__worker();
    struct bide_stats stats = { 0 };
    if (w->config.workers > 1 && bide__team_of(w))
        while (stats.workers < w->config.workers && bide_get_stats(&stats) == 0)
            sched_yield();
}

/* Nothing is left but the calling fiber, which is the main one. */
static inline void check_quiet(void)
{
    struct bide__worker *w = bide__worker();
    struct bide_stats stats;
    CHECK(w && bide__self.fiber == &w->root);
    CHECK_EQ(bide_get_stats(&stats), 0);
    CHECK_EQ(w->fibers - w->idle_count, 0);
    CHECK(stats.fibers < stats.workers); /* each other worker may wait on the last one it ran */
    CHECK_EQ(w->wheel.count, 0);
    CHECK_EQ(w->operations_pending, 0);
    CHECK(bide__list_empty(&w->ready));
    CHECK(bide__list_empty(&w->cancelling));
    CHECK(bide__list_empty(&w->signals));
    CHECK_EQ(w->root.cancelled, 0);
    CHECK(!w->root.leaf && !w->root.lazy);
    CHECK_EQ(bide_deadline(), BIDE_FOREVER);
}

/* Let the others run until they wait, and what they wait for reach the reactor. */
static inline void settle(void)
{
    for (int i = 0; i < 3; i++) {
        bide_shield()
            bide_sleep(BIDE_MS / 2);
    }
}

static inline struct bide_stats stats_now(void)
{
    struct bide_stats stats = { 0 };
    bide_get_stats(&stats);
    return stats;
}

/* Until that many workers run: then bide_spawn_spread spreads over all of them. */
static inline void wait_for_workers(unsigned count)
{
    BIDE_SCOPE(s)
        bide_spawn_parallel(&s, bide_async(bide_yield));
    while (stats_now().workers < count)
        bide_sleep(100 * BIDE_US);
}

#endif
