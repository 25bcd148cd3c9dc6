/*
 * core/pool.c - the blocking pool of a runtime, which all its workers share: threads that take jobs
 * from two lanes.
 *
 * Short jobs and long ones have each a queue and threads, so that neither kind waits for the other.
 * A lane gets a thread more when a job finds none idle, up to its limit. The thread that is idle
 * since last is called first, so those that nobody needs any more stay idle, and leave after some
 * seconds. For a lane that can have no thread at all the other's threads work too.
 *
 * A finished job is posted to its worker's inbox. Everything here is under the pool's lock, but
 * not what the jobs do.
 */
#include "core/internal.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { THREADS_DEFAULT = 16, IDLE_S = 5, LANES = 2 };

struct lane {
    struct bide__pool *pool;
    struct lane *other;
    struct bide__list jobs; /* bide__job.link */
    struct bide__list idle; /* thread.link, the last to become so first */
    unsigned threads, limit;
};

struct bide__pool {
    unsigned generation; /* of the process that made it; constant */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a thread has left, or a hook is over */
    struct lane lanes[LANES];
    struct bide__list left; /* thread.link: may be used again */
    struct thread *made;    /* thread.made_before: all, freed with the pool */
    unsigned queued;        /* jobs in both lanes */
    bool closing;
};

/* Lives as long as the pool, so that it can be woken without the lock, which it takes at once. */
struct thread {
    struct bide__list link; /* in lane.idle until it is called; in pool.left */
    struct thread *made_before;
    struct lane *lane;
    pthread_cond_t wake;
    bool called;
};

enum { STAGE_QUEUED = 1, STAGE_BEGUN, STAGE_OVER }; /* bide__job.stage */

/* In a forked child nobody would unlock it. */
static void lock(struct bide__pool *pool)
{
    if (BIDE__UNLIKELY(pool->generation != bide__fork_generation))
        bide__forked(NULL);
    pthread_mutex_lock(&pool->lock);
}

/* ---- the threads' side ---- */

static struct bide__job *take_job(struct lane *lane)
{
    struct bide__list *link = bide__list_pop(&lane->jobs);
    if (!link && !lane->other->threads)
        link = bide__list_pop(&lane->other->jobs);
    if (!link)
        return NULL;
    struct bide__job *job = bide__container(link, struct bide__job, link);
    job->stage = STAGE_BEGUN;
    lane->pool->queued--;
    return job;
}

/* False: nobody called for some seconds. */
static bool wait_for_call(struct thread *self)
{
    struct lane *lane = self->lane;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    int error = 0;
    self->called = false;
    bide__list_push_front(&lane->idle, &self->link);
    while (!self->called && !error)
        error = pthread_cond_timedwait(&self->wake, &lane->pool->lock, &until);
    if (!self->called)
        bide__list_remove(&self->link);
    return self->called;
}

/* The next job; NULL: the thread is to leave. */
static struct bide__job *next_job(struct thread *self)
{
    struct bide__job *job;
    while (!(job = take_job(self->lane)))
        if (self->lane->pool->closing || !wait_for_call(self))
            return NULL;
    return job;
}

static void run_job(struct bide__pool *pool, struct bide__job *job)
{
    struct bide__worker *w = job->worker;
    pthread_mutex_unlock(&pool->lock);
    job->work(job);
    if (BIDE__UNLIKELY(pool->generation != bide__fork_generation))
        bide__forked("an offloaded call returns");
    if (w)
        bide__post_to(w, &job->post); /* and it is gone */
    pthread_mutex_lock(&pool->lock);
    if (!w) {
        job->stage = STAGE_OVER;
        pthread_cond_broadcast(&pool->changed);
    }
}

static void *thread_main(void *arg)
{
    struct thread *self = arg;
    struct bide__pool *pool = self->lane->pool;
    pthread_mutex_lock(&pool->lock);
    for (struct bide__job *job; (job = next_job(self));)
        run_job(pool, job);
    bide__list_push(&pool->left, &self->link);
    self->lane->threads--;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* NULL: no memory. */
static struct thread *new_thread(struct bide__pool *pool)
{
    struct bide__list *link = bide__list_pop(&pool->left);
    if (link)
        return bide__container(link, struct thread, link);
    struct thread *thread = bide__alloc(sizeof(*thread));
    if (!thread)
        return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->wake, &attr);
    pthread_condattr_destroy(&attr);
    thread->made_before = pool->made;
    pool->made = thread;
    return thread;
}

/* With all signals blocked, so that they reach the threads that the program made. */
static void add_thread(struct lane *lane)
{
    struct thread *thread = new_thread(lane->pool);
    if (!thread)
        return;
    thread->lane = lane;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (!bide__faulted() && pthread_create(&id, &attr, thread_main, thread) == 0)
        lane->threads++;
    else
        bide__list_push(&lane->pool->left, &thread->link);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the workers' side ---- */

/* An idle one, which is woken when the lock is free. NULL: all are busy. */
static struct thread *call_idle(struct lane *lane)
{
    struct bide__list *link = bide__list_pop(&lane->idle);
    if (!link)
        return NULL;
    struct thread *thread = bide__container(link, struct thread, link);
    thread->called = true;
    return thread;
}

static void wake(struct thread *called)
{
    if (called)
        pthread_cond_signal(&called->wake);
}

/* See to it that somebody comes for one job more; *ret_called is to be woken. False: the lane has
 * no thread, and gets none. */
static bool need_thread(struct lane *lane, struct thread **ret_called)
{
    *ret_called = call_idle(lane);
    if (!*ret_called && lane->threads < lane->limit)
        add_thread(lane);
    return lane->threads > 0;
}

int bide__pool_submit(struct bide__worker *w, struct bide__job *job, enum bide__lane which)
{
    if (BIDE__UNLIKELY(w->simulated))
        return bide__sim_offload(w, job);
    struct bide__pool *pool = w->pool;
    struct lane *lane = &pool->lanes[which];
    struct thread *called;
    job->worker = w;
    lock(pool);
    bool served = need_thread(lane, &called);
    if (!served && lane->other->threads) {
        called = call_idle(lane->other);
        served = true;
    }
    if (served) {
        job->stage = STAGE_QUEUED;
        pool->queued++;
        bide__list_push(&lane->jobs, &job->link);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!served)
        return -EAGAIN;
    wake(called);
    bide__count(&w->stats.offloaded, 1);
    return 0;
}

bool bide__pool_withdraw(struct bide__job *job)
{
    if (BIDE__UNLIKELY(job->worker->simulated))
        return bide__sim_withdraw(job);
    struct bide__pool *pool = job->worker->pool;
    lock(pool);
    bool queued = job->stage == STAGE_QUEUED;
    if (queued) {
        pool->queued--;
        bide__list_remove(&job->link);
    }
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

bool bide__pool_begun(const struct bide__job *job)
{
    if (BIDE__UNLIKELY(job->worker->simulated))
        return bide__sim_begun(job);
    struct bide__pool *pool = job->worker->pool;
    lock(pool);
    bool begun = job->stage != STAGE_QUEUED;
    pthread_mutex_unlock(&pool->lock);
    return begun;
}

/* ---- hooks: jobs that interrupt another ---- */

/* On a thread for short jobs, because it may have to wait a little, and before them, because those
 * for long ones may all be busy with what is to be interrupted. */
void bide__pool_interrupt(struct bide__job *job, struct bide__job *hook)
{
    struct bide__pool *pool = job->worker->pool;
    struct lane *lane = &pool->lanes[BIDE__LANE_SHORT];
    struct thread *called = NULL;
    hook->worker = NULL;
    lock(pool);
    if (job->stage == STAGE_BEGUN && need_thread(lane, &called)) {
        hook->stage = STAGE_QUEUED;
        pool->queued++;
        bide__list_push_front(&lane->jobs, &hook->link);
    } else if (job->stage == STAGE_BEGUN) {
        hook->stage = STAGE_BEGUN;
        run_job(pool, hook);
    }
    pthread_mutex_unlock(&pool->lock);
    wake(called);
}

void bide__pool_over(struct bide__job *job, struct bide__job *hook)
{
    struct bide__pool *pool = job->worker->pool;
    lock(pool);
    job->stage = STAGE_OVER;
    if (hook->stage == STAGE_QUEUED) {
        pool->queued--;
        bide__list_remove(&hook->link);
    }
    while (hook->stage == STAGE_BEGUN)
        pthread_cond_wait(&pool->changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- life ---- */

void bide__pool_stats(struct bide__pool *pool, struct bide_stats *stats)
{
    lock(pool);
    stats->offload_threads = pool->lanes[0].threads + pool->lanes[1].threads;
    stats->offload_queued = pool->queued;
    pthread_mutex_unlock(&pool->lock);
}

/* Some thread has, or is about to have, a job. */
bool bide__pool_busy(struct bide__pool *pool)
{
    bool busy = false;
    lock(pool);
    for (int i = 0; i < LANES; i++) {
        unsigned idle = 0;
        for (struct bide__list *at = pool->lanes[i].idle.next; at != &pool->lanes[i].idle;
             at = at->next)
            idle++;
        busy |= !bide__list_empty(&pool->lanes[i].jobs) || idle < pool->lanes[i].threads;
    }
    pthread_mutex_unlock(&pool->lock);
    return busy;
}

struct bide__pool *bide__pool_new(const struct bide_config *config)
{
    struct bide__pool *pool = bide__alloc_zero(sizeof(*pool));
    if (!pool)
        return NULL;
    pool->generation = bide__fork_generation;
    unsigned limit = config->offload_threads ? config->offload_threads : THREADS_DEFAULT;
    unsigned reserved = limit < 8 ? 1 : limit / 4;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    bide__list_init(&pool->left);
    for (int i = 0; i < LANES; i++) {
        pool->lanes[i].pool = pool;
        pool->lanes[i].other = &pool->lanes[LANES - 1 - i];
        bide__list_init(&pool->lanes[i].jobs);
        bide__list_init(&pool->lanes[i].idle);
    }
    pool->lanes[BIDE__LANE_SHORT].limit = reserved;
    pool->lanes[BIDE__LANE_LONG].limit = limit > reserved ? limit - reserved : 1;
    return pool;
}

void bide__pool_free(struct bide__pool *pool)
{
    lock(pool);
    pool->closing = true;
    for (int i = 0; i < LANES; i++) {
        for (struct thread *thread; (thread = call_idle(&pool->lanes[i]));)
            wake(thread);
        while (pool->lanes[i].threads)
            pthread_cond_wait(&pool->changed, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    while (pool->made) {
        struct thread *thread = pool->made;
        pool->made = thread->made_before;
        pthread_cond_destroy(&thread->wake);
        bide__free(thread);
    }
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    bide__free(pool);
}
