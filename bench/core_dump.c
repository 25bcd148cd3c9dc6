/*
 * core_dump.c - a dump of 100,000 tasks: how long it takes, and how long it keeps others waiting.
 *
 * The tasks are on one of two workers. On each of them another task yields all the time, and sees
 * for how long it did not run.
 */
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <stdlib.h>

enum { TASKS = 100000, WORKERS = 2, DUMPS = 9, DUMPS_QUICK = 3 };

/* In shared memory. */
struct dumped {
    double text, json;     /* ms */
    double paused[WORKERS]; /* ms: the longest pause of a task of that worker, in the median dump */
    double bytes;          /* of the text */
};

static struct bide_event end;
static int waiting, ticking;    /* atomic */
static double paused[WORKERS]; /* since it was set to 0; atomic */

static int wait_for_end(void)
{
    __atomic_add_fetch(&waiting, 1, __ATOMIC_RELAXED);
    return bide_event_wait(&end);
}
BIDE_ASYNC(int, wait_for_end)

static int tick(void)
{
    double *longest = &paused[bide_worker_index()], before = bench_clock(), seen;

    while (__atomic_load_n(&ticking, __ATOMIC_RELAXED)) {
        bide_yield();
        double pause = bench_clock() - before;
        before += pause;
        __atomic_load(longest, &seen, __ATOMIC_RELAXED);
        if (pause > seen)
            __atomic_store(longest, &pause, __ATOMIC_RELAXED);
    }
    return 0;
}
BIDE_ASYNC(int, tick)

static int dump_often(unsigned json, struct dumped *dumped, double *ret_ms)
{
    const struct bide_dump_options options = {.json = json};
    double ms[DUMPS], pauses[WORKERS][DUMPS], none = 0;
    size_t rounds = (size_t)bench_rounds(DUMPS, DUMPS_QUICK), size = 0;

    for (size_t i = 0; i < rounds; i++) {
        char *text;
        for (int w = 0; w < WORKERS; w++)
            __atomic_store(&paused[w], &none, __ATOMIC_RELAXED);
        double begin = bench_clock();
        int error = bide_dump_with(&options, &text, &size);
        if (error)
            return error;
        ms[i] = (bench_clock() - begin) / 1e6;
        free(text);
        bide_yield(); /* so that the pause is seen */
        for (int w = 0; w < WORKERS; w++)
            __atomic_load(&paused[w], &pauses[w][i], __ATOMIC_RELAXED);
    }
    *ret_ms = bench_median(ms, rounds);
    for (int w = 0; w < WORKERS; w++)
        dumped->paused[w] = bench_median(pauses[w], rounds) / 1e6;
    dumped->bytes = (double)size;
    return 0;
}

/* As many as there are workers, one on each. */
static int tick_and_dump(struct dumped *dumped)
{
    int error = 0;
    double ms;

    ticking = 1;
    BIDE_SCOPE(s) {
        for (int i = 0; !error && i < WORKERS; i++)
            error = bide_spawn_spread(&s, bide_async(tick));
        if (!error)
            error = dump_often(0, dumped, &ms);
        __atomic_store_n(&ticking, 0, __ATOMIC_RELAXED);
    }
    return error;
}

static int dump_crowd(struct dumped *dumped)
{
    int error = 0;

    core_wait_for_workers(WORKERS);
    BIDE_SCOPE(s) {
        for (int i = 0; !error && i < TASKS; i++)
            error = bide_spawn(&s, bide_async(wait_for_end));
        while (!error && __atomic_load_n(&waiting, __ATOMIC_RELAXED) < TASKS)
            error = bide_yield();
        if (!error)
            error = dump_often(1, dumped, &dumped->json);
        if (!error)
            error = dump_often(0, dumped, &dumped->text);
        if (!error)
            error = tick_and_dump(dumped);
        bide_event_set(&end);
    }
    return error;
}
BIDE_ASYNC(int, dump_crowd, struct dumped *)

static int run_dumps(void *dumped)
{
    struct bide_config config = {.workers = WORKERS, .stall_limit = BIDE_FOREVER};

    return bide_run_with(&config, bide_async(dump_crowd, (struct dumped *)dumped)) < 0;
}

void bench_dump_100k(void)
{
    struct dumped *dumped = bench_shared(sizeof(*dumped));

    bench_progress("dump_100k");
    if (bench_in_child(run_dumps, dumped, BENCH_ANY_CORE, 120) < 0)
        return;
    bench_figure(&(struct figure){
        .name = "dump_100k", .value = dumped->text, .unit = "ms", .most = 200});
    bench_figure(&(struct figure){
        .name = "dump_100k_json", .value = dumped->json, .unit = "ms", .most = 200});
    bench_figure(&(struct figure){
        .name = "dump_100k_pause", .value = dumped->paused[0], .unit = "ms"});
    bench_figure(&(struct figure){
        .name = "dump_100k_pause_other", .value = dumped->paused[1], .unit = "ms"});
    bench_note("%.1f MB of text; a pause is how long another task of the same worker, and of the "
               "other one, did not run", dumped->bytes / 1e6);
}
