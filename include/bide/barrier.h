/*
 * bide/barrier.h - a point that a number of tasks pass together.
 *
 *     struct bide_barrier step = BIDE_BARRIER(4);
 *
 *     for (...) {                                    // in each of 4 tasks
 *         compute(part);
 *         int last = bide_barrier_wait(&step);       // all parts are computed
 *         if (last < 0)
 *             return last;
 *     }
 */
#ifndef BIDE_BARRIER_H
#define BIDE_BARRIER_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. */
struct bide_barrier {
    struct bide__lock lock;
    unsigned parties;
    unsigned waiting;
    struct bide__queue queue;
};

/* Initialiser of one for n tasks, at least 1. */
#define BIDE_BARRIER(n) { .parties = (n) }

/*
 * bide_barrier_wait - wait until as many wait as the barrier is for; then all go on.
 *
 * The barrier is then as it was, for the next round. Who goes on may wait again at once.
 *
 * Returns  1 to the one that came last, for what only one of them is to do; 0 to the others; or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error the caller has left, and the others wait for one more. One that passed
 *          before its cancellation returns 0, also in a race that another has won meanwhile.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_barrier_wait(struct bide_barrier *barrier);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_barrier_wait, struct bide_barrier *barrier;)

static inline BIDE_MUST_USE struct bide_barrier_wait_future
bide_barrier_wait_async(struct bide_barrier *barrier)
{
    return BIDE__WAIT_MAKE(bide_barrier_wait, barrier);
}

#endif
