/*
 * sync/event.c - a wait looks under the lock even when the event is set: it returns only when
 * whoever has set it is through with it, so the event may go then.
 */
#include "sync/wait.h"

#include <bide/event.h>

static struct bide_event *event_of(struct bide_future *f)
{
    return ((struct bide_event_wait_future *)f)->args.event;
}

static enum bide_leaf_start wait_start(struct bide_future *f)
{
    struct bide_event *event = event_of(f);
    ((struct bide_event_wait_future *)f)->value = 0;
    bide__lock(&event->lock);
    bool set = event->set;
    if (!set)
        bide__queue_push(&event->queue, f);
    bide__unlock(&event->lock);
    return set ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void wait_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &event_of(f)->lock);
}

static void wait_describe(const struct bide_future *f, struct bide_description *to)
{
    (void)f;
    bide__say(to, "event");
}

static const struct bide_leaf_ops wait_ops = { wait_start, wait_cancel, bide__waiter_block,
                                               wait_describe };
const struct bide_type bide_event_wait_type = BIDE_LEAF_TYPE(bide_event_wait, &wait_ops);

static inline bool is_set(struct bide_event *event)
{
    bide__lock(&event->lock);
    bool set = event->set;
    bide__unlock(&event->lock);
    return set;
}

int bide_event_wait(struct bide_event *event)
{
    if (bide__may_be_quick() && is_set(event))
        return 0;
    return bide_await(bide_event_wait_async(event));
}

void bide_event_set(struct bide_event *event)
{
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&event->lock);
    __atomic_store_n(&event->set, 1, __ATOMIC_RELEASE);
    for (struct bide__wait_future *f; (f = bide__queue_first(&event->queue));)
        bide__queue_take_to(f, 0, &taken);
    bide__unlock(&event->lock);
    bide__waiters_wake(&taken);
}

void bide_event_clear(struct bide_event *event)
{
    bide__lock(&event->lock);
    __atomic_store_n(&event->set, 0, __ATOMIC_RELAXED);
    bide__unlock(&event->lock);
}

int bide_event_is_set(const struct bide_event *event)
{
    return __atomic_load_n(&event->set, __ATOMIC_ACQUIRE);
}
