/* fiber.c - stacks are taken only where something suspends, and used again. */
#include "fiber.h"

static int at_once(int value)
{
    return value;
}
BIDE_ASYNC(int, at_once, int)

static int yielding(int value)
{
    bide_yield();
    return value;
}
BIDE_ASYNC(int, yielding, int)

static int sleeping(int value)
{
    bide_sleep(BIDE_MS);
    return value;
}
BIDE_ASYNC(int, sleeping, int)

/* Stacks that were ever made by this runtime, but for those given back. */
static size_t stacks(void)
{
    return bide__worker()->fibers;
}

FIBER_TEST(spawned_functions_that_do_not_suspend_share_one)
{
    BIDE_SCOPE(s) {
        for (int i = 0; i < 100; i++)
            bide_spawn(&s, bide_async(at_once, i));
    }
    CHECK_EQ(stacks(), 1);
}

FIBER_TEST(one_for_each_that_suspends)
{
    BIDE_SCOPE(s) {
        for (int i = 0; i < 30; i++)
            bide_spawn(&s, i % 3 ? bide_async(at_once, 1) : bide_async(at_once, 2));
        for (int i = 0; i < 10; i++)
            bide_spawn(&s, bide_async(sleeping, i));
        settle();
        CHECK(stats_now().fibers <= 11);
    }
    CHECK(stacks() <= 11); /* 10, and the runner that found nothing more to do */
    CHECK_EQ(stats_now().fibers, 0);
    CHECK_EQ(stats_now().fibers_idle, stacks());
}

FIBER_TEST(used_again)
{
    for (int i = 0; i < 50; i++) {
        bide_let a = bide_async(yielding, 1);
        bide_let b = bide_async(yielding, 2);
        bide_let c = bide_async(sleeping, 3);
        CHECK_EQ(bide_join(&a, &b, &c), 0);
    }
    CHECK(stacks() <= 4);
}

FIBER_TEST(leaves_take_none)
{
    int ends[2];
    char c;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    BIDE_SCOPE(s) {
        for (int i = 0; i < 20; i++)
            bide_spawn(&s, bide_async(bide_sleep, BIDE_MS));
        bide_spawn(&s, bide_async(bide_read, ends[0], &c, 1));
    }
    CHECK_EQ(stacks(), 0);
    bide_close(ends[0]);
    bide_close(ends[1]);
}

FIBER_TEST(switches_are_few)
{
    struct bide_stats before = stats_now();
    for (int i = 0; i < 10; i++)
        CHECK_EQ(bide_sleep(BIDE_US), 0); /* alone: it waits on its own stack */
    CHECK_EQ(stats_now().switches, before.switches);
    CHECK_EQ(stats_now().spawned, before.spawned);
}

FIBER_TEST(counters)
{
    struct bide_stats before = stats_now();
    CHECK(before.reactor && (!strcmp(before.reactor, "epoll") ||
                             !strcmp(before.reactor, "io_uring")));
    BIDE_SCOPE(s) {
        for (int i = 0; i < 5; i++)
            bide_spawn(&s, bide_async(sleeping, i));
        bide_spawn(&s, bide_async(bide_sleep, 0));
    }
    struct bide_stats after = stats_now();
    CHECK_EQ(after.spawned - before.spawned, 6);
    CHECK(after.switches >= before.switches + 10);
    CHECK(after.turns > before.turns);
    CHECK(after.stack_bytes > 0);
}

/* ---- what a switch keeps ---- */

static int churn(int rounds, int salt)
{
    volatile double f = salt + 0.5;
    register long a = salt, b = salt * 2L, c = salt * 3L, d = salt * 5L, e = salt * 7L;
    char block[512];
    memset(block, salt, sizeof(block));
    for (int i = 0; i < rounds; i++) {
        a += i;
        b ^= a;
        c += b;
        d ^= c;
        e += d;
        f += 0.25;
        bide_yield();
    }
    long x = salt, y = salt * 2L, z = salt * 3L, u = salt * 5L, v = salt * 7L;
    for (int i = 0; i < rounds; i++) {
        x += i;
        y ^= x;
        z += y;
        u ^= z;
        v += u;
    }
    for (size_t i = 0; i < sizeof(block); i++)
        if (block[i] != (char)salt)
            return -EIO;
    bool same = a == x && b == y && c == z && d == u && e == v;
    return same && f == salt + 0.5 + 0.25 * rounds ? salt : -EIO;
}
BIDE_ASYNC(int, churn, int, int)

FIBER_TEST(registers_survive)
{
    struct churn_future f[20];
    for (int i = 0; i < 20; i++)
        f[i] = bide_async(churn, 50 + i, i);
    CHECK_EQ(bide_join_all(f, 20), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(f[i].value, i);
}

/* The stack is aligned as the ABI says, in a fiber as in a thread. */
static int aligned(void)
{
    _Alignas(32) char block[64];
    __asm__ volatile("" ::"r"(block) : "memory");
    char text[64];
    snprintf(text, sizeof(text), "%f", 0.5); /* uses vector moves that fault if it is not */
    bide_yield();
    return (uintptr_t)block % 32 == 0 && strcmp(text, "0.500000") == 0;
}
BIDE_ASYNC(int, aligned)

FIBER_TEST(stacks_are_aligned)
{
    struct aligned_future f[40];
    for (int i = 0; i < 40; i++)
        f[i] = bide_async(aligned);
    CHECK_EQ(bide_join_all(f, 40), 0);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(f[i].value, 1);
}

/* ---- many ---- */

FIBER_TEST(many_at_once)
{
    int n = test_small() ? 500 : 20000;
    BIDE_SCOPE(s) {
        for (int i = 0; i < n; i++)
            CHECK_EQ(bide_spawn(&s, bide_async(sleeping, i)), 0);
        bide_yield();
        CHECK_EQ(stats_now().tasks, n + 1);
    }
    CHECK_EQ(stats_now().tasks, 1);
    CHECK_EQ(stats_now().fibers, 0);
}

/* Fairness: an operation that completes at once counts against a budget. */
static int spin(bool *stop)
{
    int count = 0;
    while (!*stop) {
        bide_sleep(0);
        count++;
    }
    return count;
}
BIDE_ASYNC(int, spin, bool *)

static int stop_it(bool *stop)
{
    bide_sleep(BIDE_MS);
    *stop = true;
    return 0;
}
BIDE_ASYNC(int, stop_it, bool *)

FIBER_TEST(nobody_starves)
{
    bool stop = false;
    bide_let f = bide_async(spin, &stop);
    bide_let g = f;
    CHECK_EQ(bide_join(&f, &g, bide_async(stop_it, &stop)), 0);
    CHECK(f.value > 0);
}

static int yield_until(bool *stop)
{
    while (!*stop)
        bide_yield();
    return 0;
}
BIDE_ASYNC(int, yield_until, bool *)

FIBER_TEST(yielding_does_not_keep_the_reactor_out)
{
    bool stop = false;
    CHECK_EQ(bide_join(bide_async(yield_until, &stop), bide_async(yield_until, &stop),
                       bide_async(stop_it, &stop)), 0);
}

TEST_MAIN()
