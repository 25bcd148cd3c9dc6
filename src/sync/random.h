/* sync/random.h - random numbers that nobody's secrets depend on. */
#ifndef BIDE_SYNC_RANDOM_H
#define BIDE_SYNC_RANDOM_H

#include <stdint.h>

/* 64 random bits, from a generator of the calling thread's. */
uint64_t bide__random(void);

#endif
