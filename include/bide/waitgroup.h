/*
 * bide/waitgroup.h - wait until a number of things are over.
 *
 *     struct bide_waitgroup written = { 0 };
 *
 *     for (int i = 0; i < n; i++) {
 *         bide_waitgroup_add(&written, 1);
 *         enqueue(&writer, record[i], &written);     // ends in bide_waitgroup_done
 *     }
 *     bide_waitgroup_wait(&written);
 *
 * For the end of tasks a scope is simpler (scope.h), and it also keeps their error and cancels
 * them. A wait group counts what are no tasks of the caller's: requests to a task that lives on,
 * callbacks, messages under way.
 */
#ifndef BIDE_WAITGROUP_H
#define BIDE_WAITGROUP_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. All zeros is a count of 0. Who has
 * waited for the last one may free it. */
struct bide_waitgroup {
    struct bide__lock lock;
    size_t count;
    struct bide__queue queue;
};

/* bide_waitgroup_add - n more are to be over. Before their beginning, so that no wait comes
 * between. Of more than a size_t counts it aborts. Never suspends. */
BIDE_API void bide_waitgroup_add(struct bide_waitgroup *group, size_t n);

/* bide_waitgroup_done - one is over; with the last, all that wait go on. Of none it aborts. Never
 * suspends, also when the caller is cancelled. */
BIDE_API void bide_waitgroup_done(struct bide_waitgroup *group);

/*
 * bide_waitgroup_wait - wait until the count is 0; at once when it is.
 *
 * Whatever is added afterwards, whom the last one has woken goes on. The group may be used again.
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   no effect on the group.
 * Context  fiber of any worker, or a plain thread; any number of them.
 */
BIDE_SUSPENDS BIDE_API int bide_waitgroup_wait(struct bide_waitgroup *group);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_waitgroup_wait, struct bide_waitgroup *group;)

static inline BIDE_MUST_USE struct bide_waitgroup_wait_future
bide_waitgroup_wait_async(struct bide_waitgroup *group)
{
    return BIDE__WAIT_MAKE(bide_waitgroup_wait, group);
}

#endif
