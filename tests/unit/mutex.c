/* Mutual exclusion: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(locks_and_unlocks)
{
    struct bide_mutex m = { 0 };
    CHECK_EQ(bide_mutex_lock(&m), 0);
    CHECK_EQ(bide_mutex_try_lock(&m), -EBUSY);
    bide_mutex_unlock(&m);
    CHECK_EQ(bide_mutex_try_lock(&m), 0);
    bide_mutex_unlock(&m);
    CHECK_EQ(await(async(bide_mutex_lock, &m)), 0);
    bide_mutex_unlock(&m);
}

struct log {
    struct bide_mutex mutex;
    int inside, order[8], count;
};

static int enter(struct log *log, int who)
{
    int error = bide_mutex_lock(&log->mutex);
    if (error)
        return error;
    CHECK_OR(log->inside++ == 0, -1);
    log->order[log->count++] = who;
    bide_shield()
        bide_sleep(BIDE_MS / 4);
    log->inside--;
    bide_mutex_unlock(&log->mutex);
    return 0;
}
ASYNC(int, enter, struct log *, int)

FIBER_TEST(first_come_first_served)
{
    struct log log = { 0 };
    scope(s)
        for (int i = 0; i < 5; i++)
            spawn(&s, async(enter, &log, i));
    CHECK_EQ(log.count, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(log.order[i], i);
    CHECK_EQ(bide_mutex_try_lock(&log.mutex), 0);
}

FIBER_TEST(a_cancelled_wait_leaves_the_queue)
{
    struct log log = { 0 };
    let first = async(enter, &log, 1);
    let second = async(enter, &log, 2);
    let third = async(enter, &log, 3);
    scope(s) {
        bide_start(&first);
        bide_start(&second);
        bide_start(&third);
        bide_yield();
        cancel(&second);
    }
    CHECK_EQ(first.value, 0);
    CHECK_EQ(second.value, -ECANCELED);
    CHECK_EQ(third.value, 0);
    CHECK_EQ(log.count, 2);
    CHECK_EQ(log.order[1], 3);
}

FIBER_TEST(a_deadline_bounds_the_wait)
{
    struct log log = { 0 };
    scope(s) {
        spawn(&s, async(enter, &log, 0));
        bide_yield();
        let wait = async(enter, &log, 1);
        CHECK_EQ(within(BIDE_US, &wait), -ETIMEDOUT);
        CHECK_EQ(wait.value, -ETIMEDOUT);
    }
    CHECK_EQ(log.count, 1);
    CHECK_EQ(bide_mutex_try_lock(&log.mutex), 0);
}

static int lock_when_cancelled(struct bide_mutex *m)
{
    while (!bide_cancelled())
        bide_sleep(BIDE_S);
    return bide_mutex_lock(m);
}
ASYNC(int, lock_when_cancelled, struct bide_mutex *)

FIBER_TEST(a_cancelled_caller_gets_none)
{
    struct bide_mutex m = { 0 };
    let f = async(lock_when_cancelled, &m);
    scope(s) {
        bide_start(&f);
        bide_yield();
        cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(bide_mutex_try_lock(&m), 0);
}

FIBER_TEST(a_late_winner_keeps_it)
{
    struct bide_mutex a = { 0 }, b = { 0 };
    let lock_a = async(bide_mutex_lock, &a);
    let lock_b = async(bide_mutex_lock, &b);
    CHECK_EQ(race(&lock_a, &lock_b), 0);
    CHECK_EQ(bide_mutex_try_lock(&a), -EBUSY);
    CHECK_EQ(bide_mutex_try_lock(&b), bide_state(&lock_b) == BIDE_DONE ? -EBUSY : 0);
}

/* ---- several threads ---- */

struct shared {
    struct bide_mutex mutex, other;
    long count, inside; /* under mutex */
};

enum { TASKS = 8, ROUNDS = 300 };

static int add(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int error = bide_mutex_lock(&shared->mutex);
        if (error)
            return error;
        CHECK_OR(shared->inside++ == 0, -1);
        shared->count++;
        if (i % 16 == 0)
            bide_yield();
        shared->inside--;
        bide_mutex_unlock(&shared->mutex);
        if (i % 64 == 0)
            bide_sleep(BIDE_US);
    }
    return 0;
}
ASYNC(int, add, struct shared *, int)

static int add_everywhere(struct shared *shared)
{
    int error = 0;
    scope(s) {
        for (int i = 0; i < TASKS; i++)
            spawn_spread(&s, async(add, shared, ROUNDS));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, add_everywhere, struct shared *)

TEST(excludes_tasks_of_several_workers)
{
    struct shared shared = { 0 };
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bide_run_with(&two, async(add_everywhere, &shared)), 0);
    CHECK_EQ(shared.count, 5 * TASKS * ROUNDS);
}

static void *add_in_thread(void *shared)
{
    add(shared, ROUNDS);
    return NULL;
}

TEST(excludes_plain_threads_too)
{
    struct shared shared = { 0 };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, add_in_thread, &shared), 0);
    CHECK_EQ(bide_run(async(add, &shared, ROUNDS)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(shared.count, 4 * ROUNDS);
}

/* Lock, then lose the race against nothing: cancelled at every moment, it is held or it is not. */
static int lock_or_not(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        let lock = async(bide_mutex_lock, &shared->mutex);
        within(i % 20 * BIDE_US, &lock);
        if (bide_state(&lock) != BIDE_DONE || lock.value != 0)
            continue;
        CHECK_OR(shared->inside++ == 0, -1);
        bide_yield();
        shared->inside--;
        bide_mutex_unlock(&shared->mutex);
    }
    return 0;
}
ASYNC(int, lock_or_not, struct shared *, int)

static int lock_or_not_everywhere(struct shared *shared)
{
    scope(s)
        for (int i = 0; i < TASKS; i++)
            spawn_spread(&s, async(lock_or_not, shared, ROUNDS));
    return bide_mutex_try_lock(&shared->mutex);
}
ASYNC(int, lock_or_not_everywhere, struct shared *)

TEST(cancelled_at_any_moment_nothing_is_lost)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { 0 };
        CHECK_EQ(bide_run_with(&two, async(lock_or_not_everywhere, &shared)), 0);
    }
}

/* By value nobody could see a lock that is won late: there is none. */
static int lock_in_race(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int first = race(async(bide_mutex_lock, &shared->mutex),
                         async(bide_sleep, i % 20 * BIDE_US),
                         async(bide_mutex_lock, &shared->other));
        if (first == 1)
            continue;
        if (first == 0) {
            CHECK_OR(shared->inside++ == 0, -1);
            bide_yield();
            shared->inside--;
        }
        bide_mutex_unlock(first == 0 ? &shared->mutex : &shared->other);
    }
    return 0;
}
ASYNC(int, lock_in_race, struct shared *, int)

static int lock_in_races_everywhere(struct shared *shared)
{
    scope(s)
        for (int i = 0; i < TASKS; i++)
            spawn_spread(&s, async(lock_in_race, shared, ROUNDS));
    int error = bide_mutex_try_lock(&shared->other);
    return error ? error : bide_mutex_try_lock(&shared->mutex);
}
ASYNC(int, lock_in_races_everywhere, struct shared *)

TEST(a_race_by_value_leaves_nothing_locked)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { 0 };
        CHECK_EQ(bide_run_with(&two, async(lock_in_races_everywhere, &shared)), 0);
    }
}

/* ---- misuse ---- */

static void lock_twice(void *arg)
{
    struct bide_mutex m = { 0 };
    (void)arg;
    bide_mutex_lock(&m);
    bide_mutex_lock(&m);
}

static void unlock_free(void *arg)
{
    struct bide_mutex m = { 0 };
    (void)arg;
    bide_mutex_unlock(&m);
}

TEST(mistakes_abort)
{
    expect_abort(lock_twice, NULL, "holds the mutex");
    expect_abort(unlock_free, NULL, "not locked");
}

TEST_MAIN()
