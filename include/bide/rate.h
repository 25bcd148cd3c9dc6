/*
 * bide/rate.h - no more than so many in a span of time.
 *
 *     static struct bide_rate calls = { .tokens = 100, .burst = 20 };   // 100 a second
 *
 *     int error = bide_rate_acquire(&calls, 1);
 *     ...
 *     bide_let page = bide_rate_limit(&calls, bide_async(fetch, url));  // or as a description
 *
 * A bucket of tokens: it is full at first, is refilled evenly, and overflows. Who takes a token
 * goes on; when there is none one waits for it, in the order of coming.
 */
#ifndef BIDE_RATE_H
#define BIDE_RATE_H

#include <bide/combine.h>
#include <bide/mutex.h>

/* Lives where you put it, at one address, and owns nothing. Set the first three fields, and leave
 * the others zero; all zeros is one a second. */
struct bide_rate {
    unsigned tokens;  /* that come in each span; 0: 1 */
    unsigned burst;   /* tokens that the bucket holds, so many may be taken at once; 0: 1 */
    bide_time span;   /* 0: one second */

    struct bide_mutex turn;  /* of the one that waits for tokens; the others wait for it */
    bide_time full_at;       /* the bucket is, and */
    uint64_t full_at_part;   /* so many `tokens`th parts of a nanosecond later */
};

/*
 * bide_rate_acquire - take n tokens, waiting until there are so many; first come, first served.
 *
 * Returns  0, or
 * Errors   -EINVAL when n is more than burst; -ECANCELED, -ETIMEDOUT: an inherited deadline has
 *          passed, or will have by the time the tokens are there.
 * Cancel   on an error no token was taken.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_rate_acquire(struct bide_rate *rate, unsigned n);

/* bide_rate_try_acquire - 0; -EAGAIN: too few are there, or others wait; or -EINVAL. Never
 * suspends. */
BIDE_API int bide_rate_try_acquire(struct bide_rate *rate, unsigned n);

BIDE_ASYNC(int, bide_rate_acquire, struct bide_rate *, unsigned)

/*
 * bide_rate_limit - a description: take a token, then run f.
 *
 * @rate  must outlive it
 * @f     a cold future with a value of any type, by value or by pointer; copied
 *
 * Its value is f's. When there was no token for it f was not run: its bide_error is
 * bide_rate_acquire's, and so is a value of type int, long or ssize_t; another is zero.
 */
#define bide_rate_limit(rate, f)                                                               \
    BIDE__COMBINED(rate_limit, __COUNTER__, f, BIDE__NO_CHECK, struct bide_rate *, (rate))

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API void bide__rate_limit_run(struct bide_future *f);

#endif
