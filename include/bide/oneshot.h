/*
 * bide/oneshot.h - one value, once, from one task to another.
 *
 *     BIDE_ONESHOT(int) answer;
 *     bide_oneshot_init(&answer);
 *
 *     bide_oneshot_send(&answer, 42);                 // never waits
 *     int value, error = bide_oneshot_recv(&answer, &value);
 *
 * It is a channel that has room for one value and is closed by it. A promise (promise.h) carries
 * one value too, but is a future itself: whoever gives up waiting for it has given it up. A wait
 * for a oneshot may be given up and begun again, by any task; and either side can say that it is
 * gone, so that the other one need not wait, or work, for nothing.
 */
#ifndef BIDE_ONESHOT_H
#define BIDE_ONESHOT_H

#include <bide/chan.h>

/* The type of a oneshot for a T (any complete object type but an array). To name it, use typedef.
 * Lives where you put it, at one address, and owns nothing. */
#define BIDE_ONESHOT(T)        \
    struct {                   \
        struct bide_chan chan; \
        __typeof__(T) value;   \
    }

/* bide_oneshot_init - make *o empty and open. */
#define bide_oneshot_init(o)                                                               \
    do {                                                                                   \
        __auto_type bide__o = (o);                                                         \
        bide_chan_init_in(&bide__o->chan, sizeof(bide__o->value), 1, &bide__o->value);     \
    } while (0)

/*
 * bide_oneshot_send - send v. Never suspends, also when the caller is cancelled.
 *
 * Returns  0, or -EPIPE: *o is closed, or a value was sent before. v was not sent.
 * Context  any worker, or a plain thread. When the receiver has the value, *o is not touched again.
 */
#define bide_oneshot_send(o, v)                                     \
    __extension__({                                                 \
        __auto_type bide__o = (o);                                  \
        __typeof__(bide__o->value) bide__v = (v);                   \
        bide__chan_send_last(&bide__o->chan, &bide__v);             \
    })

/*
 * bide_oneshot_recv - wait for the value, and take it.
 *
 * @ret_value  a pointer to a T; untouched on an error
 *
 * Returns  0, or
 * Errors   -EPIPE: *o was closed without a value, or the value has been taken.
 *          -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error nothing was taken. In a race it takes the value only if it wins.
 * Context  fiber of any worker, or a plain thread.
 */
#define bide_oneshot_recv(o, ret_value) BIDE__ONESHOT_RECV(bide_chan_recv, o, ret_value)
#define bide_oneshot_recv_async(o, ret_value) BIDE__ONESHOT_RECV(bide_chan_recv_async, o, ret_value)

/* bide_oneshot_try_recv - the same without waiting: -EAGAIN while there is nothing. */
#define bide_oneshot_try_recv(o, ret_value) BIDE__ONESHOT_RECV(bide_chan_try_recv, o, ret_value)

/* bide_oneshot_close - by either side: no value will come, or nobody wants it any more. One that
 * was sent before is still there to be received. Never suspends. */
#define bide_oneshot_close(o) bide_chan_close(&(o)->chan)

/* Is a value of no use any more? For a sender that has much to do before it has one. */
#define bide_oneshot_is_closed(o) bide_chan_is_closed(&(o)->chan)

/* ---- internal ------------------------------------------------------------------------------- */

#define bide_oneshot_recv_future bide_chan_recv_future

#define BIDE__ONESHOT_RECV(receive, o, ret_value)                        \
    __extension__({                                                      \
        __auto_type bide__o = (o);                                       \
        __typeof__(bide__o->value) *bide__r = (ret_value);               \
        receive(&bide__o->chan, bide__r);                                \
    })

#endif
