/* runtime.c - bide_run: nested, refused, configured, one after another, several at once. */
#include "fiber.h"

#include <pthread.h>

static int give(int value)
{
    bide_yield();
    return value;
}
BIDE_ASYNC(int, give, int)

static double give_double(double value)
{
    bide_sleep(BIDE_US);
    return value;
}
BIDE_ASYNC(double, give_double, double)

static int run_nested(void)
{
    struct bide_stats outer, inner;
    bide_get_stats(&outer);
    int value = bide_run(bide_async(give, 5));
    bide_get_stats(&inner);
    return value == 5 && inner.switches >= outer.switches && inner.reactor == outer.reactor;
}
BIDE_ASYNC(int, run_nested)

TEST(values)
{
    bide_let f = bide_async(give, 7);
    CHECK_EQ(bide_run(&f), 7);
    CHECK_EQ(f.value, 7);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
    CHECK_EQ(bide_run(bide_async(give, -3)), -3);
    CHECK_EQ((int)(bide_run(bide_async(give_double, 2.5)) * 2), 5);
}

TEST(nested_is_an_await)
{
    CHECK_EQ(bide_run(bide_async(run_nested)), 1);
}

TEST(one_after_another)
{
    int before = open_descriptors();
    for (int i = 0; i < (test_small() ? 20 : 200); i++)
        CHECK_EQ(bide_run(bide_async(give, i)), i);
    CHECK_EQ(open_descriptors(), before);
}

TEST(no_stats_outside)
{
    struct bide_stats stats = { .turns = 77 };
    CHECK_EQ(bide_get_stats(&stats), -ENOTCONN);
    CHECK_EQ(stats.turns, 77);
}

/* ---- counters of now ---- */

static int wait_for_it(void *arg)
{
    while (!atomic_load((atomic_int *)arg))
        sched_yield();
    return 0;
}

static int count(void)
{
    atomic_int go = 0;
    bide_let first = bide_async(bide_offload_call, wait_for_it, &go);
    bide_let second = first;
    bide_let nap = bide_async(bide_sleep, 3600 * BIDE_S);
    struct bide_stats before = stats_now(), stats = before;
    BIDE_SCOPE(s) {
        bide_start(&first);
        bide_start(&second); /* there is one thread for long work */
        bide_start(&nap);
        while (stats.offload_queued != 1) {
            bide_sleep(10 * BIDE_US);
            stats = stats_now();
        }
        atomic_store(&go, 1);
        bide_cancel(&nap);
    }
    CHECK_OR(stats.timers == before.timers + 1, -1);
    CHECK_OR(stats.running == 1, -1);
    CHECK_OR(stats.syscalls > before.syscalls, -1);
    stats = stats_now();
    CHECK_OR(stats.offload_queued == 0 && stats.timers == before.timers, -1);
    return 0;
}
BIDE_ASYNC(int, count)

TEST(counters_of_now)
{
    struct bide_config config = { .offload_threads = 2, .workers = 1 };
    CHECK_EQ(bide_run_with(&config, bide_async(count)), 0);
}

/* ---- reactors ---- */

static int check_reactor(const char *name)
{
    struct bide_stats stats;
    return bide_get_stats(&stats) == 0 && strcmp(stats.reactor, name) == 0;
}
BIDE_ASYNC(int, check_reactor, const char *)

static char *save(const char *name)
{
    const char *given = getenv(name);
    return given ? strdup(given) : NULL;
}

static void restore(const char *name, char *saved)
{
    if (saved)
        setenv(name, saved, 1);
    else
        unsetenv(name);
    free(saved);
}

TEST(reactor_by_name)
{
    char *saved = save("BIDE_REACTOR");
    setenv("BIDE_REACTOR", "kqueue", 1);
    bide_let f = bide_async(give, 1);
    int unknown = bide_run(&f);
    setenv("BIDE_REACTOR", "epoll", 1);
    int by_name = bide_run(bide_async(check_reactor, "epoll"));
    setenv("BIDE_REACTOR", "", 1);
    int empty = bide_run(bide_async(give, 3));
    setenv("BIDE_REACTOR", "kqueue", 1); /* a configured reactor does not look at it */
    struct bide_config epoll = { .reactor = BIDE_REACTOR_EPOLL };
    int configured = bide_run_with(&epoll, bide_async(check_reactor, "epoll"));
    struct bide_config uring = { .reactor = BIDE_REACTOR_URING };
    bide_let g = bide_async(check_reactor, "io_uring");
    int ring = bide_run_with(&uring, &g);
    restore("BIDE_REACTOR", saved);
    CHECK_EQ(unknown, -EINVAL);
    CHECK_EQ(bide_error(&f), -EINVAL);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(by_name, 1);
    CHECK_EQ(empty, 3);
    CHECK_EQ(configured, 1);
    CHECK(ring == 1 || (ring < 0 && bide_error(&g) == ring)); /* the kernel may not give it */
    CHECK_EQ(bide_run(&f), 1); /* still cold */
}

/* ---- workers ---- */

/* Whether several are wanted: the others start only when there is work for them. */
static int check_several(void)
{
    return bide__team_of(bide__worker()) != NULL;
}
BIDE_ASYNC(int, check_several)

static int several(const char *environment, unsigned configured)
{
    setenv("BIDE_WORKERS", environment, 1);
    struct bide_config config = { .workers = configured };
    return bide_run_with(&config, bide_async(check_several));
}

TEST(workers_by_number)
{
    char *saved = save("BIDE_WORKERS");
    int one = several("1", 0), two = several("2", 0);
    int none = several("", 2), zero = several("0", 2), most = several("99999999999999999999", 1);
    int configured = several("2", 1), not_read = several("two", 2);
    int word = several("two", 0), sign = several("-1", 0), unit = several("2k", 0);
    restore("BIDE_WORKERS", saved);
    CHECK_EQ(one, 0);
    CHECK_EQ(two, 1);
    CHECK(none == 1 && zero == 1 && most == 0);
    CHECK(configured == 0 && not_read == 1);
    CHECK(word == -EINVAL && sign == -EINVAL && unit == -EINVAL);
}

static bool always(void)
{
    return true;
}

TEST(no_runtime)
{
    bide_let f = bide_async(give, 1);
    bide_let g = bide_async(give_double, 1.5);
    bide__fault = always;
    int value = bide_run(&f);
    double zero = bide_run(&g);
    bide__fault = NULL;
    CHECK_EQ(value, -ENOMEM);
    CHECK_EQ(bide_error(&f), -ENOMEM);
    CHECK_EQ(bide_error(&g), -ENOMEM);
    CHECK(zero == 0);
}

/* ---- several at once ---- */

static int busy(int rounds)
{
    int sum = 0;
    for (int i = 0; i < rounds; i++) {
        bide_let a = bide_async(give, i);
        bide_let b = bide_async(give, 1);
        bide_let c = bide_async(bide_sleep, BIDE_US);
        bide_join(&a, &b, &c);
        sum += a.value + b.value + c.value;
    }
    return sum;
}
BIDE_ASYNC(int, busy, int)

static void *run_busy(void *arg)
{
    *(int *)arg = bide_run(bide_async(busy, 100));
    return NULL;
}

TEST(in_several_threads)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    int sums[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_busy, &sums[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(sums[i], 4950 + 100);
    }
}

/* ---- what the program had is as it was ---- */

static int break_a_pipe(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    bide_close(ends[0]);
    int error = (int)bide_write(ends[1], "x", 1);
    bide_close(ends[1]);
    return error;
}
BIDE_ASYNC(int, break_a_pipe)

TEST(signal_mask_is_given_back)
{
    sigset_t before, after, pending;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_EQ(bide_run(bide_async(break_a_pipe)), -EPIPE);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    sigpending(&pending);
    CHECK_EQ(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    struct sigaction action;
    CHECK_EQ(sigaction(SIGPIPE, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
}

TEST_MAIN()
