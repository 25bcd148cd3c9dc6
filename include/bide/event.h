/*
 * bide/event.h - something that happens once: a flag that tasks wait for.
 *
 *     static struct bide_event ready;                // all zeros is not set
 *
 *     bide_event_wait(&ready);                       // any number of tasks
 *     bide_event_set(&ready);                        // any worker or thread: they all go on
 */
#ifndef BIDE_EVENT_H
#define BIDE_EVENT_H

#include <bide/wait.h>

/*
 * Lives where you put it, at one address, and owns nothing. All zeros is not set. Who has waited
 * for the only set that will come may free it.
 */
struct bide_event {
    struct bide__lock lock;
    int set; /* atomic */
    struct bide__queue queue;
};

/*
 * bide_event_wait - wait until the event is set; at once when it is.
 *
 * Returns  0, or
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline).
 * Cancel   no effect on the event.
 * Context  fiber of any worker, or a plain thread.
 */
BIDE_SUSPENDS BIDE_API int bide_event_wait(struct bide_event *event);

/* bide_event_set - from now on nobody waits, and who waited goes on. Never suspends. */
BIDE_API void bide_event_set(struct bide_event *event);

/* bide_event_clear - from now on whoever waits, waits. Those that a set has woken go on. */
BIDE_API void bide_event_clear(struct bide_event *event);

/* Is it set? If it is, whoever sets it may still be at it: before the event goes, wait. */
BIDE_API int bide_event_is_set(const struct bide_event *event);

/* ---- internal: the future ------------------------------------------------------------------- */

BIDE__WAIT_FUTURE(bide_event_wait, struct bide_event *event;)

static inline BIDE_MUST_USE struct bide_event_wait_future
bide_event_wait_async(struct bide_event *event)
{
    return BIDE__WAIT_MAKE(bide_event_wait, event);
}

#endif
