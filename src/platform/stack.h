/*
 * platform/stack.h - stacks, cut from slabs of address space that take memory only where touched.
 *
 * Below each stack is a guard page. MADV_GUARD_INSTALL (Linux 6.13) makes one without splitting
 * the mapping, so a million stacks are a few mappings; older kernels get mprotect(2), and meet
 * vm.max_map_count at about 32,000 stacks (then bide__stack_get returns NULL).
 *
 * The distance from one stack to the next is an odd number of pages, and tops are staggered over
 * the cache sets of a page, so that the hot ends of many stacks share neither cache nor TLB sets.
 */
#ifndef BIDE_PLATFORM_STACK_H
#define BIDE_PLATFORM_STACK_H

#include "base/list.h"

struct bide__stacks {
    struct bide__slab_map *slabs; /* newest first */
    size_t usable, stride;        /* bytes of a stack, and to the next one */
    size_t page;
    size_t next, count;           /* stacks of the newest slab: given out, in all */
    char **released;              /* given back, without memory */
    size_t released_count, released_room;
    uint64_t mapped;              /* bytes of address space in all; any thread may read it */
    int guard_by_mprotect;
};

int bide__stacks_init(struct bide__stacks *stacks, size_t usable);
void bide__stacks_release(struct bide__stacks *stacks);

/* The lowest usable byte of a stack of stacks->usable bytes, or NULL. */
char *bide__stack_get(struct bide__stacks *stacks);

/* Give back a stack, and its memory to the kernel. 0 or -ENOMEM (then nothing has changed). */
int bide__stack_put(struct bide__stacks *stacks, char *bottom);

/* Bytes, below the top, that a stack at bottom leaves free to stagger it. */
size_t bide__stack_stagger(const struct bide__stacks *stacks, const char *bottom);

/* Is address in a guard page? Then *ret_bottom is the bottom of the stack above it. Usable in a
 * signal handler. */
bool bide__stack_guards(const struct bide__stacks *stacks, const void *address,
                        char **ret_bottom);

#endif
