/*
 * bide/chan.h - channels: values that go from task to task, in order, each to one receiver.
 *
 *     struct bide_chan jobs;
 *     int error = bide_chan_init(&jobs, sizeof(struct job), 16);    // room for 16
 *
 *     error = bide_chan_send(&jobs, &job);            // waits while there is no room
 *     error = bide_chan_recv(&jobs, &job);            // waits while there is nothing
 *     bide_chan_close(&jobs);                         // what is in it is still received
 *     bide_chan_release(&jobs);
 *
 * Any number of tasks of any worker, and plain threads, may send and receive. Values are copied as
 * bytes; what they point to is the affair of those who send and receive. Those who wait are served
 * first come, first served.
 *
 * Every value that was sent is received exactly once, or is in the channel: a send that failed has
 * sent nothing, a receive that failed has taken nothing. A race of receives is how to wait for
 * several channels at once. It takes one value, that of the receive whose index it returns:
 *
 *     switch (bide_race(bide_async(bide_chan_recv, a, &x), bide_async(bide_chan_recv, b, &y),
 *                       bide_async(bide_sleep, BIDE_S))) {
 */
#ifndef BIDE_CHAN_H
#define BIDE_CHAN_H

#include <bide/wait.h>

/* A capacity: there is always room, as long as there is memory. */
#define BIDE_CHAN_UNBOUNDED SIZE_MAX

/* Lives where you put it, at one address, between init and release. */
struct bide_chan {
    struct bide__lock lock;
    int closed; /* atomic */
    int lent;   /* the ring is the user's memory */
    size_t value_size, capacity;
    size_t count; /* atomic: of values in the ring */
    size_t room;  /* of the ring, in values */
    char *ring, *end; /* owned, unless lent */
    char *oldest, *vacant; /* in the ring: where the next receive and send are */
    struct bide__queue senders;   /* they wait only while the ring is full */
    struct bide__queue receivers; /* and they while there is nothing */
};

/*
 * bide_chan_init - make *chan an open, empty channel.
 *
 * @value_size  bytes of a value; 0: there is nothing in them but that they were sent
 * @capacity    values that it holds while nobody receives them. 0: a send waits for its receiver.
 *              BIDE_CHAN_UNBOUNDED: a send never waits; memory grows by doubling, and stays until
 *              release
 *
 * Returns  0, or -ENOMEM: then there is nothing to release.
 */
BIDE_API int bide_chan_init(struct bide_chan *chan, size_t value_size, size_t capacity);

/*
 * bide_chan_init_in - the same in memory of the caller's: it can not fail.
 *
 * @capacity  not BIDE_CHAN_UNBOUNDED
 * @memory    capacity times value_size bytes; borrowed until release. May be NULL when that is 0
 */
BIDE_API void bide_chan_init_in(struct bide_chan *chan, size_t value_size, size_t capacity,
                                void *memory);

/* bide_chan_release - end of its life; values that are still in it are dropped. Aborts when
 * somebody waits to send or receive. */
BIDE_API void bide_chan_release(struct bide_chan *chan);

/*
 * bide_chan_send - send a copy of *value, when there is room for it.
 *
 * @value  borrowed until return; value_size bytes, or NULL when that is 0
 *
 * Returns  0: it is in the channel, or received. Or
 * Errors   -EPIPE: the channel is closed, or was closed while this waited.
 *          -ENOMEM: unbounded, and there is no memory for it.
 *          -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on any error it was not sent, and never will be. In a race it may be sent late: look at
 *          bide_state() and the value of the future.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_chan_send(struct bide_chan *chan, const void *value);

/*
 * bide_chan_recv - take the oldest value, when there is one.
 *
 * @ret_value  destination, value_size bytes; untouched on an error. May be NULL when that is 0
 *
 * Returns  0, or
 * Errors   -EPIPE: the channel is closed, and empty.
 *          -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on any error nothing was taken. In a race it takes a value only if it wins; -EPIPE wins,
 *          too, so where a channel may be closed look at the future's value.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_chan_recv(struct bide_chan *chan, void *ret_value);

/* bide_chan_try_send, bide_chan_try_recv - the same without waiting: -EAGAIN where those would.
 * They work also when the caller is cancelled. */
BIDE_API int bide_chan_try_send(struct bide_chan *chan, const void *value);
BIDE_API int bide_chan_try_recv(struct bide_chan *chan, void *ret_value);

/*
 * bide_chan_close - from now on nothing is sent.
 *
 * Either side may close, more than once. What is in the channel is still received. Sends that wait
 * end with -EPIPE, and so do receives. Never suspends.
 */
BIDE_API void bide_chan_close(struct bide_chan *chan);

/* Values in the channel, and is it closed: a moment ago, for others send, receive and close it. */
BIDE_API size_t bide_chan_count(const struct bide_chan *chan);
BIDE_API int bide_chan_is_closed(const struct bide_chan *chan);

BIDE_API size_t bide_chan_capacity(const struct bide_chan *chan);

/* ---- internal ------------------------------------------------------------------------------- */

BIDE_API int bide__chan_send_last(struct bide_chan *chan, const void *value);

BIDE__WAIT_FUTURE(bide_chan_send, struct bide_chan *chan; const void *value;)
BIDE__WAIT_FUTURE(bide_chan_recv, struct bide_chan *chan; void *ret_value;)

static inline BIDE_MUST_USE struct bide_chan_send_future
bide_chan_send_async(struct bide_chan *chan, const void *value)
{
    return BIDE__WAIT_MAKE(bide_chan_send, chan, value);
}

static inline BIDE_MUST_USE struct bide_chan_recv_future
bide_chan_recv_async(struct bide_chan *chan, void *ret_value)
{
    return BIDE__WAIT_MAKE(bide_chan_recv, chan, ret_value);
}

#endif
