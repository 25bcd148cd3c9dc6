/* race.c - the first one done; nothing of the others is lost. */
#include "fiber.h"

#define HOUR (3600 * BIDE_S)

static int give(int value, bide_time span)
{
    int error = bide_sleep(span);
    return error < 0 ? error : value;
}
BIDE_ASYNC(int, give, int, bide_time)

static int at_once(int value)
{
    return value;
}
BIDE_ASYNC(int, at_once, int)

SIM_TEST(a_nanosecond_decides)
{
    for (int i = 0; i < 4; i++) {
        bide_let a = bide_async(give, 1, BIDE_MS + i % 2);
        bide_let b = bide_async(bide_sleep, BIDE_MS + (1 - i % 2));
        bide_time begin = bide_now();
        CHECK_EQ(i < 2 ? bide_race(&a, &b) : 1 - bide_race(&b, &a), i % 2);
        CHECK_EQ(bide_now(), begin + BIDE_MS);
        CHECK_EQ(i % 2 ? a.value : b.value, -ECANCELED);
    }
}

SIM_TEST(index_of_the_first)
{
    for (int first = 0; first < 3; first++) {
        bide_let a = bide_async(give, 1, first == 0 ? BIDE_MS : HOUR);
        bide_let b = bide_async(bide_sleep, first == 1 ? BIDE_MS : HOUR);
        bide_let c = bide_async(give, 3, first == 2 ? BIDE_MS : HOUR);
        bide_time begin = bide_now();
        CHECK_EQ(bide_race(&a, &b, &c), first);
        CHECK_EQ(bide_now(), begin + BIDE_MS);
        CHECK_EQ(a.value, first == 0 ? 1 : -ECANCELED);
        CHECK_EQ(b.value, first == 1 ? 0 : -ECANCELED);
        CHECK_EQ(c.value, first == 2 ? 3 : -ECANCELED);
    }
}

SIM_TEST(array)
{
    struct give_future f[20];
    for (int i = 0; i < 20; i++)
        f[i] = bide_async(give, i, i == 13 ? BIDE_MS : BIDE_MS + 1);
    CHECK_EQ(bide_race_all(f, 20), 13);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(f[i].value, i == 13 ? 13 : -ECANCELED);
}

FIBER_TEST(one_that_does_not_suspend_leaves_the_rest_cold)
{
    bide_let a = bide_async(at_once, 1);
    bide_let b = bide_async(give, 2, 0);
    CHECK_EQ(bide_race(&a, &b), 0);
    CHECK_EQ(bide_state(&b), BIDE_COLD);
    CHECK_EQ(bide_error(&b), -ECANCELED);
    CHECK_EQ(bide_await(&b), 2); /* and can be driven */
}

SIM_TEST(an_error_wins_too)
{
    bide_let a = bide_async(give, -EIO, BIDE_US);
    CHECK_EQ(bide_race(bide_async(bide_sleep, HOUR), &a), 1);
    CHECK_EQ(a.value, -EIO);
}

static int stubborn(int value)
{
    bide_shield()
        bide_sleep(2 * BIDE_MS);
    return value;
}
BIDE_ASYNC(int, stubborn, int)

SIM_TEST(late_winners_keep_their_value)
{
    bide_time begin = bide_now();
    bide_let late = bide_async(stubborn, 7);
    CHECK_EQ(bide_race(&late, bide_async(bide_sleep, BIDE_US)), 1);
    CHECK_EQ(bide_now(), begin + 2 * BIDE_MS);
    CHECK_EQ(bide_state(&late), BIDE_DONE);
    CHECK_EQ(late.value, 7);
}

/* Two bytes are there, two leaves read: the winner's is kept, and the loser's either way. */
FIBER_TEST(both_complete_in_one_turn)
{
    int a[2], b[2];
    char x = 0, y = 0;
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe(b), 0);
    for (int i = 0; i < 4; i++) {
        bide_let f = bide_async(bide_read, a[0], &x, 1);
        bide_let g = bide_async(bide_read, b[0], &y, 1);
        if (i & 1) {
            BIDE_SCOPE(s) {
                bide_start(&f);
                bide_start(&g);
                settle();
                CHECK_EQ(write(a[1], "x", 1), 1);
                CHECK_EQ(write(b[1], "y", 1), 1);
                settle();
            }
        } else {
            CHECK_EQ(write(a[1], "x", 1), 1);
            CHECK_EQ(write(b[1], "y", 1), 1);
            int first = bide_race(&f, &g);
            CHECK(first == 0 || first == 1);
        }
        for (int side = 0; side < 2; side++) {
            struct bide_read_future *r = side ? &g : &f;
            struct pollfd left = { .fd = side ? b[0] : a[0], .events = POLLIN };
            bool taken = bide_state(r) == BIDE_DONE && r->value == 1;
            CHECK_EQ(poll(&left, 1, 0), !taken);
            if (!taken)
                CHECK_EQ(read(left.fd, &x, 1), 1);
        }
    }
    for (int i = 0; i < 2; i++) {
        bide_close(a[i]);
        bide_close(b[i]);
    }
}

static int racer(int *ret_value)
{
    bide_let f = bide_async(bide_sleep, HOUR);
    bide_let g = bide_async(give, 1, HOUR);
    int first = bide_race(&f, &g);
    *ret_value = g.value;
    return first;
}
BIDE_ASYNC(int, racer, int *)

SIM_TEST(caller_cancelled)
{
    int value = 0;
    bide_let f = bide_async(racer, &value);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(value, -ECANCELED);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(racer, &value)), -ETIMEDOUT);
    CHECK_EQ(value, -ETIMEDOUT);
}

FIBER_TEST(all_cancelled_before)
{
    bide_let a = bide_async(give, 1, 0);
    bide_let b = bide_async(bide_sleep, 0);
    bide_cancel(&a);
    bide_cancel(&b);
    CHECK_EQ(bide_race(&a, &b), -ECANCELED);
    bide_let c = bide_async(give, 3, 0);
    CHECK_EQ(bide_race(&a, &c), 1);
}

/* Retry and hedge: the description is run until it works, or twice at once. */
static int flaky(int *calls)
{
    bide_yield();
    return ++*calls < 3 ? -EAGAIN : *calls;
}
BIDE_ASYNC(int, flaky, int *)

SIM_TEST(retry_and_hedge)
{
    int calls = 0, result;
    bide_let f = bide_async(flaky, &calls);
    do
        result = bide_await(f);
    while (result == -EAGAIN);
    CHECK_EQ(result, 3);
    bide_let slow = bide_async(give, 1, HOUR);
    bide_let fast = bide_async(give, 1, BIDE_US);
    CHECK_EQ(bide_race(&slow, &fast), 1);
}

FIBER_TEST(on_the_real_clock)
{
    bide_let slow = bide_async(give, 1, HOUR);
    bide_let fast = bide_async(give, 2, BIDE_MS);
    bide_time begin = bide_now();
    CHECK_EQ(bide_race(&slow, &fast), 1);
    CHECK(bide_now() - begin >= BIDE_MS);
    CHECK_EQ(slow.value, -ECANCELED);
    CHECK_EQ(fast.value, 2);
}

TEST_MAIN()
