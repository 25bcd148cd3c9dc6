/* sync/mutex.c - a mutex is handed over: unlocked while others wait, it is never free. */
#include "sync/wait.h"

#include <bide/mutex.h>
#include <errno.h>

static struct bide_mutex_lock_future *lock_of(struct bide_future *f)
{
    return (struct bide_mutex_lock_future *)f;
}

/* Under the lock. */
static inline bool take(struct bide_mutex *mutex, const void *owner)
{
    if (mutex->owner)
        return false;
    mutex->owner = owner;
    return true;
}

static enum bide_leaf_start lock_start(struct bide_future *future)
{
    struct bide_mutex_lock_future *f = lock_of(future);
    struct bide_mutex *mutex = f->args.mutex;
    f->args.owner = bide__holder_of(future);
    f->value = 0;
    bide__lock(&mutex->lock);
    bool own = mutex->owner == f->args.owner, free = !mutex->owner;
    bool taken = free && bide__claim(future);
    if (taken)
        mutex->owner = f->args.owner;
    else if (free)
        bide__queue_none(future);
    else if (!own)
        bide__queue_push(&mutex->queue, future);
    bide__unlock(&mutex->lock);
    if (own)
        bide__panic("%s: bide_mutex_lock: this task holds the mutex", bide_current_name());
    return taken ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void lock_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &lock_of(f)->args.mutex->lock);
}

static void lock_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_mutex *mutex = ((const struct bide_mutex_lock_future *)f)->args.mutex;
    bide__lock(&mutex->lock);
    to->holder = mutex->owner;
    bide__unlock(&mutex->lock);
    bide__say(to, "mutex");
}

static const struct bide_leaf_ops lock_ops = { lock_start, lock_cancel, bide__waiter_block,
                                               lock_describe };
const struct bide_type bide_mutex_lock_type = BIDE_LEAF_TYPE(bide_mutex_lock, &lock_ops);

static inline bool try_lock(struct bide_mutex *mutex)
{
    bide__lock(&mutex->lock);
    bool taken = take(mutex, bide__holder(bide__self.fiber));
    bide__unlock(&mutex->lock);
    return taken;
}

void bide__mutex_lock_next(struct bide__wait_future *f)
{
    struct bide_mutex *mutex = lock_of(&f->future)->args.mutex;
    bide__lock(&mutex->lock);
    bool taken = take(mutex, lock_of(&f->future)->args.owner);
    if (!taken)
        bide__queue_move(&mutex->queue, &f->waiter);
    bide__unlock(&mutex->lock);
    if (taken)
        bide__waiter_wake(f);
}

static __attribute__((noinline)) int lock_slowly(struct bide_mutex *mutex)
{
    if (bide__may_be_quick() && try_lock(mutex))
        return 0;
    return bide_await(bide_mutex_lock_async(mutex));
}

/* With one worker, and not waiting, it is all here, and needs no frame. */
int bide_mutex_lock(struct bide_mutex *mutex)
{
    struct bide__fiber *fiber = bide__self.fiber;
    bool taken = false;
    if (BIDE__LIKELY(fiber && bide__may_be_quick() && bide__lock_alone())) {
        taken = take(mutex, bide__holder(fiber));
        bide__unlock_alone();
    }
    return BIDE__LIKELY(taken) ? 0 : lock_slowly(mutex);
}

int bide_mutex_try_lock(struct bide_mutex *mutex)
{
    return try_lock(mutex) ? 0 : -EBUSY;
}

/* Under the lock: who has it next. A wait for a condition that ends has to have it. */
static struct bide__wait_future *next_owner(const struct bide_mutex *mutex)
{
    struct bide__wait_future *f;
    while ((f = bide__queue_first(&mutex->queue)) && f->future.type == &bide_mutex_lock_type &&
           !bide__waiter_claim(f))
        continue;
    return f;
}

static __attribute__((noinline)) void unlock_slowly(struct bide_mutex *mutex)
{
    bide__lock(&mutex->lock);
    bool locked = mutex->owner != NULL;
    struct bide__wait_future *next = next_owner(mutex);
    if (next)
        bide__queue_take(next, next->value); /* 0, or what a wait for a condition ends with */
    mutex->owner = next ? lock_of(&next->future)->args.owner : NULL;
    bide__unlock(&mutex->lock);
    if (!locked)
        bide__panic("%s: bide_mutex_unlock: the mutex is not locked", bide_current_name());
    if (next)
        bide__waiter_wake(next);
}

void bide_mutex_unlock(struct bide_mutex *mutex)
{
    bool done = false;
    if (BIDE__LIKELY(bide__lock_alone())) {
        done = mutex->owner && bide__queue_empty(&mutex->queue);
        if (BIDE__LIKELY(done))
            mutex->owner = NULL;
        bide__unlock_alone();
    }
    if (BIDE__UNLIKELY(!done))
        unlock_slowly(mutex);
}
