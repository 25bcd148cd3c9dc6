/* offload.c - the blocking pool. */
#include "fiber.h"

#include <pthread.h>

static pthread_t caller_thread;

static int elsewhere(void *arg)
{
    ++*(int *)arg;
    return !pthread_equal(pthread_self(), caller_thread);
}

static int work(int value)
{
    usleep(500);
    return pthread_equal(pthread_self(), caller_thread) ? -EIO : value;
}
BIDE_ASYNC(int, work, int)

struct block {
    char bytes[200];
};

static struct block fill(char c)
{
    struct block block;
    memset(&block, c, sizeof(block));
    return block;
}
BIDE_ASYNC(struct block, fill, char)

FIBER_TEST(runs_on_another_thread)
{
    int calls = 0;
    caller_thread = pthread_self();
    CHECK_EQ(bide_offload_call(elsewhere, &calls), 1);
    CHECK_EQ(bide_offload(bide_async(work, 5)), 5);
    bide_let f = bide_async(work, 6);
    CHECK_EQ(bide_offload(&f), 6);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
    CHECK_EQ(bide_offload(bide_async(fill, 'x')).bytes[199], 'x');
    CHECK_EQ(calls, 1);
    CHECK_EQ(stats_now().offloaded, 4);
    CHECK(stats_now().offload_threads >= 1);
}

FIBER_TEST(others_run_meanwhile)
{
    int n = test_small() ? 20 : 200;
    caller_thread = pthread_self();
    struct bide_offload_call_future *calls = malloc((size_t)n * sizeof(*calls));
    int *counts = calloc((size_t)n, sizeof(*counts));
    for (int i = 0; i < n; i++)
        calls[i] = bide_async(bide_offload_call, elsewhere, &counts[i]);
    CHECK_EQ(bide_join_all(calls, (size_t)n), 0);
    for (int i = 0; i < n; i++)
        CHECK(counts[i] == 1 && calls[i].value == 1);
    CHECK_EQ(bide__worker()->fibers, 0); /* a leaf: no stack */
    CHECK(stats_now().offload_threads <= 16);
    free(calls);
    free(counts);
}

/* ---- at most so many threads; cancellation ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int arrived;

static int pass_gate(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    ++*(int *)arg;
    return 5;
}

static int one_thread(int *calls)
{
    pthread_mutex_lock(&gate);
    bide_let running = bide_async(bide_offload_call, pass_gate, &calls[0]);
    bide_let queued = bide_async(bide_offload_call, pass_gate, &calls[1]);
    bide_let also = bide_async(work, 7);
    BIDE_SCOPE(s) {
        bide_start(&running);
        bide_start(&queued);
        while (!atomic_load(&arrived))
            settle();
        if (stats_now().offload_threads != 1)
            return -1;
        bide_cancel(&running); /* has begun */
        bide_cancel(&queued);  /* never begins */
        if (bide_await(&queued) != -ECANCELED || bide_done(&running))
            return -2;
        int error = bide_within(BIDE_MS, bide_async(bide_offload_call, pass_gate, &calls[1]));
        if (error != -ETIMEDOUT)
            return -3;
        pthread_mutex_unlock(&gate);
        if (bide_await(&running) != 5 || bide_error(&running))
            return -4;
    }
    return bide_offload(&also);
}
BIDE_ASYNC(int, one_thread, int *)

TEST(queued_ones_can_be_withdrawn)
{
    int calls[2] = { 0 };
    caller_thread = pthread_self();
    bide_let f = bide_async(one_thread, calls);
    CHECK_EQ(bide_run_with(&(struct bide_config){ .offload_threads = 1 }, &f), 7);
    CHECK_EQ(calls[0], 1);
    CHECK_EQ(calls[1], 0);
}

static int offload_it(int *ret_error)
{
    bide_let f = bide_async(work, 1);
    while (!bide_cancelled())
        bide_yield();
    int value = bide_offload(&f);
    *ret_error = bide_error(&f);
    return bide_state(&f) == BIDE_COLD ? value : 1;
}
BIDE_ASYNC(int, offload_it, int *)

FIBER_TEST(cancelled_before_it_begins)
{
    int error = 0;
    CHECK_EQ(bide_within(BIDE_MS, bide_async(offload_it, &error)), -ETIMEDOUT);
    CHECK_EQ(error, -ETIMEDOUT);
}

/* ---- short work and long work ---- */

/* Of each kind as many as there are threads for, and some more, wait at the gate. */
enum { THREADS = 8, SHORT_THREADS = 2, MORE = 12 };

static const struct bide_offload_options brief = { .brief = 1 };

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

static int use_files(void)
{
    char path[64], c = 0;
    snprintf(path, sizeof(path), "/tmp/bide-offload-%d", getpid());
    int fd = bide_open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    int ok = fd >= 0 && bide_write(fd, "x", 1) == 1 && bide_pread(fd, &c, 1, 0) == 1 &&
             bide_fsync(fd) == 0 && c == 'x';
    bide_close(fd);
    return bide_unlink(path) == 0 && ok;
}

/* One kind's threads are all busy, and more of it is queued: the other kind goes on. */
static int fill_lane(const struct bide_offload_options *full,
                     const struct bide_offload_options *other, int threads, bool files)
{
    struct bide_offload_call_future busy[MORE];
    int calls[MORE] = { 0 }, count = 0, value;
    atomic_store(&arrived, 0);
    pthread_mutex_lock(&gate);
    BIDE_SCOPE(s) {
        for (int i = 0; i < MORE; i++) {
            busy[i] = bide_async(bide_offload_call_with, full, pass_gate, &calls[i]);
            bide_start(&busy[i]);
        }
        while (atomic_load(&arrived) < threads)
            bide_sleep(BIDE_MS / 4);
        value = bide_offload_call_with(other, add_one, &count) == 1 && (!files || use_files());
        for (int i = threads; i < MORE; i++)
            bide_cancel(&busy[i]); /* the pool is full: these have not begun */
        pthread_mutex_unlock(&gate);
    }
    for (int i = 0; i < MORE; i++)
        CHECK_OR(calls[i] == (i < threads) && busy[i].value == (i < threads ? 5 : -ECANCELED), 0);
    return value && atomic_load(&arrived) == threads;
}

static int fill_both(void)
{
    return fill_lane(NULL, &brief, THREADS - SHORT_THREADS, true) &&
           fill_lane(&brief, NULL, SHORT_THREADS, false);
}
BIDE_ASYNC(int, fill_both)

TEST(neither_kind_waits_for_the_other)
{
    struct bide_config config = { .offload_threads = THREADS };
    CHECK_EQ(bide_run_with(&config, bide_async(fill_both)), 1);
}

/* ---- interrupting ---- */

static atomic_int interrupted, hooks, leave_hook;

static int until_interrupted(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    while (!atomic_load(&interrupted))
        usleep(50);
    return *(int *)arg;
}

static void interrupt(void *user)
{
    CHECK(user == &interrupted);
    CHECK(!pthread_equal(pthread_self(), caller_thread));
    atomic_fetch_add(&hooks, 1);
    atomic_store(&interrupted, 1);
    while (atomic_load(&leave_hook) < 0)
        usleep(50);
}

static const struct bide_offload_options interruptible = { .cancel = interrupt,
                                                           .user = &interrupted };

static void before_interrupting(void)
{
    caller_thread = pthread_self();
    atomic_store(&arrived, 0);
    atomic_store(&interrupted, 0);
    atomic_store(&hooks, 0);
    atomic_store(&leave_hook, 0);
}

FIBER_TEST(what_has_begun_is_interrupted)
{
    int seven = 7;
    before_interrupting();
    bide_let call =
        bide_async(bide_offload_call_with, &interruptible, until_interrupted, &seven);
    BIDE_SCOPE(s) {
        bide_start(&call);
        while (!atomic_load(&arrived))
            bide_sleep(BIDE_MS / 4);
        bide_cancel(&call);
        bide_cancel(&call);
        CHECK_EQ(bide_await(&call), 7); /* what it returned is kept */
    }
    CHECK_EQ(bide_error(&call), 0);
    CHECK_EQ(atomic_load(&hooks), 1);
}

static int wait_there(int value)
{
    return until_interrupted(&value);
}
BIDE_ASYNC(int, wait_there, int)

static int offload_wait(void)
{
    return bide_offload_with(&interruptible, bide_async(wait_there, 8));
}
BIDE_ASYNC(int, offload_wait)

static int wait_until_arrived(void)
{
    while (!atomic_load(&arrived))
        bide_sleep(BIDE_MS / 4);
    return 0;
}
BIDE_ASYNC(int, wait_until_arrived)

FIBER_TEST(a_future_too)
{
    before_interrupting();
    bide_let f = bide_async(offload_wait);
    CHECK_EQ(bide_race(&f, bide_async(wait_until_arrived)), 1);
    CHECK_EQ(f.value, 8);
    CHECK_EQ(atomic_load(&hooks), 1);
}

static int offload_when_cancelled(void)
{
    int seven = 7;
    while (!bide_cancelled())
        bide_yield();
    return bide_offload_call_with(&interruptible, until_interrupted, &seven);
}
BIDE_ASYNC(int, offload_when_cancelled)

FIBER_TEST(what_has_not_begun_or_is_over_is_not_interrupted)
{
    int calls = 0;
    before_interrupting();
    bide_let never = bide_async(offload_when_cancelled);
    CHECK_EQ(bide_within(BIDE_MS, &never), -ETIMEDOUT);
    CHECK_EQ(never.value, -ETIMEDOUT);
    CHECK_EQ(atomic_load(&arrived), 0);
    bide_let over = bide_async(bide_offload_call_with, &interruptible, add_one, &calls);
    BIDE_SCOPE(s) {
        bide_start(&over);
        CHECK_EQ(bide_await(&over), 1);
        bide_cancel(&over);
    }
    CHECK_EQ(atomic_load(&hooks), 0);
}

/* Cancelled at any moment: it ends, and so has its hook. */
FIBER_TEST(interrupted_at_any_moment)
{
    int seven = 7, rounds = test_small() ? 30 : 300;
    for (int i = 0; i < rounds; i++) {
        before_interrupting();
        bide_let f =
            bide_async(bide_offload_call_with, &interruptible, until_interrupted, &seven);
        int error = bide_within(i * BIDE_US, &f); /* what has ended well is no failure */
        CHECK(f.value == 7 ? error == 0 : error == -ETIMEDOUT && f.value == error);
        CHECK_EQ(atomic_load(&hooks), f.value == 7);
        CHECK_EQ(atomic_load(&arrived), f.value == 7);
    }
}

static int let_the_hook_go(void *arg)
{
    (void)arg;
    usleep(2000);
    atomic_store(&leave_hook, 1);
    return 0;
}

/* The call returns while its hook still runs: it is over when both are. */
FIBER_TEST(the_hook_may_end_last)
{
    int seven = 7;
    before_interrupting();
    atomic_store(&leave_hook, -1);
    bide_let call =
        bide_async(bide_offload_call_with, &interruptible, until_interrupted, &seven);
    BIDE_SCOPE(s) {
        bide_start(&call);
        while (!atomic_load(&arrived))
            bide_sleep(BIDE_MS / 4);
        bide_cancel(&call);
        while (!atomic_load(&hooks))
            bide_sleep(BIDE_MS / 4);
        CHECK(!bide_done(&call));
        CHECK_EQ(bide_offload_call(let_the_hook_go, NULL), 0);
        CHECK_EQ(bide_await(&call), 7);
        CHECK_EQ(atomic_load(&leave_hook), 1);
    }
}

static int until_cancelled(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    while (!bide_cancelled())
        usleep(50);
    *(int *)arg = bide_cancelled();
    return 9;
}

FIBER_TEST(what_runs_there_may_ask)
{
    int seen = 0, after = 1;
    before_interrupting();
    bide_let call = bide_async(bide_offload_call, until_cancelled, &seen);
    BIDE_SCOPE(s) {
        bide_start(&call);
        while (!atomic_load(&arrived))
            bide_sleep(BIDE_MS / 4);
        bide_cancel(&call);
    }
    CHECK_EQ(call.value, 9);
    CHECK_EQ(seen, -ECANCELED);
    bide_let late = bide_async(bide_offload_call, until_cancelled, &seen);
    int error = bide_within(BIDE_MS, &late);
    CHECK(error == 0 ? late.value == 9 && seen == -ETIMEDOUT : late.value == -ETIMEDOUT);
    CHECK_EQ(bide_offload_call(add_one, &after), 2);
}

/* ---- threads that cannot be had ---- */

static atomic_int allowed; /* acquisitions that go well; the others fail */

static bool refuse(void)
{
    return atomic_fetch_sub(&allowed, 1) <= 0;
}

static int without_threads(void)
{
    int count = 0;
    atomic_store(&allowed, 0);
    bide__fault = refuse;
    int none = bide_offload_call(add_one, &count);
    int none_brief = bide_offload_call_with(&brief, add_one, &count);
    atomic_store(&allowed, 2); /* a thread and its record */
    int first = bide_offload_call(add_one, &count);
    int second = bide_offload_call(add_one, &count);
    int borrowed = bide_offload_call_with(&brief, add_one, &count);
    bide__fault = NULL;
    CHECK_OR(none == -EAGAIN && none_brief == -EAGAIN, -1);
    CHECK_OR(first == 1 && second == 2 && borrowed == 3, -2);
    return (int)stats_now().offload_threads;
}
BIDE_ASYNC(int, without_threads)

TEST(work_runs_on_the_threads_there_are)
{
    CHECK_EQ(bide_run(bide_async(without_threads)), 1);
}

static void interrupt_here(void *user)
{
    CHECK(pthread_equal(pthread_self(), caller_thread));
    atomic_store((atomic_int *)user, 1);
}

static int interrupt_without_threads(void)
{
    int seven = 7;
    struct bide_offload_options options = { .cancel = interrupt_here, .user = &interrupted };
    before_interrupting();
    bide_let call = bide_async(bide_offload_call_with, &options, until_interrupted, &seven);
    BIDE_SCOPE(s) {
        bide_start(&call);
        while (!atomic_load(&arrived))
            bide_sleep(BIDE_MS / 4);
        atomic_store(&allowed, 0);
        bide__fault = refuse;
        bide_cancel(&call);
        bide__fault = NULL;
    }
    return call.value;
}
BIDE_ASYNC(int, interrupt_without_threads)

TEST(interrupting_needs_no_thread)
{
    CHECK_EQ(bide_run(bide_async(interrupt_without_threads)), 7);
}

/* ---- one pool for all workers ---- */

static int offload_some(atomic_int *sum)
{
    for (int i = 0; i < 5; i++) {
        int count = 0;
        *sum += bide_offload_call(add_one, &count);
        *sum += bide_offload_call_with(&brief, add_one, &count) == 2;
    }
    return stats_now().offload_threads > 4;
}
BIDE_ASYNC(int, offload_some, atomic_int *)

static int from_all_workers(bool before)
{
    int n = test_small() ? 10 : 100, count = 0, error = 0;
    atomic_int sum = 0;
    if (before)
        bide_offload_call(add_one, &count);
    BIDE_SCOPE(s) {
        for (int i = 0; i < n; i++)
            bide_spawn_parallel(&s, bide_async(offload_some, &sum));
        error = bide_scope_wait(&s);
    }
    CHECK_OR(!error && sum == n * 10, 0);
    CHECK_OR(stats_now().offloaded == (uint64_t)(n * 10 + before), 0);
    return stats_now().offload_threads <= 4;
}
BIDE_ASYNC(int, from_all_workers, bool)

TEST(the_workers_share_one_pool)
{
    struct bide_config config = { .workers = 3, .offload_threads = 4 };
    CHECK_EQ(bide_run_with(&config, bide_async(from_all_workers, false)), 1);
    CHECK_EQ(bide_run_with(&config, bide_async(from_all_workers, true)), 1);
}

/* ---- there, operations block ---- */

static int talk(int in, int out)
{
    char c;
    bide_sleep(BIDE_US);
    if (bide__self.fiber || bide_read(in, &c, 1) != 1)
        return -EIO;
    return (int)bide_write(out, &c, 1);
}
BIDE_ASYNC(int, talk, int, int)

FIBER_TEST(operations_block_there)
{
    int a[2], b[2];
    char c = 0;
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe2(b, O_NONBLOCK), 0);
    bide_let reader = bide_async(bide_read, b[0], &c, 1);
    BIDE_SCOPE(s) {
        bide_start(&reader);
        CHECK_EQ(bide_write(a[1], "z", 1), 1);
        CHECK_EQ(bide_offload(bide_async(talk, a[0], b[1])), 1);
        CHECK_EQ(bide_await(&reader), 1);
    }
    CHECK_EQ(c, 'z');
    for (int i = 0; i < 2; i++) {
        bide_close(a[i]);
        bide_close(b[i]);
    }
}

/* A runtime of its own on a thread of the pool. */
static int nested(void)
{
    return bide_run(bide_async(bide_sleep, BIDE_US)) == 0 &&
           bide_join(bide_async(bide_sleep, BIDE_US), bide_async(bide_sleep, BIDE_US)) == 0;
}
BIDE_ASYNC(int, nested)

FIBER_TEST(a_runtime_there)
{
    CHECK_EQ(bide_offload(bide_async(nested)), 1);
}

TEST(outside_a_runtime)
{
    int calls = 0;
    caller_thread = pthread_self();
    CHECK_EQ(bide_offload_call(elsewhere, &calls), 0); /* here */
    CHECK_EQ(bide_offload(bide_async(work, 5)), -EIO);
    CHECK_EQ(calls, 1);
    CHECK_EQ(bide_offload_call_with(&interruptible, elsewhere, &calls), 0);
    CHECK_EQ(bide_cancelled(), 0);
}

TEST_MAIN()
