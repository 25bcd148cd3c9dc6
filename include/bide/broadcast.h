/*
 * bide/broadcast.h - messages that every subscriber receives, from its subscription on.
 *
 *     struct bide_broadcast news;
 *     int error = bide_broadcast_init(&news, sizeof(struct item), 64);    // the last 64 are kept
 *
 *     bide_broadcast_send(&news, &item);                      // never waits
 *
 *     struct bide_subscriber me = bide_broadcast_subscribe(&news);
 *     uint64_t missed;
 *     while (!(error = bide_broadcast_recv(&me, &item, &missed)) || error == -EOVERFLOW)
 *         if (error)
 *             log_gap(missed);                                // too slow: that many are gone
 *         else
 *             show(&item);
 *
 * A sender does not wait for subscribers: one that lags by more than what is kept is told how many
 * it missed, and goes on with the oldest that is kept. Any number of tasks of any worker, and
 * plain threads, may send and subscribe.
 */
#ifndef BIDE_BROADCAST_H
#define BIDE_BROADCAST_H

#include <bide/wait.h>

/* Lives where you put it, at one address, between init and release. */
struct bide_broadcast {
    struct bide__lock lock;
    int closed;
    int latest; /* of a watch: to lag is no error */
    size_t value_size, capacity;
    char *ring;    /* owned: the last messages, each at its number modulo the capacity */
    uint64_t sent; /* the number of the next message */
    struct bide__queue receivers; /* by the numbers that they wait for, the lowest first */
};

/* What one subscriber is to receive next. A plain value: there is nothing to give back, and a copy
 * is one more subscriber, that goes on from the same place. It serves one receive at a time. */
struct bide_subscriber {
    struct bide_broadcast *broadcast;
    uint64_t next; /* number of a message */
};

/*
 * bide_broadcast_init - make *broadcast an open one, without messages.
 *
 * @value_size  bytes of a message; 0: there is nothing in them but that they were sent
 * @capacity    messages that are kept for subscribers that have not received them yet; at least 1
 *
 * Returns  0; -ENOMEM, or -EINVAL (a capacity of 0): then there is nothing to release.
 */
BIDE_API int bide_broadcast_init(struct bide_broadcast *broadcast, size_t value_size,
                                 size_t capacity);

/* bide_broadcast_release - end of its life. Aborts when somebody waits for a message. */
BIDE_API void bide_broadcast_release(struct bide_broadcast *broadcast);

/* bide_broadcast_subscribe - a subscriber of all that is sent from now on. */
BIDE_API struct bide_subscriber bide_broadcast_subscribe(struct bide_broadcast *broadcast);

/*
 * bide_broadcast_send - send a copy of *value to all subscribers.
 *
 * @value  borrowed until return; value_size bytes, or NULL when that is 0
 *
 * Returns  0, also when there are no subscribers; or -EPIPE: it is closed. Never suspends, also
 *          when the caller is cancelled.
 */
BIDE_API int bide_broadcast_send(struct bide_broadcast *broadcast, const void *value);

/*
 * bide_broadcast_recv - the next message, when there is one.
 *
 * @ret_value   destination, value_size bytes; untouched on an error. May be NULL when that is 0
 * @ret_missed  with -EOVERFLOW: how many messages are lost to this subscriber. May be NULL
 *
 * Returns  0, or
 * Errors   -EOVERFLOW: it lagged; the next receive has the oldest message that is kept.
 *          -EPIPE: the broadcast is closed, and everything was received.
 *          -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on -ECANCELED and -ETIMEDOUT nothing was received. In a race that happens only if it
 *          wins.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_broadcast_recv(struct bide_subscriber *subscriber, void *ret_value,
                                               uint64_t *ret_missed);

/* bide_broadcast_try_recv - the same without waiting: -EAGAIN when there is no message. */
BIDE_API int bide_broadcast_try_recv(struct bide_subscriber *subscriber, void *ret_value,
                                     uint64_t *ret_missed);

/* bide_broadcast_close - from now on nothing is sent. What is kept is still received. Either side
 * may close, more than once. Never suspends. */
BIDE_API void bide_broadcast_close(struct bide_broadcast *broadcast);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_broadcast_recv, struct bide_subscriber *subscriber; void *ret_value;
                  uint64_t *ret_missed;)

static inline BIDE_MUST_USE struct bide_broadcast_recv_future
bide_broadcast_recv_async(struct bide_subscriber *subscriber, void *ret_value,
                          uint64_t *ret_missed)
{
    return BIDE__WAIT_MAKE(bide_broadcast_recv, subscriber, ret_value, ret_missed);
}

#endif
