/* core/join.c - join, try_join, race and within. */
#include "core/internal.h"

#include <errno.h>

/* The futures of one call: an array of pointers to them (stride 0), or an array of structs. */
struct many {
    const void *base;
    size_t n, stride;
    const char *site;
    int policy;
};

/* The way of a join of functions that do not suspend is copied into each public function, where
 * the policy and the stride are constants. */
#define INLINE inline __attribute__((always_inline))

static INLINE struct bide_future *member(const struct many *m, size_t i)
{
    if (!m->stride)
        return ((struct bide_future *const *)m->base)[i];
    return (struct bide_future *)((char *)(uintptr_t)m->base + i * m->stride);
}

static int drive_any(struct many m);
BIDE_ASYNC(int, drive_any, struct many)

static const char *verb(const struct many *m)
{
    return m->policy & POLICY_FIRST_DONE ? "race" : "join";
}

/* Leaves begin and functions queue, from the i-th member on. */
static void begin_from(struct bide__group *g, const struct many *m, size_t i)
{
    for (size_t at = i; at < m->n; at++) {
        bide__check_cold(member(m, at), verb(m), m->site); /* since checked, others ran */
        bide__group_add(g, member(m, at));
    }
    for (size_t at = i; at < m->n; at++) {
        struct bide_future *f = member(m, at);
        if (f->flags & BIDE__QUEUED)
            bide__group_enqueue(g, f);
    }
}

static int winner_index(const struct bide__group *g, const struct many *m)
{
    if (m->stride)
        return (int)((size_t)((const char *)g->winner - (const char *)m->base) / m->stride);
    int i = 0;
    while (member(m, (size_t)i) != g->winner)
        i++;
    return i;
}

static int outcome(const struct bide__group *g, const struct many *m, const struct bide__fiber *me)
{
    int why = bide__why(me->cancelled);
    if (m->policy & POLICY_FIRST_DONE) {
        if (g->winner)
            return winner_index(g, m);
        return why ? why : g->unbegun ? g->unbegun : g->error;
    }
    if (m->policy & POLICY_FIRST_ERROR && g->error)
        return g->error;
    return why ? why : g->unbegun;
}

/* Run those that still queue, on this stack, then wait for all. */
static int finish(struct bide__group *g, const struct many *m, struct bide__fiber *fiber)
{
    for (size_t i = 0; i < m->n; i++) {
        struct bide_future *f = member(m, i);
        if (f->flags & BIDE__QUEUED)
            bide__run_here(fiber, f);
    }
    bide__group_wait(g);
    bide__group_close(g);
    if (--fiber->worker->budget < 0)
        bide__give_way(fiber);
    return outcome(g, m, fiber);
}

/*
 * A join of functions begins without a group: they run here, one after the other, as if awaited.
 * Only when one of them suspends is the group made (bide__join_publish, called by the scheduler):
 * the running one becomes its child, and the others queue.
 */
struct bide__lazy_join {
    struct bide__lazy_join *outer;
    struct many m;
    size_t at; /* the member that runs */
    struct bide_future *frame;
    bide_time deadline;
    struct bide__binding *bindings;
    bool published;
    struct bide__group group; /* valid when published */
};

static void publish(struct bide__lazy_join *join, struct bide__fiber *fiber)
{
    struct bide__group *g = &join->group;
    struct bide_future *running = member(&join->m, join->at);
    bide__group_open_in(g, fiber, join->m.policy, join->m.site, join->frame, join->deadline,
                        join->bindings);
    running->group = g;
    running->fiber = fiber;
    g->pending++;
    bide__count(&fiber->worker->stats.tasks, 1);
    bide__list_push(&g->children, &running->sibling);
    join->published = true;
    begin_from(g, &join->m, join->at + 1);
}

/* fiber is about to suspend: its joins get groups, the outermost first. */
void bide__join_publish(struct bide__fiber *fiber)
{
    struct bide__lazy_join *inner = NULL;
    for (struct bide__lazy_join *join = fiber->lazy; join;) {
        struct bide__lazy_join *outer = join->outer;
        join->outer = inner;
        inner = join;
        join = outer;
    }
    fiber->lazy = NULL;
    for (; inner; inner = inner->outer)
        publish(inner, fiber);
}

/* The child of the innermost of those joins. */
const struct bide_future *bide__join_running(const struct bide__fiber *fiber)
{
    return fiber->lazy ? member(&fiber->lazy->m, fiber->lazy->at) : NULL;
}

/* Does the end of f, which has not suspended, end the whole? */
static INLINE bool enough(const struct many *m, const struct bide_future *f)
{
    if (f->state == BIDE_DONE)
        return m->policy & POLICY_FIRST_DONE ||
               (m->policy & POLICY_FIRST_ERROR && bide__value_error(f));
    return m->policy & POLICY_FIRST_ERROR;
}

static void fail_from(const struct many *m, size_t i, int error)
{
    for (; i < m->n; i++)
        if (member(m, i)->state == BIDE_COLD)
            bide__fail(member(m, i), error);
}

static __attribute__((noinline)) void ended_marked(struct bide_future *f, struct bide_future *up)
{
    if (f->flags & BIDE__LOCALS)
        bide__locals_end(f);
    f->state = BIDE_DONE;
    if (f->flags & WHY) {
        bide__self.current = up;
        bide__unwound();
    }
}

/* Leaves bide__self.current at f: the caller puts it back when all have run. */
static INLINE void run_as_awaited(struct bide_future *f, struct bide_future *up)
{
    f->parent = up;
    f->state = BIDE_RUNNING;
    f->flags = 0;
    f->shield = 0;
    f->error = 0;
    bide__self.current = f;
    f->type->run(f);
    if (BIDE__UNLIKELY(f->flags & (WHY | BIDE__LOCALS)))
        ended_marked(f, up);
    else
        f->state = BIDE_DONE;
}

static INLINE int drive_functions(struct many m, struct bide__fiber *fiber)
{
    struct bide__lazy_join join;
    join.outer = fiber->lazy;
    join.m = m;
    join.frame = bide__self.current;
    join.deadline = fiber->deadline;
    join.bindings = fiber->bindings;
    join.published = false;
    fiber->lazy = &join;
    int result = 0;
    size_t i = 0;
    for (; i < m.n; i++) {
        struct bide_future *f = member(&m, i);
        join.at = i;
        if (BIDE__LIKELY(f->state == BIDE_COLD && !(f->flags & WHY)))
            run_as_awaited(f, join.frame);
        else if (bide__check_cold(f, verb(&join.m), m.site))
            bide__fail(f, bide__why(f->flags));
        if (BIDE__UNLIKELY(join.published)) {
            bide__self.current = join.frame;
            bide__child_ended(f);
            return finish(&join.group, &join.m, fiber);
        }
        if (BIDE__UNLIKELY(fiber->cancelled))
            break;
        if (m.policy != POLICY_ALL && enough(&m, f)) {
            bool race = m.policy & POLICY_FIRST_DONE;
            result = race ? (int)i : f->error ? f->error : bide__value_error(f);
            break;
        }
    }
    bide__self.current = join.frame;
    fiber->lazy = join.outer;
    if (i == m.n)
        return m.policy & POLICY_FIRST_DONE ? member(&m, 0)->error : 0;
    fail_from(&join.m, i + 1, fiber->cancelled ? bide__why(fiber->cancelled) : -ECANCELED);
    return fiber->cancelled ? bide__why(fiber->cancelled) : result;
}

/* True when all are functions, and cold. */
static INLINE bool check_all(const struct many *m)
{
    bool functions = true;
    for (size_t i = 0; i < m->n; i++) {
        struct bide_future *f = member(m, i);
        if (BIDE__UNLIKELY(f->state != BIDE_COLD || f->flags & BIDE__QUEUED))
            functions &= bide__check_cold(f, m->policy & POLICY_FIRST_DONE ? "race" : "join",
                                          m->site);
        if (f->type->leaf)
            functions = false;
    }
    return functions;
}

/* Some are leaves, or done already, or the caller is cancelled. */
static __attribute__((noinline)) int drive_group(struct many m, struct bide__fiber *fiber)
{
    if (fiber->cancelled) {
        fail_from(&m, 0, bide__why(fiber->cancelled));
        return bide__why(fiber->cancelled);
    }
    struct bide__group g;
    bide__group_open(&g, fiber, m.policy, m.site);
    begin_from(&g, &m, 0);
    int result = finish(&g, &m, fiber);
    if (--fiber->worker->budget < 0) /* leaves that end at once count, as awaited ones do */
        bide__give_way(fiber);
    return result;
}

static __attribute__((noinline)) int drive_outside(struct many m)
{
    return bide_run(bide_async(drive_any, m));
}

static INLINE int drive(struct many m)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (BIDE__UNLIKELY(!fiber))
        return drive_outside(m);
    if (check_all(&m) && !fiber->cancelled)
        return drive_functions(m, fiber);
    return drive_group(m, fiber);
}

static int drive_any(struct many m)
{
    return drive(m);
}

int bide__join(struct bide_future *const *v, size_t n, const char *site)
{
    return drive((struct many){ .base = v, .n = n, .policy = POLICY_ALL, .site = site });
}

int bide__try_join(struct bide_future *const *v, size_t n, const char *site)
{
    return drive((struct many){ .base = v, .n = n, .policy = POLICY_FIRST_ERROR, .site = site });
}

int bide__race(struct bide_future *const *v, size_t n, const char *site)
{
    return drive((struct many){ .base = v, .n = n, .policy = POLICY_FIRST_DONE, .site = site });
}

static int drive_array(struct bide_future *first, size_t n, size_t stride, int policy,
                       const char *site)
{
    if (n == 0)
        return policy & POLICY_FIRST_DONE ? -EINVAL : 0;
    return drive_any((struct many){
        .base = first, .n = n, .stride = stride, .policy = policy, .site = site });
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
    if (!bide__check_cold(f, "within", site))
        return 0;
    int error = fiber->cancelled ? bide__why(fiber->cancelled) : span <= 0 ? -ETIMEDOUT : 0;
    if (error) {
        bide__fail(f, error);
        return error;
    }
    struct within w = { .f = f, .timer.fire = within_fire };
    bide_time outer = fiber->deadline, now = bide__now();
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
    bool kept = f->type->leaf && !f->error && bide__value_error(f) != -ETIMEDOUT;
    return w.fired && !kept ? -ETIMEDOUT : 0;
}

bide_time bide_deadline(void)
{
    return bide__self.fiber ? bide__self.fiber->deadline : BIDE_FOREVER;
}
