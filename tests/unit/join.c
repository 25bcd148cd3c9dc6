/* join.c - several futures at once: join, try_join and their forms for arrays. */
#include "fiber.h"

enum { HOUR_S = 3600 };

static int give(int value, bide_time span)
{
    if (span >= 0) {
        int error = bide_sleep(span);
        if (error < 0)
            return error;
    }
    return value;
}
BIDE_ASYNC(int, give, int, bide_time)

struct pair {
    int a, b;
};

static struct pair give_pair(int a, int b)
{
    bide_yield();
    return (struct pair){ a, b };
}
BIDE_ASYNC(struct pair, give_pair, int, int)

SIM_TEST(values_of_all_kinds)
{
    bide_time begin = bide_now();
    bide_let now = bide_async(give, 1, -1);
    bide_let later = bide_async(give, 2, 3 * BIDE_MS);
    bide_let pair = bide_async(give_pair, 3, 4);
    bide_let leaf = bide_async(bide_sleep, 5 * BIDE_MS);
    CHECK_EQ(bide_join(&now, &later, &pair, &leaf), 0);
    CHECK_EQ(bide_now(), begin + 5 * BIDE_MS);
    CHECK_EQ(now.value, 1);
    CHECK_EQ(later.value, 2);
    CHECK_EQ(pair.value.a * 10 + pair.value.b, 34);
    CHECK_EQ(leaf.value, 0);
    CHECK_EQ(bide_state(&leaf), BIDE_DONE);
}

FIBER_TEST(one_to_eight)
{
    bide_let f = bide_async(give, 1, 0);
    CHECK_EQ(bide_join(f), 0);
    CHECK_EQ(bide_state(&f), BIDE_COLD); /* a copy ran */
    CHECK_EQ(bide_join(f, f, f, f, f, f, f, f), 0);
    CHECK_EQ(bide_join(&f), 0);
    CHECK_EQ(f.value, 1);
}

/* ---- order and stacks ---- */

static void note(char *log, char name, int yields)
{
    while (yields-- > 0)
        bide_yield();
    log[strlen(log)] = name;
}
BIDE_ASYNC_VOID(note, char *, char, int)

FIBER_TEST(start_in_order)
{
    char log[8] = "";
    bide_join(bide_async(note, log, 'a', 0), bide_async(note, log, 'b', 0),
              bide_async(note, log, 'c', 0));
    CHECK_STR(log, "abc");
    bide_join(bide_async(note, log, 'a', 2), bide_async(note, log, 'b', 1),
              bide_async(note, log, 'c', 0));
    CHECK_STR(log, "abccba");
}

static uint64_t fibers_made(void)
{
    return bide__worker()->fibers;
}

FIBER_TEST(no_stack_where_nothing_suspends)
{
    struct bide_stats before = stats_now();
    struct give_future many[100];
    for (int i = 0; i < 100; i++)
        many[i] = bide_async(give, i, -1);
    CHECK_EQ(bide_join_all(many, 100), 0);
    bide_let a = bide_async(give, 1, -1);
    bide_let b = bide_async(give, 2, -1);
    CHECK_EQ(bide_join(&a, &b), 0);
    CHECK_EQ(bide_race(bide_async(give, 1, -1), bide_async(give, 2, -1)), 0);
    CHECK_EQ(bide_within(BIDE_S, bide_async(give, 1, -1)), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(many[i].value, i);
    CHECK_EQ(stats_now().switches, before.switches);
    CHECK_EQ(fibers_made(), 0);
}

FIBER_TEST(no_stack_for_leaves)
{
    struct bide_stats before = stats_now();
    struct bide_sleep_future many[100];
    for (int i = 0; i < 100; i++)
        many[i] = bide_async(bide_sleep, BIDE_MS + i);
    CHECK_EQ(bide_join_all(many, 100), 0);
    CHECK_EQ(stats_now().switches, before.switches);
    CHECK_EQ(fibers_made(), 0);
}

FIBER_TEST(n_minus_one_stacks_at_most)
{
    bide_let a = bide_async(give, 1, BIDE_MS);
    bide_let b = bide_async(give, 2, BIDE_MS);
    CHECK_EQ(bide_join(&a, &b), 0);
    /* The child that runs on the other stack, and the runner that waits for work. */
    CHECK(fibers_made() <= 2);
    CHECK_EQ(stats_now().fibers, 0);
}

FIBER_TEST(one_stack_for_the_one_that_suspends)
{
    struct give_future many[50];
    for (int i = 0; i < 50; i++)
        many[i] = bide_async(give, i, i == 20 ? BIDE_MS : -1);
    CHECK_EQ(bide_join_all(many, 50), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(many[i].value, i);
    CHECK(fibers_made() <= 2);
}

/* ---- arrays ---- */

FIBER_TEST(arrays)
{
    int n = test_small() ? 200 : 5000;
    struct give_future *many = calloc((size_t)n, sizeof(*many));
    for (int i = 0; i < n; i++)
        many[i] = bide_async(give, i, i % 3 ? BIDE_MS : -1);
    CHECK_EQ(bide_join_all(many, (size_t)n), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(many[i].value, i);
    free(many);
    CHECK_EQ(bide_join_all((struct give_future *)NULL, 0), 0);
    CHECK_EQ(bide_try_join_all((struct give_future *)NULL, 0), 0);
    CHECK_EQ(bide_race_all((struct give_future *)NULL, 0), -EINVAL);
}

/* ---- try_join ---- */

SIM_TEST(try_join_cancels_the_rest)
{
    bide_let a = bide_async(give, 1, HOUR_S * BIDE_S);
    bide_let b = bide_async(give, -EIO, BIDE_MS);
    bide_let c = bide_async(bide_sleep, HOUR_S * BIDE_S);
    bide_let d = bide_async(give, 4, -1);
    bide_time begin = bide_now();
    CHECK_EQ(bide_try_join(&a, &b, &c, &d), -EIO);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
    CHECK_EQ(a.value, -ECANCELED);
    CHECK_EQ(bide_state(&a), BIDE_DONE);
    CHECK_EQ(b.value, -EIO);
    CHECK_EQ(c.value, -ECANCELED);
    CHECK_EQ(d.value, 4);
}

FIBER_TEST(try_join_before_the_rest_begins)
{
    bide_let a = bide_async(give, -EIO, -1);
    bide_let b = bide_async(give, 1, -1);
    bide_let c = b;
    bide_let leaf = bide_async(bide_sleep, 0);
    CHECK_EQ(bide_try_join(&a, &b, &c), -EIO);
    CHECK_EQ(bide_state(&b), BIDE_COLD);
    CHECK_EQ(bide_error(&b), -ECANCELED);
    CHECK_EQ(b.value, -ECANCELED);
    CHECK_EQ(bide_await(&b), 1); /* still cold: it can be driven */
    CHECK_EQ(bide_error(&b), 0);
    a = bide_async(give, -EIO, -1);
    CHECK_EQ(bide_try_join(&leaf, &a, &c), -EIO);
    CHECK_EQ(leaf.value, 0);
    CHECK_EQ(bide_join(&c), 0);
}

SIM_TEST(try_join_of_successes)
{
    bide_let a = bide_async(give, 7, BIDE_MS);
    bide_let b = bide_async(bide_sleep, BIDE_MS);
    CHECK_EQ(bide_try_join(&a, &b), 0);
    struct give_future many[3] = { bide_async(give, 1, 0), bide_async(give, -EPIPE, 0),
                                   bide_async(give, 1, HOUR_S * BIDE_S) };
    CHECK_EQ(bide_try_join_all(many, 3), -EPIPE);
    CHECK_EQ(many[2].value, -ECANCELED);
}

/* ---- a leaf that did not begin is driven again ---- */

FIBER_TEST(leaf_driven_again_after_a_lost_race)
{
    bide_let first = bide_async(bide_sleep, 0);
    bide_let second = bide_async(bide_sleep, BIDE_MS);
    CHECK_EQ(bide_race(&first, &second), 0);
    CHECK_EQ(bide_state(&second), BIDE_COLD);
    char other[4096]; /* where the race's frame was */
    memset(other, 0x55, sizeof(other));
    __asm__ volatile("" ::"r"(other) : "memory");
    CHECK_EQ(bide_await(&second), 0);
    CHECK_EQ(bide_error(&second), 0);
}

/* ---- driving what is done ---- */

static int count(int *calls)
{
    bide_yield();
    return ++*calls;
}
BIDE_ASYNC(int, count, int *)

FIBER_TEST(done_ones_give_their_value_again)
{
    int calls = 0;
    bide_let f = bide_async(count, &calls);
    CHECK_EQ(bide_await(&f), 1);
    bide_let g = bide_async(bide_sleep, BIDE_MS);
    CHECK_EQ(bide_join(&g, &f), 0);
    CHECK_EQ(bide_join(&f), 0);
    bide_let never = bide_async(bide_sleep, HOUR_S * BIDE_S);
    CHECK_EQ(bide_race(&never, &f), 1);
    bide_let h = bide_async(count, &calls);
    CHECK_EQ(bide_race(&f, &h), 0);
    CHECK_EQ(bide_state(&h), BIDE_COLD);
    CHECK_EQ(bide_within(BIDE_MS, &f), 0);
    CHECK_EQ(bide_within(0, &f), 0);
    CHECK_EQ(bide_run(&f), 1);
    CHECK_EQ(bide_offload(&f), 1);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_start(&f), 0);
        CHECK_EQ(bide_spawn(&s, f), 0);
        CHECK_EQ(bide_await(&f), 1);
    }
    CHECK_EQ(calls, 1);
    CHECK_EQ(f.value, 1);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
}

/* ---- cancelled callers ---- */

static int joiner(int *values)
{
    bide_let a = bide_async(give, 1, HOUR_S * BIDE_S);
    bide_let b = bide_async(give, 2, HOUR_S * BIDE_S);
    bide_let c = bide_async(bide_sleep, HOUR_S * BIDE_S);
    int error = bide_join(&a, &b, &c);
    values[0] = a.value;
    values[1] = b.value;
    values[2] = c.value;
    values[3] = bide_join(&a, bide_async(give, 1, 0)); /* not even begun */
    return error;
}
BIDE_ASYNC(int, joiner, int *)

SIM_TEST(caller_cancelled)
{
    int values[4] = { 0 };
    bide_let f = bide_async(joiner, values);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(values[i], -ECANCELED);
    bide_time begin = bide_now();
    CHECK_EQ(bide_within(BIDE_MS, bide_async(joiner, values)), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(values[i], -ETIMEDOUT);
}

/* A sibling cancelled by another, before it begins, between and while it runs. */
static int cancel_it(struct give_future *f, int yields)
{
    while (yields-- > 0)
        bide_yield();
    bide_cancel(f);
    return 0;
}
BIDE_ASYNC(int, cancel_it, struct give_future *, int)

FIBER_TEST(sibling_cancels_sibling)
{
    for (int yields = 0; yields < 4; yields++)
        for (int order = 0; order < 2; order++) {
            bide_let f = bide_async(give, 1, HOUR_S * BIDE_S);
            bide_let killer = bide_async(cancel_it, &f, yields);
            CHECK_EQ(order ? bide_join(&f, &killer) : bide_join(&killer, &f), 0);
            CHECK_EQ(f.value, -ECANCELED);
            CHECK_EQ(killer.value, 0);
        }
}

/* ---- nested ---- */

static int nest(int depth);
BIDE_ASYNC(int, nest, int)

static int nest(int depth)
{
    if (depth == 0)
        return bide_sleep(BIDE_MS) == 0;
    bide_let a = bide_async(nest, depth - 1);
    bide_let b = bide_async(nest, depth - 1);
    CHECK_OR(bide_join(&a, &b) == 0, 0);
    return a.value + b.value;
}

SIM_TEST(nested)
{
    bide_time begin = bide_now();
    CHECK_EQ(nest(6), 64);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
}

/* ---- fairness ---- */

static int spin(int fd, bool *stop)
{
    while (!*stop) {
        bide_let f = bide_async(bide_poll, fd, POLLOUT);
        bide_join(&f);
    }
    return 0;
}
BIDE_ASYNC(int, spin, int, bool *)

static int stop_it(bool *stop)
{
    bide_sleep(BIDE_MS);
    *stop = true;
    return 0;
}
BIDE_ASYNC(int, stop_it, bool *)

FIBER_TEST(joins_that_end_at_once_count_against_the_budget)
{
    int ends[2];
    bool stop = false;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(bide_join(bide_async(stop_it, &stop), bide_async(spin, ends[1], &stop)), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(outside_a_runtime)
{
    bide_let a = bide_async(give, 1, BIDE_MS);
    bide_let b = bide_async(give, 2, BIDE_MS);
    CHECK_EQ(bide_join(&a, &b), 0);
    CHECK_EQ(a.value + b.value, 3);
    bide_let c = bide_async(give, -EIO, 0);
    CHECK_EQ(bide_try_join(&c, bide_async(give, 1, HOUR_S * BIDE_S)), -EIO);
    CHECK_EQ(bide_race(bide_async(bide_sleep, HOUR_S * BIDE_S), bide_async(give, 1, 0)), 1);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(give, 1, HOUR_S * BIDE_S)), -ETIMEDOUT);
}

TEST_MAIN()
