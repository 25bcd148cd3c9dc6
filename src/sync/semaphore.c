/* sync/semaphore.c - whoever waits has its permits taken for it, when its turn has come. */
#include "sync/wait.h"

#include <bide/semaphore.h>
#include <errno.h>

static struct bide_semaphore_acquire_future *acquire_of(struct bide_future *f)
{
    return (struct bide_semaphore_acquire_future *)f;
}

/* ---- under the lock ---- */

static inline bool may_take(const struct bide_semaphore *semaphore, size_t n)
{
    return semaphore->permits >= n && bide__queue_empty(&semaphore->queue);
}

/* Permits came, or the first in the queue left: those whose turn it is now. */
static void serve(struct bide_semaphore *semaphore, struct bide__list *taken)
{
    for (struct bide__wait_future *f; (f = bide__queue_first(&semaphore->queue));) {
        size_t n = acquire_of(&f->future)->args.n;
        if (semaphore->permits < n)
            break;
        if (!bide__waiter_claim(f))
            continue;
        semaphore->permits -= n;
        bide__queue_take_to(f, 0, taken);
    }
}

/* ---- acquiring ---- */

static enum bide_leaf_start acquire_start(struct bide_future *future)
{
    struct bide_semaphore_acquire_future *f = acquire_of(future);
    struct bide_semaphore *semaphore = f->args.semaphore;
    f->value = 0;
    bide__lock(&semaphore->lock);
    bool may = may_take(semaphore, f->args.n), taken = may && bide__claim(future);
    if (taken)
        semaphore->permits -= f->args.n;
    else if (may)
        bide__queue_none(future);
    else
        bide__queue_push(&semaphore->queue, future);
    bide__unlock(&semaphore->lock);
    return taken ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void acquire_cancel(struct bide_future *future)
{
    struct bide_semaphore *semaphore = acquire_of(future)->args.semaphore;
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&semaphore->lock);
    bool left = bide__queue_leave(future);
    if (left)
        serve(semaphore, &taken);
    bide__unlock(&semaphore->lock);
    if (left)
        bide_leaf_fail(future, bide_leaf_reason(future));
    bide__waiters_wake(&taken);
}

static void acquire_describe(const struct bide_future *future, struct bide_description *to)
{
    const struct bide_semaphore_acquire_future *f =
        (const struct bide_semaphore_acquire_future *)future;
    struct bide_semaphore *semaphore = f->args.semaphore;
    bide__lock(&semaphore->lock);
    size_t permits = semaphore->permits;
    bide__unlock(&semaphore->lock);
    bide__say(to, "%zu of a semaphore with %zu free", f->args.n, permits);
}

static const struct bide_leaf_ops acquire_ops = { acquire_start, acquire_cancel,
                                                  bide__waiter_block, acquire_describe };
const struct bide_type bide_semaphore_acquire_type =
    BIDE_LEAF_TYPE(bide_semaphore_acquire, &acquire_ops);

static inline bool try_acquire(struct bide_semaphore *semaphore, size_t n)
{
    bide__lock(&semaphore->lock);
    bool taken = may_take(semaphore, n);
    if (taken)
        semaphore->permits -= n;
    bide__unlock(&semaphore->lock);
    return taken;
}

int bide_semaphore_acquire(struct bide_semaphore *semaphore, size_t n)
{
    if (bide__may_be_quick() && try_acquire(semaphore, n))
        return 0;
    return bide_await(bide_semaphore_acquire_async(semaphore, n));
}

int bide_semaphore_try_acquire(struct bide_semaphore *semaphore, size_t n)
{
    return try_acquire(semaphore, n) ? 0 : -EAGAIN;
}

/* ---- releasing ---- */

void bide_semaphore_release(struct bide_semaphore *semaphore, size_t n)
{
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&semaphore->lock);
    bool overflow = __builtin_add_overflow(semaphore->permits, n, &semaphore->permits);
    serve(semaphore, &taken);
    bide__unlock(&semaphore->lock);
    if (overflow)
        bide__panic("%s: bide_semaphore_release: too many permits", bide_current_name());
    bide__waiters_wake(&taken);
}
