/*
 * core_sleep.c - what costs memory: a million sleeping fibers, a million sleeping leaf futures; and
 * ten thousand short requests, whose price are the pages that their stacks touch.
 *
 * Each measurement has a process of its own, so none finds pages that another has touched.
 */
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MILLION = 1000000, REQUESTS = 10000, STRIDE = 65536, RUNS = 5, RUNS_QUICK = 2 };

#define LONG_SLEEP (3600 * BIDE_S)

static double memory_used(void)
{
    return bench_memory(getpid());
}

/* In shared memory: what a measurement found. */
struct found {
    double bytes;   /* each */
    double seconds; /* until all of them slept, and from their cancelling until all were over */
    double first, second; /* requests: ms of the first and the second run */
};

static long sleepers(void)
{
    return bench_quick ? MILLION / 10 : MILLION;
}

/* ---- sleep_fiber_1m ------------------------------------------------------------------------ */

static long asleep;

static int nap(void)
{
    asleep++;
    return bide_sleep(LONG_SLEEP);
}
BIDE_ASYNC(int, nap)

static int sleep_in_fibers(struct found *found)
{
    double before = memory_used(), begin = bench_clock();
    int error = 0;

    BIDE_SCOPE(s) {
        for (long i = 0; !error && i < sleepers(); i++)
            error = bide_spawn(&s, bide_async(nap));
        while (!error && asleep < sleepers())
            error = bide_yield();
        found->bytes = (memory_used() - before) / (double)sleepers();
        bide_scope_cancel(&s);
    }
    found->seconds = (bench_clock() - begin) / 1e9;
    return error;
}
BIDE_ASYNC(int, sleep_in_fibers, struct found *)

static int run_fibers(void *found)
{
    return bide_run(bide_async(sleep_in_fibers, (struct found *)found)) < 0;
}

/* One touched page at every 64 KiB. */
static int touch_pages(void *arg)
{
    struct found *found = arg;
    double before = memory_used();
    size_t size = (size_t)sleepers() * STRIDE;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE) < 0)
        return 1;
    for (long i = 0; i < sleepers(); i++)
        memory[(size_t)i * STRIDE] = 1;
    found->bytes = (memory_used() - before) / (double)sleepers();
    return 0;
}

void bench_sleep_fiber_1m(void)
{
    struct found *fibers = bench_shared(sizeof(*fibers)), *pages = bench_shared(sizeof(*pages));

    bench_progress("sleep_fiber_1m: %ld fibers", sleepers());
    if (bench_in_child(run_fibers, fibers, BENCH_ANY_CORE, 180) < 0)
        return;
    bench_progress("sleep_fiber_1m: %ld pages", sleepers());
    if (bench_in_child(touch_pages, pages, BENCH_ANY_CORE, 120) < 0)
        return;
    bench_figure(&(struct figure){.name = "sleep_fiber_1m",
                                  .value = fibers->bytes,
                                  .unit = "B",
                                  .ratio_to = "bare_page",
                                  .ratio = fibers->bytes / pages->bytes,
                                  .most = 4813 /* 4.7 KiB */});
    bench_figure(&(struct figure){.name = "bare_page", .value = pages->bytes, .unit = "B"});
    bench_figure(
        &(struct figure){.name = "sleep_fiber_1m_time", .value = fibers->seconds, .unit = "s"});
}

/* ---- sleep_leaf_1m ------------------------------------------------------------------------- */

static int look_at_leaves(struct found *found, const double *before)
{
    bide_sleep(BIDE_MS); /* the join has begun all of them when this ends */
    found->bytes = (memory_used() - *before) / (double)sleepers();
    return 0;
}
BIDE_ASYNC(int, look_at_leaves, struct found *, const double *)

static int join_leaves(struct bide_sleep_future *leaves, size_t n)
{
    return bide_join_all(leaves, n);
}
BIDE_ASYNC(int, join_leaves, struct bide_sleep_future *, size_t)

static int sleep_in_leaves(struct found *found)
{
    double before = memory_used(), begin = bench_clock();
    size_t n = (size_t)sleepers();
    struct bide_sleep_future *leaves = malloc(n * sizeof(*leaves));

    if (!leaves)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        leaves[i] = bide_async(bide_sleep, LONG_SLEEP + (bide_time)i * BIDE_US);
    /* When the looking is over, the leaves are cancelled: it wins the race. */
    int error =
        bide_race(bide_async(join_leaves, leaves, n), bide_async(look_at_leaves, found, &before));
    found->seconds = (bench_clock() - begin) / 1e9;
    free(leaves);
    return error == 1 ? 0 : -EIO;
}
BIDE_ASYNC(int, sleep_in_leaves, struct found *)

static int run_leaves(void *found)
{
    return bide_run(bide_async(sleep_in_leaves, (struct found *)found)) < 0;
}

void bench_sleep_leaf_1m(void)
{
    struct found *found = bench_shared(sizeof(*found));
    double bare = sizeof(struct bide_sleep_future);

    bench_progress("sleep_leaf_1m: %ld leaves", sleepers());
    if (bench_in_child(run_leaves, found, BENCH_ANY_CORE, 120) < 0)
        return;
    bench_figure(&(struct figure){.name = "sleep_leaf_1m",
                                  .value = found->bytes,
                                  .unit = "B",
                                  .ratio_to = "the struct alone",
                                  .ratio = found->bytes / bare,
                                  .most = 160});
    bench_figure(
        &(struct figure){.name = "sleep_leaf_1m_time", .value = found->seconds, .unit = "s"});
}

/* ---- then_1m ------------------------------------------------------------------------------- */

static long sum;

static int add(int slept, long number, void *unused)
{
    (void)unused;
    sum += number;
    return slept;
}
BIDE_ASYNC(int, add, int, long, void *)

BIDE_THEN(sleep_then_add, bide_sleep, add, long, void *)

static int join_thens(struct sleep_then_add_future *thens, size_t n)
{
    return bide_join_all(thens, n);
}
BIDE_ASYNC(int, join_thens, struct sleep_then_add_future *, size_t)

static int sleep_in_thens(struct found *found)
{
    double before = memory_used(), begin = bench_clock();
    size_t n = (size_t)sleepers();
    struct sleep_then_add_future *thens = malloc(n * sizeof(*thens));

    if (!thens)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        thens[i] = bide_async(sleep_then_add, bide_async(bide_sleep, LONG_SLEEP), (long)i, NULL);
    int error =
        bide_race(bide_async(join_thens, thens, n), bide_async(look_at_leaves, found, &before));
    found->seconds = (bench_clock() - begin) / 1e9;
    free(thens);
    return error == 1 ? 0 : -EIO;
}
BIDE_ASYNC(int, sleep_in_thens, struct found *)

static int run_thens(void *found)
{
    return bide_run(bide_async(sleep_in_thens, (struct found *)found)) < 0;
}

void bench_then_1m(void)
{
    struct found *found = bench_shared(sizeof(*found));
    double bare = sizeof(struct sleep_then_add_future);

    bench_progress("then_1m: %ld leaves", sleepers());
    if (bench_in_child(run_thens, found, BENCH_ANY_CORE, 120) < 0)
        return;
    bench_figure(&(struct figure){.name = "then_1m",
                                  .value = found->bytes,
                                  .unit = "B",
                                  .ratio_to = "the struct alone",
                                  .ratio = found->bytes / bare,
                                  .most = 320});
    bench_figure(&(struct figure){.name = "then_1m_time", .value = found->seconds, .unit = "s"});
}

/* ---- requests_10k -------------------------------------------------------------------------- */

struct user {
    int id;
};

struct posts {
    int count;
};

static struct user fetch_user(int id)
{
    bide_sleep(10 * BIDE_MS);
    return (struct user){id};
}
BIDE_ASYNC(struct user, fetch_user, int)

static struct posts fetch_posts(int id)
{
    (void)id;
    bide_sleep(8 * BIDE_MS);
    return (struct posts){2};
}
BIDE_ASYNC(struct posts, fetch_posts, int)

static int request(int id)
{
    bide_let user = bide_async(fetch_user, id);
    bide_let posts = bide_async(fetch_posts, id);
    int error = bide_join(&user, &posts);

    return error ? error : posts.value.count == 2 && user.value.id == id ? 0 : -EIO;
}
BIDE_ASYNC(int, request, int)

static int request_all(double *ret_ms)
{
    double begin = bench_clock();
    int error = 0;

    BIDE_SCOPE(s) {
        for (int i = 0; !error && i < REQUESTS; i++)
            error = bide_spawn(&s, bide_async(request, i));
        int first = bide_scope_wait(&s);
        error = error ? error : first;
    }
    *ret_ms = (bench_clock() - begin) / 1e6;
    return error;
}

static int request_twice(struct found *found)
{
    int error = request_all(&found->first);

    return error ? error : request_all(&found->second);
}
BIDE_ASYNC(int, request_twice, struct found *)

static int run_requests(void *found)
{
    return bide_run(bide_async(request_twice, (struct found *)found)) < 0;
}

void bench_requests_10k(void)
{
    struct found *found = bench_shared(sizeof(*found));
    double first[RUNS], second[RUNS];
    int runs = bench_rounds(RUNS, RUNS_QUICK);

    for (int i = 0; i < runs; i++) {
        bench_progress("requests_10k: process %d of %d", i + 1, runs);
        if (bench_in_child(run_requests, found, BENCH_ANY_CORE, 30) < 0)
            return;
        first[i] = found->first;
        second[i] = found->second;
    }
    double ms = bench_median(second, (size_t)runs), cold = bench_median(first, (size_t)runs);
    bench_figure(&(struct figure){.name = "requests_10k",
                                  .value = ms,
                                  .unit = "ms",
                                  .ratio_to = "the 10 ms ideal",
                                  .ratio = ms / 10,
                                  .most = 20,
                                  .ratio_most = 2});
    bench_figure(&(struct figure){.name = "requests_10k_first",
                                  .value = cold,
                                  .unit = "ms",
                                  .ratio_to = "the 10 ms ideal",
                                  .ratio = cold / 10});
}
