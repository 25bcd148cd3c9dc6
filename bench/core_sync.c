/* core_sync.c - what tasks coordinate with: channels and mutexes. */
#include "bare.h"
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- chan_pingpong ------------------------------------------------------------------------- */

enum { ROOM = 1, ROUNDS = 51, ROUNDS_QUICK = 9 };

/* One of two that send each other an int; the other one began. */
static long pass(struct bide_chan *in, struct bide_chan *out, long n)
{
    for (long i = 0; i < n; i++) {
        int value;
        if (bide_chan_recv(in, &value) < 0)
            abort();
        value++;
        if (bide_chan_send(out, &value) < 0)
            abort();
    }
    return n;
}
BIDE_ASYNC(long, pass, struct bide_chan *, struct bide_chan *, long)

struct table {
    struct bide_chan forth, back;
};

static void open_table(struct table *t)
{
    if (bide_chan_init(&t->forth, sizeof(int), ROOM) < 0 ||
        bide_chan_init(&t->back, sizeof(int), ROOM) < 0)
        abort();
}

static void close_table(struct table *t)
{
    bide_chan_release(&t->forth);
    bide_chan_release(&t->back);
}

static void pingpong(void *arg, long n)
{
    struct table t;

    (void)arg;
    open_table(&t);
    bide_chan_try_send(&t.forth, &(int){0});
    bide_join(bide_async(pass, &t.forth, &t.back, n), bide_async(pass, &t.back, &t.forth, n));
    close_table(&t);
}

void bench_chan_pingpong(void)
{
    core_compare("chan_pingpong", pingpong, "bare_pingpong", bare_pingpong, 60, 0);
}

/* ---- chan_pingpong_2w ---------------------------------------------------------------------- */

struct found {
    double ours, futex, spin, to_futex, to_spin;
};

struct side {
    struct table *table;
    long n;
    unsigned worker; /* where it ran */
    double begin, end;
};

static int serve(struct side *side)
{
    side->worker = bide_worker_index();
    pass(&side->table->back, &side->table->forth, side->n);
    return 0;
}
BIDE_ASYNC(int, serve, struct side *)

/* The clock begins when both are there. */
static int ask(struct side *side)
{
    int value = 0;

    side->worker = bide_worker_index();
    bide_chan_send(&side->table->back, &value);
    bide_chan_recv(&side->table->forth, &value);
    side->begin = bench_clock();
    bide_chan_send(&side->table->back, &value);
    pass(&side->table->forth, &side->table->back, side->n - 2);
    bide_chan_recv(&side->table->forth, &value);
    side->end = bench_clock();
    return 0;
}
BIDE_ASYNC(int, ask, struct side *)

static int pingpong_2w(long n, double *ret_ns)
{
    struct table t;
    struct side one = {.table = &t, .n = n}, other = {.table = &t, .n = n};

    core_wait_for_workers(2);
    open_table(&t);
    BIDE_SCOPE(s) {
        bide_spawn_spread(&s, bide_async(ask, &one));
        bide_spawn_spread(&s, bide_async(serve, &other));
    }
    close_table(&t);
    *ret_ns = (one.end - one.begin) / (double)(n - 1);
    return one.worker == other.worker; /* 0: all is well */
}
BIDE_ASYNC(int, pingpong_2w, long, double *)

static int measure_2w(void *arg)
{
    static const struct bide_config two = {.workers = 2};
    struct found *found = arg;
    double ours[ROUNDS], futex[ROUNDS], spin[ROUNDS], to_futex[ROUNDS], to_spin[ROUNDS];
    size_t rounds = bench_quick ? ROUNDS_QUICK : ROUNDS;

    for (size_t i = 0; i < rounds; i++) {
        if (bide_run_with(&two, bide_async(pingpong_2w, 10000, &ours[i])) != 0)
            return 1;
        spin[i] = bare_threads(10000, 1);
        futex[i] = bare_threads(500, 0);
        to_futex[i] = ours[i] / futex[i];
        to_spin[i] = ours[i] / spin[i];
    }
    *found = (struct found){.ours = bench_median(ours, rounds),
                            .futex = bench_median(futex, rounds),
                            .spin = bench_median(spin, rounds),
                            .to_futex = bench_median(to_futex, rounds),
                            .to_spin = bench_median(to_spin, rounds)};
    return 0;
}

void bench_chan_pingpong_2w(void)
{
    struct found *found = bench_shared(sizeof(*found));

    bench_progress("chan_pingpong_2w");
    if (bench_in_child(measure_2w, found, BENCH_ANY_CORE, 120) < 0)
        return;
    bench_figure(&(struct figure){.name = "chan_pingpong_2w",
                                  .value = found->ours,
                                  .unit = "ns",
                                  .ratio_to = "bare_spin_threads",
                                  .ratio = found->to_spin});
    bench_figure(&(struct figure){.name = "bare_spin_threads", .value = found->spin, .unit = "ns"});
    bench_figure(&(struct figure){.name = "bare_futex_threads",
                                  .value = found->futex,
                                  .unit = "ns",
                                  .ratio_to = "chan_pingpong_2w",
                                  .ratio = 1 / found->to_futex});
}

/* ---- mutex_uncontended --------------------------------------------------------------------- */

static void lock_and_unlock(void *arg, long n)
{
    static struct bide_mutex mutex;

    (void)arg;
    for (long i = 0; i < n; i++) {
        if (bide_mutex_lock(&mutex) < 0)
            abort();
        bide_mutex_unlock(&mutex);
    }
}

static void lock_and_unlock_posix(void *arg, long n)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    (void)arg;
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

void bench_mutex_uncontended(void)
{
    core_compare("mutex_uncontended", lock_and_unlock, "pthread_mutex", lock_and_unlock_posix, 5,
                 0);
}
