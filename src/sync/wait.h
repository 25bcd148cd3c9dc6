/*
 * sync/wait.h - how operations wait for each other: the queue in every channel, mutex and so on.
 *
 * An object has a lock (platform/lock.h) and queues of waiters. An operation, all under the lock,
 * either takes effect at once or puts its waiter into a queue. Whoever makes a waiting operation
 * take effect does so on its behalf, also under the lock: takes it out of the queue and writes its
 * result (and the value that goes with it) into its future. After the lock it is woken: one that
 * waits here, at once; on another worker, by a message; in a plain thread, by futex. So an
 * operation has taken effect exactly when it has left its queue by other ways than its own
 * cancellation, and a cancellation that comes later changes nothing: nothing is lost.
 */
#ifndef BIDE_SYNC_WAIT_H
#define BIDE_SYNC_WAIT_H

#include "core/internal.h"

#include <bide/wait.h>

enum { WAITER_NEW, WAITER_QUEUED, WAITER_TAKEN, WAITER_AWAKE };

static inline struct bide__wait_future *bide__waiting(struct bide__list *link)
{
    return bide__container(link, struct bide__wait_future, waiter.link);
}

/* All zeros is an empty queue. */
static inline bool bide__queue_empty(const struct bide__queue *queue)
{
    const struct bide__list *head = &queue->waiting;
    return !head->next || bide__list_empty(head);
}

/* ---- under the object's lock ---- */

/* A waiter that has left another queue and goes on waiting in this one. */
static inline void bide__queue_move(struct bide__queue *queue, struct bide__waiter *waiter)
{
    if (!queue->waiting.next)
        bide__list_init(&queue->waiting);
    bide__list_push(&queue->waiting, &waiter->link);
}

/* f, which is being started, will wait. */
static inline void bide__queue_push(struct bide__queue *queue, struct bide_future *f)
{
    struct bide__waiter *waiter = &((struct bide__wait_future *)f)->waiter;
    waiter->worker = bide__worker();
    waiter->state = WAITER_QUEUED;
    bide__queue_move(queue, waiter);
}

/* The first, or NULL. It stays where it is. */
static inline struct bide__wait_future *bide__queue_first(const struct bide__queue *queue)
{
    return bide__queue_empty(queue) ? NULL : bide__waiting(queue->waiting.next);
}

/*
 * May f, which waits, take effect? One of a race that another one has won may not: it leaves the
 * queue, and goes on waiting for its cancellation alone, which is on its way.
 */
static inline bool bide__waiter_claim(struct bide__wait_future *f)
{
    if (BIDE__LIKELY(bide__claim(&f->future)))
        return true;
    bide__list_remove(&f->waiter.link);
    bide__list_init(&f->waiter.link);
    return false;
}

/* The first that may, or NULL. */
static inline struct bide__wait_future *bide__queue_claim(const struct bide__queue *queue)
{
    struct bide__wait_future *f;
    while ((f = bide__queue_first(queue)) && !bide__waiter_claim(f))
        continue;
    return f;
}

/* f, which is being started, may not: it waits for its cancellation. */
static inline void bide__queue_none(struct bide_future *f)
{
    struct bide__waiter *waiter = &((struct bide__wait_future *)f)->waiter;
    waiter->worker = bide__worker();
    waiter->state = WAITER_QUEUED;
    bide__list_init(&waiter->link);
}

/* The operation of f, which waits, has taken effect with this value; it is then woken. */
static inline void bide__queue_take(struct bide__wait_future *f, int value)
{
    bide__list_remove(&f->waiter.link);
    f->value = value;
    __atomic_store_n(&f->waiter.state, WAITER_TAKEN, __ATOMIC_RELAXED);
}

/* The same, when there are several to wake. */
static inline void bide__queue_take_to(struct bide__wait_future *f, int value,
                                       struct bide__list *taken)
{
    bide__queue_take(f, value);
    bide__list_push(taken, &f->waiter.link);
}

/* f, whose cancellation is asked for, leaves its queue. False: it has taken effect. */
static inline bool bide__queue_leave(struct bide_future *f)
{
    struct bide__waiter *waiter = &((struct bide__wait_future *)f)->waiter;
    if (waiter->state != WAITER_QUEUED)
        return false;
    bide__list_remove(&waiter->link);
    waiter->state = WAITER_NEW;
    return true;
}

/* ---- after it ---- */

/* One that was taken: it may be gone when this returns. */
void bide__waiter_wake(struct bide__wait_future *f);

/* All that were. */
void bide__waiters_wake(struct bide__list *taken);

/* ---- parts of the leaves ---- */

/*
 * Who it is that holds a lock: the fiber, or outside a runtime the thread. What runs on a thread's
 * own stack is the thread's doing also when a runtime was made for it, as by a bide_within in a
 * plain thread.
 */
static inline const void *bide__holder(const struct bide__fiber *fiber)
{
    return fiber && BIDE__LIKELY(fiber->bottom) ? (const void *)fiber : &bide__self;
}

/* The same of an operation that is being started. */
static inline const void *bide__holder_of(const struct bide_future *f)
{
    return bide__holder(bide__self.fiber ? f->fiber : NULL);
}

/* bide_leaf_ops.cancel of an operation whose leaving changes nothing for others. */
void bide__waiter_cancel(struct bide_future *f, struct bide__lock *lock);

/* bide_leaf_ops.block: start it, and sleep until it is over. */
void bide__waiter_block(struct bide_future *f);

/* May an operation of the calling fiber take effect without a future? It counts as one that does
 * not wait. */
static inline bool bide__may_be_quick(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    return BIDE__LIKELY(fiber && !fiber->cancelled) && --fiber->worker->budget >= 0;
}

/*
 * The calling fiber, which may be quick, has to wait after all: for f, on its stack, which has type
 * and arguments, and is queued then, under the same lock. As if f were awaited and started, but
 * nothing is initialised that nobody reads.
 */
static inline void bide__wait_begin(struct bide_future *f)
{
    f->fiber = bide__self.fiber;
    f->parent = bide__self.current;
    f->group = NULL;
    f->state = BIDE_RUNNING;
    f->flags = 0;
    f->shield = 0;
    f->error = 0;
}

/* After the lock: until f is over. Its value. */
static inline int bide__wait_end(struct bide_future *f)
{
    struct bide__fiber *fiber = bide__self.fiber;
    fiber->leaf = f;
    do
        bide__park(fiber);
    while (f->state == BIDE_RUNNING);
    fiber->leaf = NULL;
    return ((struct bide__wait_future *)f)->value;
}

/* ---- mutex.c, for condition.c ---- */

/* f, whose waiting for a condition is over, goes on as a bide_mutex_lock that ends with f's value.
 * It may be gone when this returns. */
void bide__mutex_lock_next(struct bide__wait_future *f);

#endif
