/*
 * core_parallel.c - what several workers cost and bring: speed-up, spawning in parallel, being
 * stolen, and doing nothing.
 *
 * Each measurement has a process of its own, with two workers.
 */
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <errno.h>
#include <stdlib.h>

enum { CHILDREN = 100000, BURN_US = 20, BATCH = 1000, STEALS = 1001, SLEEPERS = 10000 };

static const struct bide_config one = { .workers = 1 }, two = { .workers = 2 };

/* In shared memory: what a measurement found. */
struct found {
    double value, other;
};

static int nothing(void)
{
    return 0;
}
BIDE_ASYNC(int, nothing)

/* ---- parallel_speedup ---------------------------------------------------------------------- */

static long rounds_of_20us;

static __attribute__((noinline)) unsigned long burn(long rounds)
{
    unsigned long x = 88172645463325252UL;

    for (long i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static volatile unsigned long burnt;

static int burn_20us(void)
{
    burnt = burn(rounds_of_20us);
    return 0;
}
BIDE_ASYNC(int, burn_20us)

static void calibrate(void)
{
    double best = 1e9;

    for (int i = 0; i < 50; i++) {
        double begin = bench_clock();
        burnt = burn(100000);
        double ns = bench_clock() - begin;
        best = ns < best ? ns : best;
    }
    rounds_of_20us = (long)(100000 * (BURN_US * 1000 / best));
}

static int burn_all(int children, double *ret_seconds)
{
    double begin;
    int error = 0;

    begin = bench_clock();
    BIDE_SCOPE(s)
        for (int i = 0; !error && i < children; i++)
            error = bide_spawn_parallel(&s, bide_async(burn_20us));
    *ret_seconds = (bench_clock() - begin) / 1e9;
    return error;
}

static int burn_on(unsigned workers, int children, double *ret_seconds)
{
    if (workers > 1)
        core_wait_for_workers(workers);
    return burn_all(children, ret_seconds);
}
BIDE_ASYNC(int, burn_on, unsigned, int, double *)

static int measure_speedup(void *arg)
{
    struct found *found = arg;
    enum { ROUNDS = 5 };
    double alone[ROUNDS], both[ROUNDS], ratio[ROUNDS];
    int children = bench_quick ? CHILDREN / 10 : CHILDREN / ROUNDS;

    calibrate();
    for (int i = 0; i < ROUNDS; i++) {
        if (bide_run_with(&one, bide_async(burn_on, 1, children, &alone[i])) < 0 ||
            bide_run_with(&two, bide_async(burn_on, 2, children, &both[i])) < 0)
            return 1;
        ratio[i] = alone[i] / both[i];
    }
    found->value = bench_median(ratio, ROUNDS);
    found->other = bench_median(both, ROUNDS) / children * 1e9;
    return 0;
}

void bench_parallel_speedup(void)
{
    struct found *found = bench_shared(sizeof(*found));

    bench_progress("parallel_speedup");
    if (bench_in_child(measure_speedup, found, BENCH_ANY_CORE, 60) < 0)
        return;
    bench_figure(&(struct figure){
        .name = "parallel_speedup", .value = found->value, .unit = "x", .least = 1.9 });
    bench_figure(&(struct figure){.name = "parallel_child_of_20us",
                                  .value = found->other,
                                  .unit = "ns",
                                  .ratio_to = "the 10 us ideal",
                                  .ratio = found->other / (BURN_US * 1000 / 2)});
}

/* ---- spawn_parallel ------------------------------------------------------------------------ */

static void spawn_parallel_all(void *arg, long n)
{
    (void)arg;
    for (long left = n; left > 0; left -= BATCH) {
        BIDE_SCOPE(s)
            for (long i = 0; i < BATCH && i < left; i++)
                bide_spawn_parallel(&s, bide_async(nothing));
    }
}

static void spawn_all(void *arg, long n)
{
    (void)arg;
    for (long left = n; left > 0; left -= BATCH) {
        BIDE_SCOPE(s)
            for (long i = 0; i < BATCH && i < left; i++)
                bide_spawn(&s, bide_async(nothing));
    }
}

static int spawn_both_ways(struct found *found)
{
    core_wait_for_workers(2);
    struct bench_pair pair = bench_alternate(spawn_parallel_all, spawn_all, NULL);
    found->value = pair.ours;
    found->other = pair.ratio;
    return 0;
}
BIDE_ASYNC(int, spawn_both_ways, struct found *)

static int measure_spawn_parallel(void *found)
{
    return bide_run_with(&two, bide_async(spawn_both_ways, (struct found *)found));
}

void bench_spawn_parallel(void)
{
    struct found *found = bench_shared(sizeof(*found));

    bench_progress("spawn_parallel");
    if (bench_in_child(measure_spawn_parallel, found, BENCH_ANY_CORE, 60) < 0)
        return;
    bench_figure(&(struct figure){.name = "spawn_parallel",
                                  .value = found->value,
                                  .unit = "ns",
                                  .ratio_to = "bide_spawn",
                                  .ratio = found->other});
}

/* ---- steal_latency ------------------------------------------------------------------------- */

static double begun; /* atomic: when the child began; 0: not yet */

/* Long enough to be worth a theft. */
static int tell_begin(void)
{
    double now = bench_clock();

    __atomic_store(&begun, &now, __ATOMIC_RELEASE);
    while (bench_clock() < now + 5000)
        continue;
    return 0;
}
BIDE_ASYNC(int, tell_begin)

/* This worker is busy until the other one has begun the child. */
static double steal_once(void)
{
    double spawned = bench_clock(), seen = 0;

    __atomic_store(&begun, &seen, __ATOMIC_RELAXED);
    BIDE_SCOPE(s) {
        bide_spawn_parallel(&s, bide_async(tell_begin));
        while (seen == 0)
            __atomic_load(&begun, &seen, __ATOMIC_ACQUIRE);
    }
    return seen - spawned;
}

static int steal_often(struct found *found)
{
    static double asleep[STEALS], awake[STEALS];
    size_t n = bench_quick ? STEALS / 10 : STEALS;

    core_wait_for_workers(2);
    for (size_t i = 0; i < n; i++) {
        bide_sleep(BIDE_MS);
        asleep[i] = steal_once();
        awake[i] = steal_once();
    }
    found->value = bench_median(asleep, n);
    found->other = bench_median(awake, n);
    return 0;
}
BIDE_ASYNC(int, steal_often, struct found *)

static int measure_steals(void *found)
{
    return bide_run_with(&two, bide_async(steal_often, (struct found *)found));
}

void bench_steal_latency(void)
{
    struct found *found = bench_shared(sizeof(*found));

    bench_progress("steal_latency");
    if (bench_in_child(measure_steals, found, BENCH_ANY_CORE, 60) < 0)
        return;
    bench_figure(&(struct figure){
        .name = "steal_latency_asleep", .value = found->value / 1000, .unit = "us" });
    bench_figure(&(struct figure){
        .name = "steal_latency_awake", .value = found->other / 1000, .unit = "us" });
}

/* ---- idle_cpu ------------------------------------------------------------------------------ */

static int sleep_long(void)
{
    return bide_sleep(3600 * BIDE_S);
}
BIDE_ASYNC(int, sleep_long)

static int be_idle(int *asleep)
{
    core_wait_for_workers(2);
    BIDE_SCOPE(s) {
        for (int i = 0; i < SLEEPERS; i++)
            bide_spawn_spread(&s, bide_async(sleep_long));
        bide_sleep(100 * BIDE_MS);
        __atomic_store_n(asleep, 1, __ATOMIC_RELEASE);
    }
    return 0;
}
BIDE_ASYNC(int, be_idle, int *)

static int run_idle(void *asleep)
{
    return bide_run_with(&two, bide_async(be_idle, (int *)asleep));
}

void bench_idle_cpu(void)
{
    int *asleep = bench_shared(sizeof(*asleep));
    double seconds = bench_quick ? 1 : 5;
    pid_t pid = bench_fork(run_idle, asleep, BENCH_ANY_CORE);

    bench_progress("idle_cpu: %g seconds", seconds);
    if (pid < 0)
        return;
    for (int i = 0; i < 500 && !__atomic_load_n(asleep, __ATOMIC_ACQUIRE); i++)
        bench_sleep(0.01);
    double before = bench_cpu_time(pid), begin = bench_clock();
    bench_sleep(seconds);
    double used = bench_cpu_time(pid) - before, passed = bench_clock() - begin;
    bench_kill(pid);
    if (!*asleep || before < 0)
        bench_failed("idle_cpu: the tasks did not fall asleep");
    else
        bench_figure(&(struct figure){
            .name = "idle_cpu", .value = 100 * used / passed, .unit = "%", .most = 0.5 });
}
