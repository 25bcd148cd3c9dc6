/*
 * bide/watch.h - the latest value: whoever is interested learns that it changed, not how often.
 *
 *     struct bide_watch level;
 *     int error = bide_watch_init(&level, sizeof(int), &(int){ 3 });
 *
 *     bide_watch_send(&level, &now);                          // never waits
 *
 *     struct bide_watcher watcher = BIDE_WATCHER(&level);     // one for each receiver
 *     while (bide_watch_recv(&watcher, &value) == 0)          // 3 first, then waits for a change
 *         use(value);
 *
 * For a configuration, a state, a progress: what came between two looks is of no use. When every
 * message counts, take a channel or a broadcast. Any number of tasks of any worker, and plain
 * threads, may send and receive.
 */
#ifndef BIDE_WATCH_H
#define BIDE_WATCH_H

#include <bide/broadcast.h>

/* Lives where you put it, at one address, between init and release. */
struct bide_watch {
    struct bide_broadcast values; /* only the latest is kept */
};

/* What one receiver has seen. A plain value: there is nothing to give back. It serves one receive
 * at a time. */
struct bide_watcher {
    struct bide_subscriber values;
};

/* Initialiser of one that has seen nothing: its first receive has the present value. */
#define BIDE_WATCHER(watch) { { .broadcast = &(watch)->values } }

/*
 * bide_watch_init - make *watch an open one.
 *
 * @value_size  bytes of a value
 * @value       the first one; copied. NULL: there is none yet
 *
 * Returns  0, or -ENOMEM: then there is nothing to release.
 */
BIDE_API int bide_watch_init(struct bide_watch *watch, size_t value_size, const void *value);

/* bide_watch_release - end of its life. Aborts when somebody waits for a change. */
BIDE_API void bide_watch_release(struct bide_watch *watch);

/*
 * bide_watch_send - *value is the latest value now; all that wait go on with it.
 *
 * @value  borrowed until return; value_size bytes
 *
 * Returns  0, or -EPIPE: it is closed. Never suspends, also when the caller is cancelled.
 */
BIDE_API int bide_watch_send(struct bide_watch *watch, const void *value);

/*
 * bide_watch_recv - the latest value, when it was sent after what *watcher has seen.
 *
 * @ret_value  destination, value_size bytes; untouched on an error
 *
 * Returns  0, or
 * Errors   -EPIPE: it is closed, and *watcher has seen its last value.
 *          -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error *watcher has seen no more than before. In a race it sees a value only if it
 *          wins.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_watch_recv(struct bide_watcher *watcher, void *ret_value);

/* bide_watch_try_recv - the same without waiting: -EAGAIN when there is nothing new. */
BIDE_API int bide_watch_try_recv(struct bide_watcher *watcher, void *ret_value);

/* bide_watch_get - the latest value, whoever has seen it, also when it is closed. Returns 0, or
 * -EAGAIN when there has been none. Never suspends. */
BIDE_API int bide_watch_get(struct bide_watch *watch, void *ret_value);

/* bide_watch_close - there will be no change any more. Who has not seen the last value still
 * receives it. Either side may close, more than once. Never suspends. */
BIDE_API void bide_watch_close(struct bide_watch *watch);

/* ---- internal: the future ------------------------------------------------------------------- */

#define bide_watch_recv_future bide_broadcast_recv_future

static inline BIDE_MUST_USE struct bide_watch_recv_future
bide_watch_recv_async(struct bide_watcher *watcher, void *ret_value)
{
    return bide_broadcast_recv_async(&watcher->values, ret_value, NULL);
}

#endif
