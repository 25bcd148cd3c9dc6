/* Dumps over several workers, of plain threads, and of runtimes that come and go. */
#include "inspect.h"

#include <poll.h>
#include <pthread.h>

/* ---- children of other workers ---- */

struct crowd {
    struct bide_event end;
    struct bide_mutex mutex;
    atomic_int there;
};

static int come(struct crowd *crowd)
{
    atomic_fetch_add(&crowd->there, 1);
    return bide_event_wait(&crowd->end);
}
ASYNC(int, come, struct crowd *)

static int come_with_children(struct crowd *crowd)
{
    scope(s) {
        bide_spawn(&s, async(come, crowd));
        bide_spawn_parallel(&s, async(come, crowd));
    }
    return 0;
}
ASYNC(int, come_with_children, struct crowd *)

static void wait_for_crowd(struct crowd *crowd, int n)
{
    while (atomic_load(&crowd->there) < n)
        bide_sleep(100 * BIDE_US);
    settle();
}

/* In its place, whichever worker has it. */
FIBER_TEST(parallel_children)
{
    struct crowd crowd = { 0 };
    scope(s) {
        for (int i = 0; i < 2; i++) {
            bide_spawn_spread(&s, async(come, &crowd));
            bide_spawn_spread(&s, async(come_with_children, &crowd));
        }
        wait_for_crowd(&crowd, 6);
        CHECK_SHOWN("9 tasks\n"
                    "parallel_children_fiber: running\n"
                    "  scope of 4\n"
                    "    come: waits for event\n"
                    "    come_with_children: waits for its scope\n"
                    "      scope of 2\n"
                    "        come: waits for event\n"
                    "        come: waits for event\n"
                    "    come: waits for event\n"
                    "    come_with_children: waits for its scope\n"
                    "      scope of 2\n"
                    "        come: waits for event\n"
                    "        come: waits for event\n");
        bide_event_set(&crowd.end);
    }
}

FIBER_TEST(each_says_its_worker)
{
    struct crowd crowd = { 0 };
    struct bide_stats stats = stats_now();
    char *text = NULL;
    scope(s) {
        for (int i = 0; i < 4; i++)
            bide_spawn_spread(&s, async(come, &crowd));
        wait_for_crowd(&crowd, 4);
        CHECK_EQ(bide_dump_with(NULL, &text, NULL), 0);
        bide_event_set(&crowd.end);
    }
    for (unsigned i = 0; i < stats.workers; i++) {
        char worker[32];
        snprintf(worker, sizeof(worker), "[worker %u, stack ", i);
        CHECK(strstr(text, worker));
    }
    free(text);
}

static int lock_there(struct crowd *crowd)
{
    bide_name("of another worker");
    bide_mutex_lock(&crowd->mutex);
    come(crowd);
    bide_mutex_unlock(&crowd->mutex);
    return 0;
}
ASYNC(int, lock_there, struct crowd *)

FIBER_TEST(holder_of_another_worker)
{
    struct crowd crowd = { 0 };
    char *text = NULL;
    scope(s) {
        for (int i = 0; i < 2; i++)
            bide_spawn_spread(&s, async(lock_there, &crowd));
        wait_for_crowd(&crowd, 1);
        while ((text = shown()) && !strstr(text, "waits for mutex")) { /* the second comes too */
            free(text);
            bide_sleep(100 * BIDE_US);
        }
        bide_event_set(&crowd.end);
    }
    CHECK(strstr(text, "    of another worker (lock_there): waits for event\n"));
    CHECK(strstr(text, "    of another worker (lock_there): waits for mutex, held by of another "
                       "worker (lock_there)\n"));
    free(text);
}

/* ---- a worker that is held ---- */

static atomic_int holding, let_go;

static int hold_worker(unsigned index)
{
    if (bide_worker_index() != index)
        return 0;
    bide_name("busy");
    atomic_store(&holding, 1);
    while (!atomic_load(&let_go))
        sched_yield();
    return 0;
}
ASYNC(int, hold_worker, unsigned)

static int see_held(void)
{
    char *text = NULL;
    start_workers();
    scope(s) {
        while (!atomic_load(&holding)) {
            bide_spawn_spread(&s, async(hold_worker, 1));
            bide_sleep(100 * BIDE_US);
        }
        bide__inspect_patience = BIDE_MS;
        text = shown();
        bide__inspect_patience = 60 * BIDE_S;
        atomic_store(&let_go, 1);
    }
    CHECK_OR(strstr(text, "see_held: running\n"), -1);
    CHECK_OR(strstr(text, "    hold_worker: begun by another worker\n"), -1);
    CHECK_OR(strstr(text, "worker 1: does not answer, held by busy\n"), -1);
    free(text);
    return 0;
}
ASYNC(int, see_held)

TEST(a_worker_that_is_held)
{
    atomic_store(&holding, 0);
    atomic_store(&let_go, 0);
    struct bide_config config = { .workers = 2, .stall_limit = BIDE_FOREVER };
    CHECK_EQ(bide_run_with(&config, async(see_held)), 0);
}

static void *see_from_outside(void *unused)
{
    while (!atomic_load(&holding))
        sched_yield();
    bide__inspect_patience = BIDE_MS;
    char *text = shown();
    bide__inspect_patience = 60 * BIDE_S;
    atomic_store(&let_go, 1);
    (void)unused;
    return text;
}

TEST(the_first_worker_is_held)
{
    pthread_t thread;
    void *text;
    atomic_store(&holding, 0);
    atomic_store(&let_go, 0);
    CHECK_EQ(pthread_create(&thread, NULL, see_from_outside, NULL), 0);
    CHECK_EQ(bide_run(async(hold_worker, 0)), 0);
    pthread_join(thread, &text);
    CHECK_STR(text, "0 tasks\n"
                    "worker 0: does not answer, held by busy\n");
    free(text);
}

/* ---- from a plain thread ---- */

TEST(no_runtime)
{
    CHECK_SHOWN("no runtime\n");
}

static void *run_crowd(void *arg)
{
    bide_run(async(come, arg));
    return NULL;
}

TEST(all_runtimes)
{
    struct crowd crowd = { 0 };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_crowd, &crowd), 0);
    while (atomic_load(&crowd.there) < 2)
        sched_yield();
    usleep(1000); /* until they wait: nothing but the words depends on it */
    char *text = shown();
    bide_event_set(&crowd.end);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    char *second = strstr(text + 1, "1 task\ncome: ");
    CHECK(strncmp(text, "1 task\ncome: ", 13) == 0 && second);
    free(text);
    CHECK_SHOWN("no runtime\n");
}

static int try_mutex(struct bide_mutex *mutex)
{
    char *text = NULL;
    scope(s) {
        bide_spawn(&s, async(bide_mutex_lock, mutex));
        text = shown();
        bide_scope_cancel(&s);
    }
    CHECK_OR(strstr(text, "bide_mutex_lock: waits for mutex, held by what is not shown here\n"),
             -1);
    free(text);
    return 0;
}
ASYNC(int, try_mutex, struct bide_mutex *)

static void *run_try(void *arg)
{
    return (void *)(intptr_t)bide_run(async(try_mutex, arg));
}

TEST(held_by_a_thread)
{
    struct bide_mutex mutex = { 0 };
    pthread_t thread;
    void *result;
    bide_mutex_lock(&mutex);
    CHECK_EQ(pthread_create(&thread, NULL, run_try, &mutex), 0);
    pthread_join(thread, &result);
    bide_mutex_unlock(&mutex);
    CHECK_EQ((intptr_t)result, 0);
}

static int dump_offloaded(void)
{
    char *text = shown();
    bool found = strstr(text, "waits for offloaded dump_offloaded, which a thread runs\n");
    free(text);
    return found ? 0 : -1;
}
ASYNC(int, dump_offloaded)

static int offloading(void)
{
    return bide_offload(async(dump_offloaded));
}
ASYNC(int, offloading)

TEST(from_the_pool)
{
    CHECK_EQ(bide_run(async(offloading)), 0);
}

TEST(inside_a_foreign_loop)
{
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    struct crowd crowd = { 0 };
    bide_let f = async(come, &crowd);
    bide_let nap = async(bide_sleep, 3600 * BIDE_S);
    bide_runtime_start(rt, &f);
    bide_runtime_start(rt, &nap);
    bide_runtime_turn(rt);
    CHECK_SHOWN("2 tasks\n"
                "come: waits for event\n"
                "bide_sleep: waits for sleep\n");
    bide_runtime_close(rt);
}

/* ---- runtimes that come and go ---- */

static atomic_bool stop_dumping;

static void *dump_on(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop_dumping))
        free(shown());
    return NULL;
}

static int bustle(void)
{
    scope(s) {
        for (int i = 0; i < 50; i++) {
            bide_spawn_parallel(&s, async(bide_yield));
            bide_spawn_spread(&s, async(bide_sleep, 10 * BIDE_US));
        }
    }
    return 0;
}
ASYNC(int, bustle)

TEST(while_runtimes_come_and_go)
{
    pthread_t thread;
    atomic_store(&stop_dumping, false);
    CHECK_EQ(pthread_create(&thread, NULL, dump_on, NULL), 0);
    for (int i = 0; i < (test_small() || UNDER_TSAN ? 20 : 200); i++)
        bide_run(async(bustle));
    atomic_store(&stop_dumping, true);
    pthread_join(thread, NULL);
}

static int bustle_and_dump(int rounds)
{
    for (int i = 0; i < rounds; i++)
        join(async(bustle), async(bustle));
    return 0;
}
ASYNC(int, bustle_and_dump, int)

static int dump_for(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        free(shown());
        bide_yield();
    }
    return 0;
}
ASYNC(int, dump_for, int)

FIBER_TEST(while_tasks_come_and_go)
{
    int rounds = test_small() || UNDER_TSAN ? 20 : 200;
    scope(s) {
        bide_spawn_spread(&s, async(dump_for, rounds));
        bide_spawn_spread(&s, async(dump_for, rounds));
        bide_spawn(&s, async(bustle_and_dump, rounds));
    }
}

TEST_MAIN()
