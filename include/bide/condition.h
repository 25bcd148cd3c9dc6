/*
 * bide/condition.h - wait until something that a mutex protects has become so.
 *
 *     static struct bide_mutex lock;
 *     static struct bide_condition not_empty;        // all zeros has nobody waiting
 *
 *     int error = bide_mutex_lock(&lock);
 *     if (error)
 *         return error;
 *     while (!error && list_empty(&jobs))            // look again: others may have been faster
 *         error = bide_condition_wait(&not_empty, &lock);
 *     if (!error)
 *         job = list_pop(&jobs);
 *     bide_mutex_unlock(&lock);                      // ours again, also after an error
 *
 * Whoever makes it so signals, best with the mutex locked:
 *
 *     list_push(&jobs, job);
 *     bide_condition_signal(&not_empty);
 */
#ifndef BIDE_CONDITION_H
#define BIDE_CONDITION_H

#include <bide/mutex.h>

/* Lives where you put it, at one address, and owns nothing. */
struct bide_condition {
    struct bide__lock lock;
    struct bide__queue queue;
};

/*
 * bide_condition_wait - unlock the mutex and wait for a signal, in one step; lock it again.
 *
 * @mutex  the caller's, and so again on return, whatever is returned; all that wait for one
 *         condition at a time name the same
 *
 * A signal that comes between the unlocking and the waiting is not missed. First come, first
 * served; one that was signalled waits for the mutex like anybody else who comes then.
 *
 * Returns  0: signalled; or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error no signal was taken: one that comes then goes to another. The mutex is
 *          locked again first, and this waiting is not cut short: its holder decides how long it
 *          takes. In a race it takes a signal only if it wins; the mutex is the caller's again
 *          in either case, for one that has not begun has never unlocked it.
 * Context  fiber of any worker, or a plain thread. In a join or a race: of the task that holds the
 *          mutex. Without the mutex it aborts.
 */
BIDE_SUSPENDS BIDE_API int bide_condition_wait(struct bide_condition *condition,
                                               struct bide_mutex *mutex);

/*
 * bide_condition_signal    - the one that waits longest goes on; if none waits, nothing happens.
 * bide_condition_broadcast - all that wait now go on, one after the other as they get the mutex.
 *
 * With the mutex or without. Never suspend, also when the caller is cancelled.
 */
BIDE_API void bide_condition_signal(struct bide_condition *condition);
BIDE_API void bide_condition_broadcast(struct bide_condition *condition);

/* ---- internal: the future ------------------------------------------------------------------- */

/* Begins as that of bide_mutex_lock, which it becomes when it is signalled. */
BIDE__WAIT_FUTURE(bide_condition_wait, struct bide_mutex *mutex; const void *owner;
                  struct bide_condition *condition; int waits;)

static inline BIDE_MUST_USE struct bide_condition_wait_future
bide_condition_wait_async(struct bide_condition *condition, struct bide_mutex *mutex)
{
    return BIDE__WAIT_MAKE(bide_condition_wait, .mutex = mutex, .condition = condition);
}

#endif
