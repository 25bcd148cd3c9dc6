/*
 * sync/random.c - SplitMix64 (Steele, Lea and Flood, 2014). It is seeded from bide's own clocks and
 * a count of threads: not from the kernel, so that a simulated run can be repeated.
 */
#include "sync/random.h"

#include <bide/time.h>

#define GOLDEN 0x9e3779b97f4a7c15u

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t bide__random(void)
{
    static uint64_t threads; /* atomic */
    static __thread uint64_t state;
    static __thread int seeded;
    if (!seeded) {
        state = mix((uint64_t)bide_now()) ^ mix((uint64_t)bide_wall_now() + GOLDEN);
        state += __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED) * GOLDEN;
        state = mix(state);
        seeded = 1;
    }
    state += GOLDEN;
    return mix(state);
}
