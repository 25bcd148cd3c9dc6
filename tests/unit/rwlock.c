/* Readers and writers: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(locks_and_unlocks)
{
    struct bide_rwlock l = { 0 };
    CHECK_EQ(bide_rwlock_read(&l), 0);
    CHECK_EQ(bide_rwlock_try_read(&l), 0);
    CHECK_EQ(await(async(bide_rwlock_read, &l)), 0);
    CHECK_EQ(bide_rwlock_try_write(&l), -EBUSY);
    for (int i = 0; i < 3; i++)
        bide_rwlock_unlock(&l);
    CHECK_EQ(bide_rwlock_write(&l), 0);
    CHECK_EQ(bide_rwlock_try_read(&l), -EBUSY);
    CHECK_EQ(bide_rwlock_try_write(&l), -EBUSY);
    bide_rwlock_unlock(&l);
    CHECK_EQ(await(async(bide_rwlock_write, &l)), 0);
    bide_rwlock_unlock(&l);
    CHECK_EQ(bide_rwlock_try_write(&l), 0);
    bide_rwlock_unlock(&l);
}

/* ---- the order ---- */

struct book {
    struct bide_rwlock lock;
    int readers, writers; /* inside */
    char order[64];       /* who came in: r, w; a dot when all have left */
};

static void note(struct book *b, char what)
{
    b->order[strlen(b->order)] = what;
}

static int stay(struct book *b, char kind)
{
    int error = kind == 'w' ? bide_rwlock_write(&b->lock) : bide_rwlock_read(&b->lock);
    if (error)
        return error;
    int *count = kind == 'w' ? &b->writers : &b->readers;
    ++*count;
    CHECK_OR(b->writers == 0 || (b->writers == 1 && b->readers == 0), -1);
    note(b, kind);
    bide_shield()
        bide_sleep(BIDE_MS / 4);
    if (--*count == 0)
        note(b, '.');
    bide_rwlock_unlock(&b->lock);
    return 0;
}
ASYNC(int, stay, struct book *, char)

/* Tasks of these kinds come in this order; the one that comes at index cancelled is cancelled. */
static void come(struct book *b, const char *kinds, int cancelled)
{
    struct stay_future f[16];
    scope(s) {
        for (int i = 0; kinds[i]; i++) {
            f[i] = async(stay, b, kinds[i]);
            bide_start(&f[i]);
        }
        bide_yield();
        if (cancelled >= 0)
            cancel(&f[cancelled]);
    }
    for (int i = 0; kinds[i]; i++)
        CHECK_EQ(f[i].value, i == cancelled ? -ECANCELED : 0);
    CHECK_EQ(bide_rwlock_try_write(&b->lock), 0);
    bide_rwlock_unlock(&b->lock);
}

FIBER_TEST(first_come_first_served)
{
    struct book b = { 0 };
    come(&b, "rrwrrwwr", -1);
    CHECK_STR(b.order, "rr.w.rr.w.w.r.");
}

FIBER_TEST(readers_behind_a_writer_enter_together)
{
    struct book b = { 0 };
    come(&b, "wrrrw", -1);
    CHECK_STR(b.order, "w.rrr.w.");
}

FIBER_TEST(a_cancelled_writer_lets_the_readers_in)
{
    struct book b = { 0 };
    come(&b, "rwrrwr", 1);
    CHECK_STR(b.order, "rrr.w.r.");
}

FIBER_TEST(a_cancelled_reader_leaves_the_queue)
{
    struct book b = { 0 };
    come(&b, "wrrw", 1);
    CHECK_STR(b.order, "w.r.w.");
}

FIBER_TEST(a_cancelled_writer_behind_a_writer_changes_nothing)
{
    struct book b = { 0 };
    come(&b, "wwrw", 1);
    CHECK_STR(b.order, "w.r.w.");
}

FIBER_TEST(who_comes_waits_behind_a_writer)
{
    struct bide_rwlock l = { 0 };
    CHECK_EQ(bide_rwlock_read(&l), 0);
    let writer = async(bide_rwlock_write, &l);
    let reader = async(bide_rwlock_read, &l);
    scope(s) {
        bide_start(&writer);
        CHECK_EQ(bide_rwlock_try_read(&l), -EBUSY);
        bide_start(&reader);
        CHECK_EQ(bide_state(&reader), BIDE_RUNNING);
        cancel(&writer);
        CHECK_EQ(reader.value, 0);
        CHECK_EQ(bide_state(&reader), BIDE_DONE);
        CHECK_EQ(bide_rwlock_try_read(&l), 0);
    }
    for (int i = 0; i < 3; i++)
        bide_rwlock_unlock(&l);
    CHECK_EQ(bide_rwlock_try_write(&l), 0);
}

FIBER_TEST(a_deadline_bounds_the_wait)
{
    struct bide_rwlock l = { 0 };
    CHECK_EQ(bide_rwlock_read(&l), 0);
    CHECK_EQ(within(BIDE_US, async(bide_rwlock_write, &l)), -ETIMEDOUT);
    CHECK_EQ(bide_rwlock_try_read(&l), 0);
}

/* ---- several threads ---- */

enum { TASKS = 8, ROUNDS = 1000 };

struct shared {
    struct bide_rwlock lock;
    long a, b; /* equal when nobody writes */
    atomic_int readers;
    atomic_long reads;
    int writers; /* under lock */
};

static void look(struct shared *shared, int i)
{
    atomic_fetch_add(&shared->readers, 1);
    CHECK_EQ(shared->writers, 0);
    CHECK_EQ(shared->a, shared->b);
    if (i % 5 == 0)
        bide_yield();
    CHECK_EQ(shared->a, shared->b);
    atomic_fetch_add(&shared->reads, 1);
    atomic_fetch_sub(&shared->readers, 1);
}

static void change(struct shared *shared, int i)
{
    CHECK_EQ(atomic_load(&shared->readers), 0);
    CHECK_EQ(shared->writers++, 0);
    shared->a++;
    if (i % 3 == 0)
        bide_yield();
    shared->b++;
    shared->writers--;
}

static int use(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        bool write = i % 4 == 0;
        int error = write ? bide_rwlock_write(&shared->lock) : bide_rwlock_read(&shared->lock);
        if (error)
            return error;
        write ? change(shared, i) : look(shared, i);
        bide_rwlock_unlock(&shared->lock);
        if (i % 64 == 0)
            bide_sleep(BIDE_US);
    }
    return 0;
}
ASYNC(int, use, struct shared *, int)

static int use_everywhere(struct shared *shared)
{
    int error = 0;
    scope(s) {
        for (int i = 0; i < TASKS; i++)
            spawn_spread(&s, async(use, shared, ROUNDS));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, use_everywhere, struct shared *)

TEST(tasks_of_several_workers)
{
    struct shared shared = { 0 };
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bide_run_with(&two, async(use_everywhere, &shared)), 0);
    CHECK_EQ(shared.a, 5 * TASKS * ROUNDS / 4);
    CHECK_EQ(shared.reads, 5 * TASKS * ROUNDS / 4 * 3);
}

static void *use_in_thread(void *shared)
{
    use(shared, ROUNDS);
    return NULL;
}

TEST(plain_threads_too)
{
    struct shared shared = { 0 };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_in_thread, &shared), 0);
    CHECK_EQ(bide_run(async(use, &shared, ROUNDS)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(shared.a, ROUNDS);
}

/* Cancelled at every moment, the lock is held or it is not. */
static int use_or_not(struct shared *shared, int rounds, unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        bide_time span = rand_r(&seed) % 20 * BIDE_US;
        if (rand_r(&seed) % 4 == 0) {
            let write = async(bide_rwlock_write, &shared->lock);
            within(span, &write);
            if (bide_state(&write) != BIDE_DONE || write.value != 0)
                continue;
            change(shared, i);
        } else {
            let read = async(bide_rwlock_read, &shared->lock);
            within(span, &read);
            if (bide_state(&read) != BIDE_DONE || read.value != 0)
                continue;
            look(shared, i);
        }
        bide_rwlock_unlock(&shared->lock);
    }
    return 0;
}
ASYNC(int, use_or_not, struct shared *, int, unsigned)

static int use_or_not_everywhere(struct shared *shared)
{
    scope(s)
        for (unsigned i = 0; i < TASKS; i++)
            spawn_spread(&s, async(use_or_not, shared, ROUNDS, i));
    return bide_rwlock_try_write(&shared->lock);
}
ASYNC(int, use_or_not_everywhere, struct shared *)

TEST(cancelled_at_any_moment_nothing_is_lost)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { 0 };
        CHECK_EQ(bide_run_with(&two, async(use_or_not_everywhere, &shared)), 0);
        CHECK_EQ(shared.a, shared.b);
    }
}

/* By value nobody could see a lock that is won late: there is none. */
static int use_in_race(struct shared *shared, int rounds, unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        bide_time span = rand_r(&seed) % 20 * BIDE_US;
        bool write = rand_r(&seed) % 4 == 0;
        int first = write ? race(async(bide_rwlock_write, &shared->lock), async(bide_sleep, span))
                          : race(async(bide_rwlock_read, &shared->lock), async(bide_sleep, span));
        if (first)
            continue;
        write ? change(shared, i) : look(shared, i);
        bide_rwlock_unlock(&shared->lock);
    }
    return 0;
}
ASYNC(int, use_in_race, struct shared *, int, unsigned)

static int use_in_races_everywhere(struct shared *shared)
{
    scope(s)
        for (unsigned i = 0; i < TASKS; i++)
            spawn_spread(&s, async(use_in_race, shared, ROUNDS, i));
    return bide_rwlock_try_write(&shared->lock);
}
ASYNC(int, use_in_races_everywhere, struct shared *)

TEST(a_race_by_value_leaves_nothing_locked)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { 0 };
        CHECK_EQ(bide_run_with(&two, async(use_in_races_everywhere, &shared)), 0);
    }
}

/* ---- misuse ---- */

static void write_twice(void *arg)
{
    struct bide_rwlock l = { 0 };
    (void)arg;
    bide_rwlock_write(&l);
    bide_rwlock_write(&l);
}

static void read_while_writing(void *arg)
{
    struct bide_rwlock l = { 0 };
    (void)arg;
    bide_rwlock_write(&l);
    bide_rwlock_read(&l);
}

static void unlock_free(void *arg)
{
    struct bide_rwlock l = { 0 };
    (void)arg;
    bide_rwlock_unlock(&l);
}

TEST(mistakes_abort)
{
    expect_abort(write_twice, NULL, "bide_rwlock_write: this task holds the lock");
    expect_abort(read_while_writing, NULL, "bide_rwlock_read: this task holds the lock");
    expect_abort(unlock_free, NULL, "not locked");
}

TEST_MAIN()
