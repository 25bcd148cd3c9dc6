/*
 * bide/limit.h - no more than so many at once.
 *
 *     static struct bide_semaphore slots = BIDE_SEMAPHORE(8);
 *
 *     bide_let page = bide_concurrency_limit(&slots, bide_async(fetch, url));  // 8 at once at most
 *
 * For so many in a span of time there is bide_rate_limit (rate.h); for a few at once of what one
 * call does, bide_map (map.h).
 */
#ifndef BIDE_LIMIT_H
#define BIDE_LIMIT_H

#include <bide/combine.h>
#include <bide/semaphore.h>

/*
 * bide_concurrency_limit - a description: run f while it holds a permit; first come, first served.
 *
 * @semaphore  must outlive it. One permit is acquired, and released when f is over
 * @f          a cold future with a value of any type, by value or by pointer; copied
 *
 * Its value is f's. When it was cancelled before it had a permit f was not run: its bide_error is
 * -ECANCELED or -ETIMEDOUT, and so is a value of type int, long or ssize_t; another is zero.
 */
#define bide_concurrency_limit(semaphore, f)                                                   \
    BIDE__COMBINED(concurrency_limit, __COUNTER__, f, BIDE__NO_CHECK, struct bide_semaphore *, \
                   (semaphore))

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API void bide__concurrency_limit_run(struct bide_future *f);

#endif
