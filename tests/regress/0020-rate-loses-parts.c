/*
 * A rate whose bucket holds no more than is taken at once, with tokens that come between two
 * nanoseconds: each wait lost the part of one that was left. Three a second came later and later,
 * 300 million a second were 250 million.
 */
#include "test.h"

#include <bide/keywords.h>
#include <bide/rate.h>
#include <bide/sim.h>

static bide_time take(struct bide_rate rate, int n)
{
    bide_time begin = bide_now();
    for (int i = 0; i < n; i++)
        CHECK_OR(bide_rate_acquire(&rate, 1) == 0, -1);
    return bide_now() - begin;
}
ASYNC(bide_time, take, struct bide_rate, int)

TEST(no_part_of_a_nanosecond_is_lost)
{
    struct bide_sim sim = { .seed = 1 };
    struct bide_rate slow = { .tokens = 3 }, fast = { .tokens = 300000000 };
    CHECK_EQ(bide_sim_run(&sim, async(take, slow, 3001)), 1000 * BIDE_S);
    CHECK_EQ(bide_sim_run(&sim, async(take, fast, 3001)), 10 * BIDE_US);
}

TEST_MAIN()
