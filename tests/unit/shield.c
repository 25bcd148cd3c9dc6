/* shield.c - clean-up that suspends although its task is cancelled. */
#include "fiber.h"

#define HOUR (3600 * BIDE_S)

struct seen {
    int before, inside, nested, after, awaited, joined;
};

static int sleep_a_little(void)
{
    return bide_sleep(BIDE_MS);
}
BIDE_ASYNC(int, sleep_a_little)

static int clean_up(struct seen *seen)
{
    seen->before = bide_sleep(HOUR);
    bide_shield() {
        seen->inside = bide_sleep(BIDE_MS);
        bide_shield()
            seen->nested = bide_cancelled();
        seen->nested |= bide_cancelled();
        seen->awaited = bide_await(bide_async(sleep_a_little));
        bide_let a = bide_async(sleep_a_little);
        bide_let b = bide_async(bide_sleep, BIDE_MS);
        seen->joined = bide_join(&a, &b) | a.value | b.value;
    }
    seen->after = bide_sleep(BIDE_MS);
    return 0;
}
BIDE_ASYNC(int, clean_up, struct seen *)

static void check_seen(struct seen *seen, int error)
{
    CHECK_EQ(seen->before, error);
    CHECK_EQ(seen->inside, 0);
    CHECK_EQ(seen->nested, 0);
    CHECK_EQ(seen->awaited, 0);
    CHECK_EQ(seen->joined, 0);
    CHECK_EQ(seen->after, error);
}

SIM_TEST(clean_up_after_cancel)
{
    struct seen seen = { 0 };
    bide_let f = bide_async(clean_up, &seen);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
    }
    check_seen(&seen, -ECANCELED);
}

SIM_TEST(clean_up_after_deadline)
{
    struct seen seen = { 0 };
    bide_time begin = bide_now();
    bide_let f = bide_async(clean_up, &seen);
    CHECK_EQ(bide_within(BIDE_MS, &f), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + 4 * BIDE_MS); /* three sleeps are shielded */
    check_seen(&seen, -ETIMEDOUT);
}

/* ---- cancelled while in it ---- */

static int shielded_read(int fd, int *ret_after)
{
    char c;
    int result = 0;
    bide_shield()
        result = (int)bide_read(fd, &c, 1);
    *ret_after = bide_cancelled();
    return result;
}
BIDE_ASYNC(int, shielded_read, int, int *)

FIBER_TEST(cancelled_inside)
{
    int ends[2], after = 0;
    CHECK_EQ(pipe(ends), 0);
    bide_let f = bide_async(shielded_read, ends[0], &after);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
        settle();
        CHECK(!bide_done(&f));
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(bide_await(&f), 1);
    }
    CHECK_EQ(after, -ECANCELED);
    close(ends[0]);
    close(ends[1]);
}

/* A cancellation that comes while the owner is shielded reaches the children of a scope that was
 * opened before the shield. */
static int owner(int *ret_child)
{
    bide_let child = bide_async(bide_sleep, HOUR);
    bide_let inner = bide_async(bide_sleep, 10 * BIDE_MS);
    BIDE_SCOPE(s) {
        bide_start(&child);
        bide_shield() {
            BIDE_SCOPE(inside) {
                bide_start(&inner);
                bide_await(&inner);
            }
        }
    }
    *ret_child = child.value;
    return inner.value;
}
BIDE_ASYNC(int, owner, int *)

SIM_TEST(scope_outside_the_shield_is_cancelled)
{
    int child = 0;
    bide_time begin = bide_now();
    bide_let f = bide_async(owner, &child);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
    }
    CHECK_EQ(bide_now(), begin + 10 * BIDE_MS);
    CHECK_EQ(f.value, 0);
    CHECK_EQ(child, -ECANCELED);
}

/* Opened in the shield, waited for after it: reached once the shield has ended. */
static int outlives(int *ret_child)
{
    struct bide_scope s;
    bide_let child = bide_async(bide_sleep, HOUR);
    bide_shield() {
        bide_scope_init(&s, NULL);
        bide_start(&child);
        bide_sleep(2 * BIDE_MS);
    }
    int error = bide_scope_wait(&s);
    *ret_child = child.value;
    return error;
}
BIDE_ASYNC(int, outlives, int *)

SIM_TEST(scope_that_outlives_the_shield_is_cancelled)
{
    int child = 0;
    bide_time begin = bide_now();
    bide_let f = bide_async(outlives, &child);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
    }
    CHECK_EQ(bide_now(), begin + 2 * BIDE_MS);
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(outlives, &child)), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + 4 * BIDE_MS);
    CHECK_EQ(child, -ETIMEDOUT);
}

/* ---- deadlines in it ---- */

static int bounded_clean_up(bide_time *ret_deadline)
{
    int error = 0;
    bide_sleep(HOUR);
    bide_shield() {
        *ret_deadline = bide_deadline();
        error = bide_within(BIDE_MS, bide_async(bide_sleep, HOUR));
    }
    return error;
}
BIDE_ASYNC(int, bounded_clean_up, bide_time *)

SIM_TEST(within_bounds_a_shield)
{
    bide_time deadline = 0, begin = bide_now();
    bide_let f = bide_async(bounded_clean_up, &deadline);
    CHECK_EQ(bide_within(BIDE_MS, &f), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + 2 * BIDE_MS);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(deadline, BIDE_FOREVER);
    CHECK_EQ(bide_deadline(), BIDE_FOREVER);
}

static int shield_and_return(void)
{
    bide_shield()
        return bide_cancelled();
    return 1;
}
BIDE_ASYNC(int, shield_and_return)

FIBER_TEST(left_by_return)
{
    CHECK_EQ(bide_await(bide_async(shield_and_return)), 0);
    CHECK_EQ(bide__self.current->shield, 0);
}

TEST(outside_a_runtime)
{
    int runs = 0;
    bide_shield()
        runs += bide_sleep(BIDE_US) == 0;
    CHECK_EQ(runs, 1);
    CHECK_EQ(shield_and_return(), 0);
}

TEST_MAIN()
