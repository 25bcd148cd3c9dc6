/*
 * bide/rwlock.h - many readers or one writer, over sections that suspend, or that several workers
 * enter.
 *
 *     static struct bide_rwlock routes_lock;         // all zeros is unlocked
 *
 *     int error = bide_rwlock_read(&routes_lock);    // or bide_rwlock_write
 *     if (error)
 *         return error;                              // cancelled: it is not ours
 *     struct route *route = find_route(path);
 *     bide_rwlock_unlock(&routes_lock);
 *
 * First come, first served, readers and writers alike: a reader behind a writer that waits, waits
 * too, so neither kind is starved. Readers that are next to each other enter together.
 *
 * Where a section is short and does not suspend, a mutex is as good, and simpler.
 */
#ifndef BIDE_RWLOCK_H
#define BIDE_RWLOCK_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. All zeros is unlocked. */
struct bide_rwlock {
    struct bide__lock lock;
    unsigned readers;   /* inside */
    const void *writer; /* inside: a fiber or a thread; NULL: none */
    struct bide__queue queue;
};

/*
 * bide_rwlock_read  - wait until no writer is inside, and none waits before the caller.
 * bide_rwlock_write - wait until the lock is the caller's alone.
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error the lock is not the caller's, and those behind it move up. In a race it is
 *          only if it wins.
 * Context  fiber of any worker, or a plain thread. A task that holds the lock must not ask for it
 *          again, in no way: it might wait for itself. For one that writes that aborts.
 */
BIDE_SUSPENDS BIDE_API int bide_rwlock_read(struct bide_rwlock *lock);
BIDE_SUSPENDS BIDE_API int bide_rwlock_write(struct bide_rwlock *lock);

/* The same where it takes no waiting: 0, or -EBUSY. Never suspends. */
BIDE_API int bide_rwlock_try_read(struct bide_rwlock *lock);
BIDE_API int bide_rwlock_try_write(struct bide_rwlock *lock);

/* bide_rwlock_unlock - of a reader and of a writer. Never suspends, also when the caller is
 * cancelled. Of one that is not locked it aborts. */
BIDE_API void bide_rwlock_unlock(struct bide_rwlock *lock);

/* ---- internal: the futures ------------------------------------------------------------------ */

BIDE__WAIT_FUTURE(bide_rwlock_read, struct bide_rwlock *lock; const void *owner;)
BIDE__WAIT_FUTURE(bide_rwlock_write, struct bide_rwlock *lock; const void *owner;)

static inline BIDE_MUST_USE struct bide_rwlock_read_future
bide_rwlock_read_async(struct bide_rwlock *lock)
{
    return BIDE__WAIT_MAKE(bide_rwlock_read, .lock = lock);
}

static inline BIDE_MUST_USE struct bide_rwlock_write_future
bide_rwlock_write_async(struct bide_rwlock *lock)
{
    return BIDE__WAIT_MAKE(bide_rwlock_write, .lock = lock);
}

#endif
