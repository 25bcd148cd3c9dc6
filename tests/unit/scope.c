/* scope.c - scopes, spawn and start: nothing outlives its scope, whichever way it is left. */
#include "fiber.h"

static int count_up(int *count)
{
    bide_yield();
    ++*count;
    return 0;
}
BIDE_ASYNC(int, count_up, int *)

static int fail_after(bide_time span, int error)
{
    int woken = bide_sleep(span);
    return woken < 0 ? woken : error;
}
BIDE_ASYNC(int, fail_after, bide_time, int)

static void sleep_long(int *ret_woken)
{
    *ret_woken = bide_sleep(3600 * BIDE_S);
}
BIDE_ASYNC_VOID(sleep_long, int *)

/* ---- ways out ---- */

FIBER_TEST(waits_at_the_closing_brace)
{
    int count = 0;
    BIDE_SCOPE(s) {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
        CHECK_EQ(count, 0);
        CHECK_EQ(stats_now().tasks, 11); /* with this test's own */
    }
    CHECK_EQ(count, 10);
    CHECK_EQ(stats_now().tasks, 1);
}

static int leave_by_return(int *count)
{
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(count_up, count));
        return 7;
    }
    return 0;
}

FIBER_TEST(waits_on_every_way_out)
{
    int count = 0;
    CHECK_EQ(leave_by_return(&count), 7);
    CHECK_EQ(count, 1);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(count_up, &count));
        break;
    }
    CHECK_EQ(count, 2);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(count_up, &count));
        continue;
    }
    CHECK_EQ(count, 3);
    BIDE_SCOPE(s) {
        BIDE_SCOPE(inner) {
            bide_spawn(&inner, bide_async(count_up, &count));
            bide_spawn(&s, bide_async(count_up, &count));
            goto out;
        }
    }
out:
    CHECK_EQ(count, 5);
}

FIBER_TEST(empty_scope)
{
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_scope_wait(&s), 0);
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
}

FIBER_TEST(used_again_after_wait)
{
    int count = 0;
    BIDE_SCOPE(s) {
        for (int i = 1; i <= 3; i++) {
            bide_spawn(&s, bide_async(count_up, &count));
            bide_spawn(&s, bide_async(fail_after, 0, -i));
            CHECK_EQ(bide_scope_wait(&s), -i);
            CHECK_EQ(count, i);
        }
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
}

FIBER_TEST(by_hand)
{
    struct bide_scope s;
    int count = 0;
    bide_scope_init(&s, NULL);
    bide_spawn(&s, bide_async(count_up, &count));
    CHECK_EQ(bide_scope_wait(&s), 0);
    CHECK_EQ(count, 1);
    bide_spawn(&s, bide_async(fail_after, 0, -EIO));
    CHECK_EQ(bide_scope_wait(&s), -EIO);
    memset(&s, 0x55, sizeof(s)); /* out of use: the fiber must have forgotten it */
    CHECK_EQ(bide__self.fiber->groups.next, bide__self.fiber->groups.prev);
}

/* ---- errors ---- */

FIBER_TEST(first_error_is_kept)
{
    int count = 0;
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(fail_after, 2 * BIDE_MS, -EIO));
        bide_spawn(&s, bide_async(fail_after, 0, -EPIPE));
        bide_spawn(&s, bide_async(count_up, &count));
        CHECK_EQ(bide_scope_wait(&s), -EPIPE);
        CHECK_EQ(count, 1);
    }
}

FIBER_TEST(error_cancels_siblings_if_asked)
{
    int woken = 0, count = 0;
    BIDE_SCOPE_WITH(s, &(struct bide_scope_options){ .cancel_on_error = 1 }) {
        bide_spawn(&s, bide_async(sleep_long, &woken));
        bide_spawn(&s, bide_async(bide_sleep, 3600 * BIDE_S));
        bide_spawn(&s, bide_async(fail_after, BIDE_MS, -EIO));
        CHECK_EQ(bide_scope_wait(&s), -EIO);
        CHECK_EQ(woken, -ECANCELED);
        /* "The scope is then empty and may be used again." */
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
    }
    CHECK_EQ(count, 1);
}

FIBER_TEST(cancelled_scope)
{
    int woken = 0, count = 0;
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(sleep_long, &woken));
        bide_yield();
        bide_spawn(&s, bide_async(count_up, &count));
        bide_scope_cancel(&s);
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), -ECANCELED);
        bide_let started = bide_async(count_up, &count);
        CHECK_EQ(bide_start(&started), -ECANCELED);
        CHECK_EQ(bide_state(&started), BIDE_COLD);
        CHECK_EQ(bide_error(&started), -ECANCELED);
        CHECK_EQ(bide_cancelled(), 0);
        CHECK_EQ(bide_scope_wait(&s), -ECANCELED);
        CHECK_EQ(woken, -ECANCELED);
        CHECK_EQ(count, 0);
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
    }
    CHECK_EQ(count, 1);
}

/* ---- who spawns ---- */

static int spawn_tree(struct bide_scope *s, int depth, int *count);
BIDE_ASYNC(int, spawn_tree, struct bide_scope *, int, int *)

static int spawn_tree(struct bide_scope *s, int depth, int *count)
{
    ++*count;
    if (depth & 1)
        bide_yield();
    for (int i = 0; depth > 0 && i < 2; i++) {
        int error = bide_spawn(s, bide_async(spawn_tree, s, depth - 1, count));
        if (error < 0)
            return error;
    }
    return 0;
}

FIBER_TEST(children_spawn_into_the_scope_above)
{
    int count = 0;
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(spawn_tree, &s, 7, &count));
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
    CHECK_EQ(count, 255);
}

FIBER_TEST(many)
{
    int count = 0, n = test_small() ? 1000 : 20000;
    BIDE_SCOPE(s) {
        for (int i = 0; i < n; i++)
            if (bide_spawn(&s, bide_async(count_up, &count)) < 0)
                break;
    }
    CHECK_EQ(count, n);
}

struct large {
    char bytes[3000];
};

static int sum(struct large large)
{
    bide_yield();
    int total = 0;
    for (size_t i = 0; i < sizeof(large.bytes); i++)
        total += large.bytes[i];
    return -total;
}
BIDE_ASYNC(int, sum, struct large)

FIBER_TEST(spawn_copies_its_future)
{
    BIDE_SCOPE(s) {
        struct large large;
        memset(&large, 1, sizeof(large));
        bide_let f = bide_async(sum, large);
        bide_spawn(&s, &f);
        memset(&f, 0, sizeof(f));
        CHECK_EQ(bide_scope_wait(&s), -3000);
    }
}

/* ---- start ---- */

static int value_of(int value, bide_time span)
{
    bide_sleep(span);
    return value;
}
BIDE_ASYNC(int, value_of, int, bide_time)

FIBER_TEST(start_await_done)
{
    bide_let a = bide_async(value_of, 3, BIDE_MS);
    bide_let b = bide_async(value_of, 4, 0);
    bide_let c = bide_async(bide_sleep, BIDE_MS);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_start(&a), 0);
        CHECK_EQ(bide_start(&b), 0);
        CHECK_EQ(bide_start(&c), 0);
        CHECK(!bide_done(&a) && !bide_done(&b) && !bide_done(&c));
        CHECK_EQ(bide_state(&b), BIDE_COLD);
        CHECK_EQ(bide_state(&c), BIDE_RUNNING);
        CHECK_EQ(bide_await(&a), 3);
        CHECK_EQ(bide_await(&a), 3);
        CHECK_EQ(bide_await(&b), 4);
        CHECK_EQ(bide_await(&c), 0);
        CHECK(bide_done(&a) && bide_done(&b) && bide_done(&c));
    }
}

FIBER_TEST(started_and_cancelled_cold)
{
    int count = 0;
    bide_let f = bide_async(count_up, &count);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_cancel(&f);
        CHECK(bide_done(&f));
        CHECK_EQ(bide_await(&f), -ECANCELED);
    }
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(bide_error(&f), -ECANCELED);
    CHECK_EQ(bide_await(&f), -ECANCELED);
    CHECK_EQ(count, 0);
}

static int await_it(struct value_of_future *f)
{
    return bide_await(f);
}
BIDE_ASYNC(int, await_it, struct value_of_future *)

FIBER_TEST(several_await_one_started)
{
    bide_let f = bide_async(value_of, 5, BIDE_MS);
    bide_let a = bide_async(await_it, &f);
    bide_let b = a;
    BIDE_SCOPE(s) {
        bide_start(&f);
        CHECK_EQ(bide_join(&a, &b), 0);
    }
    CHECK_EQ(a.value, 5);
    CHECK_EQ(b.value, 5);
}

/* ---- cancellation from outside ---- */

static int scope_of_sleepers(int *woken)
{
    BIDE_SCOPE(s) {
        for (int i = 0; i < 3; i++)
            bide_spawn(&s, bide_async(sleep_long, &woken[i]));
        int error = bide_scope_wait(&s);
        if (error != -ECANCELED)
            return error;
        return bide_spawn(&s, bide_async(sleep_long, &woken[0]));
    }
    return 0;
}
BIDE_ASYNC(int, scope_of_sleepers, int *)

FIBER_TEST(owner_cancelled)
{
    int woken[3] = { 0 };
    bide_let f = bide_async(scope_of_sleepers, woken);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
        CHECK_EQ(bide_await(&f), -ECANCELED);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(woken[i], -ECANCELED);
}

/* ---- outside a runtime ---- */

TEST(outside_a_runtime)
{
    int count = 0;
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
        CHECK_EQ(bide_spawn(&s, bide_async(fail_after, 0, -EIO)), 0);
        CHECK_EQ(count, 0);
        CHECK_EQ(bide_scope_wait(&s), -EIO);
        CHECK_EQ(count, 1);
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
    }
    CHECK_EQ(count, 2);
}

TEST(outside_a_runtime_children_spawn)
{
    int count = 0;
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(spawn_tree, &s, 5, &count)), 0);
        CHECK_EQ(bide_scope_wait(&s), 0);
        CHECK_EQ(count, 63);
        CHECK_EQ(bide_spawn(&s, bide_async(spawn_tree, &s, 5, &count)), 0);
    }
    CHECK_EQ(count, 126);
}

static int cancel_scope(struct bide_scope *s)
{
    bide_yield();
    bide_scope_cancel(s);
    return 0;
}
BIDE_ASYNC(int, cancel_scope, struct bide_scope *)

TEST(outside_a_runtime_cancelled)
{
    int count = 0, woken = 0;
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), 0);
        bide_scope_cancel(&s);
        CHECK_EQ(bide_spawn(&s, bide_async(count_up, &count)), -ECANCELED);
    }
    CHECK_EQ(count, 0);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(sleep_long, &woken)), 0);
        CHECK_EQ(bide_spawn(&s, bide_async(cancel_scope, &s)), 0);
    }
    CHECK_EQ(woken, -ECANCELED);
}

TEST_MAIN()
