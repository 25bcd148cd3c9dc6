/*
 * bide/leaf.h - the protocol of leaf futures, for those who write leaves of their own.
 *
 * A leaf is a future that is one operation and needs no stack. bide's own (sleep, recv, ...)
 * follow this protocol, and so can yours. To bridge a callback library, a promise (promise.h) is
 * usually enough.
 *
 *     struct my_wait_future {
 *         struct bide_future future;          // first
 *         int value;                          // named so
 *         struct { struct my_thing *thing; } args;
 *     };
 *     static const struct bide_leaf_ops my_wait_ops = { .start = my_start, .cancel = my_cancel };
 *     static const struct bide_type my_wait_type = BIDE_LEAF_TYPE(my_wait, &my_wait_ops);
 *
 * Life of a leaf, all on the worker that drives it:
 *   start   is called once, when the future is driven and its driver is not cancelled.
 *   cancel  is called at most once, between start and the leaf's end. It only asks.
 *   end     the leaf writes its value and calls bide_leaf_done(f), once; after that call f may be
 *           gone. Or, if it ends inside start, start returns BIDE_LEAF_DONE instead.
 * A leaf that ends well although cancel was called keeps its value: nothing is lost.
 *
 * A leaf may be made of other leaves: it begins them as its parts (bide_leaf_begin), and is told of
 * the end of each. And it may go on as a function, on a stack, once it needs one (bide_leaf_run).
 * bide_then (then.h) is made so.
 */
#ifndef BIDE_LEAF_H
#define BIDE_LEAF_H

#include <bide/future.h>

enum bide_leaf_start {
    BIDE_LEAF_PENDING, /* bide_leaf_done(f) will be called */
    BIDE_LEAF_DONE,    /* over already, value written */
};

/* What a leaf waits for, for reports: bide_dump (inspect.h) and the like. */
struct bide_description {
    char text[96];      /* "recv on fd 7 from 10.0.0.3:443", "mutex". "": its type's name says it */
    bide_time until;    /* when it ends by itself; BIDE_FOREVER: that is not known */
    const void *holder; /* the task that it waits for; NULL: that is not known. Of bide's own */
};

struct bide_leaf_ops {
    /* Begin. Must not suspend. An error is a value, never lost: write it and return DONE. */
    enum bide_leaf_start (*start)(struct bide_future *f);

    /* Make f end soon: call bide_leaf_done(f) here or later, once whatever f's buffers were
     * lent to has let go of them. bide_leaf_reason(f) is the error to end with; no suspending. */
    void (*cancel)(struct bide_future *f);

    /* Outside a runtime: do the whole of it, blocking the thread. NULL: a runtime is made for
     * just this future. */
    void (*block)(struct bide_future *f);

    /*
     * Say in *to, which is { "", BIDE_FOREVER, NULL }, what f waits for. NULL: the name of its type
     * says it. Called on f's worker between start and the leaf's end, also when cancel was called.
     * No suspending, no waiting but for a lock that is held for a few instructions.
     */
    void (*describe)(const struct bide_future *f, struct bide_description *to);
};

/* Of a leaf that has parts: its type's `leaf` points to the first member. */
struct bide_parts_ops {
    struct bide_leaf_ops leaf;

    /* A part of f is over: bide_error(part) and its value tell how. Or it goes on as a function:
     * then it is cold, without an error, and f has to do so too (bide_leaf_run) and await it. */
    void (*part_ended)(struct bide_future *f, struct bide_future *part);
};

/* Initialiser of the struct bide_type of struct name_future. */
#define BIDE_LEAF_TYPE(name, ops) BIDE__TYPE(name, NULL, ops)

/* bide_leaf_done - f is over and its value written. Only from the worker that started f. */
BIDE_API void bide_leaf_done(struct bide_future *f);

/* bide_leaf_fail - write error (below 0) as f's value, if its type can hold it, and as its
 * bide_error; then as bide_leaf_done. */
BIDE_API void bide_leaf_fail(struct bide_future *f, int error);

/*
 * bide_leaf_begin - begin a part of f.
 *
 * @f     its type has bide_parts_ops
 * @part  a leaf in f's own struct, cold or over already; it belongs to f
 *
 * Returns  BIDE_LEAF_DONE when it is over; BIDE_LEAF_PENDING: f's part_ended will be called.
 */
BIDE_API enum bide_leaf_start bide_leaf_begin(struct bide_future *f, struct bide_future *part);

/* bide_leaf_cancel - ask a part of f to end, with bide_leaf_reason(f). It may be over already. */
BIDE_API void bide_leaf_cancel(struct bide_future *f, struct bide_future *part);

/*
 * bide_leaf_run - f goes on as a function: type->run(f) is called on a stack, soon, and f is done
 * when it returns. Instead of bide_leaf_done.
 *
 * @type  f's type from now on; type->leaf is NULL. That of an async function, for example.
 *
 * When there is no stack f ends with -ENOMEM and is cold, of that type.
 */
BIDE_API void bide_leaf_run(struct bide_future *f, const struct bide_type *type);

/* bide_leaf_describe - fill *to for f, a leaf that is running: for a report, and in the describe of
 * a leaf for a part of it. */
BIDE_API void bide_leaf_describe(const struct bide_future *f, struct bide_description *to);

/* -ECANCELED or -ETIMEDOUT, whichever f was asked to end with; 0 when it was not. */
BIDE_API int bide_leaf_reason(const struct bide_future *f);

#endif
