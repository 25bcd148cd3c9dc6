/*
 * interleave_workers.h - workers for interleave.h: src/core/worker.c and src/core/team.c as they
 * are, one in each thread, in reactors that are eventfds. Included in place of interleave.h.
 */
#ifndef TEST_INTERLEAVE_WORKERS_H
#define TEST_INTERLEAVE_WORKERS_H

#include "core/internal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interleave.h"

#define sched_yield() il_yield()
#define bide__clock() ((bide_time)1)
#include "core/ring.h"
#include "core/team.c"
#include "core/worker.c"

static struct bide__worker workers[IL_THREADS];
static struct bide__ring rings[IL_THREADS];
static struct bide__outbox outboxes[IL_THREADS][IL_THREADS];
static struct bide__worker *members[IL_THREADS];
static struct bide__team the_team;

static struct reactor {
    struct bide__reactor base;
    int eventfd;
} reactors[IL_THREADS];

/* The thread's worker. */
static inline struct bide__worker *self(void)
{
    return &workers[il.running - il.threads];
}

/* ---- the reactors: no timers, so any point in time but 0 is never --------------------------- */

static bide_time reactor_now(struct bide__reactor *reactor)
{
    (void)reactor;
    return 1;
}

static void reactor_turn(struct bide__reactor *reactor, bide_time until)
{
    struct reactor *r = (struct reactor *)reactor;
    self()->stats = (struct bide_stats){ 0 }; /* counts: no state would ever come again */
    if (until)
        il_wait(&r->eventfd);
    else
        il_take(&r->eventfd);
}

static void reactor_wake(struct bide__reactor *reactor)
{
    il_wake(&((struct reactor *)reactor)->eventfd);
}

static void reactor_destroy(struct bide__reactor *reactor)
{
    (void)reactor;
}

static const struct bide__reactor_ops reactor_ops = {
    .now = reactor_now, .turn = reactor_turn, .wake = reactor_wake, .destroy = reactor_destroy
};

/* ---- for a case ----------------------------------------------------------------------------- */

static inline void begin_worker(struct bide__worker *w, unsigned index)
{
    memset(w, 0, sizeof(*w));
    bide__list_init(&w->ready);
    bide__list_init(&w->idle);
    bide__list_init(&w->cancelling);
    bide__list_init(&w->signals);
    bide__list_init(&w->overflow);
    bide__list_init(&w->adopted);
    bide__fiber_init(&w->root, w);
    sigfillset(&w->signal_mask);
    w->signal_slot = -1;
    w->reactor = &reactors[index].base;
    w->index = index;
    reactors[index] = (struct reactor){ .base.ops = &reactor_ops };
}

/* One a thread, all in a team. */
static inline void begin_team(void)
{
    memset(&the_team, 0, sizeof(the_team));
    memset(rings, 0, sizeof(rings));
    memset(outboxes, 0, sizeof(outboxes));
    memset(members, 0, sizeof(members));
    the_team.workers = members;
    for (unsigned i = 0; i < IL_THREADS && il.c->run[i]; i++) {
        struct bide__worker *w = &workers[i];
        begin_worker(w, i);
        w->team = &the_team;
        w->ring = &rings[i];
        w->outbox = outboxes[i];
        members[i] = w;
        the_team.count = i + 1;
        il_ignore(&w->posting); /* nobody ends */
    }
}

/* Find something to do, or sleep until there may be. */
static inline void idle_once(void)
{
    struct bide__worker *w = self();
    w->dozes = false; /* it would look more often, and find no more */
    w->stolen = 0;    /* or the theft would be judged by its time */
    bide__idle(w);
}

/* For il_case.check. */
static inline void all_over(void)
{
    for (int i = 0; i < IL_THREADS; i++)
        if (!il_over(i))
            il_fail("thread %d waits for ever", i);
}

#endif
