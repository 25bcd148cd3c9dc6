/*
 * bide/offload.h - the blocking pool: for what the kernel cannot do asynchronously, for libraries
 * that block, and for long computations.
 *
 * Handing work to another thread and back costs a few microseconds when the pool is awake and
 * some tens when it sleeps: offload what takes longer than that.
 *
 * A runtime has one pool, for all its workers. Some of its threads are kept for brief work, such as
 * the file operations that go there under epoll, so that long work never holds it up
 * (bide_config.offload_threads).
 */
#ifndef BIDE_OFFLOAD_H
#define BIDE_OFFLOAD_H

#include <bide/future.h>

/* How something is offloaded. Zero is what bide_offload and bide_offload_call do. */
struct bide_offload_options {
    unsigned brief : 1; /* takes no longer than a file operation may: it does not wait behind long
                           work, and goes to the threads that are kept for such */

    /*
     * NULL, or what makes the work return soon once it has begun: sqlite3_interrupt, PQcancel,
     * shutdown(2), pthread_kill, setting a flag. cancel(user) is called when the driver is
     * cancelled while the work is under way: at most once, never before it has begun nor after it
     * has returned. The work may return while cancel still runs; its driver goes on when both have.
     * Context: another thread of the pool, one for brief work; it may wait for a moment. Where
     * there can be no such thread, the worker.
     */
    void (*cancel)(void *user);
    void *user;
};

/*
 * bide_offload - drive f on a thread of the blocking pool; the caller suspends meanwhile.
 * bide_offload_with - the same with options; @options is copied, and may be NULL.
 *
 * @f  a future, by value or by pointer. Its operations block that thread; its arguments are used
 *     from another thread, while the caller waits.
 *
 * Returns  f's value.
 * Cancel   f that has not begun never does: it stays cold, bide_error says -ECANCELED or
 *          -ETIMEDOUT. Once begun it runs to its end and is waited for, and its value is kept;
 *          there bide_cancelled() says that it is to end, and the cancel hook interrupts it.
 * Errors   bide_error is -EAGAIN when no thread could be started and the pool has none.
 * Context  fiber; in a plain thread it is bide_await(f).
 */
#define bide_offload(f) bide_offload_with(NULL, f)
#define bide_offload_with(options, f) BIDE__OFFLOAD(options, f, __COUNTER__)

/*
 * bide_offload_call - call(arg) on the blocking pool. A leaf: takes no stack while it waits.
 * bide_offload_call_with - the same with options; @options is copied, and may be NULL. Its future
 *                          is a struct bide_offload_call_future too.
 *
 * Returns what call returned, or -ECANCELED, -ETIMEDOUT (then it never began), -EAGAIN (no thread).
 * Cancel  as bide_offload.
 */
BIDE_SUSPENDS BIDE_API int bide_offload_call(int (*call)(void *arg), void *arg);
BIDE_SUSPENDS BIDE_API int bide_offload_call_with(const struct bide_offload_options *options,
                                                  int (*call)(void *arg), void *arg);

/* ---- internal ----------------------------------------------------------------------------- */

struct bide__job {
    struct bide__list link;      /* in a lane's queue */
    struct bide__post post;      /* to the worker that submitted it, when done */
    struct bide__worker *worker; /* NULL: nobody is told */
    void (*work)(struct bide__job *job);
    int stage; /* src/core/pool.c */
};

struct bide_offload_call_future {
    struct bide_future future;
    int value;
    int cancelled; /* atomic: -ECANCELED, -ETIMEDOUT: it was asked to end when it had begun */
    struct {
        int (*call)(void *arg);
        void *arg;
        struct bide_offload_options options;
    } args;
    struct bide__job job, hook;
    struct bide__binding *bindings; /* that the call sees */
};
extern BIDE_API const struct bide_type bide_offload_call_type;

static inline BIDE_MUST_USE struct bide_offload_call_future
bide_offload_call_with_async(const struct bide_offload_options *options, int (*call)(void *arg),
                             void *arg)
{
    struct bide_offload_call_future f = { .future = { .type = &bide_offload_call_type },
                                          .args = { .call = call, .arg = arg } };
    if (options)
        f.args.options = *options;
    return f;
}

static inline BIDE_MUST_USE struct bide_offload_call_future
bide_offload_call_async(int (*call)(void *arg), void *arg)
{
    return bide_offload_call_with_async(NULL, call, arg);
}

BIDE_API void bide__offload(struct bide_future *f, const struct bide_offload_options *options,
                            const char *site);

#define BIDE__OFFLOAD(options, f, n) BIDE__OFFLOAD_(options, f, n)
#define BIDE__OFFLOAD_(options, f, n)                              \
    __extension__({                                                \
        __auto_type bide__v##n = (f);                              \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);        \
        bide__offload(&bide__p##n->future, (options), BIDE__SITE); \
        bide__p##n->value;                                         \
    })

#endif
