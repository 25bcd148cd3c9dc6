/*
 * bide/singleflight.h - who asks for what is being fetched already waits for that.
 *
 *     static struct bide_singleflight fetches;       // all zeros: nothing is under way
 *
 *     bide_let user = bide_singleflight(&fetches, &id, sizeof(id), bide_async(load_user, db, id));
 *     struct user u = bide_await(user);
 *
 * It is no cache: when a run is over, the next one who asks begins another.
 */
#ifndef BIDE_SINGLEFLIGHT_H
#define BIDE_SINGLEFLIGHT_H

#include <bide/combine.h>

struct bide__flight;

/* Lives where you put it, at one address, and owns nothing. All zeros: nothing is under way. */
struct bide_singleflight {
    struct bide__lock lock;
    struct bide__flight *flights; /* under way, by key */
};

/*
 * bide_singleflight - a description: f's value, by a run that all share who want it at a time.
 *
 * @flights  must outlive it
 * @key      @size bytes that say which; borrowed until it is over. Equal bytes, equal key
 * @f        a cold future with a value of any type, by value or by pointer; copied
 *
 * Where no other of @flights with that key is under way, it runs f. Otherwise it waits for the one
 * that is, and its value is a copy of that one's, errors included. What values point at is shared.
 *
 * Errors   -ECANCELED, -ETIMEDOUT when its wait was cancelled; its bide_error says so too.
 * Cancel   when the one that runs f is cancelled, and f has not ended well all the same (a value of
 *          another type than int, long or ssize_t never has), it ends alone: one of those that wait
 *          runs its own f for them all. One that waits leaves, and changes nothing for the others.
 * Context  fiber of any worker, or a plain thread. A run that waits for its own key waits for
 *          ever: in the same task it aborts. So does a key shared by values of different sizes.
 */
#define bide_singleflight(flights, key, size, f)                                               \
    BIDE__COMBINED(singleflight, __COUNTER__, f, BIDE__NO_CHECK, struct bide__singleflight,    \
                   { (flights), (key), (size) })

/* ---- internal ----------------------------------------------------------------------------- */

struct bide__singleflight {
    struct bide_singleflight *flights;
    const void *key;
    size_t size;
};

BIDE_API void bide__singleflight_run(struct bide_future *f);

#endif
