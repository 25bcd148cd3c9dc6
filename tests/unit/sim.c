/* sim.c - a simulation's time, order, chance and trace, and what is offloaded in it. */
#include "test.h"

#include <bide/bide.h>
#include <bide/keywords.h>
#include <pthread.h>

static struct bide_sim_result result;

/* Runs f from a seed, and returns its value; what came of it is in result. */
#define SIMULATE(seed_, f)                                            \
    __extension__({                                                   \
        struct bide_sim sim = { .seed = (seed_), .result = &result }; \
        result = (struct bide_sim_result){ 0 };                       \
        bide_sim_run(&sim, f);                                        \
    })

/* ---- time ---- */

static long sleeps(void)
{
    bide_time start = bide_now();
    bide_sleep(10 * BIDE_MS);
    CHECK_OR(bide_now() == start + 10 * BIDE_MS, 1);
    bide_sleep_until(start + 3600 * BIDE_S);
    CHECK_OR(bide_now() == start + 3600 * BIDE_S, 2);
    CHECK_OR(bide_sleep(0) == 0 && bide_now() == start + 3600 * BIDE_S, 3);
    return 0;
}
ASYNC(long, sleeps)

TEST(time_jumps)
{
    CHECK_EQ(SIMULATE(1, async(sleeps)), 0);
    CHECK_EQ(result.elapsed, 3600 * BIDE_S);
}

static long many_sleepers(void)
{
    enum { N = 1000 };
    static struct bide_sleep_future sleepers[N];
    bide_time start = bide_now();
    for (int i = 0; i < N; i++)
        sleepers[i] = async(bide_sleep, 1 + (i * 7919 % N) * BIDE_US);
    bide_join_all(sleepers, N);
    return (long)(bide_now() - start);
}
ASYNC(long, many_sleepers)

TEST(sleepers_end_at_their_times)
{
    CHECK_EQ(SIMULATE(1, async(many_sleepers)), 999 * BIDE_US + 1);
}

static int timeouts(void)
{
    bide_time start = bide_now();
    let slow = async(bide_sleep, BIDE_S);
    CHECK_OR(within(5 * BIDE_MS, &slow) == -ETIMEDOUT, 1);
    CHECK_OR(bide_now() == start + 5 * BIDE_MS, 2);
    let quick = async(bide_sleep, 3 * BIDE_MS);
    let other = async(bide_sleep, 3 * BIDE_MS + 1);
    CHECK_OR(race(&other, &quick) == 1, 3);
    CHECK_OR(bide_now() == start + 8 * BIDE_MS, 4);
    return 0;
}
ASYNC(int, timeouts)

TEST(deadlines_are_exact)
{
    for (uint64_t seed = 0; seed < 20; seed++)
        CHECK_EQ(SIMULATE(seed, async(timeouts)), 0);
}

static bide_time wall_of(bide_time span)
{
    bide_sleep(span);
    return bide_wall_now();
}
ASYNC(bide_time, wall_of, bide_time)

TEST(the_wall_clock_begins_where_it_is_told)
{
    struct bide_sim sim = { .seed = 1 };
    CHECK_EQ(bide_sim_run(&sim, async(wall_of, BIDE_S)), 946684801 * BIDE_S);
    sim.wall = 5 * BIDE_S;
    CHECK_EQ(bide_sim_run(&sim, async(wall_of, BIDE_S)), 6 * BIDE_S);
}

static int spins(bool yields)
{
    bide_time end = bide_now() + 10 * BIDE_MS;
    while (bide_now() < end)
        if (yields)
            bide_yield();
    return 0;
}
ASYNC(int, spins, bool)

static bool flag;

static int sets_the_flag(void)
{
    bide_sleep(20 * BIDE_MS);
    flag = true;
    return 0;
}
ASYNC(int, sets_the_flag)

static int waits_for_the_flag(void)
{
    while (!flag)
        bide_yield();
    return 0;
}
ASYNC(int, waits_for_the_flag)

static int sets_and_waits(void)
{
    flag = false;
    return join(async(sets_the_flag), async(waits_for_the_flag));
}
ASYNC(int, sets_and_waits)

TEST(who_spins_is_not_stuck)
{
    CHECK_EQ(SIMULATE(1, async(spins, false)), 0);
    CHECK_EQ(SIMULATE(1, async(spins, true)), 0);
    CHECK_EQ(SIMULATE(1, async(sets_and_waits)), 0);
}

/* ---- order ---- */

enum { TASKS = 6 };

static char order[TASKS + 1];
static int ran;

static void note_me(int i)
{
    order[ran++] = (char)('a' + i);
}
BIDE_ASYNC_VOID(note_me, int)

static int spawns(void)
{
    ran = 0;
    scope(s)
        for (int i = 0; i < TASKS; i++)
            bide_spawn(&s, async(note_me, i));
    order[ran] = '\0';
    return 0;
}
ASYNC(int, spawns)

TEST(the_seed_orders_ready_tasks)
{
    char first[TASKS + 1], seen[50][TASKS + 1];
    int kinds = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        SIMULATE(seed, async(spawns));
        uint64_t hash = result.hash;
        CHECK_EQ(strlen(order), TASKS);
        strcpy(first, order);
        SIMULATE(seed, async(spawns));
        CHECK_STR(order, first);
        CHECK_EQ(result.hash, hash);
        int same = 0;
        while (same < kinds && strcmp(seen[same], order) != 0)
            same++;
        strcpy(seen[same], order);
        kinds += same == kinds;
    }
    CHECK(kinds > 30);
}

static int turns[TASKS];

/* Nobody who is ready is passed by somebody who yields. */
static int yields(int i)
{
    for (int n = 0; n < 20; n++) {
        turns[i]++;
        bide_yield();
        for (int k = 0; k < TASKS; k++)
            CHECK_OR(turns[k] >= turns[i] - 1, 1);
    }
    turns[i] += 1000;
    return 0;
}
ASYNC(int, yields, int)

static int yield_all(void)
{
    memset(turns, 0, sizeof(turns));
    struct yields_future all[TASKS];
    for (int i = 0; i < TASKS; i++)
        all[i] = async(yields, i);
    bide_join_all(all, TASKS);
    for (int i = 0; i < TASKS; i++)
        CHECK_OR(all[i].value == 0, 1);
    return 0;
}
ASYNC(int, yield_all)

TEST(a_yield_lets_all_run_that_are_ready)
{
    for (uint64_t seed = 0; seed < 50; seed++)
        CHECK_EQ(SIMULATE(seed, async(yield_all)), 0);
}

static int parallel(void)
{
    ran = 0;
    scope(s) {
        for (int i = 0; i < TASKS / 2; i++)
            bide_spawn_parallel(&s, async(note_me, i));
        for (int i = TASKS / 2; i < TASKS; i++)
            bide_spawn_spread(&s, async(note_me, i));
    }
    CHECK_OR(bide_worker_count() == 1, 1);
    return ran == TASKS ? 0 : 2;
}
ASYNC(int, parallel)

TEST(parallel_children_run_here)
{
    setenv("BIDE_WORKERS", "4", 1);
    CHECK_EQ(SIMULATE(1, async(parallel)), 0);
}

/* ---- chance ---- */

static uint64_t draw(void)
{
    return bide_random() ^ bide_random() << 1;
}
ASYNC(uint64_t, draw)

TEST(chance_comes_from_the_seed)
{
    uint64_t one = SIMULATE(1, async(draw));
    CHECK_EQ(SIMULATE(1, async(draw)), one);
    CHECK(SIMULATE(2, async(draw)) != one);
    CHECK(draw() != draw()); /* a plain thread's own */
}

/* ---- the trace ---- */

static int noted(int n)
{
    bide_sleep(1500 * BIDE_MS);
    bide_sim_note("a note of %d", n);
    return 0;
}
ASYNC(int, noted, int)

static size_t trace_of(int n, char *text, size_t size)
{
    FILE *file = fmemopen(text, size, "w");
    struct bide_sim sim = { .seed = 1, .trace = file, .result = &result };
    bide_sim_run(&sim, async(noted, n));
    size_t length = (size_t)ftell(file);
    fclose(file);
    return length;
}

TEST(the_trace_is_text_and_hash)
{
    char text[200] = "", again[200] = "";
    size_t length = trace_of(1, text, sizeof(text));
    uint64_t hash = result.hash;
    CHECK_EQ(result.events, 2);
    CHECK_STR(text, "1.500000000 nothing is ready\n1.500000000 a note of 1\n");
    CHECK_EQ(trace_of(1, again, sizeof(again)), length);
    CHECK_STR(text, again);
    CHECK_EQ(result.hash, hash);
    trace_of(2, again, sizeof(again));
    CHECK(result.hash != hash);
    bide_sim_note("outside a simulation nothing happens");
}

/* ---- offloading ---- */

static bide_time began;
static bool simulated_there, cancelled_there;
static int waiting_for; /* calls that are under way */

static int blocks(void *arg)
{
    began = bide_now();
    simulated_there = bide_simulated();
    cancelled_there = bide_cancelled() != 0;
    bide_sleep(BIDE_MS); /* blocks this thread: the time goes on */
    CHECK_OR(bide_now() == began + BIDE_MS, -1);
    waiting_for--;
    return *(int *)arg;
}

static int offloads(void)
{
    int seven = 7;
    bide_time start = bide_now();
    waiting_for = 1;
    int value = bide_offload_call(blocks, &seven);
    CHECK_OR(value == 7 && !waiting_for, 1);
    CHECK_OR(simulated_there && !cancelled_there, 2);
    CHECK_OR(began > start && bide_now() > began + BIDE_MS, 3);
    return 0;
}
ASYNC(int, offloads)

TEST(offloaded_calls_take_virtual_time)
{
    for (uint64_t seed = 0; seed < 20; seed++)
        CHECK_EQ(SIMULATE(seed, async(offloads)), 0);
    CHECK(!bide_simulated());
}

/* Cancelled before it has begun it never does; afterwards its value is kept. */
static int cancelled_call(bide_time span)
{
    int seven = 7;
    waiting_for = 1;
    let call = async(bide_offload_call, blocks, &seven);
    within(span, &call);
    CHECK_OR(waiting_for ? call.value == -ETIMEDOUT : call.value == 7, -1);
    return waiting_for;
}
ASYNC(int, cancelled_call, bide_time)

TEST(offloaded_calls_can_be_cancelled)
{
    int counts[2] = { 0 };
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct bide_sim sim = {
            .seed = seed, .offload_least = BIDE_MS, .offload_most = 2 * BIDE_MS
        };
        int never = bide_sim_run(&sim, async(cancelled_call, 1500 * BIDE_US));
        CHECK(never == 0 || never == 1);
        counts[never]++;
    }
    CHECK(counts[0] > 10 && counts[1] > 10);
}

static int runs_another(void *arg)
{
    let f = async(bide_sleep, BIDE_MS);
    bide_run(&f);
    (void)arg;
    return f.value;
}

static int offloads_another(void)
{
    return bide_offload_call(runs_another, NULL);
}
ASYNC(int, offloads_another)

TEST(a_runtime_in_an_offloaded_call_is_refused)
{
    CHECK_EQ(SIMULATE(1, async(offloads_another)), -EOPNOTSUPP);
}

/* ---- when nothing is to come ---- */

static int never_ends(void)
{
    BIDE_PROMISE(int) never;
    bide_promise_init(&never);
    bide_sleep(BIDE_S);
    return bide_await(&never);
}
ASYNC(int, never_ends)

static void hear(const char *report, void *count)
{
    ++*(int *)count;
    CHECK(strstr(report, "deadlock"));
}

TEST(a_deadlock_is_known_at_once)
{
    int reports = 0;
    struct bide_config config = { .on_deadlock = hear, .on_deadlock_user = &reports };
    struct bide_sim_result after;
    struct bide_sim sim = { .seed = 7, .config = &config, .result = &after };
    CHECK_EQ(bide_sim_run(&sim, async(never_ends)), -EDEADLK);
    CHECK_EQ(reports, 1);
    CHECK_EQ(after.elapsed, BIDE_S);
}

/* ---- chosen by the environment ---- */

static void *send_later(void *chan)
{
    int value = 1;
    usleep(20000);
    bide_chan_try_send(chan, &value);
    return NULL;
}

/* A thread of the program's is no part of a simulation. */
static int wait_for_a_thread(void)
{
    struct bide_chan chan;
    pthread_t thread;
    int value;
    CHECK_OR(bide_chan_init(&chan, sizeof(value), 1) == 0, 1);
    CHECK_OR(pthread_create(&thread, NULL, send_later, &chan) == 0, 1);
    int error = bide_chan_recv(&chan, &value);
    pthread_join(thread, NULL);
    bide_chan_release(&chan);
    return error;
}
ASYNC(int, wait_for_a_thread)

TEST(the_environment_makes_a_run_one)
{
    char *reactor = getenv("BIDE_REACTOR");
    struct bide_config config = { .on_deadlock = hear };
    int reports = 0;
    config.on_deadlock_user = &reports;
    let drawn = async(draw);
    setenv("BIDE_REACTOR", "sim", 1);
    setenv("BIDE_SEED", "7", 1);
    uint64_t seven = bide_run(drawn);
    int alone = bide_run_with(&config, async(wait_for_a_thread));
    setenv("BIDE_SEED", "7x", 1);
    int wrong = bide_run(async(bide_yield));
    int its_own = SIMULATE(1, async(bide_yield));
    unsetenv("BIDE_SEED");
    if (reactor)
        setenv("BIDE_REACTOR", reactor, 1);
    else
        unsetenv("BIDE_REACTOR");
    CHECK_EQ(seven, SIMULATE(7, drawn));
    CHECK_EQ(alone, -EDEADLK);
    CHECK_EQ(reports, 1);
    CHECK_EQ(wrong, -EINVAL);
    CHECK_EQ(its_own, 0);
}

/* ---- misuse ---- */

static int nests(void)
{
    return SIMULATE(1, async(bide_yield));
}
ASYNC(int, nests)

static void nested(void *arg)
{
    (void)arg;
    bide_run(async(nests));
}

TEST(misuse_aborts)
{
    expect_abort(nested, NULL, "bide_sim_run inside a runtime");
}

TEST_MAIN()
