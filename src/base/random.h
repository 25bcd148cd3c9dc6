/* base/random.h - SplitMix64 (Steele, Lea and Flood, 2014): fast, and no secret. */
#ifndef BIDE_BASE_RANDOM_H
#define BIDE_BASE_RANDOM_H

#include <stdint.h>

#define BIDE__GOLDEN 0x9e3779b97f4a7c15u

/* Each bit of the result depends on each bit of x. */
static inline uint64_t bide__mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The next 64 bits; any *state is good to begin with. */
static inline uint64_t bide__random_next(uint64_t *state)
{
    *state += BIDE__GOLDEN;
    return bide__mix(*state);
}

#endif
