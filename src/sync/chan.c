/*
 * sync/chan.c - channels.
 *
 * A send gives its value to the receiver that waits longest, without a stop in the ring; a receive
 * fills the room that it makes with the value of the sender that waits longest. So receivers wait
 * only while nothing is there, and senders only while the ring is full; without capacity it always
 * is.
 */
#include "sync/copy.h"
#include "sync/wait.h"

#include <bide/chan.h>
#include <errno.h>

enum { WAIT = 1, LOST, FIRST_ROOM = 8 };

static struct bide_chan_send_future *send_of(struct bide_future *f)
{
    return (struct bide_chan_send_future *)f;
}

static struct bide_chan_recv_future *recv_of(struct bide_future *f)
{
    return (struct bide_chan_recv_future *)f;
}

/* ---- the ring ---- */

static void set_ring(struct bide_chan *c, char *ring, size_t room)
{
    c->room = room;
    c->ring = c->oldest = ring;
    c->end = ring + room * c->value_size;
    c->vacant = ring + c->count * c->value_size;
}

/* A new ring, in which the values of the old one, which is full, are in order. */
static bool set_room(struct bide_chan *c, size_t room)
{
    size_t bytes;
    if (__builtin_mul_overflow(room, c->value_size, &bytes))
        return false;
    char *ring = bide__alloc(bytes ? bytes : 1);
    if (!ring)
        return false;
    if (c->ring) {
        size_t older = (size_t)(c->end - c->oldest), newer = (size_t)(c->oldest - c->ring);
        memcpy(ring, c->oldest, older);
        memcpy(ring + older, c->ring, newer);
        bide__free(c->ring);
    }
    set_ring(c, ring, room);
    return true;
}

static inline void set_count(struct bide_chan *c, size_t count)
{
    __atomic_store_n(&c->count, count, __ATOMIC_RELAXED);
}

static inline char *after(const struct bide_chan *c, char *slot)
{
    slot += c->value_size;
    return slot == c->end ? c->ring : slot;
}

static inline int put(struct bide_chan *c, const void *value)
{
    if (BIDE__UNLIKELY(c->count == c->room) && !set_room(c, c->room ? 2 * c->room : FIRST_ROOM))
        return -ENOMEM;
    bide__copy(c->vacant, value, c->value_size);
    c->vacant = after(c, c->vacant);
    set_count(c, c->count + 1);
    return 0;
}

static inline void get(struct bide_chan *c, void *ret_value)
{
    bide__copy(ret_value, c->oldest, c->value_size);
    c->oldest = after(c, c->oldest);
    set_count(c, c->count - 1);
}

/* ---- under the lock: 0, an error, or WAIT; and whom to wake ---- */

static inline void set_closed(struct bide_chan *c)
{
    __atomic_store_n(&c->closed, 1, __ATOMIC_RELAXED);
}

static inline int give(struct bide_chan *c, const void *value, struct bide__wait_future **ret_other)
{
    if (c->closed)
        return -EPIPE;
    struct bide__wait_future *receiver = bide__queue_claim(&c->receivers);
    if (receiver) {
        bide__copy(recv_of(&receiver->future)->args.ret_value, value, c->value_size);
        bide__queue_take(receiver, 0);
        *ret_other = receiver;
        return 0;
    }
    return c->count < c->capacity ? put(c, value) : WAIT;
}

/* f is NULL when there is no future yet. LOST: it is in a race that another receive has won. */
static inline int take(struct bide_chan *c, void *ret_value, struct bide_future *f,
                       struct bide__wait_future **ret_other)
{
    struct bide__wait_future *sender = c->closed ? NULL : bide__queue_first(&c->senders);
    const void *sent = sender ? send_of(&sender->future)->args.value : NULL;
    if (!c->count && !sender)
        return c->closed ? -EPIPE : WAIT;
    if (f && !bide__claim(f))
        return LOST;
    if (c->count) {
        get(c, ret_value);
        if (sender)
            put(c, sent);
    } else {
        bide__copy(ret_value, sent, c->value_size);
    }
    if (sender) {
        bide__queue_take(sender, 0);
        *ret_other = sender;
    }
    return 0;
}

/* ---- sending ---- */

static enum bide_leaf_start send_start(struct bide_future *future)
{
    struct bide_chan_send_future *f = send_of(future);
    struct bide_chan *c = f->args.chan;
    struct bide__wait_future *receiver = NULL;
    bide__lock(&c->lock);
    int result = give(c, f->args.value, &receiver);
    if (result == WAIT)
        bide__queue_push(&c->senders, future);
    else
        f->value = result;
    bide__unlock(&c->lock);
    if (receiver)
        bide__waiter_wake(receiver);
    return result == WAIT ? BIDE_LEAF_PENDING : BIDE_LEAF_DONE;
}

static void send_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &send_of(f)->args.chan->lock);
}

static void describe(struct bide_chan *c, const char *what, struct bide_description *to)
{
    bide__lock(&c->lock);
    size_t count = c->count;
    const char *closed = c->closed ? ", closed" : "";
    bide__unlock(&c->lock);
    if (c->capacity == BIDE_CHAN_UNBOUNDED)
        bide__say(to, "%s an unbounded channel with %zu values%s", what, count, closed);
    else
        bide__say(to, "%s a channel with %zu of %zu values%s", what, count, c->capacity, closed);
}

static void send_describe(const struct bide_future *f, struct bide_description *to)
{
    describe(((const struct bide_chan_send_future *)f)->args.chan, "send to", to);
}

static const struct bide_leaf_ops send_ops = { send_start, send_cancel, bide__waiter_block,
                                               send_describe };
const struct bide_type bide_chan_send_type = BIDE_LEAF_TYPE(bide_chan_send, &send_ops);

static inline int try_send(struct bide_chan *c, const void *value)
{
    struct bide__wait_future *receiver = NULL;
    bide__lock(&c->lock);
    int result = give(c, value, &receiver);
    bide__unlock(&c->lock);
    if (receiver)
        bide__waiter_wake(receiver);
    return result;
}

static __attribute__((noinline)) int send_slowly(struct bide_chan *c, const void *value)
{
    return bide_await(bide_chan_send_async(c, value));
}

int bide_chan_send(struct bide_chan *chan, const void *value)
{
    if (BIDE__UNLIKELY(!bide__may_be_quick()))
        return send_slowly(chan, value);
    struct bide_chan_send_future f;
    struct bide__wait_future *receiver = NULL;
    bide__lock(&chan->lock);
    int result = give(chan, value, &receiver);
    if (result == WAIT) {
        f.future.type = &bide_chan_send_type;
        f.args.chan = chan;
        f.args.value = value;
        bide__wait_begin(&f.future);
        bide__queue_push(&chan->senders, &f.future);
    }
    bide__unlock(&chan->lock);
    if (receiver)
        bide__waiter_wake(receiver);
    return result == WAIT ? bide__wait_end(&f.future) : result;
}

int bide_chan_try_send(struct bide_chan *chan, const void *value)
{
    int result = try_send(chan, value);
    return result == WAIT ? -EAGAIN : result;
}

/* ---- receiving ---- */

static enum bide_leaf_start recv_start(struct bide_future *future)
{
    struct bide_chan_recv_future *f = recv_of(future);
    struct bide_chan *c = f->args.chan;
    struct bide__wait_future *sender = NULL;
    bide__lock(&c->lock);
    int result = take(c, f->args.ret_value, future, &sender);
    if (result == WAIT)
        bide__queue_push(&c->receivers, future);
    else if (result == LOST)
        bide__queue_none(future);
    else
        f->value = result;
    bide__unlock(&c->lock);
    if (sender)
        bide__waiter_wake(sender);
    return result > 0 ? BIDE_LEAF_PENDING : BIDE_LEAF_DONE;
}

static void recv_cancel(struct bide_future *f)
{
    bide__waiter_cancel(f, &recv_of(f)->args.chan->lock);
}

static void recv_describe(const struct bide_future *f, struct bide_description *to)
{
    describe(((const struct bide_chan_recv_future *)f)->args.chan, "receive from", to);
}

static const struct bide_leaf_ops recv_ops = { recv_start, recv_cancel, bide__waiter_block,
                                               recv_describe };
const struct bide_type bide_chan_recv_type = BIDE_LEAF_TYPE(bide_chan_recv, &recv_ops);

static inline int try_recv(struct bide_chan *c, void *ret_value)
{
    struct bide__wait_future *sender = NULL;
    bide__lock(&c->lock);
    int result = take(c, ret_value, NULL, &sender);
    bide__unlock(&c->lock);
    if (sender)
        bide__waiter_wake(sender);
    return result;
}

static __attribute__((noinline)) int recv_slowly(struct bide_chan *c, void *ret_value)
{
    return bide_await(bide_chan_recv_async(c, ret_value));
}

int bide_chan_recv(struct bide_chan *chan, void *ret_value)
{
    if (BIDE__UNLIKELY(!bide__may_be_quick()))
        return recv_slowly(chan, ret_value);
    struct bide_chan_recv_future f;
    struct bide__wait_future *sender = NULL;
    bide__lock(&chan->lock);
    int result = take(chan, ret_value, NULL, &sender);
    if (result == WAIT) {
        f.future.type = &bide_chan_recv_type;
        f.args.chan = chan;
        f.args.ret_value = ret_value;
        bide__wait_begin(&f.future);
        bide__queue_push(&chan->receivers, &f.future);
    }
    bide__unlock(&chan->lock);
    if (sender)
        bide__waiter_wake(sender);
    if (result == WAIT)
        result = bide__wait_end(&f.future);
#ifdef BIDE_CANARY /* a bug for ./dev sim to find: what was received is forgotten */
    if (bide_cancelled())
        result = bide_cancelled();
#endif
    return result;
}

int bide_chan_try_recv(struct bide_chan *chan, void *ret_value)
{
    int result = try_recv(chan, ret_value);
    return result == WAIT ? -EAGAIN : result;
}

/* ---- life ---- */

int bide_chan_init(struct bide_chan *chan, size_t value_size, size_t capacity)
{
    *chan = (struct bide_chan){ .value_size = value_size, .capacity = capacity };
    if (capacity == 0 || capacity == BIDE_CHAN_UNBOUNDED)
        return 0;
    return set_room(chan, capacity) ? 0 : -ENOMEM;
}

void bide_chan_init_in(struct bide_chan *chan, size_t value_size, size_t capacity, void *memory)
{
    if (capacity == BIDE_CHAN_UNBOUNDED)
        bide__panic("%s: bide_chan_init_in: no memory is enough for an unbounded channel",
                    bide_current_name());
    *chan = (struct bide_chan){ .value_size = value_size, .capacity = capacity, .lent = 1 };
    set_ring(chan, memory ? memory : (void *)chan, capacity); /* of no bytes it is anywhere */
}

static bool waited_for(const struct bide_chan *c)
{
    return !bide__queue_empty(&c->senders) || !bide__queue_empty(&c->receivers);
}

void bide_chan_release(struct bide_chan *chan)
{
    bide__lock(&chan->lock);
    bool used = waited_for(chan);
    bide__unlock(&chan->lock);
    if (used)
        bide__panic("%s: bide_chan_release: somebody waits to send or receive",
                    bide_current_name());
    if (!chan->lent)
        bide__free(chan->ring);
    chan->ring = NULL;
}

/*
 * Nobody joins those who wait any more: they are taken one by one, however many they are. When the
 * last one knows, the channel is not touched again.
 */
void bide_chan_close(struct bide_chan *chan)
{
    bool more = true;
    while (more) {
        bide__lock(&chan->lock);
        set_closed(chan);
        struct bide__wait_future *f = bide__queue_first(&chan->senders);
        if (!f)
            f = bide__queue_first(&chan->receivers);
        if (f)
            bide__queue_take(f, -EPIPE);
        more = waited_for(chan);
        bide__unlock(&chan->lock);
        if (f)
            bide__waiter_wake(f);
    }
}

/* oneshot.h: send, and close. When the receiver knows, the channel is not touched again. */
int bide__chan_send_last(struct bide_chan *chan, const void *value)
{
    struct bide__wait_future *receiver = NULL;
    bide__lock(&chan->lock);
    int result = give(chan, value, &receiver);
    if (!result)
        set_closed(chan);
    bool more = !result && waited_for(chan);
    bide__unlock(&chan->lock);
    if (more)
        bide_chan_close(chan);
    if (receiver)
        bide__waiter_wake(receiver);
    return result == WAIT ? -EAGAIN : result;
}

size_t bide_chan_count(const struct bide_chan *chan)
{
    return __atomic_load_n(&chan->count, __ATOMIC_RELAXED);
}

int bide_chan_is_closed(const struct bide_chan *chan)
{
    return __atomic_load_n(&chan->closed, __ATOMIC_RELAXED);
}

size_t bide_chan_capacity(const struct bide_chan *chan)
{
    return chan->capacity;
}
