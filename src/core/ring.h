/*
 * core/ring.h - the queue that idle workers steal from: one producer, many consumers, first in
 * first out, bounded.
 *
 * head and tail only grow (modulo 2^32). The producer alone moves tail; whoever moves head with the
 * compare-and-swap owns the entries that it moved over. An entry may be read by a consumer that
 * then loses, even while the producer writes a later one to the same place; it is then dropped.
 */
#ifndef BIDE_CORE_RING_H
#define BIDE_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BIDE__RING = 256 }; /* entries; a power of two */

struct bide__ring {
    uint32_t head; /* atomic: consumers */
    char apart[60];
    uint32_t tail; /* atomic: the producer's */
    void *entries[BIDE__RING]; /* atomic */
};

/* How many there are, about. Any thread. */
static inline uint32_t bide__ring_count(const struct bide__ring *ring)
{
    uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    uint32_t count = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) - head;
    return count > BIDE__RING ? BIDE__RING : count;
}

/* Producer. False when it is full. */
static inline bool bide__ring_push(struct bide__ring *ring, void *entry)
{
    uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    /* Acquire: a consumer's reads of the entry that is overwritten here come before. */
    if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == BIDE__RING)
        return false;
    __atomic_store_n(&ring->entries[tail % BIDE__RING], entry, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}

/* Any thread: up to max of the oldest, but no more than half of them (rounded up). */
static inline size_t bide__ring_take(struct bide__ring *ring, void **entries, size_t max)
{
    uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    for (;;) {
        uint32_t count = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) - head;
        if (count == 0 || count > BIDE__RING) {
            if (count == 0)
                return 0;
            head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE); /* it was long ago */
            continue;
        }
        uint32_t n = (count + 1) / 2 < max ? (count + 1) / 2 : (uint32_t)max;
        for (uint32_t i = 0; i < n; i++)
            entries[i] = __atomic_load_n(&ring->entries[(head + i) % BIDE__RING], __ATOMIC_RELAXED);
        if (__atomic_compare_exchange_n(&ring->head, &head, head + n, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return n;
    }
}

#endif
