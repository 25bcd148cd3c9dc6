/* simulate.h - for tests of simulations: a future from many seeds, twice from each. */
#ifndef TEST_SIMULATE_H
#define TEST_SIMULATE_H

#include "test.h"

#include <bide/bide.h>
#include <bide/net.h>

enum { SEEDS = 60 };

static struct bide_sim_result result; /* of the last run */

/* f is 0 for every seed, leaves no descriptor, and does the same when it is done again. */
#define SIMULATE(faults_, f)                                                                  \
    do {                                                                                      \
        for (uint64_t seed = 0; seed < SEEDS; seed++) {                                       \
            uint64_t hash = 0;                                                                \
            for (int again = 0; again < 2; again++) {                                         \
                struct bide_sim sim = { .seed = seed, .faults = faults_, .result = &result }; \
                CHECK_EQ(bide_sim_run(&sim, f), 0);                                           \
                CHECK_EQ(result.descriptors, 0);                                              \
                CHECK(!again || hash == result.hash);                                         \
                hash = result.hash;                                                           \
            }                                                                                 \
        }                                                                                     \
    } while (0)

static inline void close_both(const int ends[2])
{
    bide_close(ends[0]);
    bide_close(ends[1]);
}

#endif
