/* One run for all who ask meanwhile: in one worker, over several, with plain threads. */
#include "fiber.h"

#include <bide/keywords.h>

#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

#define AGES (3600 * BIDE_S)

struct source {
    int runs, ended, cancelled;
    bool open; /* until then a run waits */
    int value;
};

static int fetch(struct source *source)
{
    int run = ++source->runs, error = 0;
    while (!error && !source->open)
        error = bide_sleep(BIDE_US);
    source->ended++;
    source->cancelled += error != 0;
    return error ? error : source->value ? source->value : 100 + run;
}
ASYNC(int, fetch, struct source *)

/* One who asks for a number. */
static int ask(struct bide_singleflight *flights, int key, struct source *source)
{
    return await(bide_singleflight(flights, &key, sizeof(key), async(fetch, source)));
}
ASYNC(int, ask, struct bide_singleflight *, int, struct source *)

enum { ASKERS = 6 };

static void start_asking(struct ask_future *askers, int n, struct bide_singleflight *flights,
                         struct source *source)
{
    for (int i = 0; i < n; i++) {
        askers[i] = async(ask, flights, 7, source);
        CHECK_EQ(bide_start(&askers[i]), 0);
        bide_yield(); /* they ask one after the other */
    }
}

SIM_TEST(all_share_one_run)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    struct ask_future askers[ASKERS];
    scope(s) {
        start_asking(askers, ASKERS, &flights, &source);
        CHECK_EQ(source.runs, 1);
        source.open = true;
    }
    for (int i = 0; i < ASKERS; i++)
        CHECK_EQ(askers[i].value, 101);
    CHECK_EQ(source.runs, 1);
    CHECK(!flights.flights);
}

static int nap(bide_time span, int *runs)
{
    ++*runs;
    return bide_sleep(span) ? -ECANCELED : 7;
}
ASYNC(int, nap, bide_time, int *)

SIM_TEST(all_end_when_the_run_does)
{
    struct bide_singleflight flights = { 0 };
    int runs = 0;
    let first = bide_singleflight(&flights, "x", 1, async(nap, BIDE_MS, &runs));
    let second = first;
    let third = first;
    bide_time begin = bide_now();
    scope(s) {
        bide_start(&first);
        bide_sleep(BIDE_MS / 2);
        bide_start(&second);
        bide_sleep(BIDE_MS / 2 - 1);
        CHECK_EQ(join(&third), 0);
        CHECK_EQ(bide_now(), begin + BIDE_MS);
    }
    CHECK_EQ(bide_now(), begin + BIDE_MS);
    CHECK_EQ(first.value + second.value + third.value, 21);
    CHECK_EQ(runs, 1);
}

SIM_TEST(it_is_no_cache)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { .open = true };
    CHECK_EQ(ask(&flights, 1, &source), 101);
    CHECK_EQ(ask(&flights, 1, &source), 102);
}

SIM_TEST(other_keys_run_for_themselves)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    struct ask_future askers[ASKERS];
    scope(s) {
        for (int i = 0; i < ASKERS; i++) {
            askers[i] = async(ask, &flights, i % 3, &source);
            bide_start(&askers[i]);
            bide_yield();
        }
        CHECK_EQ(source.runs, 3);
        source.open = true;
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(askers[i].value, 101 + i);
        CHECK_EQ(askers[i + 3].value, 101 + i);
    }
}

SIM_TEST(keys_are_bytes)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    char abc[] = "abc", abd[] = "abd", again[] = "abc";
    let a = bide_singleflight(&flights, abc, 3, async(fetch, &source));
    let b = bide_singleflight(&flights, abc, 2, async(fetch, &source));
    let c = bide_singleflight(&flights, abd, 3, async(fetch, &source));
    let d = bide_singleflight(&flights, again, 3, async(fetch, &source));
    let e = bide_singleflight(&flights, NULL, 0, async(fetch, &source));
    let f = bide_singleflight(&flights, abd, 0, async(fetch, &source));
    scope(s) {
        bide_start(&a);
        bide_start(&b);
        bide_start(&c);
        bide_start(&d);
        bide_start(&e);
        bide_start(&f);
        bide_yield();
        source.open = true;
    }
    CHECK_EQ(source.runs, 4);
    CHECK_EQ(a.value, d.value);
    CHECK_EQ(e.value, f.value);
}

SIM_TEST(errors_are_shared)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { .value = -EIO };
    struct ask_future askers[ASKERS];
    scope(s) {
        start_asking(askers, ASKERS, &flights, &source);
        source.open = true;
    }
    for (int i = 0; i < ASKERS; i++)
        CHECK_EQ(askers[i].value, -EIO);
    CHECK_EQ(source.runs, 1);
}

struct page {
    int numbers[20];
};

static struct page load(struct source *source)
{
    struct page page = { { 0 } };
    page.numbers[19] = fetch(source);
    return page;
}
ASYNC(struct page, load, struct source *)

SIM_TEST(values_of_any_type)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    let a = bide_singleflight(&flights, "x", 1, async(load, &source));
    let b = a;
    scope(s) {
        bide_start(&a);
        bide_start(&b);
        bide_yield();
        source.open = true;
    }
    CHECK_EQ(source.runs, 1);
    CHECK_EQ(a.value.numbers[19], 101);
    CHECK_EQ(b.value.numbers[19], 101);
}

/* ---- cancellation ---- */

SIM_TEST(one_that_waits_leaves_alone)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    struct ask_future askers[ASKERS];
    scope(s) {
        start_asking(askers, ASKERS, &flights, &source);
        cancel(&askers[3]);
        source.open = true;
    }
    for (int i = 0; i < ASKERS; i++)
        CHECK_EQ(askers[i].value, i == 3 ? -ECANCELED : 101);
}

SIM_TEST(when_the_leader_is_cancelled_another_leads)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    struct ask_future askers[ASKERS];
    scope(s) {
        start_asking(askers, ASKERS, &flights, &source);
        for (int i = 0; i < 3; i++) {
            cancel(&askers[i]);
            settle();
            CHECK_EQ(source.runs, i + 2);
            CHECK_EQ(source.cancelled, i + 1);
        }
        source.open = true;
    }
    for (int i = 0; i < ASKERS; i++)
        CHECK_EQ(askers[i].value, i < 3 ? -ECANCELED : 104);
    CHECK_EQ(source.runs, 4);
}

SIM_TEST(the_last_one_cancelled_leaves_nothing)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    struct ask_future askers[ASKERS];
    scope(s) {
        start_asking(askers, ASKERS, &flights, &source);
        bide_scope_cancel(&s);
    }
    for (int i = 0; i < ASKERS; i++)
        CHECK_EQ(askers[i].value, -ECANCELED);
    CHECK_EQ(source.ended, source.runs);
    CHECK(!flights.flights);
}

static int stubborn(struct source *source)
{
    int value = 0;
    shield()
        value = fetch(source);
    return value;
}
ASYNC(int, stubborn, struct source *)

static struct page stubborn_page(struct source *source)
{
    struct page page = { { stubborn(source) } };
    return page;
}
ASYNC(struct page, stubborn_page, struct source *)

SIM_TEST(a_good_value_of_a_cancelled_leader_counts)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    let leader = bide_singleflight(&flights, "x", 1, async(stubborn, &source));
    let other = leader;
    scope(s) {
        bide_start(&leader);
        bide_yield();
        bide_start(&other);
        bide_yield();
        cancel(&leader);
        source.open = true;
    }
    CHECK_EQ(leader.value, 101);
    CHECK_EQ(other.value, 101);
}

SIM_TEST(of_another_type_nobody_knows_whether_it_is_good)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    let leader = bide_singleflight(&flights, "x", 1, async(stubborn_page, &source));
    let other = leader;
    scope(s) {
        bide_start(&leader);
        bide_yield();
        bide_start(&other);
        bide_yield();
        cancel(&leader);
        source.open = true;
    }
    CHECK_EQ(leader.value.numbers[0], 101);
    CHECK_EQ(other.value.numbers[0], 102);
}

SIM_TEST(a_deadline_of_the_leader_is_its_own)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    let leader = bide_singleflight(&flights, "x", 1, async(load, &source));
    let other = leader;
    scope(s) {
        bide_start(&other); /* begins when this task waits, after the leader */
        bide_time begin = bide_now();
        CHECK_EQ(within(BIDE_MS, &leader), -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin + BIDE_MS);
        settle();
        source.open = true;
    }
    CHECK_EQ(leader.value.numbers[19], -ETIMEDOUT);
    CHECK_EQ(other.value.numbers[19], 102);
    struct ask_future asker;
    scope(s) {
        source.open = false;
        start_asking(&asker, 1, &flights, &source);
        let late = async(ask, &flights, 7, &source);
        CHECK_EQ(within(BIDE_MS, &late), -ETIMEDOUT);
        CHECK_EQ(late.value, -ETIMEDOUT);
        source.open = true;
    }
    CHECK_EQ(asker.value, 103);
}

SIM_TEST(cancelled_in_the_wait_it_says_so)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    let leader = bide_singleflight(&flights, "x", 1, async(load, &source));
    let other = leader;
    scope(s) {
        bide_start(&leader);
        bide_yield();
        CHECK_EQ(within(BIDE_US, &other), -ETIMEDOUT);
        source.open = true;
    }
    CHECK_EQ(bide_error(&other), -ETIMEDOUT);
    CHECK_EQ(other.value.numbers[19], 0);
}

/* ---- many keys ---- */

struct crowd {
    struct bide_singleflight flights;
    int runs[512], under_way[512];
    int wrong;
};

struct key {
    struct crowd *crowd;
    uint32_t number;
};

static int run_key(struct key key)
{
    struct crowd *c = key.crowd;
    c->wrong += c->under_way[key.number]++ != 0;
    c->runs[key.number]++;
    int error = bide_sleep((bide_time)(key.number * 2654435761u % 64) * BIDE_US);
    c->under_way[key.number]--;
    return error ? error : (int)key.number;
}
ASYNC(int, run_key, struct key)

static int ask_key(struct key key)
{
    let f = bide_singleflight(&key.crowd->flights, &key.number, sizeof(key.number),
                              async(run_key, key));
    within((bide_time)(key.number * 40503u % 128) * BIDE_US, &f);
    key.crowd->wrong += f.value != (int)key.number && f.value != -ETIMEDOUT;
    return 0;
}
ASYNC(int, ask_key, struct key)

SIM_TEST(many_keys_come_and_go)
{
    struct crowd *c = calloc(1, sizeof(*c));
    enum { KEYS = 1024 };
    struct key *keys = malloc(KEYS * sizeof(*keys));
    uint32_t seed = 1;
    for (int i = 0; i < KEYS; i++) {
        seed = seed * 1664525u + 1013904223u;
        keys[i] = (struct key){ c, seed >> 23 };
    }
    CHECK_EQ(await(bide_map(ask_key, keys, KEYS, NULL, 300)), 0);
    CHECK_EQ(c->wrong, 0);
    CHECK(!c->flights.flights);
    free(keys);
    free(c);
}

/* ---- several threads ---- */

struct shared {
    struct bide_singleflight flights;
    int inside[4], wrong; /* atomic */
};

static long produce(struct shared *shared, int key)
{
    if (__atomic_fetch_add(&shared->inside[key], 1, __ATOMIC_SEQ_CST))
        __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    int error = key & 1 ? bide_sleep(10 * BIDE_US) : bide_yield();
    __atomic_fetch_sub(&shared->inside[key], 1, __ATOMIC_SEQ_CST);
    return error ? error : 1000 + key;
}
ASYNC(long, produce, struct shared *, int)

static int consume(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int key = i & 3;
        let f = bide_singleflight(&shared->flights, &key, sizeof(key),
                                  async(produce, shared, key));
        if (i % 8 < 6)
            await(&f);
        else
            within(i % 20 * BIDE_US, &f); /* cancelled at any moment */
        if (f.value != 1000 + key && f.value != -ETIMEDOUT)
            __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    }
    return 0;
}
ASYNC(int, consume, struct shared *, int)

static void consume_everywhere(struct shared *shared)
{
    scope(s)
        for (int i = 0; i < 8; i++)
            bide_spawn_spread(&s, async(consume, shared, 300));
}
ASYNC_VOID(consume_everywhere, struct shared *)

static void *consume_in_thread(void *shared)
{
    for (int i = 0; i < 300; i++) {
        int key = i & 3;
        long value = await(bide_singleflight(&((struct shared *)shared)->flights, &key,
                                             sizeof(key), async(produce, shared, key)));
        if (value != 1000 + key)
            __atomic_fetch_add(&((struct shared *)shared)->wrong, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

TEST(over_workers_and_threads)
{
    for (int i = 0; i < 3; i++) {
        struct shared shared = { 0 };
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, consume_in_thread, &shared), 0);
        bide_run_with(&two, async(consume_everywhere, &shared));
        pthread_join(thread, NULL);
        CHECK_EQ(shared.wrong, 0);
        CHECK(!shared.flights.flights);
    }
}

/* ---- misuse ---- */

static int ask_within(struct bide_singleflight *flights);
ASYNC(int, ask_within, struct bide_singleflight *)

static int ask_within(struct bide_singleflight *flights)
{
    return await(bide_singleflight(flights, "x", 1, async(ask_within, flights)));
}

static void wait_for_itself(void *arg)
{
    struct bide_singleflight flights = { 0 };
    (void)arg;
    ask_within(&flights);
}

static int ask_for_another_type(struct bide_singleflight *flights)
{
    struct source source = { .open = true };
    await(bide_singleflight(flights, "x", 1, async(load, &source)));
    return 0;
}
ASYNC(int, ask_for_another_type, struct bide_singleflight *)

static void share_unlike_values(void *arg)
{
    struct bide_singleflight flights = { 0 };
    struct source source = { 0 };
    (void)arg;
    join(bide_singleflight(&flights, "x", 1, async(fetch, &source)),
         async(ask_for_another_type, &flights));
}

TEST(mistakes_abort)
{
    expect_abort(wait_for_itself, NULL, "runs that key already");
    expect_abort(share_unlike_values, NULL, "values of different sizes");
}

TEST_MAIN()
