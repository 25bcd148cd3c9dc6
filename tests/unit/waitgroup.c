/* Waiting for a number of things: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(of_nothing_it_does_not_wait)
{
    struct bide_waitgroup g = { 0 };
    CHECK_EQ(bide_waitgroup_wait(&g), 0);
    bide_waitgroup_add(&g, 0);
    CHECK_EQ(await(async(bide_waitgroup_wait, &g)), 0);
}

FIBER_TEST(the_last_one_wakes_all_that_wait)
{
    struct bide_waitgroup g = { 0 };
    for (int round = 0; round < 2; round++) {
        struct bide_waitgroup_wait_future f[3];
        bide_waitgroup_add(&g, 2);
        scope(s) {
            for (int i = 0; i < 3; i++) {
                f[i] = async(bide_waitgroup_wait, &g);
                bide_start(&f[i]);
            }
            bide_waitgroup_done(&g);
            CHECK_EQ(bide_state(&f[0]), BIDE_RUNNING);
            cancel(&f[1]);
            bide_waitgroup_done(&g);
            bide_waitgroup_add(&g, 1);
        }
        for (int i = 0; i < 3; i++)
            CHECK_EQ(f[i].value, i == 1 ? -ECANCELED : 0);
        CHECK_EQ(within(BIDE_US, async(bide_waitgroup_wait, &g)), -ETIMEDOUT);
        bide_waitgroup_done(&g);
    }
}

/* ---- several threads ---- */

enum { PARTS = 8, ROUNDS = 300 };

struct work {
    struct bide_waitgroup parts;
    long sum;
    atomic_long total;
};

static int part(struct work *work, int i)
{
    atomic_fetch_add(&work->total, i);
    if (i % 2)
        bide_yield();
    bide_waitgroup_done(&work->parts);
    return 0;
}
ASYNC(int, part, struct work *, int)

static int rounds(int n)
{
    for (int round = 0; round < n; round++) {
        struct work work = { 0 };
        scope(s) {
            for (int i = 0; i < PARTS; i++) {
                bide_waitgroup_add(&work.parts, 1);
                spawn_spread(&s, async(part, &work, i));
            }
            CHECK_OR(bide_waitgroup_wait(&work.parts) == 0, -1);
            CHECK_OR(work.total == PARTS * (PARTS - 1) / 2, -1);
        }
    }
    return n;
}
ASYNC(int, rounds, int)

TEST(tasks_of_several_workers)
{
    CHECK_EQ(bide_run(async(rounds, 10)), 10);
    CHECK_EQ(bide_run_with(&two, async(rounds, ROUNDS)), ROUNDS);
}

/* Whoever has waited may reuse the group's memory. */

static struct bide_waitgroup *_Atomic next;

static void *done_with_next(void *arg)
{
    (void)arg;
    for (struct bide_waitgroup *group; (group = atomic_load(&next)) != (void *)&next;) {
        if (!group) {
            sched_yield();
            continue;
        }
        atomic_store(&next, NULL);
        bide_waitgroup_done(group);
    }
    return NULL;
}

static void wait_briefly(int yields)
{
    struct bide_waitgroup group = { .count = 1 };
    atomic_store(&next, &group);
    while (yields-- > 0)
        bide_yield();
    CHECK_EQ(bide_waitgroup_wait(&group), 0);
    memset(&group, 0xff, sizeof(group));
}

FIBER_TEST(may_go_after_the_wait)
{
    pthread_t id;
    CHECK_EQ(pthread_create(&id, NULL, done_with_next, NULL), 0);
    for (int i = 0; i < 300; i++)
        wait_briefly(i % 10);
    atomic_store(&next, (void *)&next);
    pthread_join(id, NULL);
}

static void *wait_in_thread(void *group)
{
    bide_waitgroup_wait(group);
    return NULL;
}

FIBER_TEST(a_plain_thread_waits_too)
{
    struct bide_waitgroup group = { .count = 2 };
    pthread_t id;
    CHECK_EQ(pthread_create(&id, NULL, wait_in_thread, &group), 0);
    bide_waitgroup_done(&group);
    bide_sleep(BIDE_MS);
    bide_waitgroup_done(&group);
    pthread_join(id, NULL);
}

/* ---- misuse ---- */

static void done_with_nothing(void *arg)
{
    struct bide_waitgroup g = { 0 };
    (void)arg;
    bide_waitgroup_done(&g);
}

static void add_too_many(void *arg)
{
    struct bide_waitgroup g = { 0 };
    (void)arg;
    bide_waitgroup_add(&g, SIZE_MAX);
    bide_waitgroup_add(&g, 1);
}

TEST(mistakes_abort)
{
    expect_abort(done_with_nothing, NULL, "nothing was added");
    expect_abort(add_too_many, NULL, "too many");
}

TEST_MAIN()
