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
}

TEST_MAIN()
