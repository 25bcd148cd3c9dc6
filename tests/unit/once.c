/* Done once: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

struct thing {
    struct bide_once once;
    int tries, fail; /* so many tries fail */
    bool made;
    int order[8], count; /* who made it, or tried to */
};

static int make(struct thing *t, int who)
{
    t->order[t->count++] = who;
    t->tries++;
    int error = bide_sleep(BIDE_MS / 4);
    if (error)
        return error;
    if (t->fail-- > 0)
        return -EIO;
    t->made = true;
    return who + 5;
}
ASYNC(int, make, struct thing *, int)

static int need(struct thing *t, int who)
{
    int error = bide_once_run(&t->once, async(make, t, who));
    CHECK_OR(error || t->made, -1);
    return error;
}
ASYNC(int, need, struct thing *, int)

FIBER_TEST(is_done_once)
{
    struct thing t = { 0 };
    let first = async(make, &t, 1);
    let second = async(make, &t, 2);
    CHECK_EQ(bide_once_run(&t.once, &first), 0);
    CHECK_EQ(first.value, 6);
    CHECK_EQ(bide_once_run(&t.once, &second), 0);
    CHECK_EQ(bide_state(&second), BIDE_COLD);
    CHECK_EQ(bide_once_run(&t.once, async(make, &t, 3)), 0);
    CHECK_EQ(t.tries, 1);
}

static void make_void(int *count)
{
    ++*count;
}
ASYNC_VOID(make_void, int *)

FIBER_TEST(a_value_that_is_no_error_succeeds)
{
    struct bide_once once = { 0 };
    int count = 0;
    CHECK_EQ(bide_once_run(&once, async(make_void, &count)), 0);
    CHECK_EQ(bide_once_run(&once, async(make_void, &count)), 0);
    CHECK_EQ(count, 1);
}

FIBER_TEST(the_others_wait_for_it)
{
    struct thing t = { 0 };
    struct need_future f[5];
    for (int i = 0; i < 5; i++)
        f[i] = async(need, &t, i);
    CHECK_EQ(bide_join_all(f, 5), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(f[i].value, 0);
    CHECK_EQ(t.tries, 1);
}

FIBER_TEST(when_it_fails_the_next_one_tries)
{
    struct thing t = { .fail = 2 };
    struct need_future f[5];
    for (int i = 0; i < 5; i++)
        f[i] = async(need, &t, i);
    CHECK_EQ(bide_join_all(f, 5), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(f[i].value, i < 2 ? -EIO : 0);
        CHECK_EQ(i < 3 ? t.order[i] : i, i);
    }
    CHECK_EQ(t.tries, 3);
}

FIBER_TEST(when_it_fails_and_none_waits_a_later_one_tries)
{
    struct thing t = { .fail = 1 };
    CHECK_EQ(need(&t, 0), -EIO);
    CHECK_EQ(need(&t, 1), 0);
    CHECK_EQ(t.tries, 2);
}

FIBER_TEST(when_it_is_cancelled_the_next_one_tries)
{
    struct thing t = { 0 };
    struct need_future f[3];
    scope(s) {
        for (int i = 0; i < 3; i++) {
            f[i] = async(need, &t, i);
            bide_start(&f[i]);
        }
        bide_yield();
        cancel(&f[1]); /* that waits */
        cancel(&f[0]); /* that does it */
    }
    CHECK_EQ(f[0].value, -ECANCELED);
    CHECK_EQ(f[1].value, -ECANCELED);
    CHECK_EQ(f[2].value, 0);
    CHECK_EQ(t.tries, 2);
    CHECK_EQ(t.order[1], 2);
}

FIBER_TEST(a_deadline_bounds_it)
{
    struct thing t = { 0 };
    CHECK_EQ(within(BIDE_US, async(need, &t, 0)), -ETIMEDOUT);
    CHECK_EQ(need(&t, 1), 0);
}

FIBER_TEST(one_that_cannot_begin_fails)
{
    struct bide_once once = { 0 };
    struct thing t = { 0 };
    let f = async(make, &t, 0);
    cancel(&f);
    CHECK_EQ(bide_once_run(&once, &f), -ECANCELED);
    CHECK_EQ(bide_once_begin(&once), 1);
    bide_once_end(&once, 0);
}

FIBER_TEST(by_hand)
{
    struct bide_once once = { 0 };
    CHECK_EQ(bide_once_begin(&once), 1);
    let other = async(bide_once_begin, &once);
    bide_once_end(&once, -EIO);
    CHECK_EQ(await(&other), 1);
    bide_once_end(&once, 0);
    CHECK_EQ(bide_once_begin(&once), 0);
    CHECK_EQ(await(async(bide_once_begin, &once)), 0);
}

/* ---- several threads ---- */

enum { TASKS = 8, ROUNDS = 200 };

struct shared {
    struct bide_once once;
    int made, tries; /* under once */
    atomic_int inside;
};

static int make_shared(struct shared *shared, int fail)
{
    CHECK_OR(atomic_fetch_add(&shared->inside, 1) == 0, 0);
    shared->tries++;
    int error = fail % 3 ? bide_yield() : bide_sleep(BIDE_US);
    if (!error && fail)
        error = -EIO;
    if (!error)
        shared->made++;
    atomic_fetch_sub(&shared->inside, 1);
    return error;
}
ASYNC(int, make_shared, struct shared *, int)

static int need_shared(struct shared *shared, int fail)
{
    int error = bide_once_run(&shared->once, async(make_shared, shared, fail));
    CHECK_OR(error || shared->made == 1, -1);
    return error;
}
ASYNC(int, need_shared, struct shared *, int)

static int need_or_not(struct shared *shared, unsigned seed)
{
    within(rand_r(&seed) % 30 * BIDE_US, async(need_shared, shared, (int)(rand_r(&seed) % 4)));
    return 0;
}
ASYNC(int, need_or_not, struct shared *, unsigned)

/* 1: it was made once, by these or by the last. */
static int need_everywhere(unsigned round)
{
    struct shared shared = { 0 };
    scope(s)
        for (unsigned i = 0; i < TASKS; i++)
            spawn_spread(&s, async(need_or_not, &shared, round * TASKS + i));
    CHECK_OR(need_shared(&shared, 0) == 0, -1);
    return shared.made;
}
ASYNC(int, need_everywhere, unsigned)

static int need_often(int rounds)
{
    for (int i = 0; i < rounds; i++)
        if (need_everywhere((unsigned)i) != 1)
            return i;
    return rounds;
}
ASYNC(int, need_often, int)

TEST(cancelled_at_any_moment_it_is_done_once)
{
    CHECK_EQ(bide_run_with(&two, async(need_often, ROUNDS)), ROUNDS);
}

static void *need_in_thread(void *shared)
{
    while (need_shared(shared, 0) < 0)
        continue;
    return NULL;
}

TEST(plain_threads_too)
{
    for (int round = 0; round < 20; round++) {
        struct shared shared = { 0 };
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, need_in_thread, &shared), 0);
        int error = bide_run(async(need_shared, &shared, round % 2));
        CHECK(error == 0 || error == -EIO);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        CHECK_EQ(shared.made, 1);
    }
}

/* ---- misuse ---- */

static int recurse(struct bide_once *once)
{
    return bide_once_run(once, bide_async(bide_once_begin, once));
}

static void run_recurse(void *arg)
{
    struct bide_once once = { 0 };
    (void)arg;
    recurse(&once);
}

static void end_unbegun(void *arg)
{
    struct bide_once once = { 0 };
    (void)arg;
    bide_once_end(&once, 0);
}

TEST(mistakes_abort)
{
    expect_abort(run_recurse, NULL, "this task is doing it");
    expect_abort(end_unbegun, NULL, "nobody is doing it");
}

TEST_MAIN()
