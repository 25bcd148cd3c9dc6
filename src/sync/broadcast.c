/*
 * sync/broadcast.c - messages for all.
 *
 * Messages have numbers. A subscriber is nothing but the number that it receives next, so nobody
 * keeps a list of them; only those who wait are known. They wait for the number that comes next.
 */
#include "sync/copy.h"
#include "sync/wait.h"

#include <bide/broadcast.h>
#include <errno.h>

enum { WAIT = 1, LOST };

static struct bide_broadcast_recv_future *recv_of(struct bide_future *f)
{
    return (struct bide_broadcast_recv_future *)f;
}

/* ---- under the lock ---- */

static inline char *slot(const struct bide_broadcast *b, uint64_t number)
{
    return b->ring + number % b->capacity * b->value_size;
}

/* There is something for s that it has not received. */
static int receive(const struct bide_broadcast *b, struct bide_subscriber *s, void *ret_value,
                   uint64_t *ret_missed)
{
    uint64_t oldest = b->sent > b->capacity ? b->sent - b->capacity : 0;
    uint64_t missed = s->next < oldest ? oldest - s->next : 0;
    s->next += missed;
    if (missed && !b->latest) {
        if (ret_missed)
            *ret_missed = missed;
        return -EOVERFLOW;
    }
    bide__copy(ret_value, slot(b, s->next), b->value_size);
    s->next++;
    return 0;
}

/* 0, an error, WAIT, or LOST: it is in a race that another one has won. f is NULL when there is no
 * future yet. */
static int look(const struct bide_broadcast *b, struct bide_subscriber *s, void *ret_value,
                uint64_t *ret_missed, struct bide_future *f)
{
    if (s->next == b->sent)
        return b->closed ? -EPIPE : WAIT;
    if (f && !bide__claim(f))
        return LOST;
    return receive(b, s, ret_value, ret_missed);
}

/* The first of those who wait, when there is something for it to learn; else NULL. Each came when
 * it had received everything: those behind one that has, have too. */
static struct bide__wait_future *first_behind(const struct bide_broadcast *b)
{
    struct bide__wait_future *f = bide__queue_first(&b->receivers);
    bool behind = f && (b->closed || recv_of(&f->future)->args.subscriber->next != b->sent);
    return behind ? f : NULL;
}

static struct bide__wait_future *take_one(const struct bide_broadcast *b)
{
    for (struct bide__wait_future *f; (f = first_behind(b));) {
        struct bide_broadcast_recv_future *recv = recv_of(&f->future);
        struct bide_subscriber *s = recv->args.subscriber;
        if (s->next == b->sent) {
            bide__queue_take(f, -EPIPE);
            return f;
        }
        if (bide__waiter_claim(f)) {
            bide__queue_take(f, receive(b, s, recv->args.ret_value, recv->args.ret_missed));
            return f;
        }
    }
    return NULL;
}

/* Takes those who wait one by one, however many they are, and wakes them. Called with the lock, and
 * gives it back; when the last one knows, *b is not touched again. */
static void tell_all_and_unlock(struct bide_broadcast *b)
{
    for (;;) {
        struct bide__wait_future *f = take_one(b);
        bool more = f && first_behind(b);
        bide__unlock(&b->lock);
        if (f)
            bide__waiter_wake(f);
        if (!more)
            return;
        bide__lock(&b->lock);
    }
}

/* ---- sending ---- */

int bide_broadcast_send(struct bide_broadcast *broadcast, const void *value)
{
    bide__lock(&broadcast->lock);
    if (broadcast->closed) {
        bide__unlock(&broadcast->lock);
        return -EPIPE;
    }
    bide__copy(slot(broadcast, broadcast->sent), value, broadcast->value_size);
    broadcast->sent++;
    tell_all_and_unlock(broadcast);
    return 0;
}

void bide_broadcast_close(struct bide_broadcast *broadcast)
{
    bide__lock(&broadcast->lock);
    broadcast->closed = 1;
    tell_all_and_unlock(broadcast);
}

/* ---- receiving ---- */

static enum bide_leaf_start recv_start(struct bide_future *future)
{
    struct bide_broadcast_recv_future *f = recv_of(future);
    struct bide_broadcast *b = f->args.subscriber->broadcast;
    bide__lock(&b->lock);
    int result = look(b, f->args.subscriber, f->args.ret_value, f->args.ret_missed, future);
    if (result == WAIT)
        bide__queue_push(&b->receivers, future);
    else if (result == LOST)
        bide__queue_none(future);
    else
        f->value = result;
    bide__unlock(&b->lock);
    return result > 0 ? BIDE_LEAF_PENDING : BIDE_LEAF_DONE;
}

static void recv_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &recv_of(f)->args.subscriber->broadcast->lock);
}

static void recv_describe(const struct bide_future *f, struct bide_description *to)
{
    struct bide_broadcast *b =
        ((const struct bide_broadcast_recv_future *)f)->args.subscriber->broadcast;
    bide__lock(&b->lock);
    uint64_t sent = b->sent;
    bide__unlock(&b->lock);
    bide__say(to, "%s, of which %llu were sent", b->latest ? "value of a watch" : "broadcast",
              (unsigned long long)sent);
}

static const struct bide_leaf_ops recv_ops = { recv_start, recv_cancel, bide__waiter_block,
                                               recv_describe };
const struct bide_type bide_broadcast_recv_type = BIDE_LEAF_TYPE(bide_broadcast_recv, &recv_ops);

static inline int try_recv(struct bide_subscriber *s, void *ret_value, uint64_t *ret_missed)
{
    struct bide_broadcast *b = s->broadcast;
    bide__lock(&b->lock);
    int result = look(b, s, ret_value, ret_missed, NULL);
    bide__unlock(&b->lock);
    return result;
}

int bide_broadcast_recv(struct bide_subscriber *subscriber, void *ret_value, uint64_t *ret_missed)
{
    int result = bide__may_be_quick() ? try_recv(subscriber, ret_value, ret_missed) : WAIT;
    if (result != WAIT)
        return result;
    return bide_await(bide_broadcast_recv_async(subscriber, ret_value, ret_missed));
}

int bide_broadcast_try_recv(struct bide_subscriber *subscriber, void *ret_value,
                            uint64_t *ret_missed)
{
    int result = try_recv(subscriber, ret_value, ret_missed);
    return result == WAIT ? -EAGAIN : result;
}

struct bide_subscriber bide_broadcast_subscribe(struct bide_broadcast *broadcast)
{
    bide__lock(&broadcast->lock);
    struct bide_subscriber s = { .broadcast = broadcast, .next = broadcast->sent };
    bide__unlock(&broadcast->lock);
    return s;
}

/* ---- life ---- */

int bide_broadcast_init(struct bide_broadcast *broadcast, size_t value_size, size_t capacity)
{
    size_t bytes;
    if (!capacity)
        return -EINVAL;
    if (__builtin_mul_overflow(value_size, capacity, &bytes))
        return -ENOMEM;
    *broadcast = (struct bide_broadcast){ .value_size = value_size, .capacity = capacity };
    broadcast->ring = bide__alloc(bytes ? bytes : 1);
    return broadcast->ring ? 0 : -ENOMEM;
}

void bide_broadcast_release(struct bide_broadcast *broadcast)
{
    bide__lock(&broadcast->lock);
    bool used = !bide__queue_empty(&broadcast->receivers);
    bide__unlock(&broadcast->lock);
    if (used)
        bide__panic("%s: %s: somebody waits", bide_current_name(),
                    broadcast->latest ? "bide_watch_release" : "bide_broadcast_release");
    bide__free(broadcast->ring);
    broadcast->ring = NULL;
}
