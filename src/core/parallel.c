/*
 * core/parallel.c - children of a scope that may run on another worker.
 *
 * The owner is the worker of the scope; the runner the one that took the child from a ring. What
 * belongs to whom: the group, its list and the copy's memory are always the owner's. The future
 * itself is the owner's until it is claimed, then the runner's until its end has been posted back,
 * then the owner's again. `claim` decides between the runner that takes it and the owner that
 * cancels it first.
 */
#include "core/internal.h"
#include "core/ring.h"

#include <errno.h>

enum { UNCLAIMED, CLAIMED, WITHDRAWN };

static struct bide__parallel *parallel_of(struct bide_future *f)
{
    return bide__container(f, struct bide__parallel, spawned.future);
}

static size_t parallel_size(const struct bide__parallel *p)
{
    return offsetof(struct bide__parallel, spawned.future) + p->size;
}

/* ---- spawning ---- */

void *bide__spawn_parallel_slot(struct bide_scope *scope, size_t size, const char *site)
{
    struct bide__group *g = &scope->group;
    struct bide__worker *w = bide__scope_worker(scope, site);
    if (g->cancelled)
        return NULL;
    size_t whole = offsetof(struct bide__parallel, spawned.future) + size;
    struct bide__parallel *p = w ? bide__slab_get(&w->slab, whole) : bide__alloc(whole);
    if (!p)
        return NULL;
    p->owner = w;
    p->runner = NULL;
    p->size = size;
    p->claim = UNCLAIMED;
    p->why = p->why_posted = 0;
    p->shared = p->over = p->ended = p->under_way = p->withdrawn = p->cancelling = false;
    p->placed = false;
    p->spawned.site = site;
    p->spawned.at = w ? w->clock : 0;
    return &p->spawned.future;
}

/* Make f a child of the scope that may run elsewhere. NULL: it has begun here, or is over. */
static struct bide__team *share(struct bide_scope *scope, struct bide_future *f)
{
    struct bide__group *g = &scope->group;
    struct bide__parallel *p = parallel_of(f);
    struct bide__worker *w = p->owner;
    bide__check_cold(f, "spawn", p->spawned.site);
    f->flags |= BIDE__PARALLEL | (w ? BIDE__HEAP : BIDE__MALLOC);
    p->type = f->type;
    struct bide__team *team = w ? bide__team_of(w) : NULL;
    if (!team) {
        bide__begin_child(g, f);
        return NULL;
    }
    p->shared = p->under_way = true;
    if (!bide__group_add(g, f))
        return NULL;
    bide__count(&w->stats.spawned, 1);
    bide__list_remove(&f->sibling);
    bide__list_push(&g->parallel, &f->sibling);
    return team;
}

static void push(struct bide__worker *w, struct bide__team *team, struct bide_future *f)
{
    if (bide__list_empty(&w->overflow) && bide__ring_push(w->ring, f))
        bide__wake_one(team);
    else
        bide__list_push(&w->overflow, &f->ready);
}

void bide__spawn_parallel(struct bide_scope *scope, void *slot)
{
    struct bide_future *f = slot;
    struct bide__team *team = share(scope, f);
    if (team)
        push(parallel_of(f)->owner, team, f);
}

static void deliver_placed(struct bide__post *post)
{
    struct bide__parallel *p = bide__container(post, struct bide__parallel, post);
    bide__parallel_begin(bide__worker(), &p->spawned.future);
}

/* Until all workers run, whoever begins to takes it. */
void bide__spawn_spread(struct bide_scope *scope, void *slot)
{
    struct bide_future *f = slot;
    struct bide__team *team = share(scope, f);
    if (!team)
        return;
    struct bide__parallel *p = parallel_of(f);
    struct bide__worker *to = bide__least_placed(p->owner);
    if (!to) {
        push(p->owner, team, f);
        return;
    }
    p->placed = true;
    __atomic_add_fetch(&to->placed, 1, __ATOMIC_RELAXED);
    if (to == p->owner) {
        bide__parallel_begin(to, f);
    } else {
        p->post.deliver = deliver_placed;
        bide__post_later(p->owner, to, &p->post);
    }
}

/* ---- running ---- */

static void release(struct bide__parallel *p)
{
    if (p->ended && !p->under_way && !p->cancelling)
        bide__slab_put(&p->owner->slab, p, parallel_size(p));
}

static void deliver_withdrawn(struct bide__post *post)
{
    struct bide__parallel *p = bide__container(post, struct bide__parallel, post);
    p->under_way = false;
    release(p);
}

/* The calling worker has one child less that was placed on it. */
static void leave_place(const struct bide__parallel *p)
{
    if (p->placed)
        __atomic_sub_fetch(&bide__worker()->placed, 1, __ATOMIC_RELAXED);
}

/* Taken from a ring, or placed on w: it is to begin here. */
void bide__parallel_begin(struct bide__worker *w, struct bide_future *f)
{
    struct bide__parallel *p = parallel_of(f);
    int unclaimed = UNCLAIMED;
    __atomic_store_n(&p->runner, w, __ATOMIC_RELAXED);
    if (!__atomic_compare_exchange_n(&p->claim, &unclaimed, CLAIMED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        leave_place(p);
        p->post.deliver = deliver_withdrawn;
        if (p->owner == w)
            deliver_withdrawn(&p->post);
        else
            bide__post_later(w, p->owner, &p->post);
        return;
    }
    if (p->owner != w)
        bide__list_push(&w->adopted, &p->adopted);
    bide__list_init(&f->ready);
    if (!f->type->leaf) {
        bide__list_push(&w->ready, &f->ready);
        return;
    }
    f->flags &= (uint8_t)~BIDE__QUEUED;
    f->parent = f->group->frame;
    bide__begin_leaf(f, &w->root);
}

static void deliver_end(struct bide__post *post)
{
    struct bide__parallel *p = bide__container(post, struct bide__parallel, post);
    bide__child_left(&p->spawned.future);
}

/* Runner: f is over. True when its owner is told, which goes on from there. */
bool bide__parallel_ended(struct bide_future *f)
{
    struct bide__parallel *p = parallel_of(f);
    if (!p->withdrawn && __atomic_load_n(&p->claim, __ATOMIC_RELAXED) == CLAIMED)
        leave_place(p);
    if (!p->shared || p->owner == bide__worker())
        return false;
    bide__list_remove(&p->adopted);
    p->over = true;
    p->post.deliver = deliver_end;
    bide__post_later(bide__worker(), p->owner, &p->post);
    return true;
}

/* Owner: the child has left its group; its memory goes when nobody else knows it any more. */
void bide__parallel_free(struct bide_future *f)
{
    struct bide__parallel *p = parallel_of(f);
    if (!p->owner) {
        bide__free(p);
        return;
    }
    p->ended = true;
    if (!p->withdrawn)
        p->under_way = false;
    release(p);
}

struct bide__worker *bide__parallel_runner(const struct bide_future *f)
{
    const struct bide__parallel *p = bide__container(f, struct bide__parallel, spawned.future);
    if (__atomic_load_n(&p->claim, __ATOMIC_ACQUIRE) != CLAIMED)
        return NULL;
    return __atomic_load_n(&p->runner, __ATOMIC_RELAXED);
}

/* ---- cancelling ---- */

static void post_cancel(struct bide__parallel *p);

static void deliver_cancelled(struct bide__post *post)
{
    struct bide__parallel *p = bide__container(post, struct bide__parallel, cancel);
    p->cancelling = false;
    if (!p->ended && p->why & ~p->why_posted)
        post_cancel(p);
    release(p);
}

static void deliver_cancel(struct bide__post *post)
{
    struct bide__parallel *p = bide__container(post, struct bide__parallel, cancel);
    if (!p->over)
        bide__cancel_why(&p->spawned.future, p->why_posted);
    post->deliver = deliver_cancelled;
    bide__post_later(bide__worker(), p->owner, post);
}

static void post_cancel(struct bide__parallel *p)
{
    p->cancelling = true;
    p->why_posted = p->why;
    p->cancel.deliver = deliver_cancel;
    bide__post_later(p->owner, p->runner, &p->cancel);
}

/* Owner: the group of f is cancelled. */
void bide__parallel_cancel(struct bide_future *f, int why)
{
    struct bide__parallel *p = parallel_of(f);
    int unclaimed = UNCLAIMED;
    if (__atomic_compare_exchange_n(&p->claim, &unclaimed, WITHDRAWN, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        p->withdrawn = true;
        f->flags &= (uint8_t)~BIDE__QUEUED;
        bide__fail(f, bide__why(why));
        bide__child_ended(f);
        return;
    }
    if (__atomic_load_n(&p->runner, __ATOMIC_RELAXED) == p->owner) {
        bide__cancel_one(f, why);
        return;
    }
    p->why |= why;
    if (!p->cancelling && p->why & ~p->why_posted)
        post_cancel(p);
}
