/*
 * bide/mutex.h - mutual exclusion over a section that suspends, or that several workers enter.
 *
 *     static struct bide_mutex writing;              // all zeros is an unlocked mutex
 *
 *     int error = bide_mutex_lock(&writing);
 *     if (error)
 *         return error;                              // cancelled: it is not ours
 *     bide_write_all(fd, line, size);
 *     bide_mutex_unlock(&writing);
 *
 * Tasks of one worker interleave only where they suspend: a section that does not suspend, of data
 * of one worker, needs no mutex.
 */
#ifndef BIDE_MUTEX_H
#define BIDE_MUTEX_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. All zeros is unlocked. */
struct bide_mutex {
    struct bide__lock lock;
    const void *owner; /* a fiber or a thread; NULL: unlocked */
    struct bide__queue queue;
};

/*
 * bide_mutex_lock - wait until the mutex is the caller's; first come, first served.
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error the mutex is not the caller's. In a race it is only if it wins.
 * Context  fiber of any worker, or a plain thread. Locking it again in the same task would wait
 *          for ever: it aborts.
 */
BIDE_SUSPENDS BIDE_API int bide_mutex_lock(struct bide_mutex *mutex);

/* bide_mutex_try_lock - 0, or -EBUSY when it is locked. Never suspends. */
BIDE_API int bide_mutex_try_lock(struct bide_mutex *mutex);

/* bide_mutex_unlock - by the task that holds it (which is not checked); the one that waits longest
 * has it next. Never suspends, also when the caller is cancelled. Of one that is not locked it
 * aborts. */
BIDE_API void bide_mutex_unlock(struct bide_mutex *mutex);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_mutex_lock, struct bide_mutex *mutex; const void *owner;)

static inline BIDE_MUST_USE struct bide_mutex_lock_future
bide_mutex_lock_async(struct bide_mutex *mutex)
{
    return BIDE__WAIT_MAKE(bide_mutex_lock, .mutex = mutex);
}

#endif
