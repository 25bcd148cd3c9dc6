#include "sync/wait.h"

#include <bide/once.h>

static struct bide_once_begin_future *begin_of(struct bide_future *f)
{
    return (struct bide_once_begin_future *)f;
}

static bool is_done(const struct bide_once *once)
{
    return __atomic_load_n(&once->done, __ATOMIC_ACQUIRE);
}

static enum bide_leaf_start begin_start(struct bide_future *future)
{
    struct bide_once_begin_future *f = begin_of(future);
    struct bide_once *once = f->args.once;
    const void *runner = bide__holder_of(future);
    f->args.runner = runner;
    bide__lock(&once->lock);
    bool done = is_done(once), own = once->runner == runner, free = !done && !once->runner;
    bool begun = free && bide__claim(future);
    f->value = begun;
    if (begun)
        once->runner = runner;
    else if (free)
        bide__queue_none(future);
    else if (!done && !own)
        bide__queue_push(&once->queue, future);
    bide__unlock(&once->lock);
    if (own)
        bide__panic("%s: bide_once_begin: this task is doing it", bide_current_name());
    return done || begun ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void begin_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &begin_of(f)->args.once->lock);
}

static void begin_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_once *once = ((const struct bide_once_begin_future *)f)->args.once;
    bide__lock(&once->lock);
    to->holder = once->runner;
    bide__unlock(&once->lock);
    bide__say(to, "once");
}

static const struct bide_leaf_ops begin_ops = { begin_start, begin_cancel, bide__waiter_block,
                                                begin_describe };
const struct bide_type bide_once_begin_type = BIDE_LEAF_TYPE(bide_once_begin, &begin_ops);

int bide_once_begin(struct bide_once *once)
{
    if (bide__may_be_quick() && is_done(once))
        return 0;
    return bide_await(bide_once_begin_async(once));
}

/* Under the lock: it is done. */
static void finish(struct bide_once *once, struct bide__list *taken)
{
    __atomic_store_n(&once->done, 1, __ATOMIC_RELEASE);
    once->runner = NULL;
    for (struct bide__wait_future *f; (f = bide__queue_first(&once->queue));)
        bide__queue_take_to(f, 0, taken);
}

/* Under the lock: the next one does it. */
static void pass_on(struct bide_once *once, struct bide__list *taken)
{
    struct bide__wait_future *next = bide__queue_claim(&once->queue);
    once->runner = next ? begin_of(&next->future)->args.runner : NULL;
    if (next)
        bide__queue_take_to(next, 1, taken);
}

void bide_once_end(struct bide_once *once, int error)
{
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&once->lock);
    bool begun = once->runner != NULL;
    if (begun && error < 0)
        pass_on(once, &taken);
    else if (begun)
        finish(once, &taken);
    bide__unlock(&once->lock);
    if (!begun)
        bide__panic("%s: bide_once_end: nobody is doing it", bide_current_name());
    bide__waiters_wake(&taken);
}

int bide__once_run(struct bide_once *once, struct bide_future *f, const char *site)
{
    int turn = bide_once_begin(once);
    if (turn <= 0)
        return turn;
    bide__await(f, site);
    int error = f->error ? f->error : bide__value_error(f);
    bide_once_end(once, error);
    return error;
}
