/*
 * sync/rate.c - a token bucket, kept as the time at which it will be full (the generic cell rate
 * algorithm). Only who has the turn reads or changes it; who must wait for tokens sleeps with the
 * turn, the others wait for the turn. So one who gives up has taken nothing, and leaves no gap.
 */
#include "sync/combine.h"

#include <bide/rate.h>
#include <errno.h>

__extension__ typedef __int128 wide; /* token counts times spans */

static unsigned tokens_of(const struct bide_rate *rate)
{
    return rate->tokens ? rate->tokens : 1;
}

static unsigned burst_of(const struct bide_rate *rate)
{
    return rate->burst ? rate->burst : 1;
}

static bide_time span_of(const struct bide_rate *rate)
{
    return rate->span ? rate->span : BIDE_S;
}

/* When there will be n tokens: when those that are missing then fill the bucket by full_at. */
static bide_time ready_at(const struct bide_rate *rate, unsigned n)
{
    wide missing = (wide)(burst_of(rate) - n) * span_of(rate) - (wide)rate->full_at_part;
    if (missing < 0) /* not even one nanosecond's worth */
        return rate->full_at + 1;
    wide before = missing / tokens_of(rate);
    return before < rate->full_at ? rate->full_at - (bide_time)before : 0;
}

/* Take n tokens, which are there. */
static void take(struct bide_rate *rate, unsigned n, bide_time now)
{
    if (rate->full_at < now) {
        rate->full_at = now;
        rate->full_at_part = 0;
    }
    wide taken = (wide)n * span_of(rate) + (wide)rate->full_at_part;
    wide full_at = rate->full_at + taken / tokens_of(rate);
    rate->full_at = full_at < BIDE_FOREVER ? (bide_time)full_at : BIDE_FOREVER;
    rate->full_at_part = (uint64_t)(taken % tokens_of(rate));
}

int bide_rate_acquire(struct bide_rate *rate, unsigned n)
{
    if (n > burst_of(rate))
        return -EINVAL;
    int error = bide_mutex_lock(&rate->turn);
    if (error)
        return error;
    bide_time at = ready_at(rate, n), now = bide_now();
    if (at > now)
        error = at < bide_deadline() ? bide_sleep_until(at) : -ETIMEDOUT;
    if (!error) /* while one waits nothing overflows, no part of a nanosecond either */
        take(rate, n, at > now ? rate->full_at : now);
    bide_mutex_unlock(&rate->turn);
    return error;
}

int bide_rate_try_acquire(struct bide_rate *rate, unsigned n)
{
    if (n > burst_of(rate))
        return -EINVAL;
    if (bide_mutex_try_lock(&rate->turn))
        return -EAGAIN;
    bide_time now = bide_now();
    bool ready = ready_at(rate, n) <= now;
    if (ready)
        take(rate, n, now);
    bide_mutex_unlock(&rate->turn);
    return ready ? 0 : -EAGAIN;
}

/* ---- as a description ---- */

struct limited {
    struct bide_future future;
    struct bide_rate *rate;
};

void bide__rate_limit_run(struct bide_future *f)
{
    int error = bide_rate_acquire(((struct limited *)f)->rate, 1);
    if (error)
        bide__end_without(f, error);
    else
        bide__drive_work(f);
}
