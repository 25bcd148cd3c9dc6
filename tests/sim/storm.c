/* A random tree of scopes, joins, races and deadlines, cancelled here and there: each task that
 * began has ended, nothing is left locked, and no deadline is overslept. */
#include "workload.h"

#include <bide/keywords.h>

enum { DEPTH = 4, FAN = 4 };

struct weather {
    struct bide_mutex mutex;
    struct bide_semaphore semaphore;
    int inside; /* the mutex */
    int begun, ended;
};

static int rain(struct weather *w, int depth);
ASYNC(int, rain, struct weather *, int)

/* ---- leaves of the tree ---- */

static int lock_for_a_while(struct weather *w)
{
    int error = bide_mutex_lock(&w->mutex);
    if (error)
        return error;
    sim_expect(w->inside++ == 0, "two tasks hold the mutex");
    error = bide_sleep(sim_draw(0, 20) * BIDE_US);
    w->inside--;
    bide_mutex_unlock(&w->mutex);
    return error;
}

static int enter_for_a_while(struct weather *w)
{
    int error = bide_semaphore_acquire(&w->semaphore, 1);
    if (error)
        return error;
    error = bide_sleep(sim_draw(0, 20) * BIDE_US);
    bide_semaphore_release(&w->semaphore, 1);
    return error;
}

static int sleep_exactly(void)
{
    bide_time span = sim_draw(0, 100) * BIDE_US, start = bide_now();
    int error = bide_sleep(span);
    sim_expect(error || bide_now() == start + span, "a sleep ended %lld ns late",
               (long long)(bide_now() - start - span));
    return error;
}

static int drizzle(struct weather *w)
{
    switch (sim_draw(0, 4)) {
    case 0:
        return lock_for_a_while(w);
    case 1:
        return enter_for_a_while(w);
    case 2:
        return sleep_exactly();
    case 3:
        return bide_yield();
    default:
        return sim_draw(0, 1) ? -EIO : 1;
    }
}

/* ---- its forks ---- */

static int in_a_scope(struct weather *w, int depth)
{
    int n = sim_draw(1, FAN);
    scope(s) {
        for (int i = 0; i < n; i++)
            spawn(&s, async(rain, w, depth - 1));
        if (sim_draw(0, 2) == 0) {
            bide_sleep(sim_draw(0, 50) * BIDE_US);
            bide_scope_cancel(&s);
        }
    }
    return bide_cancelled();
}

static int in_a_join(struct weather *w, int depth)
{
    struct rain_future children[FAN];
    size_t n = (size_t)sim_draw(0, FAN);
    for (size_t i = 0; i < n; i++)
        children[i] = async(rain, w, depth - 1);
    switch (sim_draw(0, 2)) {
    case 0:
        return bide_join_all(children, n);
    case 1:
        return bide_try_join_all(children, n);
    default:
        return n ? bide_race_all(children, n) : 0;
    }
}

static int under_a_deadline(struct weather *w, int depth)
{
    let child = async(rain, w, depth - 1);
    bide_time span = sim_draw(0, 100) * BIDE_US;
    return within(span, &child);
}

static int again(struct weather *w, int depth)
{
    struct bide_retry_options options = { .attempts = (unsigned)sim_draw(1, 3),
                                          .delay = 20 * BIDE_US };
    return await(bide_retry(async(rain, w, depth - 1), &options));
}

static int fork_out(struct weather *w, int depth)
{
    switch (sim_draw(0, 5)) {
    case 0:
        return in_a_join(w, depth);
    case 1:
        return in_a_scope(w, depth);
    case 2:
        return under_a_deadline(w, depth);
    case 3:
        return again(w, depth);
    case 4:
        return await(async(rain, w, depth - 1));
    default:
        shield()
            drizzle(w);
        return bide_cancelled();
    }
}

static int rain(struct weather *w, int depth)
{
    w->begun++;
    int error = depth && sim_draw(0, 4) ? fork_out(w, depth) : drizzle(w);
    w->ended++;
    return error;
}

static int storm(void)
{
    struct weather w = { .semaphore = BIDE_SEMAPHORE(2) };
    struct bide_stats stats;
    for (int i = 0; i < 10; i++)
        in_a_scope(&w, DEPTH);
    sim_expect(w.begun == w.ended, "%d tasks began, and %d ended", w.begun, w.ended);
    sim_expect(bide_mutex_try_lock(&w.mutex) == 0, "the mutex is still locked");
    bide_mutex_unlock(&w.mutex);
    sim_expect(bide_semaphore_try_acquire(&w.semaphore, 2) == 0, "the semaphore is still taken");
    bide_get_stats(&stats);
    sim_expect(stats.tasks == 1, "%llu tasks are left", (unsigned long long)stats.tasks);
    return 0;
}
ASYNC(int, storm)

WORKLOAD(storm)
