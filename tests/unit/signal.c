/* signal.c - signals as futures. */
#include "fiber.h"

#include <pthread.h>

static int raise_later(int number)
{
    bide_sleep(BIDE_MS);
    return raise(number);
}
BIDE_ASYNC(int, raise_later, int)

FIBER_TEST(waits_for_it)
{
    bide_let f = bide_async(bide_signal, SIGUSR1);
    bide_let killer = bide_async(raise_later, SIGUSR1);
    CHECK_EQ(bide_join(&f, &killer), 0);
    CHECK_EQ(f.value, SIGUSR1);
    bide_signal_release(SIGUSR1);
}

FIBER_TEST(shuts_down_as_a_race)
{
    bide_let term = bide_async(bide_signal, SIGTERM);
    bide_let stop = bide_async(bide_signal, SIGINT);
    bide_let serve = bide_async(bide_sleep, 3600 * BIDE_S);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(raise_later, SIGINT));
        CHECK_EQ(bide_race(&term, &serve, &stop), 2);
    }
    CHECK_EQ(stop.value, SIGINT);
    CHECK_EQ(term.value, -ECANCELED);
    bide_signal_release(SIGINT);
    bide_signal_release(SIGTERM);
}

FIBER_TEST(one_that_comes_while_nobody_waits_is_kept_once)
{
    CHECK_EQ(bide_within(BIDE_US, bide_async(bide_signal, SIGUSR1)), -ETIMEDOUT);
    raise(SIGUSR1);
    raise(SIGUSR1);
    settle();
    CHECK_EQ(bide_signal(SIGUSR1), SIGUSR1);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_signal, SIGUSR1)), -ETIMEDOUT);
    raise(SIGUSR1);
    bide_signal_release(SIGUSR1); /* forgotten */
    CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_signal, SIGUSR1)), -ETIMEDOUT);
    bide_signal_release(SIGUSR1);
}

FIBER_TEST(all_that_wait_are_told)
{
    struct bide_signal_future f[5];
    for (int i = 0; i < 5; i++)
        f[i] = bide_async(bide_signal, SIGUSR2);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(raise_later, SIGUSR2));
        CHECK_EQ(bide_join_all(f, 5), 0);
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQ(f[i].value, SIGUSR2);
    for (int i = 0; i < 5; i++)
        f[i] = bide_async(bide_signal, i == 3 ? SIGUSR2 : SIGHUP);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(raise_later, SIGUSR2));
        CHECK_EQ(bide_race_all(f, 5), 3);
    }
    bide_signal_release(SIGUSR2);
    bide_signal_release(SIGHUP);
}

FIBER_TEST(numbers_that_cannot_be_waited_for)
{
    static const int numbers[] = { 0, -1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 65,
                                   100000 };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        CHECK_EQ(bide_signal(numbers[i]), -EINVAL);
        CHECK_EQ(bide_signal_release(numbers[i]), -EINVAL);
    }
}

static volatile sig_atomic_t own_calls;

static void own_handler(int number)
{
    (void)number;
    own_calls++;
}

FIBER_TEST(release_gives_back_the_action)
{
    struct sigaction ours = { .sa_handler = own_handler }, before;
    CHECK_EQ(sigaction(SIGUSR1, &ours, &before), 0);
    CHECK_EQ(bide_within(BIDE_US, bide_async(bide_signal, SIGUSR1)), -ETIMEDOUT);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 0);
    CHECK_EQ(bide_signal_release(SIGUSR1), 0);
    raise(SIGUSR1);
    CHECK_EQ(own_calls, 1);
    CHECK_EQ(bide_signal_release(SIGUSR1), 0); /* not taken: nothing to do */
    sigaction(SIGUSR1, &before, NULL);
}

/* ---- several runtimes ---- */

static atomic_int waiting;

static int await_signal(void)
{
    bide_let f = bide_async(bide_signal, SIGUSR1);
    int value = 0;
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        atomic_fetch_add(&waiting, 1);
        value = bide_await(&f);
    }
    return value;
}
BIDE_ASYNC(int, await_signal)

static void *run_one(void *arg)
{
    *(int *)arg = bide_run(bide_async(await_signal));
    return NULL;
}

TEST(runtimes_in_several_threads_are_told)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int values[THREADS] = { 0 };
    atomic_store(&waiting, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_one, &values[i]), 0);
    while (atomic_load(&waiting) < THREADS)
        usleep(100);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(values[i], SIGUSR1);
    }
    bide_signal_release(SIGUSR1);
}

static void *kill_later(void *arg)
{
    (void)arg;
    usleep(2000);
    kill(getpid(), SIGUSR2);
    return NULL;
}

TEST(outside_a_runtime)
{
    pthread_t thread;
    CHECK_EQ(bide_within(BIDE_US, bide_async(bide_signal, SIGUSR2)), -ETIMEDOUT);
    CHECK_EQ(pthread_create(&thread, NULL, kill_later, NULL), 0);
    CHECK_EQ(bide_signal(SIGUSR2), SIGUSR2);
    pthread_join(thread, NULL);
    bide_signal_release(SIGUSR2);
}

TEST_MAIN()
