/*
 * core/foreign.c - a runtime inside a foreign loop.
 *
 * While it is turned, the thread's own stack stands in the run queue as a fiber: when the others
 * have nothing more to do, or have done enough, control comes back to it.
 */
#include "core/internal.h"

#include <errno.h>

enum { ROUNDS = 64 }; /* of the run queue in one turn */

struct bide_runtime {
    struct bide__worker *worker;
    struct bide__group futures;
    struct bide__self before; /* of the thread, during a turn */
};

static void enter(struct bide_runtime *rt)
{
    if (bide__self.fiber)
        bide__panic("a runtime of a foreign loop is used from inside a runtime");
    if (rt->worker->generation != bide__fork_generation)
        bide__forked(NULL);
    rt->before = bide__self;
    bide__self = (struct bide__self){ .fiber = &rt->worker->root };
}

/* The descriptor becomes readable at once when there is more to do, else at the next deadline. */
static void leave(struct bide_runtime *rt)
{
    struct bide__worker *w = rt->worker;
    if (bide__list_empty(&w->ready))
        w->reactor->ops->pollable(w->reactor, bide__wheel_next(&w->wheel));
    else
        w->reactor->ops->wake(w->reactor);
    /* What a post must do to be seen: the loop waits from here on. */
    __atomic_store_n(&w->asleep, ASLEEP, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&w->inbox, __ATOMIC_SEQ_CST))
        w->reactor->ops->wake(w->reactor);
    bide__self = rt->before;
}

int bide_runtime_open(const struct bide_config *config, struct bide_runtime **ret_runtime)
{
    struct bide_config epoll = config ? *config : (struct bide_config){ 0 };
    if (epoll.reactor == BIDE_REACTOR_URING)
        return -EINVAL;
    epoll.reactor = BIDE_REACTOR_EPOLL;
    epoll.workers = 1;
    struct bide_runtime *rt = bide__alloc_zero(sizeof(*rt));
    if (!rt)
        return -ENOMEM;
    int error = bide__worker_new(&epoll, NULL, &rt->worker);
    if (!error) {
        error = rt->worker->reactor->ops->pollable(rt->worker->reactor, 1);
        if (error < 0)
            bide__worker_free(rt->worker);
    }
    if (error < 0) {
        bide__free(rt);
        return error;
    }
    rt->worker->foreign = true;
    rt->worker->asleep = ASLEEP; /* until the first turn */
    bide__overflow_enter(rt->worker);
    bide__watch(rt->worker);
    bide__sigquit_enter(rt->worker);
    bide__inspect_enter(rt->worker);
    bide__group_open(&rt->futures, &rt->worker->root, POLICY_ALL, BIDE__SITE);
    *ret_runtime = rt;
    return 0;
}

void bide__runtime_start(struct bide_runtime *rt, struct bide_future *f, const char *site)
{
    bide__check_cold(f, "start", site);
    enter(rt);
    rt->futures.site = site;
    if (bide__group_add(&rt->futures, f))
        bide__group_enqueue(&rt->futures, f);
    leave(rt);
}

void bide__runtime_cancel(struct bide_runtime *rt, struct bide_future *f)
{
    enter(rt);
    bide__cancel(f);
    leave(rt);
}

int bide_runtime_fd(const struct bide_runtime *rt)
{
    if (rt->worker->generation != bide__fork_generation)
        bide__forked(NULL);
    return rt->worker->reactor->ops->pollable(rt->worker->reactor,
                                              bide__wheel_next(&rt->worker->wheel));
}

int bide_runtime_turn(struct bide_runtime *rt)
{
    struct bide__worker *w = rt->worker;
    enter(rt);
    __atomic_store_n(&w->asleep, 0, __ATOMIC_RELAXED);
    bide__watch_awake();
    w->clock = w->reactor->ops->now(w->reactor);
    bide__poll(w, false);
    for (int i = 0; i < ROUNDS && !bide__list_empty(&w->ready); i++)
        bide__give_way(&w->root);
    leave(rt);
    return (int)rt->futures.pending;
}

void bide_runtime_close(struct bide_runtime *rt)
{
    struct bide__worker *w = rt->worker;
    enter(rt);
    bide__cancel_group(&rt->futures, BIDE__CANCELLED);
    bide__group_wait(&rt->futures);
    bide__group_close(&rt->futures);
    bide__inspect_leave(w);
    bide__self = rt->before;
    bide__sigquit_leave(w);
    bide__unwatch(w);
    bide__overflow_leave(w);
    bide__worker_free(w);
    bide__free(rt);
}
