/*
 * db/sqlite_lane.c - a queue of jobs and the threads that run them.
 *
 * A job lives on the stack of whoever waits for it, so nobody may touch it once it is answered: the
 * lane's thread answers under the mutex, and the waiter takes the mutex once more before it leaves.
 *
 * When the waiting is cancelled, a job that is still queued is taken out and never runs. One that
 * runs is interrupted, and its end waited for: it may have been committed before the
 * interruption came, and then that is its result.
 *
 * The threads are the database's own and not those of bide_offload: a few slow reads would keep
 * all of the pool's, and every write, file and resolver of the process would wait for them.
 */
#include "db/sqlite_internal.h"

#include <bide/scope.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of the machine, also where bide_now() is simulated: lanes are beyond a simulation. */
bide_time bide__sqlite_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * BIDE_S + now.tv_nsec;
}

/* ---- threads ------------------------------------------------------------------------------- */

static void *lane_main(void *arg)
{
    struct bide__sqlite_lane *lane = arg;

    lane->serve(lane);
    return NULL;
}

/* One thread more. The program's signals are no business of its. */
static int add_thread(struct bide__sqlite_lane *lane)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&lane->thread[lane->threads], NULL, lane_main, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        lane->threads++;
    return -error;
}

int bide__sqlite_lane_init(struct bide__sqlite_lane *lane, struct bide_sqlite *db, unsigned threads,
                           void (*serve)(struct bide__sqlite_lane *lane))
{
    lane->thread = calloc(threads, sizeof(*lane->thread));
    if (!lane->thread)
        return -ENOMEM;
    lane->db = db;
    lane->serve = serve;
    lane->threads_max = threads;
    bide__list_init(&lane->queue);
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->work, NULL);
    pthread_cond_init(&lane->answered, NULL);
    return 0;
}

void bide__sqlite_lane_release(struct bide__sqlite_lane *lane)
{
    if (!lane->thread)
        return;
    pthread_mutex_lock(&lane->mutex);
    lane->closing = true;
    pthread_cond_broadcast(&lane->work);
    pthread_mutex_unlock(&lane->mutex);
    for (unsigned i = 0; i < lane->threads; i++)
        pthread_join(lane->thread[i], NULL);
    pthread_cond_destroy(&lane->answered);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->mutex);
    free(lane->thread);
}

/* ---- the threads' side --------------------------------------------------------------------- */

/* The next job, RUNNING from now on. NULL when there is none: then, if wait, the lane closes. */
struct bide__sqlite_job *bide__sqlite_lane_take(struct bide__sqlite_lane *lane, bool wait)
{
    struct bide__sqlite_job *job = NULL;

    pthread_mutex_lock(&lane->mutex);
    while (wait && !lane->queued && !lane->closing) {
        lane->idle++;
        pthread_cond_wait(&lane->work, &lane->mutex);
        lane->idle--;
    }
    if (lane->queued) {
        lane->queued--;
        job = bide__container(bide__list_pop(&lane->queue), struct bide__sqlite_job, link);
        job->state = BIDE__SQLITE_RUNNING;
    }
    pthread_mutex_unlock(&lane->mutex);
    return job;
}

/* Is there a job in the queue? */
bool bide__sqlite_lane_waits(struct bide__sqlite_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool waits = lane->queued > 0;
    pthread_mutex_unlock(&lane->mutex);
    return waits;
}

/* From now on job may be interrupted. Returns 0, or -ECANCELED: then it must not run. */
int bide__sqlite_job_begin(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                           struct bide__sqlite_job *job)
{
    bide__sqlite_hush();
    pthread_mutex_lock(&lane->mutex);
    conn->job = job;
    job->conn = conn;
    pthread_mutex_unlock(&lane->mutex);
    return atomic_load(&job->cancelled) ? bide__sqlite_say(-ECANCELED, "interrupted") : 0;
}

/* Its result; and it is interrupted no more. */
void bide__sqlite_job_end(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                          struct bide__sqlite_job *job, int result)
{
    pthread_mutex_lock(&lane->mutex);
    conn->job = NULL;
    job->conn = NULL;
    pthread_mutex_unlock(&lane->mutex);
    job->result = result;
    if (result < 0)
        strcpy(job->message, bide_sqlite_message());
}

/* Its result, without having run. */
void bide__sqlite_job_refuse(struct bide__sqlite_job *job, int error)
{
    job->result = error;
    strcpy(job->message, bide_sqlite_message());
}

/* Tell who waits for it. The job is theirs again, and may be gone. */
void bide__sqlite_job_answer(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    pthread_mutex_lock(&lane->mutex);
    job->state = BIDE__SQLITE_OVER;
    if (job->plain)
        pthread_cond_broadcast(&lane->answered);
    else
        bide_resolve(&job->over, 0);
    pthread_mutex_unlock(&lane->mutex);
}

/* ---- the waiters' side --------------------------------------------------------------------- */

static int submit(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    int r = 0;

    pthread_mutex_lock(&lane->mutex);
    if (lane->queued >= lane->idle && lane->threads < lane->threads_max)
        r = add_thread(lane);
    if (lane->threads) {
        job->state = BIDE__SQLITE_QUEUED;
        bide__list_push(&lane->queue, &job->link);
        lane->queued++;
        pthread_cond_signal(&lane->work);
        r = 0;
    }
    pthread_mutex_unlock(&lane->mutex);
    return r;
}

static void wait_plainly(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    pthread_mutex_lock(&lane->mutex);
    while (job->state != BIDE__SQLITE_OVER)
        pthread_cond_wait(&lane->answered, &lane->mutex);
    pthread_mutex_unlock(&lane->mutex);
}

/*
 * The waiting for job was cancelled. Returns true when it is over, or was taken out of the queue
 * before it began; else it has been asked to end, and its promise renewed for that.
 */
static bool call_off(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    pthread_mutex_lock(&lane->mutex);
    if (job->state == BIDE__SQLITE_QUEUED) {
        bide__list_remove(&job->link);
        lane->queued--;
        job->result = -ECANCELED;
        job->state = BIDE__SQLITE_OVER;
    }
    bool over = job->state == BIDE__SQLITE_OVER;
    if (!over) {
        atomic_store(&job->cancelled, true);
        if (job->conn && job->conn->job == job)
            sqlite3_interrupt(job->conn->handle);
        bide_promise_init(&job->over);
    }
    pthread_mutex_unlock(&lane->mutex);
    return over;
}

/* Returns 0 when the job ran, or why the waiting for it ended early: it is over all the same. */
static int wait_suspended(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    bide__promised(1);
    (void)bide_await(&job->over);
    int reason = bide_error(&job->over);

    /* Also where nothing was cancelled: the answering thread may still hold the mutex. */
    while (!call_off(lane, job))
        bide_shield()
        {
            (void)bide_await(&job->over);
        }
    bide__promised(-1);
    return reason;
}

/* Run job on a thread of lane. Suspends. Returns its result. */
int bide__sqlite_lane_run(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job)
{
    int reason = 0;

    job->plain = !bide__self.fiber;
    job->busy_until = bide__sqlite_clock() + lane->db->options.busy;
    if (!job->plain)
        bide_promise_init(&job->over);
    int r = submit(lane, job);
    if (r < 0)
        return bide__sqlite_say(r, "no thread: %s", strerror(-r));
    if (job->plain)
        wait_plainly(lane, job);
    else
        reason = wait_suspended(lane, job);

    /* Interrupted, or disturbed while it waited for a lock. */
    if (reason < 0 && (job->result == -ECANCELED || job->result == -EBUSY))
        return bide__sqlite_say(reason, "interrupted");
    if (job->result < 0)
        bide__sqlite_say(job->result, "%s", job->message);
    return job->result;
}
