/* cancel.c - cancellation: level-triggered, cooperative, down the tree; never sideways or up. */
#include "fiber.h"

enum { HOUR_S = 3600 };

/* ---- level-triggered ---- */

static int try_many(int *results)
{
    results[0] = bide_sleep(HOUR_S * BIDE_S);
    results[1] = bide_sleep(HOUR_S * BIDE_S);
    results[2] = bide_yield();
    results[3] = (int)bide_read(-1, NULL, 0);
    results[4] = bide_cancelled();
    bide_let f = bide_async(bide_sleep, 0);
    results[5] = bide_join(&f);
    results[6] = f.value;
    BIDE_SCOPE(s)
        results[7] = bide_spawn(&s, f);
    return 42;
}
BIDE_ASYNC(int, try_many, int *)

FIBER_TEST(every_later_operation_fails)
{
    int results[8] = { 0 };
    bide_let f = bide_async(try_many, results);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
        CHECK_EQ(bide_cancelled(), 0); /* not the canceller's */
        CHECK_EQ(bide_await(&f), 42);
    }
    for (int i = 0; i < 8; i++)
        CHECK_EQ(results[i], -ECANCELED);
    CHECK_EQ(bide_error(&f), 0);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
}

FIBER_TEST(cancelled_twice_or_done)
{
    int results[8];
    bide_let f = bide_async(try_many, results);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
        bide_cancel(&f);
        CHECK_EQ(bide_await(&f), 42);
        bide_cancel(&f);
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, 42);
    CHECK_EQ(bide_await(&f), 42);
}

FIBER_TEST(cold)
{
    int results[8] = { 0 };
    bide_let f = bide_async(try_many, results);
    bide_cancel(&f);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(bide_error(&f), -ECANCELED);
    CHECK(bide_done(&f));
    CHECK_EQ(bide_await(&f), -ECANCELED);
    CHECK_EQ(bide_join(&f), 0);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(bide_within(BIDE_S, &f), 0);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(results[0], 0);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, f), 0);
        CHECK_EQ(bide_scope_wait(&s), -ECANCELED);
    }
}

/* ---- it ends with its function ---- */

static int with_inner(struct bide_future **inner, int *after);
BIDE_ASYNC(int, with_inner, struct bide_future **, int *)

static int sleep_hour(void)
{
    return bide_sleep(HOUR_S * BIDE_S);
}
BIDE_ASYNC(int, sleep_hour)

static int with_inner(struct bide_future **inner, int *after)
{
    bide_let f = bide_async(sleep_hour);
    *inner = &f.future;
    int value = bide_await(&f);
    *after = bide_sleep(BIDE_US);
    return value;
}

SIM_TEST(an_awaited_future_alone)
{
    bide_time cancelled_at = 0;
    struct bide_future *inner = NULL;
    int after = -1;
    bide_let f = bide_async(with_inner, &inner, &after);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        cancelled_at = bide_now();
        bide__cancel(inner); /* the inner call ends; its caller goes on undisturbed */
        CHECK_EQ(bide_await(&f), -ECANCELED);
    }
    CHECK_EQ(after, 0);
    CHECK_EQ(bide_now(), cancelled_at + BIDE_US);
}

SIM_TEST(the_outer_of_an_awaited_future)
{
    struct bide_future *inner = NULL;
    int after = -1;
    bide_let f = bide_async(with_inner, &inner, &after);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
        CHECK_EQ(bide_await(&f), -ECANCELED);
    }
    CHECK_EQ(after, -ECANCELED);
}

/* ---- down the tree ---- */

static int tree(int depth, int *leaves, int *cancelled);
BIDE_ASYNC(int, tree, int, int *, int *)

static int tree(int depth, int *leaves, int *cancelled)
{
    if (depth == 0) {
        ++*leaves;
        *cancelled += bide_sleep(HOUR_S * BIDE_S) == -ECANCELED;
        return 0;
    }
    bide_let a = bide_async(tree, depth - 1, leaves, cancelled);
    bide_let b = bide_async(tree, depth - 1, leaves, cancelled);
    int error = 0;
    if (depth & 1) {
        error = bide_join(&a, &b);
    } else {
        BIDE_SCOPE(s) {
            bide_spawn(&s, a);
            bide_start(&b);
            error = bide_scope_wait(&s);
        }
    }
    return error == -ECANCELED ? 0 : 1;
}

SIM_TEST(reaches_every_leaf)
{
    int depth = test_small() ? 6 : 8, leaves = 0, cancelled = 0;
    bide_let f = bide_async(tree, depth, &leaves, &cancelled);
    BIDE_SCOPE(s) {
        bide_start(&f);
        while (leaves < 1 << depth)
            bide_yield();
        settle();
        bide_time begin = bide_now();
        bide_cancel(&f);
        CHECK_EQ(bide_await(&f), 0);
        CHECK_EQ(bide_now(), begin); /* nobody waits any more */
    }
    CHECK_EQ(cancelled, leaves);
}

/* A chain of futures, each the only child of the one above: no deep recursion. */
static int chain(int depth);
BIDE_ASYNC(int, chain, int)

static int chain(int depth)
{
    if (depth == 0)
        return bide_sleep(HOUR_S * BIDE_S);
    bide_let f = bide_async(chain, depth - 1);
    BIDE_SCOPE(s)
        bide_start(&f);
    return f.value;
}

FIBER_TEST(deep_chain)
{
    bide_let f = bide_async(chain, test_small() ? 200 : 5000);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
}

/* ---- by whom ---- */

static int cancel_parent(struct bide_future **parent)
{
    bide_yield();
    bide__cancel(*parent);
    return bide_cancelled();
}
BIDE_ASYNC(int, cancel_parent, struct bide_future **)

static int parent(struct bide_future **self, int *child)
{
    bide_let f = bide_async(cancel_parent, self);
    bide_let nap = bide_async(bide_sleep, HOUR_S * BIDE_S);
    int error = bide_join(&nap, &f);
    *child = f.value;
    return error;
}
BIDE_ASYNC(int, parent, struct bide_future **, int *)

SIM_TEST(a_child_cancels_its_parent)
{
    struct bide_future *self;
    int child = 0;
    bide_let f = bide_async(parent, &self, &child);
    self = &f.future;
    BIDE_SCOPE(s)
        bide_start(&f);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(child, -ECANCELED);
}

static int cancel_scope(struct bide_scope *s)
{
    bide_yield();
    bide_scope_cancel(s);
    return bide_cancelled();
}
BIDE_ASYNC(int, cancel_scope, struct bide_scope *)

SIM_TEST(a_child_cancels_its_scope)
{
    bide_let f = bide_async(sleep_hour);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_let killer = bide_async(cancel_scope, &s);
        bide_start(&killer);
        CHECK_EQ(bide_await(&killer), -ECANCELED);
        CHECK_EQ(bide_cancelled(), 0);
    }
    CHECK_EQ(f.value, -ECANCELED);
}

/* A task whose work is over before it sees its cancellation. */
static int no_suspension(int value)
{
    return value;
}
BIDE_ASYNC(int, no_suspension, int)

FIBER_TEST(what_does_not_suspend_is_not_stopped)
{
    bide_let f = bide_async(no_suspension, 3);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, 3);
}

static int canceller(struct bide_future *f, int yields)
{
    for (int i = 0; i < yields; i++)
        bide_yield();
    bide__cancel(f);
    return 0;
}
BIDE_ASYNC(int, canceller, struct bide_future *, int)

SIM_TEST(at_every_moment_of_a_life)
{
    for (int yields = 0; yields < 12; yields++) {
        int leaves = 0, cancelled = 0;
        bide_let f = bide_async(tree, 3, &leaves, &cancelled);
        BIDE_SCOPE(s) {
            bide_start(&f);
            bide_spawn(&s, bide_async(canceller, &f.future, yields));
        }
        CHECK_EQ(leaves, cancelled);
        CHECK(bide_state(&f) == BIDE_DONE || bide_error(&f) == -ECANCELED);
    }
}

TEST_MAIN()
