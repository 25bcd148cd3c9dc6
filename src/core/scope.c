/* core/scope.c - scopes, spawn and start. */
#include "core/internal.h"

#include <errno.h>

struct bide_scope *bide__scope_enter(struct bide_scope *scope,
                                     const struct bide_scope_options *options, const char *site)
{
    int policy = POLICY_SCOPE;
    if (options && options->cancel_on_error)
        policy |= POLICY_FIRST_ERROR;
    bide__group_open(&scope->group, bide__self.fiber, policy, site);
    return scope;
}

void bide__scope_init(struct bide_scope *scope, const struct bide_scope_options *options,
                      const char *site)
{
    bide__scope_enter(scope, options, site)->group.policy |= POLICY_BY_HAND;
}

/* Its children are over: as if it had just been opened. One by hand may go out of use now. */
static int renew(struct bide__group *g)
{
    struct bide__fiber *fiber = g->fiber;
    int error = g->error;
    g->error = 0;
    g->cancelled = fiber && fiber->marked ? (uint8_t)bide__seen_from(g->frame, fiber) : 0;
    if (fiber && g->policy & POLICY_BY_HAND) {
        bide__group_close(g);
        bide__list_init(&g->open);
        bide__list_init(&g->cancelling);
    }
    return error;
}

/* A scope that was opened outside a runtime gets one for the time of its wait. */
static int wait_outside(struct bide_scope *scope)
{
    struct bide__group *g = &scope->group;
    struct bide__fiber *fiber = bide__self.fiber;
    struct bide_future *frame = g->frame;
    g->fiber = fiber;
    fiber->worker->stats.tasks += g->pending;
    g->frame = bide__self.current;
    g->bindings = fiber->bindings;
    bide__list_push(&fiber->groups, &g->open);
    /* A child that ends at once may end others, so each step takes the list as it is then. */
    for (size_t n = g->pending; n > 0 && !bide__list_empty(&g->children); n--) {
        struct bide__list *link = bide__list_pop(&g->children);
        bide__list_push(&g->children, link);
        struct bide_future *f = bide__container(link, struct bide_future, sibling);
        if (f->flags & BIDE__QUEUED && bide__list_empty(&f->ready))
            bide__group_enqueue(g, f);
    }
    int error = bide_scope_wait(scope);
    bide__group_close(g);
    bide__list_init(&g->open);
    g->fiber = NULL;
    g->frame = frame;
    return error;
}
BIDE_ASYNC(int, wait_outside, struct bide_scope *)

/* No runtime could be made: the children end without beginning. */
static void drop_children(struct bide__group *g, int error)
{
    for (struct bide__list *link; !bide__list_empty(&g->children);) {
        link = g->children.next;
        struct bide_future *f = bide__container(link, struct bide_future, sibling);
        bide__fail(f, error);
        bide__child_ended(f);
    }
}

int bide_scope_wait(struct bide_scope *scope)
{
    struct bide__group *g = &scope->group;
    if (!g->fiber) {
        if (!g->pending)
            return renew(g);
        bide_let run = bide_async(wait_outside, scope);
        int error = bide_run(&run);
        if (bide_error(&run))
            drop_children(g, error);
        return error;
    }
    if (g->fiber != bide__self.fiber)
        bide__panic("bide_scope_wait: the scope opened at %s belongs to another task", g->site);
    bide__group_wait(g);
    int error = renew(g);
    return error ? error : bide__why(g->fiber->cancelled);
}

void bide__scope_leave(struct bide_scope *scope)
{
    bide_scope_wait(scope);
    bide__group_close(&scope->group);
}

void bide_scope_cancel(struct bide_scope *scope)
{
    struct bide__group *g = &scope->group;
    if (g->fiber) {
        bide__cancel_group(g, BIDE__CANCELLED);
    } else {
        g->cancelled |= BIDE__CANCELLED;
        drop_children(g, -ECANCELED);
    }
}

/* The worker of the scope; NULL outside a runtime. */
struct bide__worker *bide__scope_worker(const struct bide_scope *scope, const char *site)
{
    struct bide__worker *w = scope->group.fiber ? scope->group.fiber->worker : NULL;
    if (BIDE__UNLIKELY(w && w != bide__worker()))
        bide__panic("%s: spawn into a scope of another worker", site);
    return w;
}

void *bide__spawn_slot(struct bide_scope *scope, size_t size, const char *site)
{
    struct bide__group *g = &scope->group;
    struct bide__worker *w = bide__scope_worker(scope, site);
    if (g->cancelled)
        return NULL;
    size = bide__spawned_size(size);
    struct bide__spawned *copy = w ? bide__slab_get(&w->slab, size) : bide__alloc(size);
    if (!copy)
        return NULL;
    copy->site = site;
    if (BIDE__INSPECT)
        copy->at = w ? w->clock : 0;
    return &copy->future;
}

int bide__spawn_error(const struct bide_scope *scope)
{
    int why = bide__why(scope->group.cancelled);
    return why ? why : -ENOMEM;
}

void bide__begin_child(struct bide__group *g, struct bide_future *f)
{
    if (g->fiber && bide__list_empty(&g->open)) { /* by hand, and used again */
        g->bindings = g->fiber->bindings;
        bide__list_push(&g->fiber->groups, &g->open);
    }
    if (bide__group_add(g, f) && g->fiber) {
        bide__count(&g->fiber->worker->stats.spawned, 1);
        bide__group_enqueue(g, f);
    }
}

void bide__spawn(struct bide_scope *scope, void *slot)
{
    struct bide_future *f = slot;
    struct bide__group *g = &scope->group;
    const char *site = bide__container(f, struct bide__spawned, future)->site;
    if (BIDE__UNLIKELY(f->state != BIDE_COLD || f->flags & BIDE__QUEUED))
        bide__check_cold(f, "spawn", site);
    f->flags |= g->fiber ? BIDE__HEAP : BIDE__MALLOC;
    bide__begin_child(g, f);
}

int bide__start(struct bide_future *f, const char *site)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber)
        bide__panic("%s: start of future %s outside a runtime", site, f->type->name);
    if (!bide__check_cold(f, "start", site))
        return 0;
    for (struct bide__list *at = fiber->groups.prev; at != &fiber->groups; at = at->prev) {
        struct bide__group *g = bide__container(at, struct bide__group, open);
        if (!(g->policy & POLICY_SCOPE))
            continue;
        if (g->cancelled) {
            bide__fail(f, bide__why(g->cancelled));
            return f->error;
        }
        f->flags |= BIDE__STARTED;
        bide__begin_child(g, f);
        return 0;
    }
    bide__panic("%s: start of future %s without an open scope", site, f->type->name);
}
