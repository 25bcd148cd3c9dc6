/* core/join.c - join, try_join, race and within. */
#include "core/internal.h"

#include <errno.h>

/* The futures of one call: v[i], or those of an array of structs. */
struct many {
    struct bide_future *const *v;
    struct bide_future *first;
    size_t n, stride;
    int policy;
    const char *site;
};

static inline struct bide_future *member(const struct many *m, size_t i)
{
    return m->v ? m->v[i] : (struct bide_future *)((char *)m->first + i * m->stride);
}

static int drive(const struct many *m);

static int drive_outside(const struct many *m)
{
    return drive(m);
}
BIDE_ASYNC(int, drive_outside, const struct many *)

static const char *verb(const struct many *m)
{
    return m->policy & POLICY_FIRST_DONE ? "race" : "join";
}

static int fail_all(const struct many *m, int error)
{
    for (size_t i = 0; i < m->n; i++)
        bide__fail(member(m, i), error);
    return error;
}

static void add_all(struct bide__group *g, const struct many *m)
{
    for (size_t i = 0; i < m->n; i++) {
        bide__check_cold(member(m, i), verb(m), m->site);
        bide__group_add(g, member(m, i));
    }
}

/* Leaves begin, functions queue; all but the first function, which runs here first of all. */
static size_t begin_all(struct bide__group *g, const struct many *m)
{
    size_t first = m->n;
    for (size_t i = 0; i < m->n; i++) {
        struct bide_future *f = member(m, i);
        if (first == m->n && !f->type->leaf)
            first = i;
        else if (f->flags & BIDE__QUEUED)
            bide__group_enqueue(g, f);
    }
    return first;
}

static int winner_index(const struct bide__group *g, const struct many *m)
{
    if (m->first)
        return (int)((size_t)((char *)g->winner - (char *)m->first) / m->stride);
    int i = 0;
    while (m->v[i] != g->winner)
        i++;
    return i;
}

static int outcome(const struct bide__group *g, const struct many *m, const struct bide__fiber *me)
{
    int why = bide__why(me->cancelled);
    if (m->policy & POLICY_FIRST_DONE) {
        if (g->winner && !(why && g->winner->flags & WHY))
            return winner_index(g, m);
        return why ? why : g->error;
    }
    if (m->policy & POLICY_FIRST_ERROR && g->error)
        return g->error;
    return why ? why : g->unbegun;
}

static int drive(const struct many *m)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber)
        return bide_run(bide_async(drive_outside, m));
    if (fiber->cancelled)
        return fail_all(m, bide__why(fiber->cancelled));
    struct bide__group g;
    bide__group_open(&g, fiber, m->policy, m->site);
    add_all(&g, m);
    for (size_t i = begin_all(&g, m); i < m->n; i++) {
        struct bide_future *f = member(m, i);
        if (f->flags & BIDE__QUEUED)
            bide__run_here(fiber, f);
    }
    bide__group_wait(&g);
    bide__group_close(&g);
    return outcome(&g, m, fiber);
}

int bide__join(struct bide_future *const *v, size_t n, const char *site)
{
    return drive(&(struct many){ .v = v, .n = n, .policy = POLICY_ALL, .site = site });
}

int bide__try_join(struct bide_future *const *v, size_t n, const char *site)
{
    return drive(&(struct many){ .v = v, .n = n, .policy = POLICY_FIRST_ERROR, .site = site });
}

int bide__race(struct bide_future *const *v, size_t n, const char *site)
{
    return drive(&(struct many){ .v = v, .n = n, .policy = POLICY_FIRST_DONE, .site = site });
}

static int drive_array(struct bide_future *first, size_t n, size_t stride, int policy,
                       const char *site)
{
    if (n == 0)
        return policy & POLICY_FIRST_DONE ? -EINVAL : 0;
    return drive(&(struct many){
        .first = first, .n = n, .stride = stride, .policy = policy, .site = site });
}

int bide__join_all(struct bide_future *first, size_t n, size_t stride, const char *site)
{
    return drive_array(first, n, stride, POLICY_ALL, site);
}

int bide__try_join_all(struct bide_future *first, size_t n, size_t stride, const char *site)
{
    return drive_array(first, n, stride, POLICY_FIRST_ERROR, site);
}

int bide__race_all(struct bide_future *first, size_t n, size_t stride, const char *site)
{
    return drive_array(first, n, stride, POLICY_FIRST_DONE, site);
}

/* ---- within ---- */

struct within {
    struct bide__timer timer;
    struct bide_future *f;
    bool fired;
};

static void within_fire(struct bide__timer *timer)
{
    struct within *w = bide__container(timer, struct within, timer);
    if (w->f->state != BIDE_RUNNING)
        return;
    w->fired = true;
    bide__cancel_why(w->f, BIDE__TIMEDOUT);
}

static int within_outside(bide_time span, struct bide_future *f, const char *site)
{
    return bide__within(span, f, site);
}
BIDE_ASYNC(int, within_outside, bide_time, struct bide_future *, const char *)

int bide__within(bide_time span, struct bide_future *f, const char *site)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber)
        return bide_run(bide_async(within_outside, span, f, site));
    bide__check_cold(f, "within", site);
    int error = fiber->cancelled ? bide__why(fiber->cancelled) : span <= 0 ? -ETIMEDOUT : 0;
    if (error) {
        bide__fail(f, error);
        return error;
    }
    struct within w = { .f = f, .timer.fire = within_fire };
    bide_time outer = fiber->deadline, now = bide_now();
    w.timer.deadline = span < BIDE_FOREVER - now ? now + span : BIDE_FOREVER;
    if (w.timer.deadline < outer) {
        fiber->deadline = w.timer.deadline;
        bide__timer_set(&fiber->worker->wheel, &w.timer);
    }
    bide__await(f, site);
    bide__timer_clear(&fiber->worker->wheel, &w.timer);
    fiber->deadline = outer;
    if (fiber->cancelled)
        return bide__why(fiber->cancelled);
    bool ended_well = f->type->leaf && f->type->errno_value && !bide__value_error(f);
    return w.fired && !ended_well ? -ETIMEDOUT : 0;
}

bide_time bide_deadline(void)
{
    return bide__self.fiber ? bide__self.fiber->deadline : BIDE_FOREVER;
}
