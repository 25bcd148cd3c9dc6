/* The latest value: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

static int send_int(struct bide_watch *w, int value)
{
    return bide_watch_send(w, &value);
}
ASYNC(int, send_int, struct bide_watch *, int)

/* The value, or an error. */
static int recv_int(struct bide_watcher *watcher)
{
    int value = -1, error = bide_watch_recv(watcher, &value);
    return error ? error : value;
}
ASYNC(int, recv_int, struct bide_watcher *)

static int try_recv_int(struct bide_watcher *watcher)
{
    int value = -1, error = bide_watch_try_recv(watcher, &value);
    return error ? error : value;
}

static int get_int(struct bide_watch *w)
{
    int value = -1, error = bide_watch_get(w, &value);
    return error ? error : value;
}

FIBER_TEST(each_sees_the_latest)
{
    struct bide_watch w;
    CHECK_EQ(bide_watch_init(&w, sizeof(int), &(int){ 3 }), 0);
    struct bide_watcher one = BIDE_WATCHER(&w), other = BIDE_WATCHER(&w);
    CHECK_EQ(recv_int(&one), 3);
    CHECK_EQ(try_recv_int(&one), -EAGAIN);
    CHECK_EQ(get_int(&w), 3);
    for (int i = 4; i < 9; i++)
        CHECK_EQ(send_int(&w, i), 0);
    CHECK_EQ(await(async(recv_int, &one)), 8);
    CHECK_EQ(try_recv_int(&one), -EAGAIN);
    CHECK_EQ(try_recv_int(&other), 8);
    CHECK_EQ(send_int(&w, 8), 0); /* the same again is a change, too */
    CHECK_EQ(recv_int(&other), 8);
    bide_watch_release(&w);
}

FIBER_TEST(without_a_first_value)
{
    struct bide_watch w;
    int value = -1;
    CHECK_EQ(bide_watch_init(&w, sizeof(int), NULL), 0);
    struct bide_watcher watcher = BIDE_WATCHER(&w);
    CHECK_EQ(get_int(&w), -EAGAIN);
    CHECK_EQ(try_recv_int(&watcher), -EAGAIN);
    CHECK_EQ(within(BIDE_US, async(bide_watch_recv, &watcher, &value)), -ETIMEDOUT);
    scope(s) {
        spawn(&s, async(send_int, &w, 1));
        CHECK_EQ(recv_int(&watcher), 1);
    }
    bide_watch_release(&w);
}

FIBER_TEST(the_last_value_is_seen_after_the_close)
{
    struct bide_watch w;
    CHECK_EQ(bide_watch_init(&w, sizeof(int), &(int){ 1 }), 0);
    struct bide_watcher quick = BIDE_WATCHER(&w), slow = BIDE_WATCHER(&w);
    CHECK_EQ(recv_int(&quick), 1);
    let wait = async(recv_int, &quick);
    scope(s) {
        bide_start(&wait);
        bide_yield();
        bide_watch_close(&w);
        bide_watch_close(&w);
    }
    CHECK_EQ(wait.value, -EPIPE);
    CHECK_EQ(send_int(&w, 2), -EPIPE);
    CHECK_EQ(recv_int(&slow), 1);
    CHECK_EQ(recv_int(&slow), -EPIPE);
    CHECK_EQ(get_int(&w), 1);
    bide_watch_release(&w);
}

FIBER_TEST(a_lost_race_has_seen_nothing)
{
    struct bide_watch a, b;
    int x = -1, y = -1;
    CHECK_EQ(bide_watch_init(&a, sizeof(int), NULL), 0);
    CHECK_EQ(bide_watch_init(&b, sizeof(int), NULL), 0);
    struct bide_watcher of_a = BIDE_WATCHER(&a), of_b = BIDE_WATCHER(&b);
    scope(s) {
        spawn(&s, async(send_int, &a, 1));
        spawn(&s, async(send_int, &b, 2));
        CHECK_EQ(race(async(bide_watch_recv, &of_b, &y), async(bide_watch_recv, &of_a, &x)), 1);
    }
    CHECK_EQ(x, 1);
    CHECK_EQ(y, -1);
    CHECK_EQ(try_recv_int(&of_a), -EAGAIN);
    CHECK_EQ(try_recv_int(&of_b), 2);
    bide_watch_release(&a);
    bide_watch_release(&b);
}

/* ---- several threads ---- */

enum { CHANGES = 3000, WATCHERS = 4 };

/* A value of two halves that belong together. */
struct level {
    long now, twice, thrice;
};

static int follow(struct bide_watch *w)
{
    struct bide_watcher watcher = BIDE_WATCHER(w);
    struct level level;
    long before = -1;
    while (bide_watch_recv(&watcher, &level) == 0) {
        CHECK_OR(level.now > before, -1);
        CHECK_OR(level.twice == 2 * level.now && level.thrice == 3 * level.now, -1);
        before = level.now;
    }
    return before == CHANGES - 1 ? 0 : -1; /* nobody misses the last one */
}
ASYNC(int, follow, struct bide_watch *)

static int change(struct bide_watch *w)
{
    for (long i = 0; i < CHANGES; i++) {
        if (bide_watch_send(w, &(struct level){ i, 2 * i, 3 * i }))
            return -1;
        if (i % 16 == 0)
            bide_yield();
        if (i % 256 == 0)
            bide_sleep(BIDE_US);
    }
    bide_watch_close(w);
    return 0;
}
ASYNC(int, change, struct bide_watch *)

static int change_and_follow(struct bide_watch *w)
{
    int error = 0;
    wait_for_workers(two.workers);
    scope(s) {
        for (int i = 0; i < WATCHERS; i++)
            spawn_spread(&s, async(follow, w));
        spawn_spread(&s, async(change, w));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, change_and_follow, struct bide_watch *)

static void *follow_in_thread(void *w)
{
    CHECK_OR(follow(w) == 0, NULL);
    return NULL;
}

TEST(over_two_workers_and_a_thread)
{
    for (int i = 0; i < 5; i++) {
        struct bide_watch w;
        pthread_t thread;
        CHECK_EQ(bide_watch_init(&w, sizeof(struct level), NULL), 0);
        CHECK_EQ(pthread_create(&thread, NULL, follow_in_thread, &w), 0);
        CHECK_EQ(bide_run_with(&two, async(change_and_follow, &w)), 0);
        pthread_join(thread, NULL);
        bide_watch_release(&w);
    }
}

/* ---- memory, and misuse ---- */

static bool fault(void)
{
    return true;
}

TEST(no_memory)
{
    struct bide_watch w;
    bide__fault = fault;
    int error = bide_watch_init(&w, sizeof(int), &(int){ 1 });
    bide__fault = NULL;
    CHECK_EQ(error, -ENOMEM);
}

static int release_waited_for(void)
{
    struct bide_watch w;
    bide_watch_init(&w, sizeof(int), NULL);
    struct bide_watcher watcher = BIDE_WATCHER(&w);
    scope(s) {
        spawn(&s, async(recv_int, &watcher));
        bide_yield();
        bide_watch_release(&w);
    }
    return 0;
}
ASYNC(int, release_waited_for)

static void run_release(void *arg)
{
    (void)arg;
    bide_run(async(release_waited_for));
}

TEST(mistakes_abort)
{
    expect_abort(run_release, NULL, "bide_watch_release: somebody waits");
}

TEST_MAIN()
