/* bide/random.h - random numbers that nobody's secrets depend on. */
#ifndef BIDE_RANDOM_H
#define BIDE_RANDOM_H

#include <bide/base.h>
#include <stdint.h>

/* bide_random - 64 random bits, from a generator of the calling thread's; in a simulation (sim.h)
 * from its seed. Any thread; never suspends, never fails. */
BIDE_API uint64_t bide_random(void);

#endif
