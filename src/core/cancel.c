/*
 * core/cancel.c - cancellation: level-triggered, cooperative, down the tree.
 *
 * A cancelled future carries a mark (BIDE__CANCELLED or BIDE__TIMEDOUT) in its own flags. What
 * code sees of it is derived: the marks of all futures from the one that runs up to the fiber's
 * task, up to the first shield. Each fiber keeps that as `cancelled`, so that operations test one
 * byte; it is derived anew when a mark is set, when a marked future ends, and at a shield's ends.
 *
 * Marks cross to other fibers through groups: a group that was opened in a marked future cancels
 * its children. Groups wait in a list while one loop works it off, so a deep tree takes no deep
 * recursion.
 */
#include "core/internal.h"

#include <errno.h>

int bide__seen_from(const struct bide_future *frame, const struct bide__fiber *fiber)
{
    int why = 0;
    for (; frame && !frame->shield; frame = frame->parent) {
        why |= frame->flags & WHY;
        if (frame == fiber->task)
            break;
    }
    return why;
}

/* The fiber that f runs on. f may be awaited inside the child of a group, which knows it. */
static struct bide__fiber *fiber_of(const struct bide_future *f)
{
    while (f && !f->group)
        f = f->parent;
    return f ? f->fiber : NULL;
}

static void cancel_leaf(struct bide_future *f, int why)
{
    struct bide__worker *w = bide__worker();
    bool asked = f->flags & WHY;
    f->flags |= (uint8_t)why;
    if (asked || !f->type->leaf) /* or it goes on as a function, and sees the mark when it runs */
        return;
    w->callbacks++;
    f->type->leaf->cancel(f);
    w->callbacks--;
}

static void queue_group(struct bide__worker *w, struct bide__group *g, int why)
{
    if (!(why & ~g->cancelled))
        return;
    g->cancelled |= (uint8_t)why;
    if (bide__list_empty(&g->cancelling))
        bide__list_push(&w->cancelling, &g->cancelling);
}

/* What reaches a group: a shield in the very future in which it was opened covers it only if it
 * was opened under one. */
static int seen_by_group(const struct bide__group *g, const struct bide__fiber *fiber)
{
    const struct bide_future *frame = g->frame;
    if (!frame || (frame->shield && g->shielded))
        return 0;
    int why = frame->flags & WHY;
    return frame == fiber->task ? why : why | bide__seen_from(frame->parent, fiber);
}

/* A mark was set in one of the futures on fiber's stack, or a shield among them has ended. */
static void mark_changed(struct bide__fiber *fiber)
{
    struct bide_future *current =
        fiber == bide__self.fiber ? bide__self.current : fiber->current;
    fiber->marked = 1;
    fiber->cancelled = (uint8_t)bide__seen_from(current, fiber);
    for (struct bide__list *at = fiber->groups.next; at != &fiber->groups; at = at->next) {
        struct bide__group *g = bide__container(at, struct bide__group, open);
        queue_group(fiber->worker, g, seen_by_group(g, fiber));
    }
    if (fiber->cancelled && fiber->leaf && fiber->leaf->state == BIDE_RUNNING)
        cancel_leaf(fiber->leaf, fiber->cancelled);
}

/* In a group it ends here, unmarked: whoever has it may drive it again. Otherwise nothing drives
 * it yet, and nothing will. */
static void cancel_cold(struct bide_future *f, int why)
{
    bide__fail(f, bide__why(why));
    if (!(f->flags & BIDE__QUEUED)) {
        f->flags |= (uint8_t)why;
        return;
    }
    bide__list_remove(&f->ready);
    f->flags &= (uint8_t)~BIDE__QUEUED;
    bide__child_ended(f);
}

void bide__cancel_one(struct bide_future *f, int why)
{
    if (!(why & ~f->flags))
        return;
    if (f->state == BIDE_COLD) {
        cancel_cold(f, why);
    } else if (f->state == BIDE_RUNNING) {
        if (f->type->leaf || f->flags & BIDE__QUEUED) {
            cancel_leaf(f, why);
        } else {
            f->flags |= (uint8_t)why;
            struct bide__fiber *fiber = fiber_of(f);
            if (fiber)
                mark_changed(fiber);
        }
    }
}

/* Each child once. One that ends meanwhile leaves the list; the others go round to its end. */
static void cancel_children(struct bide__group *g)
{
    for (size_t n = g->pending; n > 0 && !bide__list_empty(&g->children); n--) {
        struct bide__list *link = bide__list_pop(&g->children);
        bide__list_push(&g->children, link);
        bide__cancel_one(bide__container(link, struct bide_future, sibling), g->cancelled);
    }
    for (size_t n = g->pending; n > 0 && !bide__list_empty(&g->parallel); n--) {
        struct bide__list *link = bide__list_pop(&g->parallel);
        bide__list_push(&g->parallel, link);
        bide__parallel_cancel(bide__container(link, struct bide_future, sibling), g->cancelled);
    }
}

static void drain(struct bide__worker *w)
{
    if (w->draining)
        return;
    w->draining = true;
    for (struct bide__list *link; (link = bide__list_pop(&w->cancelling));) {
        bide__list_init(link);
        cancel_children(bide__container(link, struct bide__group, cancelling));
    }
    w->draining = false;
}

void bide__cancel_why(struct bide_future *f, int why)
{
    bide__cancel_one(f, why);
    if (bide__worker())
        drain(bide__worker());
}

void bide__cancel_group(struct bide__group *g, int why)
{
    struct bide__worker *w = bide__worker();
    queue_group(w, g, why);
    drain(w);
}

void bide__cancel(struct bide_future *f)
{
    bide__cancel_why(f, BIDE__CANCELLED);
}

int bide_cancelled(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    return fiber ? bide__why(fiber->cancelled) : bide__offload_cancelled();
}

/* ---- shields ---- */

struct bide__shield bide__shield_enter(void)
{
    struct bide_future *frame = bide__self.current;
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber || !frame) /* outside a runtime nothing is cancelled */
        return (struct bide__shield){ 0 };
    struct bide__shield shield = { .frame = frame, .deadline = fiber->deadline };
    frame->shield++;
    fiber->cancelled = 0;
    fiber->deadline = BIDE_FOREVER;
    return shield;
}

void bide__shield_leave(struct bide__shield *shield)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber || !shield->frame)
        return;
    shield->frame->shield--;
    fiber->deadline = shield->deadline;
    if (fiber->marked) {
        mark_changed(fiber);
        drain(fiber->worker);
    }
}
