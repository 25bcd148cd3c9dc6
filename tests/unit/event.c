/* A flag that tasks wait for. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(set_before_the_wait)
{
    struct bide_event e = { 0 };
    bide_event_set(&e);
    CHECK_EQ(bide_event_wait(&e), 0);
    CHECK(bide_event_is_set(&e));
    bide_event_clear(&e);
    CHECK(!bide_event_is_set(&e));
    CHECK_EQ(within(BIDE_US, async(bide_event_wait, &e)), -ETIMEDOUT);
}

FIBER_TEST(wakes_all_that_wait)
{
    struct bide_event e = { 0 };
    struct bide_event_wait_future waits[5];
    for (int i = 0; i < 5; i++)
        waits[i] = async(bide_event_wait, &e);
    scope(s) {
        for (int i = 0; i < 5; i++)
            bide_start(&waits[i]);
        cancel(&waits[2]);
        bide_event_set(&e);
        bide_event_clear(&e);
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQ(waits[i].value, i == 2 ? -ECANCELED : 0);
}

static int ping(struct bide_event *turn, struct bide_event *other, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int error = bide_event_wait(turn);
        if (error)
            return error;
        bide_event_clear(turn);
        bide_event_set(other);
    }
    return rounds;
}
ASYNC(int, ping, struct bide_event *, struct bide_event *, int)

static int ping_pong(int rounds)
{
    struct bide_event a = { 0 }, b = { 0 };
    scope(s) {
        spawn_spread(&s, async(ping, &b, &a, rounds));
        spawn_spread(&s, async(ping, &a, &b, rounds));
        bide_event_set(&a);
    }
    return bide_event_is_set(&a) ? rounds : -EIO;
}
ASYNC(int, ping_pong, int)

TEST(over_two_workers)
{
    CHECK_EQ(bide_run(async(ping_pong, 100)), 100);
    CHECK_EQ(bide_run_with(&two, async(ping_pong, 3000)), 3000);
}

static struct bide_event begin, end;

static void *thread(void *arg)
{
    (void)arg;
    bide_event_wait(&begin); /* blocks the thread */
    bide_event_set(&end);
    return NULL;
}

FIBER_TEST(with_a_plain_thread)
{
    pthread_t id;
    CHECK_EQ(pthread_create(&id, NULL, thread, NULL), 0);
    bide_sleep(BIDE_MS);
    bide_event_set(&begin);
    CHECK_EQ(bide_event_wait(&end), 0);
    pthread_join(id, NULL);
}

/* Whoever has waited may reuse the event's memory: who has set it does not touch it any more. */

static struct bide_event *_Atomic next;

static void *set_next(void *arg)
{
    (void)arg;
    for (struct bide_event *event; (event = atomic_load(&next)) != (void *)&next;) {
        if (!event) {
            sched_yield();
            continue;
        }
        atomic_store(&next, NULL);
        bide_event_set(event);
    }
    return NULL;
}

static void wait_briefly(bool spin)
{
    struct bide_event event = { 0 };
    atomic_store(&next, &event);
    while (spin && !bide_event_is_set(&event))
        bide_yield();
    CHECK_EQ(bide_event_wait(&event), 0);
    memset(&event, 0xff, sizeof(event));
}

FIBER_TEST(may_go_after_the_wait)
{
    pthread_t id;
    CHECK_EQ(pthread_create(&id, NULL, set_next, NULL), 0);
    for (int i = 0; i < 300; i++)
        wait_briefly(i % 2);
    atomic_store(&next, (void *)&next);
    pthread_join(id, NULL);
}

TEST_MAIN()
