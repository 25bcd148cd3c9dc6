/*
 * core/offload.c - the blocking pool: threads that take jobs from one queue. A thread is added
 * when a job finds none idle, up to the limit, and leaves after some idle seconds. A finished job
 * is posted to its worker's inbox.
 */
#include "core/internal.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { THREADS_DEFAULT = 16, IDLE_S = 5 };

struct bide__pool {
    pthread_mutex_t lock;
    pthread_cond_t work;   /* there is a job, or the pool closes */
    pthread_cond_t ended;  /* a thread has left */
    struct bide__list jobs; /* bide__job.link */
    unsigned threads, idle, limit;
    bool closing;
};

static struct bide__job *take_job(struct bide__pool *pool)
{
    struct bide__list *link = bide__list_pop(&pool->jobs);
    if (!link)
        return NULL;
    link->next = NULL;
    return bide__container(link, struct bide__job, link);
}

/* The next job; NULL: the thread is to leave. */
static struct bide__job *wait_for_job(struct bide__pool *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    int error = 0;
    pool->idle++;
    while (bide__list_empty(&pool->jobs) && !pool->closing && !error)
        error = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
    pool->idle--;
    return take_job(pool);
}

static void *pool_thread(void *arg)
{
    struct bide__pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (struct bide__job *job; (job = wait_for_job(pool));) {
        pthread_mutex_unlock(&pool->lock);
        struct bide__worker *w = job->worker;
        job->work(job);
        bide__post_to(w, &job->post);
        pthread_mutex_lock(&pool->lock);
    }
    pool->threads--;
    pthread_cond_signal(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* With all signals blocked, so that they reach the threads that the program made. */
static int add_thread(struct bide__pool *pool)
{
    if (bide__faulted())
        return -EAGAIN;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attr, pool_thread, pool);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pool->threads++;
    return -error;
}

static struct bide__pool *need_pool(struct bide__worker *w)
{
    if (w->pool)
        return w->pool;
    struct bide__pool *pool = bide__alloc_zero(sizeof(*pool));
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &attr);
    pthread_cond_init(&pool->ended, NULL);
    pthread_condattr_destroy(&attr);
    bide__list_init(&pool->jobs);
    pool->limit = w->config.offload_threads ? w->config.offload_threads : THREADS_DEFAULT;
    __atomic_store_n(&w->pool, pool, __ATOMIC_RELEASE);
    return pool;
}

/* 0, or -EAGAIN when there is no thread that could do it, or -ENOMEM. */
int bide__pool_submit(struct bide__worker *w, struct bide__job *job)
{
    struct bide__pool *pool = need_pool(w);
    if (!pool)
        return -ENOMEM;
    job->worker = w;
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    bool wanted = !pool->idle && pool->threads < pool->limit;
    if (wanted && add_thread(pool) < 0 && !pool->threads)
        error = -EAGAIN;
    if (!error)
        bide__list_push(&pool->jobs, &job->link);
    bool wake = pool->idle > 0;
    pthread_mutex_unlock(&pool->lock);
    if (!error && wake)
        pthread_cond_signal(&pool->work);
    if (!error)
        bide__count(&w->stats.offloaded, 1);
    return error;
}

/* Take back a job that no thread has begun: true, and it never will. */
bool bide__pool_withdraw(struct bide__worker *w, struct bide__job *job)
{
    pthread_mutex_lock(&w->pool->lock);
    bool queued = job->link.next != NULL;
    if (queued)
        bide__list_remove(&job->link);
    pthread_mutex_unlock(&w->pool->lock);
    return queued;
}

/* Of any worker's pool. */
unsigned bide__pool_threads(struct bide__worker *w)
{
    struct bide__pool *pool = __atomic_load_n(&w->pool, __ATOMIC_ACQUIRE);
    if (!pool)
        return 0;
    pthread_mutex_lock(&pool->lock);
    unsigned threads = pool->threads;
    pthread_mutex_unlock(&pool->lock);
    return threads;
}

void bide__pool_free(struct bide__worker *w)
{
    struct bide__pool *pool = w->pool;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->threads)
        pthread_cond_wait(&pool->ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
    bide__free(pool);
    w->pool = NULL;
}

/* ---- bide_offload_call ---- */

static struct bide_offload_call_future *call_of(struct bide__job *job)
{
    return bide__container(job, struct bide_offload_call_future, job);
}

static void call_work(struct bide__job *job)
{
    struct bide_offload_call_future *f = call_of(job);
    f->value = f->args.call(f->args.arg);
}

static void call_done(struct bide__post *post)
{
    bide_leaf_done(&call_of(bide__container(post, struct bide__job, post))->future);
}

static enum bide_leaf_start call_start(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    f->job.work = call_work;
    f->job.post.deliver = call_done;
    int error = bide__pool_submit(bide__worker(), &f->job);
    if (!error)
        return BIDE_LEAF_PENDING;
    f->value = error;
    future->error = error;
    return BIDE_LEAF_DONE;
}

static void call_cancel(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    if (bide__pool_withdraw(f->job.worker, &f->job))
        bide_leaf_fail(future, bide_leaf_reason(future));
}

static void call_block(struct bide_future *future)
{
    struct bide_offload_call_future *f = (struct bide_offload_call_future *)future;
    f->value = f->args.call(f->args.arg);
}

static const struct bide_leaf_ops call_ops = { call_start, call_cancel, call_block };
const struct bide_type bide_offload_call_type = BIDE_LEAF_TYPE(bide_offload_call, &call_ops);

int bide_offload_call(int (*call)(void *arg), void *arg)
{
    return bide_await(bide_offload_call_async(call, arg));
}

/* ---- bide_offload ---- */

/* On a thread of the pool, which is outside any runtime: operations block. */
static int drive_there(void *arg)
{
    struct bide_future *f = arg;
    bide__await(f, "bide_offload");
    return 0;
}

void bide__offload(struct bide_future *f, const char *site)
{
    if (!bide__self.fiber || f->flags & WHY) {
        bide__await(f, site);
        return;
    }
    if (!bide__check_cold(f, "offload", site))
        return;
    bide_let call = bide_async(bide_offload_call, drive_there, f);
    bide_await(&call);
    if (bide_error(&call))
        bide__fail(f, bide_error(&call));
}
