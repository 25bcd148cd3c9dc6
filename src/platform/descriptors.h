/*
 * platform/descriptors.h - which descriptor numbers are bide's own, and since when.
 *
 * The generation of a number changes whenever bide opens a socket or pipe of that number or closes
 * it, on any thread of the process: it is odd while the number is one that bide opened. A reactor
 * keeps what it knows of a number together with the generation, and forgets it when that has
 * changed; so it never takes a descriptor for one that another worker has closed meanwhile.
 *
 * The kernel gives a number to one thread at a time, and its table of descriptors orders the close
 * before the open that gives it again. So a generation has one writer at a time, and a plain
 * addition will do.
 */
#ifndef BIDE_PLATFORM_DESCRIPTORS_H
#define BIDE_PLATFORM_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers that have a generation: as many as a process may have descriptors by default
 * (fs.nr_open). Those beyond are never trusted. */
enum { BIDE__DESCRIPTORS = 1 << 20 };

extern uint32_t bide__generations[BIDE__DESCRIPTORS]; /* atomic; only what is used takes memory */

static inline uint32_t bide__generation(int fd)
{
    return (uint32_t)fd < BIDE__DESCRIPTORS
               ? __atomic_load_n(&bide__generations[fd], __ATOMIC_RELAXED)
               : 0;
}

/* Is it a socket or pipe that bide opened, and so one that only bide closes? */
static inline bool bide__trusted(uint32_t generation)
{
    return generation & 1;
}

void bide__descriptor_opened(int fd);
void bide__descriptor_closing(int fd); /* before the number can be given again */

#endif
