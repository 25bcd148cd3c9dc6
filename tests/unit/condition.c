/* Waiting for what a mutex protects: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"
#include "sync/wait.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

struct log {
    struct bide_mutex mutex;
    struct bide_condition condition;
    int order[8], count, result[8];
};

/* The mutex is the caller's, or nobody's. */
static bool locked(struct bide_mutex *mutex)
{
    if (bide_mutex_try_lock(mutex) == 0) {
        bide_mutex_unlock(mutex);
        return false;
    }
    return true;
}

static int wait_once(struct log *log, int who)
{
    int error = bide_mutex_lock(&log->mutex);
    if (error)
        return error;
    error = bide_condition_wait(&log->condition, &log->mutex);
    CHECK_OR(log->mutex.owner == bide__holder(bide__self.fiber), -1);
    log->order[log->count++] = who;
    log->result[who] = error;
    bide_shield()
        bide_sleep(BIDE_MS / 8);
    bide_mutex_unlock(&log->mutex);
    return error;
}
ASYNC(int, wait_once, struct log *, int)

static void start_waits(struct log *log, struct wait_once_future *f, int n)
{
    for (int i = 0; i < n; i++) {
        f[i] = async(wait_once, log, i);
        bide_start(&f[i]);
    }
    bide_yield();
}

FIBER_TEST(a_signal_is_for_the_one_that_waits_longest)
{
    struct log log = { 0 };
    struct wait_once_future f[3];
    bide_condition_signal(&log.condition); /* for nobody */
    scope(s) {
        start_waits(&log, f, 3);
        CHECK(!locked(&log.mutex));
        for (int i = 0; i < 3; i++) {
            bide_condition_signal(&log.condition);
            await(&f[i]);
            CHECK_EQ(log.count, i + 1);
            CHECK_EQ(log.order[i], i);
        }
        bide_condition_signal(&log.condition);
    }
}

FIBER_TEST(a_broadcast_is_for_all_in_their_order)
{
    struct log log = { 0 };
    struct wait_once_future f[4];
    scope(s) {
        start_waits(&log, f, 4);
        bide_condition_broadcast(&log.condition);
        bide_condition_broadcast(&log.condition);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(f[i].value, 0);
        CHECK_EQ(log.order[i], i);
    }
}

FIBER_TEST(signalled_with_the_mutex_they_wait_for_it)
{
    struct log log = { 0 };
    struct wait_once_future f[2];
    scope(s) {
        start_waits(&log, f, 2);
        CHECK_EQ(bide_mutex_lock(&log.mutex), 0);
        bide_condition_broadcast(&log.condition);
        bide_sleep(BIDE_US);
        CHECK_EQ(log.count, 0);
        bide_mutex_unlock(&log.mutex);
    }
    CHECK_EQ(log.count, 2);
    CHECK(!locked(&log.mutex));
}

/* ---- cancelling ---- */

FIBER_TEST(one_cancelled_leaves_the_signal_to_the_next)
{
    struct log log = { 0 };
    struct wait_once_future f[2];
    scope(s) {
        start_waits(&log, f, 2);
        cancel(&f[0]);
        bide_condition_signal(&log.condition);
    }
    CHECK_EQ(f[0].value, -ECANCELED);
    CHECK_EQ(f[1].value, 0);
}

FIBER_TEST(one_that_was_signalled_first_keeps_the_signal)
{
    struct log log = { 0 };
    struct wait_once_future f[2];
    scope(s) {
        start_waits(&log, f, 2);
        CHECK_EQ(bide_mutex_lock(&log.mutex), 0);
        bide_condition_signal(&log.condition);
        cancel(&f[0]);
        bide_mutex_unlock(&log.mutex);
        await(&f[0]);
        CHECK_EQ(log.result[0], 0);
        CHECK_EQ(bide_state(&f[1]), BIDE_RUNNING);
        bide_condition_signal(&log.condition);
    }
}

FIBER_TEST(one_cancelled_returns_only_with_the_mutex)
{
    struct log log = { 0 };
    struct wait_once_future f;
    scope(s) {
        start_waits(&log, &f, 1);
        CHECK_EQ(bide_mutex_lock(&log.mutex), 0);
        cancel(&f);
        bide_sleep(BIDE_US);
        CHECK_EQ(log.count, 0);
        bide_mutex_unlock(&log.mutex);
    }
    CHECK_EQ(log.result[0], -ECANCELED);
}

static int wait_cancelled(struct log *log)
{
    bide_mutex_lock(&log->mutex);
    while (!bide_cancelled())
        bide_sleep(BIDE_S);
    int error = bide_condition_wait(&log->condition, &log->mutex);
    CHECK_OR(log->mutex.owner == bide__holder(bide__self.fiber), -1);
    bide_mutex_unlock(&log->mutex);
    return error;
}
ASYNC(int, wait_cancelled, struct log *)

FIBER_TEST(one_that_is_cancelled_before_keeps_the_mutex)
{
    struct log log = { 0 };
    let f = async(wait_cancelled, &log);
    scope(s) {
        bide_start(&f);
        bide_yield();
        cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
}

FIBER_TEST(as_a_leaf)
{
    struct log log = { 0 };
    CHECK_EQ(bide_mutex_lock(&log.mutex), 0);
    let wait = async(bide_condition_wait, &log.condition, &log.mutex);
    CHECK_EQ(within(BIDE_US, &wait), -ETIMEDOUT);
    CHECK_EQ(wait.value, -ETIMEDOUT);
    CHECK_EQ(bide_error(&wait), -ETIMEDOUT);
    CHECK(log.mutex.owner == bide__holder(bide__self.fiber));

    wait = async(bide_condition_wait, &log.condition, &log.mutex);
    CHECK_EQ(race(&wait, async(bide_sleep, BIDE_US)), 1);
    CHECK_EQ(wait.value, -ECANCELED);
    CHECK(log.mutex.owner == bide__holder(bide__self.fiber));

    wait = async(bide_condition_wait, &log.condition, &log.mutex);
    CHECK_EQ(race(async(bide_yield), &wait), 0);
    CHECK(log.mutex.owner == bide__holder(bide__self.fiber));
    bide_mutex_unlock(&log.mutex);
}

/* ---- several threads ---- */

enum { ROOM = 3, ITEMS = 2000, TASKS = 4 };

struct buffer {
    struct bide_mutex mutex;
    struct bide_condition not_empty, not_full;
    int items[ROOM], used, inside;
    long sum, taken, wanted; /* wanted: that are to be taken in all */
};

static void enter(struct buffer *b)
{
    CHECK_EQ(b->inside++, 0);
}

static void leave(struct buffer *b)
{
    b->inside--;
    bide_mutex_unlock(&b->mutex);
}

static int put(struct buffer *b, int item)
{
    int error = bide_mutex_lock(&b->mutex);
    if (error)
        return error;
    while (!error && b->used == ROOM)
        error = bide_condition_wait(&b->not_full, &b->mutex);
    enter(b);
    if (!error) {
        b->items[b->used++] = item;
        bide_condition_signal(&b->not_empty);
    }
    leave(b);
    return error;
}

/* 0 when there will be no more. A wait that times out now and then is a wait like any other. */
static int take(struct buffer *b, bide_time span)
{
    int item = 0;
    if (bide_mutex_lock(&b->mutex))
        return 0;
    while (!b->used && b->taken < b->wanted) {
        if (span)
            within(span, async(bide_condition_wait, &b->not_empty, &b->mutex));
        else
            bide_condition_wait(&b->not_empty, &b->mutex);
    }
    enter(b);
    if (b->used) {
        item = b->items[--b->used];
        b->sum += item;
        if (++b->taken == b->wanted)
            bide_condition_broadcast(&b->not_empty);
        bide_condition_signal(&b->not_full);
    }
    leave(b);
    return item;
}

static int produce(struct buffer *b, int n)
{
    for (int i = 1; i <= n; i++) {
        int error = put(b, i);
        if (error)
            return error;
    }
    return 0;
}
ASYNC(int, produce, struct buffer *, int)

static int consume(struct buffer *b, bide_time span)
{
    while (take(b, span))
        continue;
    return 0;
}
ASYNC(int, consume, struct buffer *, bide_time)

static int pass_everywhere(struct buffer *b, bide_time span)
{
    int error = 0;
    b->wanted = TASKS * ITEMS;
    scope(s) {
        for (int i = 0; i < TASKS; i++) {
            spawn_spread(&s, async(produce, b, ITEMS));
            spawn_spread(&s, async(consume, b, i * span));
        }
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, pass_everywhere, struct buffer *, bide_time)

TEST(a_buffer_of_several_workers)
{
    for (int i = 0; i < 4; i++) {
        struct buffer b = { 0 };
        CHECK_EQ(bide_run_with(&two, async(pass_everywhere, &b, i * 2 * BIDE_US)), 0);
        CHECK_EQ(b.taken, TASKS * ITEMS);
        CHECK_EQ(b.sum, TASKS * (ITEMS * (ITEMS + 1L) / 2));
        CHECK(!locked(&b.mutex));
    }
}

static void *consume_in_thread(void *b)
{
    consume(b, 0);
    return NULL;
}

TEST(a_buffer_with_plain_threads)
{
    struct buffer b = { .wanted = ITEMS };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, consume_in_thread, &b), 0);
    CHECK_EQ(bide_run(async(produce, &b, ITEMS)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(b.sum, ITEMS * (ITEMS + 1L) / 2);
}

/*
 * Half of those that wait are cancelled while as many signals are given: each signal is somebody's,
 * and a wait that returns an error has none.
 */
enum { WAITS = 16 };

struct meeting {
    struct bide_mutex mutex;
    struct bide_condition condition;
    struct bide_semaphore waiting;
    atomic_int signalled;
};

static int attend(struct meeting *m)
{
    bide_shield()
        bide_mutex_lock(&m->mutex);
    bide_semaphore_release(&m->waiting, 1);
    int error = bide_condition_wait(&m->condition, &m->mutex);
    if (!error)
        m->signalled++; /* under mutex, but for the end */
    bide_mutex_unlock(&m->mutex);
    return 0;
}
ASYNC(int, attend, struct meeting *)

static int attend_all(struct meeting *m, bide_time span)
{
    struct attend_future f[WAITS / 2];
    for (int i = 0; i < WAITS / 2; i++)
        f[i] = async(attend, m);
    scope(s) {
        for (int i = 0; i < WAITS / 2; i++)
            bide_start(&f[i]);
        if (span) {
            bide_sleep(span);
            bide_scope_cancel(&s);
        }
    }
    return 0;
}
ASYNC(int, attend_all, struct meeting *, bide_time)

static int meet(int round)
{
    struct meeting m = { 0 };
    int signalled = 0;
    scope(s) {
        spawn_spread(&s, async(attend_all, &m, 0));
        spawn_spread(&s, async(attend_all, &m, (1 + round % 40) * BIDE_US));
        bide_semaphore_acquire(&m.waiting, WAITS);
        bide_mutex_lock(&m.mutex); /* the last one is waiting, too */
        bide_mutex_unlock(&m.mutex);
        for (int i = 0; i < WAITS / 2; i++) {
            bide_condition_signal(&m.condition);
            if (i % 3 == 0)
                bide_yield();
        }
        while (m.signalled < WAITS / 2)
            bide_yield();
        bide_mutex_lock(&m.mutex);
        signalled = m.signalled;
        bide_mutex_unlock(&m.mutex);
        bide_condition_broadcast(&m.condition);
    }
    return signalled;
}
ASYNC(int, meet, int)

TEST(no_signal_is_lost_to_one_cancelled)
{
    for (int i = 0; i < (test_small() ? 40 : 200); i++)
        CHECK_EQ(bide_run_with(&two, async(meet, i)), WAITS / 2);
}

/* A race takes a signal only if it returns the wait's index; it ends with the mutex either way. */
static int wait_in_races(struct buffer *b, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        CHECK_OR(bide_mutex_lock(&b->mutex) == 0, -1);
        int first = race(async(bide_condition_wait, &b->not_empty, &b->mutex),
                         async(bide_sleep, (1 + i % 20) * BIDE_US));
        CHECK_OR(b->mutex.owner == bide__holder(bide__self.fiber), -1);
        enter(b);
        b->taken += first == 0;
        leave(b);
    }
    return 0;
}
ASYNC(int, wait_in_races, struct buffer *, int)

static int signal_often(struct buffer *b, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        bool with = i % 2;
        if (with)
            bide_mutex_lock(&b->mutex);
        i % 7 ? bide_condition_signal(&b->not_empty) : bide_condition_broadcast(&b->not_empty);
        if (with)
            bide_mutex_unlock(&b->mutex);
        bide_yield();
    }
    return 0;
}
ASYNC(int, signal_often, struct buffer *, int)

static int race_everywhere(struct buffer *b)
{
    scope(s)
        for (int i = 0; i < TASKS; i++) {
            spawn_spread(&s, async(wait_in_races, b, 300));
            spawn_spread(&s, async(signal_often, b, 2000));
        }
    return bide_mutex_try_lock(&b->mutex);
}
ASYNC(int, race_everywhere, struct buffer *)

TEST(a_race_ends_with_the_mutex)
{
    struct buffer b = { 0 };
    CHECK_EQ(bide_run_with(&two, async(race_everywhere, &b)), 0);
    CHECK(b.taken > 0 && b.taken <= TASKS * 300);
}

/* ---- misuse ---- */

static void wait_without(void *arg)
{
    struct log log = { 0 };
    (void)arg;
    bide_condition_wait(&log.condition, &log.mutex);
}

static int wait_with_anothers(struct log *log)
{
    return bide_condition_wait(&log->condition, &log->mutex);
}
ASYNC(int, wait_with_anothers, struct log *)

FIBER_TEST(mistakes_abort)
{
    expect_abort(wait_without, NULL, "does not hold the mutex");
}

static int lend(void)
{
    struct log log = { 0 };
    bide_mutex_lock(&log.mutex);
    scope(s)
        spawn(&s, async(wait_with_anothers, &log));
    return 0;
}
ASYNC(int, lend)

static void run_lend(void *arg)
{
    (void)arg;
    bide_run(async(lend));
}

TEST(a_mutex_of_another_task_aborts)
{
    expect_abort(run_lend, NULL, "does not hold the mutex");
}

TEST_MAIN()
