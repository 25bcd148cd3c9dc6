/*
 * core/fiber.c - fibers: making and keeping them, switching, and who runs next.
 *
 * There is no scheduler stack. A fiber that must wait runs the scheduling loop itself, on its own
 * stack: it switches straight to the next fiber that is ready, or polls the reactor, and when it
 * finds itself ready it simply returns. Only a cold future needs another stack, a runner's.
 */
#include "core/internal.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRIM_EVERY_S = 5, KEEP_IDLE = 16 };

const struct bide_type bide__resume_type = { .name = "resume" };

/* ---- switching ---- */

/* Not inlined: the compiler saves what it must around this call only. */
__attribute__((noinline)) BIDE__SWITCHES void bide__switch(struct bide__fiber *from,
                                                           struct bide__fiber *to)
{
    from->current = bide__self.current;
    bide__self.current = to->current;
    bide__self.fiber = to;
    bide__count(&to->worker->stats.switches, 1);
    bide__hooks_leaving(&from->hooks, &to->hooks);
    bide__context_switch(&from->context, &to->context);
    bide__hooks_arrived(&from->hooks, NULL);
}

/* Of a link in the run queue. For one that is a future's or the queue's head the address is of no
 * fiber, and only good to prefetch. */
static inline struct bide__fiber *fiber_of(struct bide__list *link)
{
    return bide__container(link, struct bide__fiber, resume.ready);
}

/* A cold future has come up: a runner takes it. */
static bool hand_over(struct bide__fiber *fiber, struct bide_future *f)
{
    struct bide__fiber *runner = bide__runner(fiber->worker);
    if (!runner) {
        f->flags &= (uint8_t)~BIDE__QUEUED;
        bide__fail(f, -ENOMEM);
        bide__child_ended(f);
        return false;
    }
    bide__list_push_front(&fiber->worker->ready, &f->ready);
    bide__switch(fiber, runner);
    return true;
}

/* The first of the run queue, removed; when it is empty, found or waited for. */
static inline __attribute__((always_inline)) struct bide__list *next_ready(struct bide__worker *w)
{
    for (;;) {
        int left = w->until_poll - 1;
        __atomic_store_n(&w->until_poll, left, __ATOMIC_RELAXED); /* for the watchdog */
        if (BIDE__UNLIKELY(left <= 0))
            bide__poll(w, false);
        struct bide__list *link = bide__list_pop(&w->ready);
        if (link)
            return link;
        bide__idle(w);
    }
}

void bide__schedule(struct bide__fiber *fiber)
{
    struct bide__worker *w = fiber->worker;
    if (BIDE__UNLIKELY(w->callbacks))
        bide__panic(
            "%s: suspending inside a callback that must not (a cancel hook, a leaf's start)",
            bide_current_name());
    if (BIDE__UNLIKELY(fiber->lazy != NULL))
        bide__join_publish(fiber);
    for (;;) {
        struct bide__list *link = next_ready(w);
        struct bide_future *f = bide__container(link, struct bide_future, ready);
        if (f->type != &bide__resume_type) {
            if (hand_over(fiber, f))
                break;
            continue;
        }
        struct bide__fiber *next = fiber_of(link);
        if (w->ready.next != w->ready.prev)
            bide__prefetch(fiber_of(w->ready.next));
        if (next != fiber)
            bide__switch(fiber, next);
        break;
    }
    w->budget = BUDGET;
}

void bide__park(struct bide__fiber *fiber)
{
    fiber->parked = 1;
    if (BIDE__INSPECT)
        fiber->parked_at = bide__tick(fiber->worker->clock);
    bide__schedule(fiber);
}

void bide__give_way(struct bide__fiber *fiber)
{
    if (BIDE__UNLIKELY(fiber->lazy != NULL)) /* those that it brings run first, too */
        bide__join_publish(fiber);
    bide__list_push(&fiber->worker->ready, &fiber->resume.ready);
    bide__schedule(fiber);
}

int bide_yield(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber) {
        sched_yield();
        return 0;
    }
    if (!fiber->cancelled)
        bide__give_way(fiber);
    return bide__why(fiber->cancelled);
}

/* ---- runners ---- */

static void run_task(struct bide__fiber *fiber, struct bide_future *f)
{
    struct bide__group *g = f->group;
    fiber->task = f;
    fiber->site = bide__child_site(f);
    fiber->deadline = g->deadline;
    fiber->bindings = g->bindings;
    f->flags &= (uint8_t)~BIDE__QUEUED;
    f->state = BIDE_RUNNING;
    f->parent = g->frame;
    f->fiber = fiber;
    bide__self.current = f;
    if (BIDE__UNLIKELY(f->flags & WHY))
        bide__begun_cancelled(fiber);
    f->type->run(f);
    if (BIDE__UNLIKELY(f->flags & BIDE__LOCALS))
        bide__locals_end(f);
    bide__self.current = NULL;
    f->state = BIDE_DONE;
    fiber->task = NULL;
    fiber->bindings = NULL;
    fiber->cancelled = fiber->marked = 0;
    fiber->name[0] = '\0';
    bide__child_ended(f);
}

/* What a fiber's stack begins with; never returns. */
void bide__fiber_main(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    struct bide__worker *w = fiber->worker;
    bide__hooks_arrived(&fiber->hooks, &w->root.hooks);
    for (;;) {
        struct bide__list *link = next_ready(w);
        struct bide_future *f = bide__container(link, struct bide_future, ready);
        w->budget = BUDGET;
        if (f->type != &bide__resume_type) {
            run_task(fiber, f);
            continue;
        }
        bide__list_push_front(&w->idle, &fiber->link);
        bide__count(&w->idle_count, 1);
        bide__prefetch(fiber_of(w->ready.next));
        bide__switch(fiber, fiber_of(link));
    }
}

struct bide__fiber *bide__runner(struct bide__worker *w)
{
    struct bide__list *link = bide__list_pop(&w->idle);
    if (!link)
        return bide__fiber_new(w);
    bide__count(&w->idle_count, -1);
    if (w->idle_count < w->idle_low)
        w->idle_low = w->idle_count;
    bide__prefetch(bide__container(w->idle.next, struct bide__fiber, link));
    return bide__container(link, struct bide__fiber, link);
}

/* ---- life ---- */

void bide__fiber_init(struct bide__fiber *fiber, struct bide__worker *w)
{
    memset(fiber, 0, sizeof(*fiber));
    fiber->worker = w;
    fiber->resume.type = &bide__resume_type;
    fiber->deadline = BIDE_FOREVER;
    bide__list_init(&fiber->groups);
}

struct bide__fiber *bide__fiber_new(struct bide__worker *w)
{
    char *bottom = bide__stack_get(&w->stacks);
    if (!bottom)
        return NULL;
    char *top = bottom + w->stacks.usable - bide__stack_stagger(&w->stacks, bottom);
    struct bide__fiber *fiber =
        (struct bide__fiber *)((uintptr_t)(top - sizeof(*fiber)) & ~(uintptr_t)63);
    bide__fiber_init(fiber, w);
    fiber->bottom = bottom;
    bide__hooks_init(&fiber->hooks, bottom, (size_t)((char *)fiber - bottom));
    bide__context_init(&fiber->context, fiber);
    bide__count(&w->fibers, 1);
    return fiber;
}

static void free_fiber(struct bide__worker *w, struct bide__fiber *fiber)
{
    char *bottom = fiber->bottom;
    struct bide__hooks hooks = fiber->hooks;
    if (bide__stack_put(&w->stacks, bottom) < 0) {
        bide__list_push(&w->idle, &fiber->link);
        bide__count(&w->idle_count, 1);
        return;
    }
    bide__hooks_end(&hooks);
    bide__count(&w->fibers, -1);
}

/* Give back the memory of runners that nobody needed since the last time. */
void bide__fiber_trim(struct bide__worker *w, bide_time now)
{
    if (now < w->trim_at)
        return;
    for (size_t n = w->idle_low; n > KEEP_IDLE; n--) {
        struct bide__list *oldest = w->idle.prev;
        bide__list_remove(oldest);
        bide__count(&w->idle_count, -1);
        free_fiber(w, bide__container(oldest, struct bide__fiber, link));
    }
    w->idle_low = w->idle_count;
    w->trim_at = now + TRIM_EVERY_S * BIDE_S;
}

/* The runtime ends: every fiber is idle; their stacks go with the slabs. */
void bide__fiber_free_all(struct bide__worker *w)
{
    bide__assert(w->idle_count == w->fibers);
    for (struct bide__list *link; (link = bide__list_pop(&w->idle));) {
        struct bide__hooks hooks = bide__container(link, struct bide__fiber, link)->hooks;
        bide__hooks_end(&hooks);
    }
}

/* ---- names ---- */

void bide_name(const char *format, ...)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(fiber->name, sizeof(fiber->name), format, args);
    va_end(args);
}

const char *bide_current_name(void)
{
    struct bide__fiber *fiber = bide__self.fiber;
    if (!fiber)
        return "";
    if (fiber->name[0] || !bide__self.current)
        return fiber->name;
    return fiber->task ? fiber->task->type->name : bide__self.current->type->name;
}
