/*
 * bide/retry.h - run a description again when it failed.
 *
 *     bide_let page = bide_retry(bide_async(fetch, url),
 *                                &(struct bide_retry_options){ .attempts = 8,
 *                                                              .timeout = 2 * BIDE_S });
 *     bide_within(30 * BIDE_S, &page);   // all attempts, and the waiting between them
 *     int status = page.value;
 *
 * In between it waits: for a random time up to a bound that doubles from one attempt to the next,
 * so that many who failed together don't come again together.
 */
#ifndef BIDE_RETRY_H
#define BIDE_RETRY_H

#include <bide/combine.h>

#define BIDE_RETRY_UNLIMITED UINT32_MAX

/* Zero everywhere is a sensible default. */
struct bide_retry_options {
    unsigned attempts;       /* runs, the first one included; 0: 5. Or BIDE_RETRY_UNLIMITED */
    bide_time delay;         /* bounds the wait before the second run; 0: 100 ms.
                                Below 0: no wait */
    bide_time delay_max;     /* no wait is longer; 0: 30 s. Below 0: no wait */
    double factor;           /* by which the bound grows with each wait; 0: 2. Not below 1 */
    unsigned no_jitter : 1;  /* wait for the whole bound each time */
    bide_time timeout;       /* of each run (as bide_within); 0: none */
    int (*retry)(int error, void *user);  /* is there to be another run after this one ended with
                                error, which is below 0? Not to suspend. NULL: after every error but
                                -ECANCELED and those that say that the call itself is wrong or not
                                allowed: -EACCES, -EBADF, -EFAULT, -EINVAL, -ENOSYS, -EOPNOTSUPP,
                                -EPERM */
    uint64_t (*random)(void *user); /* of 64 random bits; NULL: a generator of the thread's */
    void *user;              /* for both */
};

/*
 * bide_retry - a description: run copies of f, one after the other, until one succeeds.
 *
 * @f        a cold future, by value or by pointer; copied. Its value is an int, long or ssize_t
 *           (checked by the compiler), and what it is told must still be valid when it runs again
 * @options  copied; may be NULL
 *
 * Its value is that of the last run; or -ECANCELED, -ETIMEDOUT when its wait for the next run was
 * cancelled. When the deadline that it inherits would pass before the next run there is none:
 * it ends at once, with the value of the last.
 * Context  as f. One run holds one copy of f on the stack.
 */
#define bide_retry(f, ...)                                                                     \
    BIDE__COMBINED(retry, __COUNTER__, f, BIDE__CHECK_RETRY, struct bide_retry_options,        \
                   bide__retry_options(__VA_ARGS__))

/* ---- internal ----------------------------------------------------------------------------- */

#define BIDE__CHECK_RETRY(x)                               \
    _Static_assert(BIDE__IS_ERRNO(x.value),                \
                   "retry takes a future whose value is an int or ssize_t");

static inline struct bide_retry_options
bide__retry_options(const struct bide_retry_options *options)
{
    return options ? *options : (struct bide_retry_options){ 0 };
}

BIDE_API void bide__retry_run(struct bide_future *f);

#endif
