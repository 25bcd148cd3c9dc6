/*
 * bide/time.h - the clock and sleeping.
 *
 * Times are nanoseconds (bide_time); deadlines are points on the monotonic clock. A sleep is never
 * shorter than asked for; how much longer depends on what else the worker has to do.
 */
#ifndef BIDE_TIME_H
#define BIDE_TIME_H

#include <bide/future.h>

/* Now, on the monotonic clock. In a simulation (sim.h) the virtual time. */
BIDE_API bide_time bide_now(void);

/* The time of day: nanoseconds since 1970-01-01 00:00 UTC. It may be set, so it is for dates, not
 * for spans. In a simulation it goes with the virtual time. */
BIDE_API bide_time bide_wall_now(void);

/*
 * bide_sleep - suspend for a span of time.        async form: bide_async(bide_sleep, span)
 * bide_sleep_until - suspend until a point in time.
 *
 * @span      nanoseconds; 0 or less returns at once
 * @deadline  as bide_now()
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Context  fiber, or a plain thread. As a leaf a sleep takes no stack and no allocation: an
 *          array of a million sleeps under bide_join_all is a million structs.
 */
BIDE_SUSPENDS BIDE_API int bide_sleep(bide_time span);
BIDE_SUSPENDS BIDE_API int bide_sleep_until(bide_time deadline);

/*
 * bide_yield - let every other fiber of this worker that is ready run first.
 *
 * Returns 0, -ECANCELED or -ETIMEDOUT. Outside a runtime it is sched_yield(2).
 */
BIDE_SUSPENDS BIDE_API int bide_yield(void);

/* Internal: a place in a worker's timers. */
struct bide__timer {
    struct bide__list link; /* next is NULL when not set */
    bide_time deadline;
    void (*fire)(struct bide__timer *timer);
};

struct bide_sleep_future {
    struct bide_future future;
    int value;
    struct {
        bide_time span;
    } args;
    struct bide__timer timer;
};
struct bide_sleep_until_future {
    struct bide_future future;
    int value;
    struct {
        bide_time deadline;
    } args;
    struct bide__timer timer;
};

extern BIDE_API const struct bide_type bide_sleep_type;
extern BIDE_API const struct bide_type bide_sleep_until_type;

static inline BIDE_MUST_USE struct bide_sleep_future bide_sleep_async(bide_time span)
{
    return (struct bide_sleep_future){ .future = { .type = &bide_sleep_type },
                                       .args = { span } };
}

static inline BIDE_MUST_USE struct bide_sleep_until_future
bide_sleep_until_async(bide_time deadline)
{
    return (struct bide_sleep_until_future){ .future = { .type = &bide_sleep_until_type },
                                             .args = { deadline } };
}

BIDE_ASYNC(int, bide_yield)

#endif
