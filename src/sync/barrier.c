#include "sync/wait.h"

#include <bide/barrier.h>

static struct bide_barrier *barrier_of(struct bide_future *f)
{
    return ((struct bide_barrier_wait_future *)f)->args.barrier;
}

/* Under the lock: the last one has come. */
static void let_pass(struct bide_barrier *barrier, struct bide__list *taken)
{
    for (struct bide__wait_future *f; (f = bide__queue_first(&barrier->queue));)
        bide__queue_take_to(f, 0, taken);
    barrier->waiting = 0;
}

/* What it wakes may cancel f, which is then in no queue. */
static enum bide_leaf_start wait_start(struct bide_future *f)
{
    struct bide_barrier *barrier = barrier_of(f);
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&barrier->lock);
    unsigned parties = barrier->parties;
    bool last = barrier->waiting + 1 == parties;
    ((struct bide_barrier_wait_future *)f)->value = last;
    if (last) {
        let_pass(barrier, &taken);
    } else if (parties) {
        barrier->waiting++;
        bide__queue_push(&barrier->queue, f);
    }
    bide__unlock(&barrier->lock);
    if (!parties)
        bide__panic("%s: bide_barrier_wait: the barrier is for nobody", bide_current_name());
    bide__waiters_wake(&taken);
    return last ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void wait_cancel(struct bide_future *f)
{
    struct bide_barrier *barrier = barrier_of(f);
    bide__lock(&barrier->lock);
    bool left = bide__queue_leave(f);
    if (left)
        barrier->waiting--;
    bide__unlock(&barrier->lock);
    if (left)
        bide_leaf_fail(f, bide_leaf_reason(f));
}

static void wait_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_barrier *barrier = ((const struct bide_barrier_wait_future *)f)->args.barrier;
    bide__lock(&barrier->lock);
    unsigned waiting = barrier->waiting;
    bide__unlock(&barrier->lock);
    bide__say(to, "barrier, with %u of %u there", waiting, barrier->parties);
}

static const struct bide_leaf_ops wait_ops = { wait_start, wait_cancel, bide__waiter_block,
                                               wait_describe };
const struct bide_type bide_barrier_wait_type = BIDE_LEAF_TYPE(bide_barrier_wait, &wait_ops);

int bide_barrier_wait(struct bide_barrier *barrier)
{
    return bide_await(bide_barrier_wait_async(barrier));
}
