/*
 * platform/lock.h - a lock for a few instructions on what several threads may share.
 *
 * A program whose runtime has one worker pays for no atomic operation: while one worker thread
 * alone is known to use locks, it takes none. It only notes, with plain stores, that it is inside.
 * The first other thread that comes to a lock ends that for good: it takes the privilege away,
 * orders all threads' memory accesses by membarrier(2), and waits until the privileged one is
 * outside. From then on a lock is a word that is taken by compare-and-swap and slept on by futex(2)
 * (the second mutex of Drepper, "Futexes Are Tricky", 2011).
 *
 * Not recursive. While it is held: no suspending, no call of a user's code, no other lock.
 */
#ifndef BIDE_PLATFORM_LOCK_H
#define BIDE_PLATFORM_LOCK_H

#include <bide/base.h>
#include <stdbool.h>

/* Of one thread. */
struct bide__privilege {
    int alone;  /* atomic: it need not lock. Taken away by another thread */
    int inside; /* atomic: it is between acquire and release, without having locked */
};
extern __thread struct bide__privilege bide__own_privilege
    __attribute__((tls_model("initial-exec")));

void bide__lock_shared(struct bide__lock *lock);
void bide__unlock_shared(struct bide__lock *lock);

/* As bide__lock of any lock, but only for the one thread that need not lock. False: nothing is
 * held. Calls nothing, so that what is quick needs no frame. */
static inline bool bide__lock_alone(void)
{
    struct bide__privilege *self = &bide__own_privilege;
    __atomic_store_n(&self->inside, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the rest is membarrier's, on the other side */
    if (BIDE__LIKELY(__atomic_load_n(&self->alone, __ATOMIC_RELAXED)))
        return true;
    /* Release: who waits until we are outside may see this one instead of the last release. */
    __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
    return false;
}

static inline void bide__unlock_alone(void)
{
    __atomic_store_n(&bide__own_privilege.inside, 0, __ATOMIC_RELEASE);
}

static inline void bide__lock(struct bide__lock *lock)
{
    if (BIDE__UNLIKELY(!bide__lock_alone()))
        bide__lock_shared(lock);
}

static inline void bide__unlock(struct bide__lock *lock)
{
    struct bide__privilege *self = &bide__own_privilege;
    if (BIDE__LIKELY(__atomic_load_n(&self->inside, __ATOMIC_RELAXED)))
        __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
    else
        bide__unlock_shared(lock);
}

/* Is *word value, or does it become so, being NULL? Also between acquire and release. */
static inline bool bide__claim_word(void **word, void *value)
{
    struct bide__privilege *self = &bide__own_privilege;
    int inside = __atomic_load_n(&self->inside, __ATOMIC_RELAXED);
    void *seen = NULL;
    __atomic_store_n(&self->inside, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (BIDE__LIKELY(__atomic_load_n(&self->alone, __ATOMIC_RELAXED))) {
        seen = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!seen)
            __atomic_store_n(word, value, __ATOMIC_RELAXED);
    } else {
        __atomic_compare_exchange_n(word, &seen, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    __atomic_store_n(&self->inside, inside, __ATOMIC_RELEASE);
    return !seen || seen == value;
}

/* The calling thread begins, and ceases, to run a worker. */
void bide__worker_thread_enter(void);
void bide__worker_thread_leave(void);

/* Around fork(2); a child has the calling thread alone. */
void bide__lock_before_fork(void);
void bide__lock_after_fork(bool child);

/* Sleep while *word is value, and wake all that sleep so. May return early. */
void bide__futex_wait(int *word, int value);
void bide__futex_wake(int *word, int count);

#endif
