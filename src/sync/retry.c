#include "sync/combine.h"

#include <bide/random.h>
#include <bide/retry.h>
#include <errno.h>

enum { ATTEMPTS = 5 };
#define DELAY (100 * BIDE_MS)
#define DELAY_MAX (30 * BIDE_S)

struct retry {
    struct bide_future future;
    struct bide_retry_options args;
};

static const struct bide_retry_options *options_of(struct bide_future *f)
{
    return &((struct retry *)f)->args;
}

/* Would the same call go wrong in the same way? */
static bool lasts(int error)
{
    switch (-error) {
    case ECANCELED:
    case EACCES:
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EPERM:
        return true;
    default:
        return false;
    }
}

static bool is_wanted(const struct bide_retry_options *o, unsigned runs, int error)
{
    unsigned attempts = o->attempts ? o->attempts : ATTEMPTS;
    if (bide_cancelled() || (attempts != BIDE_RETRY_UNLIMITED && runs >= attempts))
        return false;
    return o->retry ? o->retry(error, o->user) : !lasts(error);
}

static bide_time first_bound(const struct bide_retry_options *o)
{
    if (o->delay < 0)
        return 0;
    return o->delay ? o->delay : DELAY;
}

static bide_time next_bound(const struct bide_retry_options *o, bide_time bound)
{
    double next = (double)bound * (o->factor ? o->factor : 2);
    return next < (double)BIDE_FOREVER ? (bide_time)next : BIDE_FOREVER;
}

static bide_time draw_wait(const struct bide_retry_options *o, bide_time bound)
{
    bide_time max = o->delay_max ? o->delay_max : DELAY_MAX;
    if (bound > max)
        bound = max;
    if (o->no_jitter || bound <= 0)
        return bound;
    uint64_t bits = o->random ? o->random(o->user) : bide_random();
    return (bide_time)(bits % ((uint64_t)bound + 1));
}

static void run_once(struct bide_future *f, struct bide_future *room)
{
    bide_time timeout = options_of(f)->timeout;
    memcpy(room, bide__work(f), bide__work(f)->type->size);
    if (timeout)
        bide__within(timeout, room, bide__combined(f)->site);
    else
        bide__await(room, bide__combined(f)->site);
    bide__take_value(f, room);
}

void bide__retry_run(struct bide_future *f)
{
    const struct bide_retry_options *o = options_of(f);
    struct bide_future *room = bide__copy_room(f);
    bide_time bound = first_bound(o);
    for (unsigned runs = 1;; runs++) {
        run_once(f, room);
        int error = bide__value_error(f);
        if (!error || !is_wanted(o, runs, error))
            return;
        bide_time wait = draw_wait(o, bound);
        if (wait >= bide_deadline() - bide_now())
            return;
        error = bide_sleep(wait);
        if (error) {
            bide__end_without(f, error);
            return;
        }
        bound = next_bound(o, bound);
    }
}
