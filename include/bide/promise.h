/*
 * bide/promise.h - a leaf future that outside code completes: the bridge from callback libraries.
 *
 *     static void on_reply(void *user, int status) { bide_resolve((reply_promise *)user, status); }
 *
 *     BIDE_PROMISE(int) reply;
 *     bide_promise_init(&reply);
 *     library_send(request, on_reply, &reply);
 *     int status = bide_await(&reply);
 *
 * A promise is a future: await it, join it, race it, always by pointer. It may be resolved before
 * it is awaited, from the same worker or from any other thread.
 *
 * When its waiting is cancelled (a race lost, a deadline), even before it began (whoever was to
 * wait was cancelled already), the promise's on_cancel hook is called, on the worker: it must
 * stop the library from resolving later, or see to it that the promise outlives that. Without a
 * hook the promise must outlive every bide_resolve that may come.
 */
#ifndef BIDE_PROMISE_H
#define BIDE_PROMISE_H

#include <bide/future.h>

struct bide__promise {
    struct bide__post post;
    struct bide__worker *worker; /* that waits for it */
    void (*on_cancel)(void *user);
    void *user;
    int phase; /* atomic; src/core/promise.c */
};

/* The type of a promise of a T (any complete object type). To name it, use typedef. */
#define BIDE_PROMISE(T)               \
    struct {                          \
        struct bide_future future;    \
        struct bide__promise promise; \
        __typeof__(T) value;          \
    }

/*
 * bide_promise_init - make *p an unresolved promise. Before anything else is done with it.
 * bide_promise_init_with - the same, with a hook: hook(user) is called when the waiting for *p is
 *                          cancelled before it was resolved. It must not suspend.
 */
#define bide_promise_init(p) bide_promise_init_with(p, NULL, NULL)
#define bide_promise_init_with(p, hook, hook_user)                                           \
    do {                                                                                     \
        __auto_type bide__p = (p);                                                           \
        static const struct bide_type bide__type = {                                         \
            .name = "promise",                                                               \
            .leaf = &bide__promise_ops,                                                      \
            .size = sizeof(*bide__p),                                                        \
            .value_offset = offsetof(__typeof__(*bide__p), value),                           \
            .value_size = BIDE__ERRNO_SIZE(bide__p->value),                                  \
            .errno_value = BIDE__IS_ERRNO(bide__p->value),                                   \
        };                                                                                   \
        *bide__p = (__typeof__(*bide__p)){                                                   \
            .future = { .type = &bide__type },                                               \
            .promise = { .on_cancel = (hook), .user = (hook_user) },                         \
        };                                                                                   \
    } while (0)

/*
 * bide_resolve - complete *p with v, from any thread, but not in a signal handler; the first call
 * counts.
 *
 * Returns  0; -EALREADY when *p was resolved before; -ECANCELED when its waiting was cancelled:
 *          v was not taken, and is still the caller's.
 */
#define bide_resolve(p, v)                                          \
    __extension__({                                                 \
        __auto_type bide__r = (p);                                  \
        int bide__e = bide__promise_claim(&bide__r->promise);       \
        if (!bide__e) {                                             \
            bide__r->value = (v);                                   \
            bide__promise_publish(&bide__r->future, &bide__r->promise); \
        }                                                           \
        bide__e;                                                    \
    })

/* ---- internal ----------------------------------------------------------------------------- */

extern BIDE_API const struct bide_leaf_ops bide__promise_ops;
/* Between these calls, with 1 and -1, the task waits for what a thread of bide's own resolves in
 * any case: that is no deadlock, whatever closed_world says. */
BIDE_API void bide__promised(int change);
BIDE_API int bide__promise_claim(struct bide__promise *p);
BIDE_API void bide__promise_publish(struct bide_future *f, struct bide__promise *p);

#endif
