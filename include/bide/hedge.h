/*
 * bide/hedge.h - against the few that take long: when there is no result yet, ask once more.
 *
 *     bide_let page = bide_hedge(bide_async(fetch, url),
 *                                &(struct bide_hedge_options){ .delay = 20 * BIDE_MS });
 *     int status = bide_await(page);
 *
 * With a delay that 95 of 100 stay under, 5 of 100 are asked for twice, and those that used to take
 * long mostly don't. What f does must be as good done twice, or cancelled in the middle.
 */
#ifndef BIDE_HEDGE_H
#define BIDE_HEDGE_H

#include <bide/combine.h>

/* Zero everywhere is a sensible default. */
struct bide_hedge_options {
    bide_time delay;  /* without a result until the next copy begins; 0: 100 ms. Below 0: none */
    unsigned copies;  /* that may run, the first one included; 0: 2 */
    void (*discard)(void *value); /* gives back what a value owns that came too late: called with
                         a pointer to the value of each copy that ended when there was a result
                         already; not for ints, longs and ssize_ts below 0. It may suspend.
                         NULL: values own nothing */
};

/*
 * bide_hedge - a description: run f, and when it takes long, copies of it; the first result counts.
 *
 * @f        a cold future with a value of any type, by value or by pointer; copied
 * @options  copied; may be NULL
 *
 * A value of type int, long or ssize_t that is below 0 is no result while another copy runs: that
 * one may do better. When all that have begun have failed it ends with the value of the last, and
 * begins no more: to run f again because it failed is bide_retry's work. A value of another type is
 * a result, whatever it says.
 *
 * Its value is the result. The other copies are then cancelled and waited for.
 * Cancel   all copies are cancelled. One that ends well all the same is the result. When none had
 *          begun none does: its bide_error says why, and so does a value of type int, long or
 *          ssize_t; another is zero.
 * Context  fiber; in a plain thread a runtime is made for it. Copies stay on the caller's worker
 *          and take a stack each where they wait. Where there is no memory for another copy, there
 *          is none; f itself always runs.
 */
#define bide_hedge(f, ...)                                                                     \
    BIDE__COMBINED(hedge, __COUNTER__, f, BIDE__NO_CHECK, struct bide_hedge_options,           \
                   bide__hedge_options(__VA_ARGS__))

/* ---- internal ----------------------------------------------------------------------------- */

static inline struct bide_hedge_options
bide__hedge_options(const struct bide_hedge_options *options)
{
    return options ? *options : (struct bide_hedge_options){ 0 };
}

BIDE_API void bide__hedge_run(struct bide_future *f);

#endif
