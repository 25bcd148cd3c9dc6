/*
 * bide/semaphore.h - a number of permits: how many may do something at once, or how much of it.
 *
 *     static struct bide_semaphore slots = BIDE_SEMAPHORE(8);
 *
 *     int error = bide_semaphore_acquire(&slots, 1);
 *     if (error)
 *         return error;                              // cancelled: no permit was taken
 *     fetch(url);                                    // 8 at once at most
 *     bide_semaphore_release(&slots, 1);
 */
#ifndef BIDE_SEMAPHORE_H
#define BIDE_SEMAPHORE_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. All zeros has no permits. */
struct bide_semaphore {
    struct bide__lock lock;
    size_t permits; /* free ones */
    struct bide__queue queue;
};

/* Initialiser of one with n permits. */
#define BIDE_SEMAPHORE(n) { .permits = (n) }

/*
 * bide_semaphore_acquire - wait for n permits, and take them all at once.
 *
 * @n  for what counts differently (bytes of memory, say) more than 1; of 0 it waits for its turn
 *
 * First come, first served, whatever n is: behind a large request that waits, small ones wait too.
 * One for more than there will ever be waits until it is cancelled, and so do those behind it.
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error no permit was taken. In a race they are taken only if it wins.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_semaphore_acquire(struct bide_semaphore *semaphore, size_t n);

/* bide_semaphore_try_acquire - 0, or -EAGAIN: too few are free, or others wait. Never suspends. */
BIDE_API int bide_semaphore_try_acquire(struct bide_semaphore *semaphore, size_t n);

/*
 * bide_semaphore_release - n permits more. Never suspends, also when the caller is cancelled.
 *
 * A permit belongs to nobody: another task may release it than the one that acquired it, and what
 * was never acquired adds to their number.
 */
BIDE_API void bide_semaphore_release(struct bide_semaphore *semaphore, size_t n);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_semaphore_acquire, struct bide_semaphore *semaphore; size_t n;)

static inline BIDE_MUST_USE struct bide_semaphore_acquire_future
bide_semaphore_acquire_async(struct bide_semaphore *semaphore, size_t n)
{
    return BIDE__WAIT_MAKE(bide_semaphore_acquire, semaphore, n);
}

#endif
