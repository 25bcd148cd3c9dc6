/* Permits: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(takes_and_gives_back)
{
    struct bide_semaphore s = BIDE_SEMAPHORE(3);
    CHECK_EQ(bide_semaphore_acquire(&s, 2), 0);
    CHECK_EQ(bide_semaphore_try_acquire(&s, 2), -EAGAIN);
    CHECK_EQ(bide_semaphore_try_acquire(&s, 1), 0);
    CHECK_EQ(bide_semaphore_try_acquire(&s, 1), -EAGAIN);
    bide_semaphore_release(&s, 3);
    CHECK_EQ(await(async(bide_semaphore_acquire, &s, 3)), 0);
    CHECK_EQ(bide_semaphore_acquire(&s, 0), 0);
    CHECK_EQ(within(BIDE_US, async(bide_semaphore_acquire, &s, 1)), -ETIMEDOUT);
    bide_semaphore_release(&s, 4); /* one more than there were */
    CHECK_EQ(bide_semaphore_try_acquire(&s, 5), -EAGAIN);
    CHECK_EQ(bide_semaphore_try_acquire(&s, 4), 0);
}

FIBER_TEST(all_zeros_has_none)
{
    struct bide_semaphore s = { 0 };
    CHECK_EQ(bide_semaphore_try_acquire(&s, 1), -EAGAIN);
    CHECK_EQ(bide_semaphore_try_acquire(&s, 0), 0);
}

/* ---- the order ---- */

struct waits {
    struct bide_semaphore semaphore;
    struct bide_semaphore_acquire_future f[6];
};

/* Requests of these sizes, the first of which get what they want. */
static void request(struct waits *w, size_t permits, const size_t *sizes, int n)
{
    bide_semaphore_release(&w->semaphore, permits);
    for (int i = 0; i < n; i++) {
        w->f[i] = async(bide_semaphore_acquire, &w->semaphore, sizes[i]);
        bide_start(&w->f[i]);
    }
}

/* How many, from the first on, have their permits; the others wait. */
static int granted(const struct waits *w, int n)
{
    int i = 0;
    while (i < n && bide_state(&w->f[i]) == BIDE_DONE)
        i++;
    for (int j = i; j < n; j++)
        CHECK_OR(bide_state(&w->f[j]) == BIDE_RUNNING, -1);
    return i;
}

FIBER_TEST(first_come_first_served_whatever_the_size)
{
    struct waits w = { 0 };
    scope(s) {
        request(&w, 2, (size_t[]){ 1, 5, 1, 0, 2, 9 }, 6);
        CHECK_EQ(granted(&w, 6), 1); /* one is free, but a large one waits */
        CHECK_EQ(bide_semaphore_try_acquire(&w.semaphore, 0), -EAGAIN);
        bide_semaphore_release(&w.semaphore, 3);
        CHECK_EQ(granted(&w, 6), 1);
        bide_semaphore_release(&w.semaphore, 2);
        CHECK_EQ(granted(&w, 6), 4);
        bide_semaphore_release(&w.semaphore, 11);
        CHECK_EQ(granted(&w, 6), 6);
    }
    CHECK_EQ(bide_semaphore_try_acquire(&w.semaphore, 1), -EAGAIN);
}

FIBER_TEST(a_cancelled_large_request_lets_small_ones_on)
{
    struct waits w = { 0 };
    scope(s) {
        request(&w, 2, (size_t[]){ 3, 1, 1, 1 }, 4);
        CHECK_EQ(granted(&w, 4), 0);
        cancel(&w.f[0]);
        CHECK_EQ(w.f[0].value, -ECANCELED);
        CHECK_EQ(granted(&w, 4), 3);
        cancel(&w.f[3]);
    }
    CHECK_EQ(w.f[1].value, 0);
    CHECK_EQ(w.f[2].value, 0);
    CHECK_EQ(w.f[3].value, -ECANCELED);
    CHECK_EQ(bide_semaphore_try_acquire(&w.semaphore, 1), -EAGAIN);
}

FIBER_TEST(one_cancelled_in_the_middle_changes_nothing)
{
    struct waits w = { 0 };
    scope(s) {
        request(&w, 1, (size_t[]){ 2, 1, 1 }, 3);
        cancel(&w.f[1]);
        CHECK_EQ(bide_state(&w.f[0]), BIDE_RUNNING);
        CHECK_EQ(bide_state(&w.f[2]), BIDE_RUNNING);
        bide_semaphore_release(&w.semaphore, 2);
        CHECK_EQ(w.f[0].value, 0);
        CHECK_EQ(w.f[2].value, 0);
    }
}

/* The end of one ends the race, whose other member is before what it lets on. */
FIBER_TEST(a_race_with_itself)
{
    struct bide_semaphore sem = BIDE_SEMAPHORE(1);
    for (int i = 0; i < 2; i++) {
        let large = async(bide_semaphore_acquire, &sem, 2);
        let small = async(bide_semaphore_acquire, &sem, 1);
        int first = i ? race(&large, &small, async(bide_sleep, BIDE_US))
                      : race(&large, async(bide_sleep, BIDE_US), &small);
        int won = bide_state(&small) == BIDE_DONE && small.value == 0;
        CHECK_EQ(first, i ? 2 : 1);
        CHECK_EQ(large.value, -ECANCELED);
        CHECK_EQ(bide_semaphore_try_acquire(&sem, 1), won ? -EAGAIN : 0);
        bide_semaphore_release(&sem, 1);
    }
}

FIBER_TEST(a_late_winner_keeps_its_permits)
{
    struct bide_semaphore a = BIDE_SEMAPHORE(1), b = BIDE_SEMAPHORE(1);
    let from_a = async(bide_semaphore_acquire, &a, 1);
    let from_b = async(bide_semaphore_acquire, &b, 1);
    CHECK_EQ(race(&from_a, &from_b), 0);
    CHECK_EQ(bide_semaphore_try_acquire(&a, 1), -EAGAIN);
    CHECK_EQ(bide_semaphore_try_acquire(&b, 1),
             bide_state(&from_b) == BIDE_DONE ? -EAGAIN : 0);
}

/* ---- several threads ---- */

enum { PERMITS = 5, TASKS = 8, ROUNDS = 1000 };

struct shared {
    struct bide_semaphore semaphore;
    atomic_long inside, rounds;
};

/* With n permits, for a while. */
static int stay(struct shared *shared, int n, int i)
{
    long inside = atomic_fetch_add(&shared->inside, n) + n;
    CHECK_OR(inside <= PERMITS, -1);
    shared->rounds++;
    if (i % 3 == 0)
        bide_yield();
    atomic_fetch_sub(&shared->inside, n);
    bide_semaphore_release(&shared->semaphore, (size_t)n);
    return 0;
}

static int use(struct shared *shared, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int n = 1 + i % PERMITS;
        int error = bide_semaphore_acquire(&shared->semaphore, (size_t)n);
        if (!error)
            error = stay(shared, n, i);
        if (error)
            return error;
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

TEST(bounds_tasks_of_several_workers)
{
    struct shared shared = { .semaphore = BIDE_SEMAPHORE(PERMITS) };
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bide_run_with(&two, async(use_everywhere, &shared)), 0);
    CHECK_EQ(shared.rounds, 5 * TASKS * ROUNDS);
    CHECK_EQ(bide_semaphore_try_acquire(&shared.semaphore, PERMITS), 0);
}

static void *use_in_thread(void *shared)
{
    use(shared, ROUNDS);
    return NULL;
}

TEST(bounds_plain_threads_too)
{
    struct shared shared = { .semaphore = BIDE_SEMAPHORE(PERMITS) };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_in_thread, &shared), 0);
    CHECK_EQ(bide_run(async(use, &shared, ROUNDS)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(shared.rounds, 4 * ROUNDS);
    CHECK_EQ(bide_semaphore_try_acquire(&shared.semaphore, PERMITS), 0);
}

/* Cancelled at every moment, it has all its permits or none. */
static int use_or_not(struct shared *shared, int rounds, unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        int n = 1 + (int)(rand_r(&seed) % PERMITS);
        let acquire = async(bide_semaphore_acquire, &shared->semaphore, (size_t)n);
        within(rand_r(&seed) % 20 * BIDE_US, &acquire);
        if (bide_state(&acquire) == BIDE_DONE && acquire.value == 0)
            stay(shared, n, i);
    }
    return 0;
}
ASYNC(int, use_or_not, struct shared *, int, unsigned)

static int use_or_not_everywhere(struct shared *shared)
{
    scope(s)
        for (unsigned i = 0; i < TASKS; i++)
            spawn_spread(&s, async(use_or_not, shared, ROUNDS, i));
    return bide_semaphore_try_acquire(&shared->semaphore, PERMITS);
}
ASYNC(int, use_or_not_everywhere, struct shared *)

TEST(cancelled_at_any_moment_nothing_is_lost)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { .semaphore = BIDE_SEMAPHORE(PERMITS) };
        CHECK_EQ(bide_run_with(&two, async(use_or_not_everywhere, &shared)), 0);
    }
}

/* By value nobody could see permits that are won late: there are none. */
static int use_in_race(struct shared *shared, struct bide_semaphore *other, int rounds,
                       unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        int n = 1 + (int)(rand_r(&seed) % PERMITS);
        int first = race(async(bide_semaphore_acquire, &shared->semaphore, (size_t)n),
                         async(bide_semaphore_acquire, other, (size_t)n),
                         async(bide_sleep, rand_r(&seed) % 20 * BIDE_US));
        if (first == 0)
            stay(shared, n, i);
        else if (first == 1)
            bide_semaphore_release(other, (size_t)n);
    }
    return 0;
}
ASYNC(int, use_in_race, struct shared *, struct bide_semaphore *, int, unsigned)

static int use_in_races_everywhere(struct shared *shared)
{
    struct bide_semaphore other = BIDE_SEMAPHORE(PERMITS);
    scope(s)
        for (unsigned i = 0; i < TASKS; i++)
            spawn_spread(&s, async(use_in_race, shared, &other, ROUNDS, i));
    int error = bide_semaphore_try_acquire(&other, PERMITS);
    return error ? error : bide_semaphore_try_acquire(&shared->semaphore, PERMITS);
}
ASYNC(int, use_in_races_everywhere, struct shared *)

TEST(a_race_by_value_loses_nothing)
{
    for (int i = 0; i < 5; i++) {
        struct shared shared = { .semaphore = BIDE_SEMAPHORE(PERMITS) };
        CHECK_EQ(bide_run_with(&two, async(use_in_races_everywhere, &shared)), 0);
    }
}

/* ---- misuse ---- */

static void release_too_many(void *arg)
{
    struct bide_semaphore s = BIDE_SEMAPHORE(1);
    (void)arg;
    bide_semaphore_release(&s, SIZE_MAX);
}

TEST(mistakes_abort)
{
    expect_abort(release_too_many, NULL, "too many permits");
}

TEST_MAIN()
