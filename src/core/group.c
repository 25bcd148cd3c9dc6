/*
 * core/group.c - what waits for children: the common part of joins, races and scopes.
 *
 * A child is in its group's list from bide__group_add until bide__child_ended. While it is QUEUED
 * it has not begun; its `ready` link is in the run queue or alone, so it can always be removed.
 */
#include "core/internal.h"

#include <errno.h>

/* fiber is NULL for a scope outside a runtime. */
void bide__group_open_in(struct bide__group *g, struct bide__fiber *fiber, int policy,
                         const char *site, struct bide_future *frame, bide_time deadline,
                         struct bide__binding *bindings)
{
    g->fiber = fiber;
    g->frame = frame;
    g->winner = NULL;
    g->site = site;
    g->deadline = deadline;
    g->bindings = bindings;
    g->pending = 0;
    g->error = g->unbegun = 0;
    g->policy = (uint8_t)policy;
    g->waiting = 0;
    g->shielded = frame && frame->shield;
    g->cancelled = fiber && fiber->marked ? (uint8_t)bide__seen_from(frame, fiber) : 0;
    bide__list_init(&g->children);
    bide__list_init(&g->parallel);
    bide__list_init(&g->cancelling);
    bide__list_init(&g->awaiters);
    if (fiber)
        bide__list_push(&fiber->groups, &g->open);
    else
        bide__list_init(&g->open);
}

void bide__group_open(struct bide__group *g, struct bide__fiber *fiber, int policy,
                      const char *site)
{
    bide__group_open_in(g, fiber, policy, site, bide__self.current,
                        fiber ? fiber->deadline : BIDE_FOREVER, fiber ? fiber->bindings : NULL);
}

void bide__group_close(struct bide__group *g)
{
    bide__assert(!g->pending);
    bide__list_remove(&g->open);
    bide__list_remove(&g->cancelling);
}

bool bide__group_add(struct bide__group *g, struct bide_future *f)
{
    f->group = g;
    g->pending++;
    if (g->fiber)
        bide__count(&g->fiber->worker->stats.tasks, 1);
    bide__list_push(&g->children, &f->sibling);
    bide__list_init(&f->ready);
    int why = (f->flags | g->cancelled) & WHY;
    if (BIDE__UNLIKELY(why || f->state != BIDE_COLD)) {
        if (f->state == BIDE_COLD)
            bide__fail(f, bide__why(why));
        bide__child_ended(f);
        return false;
    }
    f->shield = 0;
    f->error = 0;
    f->flags |= BIDE__QUEUED;
    return true;
}

/* Begin a child that is QUEUED: a leaf now, a function when a runner comes to it. */
void bide__group_enqueue(struct bide__group *g, struct bide_future *f)
{
    if (!f->type->leaf) {
        bide__list_push(&g->fiber->worker->ready, &f->ready);
        return;
    }
    f->flags &= (uint8_t)~BIDE__QUEUED;
    f->parent = g->frame;
    bide__begin_leaf(f, g->fiber);
}

/* Run a child that is QUEUED on the stack of the fiber that waits for it. */
void bide__run_here(struct bide__fiber *fiber, struct bide_future *f)
{
    struct bide_future *up = bide__self.current;
    bide__list_remove(&f->ready);
    f->flags &= (uint8_t)~BIDE__QUEUED;
    f->state = BIDE_RUNNING;
    f->parent = up;
    f->fiber = fiber;
    bide__self.current = f;
    if (BIDE__UNLIKELY(f->flags & WHY))
        bide__begun_cancelled(fiber);
    f->type->run(f);
    if (BIDE__UNLIKELY(f->flags & BIDE__LOCALS))
        bide__locals_end(f);
    bide__self.current = up;
    f->state = BIDE_DONE;
    if (BIDE__UNLIKELY(f->flags & WHY))
        bide__unwound();
    bide__child_ended(f);
}

static void wake_awaiters(struct bide__group *g)
{
    for (struct bide__list *link; (link = bide__list_pop(&g->awaiters));)
        bide__wake(bide__container(link, struct bide__fiber, link));
}

static void free_copy(struct bide_future *f)
{
    if (f->flags & BIDE__PARALLEL) {
        bide__parallel_free(f);
        return;
    }
    struct bide__spawned *copy = bide__container(f, struct bide__spawned, future);
    if (f->flags & BIDE__MALLOC)
        bide__free(copy);
    else
        bide__slab_put(&bide__worker()->slab, copy, bide__spawned_size(f->type->size));
}

/* f, a child, is over. */
void bide__child_ended(struct bide_future *f)
{
    if (BIDE__UNLIKELY(f->flags & BIDE__PARALLEL) && bide__parallel_ended(f))
        return;
    bide__child_left(f);
}

/* f, a child of a race, is done. If the race was cancelled before, it is the winner only if it had
 * been claimed before that. */
static bool has_won(struct bide__group *g, struct bide_future *f)
{
    if (g->cancelled && f->flags & WHY)
        return __atomic_load_n(&g->winner, __ATOMIC_RELAXED) == f;
    return bide__claim_word(&g->winner, f);
}

/* The same on the worker of its group: it has left the group when this returns, and a copy is
 * freed. */
void bide__child_left(struct bide_future *f)
{
    struct bide__group *g = f->group;
    bool done = f->state == BIDE_DONE;
    int error = f->error ? f->error : done ? bide__value_error(f) : 0;
    bide__list_remove(&f->sibling);
    f->group = NULL; /* it may be driven again, where there is no group */
    g->pending--;
    if (g->fiber)
        bide__count(&g->fiber->worker->stats.tasks, -1);
    bool won = g->policy & POLICY_FIRST_DONE && done && has_won(g, f);
    if (error && !g->error)
        g->error = error;
    if (error == -ENOMEM && !done)
        g->unbegun = error;
    if (f->flags & (BIDE__HEAP | BIDE__MALLOC))
        free_copy(f);
    bool enough = (g->policy & POLICY_FIRST_DONE && (won || g->unbegun)) ||
                  (g->policy & POLICY_FIRST_ERROR && error);
    if (enough && g->fiber && !g->cancelled)
        bide__cancel_group(g, BIDE__CANCELLED);
    if (BIDE__UNLIKELY(!bide__list_empty(&g->awaiters)))
        wake_awaiters(g);
    if (g->waiting && !g->pending)
        bide__wake(g->fiber);
}

void bide__group_wait(struct bide__group *g)
{
    g->waiting = 1;
    while (g->pending)
        bide__park(g->fiber);
    g->waiting = 0;
}

/* Where f, a child, was spawned or driven. */
const char *bide__child_site(const struct bide_future *f)
{
    if (f->flags & (BIDE__HEAP | BIDE__MALLOC))
        return bide__container(f, struct bide__spawned, future)->site;
    return f->group->site;
}
