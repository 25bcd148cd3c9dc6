#include "sync/wait.h"

static void deliver(struct bide__post *post)
{
    struct bide__wait_future *f = bide__container(post, struct bide__wait_future, waiter.post);
    bide_leaf_done(&f->future);
}

void bide__waiter_wake(struct bide__wait_future *f)
{
    struct bide__worker *to = f->waiter.worker, *here = bide__worker();
    if (BIDE__LIKELY(to && to == here)) {
        bide_leaf_done(&f->future);
    } else if (to) {
        f->waiter.post.deliver = deliver;
        bide__post_from(here, to, &f->waiter.post);
    } else {
        int *state = &f->waiter.state;
        __atomic_store_n(state, WAITER_AWAKE, __ATOMIC_RELEASE);
        bide__futex_wake(state, 1);
    }
}

void bide__waiters_wake(struct bide__list *taken)
{
    for (struct bide__list *link; (link = bide__list_pop(taken));)
        bide__waiter_wake(bide__waiting(link));
}

void bide__waiter_cancel(struct bide_future *f, struct bide__lock *lock)
{
    bide__lock(lock);
    bool left = bide__queue_leave(f);
    bide__unlock(lock);
    if (left)
        bide_leaf_fail(f, bide_leaf_reason(f));
}

void bide__waiter_block(struct bide_future *f)
{
    if (f->type->leaf->start(f) == BIDE_LEAF_DONE)
        return;
    if (bide__stand_in)
        bide__panic("%s: an offloaded function waits for a task, which a simulation cannot do",
                    f->type->name);
    int *state = &((struct bide__wait_future *)f)->waiter.state, seen;
    while ((seen = __atomic_load_n(state, __ATOMIC_ACQUIRE)) != WAITER_AWAKE)
        bide__futex_wait(state, seen);
}
