/*
 * core/promise.c - promises.
 *
 * phase is a set of bits that change by atomic operations alone:
 *   WAITING   a worker waits; `worker` is valid
 *   CLAIMED   somebody resolves it, or its waiting was cancelled: nobody else may
 *   RESOLVED  the value is written
 *   CANCELLED the waiting was cancelled before anybody resolved it
 */
#include "core/internal.h"

#include <errno.h>
#include <sched.h>

enum { WAITING = 1, CLAIMED = 2, RESOLVED = 4, CANCELLED = 8 };

typedef BIDE_PROMISE(int) any_promise; /* what stands before the value is the same in all */

static struct bide__promise *promise_of(struct bide_future *f)
{
    return &((any_promise *)f)->promise;
}

static struct bide_future *future_of(struct bide__promise *p)
{
    return &bide__container(p, any_promise, promise)->future;
}

static void deliver(struct bide__post *post)
{
    bide_leaf_done(future_of(bide__container(post, struct bide__promise, post)));
}

int bide__promise_claim(struct bide__promise *p)
{
    int before = __atomic_fetch_or(&p->phase, CLAIMED, __ATOMIC_ACQUIRE);
    if (!(before & CLAIMED))
        return 0;
    return before & CANCELLED ? -ECANCELED : -EALREADY;
}

void bide__promise_publish(struct bide_future *f, struct bide__promise *p)
{
    int before = __atomic_fetch_or(&p->phase, RESOLVED, __ATOMIC_ACQ_REL);
    if (!(before & WAITING))
        return;
    if (p->worker == bide__worker()) {
        bide_leaf_done(f);
        return;
    }
    p->post.deliver = deliver;
    bide__post_to(p->worker, &p->post);
}

static enum bide_leaf_start promise_start(struct bide_future *f)
{
    struct bide__promise *p = promise_of(f);
    p->worker = bide__worker();
    int before = __atomic_fetch_or(&p->phase, WAITING, __ATOMIC_ACQ_REL);
    if (before & CANCELLED) { /* it was abandoned: nobody will resolve it */
        f->error = -ECANCELED;
        bide__write_errno(f, -ECANCELED);
        return BIDE_LEAF_DONE;
    }
    return before & RESOLVED ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

/* A resolution that has begun wins, and ends the leaf. */
static void promise_cancel(struct bide_future *f)
{
    struct bide__promise *p = promise_of(f);
    int before = __atomic_load_n(&p->phase, __ATOMIC_RELAXED);
    do {
        if (before & CLAIMED)
            return;
    } while (!__atomic_compare_exchange_n(&p->phase, &before, before | CLAIMED | CANCELLED, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if (p->on_cancel)
        p->on_cancel(p->user);
    bide_leaf_fail(f, bide_leaf_reason(f));
}

/* f is to end without having been waited for. Whoever would resolve it is told, as when a waiting
 * is cancelled. False: it is resolved already, and keeps its value. */
bool bide__promise_abandon(struct bide_future *f)
{
    struct bide__promise *p = promise_of(f);
    int before = __atomic_load_n(&p->phase, __ATOMIC_ACQUIRE);
    for (;;) {
        if (before & (RESOLVED | CANCELLED))
            return before & CANCELLED;
        if (before & CLAIMED) { /* another thread is writing the value */
            sched_yield();
            before = __atomic_load_n(&p->phase, __ATOMIC_ACQUIRE);
        } else if (__atomic_compare_exchange_n(&p->phase, &before, before | CLAIMED | CANCELLED,
                                               false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            break;
        }
    }
    if (p->on_cancel)
        p->on_cancel(p->user);
    return true;
}

const struct bide_leaf_ops bide__promise_ops = { .start = promise_start, .cancel = promise_cancel };
