/* Storage of a task's own. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

static atomic_int made, destroyed;

struct owned {
    const void *task; /* NULL: new */
    int uses;
};

static void destroy(void *value)
{
    struct owned *owned = value;
    CHECK(owned->task != NULL);
    atomic_fetch_add(&destroyed, 1);
}

static BIDE_LOCAL(struct owned) owned = { .destroy = destroy };
static BIDE_LOCAL(char[3]) plain;

/* The value is new in a task, and then the same wherever the task asks. */
static int use(const void *task, int uses)
{
    struct owned *value = bide_local(&owned);
    CHECK_OR(value, -ENOMEM);
    if (!value->task) {
        CHECK_OR(value->uses == 0, -EBADE);
        value->task = task;
        atomic_fetch_add(&made, 1);
    }
    CHECK_OR(value->task == task && value->uses == uses, -EBADE);
    value->uses++;
    return 0;
}

static int use_awaited(const void *task, int uses)
{
    return use(task, uses);
}
ASYNC(int, use_awaited, const void *, int)

/* A task of its own, with values before and after it waits. */
static int task(int waits)
{
    int here = 0;
    if (use(&here, 0))
        return -EBADE;
    if (waits)
        bide_yield();
    let awaited = async(use_awaited, &here, 1);
    int error = await(&awaited);
    if (!error)
        error = await(async(use_awaited, &here, 2));
    if (waits > 1)
        bide_sleep(BIDE_US);
    if (!error && bide__self.fiber) /* outside a runtime it makes one */
        error = within(BIDE_S, async(use_awaited, &here, 3));
    else if (!error)
        error = use(&here, 3);
    return error ? error : use(&here, 4);
}
ASYNC(int, task, int)

#define CHECK_DESTROYED(n)                                       \
    do {                                                         \
        CHECK_EQ(atomic_load(&made), (n));                       \
        CHECK_EQ(atomic_load(&destroyed), atomic_load(&made));   \
        atomic_store(&made, 0);                                  \
        atomic_store(&destroyed, 0);                             \
    } while (0)

TEST(the_task_of_a_runtime)
{
    for (int waits = 0; waits < 3; waits++)
        CHECK_EQ(bide_run(async(task, waits)), 0);
    CHECK_DESTROYED(3);
}

static void join_them(int which)
{
    struct task_future f[4];
    for (int i = 0; i < 4; i++)
        f[i] = async(task, which >> 2 * i & 3);
    CHECK_EQ(bide_try_join_all(f, 4), 0);
}

/* Whichever of them wait, and so wherever each of them runs. */
FIBER_TEST(each_child_of_a_join_is_a_task)
{
    char(*mine)[3] = bide_local(&plain);
    CHECK(mine);
    strcpy(*mine, "me");
    for (int which = 0; which < 256; which++)
        join_them(which);
    CHECK_DESTROYED(4 * 256);
    CHECK(bide_local(&plain) == mine);
    CHECK_STR(*mine, "me");
}

static int nest(int depth);
ASYNC(int, nest, int)

static int nest(int depth)
{
    int here = 0;
    if (use(&here, 0))
        return -EBADE;
    if (depth) {
        let first = async(task, depth % 2);
        CHECK_OR(join(async(task, 0), &first, async(task, depth % 3)) == 0, -EBADE);
        if (use(&here, 1))
            return -EBADE;
        let inner = async(nest, depth - 1);
        CHECK_OR(race(&inner, async(bide_sleep, BIDE_S)) == 0 && inner.value == 0, -EBADE);
    }
    return use(&here, depth ? 2 : 1);
}

FIBER_TEST(tasks_in_tasks)
{
    CHECK_EQ(race(async(nest, 6)), 0);
    CHECK_DESTROYED(6 * 4 + 1);
}

FIBER_TEST(each_child_of_a_scope_is_a_task)
{
    scope(s) {
        int here = 0;
        CHECK_EQ(use(&here, 0), 0);
        let started = async(task, 2);
        bide_start(&started);
        for (int i = 0; i < 3; i++)
            spawn(&s, async(task, i));
        CHECK_EQ(await(&started), 0);
        CHECK_EQ(bide_scope_wait(&s), 0);
        CHECK_EQ(use(&here, 1), 0);
    }
    CHECK_EQ(destroyed, 4); /* this task is not over */
}

TEST(and_so_is_the_one_that_opened_it)
{
    CHECK_DESTROYED(5);
}

static int spawn_tasks(int n)
{
    int error = 0;
    scope(s) {
        for (int i = 0; i < n; i++) {
            spawn_parallel(&s, async(task, i % 3));
            spawn_spread(&s, async(task, i % 3));
        }
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, spawn_tasks, int)

TEST(on_several_workers)
{
    CHECK_EQ(bide_run_with(&two, async(spawn_tasks, 300)), 0);
    CHECK_DESTROYED(600);
}

FIBER_TEST(what_is_offloaded_is_a_task)
{
    CHECK_EQ(bide_offload(async(task, 1)), 0);
    CHECK_EQ(bide_offload(async(task, 1)), 0);
    CHECK_DESTROYED(2);
}

static void *thread(void *arg)
{
    *(int *)arg = task(1);
    return NULL;
}

TEST(outside_a_runtime_the_thread_is_the_task)
{
    int results[3] = { 1, 1, 1 };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, thread, &results[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(results[i], 0);
    }
    CHECK_DESTROYED(3);
}

/* ---- destructors ---- */

static char order[8];

static void note(char what)
{
    order[strlen(order)] = what;
}

static void destroy_first(void *value)
{
    (void)value;
    note('1');
}

static BIDE_LOCAL(int) first = { .destroy = destroy_first };

static void destroy_second(void *value)
{
    note('2');
    if (++*(int *)value == 1)
        ++*bide_local(&first); /* it is there still */
    bide_yield();
    note(bide_cancelled() ? 'c' : 'y');
}

static BIDE_LOCAL(int) second = { .destroy = destroy_second };

static int use_both(int waits)
{
    CHECK_OR(bide_local(&first) && bide_local(&second), -ENOMEM);
    CHECK_OR(*bide_local(&first) == 0 && *bide_local(&second) == 0, -EBADE);
    return waits ? bide_sleep(BIDE_S) : 0;
}
ASYNC(int, use_both, int)

FIBER_TEST(the_newest_is_destroyed_first)
{
    let f = async(use_both, 0);
    memset(order, 0, sizeof(order));
    CHECK_EQ(join(&f, async(task, 0)), 0); /* a destructor waits */
    CHECK_EQ(f.value, 0);
    CHECK_STR(order, "2y1");
    CHECK_DESTROYED(1);
}

FIBER_TEST(of_a_cancelled_task_too)
{
    memset(order, 0, sizeof(order));
    let f = async(use_both, 1);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT); /* awaited: part of this task */
    CHECK_STR(order, "");
    *bide_local(&first) = *bide_local(&second) = 0;
    let child = async(use_both, 1);
    scope(s) {
        bide_start(&child);
        bide_yield();
        cancel(&child);
    }
    CHECK_EQ(child.value, -ECANCELED);
    CHECK_STR(order, "2c1");
}

static int again;

static void destroy_again(void *value);
static BIDE_LOCAL(int) renewed = { .destroy = destroy_again };

static void destroy_again(void *value)
{
    CHECK_EQ(*(int *)value, 0);
    if (--again > 0)
        bide_local(&renewed);
}

static int renew(void)
{
    return bide_local(&renewed) ? 0 : -ENOMEM;
}
ASYNC(int, renew)

FIBER_TEST(what_a_destructor_makes_is_destroyed)
{
    again = 3;
    CHECK_EQ(race(async(renew)), 0);
    CHECK_EQ(again, 0);
}

/* ---- no memory ---- */

static bool fail(void)
{
    return true;
}

static BIDE_LOCAL(char[100000]) large;

FIBER_TEST(without_memory_there_is_none)
{
    bide__fault = fail;
    void *none = bide_local(&large);
    bide__fault = NULL;
    CHECK(!none);
    CHECK(bide_local(&large) != NULL);
}

TEST(outside_a_runtime_neither)
{
    bide__fault = fail;
    void *none = bide_local(&plain);
    bide__fault = NULL;
    CHECK(!none);
}

TEST_MAIN()
