/*
 * core/worker.c - the life of a worker, its look at the reactor, and its inbox.
 */
#include "core/internal.h"
#include "platform/sim.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_EVERY = 64 }; /* turns in which the worker never waits */

/* ---- messages from other threads ---- */

/* The worker may end as soon as it has seen the posts: `posting` keeps it until we are done. */
void bide__post_chain(struct bide__worker *w, struct bide__post *newest, struct bide__post *oldest)
{
    __atomic_add_fetch(&w->posting, 1, __ATOMIC_ACQUIRE);
    struct bide__post *head = __atomic_load_n(&w->inbox, __ATOMIC_RELAXED);
    do
        oldest->next = head;
    while (!__atomic_compare_exchange_n(&w->inbox, &head, newest, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    /* Pairs with the worker's store to asleep and look at the inbox: one of the two sees. */
    if (!head && __atomic_load_n(&w->asleep, __ATOMIC_SEQ_CST))
        w->reactor->ops->wake(w->reactor);
    __atomic_sub_fetch(&w->posting, 1, __ATOMIC_RELEASE);
}

void bide__post_to(struct bide__worker *w, struct bide__post *post)
{
    bide__post_chain(w, post, post);
}

/* Through the sender's outbox, in a batch with others, when both are of one team. */
void bide__post_from(struct bide__worker *from, struct bide__worker *w, struct bide__post *post)
{
    if (from && from->team && from->team == w->team)
        bide__post_later(from, w, post);
    else
        bide__post_to(w, post);
}

void bide__read_inbox(struct bide__worker *w)
{
    if (!__atomic_load_n(&w->inbox, __ATOMIC_RELAXED))
        return;
    w->dozes = true; /* another message may follow soon */
    struct bide__post *newest = __atomic_exchange_n(&w->inbox, NULL, __ATOMIC_ACQUIRE);
    struct bide__post *oldest = NULL;
    while (newest) {
        struct bide__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct bide__post *next = oldest->next;
        oldest->deliver(oldest);
        oldest = next;
    }
}

/* ---- the reactor ---- */

static void look_at_clock(struct bide__worker *w)
{
    w->clock = w->reactor->ops->now(w->reactor);
}

static bide_time wait_until(struct bide__worker *w)
{
    bide_time until = bide__wheel_next(&w->wheel);
    if (w->idle_low > 16 && w->trim_at < until)
        until = w->trim_at;
    return until;
}

static void wait_in_reactor(struct bide__worker *w)
{
    bide__fiber_trim(w, w->clock);
    bide_time until = wait_until(w);
    bool quiet = bide__waits_for_nobody(w), doubts;
    if (w->team)
        bide__post_flush(w);
    __atomic_store_n(&w->quiet, quiet, __ATOMIC_RELAXED);
    __atomic_store_n(&w->asleep, w->shuns_until ? SHUNS_WORK : ASLEEP, __ATOMIC_SEQ_CST);
    if (w->team) {
        bide_time sleeps_until = bide__may_sleep(w);
        if (sleeps_until < until)
            until = sleeps_until;
    }
    if (__atomic_load_n(&w->inbox, __ATOMIC_SEQ_CST))
        until = 0;
    doubts = quiet && until == BIDE_FOREVER;
    if (doubts)
        until = bide__doubt_until(w);
    w->reactor->ops->turn(w->reactor, until);
    if (w->team)
        bide__slept(w);
    else
        __atomic_store_n(&w->asleep, 0, __ATOMIC_RELAXED);
    look_at_clock(w);
    bide__watch_awake();
    if (doubts && w->clock >= until)
        bide__doubt(w);
    else
        w->doubt = 0;
}

/* Make ready what has become so. With wait, and when nothing has, wait for it. */
void bide__poll(struct bide__worker *w, bool wait)
{
    int saved = errno; /* the affair of the fiber whose stack this is on */
    if (BIDE__UNLIKELY(w->generation != bide__fork_generation))
        bide__forked(NULL);
    __atomic_store_n(&w->until_poll, POLL_EVERY, __ATOMIC_RELAXED);
    w->callbacks++;
    if (BIDE__UNLIKELY(w->simulated))
        bide__sim_begin_step(w);
    if (w->team && !wait)
        bide__post_flush(w);
    bide__read_inbox(w);
    bide__count(&w->stats.turns, 1);
    if (w->wheel.count || (BIDE__INSPECT && w->stats.turns % CLOCK_EVERY == 0))
        look_at_clock(w);
    if (w->wheel.count)
        bide__wheel_fire(&w->wheel, w->clock);
    if (wait && bide__list_empty(&w->ready)) {
        wait_in_reactor(w);
        bide__read_inbox(w);
        if (w->wheel.count)
            bide__wheel_fire(&w->wheel, w->clock);
    } else if (w->operations_pending || w->foreign || w->simulated) {
        w->reactor->ops->turn(w->reactor, 0);
    }
    if (!bide__list_empty(&w->signals))
        bide__signals_deliver(w);
    /* However much is ready here, what was spawned in parallel has its turn. */
    if (w->team && !wait)
        bide__take_own(w);
    if (BIDE__UNLIKELY(w->simulated))
        bide__sim_end_step(w, wait);
    w->callbacks--;
    errno = saved;
}

void bide__idle(struct bide__worker *w)
{
    if (!w->team || !bide__find_work(w))
        bide__poll(w, true);
}

/* ---- what the environment chooses ---- */

static int count_workers(struct bide_config *config)
{
    const char *text = getenv("BIDE_WORKERS");
    if (config->workers || !text || !*text)
        return 0;
    if (text[strspn(text, "0123456789")] != '\0')
        return -EINVAL;
    unsigned long count = strtoul(text, NULL, 10);
    config->workers = count < UINT_MAX ? (unsigned)count : UINT_MAX;
    return 0;
}

static const struct bide__reactor_ops *named_reactor(const char *name)
{
    if (strcmp(name, "uring") == 0 || strcmp(name, "io_uring") == 0)
        return &bide__uring;
    if (strcmp(name, "sim") == 0)
        return &bide__sim;
    return strcmp(name, "epoll") == 0 ? &bide__epoll : NULL;
}

static int simulate(struct bide__worker *w)
{
    struct bide_sim sim = { 0 };
    const char *text = w->config.reactor == BIDE__REACTOR_SIM ? NULL : getenv("BIDE_SEED");
    if (text && *text) {
        char *end;
        errno = 0;
        sim.seed = strtoull(text, &end, 0);
        if (*text < '0' || *text > '9' || *end || errno)
            return -EINVAL;
    }
    w->simulated = w->alone = true;
    w->until_poll = 1; /* each step is its look's */
    bide__sim_setup(w->reactor, &sim);
    return 0;
}

static int make_reactor(struct bide__worker *w)
{
    const struct bide__reactor_ops *ops = NULL;
    const char *name = getenv("BIDE_REACTOR");
    if (w->config.reactor == BIDE_REACTOR_URING)
        ops = &bide__uring;
    else if (w->config.reactor == BIDE_REACTOR_EPOLL)
        ops = &bide__epoll;
    else if (w->config.reactor == BIDE__REACTOR_SIM)
        ops = &bide__sim;
    else if (name && *name && !(ops = named_reactor(name)))
        return -EINVAL;
    bool any = !ops;
    if (any)
        ops = &bide__uring;
    int error = ops->create(&w->reactor);
    if (error < 0 && any) {
        ops = &bide__epoll;
        error = ops->create(&w->reactor);
    }
    if (error < 0)
        return error;
    w->reactor->ops = ops;
    w->reactor->host = &bide__io_host;
    w->stats.reactor = ops->name;
    return ops == &bide__sim ? simulate(w) : 0;
}

/* ---- life ---- */

/* A write to a peer that is gone must not kill: SIGPIPE is held back while the runtime runs. */
static void block_sigpipe(struct bide__worker *w)
{
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &w->signal_mask);
}

static void unblock_sigpipe(struct bide__worker *w)
{
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (sigismember(&w->signal_mask, SIGPIPE))
        return;
    while (sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 }) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, &w->signal_mask, NULL);
}

void bide__worker_free(struct bide__worker *w)
{
    bide__signals_leave(w);
    if (w->first && w->pool)
        bide__pool_free(w->pool);
    while (__atomic_load_n(&w->posting, __ATOMIC_ACQUIRE))
        sched_yield();
    if (w->reactor) {
        unblock_sigpipe(w);
        w->reactor->ops->destroy(w->reactor);
    }
    bide__fiber_free_all(w);
    bide__stacks_release(&w->stacks);
    bide__slab_release(&w->slab);
    bide__free(w->ring);
    bide__free(w->outbox);
    bide__free(w);
}

int bide__worker_new(const struct bide_config *config, struct bide__pool *pool,
                     struct bide__worker **ret_worker)
{
    int error = bide__fork_init();
    if (error < 0)
        return error;
    struct bide__worker *w = bide__alloc_zero(sizeof(*w));
    if (!w)
        return -ENOMEM;
    if (config)
        w->config = *config;
    w->signal_slot = -1;
    w->until_poll = POLL_EVERY;
    bide__list_init(&w->ready);
    bide__list_init(&w->idle);
    bide__list_init(&w->cancelling);
    bide__list_init(&w->signals);
    bide__list_init(&w->overflow);
    bide__list_init(&w->adopted);
    bide__fiber_init(&w->root, w);
    bide__hooks_init(&w->root.hooks, NULL, 0);
    size_t stack_size = w->config.stack_size ? w->config.stack_size : 256 * 1024;
    w->first = !pool;
    w->generation = bide__fork_generation;
    w->pool = pool ? pool : bide__pool_new(&w->config);
    error = w->pool ? count_workers(&w->config) : -ENOMEM;
    if (!error)
        error = bide__stacks_init(&w->stacks, stack_size);
    if (!error)
        error = make_reactor(w);
    if (error < 0) {
        bide__worker_free(w);
        return error;
    }
    block_sigpipe(w);
    look_at_clock(w);
    bide__wheel_init(&w->wheel, w->clock);
    *ret_worker = w;
    return 0;
}

/* The main future runs on the thread's own stack, as the only child of a group. */
static void run_main(struct bide__worker *w, struct bide_future *f, const char *site)
{
    struct bide__group g;
    w->main = f;
    w->root.bindings = *bide__bindings();
    bide__self = (struct bide__self){ .fiber = &w->root };
    w->root.site = site;
    w->budget = BUDGET;
    bide__inspect_enter(w);
    bide__group_open(&g, &w->root, POLICY_ALL, site);
    if (bide__group_add(&g, f)) {
        if (f->type->leaf)
            bide__group_enqueue(&g, f);
        else
            bide__run_here(&w->root, f);
    }
    bide__group_wait(&g);
    bide__group_close(&g);
    bide__inspect_leave(w);
    bide__self = (struct bide__self){ 0 };
    if (w->deadlocked) {
        f->error = -EDEADLK;
        bide__write_errno(f, -EDEADLK);
    }
}

void bide__run(const struct bide_config *config, struct bide_future *f, const char *site)
{
    if (bide__self.fiber) {
        bide__await(f, site);
        return;
    }
    if (!bide__check_cold(f, "run", site))
        return;
    struct bide__worker *w;
    int error = bide__stand_in ? -EOPNOTSUPP : bide__worker_new(config, NULL, &w);
    if (error < 0) {
        bide__fail(f, error);
        return;
    }
    bide__worker_run(w, f, site);
}

void bide__worker_run(struct bide__worker *w, struct bide_future *f, const char *site)
{
    struct bide__self before = bide__self;
    bide__worker_thread_enter();
    bide__overflow_enter(w);
    bide__watch(w);
    bide__sigquit_enter(w);
    run_main(w, f, site);
    if (w->generation != bide__fork_generation)
        bide__forked("bide_run returns");
    bide__sigquit_leave(w);
    bide__unwatch(w);
    bide__team_close(w);
    bide__worker_thread_leave();
    bide__overflow_leave(w);
    bide__worker_free(w);
    bide__self = before;
}

static void add_stats(struct bide__worker *w, void *to)
{
    struct bide_stats *sum = to;
    const struct bide_stats *own = &w->stats;
    sum->spawned += bide__counted(&own->spawned);
    sum->tasks += bide__counted(&own->tasks);
    sum->switches += bide__counted(&own->switches);
    sum->steals += bide__counted(&own->steals);
    sum->turns += bide__counted(&own->turns);
    sum->syscalls += bide__counted(&w->reactor->calls);
    sum->timers += bide__counted(&w->wheel.count);
    sum->running += !__atomic_load_n(&w->asleep, __ATOMIC_RELAXED);
    sum->operations += bide__counted(&own->operations);
    sum->offloaded += bide__counted(&own->offloaded);
    sum->fibers += bide__counted(&w->fibers) - bide__counted(&w->idle_count);
    sum->fibers_idle += bide__counted(&w->idle_count);
    sum->stack_bytes += bide__counted(&w->stacks.mapped);
    sum->workers++;
}

int bide_get_stats(struct bide_stats *ret_stats)
{
    struct bide__worker *w = bide__worker();
    if (!w)
        return -ENOTCONN;
    *ret_stats = (struct bide_stats){ .reactor = w->stats.reactor };
    bide__team_stats(w, add_stats, ret_stats);
    bide__pool_stats(w->pool, ret_stats);
    return 0;
}
