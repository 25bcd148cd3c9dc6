/*
 * bide/wait.h - internal to bide: the future of an operation that waits in the queue of a channel,
 * a mutex and the like. src/sync/wait.h says how such a queue works.
 */
#ifndef BIDE_WAIT_H
#define BIDE_WAIT_H

#include <bide/future.h>

/* Those that wait, first come, first served. */
struct bide__queue {
    struct bide__list waiting; /* bide__waiter.link */
};

struct bide__waiter {
    union {
        struct bide__list link; /* in a queue, while QUEUED */
        struct bide__post post; /* to worker, afterwards */
    };
    struct bide__worker *worker; /* on which it waits; NULL: a plain thread does */
    int state; /* atomic, for a plain thread */
};

/* The begin of all of them, and the end of the operation's own part. */
struct bide__wait_future {
    struct bide_future future;
    int value;
    struct bide__waiter waiter;
};

/*
 * BIDE__WAIT_FUTURE(fn, fields) - struct fn_future, and the type that fn's source defines.
 * BIDE__WAIT_MAKE(fn, args...)  - one of them, cold.
 */
#define BIDE__WAIT_FUTURE(fn, ...)     \
    struct fn##_future {               \
        struct bide_future future;     \
        int value;                     \
        struct bide__waiter waiter;    \
        struct {                       \
            __VA_ARGS__                \
        } args;                        \
    };                                 \
    extern BIDE_API const struct bide_type fn##_type;

#define BIDE__WAIT_MAKE(fn, ...) \
    ((struct fn##_future){ .future = { .type = &fn##_type }, .args = { __VA_ARGS__ } })

#endif
