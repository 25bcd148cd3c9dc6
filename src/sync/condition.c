/*
 * sync/condition.c - a wait that is signalled, or cancelled, is not woken to lock the mutex: it
 * moves into the mutex's queue, and is woken when the mutex is its own. `waits`, under the lock of
 * the condition, says which of the two queues it belongs to, and so whether a signal or its
 * cancellation was first. The two locks are never held together.
 */
#include "sync/wait.h"

#include <bide/condition.h>

_Static_assert(offsetof(struct bide_condition_wait_future, args.mutex) ==
                       offsetof(struct bide_mutex_lock_future, args.mutex) &&
                   offsetof(struct bide_condition_wait_future, args.owner) ==
                       offsetof(struct bide_mutex_lock_future, args.owner),
               "it is in the queue of a mutex, too");

static struct bide_condition_wait_future *wait_of(struct bide_future *f)
{
    return (struct bide_condition_wait_future *)f;
}

static enum bide_leaf_start wait_start(struct bide_future *future)
{
    struct bide_condition_wait_future *f = wait_of(future);
    struct bide_condition *condition = f->args.condition;
    struct bide_mutex *mutex = f->args.mutex;
    f->args.owner = bide__holder_of(future);
    if (mutex->owner != f->args.owner)
        bide__panic("%s: bide_condition_wait: this task does not hold the mutex",
                    bide_current_name());
    f->value = 0;
    bide__lock(&condition->lock);
    f->args.waits = 1;
    bide__queue_push(&condition->queue, future);
    bide__unlock(&condition->lock);
    bide_mutex_unlock(mutex);
    return BIDE_LEAF_PENDING;
}

/* Under the lock. One that is in no queue any more leaves as well. */
static void leave(struct bide__wait_future *f)
{
    bide__list_remove(&f->waiter.link);
    wait_of(&f->future)->args.waits = 0;
}

static void wait_cancel(struct bide_future *future)
{
    struct bide_condition_wait_future *f = wait_of(future);
    struct bide_condition *condition = f->args.condition;
    struct bide__wait_future *waiting = (struct bide__wait_future *)f;
    bide__lock(&condition->lock);
    bool waits = f->args.waits;
    if (waits)
        leave(waiting);
    bide__unlock(&condition->lock);
    if (!waits)
        return;
    f->value = future->error = bide_leaf_reason(future);
    bide__mutex_lock_next(waiting);
}

static void wait_describe(const struct bide_future *future, struct bide_description *to)
{
    const struct bide_condition_wait_future *f = (const struct bide_condition_wait_future *)future;
    struct bide_condition *condition = f->args.condition;
    struct bide_mutex *mutex = f->args.mutex;
    bide__lock(&condition->lock);
    bool waits = f->args.waits;
    bide__unlock(&condition->lock);
    bide__say(to, waits ? "condition" : "mutex of a condition");
    if (waits)
        return;
    bide__lock(&mutex->lock);
    to->holder = mutex->owner;
    bide__unlock(&mutex->lock);
}

static const struct bide_leaf_ops wait_ops = { wait_start, wait_cancel, bide__waiter_block,
                                               wait_describe };
const struct bide_type bide_condition_wait_type = BIDE_LEAF_TYPE(bide_condition_wait, &wait_ops);

int bide_condition_wait(struct bide_condition *condition, struct bide_mutex *mutex)
{
    return bide_await(bide_condition_wait_async(condition, mutex));
}

void bide_condition_signal(struct bide_condition *condition)
{
    bide__lock(&condition->lock);
    struct bide__wait_future *f = bide__queue_claim(&condition->queue);
    if (f)
        leave(f);
    bide__unlock(&condition->lock);
    if (f)
        bide__mutex_lock_next(f);
}

void bide_condition_broadcast(struct bide_condition *condition)
{
    struct bide__list signalled;
    bide__list_init(&signalled);
    bide__lock(&condition->lock);
    for (struct bide__wait_future *f; (f = bide__queue_claim(&condition->queue));) {
        leave(f);
        bide__list_push(&signalled, &f->waiter.link);
    }
    bide__unlock(&condition->lock);
    for (struct bide__list *link; (link = bide__list_pop(&signalled));)
        bide__mutex_lock_next(bide__waiting(link));
}
