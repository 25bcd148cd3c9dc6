/*
 * bide/once.h - something that is done once, by whoever needs it first; the others wait for it.
 *
 *     static struct bide_once connected;             // all zeros is not done
 *
 *     int error = bide_once_run(&connected, bide_async(connect_to, &database, url));
 *     if (error)
 *         return error;                              // it is still not done; the next one tries
 *     query(&database, ...);
 */
#ifndef BIDE_ONCE_H
#define BIDE_ONCE_H

#include <bide/wait.h>

/* Lives where you put it, at one address, and owns nothing. All zeros is not done. */
struct bide_once {
    struct bide__lock lock;
    int done;           /* atomic */
    const void *runner; /* a fiber or a thread, while it does it; else NULL */
    struct bide__queue queue;
};

/*
 * bide_once_run - drive f here, unless it has been done; while another does it, wait.
 *
 * @f  a cold future, by value or by pointer. It stays cold in those for whom another does it. It
 *     fails with a value of type int or ssize_t below 0, or when it cannot begin (bide_error); one
 *     with another value succeeds.
 *
 * When f fails, or is cancelled with its caller, the one that waits longest drives its own f.
 *
 * Returns  0: it is done, and all that f has written can be seen; or
 * Errors   what f failed with; -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   of one that waits has no effect on the others.
 * Context  fiber of any worker, or a plain thread. From inside f it would wait for itself: it
 *          aborts.
 */
#define bide_once_run(once, f) BIDE__ONCE(once, f, __COUNTER__)

/*
 * The same by hand.
 *
 * bide_once_begin - wait until it is done, or is the caller's to do.
 *
 * Returns  0: it is done; 1: the caller does it, and then calls bide_once_end; or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   on an error it is not the caller's to do. In a race it is only if it wins.
 *
 * bide_once_end - @error is 0: it is done; below 0: it is not, and the next one's to do. Never
 * suspends, also when the caller is cancelled.
 */
BIDE_SUSPENDS BIDE_API int bide_once_begin(struct bide_once *once);
BIDE_API void bide_once_end(struct bide_once *once, int error);

/* ---- internal ------------------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_once_begin, struct bide_once *once; const void *runner;)

static inline BIDE_MUST_USE struct bide_once_begin_future
bide_once_begin_async(struct bide_once *once)
{
    return BIDE__WAIT_MAKE(bide_once_begin, .once = once);
}

BIDE_API int bide__once_run(struct bide_once *once, struct bide_future *f, const char *site);

#define BIDE__ONCE(once, f, n) BIDE__ONCE_(once, f, n)
#define BIDE__ONCE_(once, f, n)                                                       \
    __extension__({                                                                   \
        struct bide_once *bide__o##n = (once);                                        \
        __auto_type bide__v##n = (f);                                                 \
        bide__once_run(bide__o##n, &BIDE__POINTER(bide__v##n)->future, BIDE__SITE);   \
    })

#endif
