/* within.c - deadlines: absolute, inherited, the smallest counts. */
#include "fiber.h"

#define HOUR (3600 * BIDE_S)

static int nap(bide_time span)
{
    return bide_sleep(span);
}
BIDE_ASYNC(int, nap, bide_time)

SIM_TEST(in_time)
{
    bide_time begin = bide_now();
    bide_let f = bide_async(nap, HOUR - 1);
    CHECK_EQ(bide_within(HOUR, &f), 0);
    CHECK_EQ(f.value, 0);
    CHECK_EQ(bide_now(), begin + HOUR - 1);
    CHECK_EQ(bide_within(BIDE_FOREVER, bide_async(nap, 0)), 0);
    CHECK_EQ(bide_deadline(), BIDE_FOREVER);
}

/* What would end at the very moment is too late as well. */
SIM_TEST(too_late)
{
    for (bide_time span = 1; span < HOUR; span = span * 7 + 3) {
        bide_let f = bide_async(nap, span);
        bide_let g = bide_async(bide_sleep, span);
        bide_time begin = bide_now();
        CHECK_EQ(bide_within(span, &f), -ETIMEDOUT);
        CHECK_EQ(f.value, -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin + span);
        CHECK_EQ(bide_within(span, &g), -ETIMEDOUT);
        CHECK_EQ(g.value, -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin + 2 * span);
        CHECK_EQ(bide_cancelled(), 0);
    }
}

/* On the real clock. */
FIBER_TEST(too_late_never_early)
{
    for (int leaf = 0; leaf < 2; leaf++) {
        bide_let f = bide_async(nap, HOUR);
        bide_let g = bide_async(bide_sleep, HOUR);
        bide_time begin = bide_now();
        CHECK_EQ(leaf ? bide_within(3 * BIDE_MS, &g) : bide_within(3 * BIDE_MS, &f), -ETIMEDOUT);
        CHECK(bide_now() - begin >= 3 * BIDE_MS);
        CHECK_EQ(leaf ? g.value : f.value, -ETIMEDOUT);
        CHECK_EQ(bide_cancelled(), 0);
    }
}

SIM_TEST(passed_already)
{
    bide_time begin = bide_now();
    bide_let f = bide_async(nap, 0);
    CHECK_EQ(bide_within(0, &f), -ETIMEDOUT);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(bide_error(&f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(bide_within(-BIDE_S, &f), -ETIMEDOUT);
    CHECK_EQ(bide_await(&f), 0); /* still cold: it can be driven */
    CHECK_EQ(bide_now(), begin);
}

/* ---- inheritance ---- */

static int inner(bide_time span, bide_time *ret_deadline)
{
    bide_let f = bide_async(nap, HOUR);
    int error = bide_within(span, &f);
    *ret_deadline = bide_deadline();
    return error;
}
BIDE_ASYNC(int, inner, bide_time, bide_time *)

SIM_TEST(the_smaller_counts)
{
    bide_time deadline, begin = bide_now();
    bide_let f = bide_async(inner, HOUR, &deadline);
    CHECK_EQ(bide_within(BIDE_MS, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(deadline, begin + BIDE_MS);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
    begin = bide_now();
    bide_let g = bide_async(inner, BIDE_MS, &deadline);
    CHECK_EQ(bide_within(HOUR, &g), 0); /* the outer one was not reached */
    CHECK_EQ(g.value, -ETIMEDOUT);
    CHECK_EQ(deadline, begin + HOUR);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
}

static int deadline_of_children(bide_time *seen)
{
    seen[0] = bide_deadline();
    BIDE_SCOPE(s) {
        if (seen[1] < 0) {
            seen[1] = 0;
            bide_spawn(&s, bide_async(inner, 0, &seen[1]));
            bide_let f = bide_async(inner, 0, &seen[2]);
            bide_join(&f, bide_async(inner, 0, &seen[3]), bide_async(nap, 0));
        }
    }
    return 0;
}
BIDE_ASYNC(int, deadline_of_children, bide_time *)

SIM_TEST(children_inherit)
{
    bide_time seen[4] = { -1, -1, -1, -1 }, begin = bide_now();
    CHECK_EQ(bide_within(HOUR, bide_async(deadline_of_children, seen)), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(seen[i], begin + HOUR);
}

static int work_in_scope(int *woken)
{
    BIDE_SCOPE(s) {
        for (int i = 0; i < 3; i++)
            bide_spawn(&s, bide_async(nap, HOUR));
        woken[0] = bide_scope_wait(&s);
    }
    woken[1] = bide_sleep(0);
    woken[2] = bide_yield();
    return 5;
}
BIDE_ASYNC(int, work_in_scope, int *)

SIM_TEST(everything_below_is_bounded)
{
    int woken[3] = { 0 };
    bide_time begin = bide_now();
    bide_let f = bide_async(work_in_scope, woken);
    CHECK_EQ(bide_within(BIDE_MS, &f), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + BIDE_MS);
    CHECK_EQ(f.value, 5);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(woken[i], -ETIMEDOUT);
}

/* ---- data that came in time is kept ---- */

struct pair {
    int a, b;
};

FIBER_TEST(leaf_that_ends_as_its_time_does)
{
    BIDE_PROMISE(struct pair) p;
    bide_promise_init(&p);
    CHECK_EQ(bide_resolve(&p, ((struct pair){ 1, 2 })), 0);
    CHECK_EQ(bide_within(BIDE_MS, &p), 0);
    CHECK_EQ(p.value.a, 1);
    int ends[2];
    char c;
    CHECK_EQ(pipe(ends), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(write(ends[1], "x", 1), 1);
        bide_let f = bide_async(bide_read, ends[0], &c, 1);
        int error = bide_within(BIDE_NS, &f);
        CHECK_EQ(error, f.value == 1 ? 0 : -ETIMEDOUT);
        if (error)
            CHECK_EQ(read(ends[0], &c, 1), 1);
    }
    bide_close(ends[0]);
    bide_close(ends[1]);
}

/* ---- the caller ---- */

static int caller(int *ret_value)
{
    bide_let f = bide_async(nap, HOUR);
    int error = bide_within(HOUR, &f);
    *ret_value = f.value;
    bide_let g = bide_async(nap, 0);
    return bide_within(HOUR, &g) == error && bide_state(&g) == BIDE_COLD ? error : 1;
}
BIDE_ASYNC(int, caller, int *)

SIM_TEST(caller_cancelled)
{
    int value = 0;
    bide_let f = bide_async(caller, &value);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(value, -ECANCELED);
}

/* Whichever is earlier; of two at one moment the outer one. */
SIM_TEST(each_by_each)
{
    bide_time deadline;
    for (int i = 0; i < 35; i++) {
        bide_time below = (bide_time)(i % 7) * 100 * BIDE_US;
        bide_time above = (bide_time)(i / 7) * 150 * BIDE_US, begin = bide_now();
        bide_let f = bide_async(inner, below, &deadline);
        CHECK_EQ(bide_within(above, &f), below < above ? 0 : -ETIMEDOUT);
        CHECK_EQ(f.value, -ETIMEDOUT);
        CHECK_EQ(bide_now() - begin, below < above ? below : above);
    }
}

TEST_MAIN()
