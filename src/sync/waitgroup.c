#include "sync/wait.h"

#include <bide/waitgroup.h>

static struct bide_waitgroup *group_of(struct bide_future *f)
{
    return ((struct bide_waitgroup_wait_future *)f)->args.group;
}

static enum bide_leaf_start wait_start(struct bide_future *f)
{
    struct bide_waitgroup *group = group_of(f);
    ((struct bide_waitgroup_wait_future *)f)->value = 0;
    bide__lock(&group->lock);
    bool over = !group->count;
    if (!over)
        bide__queue_push(&group->queue, f);
    bide__unlock(&group->lock);
    return over ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void wait_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &group_of(f)->lock);
}

static void wait_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_waitgroup *group = ((const struct bide_waitgroup_wait_future *)f)->args.group;
    bide__lock(&group->lock);
    size_t count = group->count;
    bide__unlock(&group->lock);
    bide__say(to, "waitgroup, with %zu to come", count);
}

static const struct bide_leaf_ops wait_ops = { wait_start, wait_cancel, bide__waiter_block,
                                               wait_describe };
const struct bide_type bide_waitgroup_wait_type = BIDE_LEAF_TYPE(bide_waitgroup_wait, &wait_ops);

int bide_waitgroup_wait(struct bide_waitgroup *group)
{
    return bide_await(bide_waitgroup_wait_async(group));
}

void bide_waitgroup_add(struct bide_waitgroup *group, size_t n)
{
    bide__lock(&group->lock);
    bool fits = !__builtin_add_overflow(group->count, n, &group->count);
    bide__unlock(&group->lock);
    if (!fits)
        bide__panic("%s: bide_waitgroup_add: too many", bide_current_name());
}

void bide_waitgroup_done(struct bide_waitgroup *group)
{
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&group->lock);
    bool some = group->count > 0;
    if (some && --group->count == 0) {
        for (struct bide__wait_future *f; (f = bide__queue_first(&group->queue));)
            bide__queue_take_to(f, 0, &taken);
    }
    bide__unlock(&group->lock);
    if (!some)
        bide__panic("%s: bide_waitgroup_done: nothing was added", bide_current_name());
    bide__waiters_wake(&taken);
}
