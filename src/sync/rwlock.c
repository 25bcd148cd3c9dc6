/* sync/rwlock.c - readers and writers in one queue: whoever waits is let in by who leaves. */
#include "sync/wait.h"

#include <bide/rwlock.h>
#include <errno.h>

/* A future of either operation; they are alike. */
_Static_assert(sizeof(struct bide_rwlock_read_future) == sizeof(struct bide_rwlock_write_future),
               "what is cast to the one may be the other");

static struct bide_rwlock_read_future *enter_of(struct bide_future *f)
{
    return (struct bide_rwlock_read_future *)f;
}

static bool writes(const struct bide_future *f)
{
    return f->type == &bide_rwlock_write_type;
}

/* ---- under the lock ---- */

/* writer is NULL for a reader. */
static inline bool may_enter(const struct bide_rwlock *lock, const void *writer)
{
    return !lock->writer && !(writer && lock->readers);
}

/* The same of somebody who comes. */
static inline bool may_enter_first(const struct bide_rwlock *lock, const void *writer)
{
    return bide__queue_empty(&lock->queue) && may_enter(lock, writer);
}

static inline void enter(struct bide_rwlock *lock, const void *writer)
{
    if (writer)
        lock->writer = writer;
    else
        lock->readers++;
}

/* Somebody left, the inside or the queue: those who may enter now. */
static void admit(struct bide_rwlock *lock, struct bide__list *taken)
{
    for (struct bide__wait_future *f; (f = bide__queue_first(&lock->queue));) {
        const void *writer = writes(&f->future) ? enter_of(&f->future)->args.owner : NULL;
        if (!may_enter(lock, writer))
            break;
        if (!bide__waiter_claim(f))
            continue;
        enter(lock, writer);
        bide__queue_take_to(f, 0, taken);
    }
}

/* ---- entering ---- */

static enum bide_leaf_start enter_start(struct bide_future *future)
{
    struct bide_rwlock_read_future *f = enter_of(future);
    struct bide_rwlock *lock = f->args.lock;
    const void *owner = bide__holder_of(future);
    const void *writer = writes(future) ? owner : NULL;
    f->args.owner = owner;
    f->value = 0;
    bide__lock(&lock->lock);
    bool own = lock->writer == owner, may = may_enter_first(lock, writer);
    bool entered = may && bide__claim(future);
    if (entered)
        enter(lock, writer);
    else if (may)
        bide__queue_none(future);
    else if (!own)
        bide__queue_push(&lock->queue, future);
    bide__unlock(&lock->lock);
    if (own)
        bide__panic("%s: %s: this task holds the lock", bide_current_name(), future->type->name);
    return entered ? BIDE_LEAF_DONE : BIDE_LEAF_PENDING;
}

static void enter_cancel(struct bide_future *future)
{
    struct bide_rwlock *lock = enter_of(future)->args.lock;
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&lock->lock);
    bool left = bide__queue_leave(future);
    if (left)
        admit(lock, &taken);
    bide__unlock(&lock->lock);
    if (left)
        bide_leaf_fail(future, bide_leaf_reason(future));
    bide__waiters_wake(&taken);
}

static void enter_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_rwlock *lock = ((const struct bide_rwlock_read_future *)f)->args.lock;
    const char *purpose = writes(f) ? "write" : "read";
    bide__lock(&lock->lock);
    unsigned readers = lock->readers;
    to->holder = lock->writer;
    bide__unlock(&lock->lock);
    if (readers)
        bide__say(to, "rwlock to %s, with %u reader%s inside", purpose, readers,
                  readers == 1 ? "" : "s");
    else
        bide__say(to, "rwlock to %s", purpose);
}

static const struct bide_leaf_ops enter_ops = { enter_start, enter_cancel, bide__waiter_block,
                                                enter_describe };
const struct bide_type bide_rwlock_read_type = BIDE_LEAF_TYPE(bide_rwlock_read, &enter_ops);
const struct bide_type bide_rwlock_write_type = BIDE_LEAF_TYPE(bide_rwlock_write, &enter_ops);

static inline bool try_enter(struct bide_rwlock *lock, const void *writer)
{
    bide__lock(&lock->lock);
    bool entered = may_enter_first(lock, writer);
    if (entered)
        enter(lock, writer);
    bide__unlock(&lock->lock);
    return entered;
}

int bide_rwlock_read(struct bide_rwlock *lock)
{
    if (bide__may_be_quick() && try_enter(lock, NULL))
        return 0;
    return bide_await(bide_rwlock_read_async(lock));
}

int bide_rwlock_write(struct bide_rwlock *lock)
{
    if (bide__may_be_quick() && try_enter(lock, bide__holder(bide__self.fiber)))
        return 0;
    return bide_await(bide_rwlock_write_async(lock));
}

int bide_rwlock_try_read(struct bide_rwlock *lock)
{
    return try_enter(lock, NULL) ? 0 : -EBUSY;
}

int bide_rwlock_try_write(struct bide_rwlock *lock)
{
    return try_enter(lock, bide__holder(bide__self.fiber)) ? 0 : -EBUSY;
}

/* ---- leaving ---- */

void bide_rwlock_unlock(struct bide_rwlock *lock)
{
    struct bide__list taken;
    bide__list_init(&taken);
    bide__lock(&lock->lock);
    bool locked = lock->writer || lock->readers;
    if (lock->writer)
        lock->writer = NULL;
    else if (locked)
        lock->readers--;
    admit(lock, &taken);
    bide__unlock(&lock->lock);
    if (!locked)
        bide__panic("%s: bide_rwlock_unlock: the lock is not locked", bide_current_name());
    bide__waiters_wake(&taken);
}
