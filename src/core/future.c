/* core/future.c - driving one future here, and the protocol of leaves. */
#include "core/internal.h"

#include <errno.h>
#include <string.h>

__thread struct bide__self bide__self;

int bide__why(int bits)
{
    if (!(bits & WHY))
        return 0;
    return bits & BIDE__CANCELLED ? -ECANCELED : -ETIMEDOUT;
}

void bide__write_errno(struct bide_future *f, int error)
{
    if (!f->type->errno_value)
        return;
    void *value = (char *)f + f->type->value_offset;
    if (f->type->value_size == sizeof(int))
        memcpy(value, &(int){ error }, sizeof(int));
    else
        memcpy(value, &(long long){ error }, sizeof(long long));
}

/* The value of f, when it is one that means an error; else 0. */
int bide__value_error(const struct bide_future *f)
{
    if (!f->type->errno_value)
        return 0;
    const void *value = (const char *)f + f->type->value_offset;
    long long number;
    if (f->type->value_size == sizeof(int)) {
        int n;
        memcpy(&n, value, sizeof(n));
        number = n;
    } else {
        memcpy(&number, value, sizeof(number));
    }
    return number < 0 ? (int)number : 0;
}

void bide__fail(struct bide_future *f, int error)
{
    if (f->type->leaf == &bide__promise_ops && !bide__promise_abandon(f)) {
        f->state = BIDE_DONE;
        return;
    }
    f->state = BIDE_COLD;
    f->error = error;
    bide__write_errno(f, error);
}

/* True: it is cold. False: it is done, and there is nothing to drive. */
bool bide__check_cold(const struct bide_future *f, const char *verb, const char *site)
{
    if (f->state == BIDE_RUNNING || f->flags & BIDE__QUEUED)
        bide__panic("%s: %s of future %s, which is running already", site, verb, f->type->name);
    return f->state == BIDE_COLD;
}

/* ---- leaves ---- */

/* Start a leaf for fiber, which waits for it itself or through f's group. */
void bide__begin_leaf(struct bide_future *f, struct bide__fiber *fiber)
{
    f->fiber = fiber;
    f->state = BIDE_RUNNING;
    if (f->type->leaf->start(f) == BIDE_LEAF_DONE)
        bide_leaf_done(f);
}

/* A part has ended, or goes on as a function. */
static void tell_whole(struct bide_future *part)
{
    struct bide_future *f = part->parent;
    bide__container(f->type->leaf, struct bide_parts_ops, leaf)->part_ended(f, part);
}

void bide_leaf_done(struct bide_future *f)
{
    bide__assert(f->state == BIDE_RUNNING && f->type->leaf);
    f->state = BIDE_DONE;
    if (f->group)
        bide__child_ended(f);
    else if (BIDE__UNLIKELY(f->flags & BIDE__PART))
        tell_whole(f);
    else
        bide__wake(f->fiber);
}

void bide_leaf_fail(struct bide_future *f, int error)
{
    f->error = error;
    bide__write_errno(f, error);
    bide_leaf_done(f);
}

int bide_leaf_reason(const struct bide_future *f)
{
    return bide__why(f->flags);
}

enum bide_leaf_start bide_leaf_begin(struct bide_future *f, struct bide_future *part)
{
    bide__assert(part->type->leaf && part->state != BIDE_RUNNING);
    if (part->state == BIDE_DONE)
        return BIDE_LEAF_DONE;
    part->flags = BIDE__PART;
    part->error = 0;
    part->parent = f;
    part->group = NULL;
    part->fiber = f->fiber;
    part->state = BIDE_RUNNING;
    if (part->type->leaf->start(part) == BIDE_LEAF_PENDING)
        return BIDE_LEAF_PENDING;
    part->state = BIDE_DONE;
    return BIDE_LEAF_DONE;
}

void bide_leaf_cancel(struct bide_future *f, struct bide_future *part)
{
    if (part->state == BIDE_RUNNING)
        bide__cancel_one(part, f->flags & WHY);
}

/* In a group it queues for a runner; a part is its leaf's affair; else who waits for it runs it. */
void bide_leaf_run(struct bide_future *f, const struct bide_type *type)
{
    bide__assert(f->state == BIDE_RUNNING && f->type->leaf && type->run);
    f->type = type;
    if (f->group) {
        f->flags |= BIDE__QUEUED;
        bide__list_push(&bide__worker()->ready, &f->ready);
    } else if (f->flags & BIDE__PART) {
        f->state = BIDE_COLD;
        f->flags = 0; /* a cancellation is in the leaf's own */
        tell_whole(f);
    } else {
        bide__wake(f->fiber);
    }
}

/* Outside a runtime. */
static void block_on_leaf(struct bide_future *f, const char *site)
{
    if (!f->type->leaf->block) {
        bide__run(NULL, f, site);
        return;
    }
    f->state = BIDE_RUNNING;
    f->type->leaf->block(f);
    f->state = BIDE_DONE;
}

/* f begins with a cancellation: as a leaf it was asked to end, and went on as a function. */
void bide__begun_cancelled(struct bide__fiber *fiber)
{
    fiber->marked = 1;
    fiber->cancelled = (uint8_t)bide__seen_from(bide__self.current, fiber);
}

static void await_function(struct bide_future *f);

static void await_leaf(struct bide_future *f, const char *site)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber) {
        block_on_leaf(f, site);
        return;
    }
    if (fiber->cancelled) {
        bide__fail(f, bide__why(fiber->cancelled));
        return;
    }
    f->parent = bide__self.current;
    f->fiber = fiber;
    f->state = BIDE_RUNNING;
    if (f->type->leaf->start(f) == BIDE_LEAF_DONE) {
        f->state = BIDE_DONE;
        if (--fiber->worker->budget < 0)
            bide__give_way(fiber);
        return;
    }
    fiber->leaf = f;
    while (f->state == BIDE_RUNNING && f->type->leaf)
        bide__park(fiber);
    fiber->leaf = NULL;
    if (f->state == BIDE_RUNNING)
        await_function(f);
}

/* ---- functions ---- */

static void await_function(struct bide_future *f)
{
    struct bide_future *up = bide__self.current;
    f->parent = up;
    f->state = BIDE_RUNNING;
    bide__self.current = f;
    if (f->flags & WHY)
        bide__begun_cancelled(bide__self.fiber);
    f->type->run(f);
    bide__self.current = up;
    f->state = BIDE_DONE;
    if (f->flags & WHY)
        bide__unwound();
}

/* A future that was cancelled has ended: what is left of its cancellation is what its callers
 * share. */
void bide__unwound(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (fiber)
        fiber->cancelled = (uint8_t)bide__seen_from(bide__self.current, fiber);
}

/* bide_start began it: its group wakes all that wait so at each end of a child. */
static void await_started(struct bide_future *f)
{
    struct bide__fiber *fiber = bide__self.fiber;
    while (!bide__done(f)) {
        bide__list_push(&f->group->awaiters, &fiber->link);
        bide__park(fiber);
    }
}

void bide__await_slow(struct bide_future *f, const char *site)
{
    if (f->state == BIDE_DONE)
        return;
    if (f->flags & BIDE__STARTED && bide__self.fiber) {
        await_started(f);
        return;
    }
    bide__check_cold(f, "await", site);
    if (f->flags & WHY) {
        bide__fail(f, bide__why(f->flags));
        return;
    }
    f->error = 0;
    if (f->type->leaf)
        await_leaf(f, site);
    else
        await_function(f);
}
