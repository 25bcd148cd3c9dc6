/*
 * bide/offload.h - the blocking pool: for what the kernel cannot do asynchronously, for libraries
 * that block, and for long computations.
 *
 * Handing work to another thread and back costs a few microseconds when the pool is awake and
 * some tens when it sleeps: offload what takes longer than that.
 */
#ifndef BIDE_OFFLOAD_H
#define BIDE_OFFLOAD_H

#include <bide/future.h>

/*
 * bide_offload - drive f on a thread of the blocking pool; the caller suspends meanwhile.
 *
 * @f  a future, by value or by pointer. Its operations block that thread; its arguments are used
 *     from another thread, while the caller waits.
 *
 * Returns  f's value.
 * Cancel   f that has not begun never does: it stays cold, bide_error says -ECANCELED or
 *          -ETIMEDOUT. Once begun it runs to its end and is waited for.
 * Errors   bide_error is -EAGAIN when no thread could be started and the pool has none.
 * Context  fiber; in a plain thread it is bide_await(f).
 */
#define bide_offload(f) BIDE__OFFLOAD(f, __COUNTER__)

/*
 * bide_offload_call - call(arg) on the blocking pool. A leaf: takes no stack while it waits.
 *
 * Returns what call returned, or -ECANCELED, -ETIMEDOUT (then it never began), -EAGAIN (no thread).
 */
BIDE_SUSPENDS BIDE_API int bide_offload_call(int (*call)(void *arg), void *arg);

/* ---- internal ----------------------------------------------------------------------------- */

struct bide__job {
    struct bide__list link; /* in the pool's queue; next is NULL once a thread has taken it */
    struct bide__post post; /* to the worker that submitted it, when done */
    struct bide__worker *worker;
    void (*work)(struct bide__job *job);
};

struct bide_offload_call_future {
    struct bide_future future;
    int value;
    struct {
        int (*call)(void *arg);
        void *arg;
    } args;
    struct bide__job job;
};
extern BIDE_API const struct bide_type bide_offload_call_type;

static inline BIDE_MUST_USE struct bide_offload_call_future
bide_offload_call_async(int (*call)(void *arg), void *arg)
{
    return (struct bide_offload_call_future){ .future = { .type = &bide_offload_call_type },
                                              .args = { call, arg } };
}

BIDE_API void bide__offload(struct bide_future *f, const char *site);

#define BIDE__OFFLOAD(f, n) BIDE__OFFLOAD_(f, n)
#define BIDE__OFFLOAD_(f, n)                                \
    __extension__({                                         \
        __auto_type bide__v##n = (f);                       \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n); \
        bide__offload(&bide__p##n->future, BIDE__SITE);     \
        bide__p##n->value;                                  \
    })

#endif
