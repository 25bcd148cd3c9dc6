/*
 * core_timers.c - a million timers: set, cleared and fired, as sleeping leaf futures with
 * deadlines in random order; beside a list, which orders nothing.
 */
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <errno.h>
#include <stdlib.h>

enum { MILLION = 1000000 };

struct found {
    double set, clear, fire, bare; /* ns each */
};

/* Deadlines in random order: the same in every run. */
static bide_time random_within(bide_time span)
{
    static unsigned long x = 88172645463325252UL;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (bide_time)(x % (unsigned long)span);
}

static double each(double begin, size_t n)
{
    return (bench_clock() - begin) / (double)n;
}

static int start_all(struct bide_sleep_until_future *sleeps, size_t n, bide_time from)
{
    int error = 0;

    for (size_t i = 0; i < n; i++)
        sleeps[i] = bide_async(bide_sleep_until, from + random_within(BIDE_S));
    for (size_t i = 0; !error && i < n; i++)
        error = bide_start(&sleeps[i]);
    return error;
}

static int time_timers(struct found *found, size_t n)
{
    struct bide_sleep_until_future *sleeps = malloc(n * sizeof(*sleeps));
    double begin;
    int error;

    if (!sleeps)
        return -ENOMEM;
    BIDE_SCOPE(s) {
        for (size_t i = 0; i < n; i++)
            sleeps[i] = bide_async(bide_sleep_until, bide_now() + BIDE_S + random_within(BIDE_S));
        begin = bench_clock();
        for (size_t i = 0; i < n; i++)
            bide_start(&sleeps[i]);
        found->set = each(begin, n);
        begin = bench_clock();
        bide_scope_cancel(&s);
        bide_scope_wait(&s);
        found->clear = each(begin, n);
    }
    /* All are due when the waiting begins. */
    BIDE_SCOPE(s) {
        bide_time from = bide_now() + BIDE_S;
        error = start_all(sleeps, n, from);
        while (bide_now() < from + BIDE_S)
            continue;
        begin = bench_clock();
        bide_scope_wait(&s);
        found->fire = each(begin, n);
    }
    free(sleeps);
    return error;
}
BIDE_ASYNC(int, time_timers, struct found *, size_t)

/* The same structs in a list: linked, and taken out in a random order. */
static void time_list(struct found *found, size_t n)
{
    struct bide_sleep_until_future *sleeps = calloc(n, sizeof(*sleeps));
    struct bide__list head = { &head, &head };

    if (!sleeps)
        return;
    for (size_t i = 0; i < n; i++)
        sleeps[i] = bide_async(bide_sleep_until, 0);
    double begin = bench_clock();
    for (size_t i = 0; i < n; i++) {
        struct bide__list *link = &sleeps[i].timer.link;
        *link = (struct bide__list){ &head, head.prev };
        head.prev->next = link;
        head.prev = link;
    }
    for (struct bide__list *link = head.next; link != &head; link = head.next) {
        head.next = link->next;
        link->next->prev = &head;
    }
    found->bare = each(begin, n);
    free(sleeps);
}

static int measure(void *arg)
{
    struct found *found = arg;
    size_t n = bench_quick ? MILLION / 10 : MILLION;

    time_list(found, n);
    return bide_run(bide_async(time_timers, found, n));
}

void bench_timers_1m(void)
{
    enum { RUNS = 5 };
    struct found *found = bench_shared(sizeof(*found));
    double set[RUNS], clear[RUNS], fire[RUNS], bare[RUNS];
    size_t runs = (size_t)bench_rounds(RUNS, 2);

    for (size_t i = 0; i < runs; i++) {
        bench_progress("timers_1m: process %zu of %zu", i + 1, runs);
        if (bench_in_child(measure, found, BENCH_ANY_CORE, 60) < 0)
            return;
        set[i] = found->set;
        clear[i] = found->clear;
        fire[i] = found->fire;
        bare[i] = found->bare;
    }
    double list = bench_median(bare, runs);
    const struct {
        const char *name;
        double ns;
    } rows[] = { { "timers_1m_set", bench_median(set, runs) },
                 { "timers_1m_clear", bench_median(clear, runs) },
                 { "timers_1m_fire", bench_median(fire, runs) } };
    for (int i = 0; i < 3; i++)
        bench_figure(&(struct figure){.name = rows[i].name,
                                      .value = rows[i].ns,
                                      .unit = "ns",
                                      .ratio_to = "bare_list",
                                      .ratio = rows[i].ns / list});
    bench_figure(&(struct figure){.name = "bare_list", .value = list, .unit = "ns"});
}
