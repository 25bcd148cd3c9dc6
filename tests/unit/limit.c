/* So many at once: descriptions that run while they hold a permit. */
#include "fiber.h"

#include <bide/keywords.h>

struct room {
    struct bide_semaphore permits;
    int inside, most, ended; /* atomic */
};

static int stay(struct room *room, bide_time takes)
{
    int inside = __atomic_add_fetch(&room->inside, 1, __ATOMIC_SEQ_CST);
    int most = __atomic_load_n(&room->most, __ATOMIC_SEQ_CST);
    while (inside > most && !__atomic_compare_exchange_n(&room->most, &most, inside, false,
                                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    int error = bide_sleep(takes);
    __atomic_sub_fetch(&room->inside, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&room->ended, 1, __ATOMIC_SEQ_CST);
    return error ? error : 7;
}
ASYNC(int, stay, struct room *, bide_time)

SIM_TEST(as_many_at_once_as_permits)
{
    for (size_t n = 1; n < 6; n++) {
        struct room room = { .permits = BIDE_SEMAPHORE(n) };
        bide_time begin = bide_now();
        scope(s)
            for (int i = 0; i < 20; i++)
                spawn(&s, bide_concurrency_limit(&room.permits, async(stay, &room, BIDE_US)));
        CHECK_EQ(bide_now() - begin, (20 + n - 1) / n * BIDE_US);
        CHECK_EQ(room.most, n);
        CHECK_EQ(room.ended, 20);
        CHECK_EQ(room.permits.permits, n);
    }
}

SIM_TEST(gives_the_value)
{
    struct room room = { .permits = BIDE_SEMAPHORE(1) };
    let f = bide_concurrency_limit(&room.permits, async(stay, &room, 0));
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(await(f), 7);
    CHECK_EQ(await(&f), 7);
    CHECK_EQ(room.ended, 2);
}

struct page {
    int number;
};

static struct page load(struct room *room)
{
    return (struct page){ stay(room, BIDE_US) };
}
ASYNC(struct page, load, struct room *)

SIM_TEST(without_a_permit_it_does_not_run)
{
    struct room room = { 0 };
    let f = bide_concurrency_limit(&room.permits, async(stay, &room, 0));
    let g = bide_concurrency_limit(&room.permits, async(load, &room));
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(bide_error(&f), -ETIMEDOUT);
    CHECK_EQ(within(BIDE_US, &g), -ETIMEDOUT);
    CHECK_EQ(bide_error(&g), -ETIMEDOUT);
    CHECK_EQ(g.value.number, 0);
    CHECK_EQ(room.ended, 0);
    bide_semaphore_release(&room.permits, 1);
    CHECK_EQ(await(bide_concurrency_limit(&room.permits, async(load, &room))).number, 7);
}

/* The first is there from 0 to 20 us and the second until 40; when the first is cancelled before it
 * ends, the second enters then. */
SIM_TEST(cancelled_at_any_moment_it_gives_the_permit_back)
{
    struct room room = { .permits = BIDE_SEMAPHORE(1) };
    for (int i = 1; i < 50; i++) {
        bide_time span = i * BIDE_US, stays = 20 * BIDE_US;
        if (span == stays || span == 2 * stays)
            continue; /* at that very moment either may come first */
        for (int which = 0; which < 2; which++) {
            let a = bide_concurrency_limit(&room.permits, async(stay, &room, stays));
            let b = a;
            bide_time begin = bide_now();
            scope(s) {
                bide_start(&a);
                bide_yield();
                bide_start(&b);
                bide_sleep(span);
                cancel(which ? &b : &a);
            }
            bool in_time = span < (which ? 2 : 1) * stays;
            CHECK_EQ((which ? b : a).value, in_time ? -ECANCELED : 7);
            CHECK_EQ((which ? a : b).value, 7);
            bide_time end = !in_time ? 2 * stays : which ? stays : span + stays;
            CHECK_EQ(bide_now() - begin, end > span ? end : span);
            CHECK_EQ(room.permits.permits, 1);
        }
    }
}

static void fill(struct room *room)
{
    scope(s)
        for (int i = 0; i < 100; i++)
            bide_spawn_spread(&s, bide_concurrency_limit(&room->permits,
                                                         async(stay, room, 10 * BIDE_US)));
}
ASYNC_VOID(fill, struct room *)

TEST(over_workers)
{
    static const struct bide_config two = { .workers = 2 };
    struct room room = { .permits = BIDE_SEMAPHORE(3) };
    bide_run_with(&two, async(fill, &room));
    CHECK_EQ(room.ended, 100);
    CHECK_EQ(room.most, 3);
    CHECK_EQ(room.permits.permits, 3);
}

/* ---- all of them together ---- */

static int add(int value, int n)
{
    return value < 0 ? value : value + n;
}
ASYNC(int, add, int, int)

SIM_TEST(combinators_combine)
{
    struct room room = { .permits = BIDE_SEMAPHORE(2) };
    struct bide_rate rate = { .tokens = 1000000, .burst = 100 };
    struct bide_singleflight flights = { 0 };
    struct bide_retry_options again = { .delay = BIDE_US };
    struct bide_hedge_options soon = { .delay = 10 * BIDE_US };

    bide_time begin = bide_now();
    let limited = bide_concurrency_limit(&room.permits, async(stay, &room, 50 * BIDE_US));
    let paced = bide_rate_limit(&rate, &limited);
    let surely = bide_retry(bide_hedge(paced, &soon), &again);
    let once = bide_singleflight(&flights, "x", 1, surely);
    CHECK_EQ(await(bide_then(once, add, 3)), 10);
    CHECK_EQ(bide_now() - begin, 50 * BIDE_US);
    let same = once;
    CHECK_EQ(join(&once, &same), 0);
    CHECK_EQ(once.value + same.value, 14);
    CHECK_EQ(bide_now() - begin, 100 * BIDE_US);

    let nap = bide_then(async(bide_sleep, BIDE_US), add, 5); /* a leaf, then a function */
    CHECK_EQ(await(bide_retry(nap, &again)), 5);
    CHECK_EQ(await(bide_hedge(nap, &soon)), 5);
    CHECK_EQ(await(bide_singleflight(&flights, "x", 1, nap)), 5);
    CHECK_EQ(await(bide_concurrency_limit(&room.permits, nap)), 5);
    CHECK_EQ(room.permits.permits, 2);
}

TEST_MAIN()
