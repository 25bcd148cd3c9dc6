/*
 * core/simulation.c - the core's part of a simulation: which ready task runs next, and offloaded
 * calls, in turns of the reactor.
 */
#include "core/internal.h"
#include "platform/sim.h"

#include <errno.h>
#include <stdarg.h>

static struct bide__world *world_of(struct bide__worker *w)
{
    return bide__world(w->reactor);
}

/* ---- who runs next ---- */

enum { WINDOW = 16 }; /* of the run queue, from either end, among which one is drawn */

static struct bide__fiber *fiber_in(struct bide__list *link)
{
    struct bide_future *f = bide__container(link, struct bide_future, ready);
    return f->type == &bide__resume_type ? bide__container(link, struct bide__fiber, resume.ready)
                                         : NULL;
}

/* One that yields lets all run first that are ready then: it stays behind them. */
void bide__sim_begin_step(struct bide__worker *w)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (fiber && !fiber->parked && w->ready.prev == &fiber->resume.ready)
        fiber->yielded = 1;
}

/* Those that may run next, of the first or the last in the queue: the n-th of them in *ret_link, if
 * it is not NULL. Returns how many there are, at most. */
static unsigned look(struct bide__worker *w, bool from_end, unsigned n,
                     struct bide__list **ret_link)
{
    struct bide__list *head = &w->ready, *link = from_end ? head->prev : head->next;
    unsigned count = 0;
    for (int i = 0; i < WINDOW && link != head; i++) {
        struct bide__fiber *fiber = fiber_in(link);
        if (link == head->next || !fiber || !fiber->yielded) {
            if (ret_link && count == n)
                *ret_link = link;
            count++;
        }
        link = from_end ? link->prev : link->next;
    }
    return count;
}

static void choose(struct bide__worker *w)
{
    struct bide__world *world = world_of(w);
    struct bide__list *link = w->ready.next;
    bool from_end = bide__sim_draw(world, 2);
    unsigned count = look(w, from_end, 0, NULL);
    if (!count)
        count = look(w, from_end = false, 0, NULL);
    if (count > 1) {
        unsigned n = (unsigned)bide__sim_draw(world, count);
        look(w, from_end, n, &link);
        bide__sim_trace(world, BIDE__SIM_RUN, n + 1, count, from_end);
    }
    bide__list_remove(link);
    bide__list_push_front(&w->ready, link);
}

/* A step is one task's. After a wait the queue is looked at once more before one is taken. */
void bide__sim_end_step(struct bide__worker *w, bool waited)
{
    w->until_poll = waited ? 2 : 1;
    if (bide__list_empty(&w->ready))
        return;
    if (w->ready.next != w->ready.prev)
        choose(w);
    struct bide__fiber *fiber = fiber_in(w->ready.next);
    if (fiber)
        fiber->yielded = 0;
}

/* ---- offloaded calls ---- */

/* The job's link is the only one in `jobs`, which leads from the job to this. */
struct offloaded {
    struct bide__sim_event event;
    struct bide__list jobs;
    struct bide__job *job;
    bool begun;
};

/* As on a thread of the pool, which is outside any runtime and has no values of its own. */
static void work(struct bide__world *world, struct bide__job *job)
{
    struct bide__self self = bide__self;
    bide__self = (struct bide__self){ 0 };
    struct bide__binding *bindings = *bide__bindings();
    struct bide__local *locals = *bide__locals();
    *bide__bindings() = NULL;
    *bide__locals() = NULL;
    bide__stand_in = &world->base;
    job->work(job);
    bide__stand_in = NULL;
    *bide__locals() = locals;
    *bide__bindings() = bindings;
    bide__self = self;
}

static void set(struct bide__world *world, struct offloaded *o)
{
    const struct bide_sim *options = &world->options;
    bide_time span = bide__sim_span(world, options->offload_least, options->offload_most);
    bide__sim_set(world, &o->event, world->now + span);
}

static void fire(struct bide__world *world, struct bide__sim_event *event)
{
    struct offloaded *o = bide__container(event, struct offloaded, event);
    struct bide__job *job = o->job;
    if (!o->begun) {
        o->begun = true;
        bide__sim_trace(world, BIDE__SIM_OFFLOAD, 0, 0, 0);
        work(world, job);
        set(world, o);
        return;
    }
    bide__sim_trace(world, BIDE__SIM_OFFLOADED, 0, 0, 0);
    bide__slab_put(&job->worker->slab, o, sizeof(*o));
    job->post.deliver(&job->post);
}

int bide__sim_offload(struct bide__worker *w, struct bide__job *job)
{
    struct offloaded *o = bide__slab_get(&w->slab, sizeof(*o));
    if (!o)
        return -EAGAIN;
    *o = (struct offloaded){ .event.fire = fire, .job = job };
    job->worker = w;
    bide__list_init(&o->jobs);
    bide__list_push(&o->jobs, &job->link);
    set(world_of(w), o);
    bide__count(&w->stats.offloaded, 1);
    return 0;
}

bool bide__sim_withdraw(struct bide__job *job)
{
    struct offloaded *o = bide__container(job->link.next, struct offloaded, jobs);
    if (o->begun)
        return false;
    bide__sim_clear(world_of(job->worker), &o->event);
    bide__slab_put(&job->worker->slab, o, sizeof(*o));
    return true;
}

bool bide__sim_begun(const struct bide__job *job)
{
    return bide__container(job->link.next, struct offloaded, jobs)->begun;
}

/* ---- running ---- */

void bide__sim_run(const struct bide_sim *sim, struct bide_future *f, const char *site)
{
    if (bide_simulated() || bide__self.fiber)
        bide__panic("%s: bide_sim_run inside a runtime", site);
    if (!bide__check_cold(f, "run", site))
        return;
    struct bide_config config = { .workers = 1, .reactor = BIDE__REACTOR_SIM };
    if (sim->config) {
        config.stack_size = sim->config->stack_size;
        config.no_overflow_report = sim->config->no_overflow_report;
        config.on_deadlock = sim->config->on_deadlock;
        config.on_deadlock_user = sim->config->on_deadlock_user;
    }
    struct bide__worker *w;
    int error = bide__worker_new(&config, NULL, &w);
    if (error < 0) {
        bide__fail(f, error);
        return;
    }
    bide__sim_setup(w->reactor, sim);
    bide__worker_run(w, f, site);
}

/* ---- what tasks ask ---- */

static struct bide__world *here(void)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return reactor && reactor->ops == &bide__sim ? bide__world(reactor) : NULL;
}

bool bide_simulated(void)
{
    return here() != NULL;
}

void bide_sim_set_faults(const struct bide_sim_faults *faults)
{
    if (here())
        here()->options.faults = *faults;
}

void bide_sim_note(const char *format, ...)
{
    char text[128];
    if (!here())
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bide__sim_trace_text(here(), text);
}
