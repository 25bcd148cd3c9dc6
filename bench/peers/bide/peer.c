/*
 * peer.c - the rows of bench-peers on bide: peer ROW N. Prints nanoseconds of one of N operations,
 * a line for each batch after the first, which warms up. The servers are in serve.c.
 */
#include "peer.h"
#include "../../opaque.h"

#include <bide/bide.h>
#include <bide/chan.h>
#include <bide/mutex.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 6, SPAWNED = 1000 };

typedef void batch(long n);

static int measure(batch *run, long n, long operations)
{
    for (int i = 0; i < BATCHES; i++) {
        bide_time begin = bide_now();
        run(n);
        if (i)
            printf("%.3f\n", (double)(bide_now() - begin) / (double)operations);
    }
    return 0;
}
BIDE_ASYNC(int, measure, batch *, long, long)

/* ---- what costs nanoseconds ---------------------------------------------------------------- */

static void yield_often(long n)
{
    for (long i = 0; i < n; i++)
        bide_yield();
}
BIDE_ASYNC_VOID(yield_often, long)

static void yield_in_turns(long n)
{
    bide_join(bide_async(yield_often, n / 2), bide_async(yield_often, n / 2));
}

BIDE_ASYNC_VOID(nothing)

static void spawn_nothings(long n)
{
    for (long i = 0; i < n; i += SPAWNED)
        BIDE_SCOPE(s)
            for (int k = 0; k < SPAWNED; k++)
                bide_spawn(&s, bide_async(nothing));
}

static void spawn_nothings_parallel(long n)
{
    for (long i = 0; i < n; i += SPAWNED)
        BIDE_SCOPE(s)
            for (int k = 0; k < SPAWNED; k++)
                bide_spawn_parallel(&s, bide_async(nothing));
}

BIDE_ASYNC(long, add, long, long)

static volatile long total; /* what add returns is seen, so the compiler keeps it */

static void await_adds(long n)
{
    long sum = 0;

    for (long i = 0; i < n; i++)
        sum += bide_await(bide_async(add, i, 1));
    total = sum;
}

static int answer(struct bide_chan *questions, struct bide_chan *answers)
{
    long question;

    while (bide_chan_recv(questions, &question) == 0)
        bide_chan_send(answers, &question);
    return 0;
}
BIDE_ASYNC(int, answer, struct bide_chan *, struct bide_chan *)

static void ask(long n, struct bide_chan *questions, struct bide_chan *answers)
{
    long value;

    for (long i = 0; i < n; i++)
        if (bide_chan_send(questions, &i) < 0 || bide_chan_recv(answers, &value) < 0 || value != i)
            abort();
}

static void channel(long n)
{
    struct bide_chan questions, answers;

    if (bide_chan_init(&questions, sizeof(long), 1) < 0 ||
        bide_chan_init(&answers, sizeof(long), 1) < 0)
        abort();
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(answer, &questions, &answers));
        ask(n, &questions, &answers);
        bide_chan_close(&questions);
    }
    bide_chan_release(&questions);
    bide_chan_release(&answers);
}

static void lock_often(long n)
{
    struct bide_mutex mutex = {0};
    long count = 0;

    for (long i = 0; i < n; i++) {
        bide_mutex_lock(&mutex);
        count++;
        bide_mutex_unlock(&mutex);
    }
    total = count;
}

/* ---- channel_2 ----------------------------------------------------------------------------- */

/* What the two ends have in common. */
struct pair {
    struct bide_chan questions, answers;
    pthread_t asker, answerer;
    long n;
};

static int answer_there(struct pair *pair)
{
    pair->answerer = pthread_self();
    return answer(&pair->questions, &pair->answers);
}
BIDE_ASYNC(int, answer_there, struct pair *)

static int ask_here(struct pair *pair)
{
    pair->asker = pthread_self();
    for (int i = 0; i < BATCHES; i++) {
        bide_time begin = bide_now();
        ask(pair->n, &pair->questions, &pair->answers);
        if (i)
            printf("%.3f\n", (double)(bide_now() - begin) / (double)pair->n);
    }
    bide_chan_close(&pair->questions);
    return pthread_equal(pair->asker, pair->answerer) ? -EXDEV : 0;
}
BIDE_ASYNC(int, ask_here, struct pair *)

/* The second worker starts with the first parallel child. */
static void wait_for_workers(void)
{
    struct bide_stats stats = {0};

    while (stats.workers < 2) {
        BIDE_SCOPE(s)
            bide_spawn_parallel(&s, bide_async(nothing));
        bide_sleep(BIDE_MS);
        bide_get_stats(&stats);
    }
}

static int channel_2(long n)
{
    struct pair pair = {.n = n};
    int error = bide_chan_init(&pair.questions, sizeof(long), 1);

    if (!error)
        error = bide_chan_init(&pair.answers, sizeof(long), 1);
    if (error)
        return error;
    wait_for_workers();
    BIDE_SCOPE(s) {
        bide_spawn_spread(&s, bide_async(answer_there, &pair));
        bide_spawn_spread(&s, bide_async(ask_here, &pair));
        error = bide_scope_wait(&s);
    }
    bide_chan_release(&pair.questions);
    bide_chan_release(&pair.answers);
    return error;
}
BIDE_ASYNC(int, channel_2, long)

/* ---- what sleeps --------------------------------------------------------------------------- */

static void sleep_all(long n, bide_time span)
{
    BIDE_SCOPE(s)
        for (long i = 0; i < n; i++)
            if (bide_spawn(&s, bide_async(bide_sleep, span)) < 0)
                abort();
}
BIDE_ASYNC_VOID(sleep_all, long, bide_time)

static void say_asleep(void)
{
    bide_sleep(BIDE_MS); /* the others have begun when this ends */
    puts("asleep");
    fflush(stdout);
    bide_sleep(BIDE_FOREVER);
}
BIDE_ASYNC_VOID(say_asleep)

static int sleep_memory(long n)
{
    return bide_join(bide_async(sleep_all, n, 3600 * BIDE_S), bide_async(say_asleep));
}
BIDE_ASYNC(int, sleep_memory, long)

static int sleep_time(long n)
{
    bide_time begin = bide_now();

    sleep_all(n, SLEEP);
    printf("%lld\n", (long long)(bide_now() - begin - SLEEP));
    return 0;
}
BIDE_ASYNC(int, sleep_time, long)

static int sleep_twice(void)
{
    return bide_join(bide_async(bide_sleep, 10 * BIDE_MS), bide_async(bide_sleep, 8 * BIDE_MS));
}
BIDE_ASYNC(int, sleep_twice)

static void sleep_pairs(long n)
{
    BIDE_SCOPE(s)
        for (long i = 0; i < n; i++)
            if (bide_spawn(&s, bide_async(sleep_twice)) < 0)
                abort();
}

/* -------------------------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    batch *run;
    unsigned workers;
    int once; /* the whole batch is one operation */
} rows[] = {
    {"yield", yield_in_turns, 1, 0},
    {"spawn", spawn_nothings, 1, 0},
    {"spawn_2", spawn_nothings_parallel, 2, 0},
    {"await", await_adds, 1, 0},
    {"channel", channel, 1, 0},
    {"mutex", lock_often, 1, 0},
    {"sleep_pairs", sleep_pairs, 1, 1},
};

int main(int argc, char **argv)
{
    struct bide_config one = {.workers = 1}, two = {.workers = 2};

    if (argc != 3)
        return 2;
    const char *name = argv[1];
    long n = atol(argv[2]);
    if (strcmp(name, "echo") == 0)
        return bide_run_with(&one, bide_async(serve_echo, (int)n)) < 0;
    if (strcmp(name, "http") == 0)
        return serve_http((int)n) < 0;
    if (strcmp(name, "channel_2") == 0)
        return bide_run_with(&two, bide_async(channel_2, n)) < 0;
    if (strcmp(name, "sleep_memory") == 0)
        return bide_run_with(&one, bide_async(sleep_memory, n)) < 0;
    if (strcmp(name, "sleep_time") == 0)
        return bide_run_with(&one, bide_async(sleep_time, n)) < 0;
    for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(*rows); row++) {
        if (strcmp(name, row->name) == 0) {
            struct bide_config config = {.workers = row->workers};
            return bide_run_with(&config, bide_async(measure, row->run, n, row->once ? 1 : n)) < 0;
        }
    }
    return NOT_OFFERED;
}
