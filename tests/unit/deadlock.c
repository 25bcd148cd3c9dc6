/* Tasks that wait for each other, for ever: that is found out, reported, and ended. */
#include "test.h"
#include "threads.h"

#include <bide/keywords.h>
#include <pthread.h>

struct heard {
    int reports;
    char text[4096];
};

static void hear(const char *report, void *user)
{
    struct heard *heard = user;
    heard->reports++;
    snprintf(heard->text, sizeof(heard->text), "%s", report);
}

/* A thread that a sanitizer has made is no reason to doubt. */
static struct bide_config closed(struct heard *heard)
{
    return (struct bide_config){ .on_deadlock = hear, .on_deadlock_user = heard,
                                 .closed_world = 1 };
}

/* ---- on one worker ---- */

static struct bide_mutex fork_a, fork_b;

static int eat(struct bide_mutex *first, struct bide_mutex *second)
{
    int error = bide_mutex_lock(first);
    if (error)
        return error;
    bide_yield();
    error = bide_mutex_lock(second);
    if (!error)
        bide_mutex_unlock(second);
    bide_mutex_unlock(first);
    return error;
}
ASYNC(int, eat, struct bide_mutex *, struct bide_mutex *)

static int dine(int *left, int *right)
{
    let a = async(eat, &fork_a, &fork_b);
    let b = async(eat, &fork_b, &fork_a);
    bide_name("table");
    int error = join(&a, &b);
    *left = a.value;
    *right = b.value;
    return error;
}
ASYNC(int, dine, int *, int *)

TEST(two_locks_in_two_orders)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    int left = 1, right = 1;
    CHECK_EQ(bide_run_with(&config, async(dine, &left, &right)), -EDEADLK);
    CHECK_EQ(left, -ECANCELED);
    CHECK_EQ(right, -ECANCELED);
    CHECK_EQ(heard.reports, 1);
    CHECK(strstr(heard.text, "deadlock"));
    CHECK(strstr(heard.text, "in a circle:\n  "));
    CHECK(strstr(heard.text, "waits for mutex, held by "));
    CHECK_EQ(bide_mutex_try_lock(&fork_a), 0); /* both were given back */
    CHECK_EQ(bide_mutex_try_lock(&fork_b), 0);
    bide_mutex_unlock(&fork_a);
    bide_mutex_unlock(&fork_b);
}

/* A value that can't say so, and by pointer. */
static double receive_nothing(void)
{
    struct bide_chan chan;
    int value;
    if (bide_chan_init(&chan, sizeof(value), 1) < 0)
        return 1;
    double result = bide_chan_recv(&chan, &value) == -ECANCELED ? 2.5 : 1;
    bide_chan_release(&chan);
    return result;
}
ASYNC(double, receive_nothing)

TEST(a_channel_without_a_sender)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    let f = async(receive_nothing);
    bide_run_with(&config, &f);
    CHECK_EQ(bide_error(&f), -EDEADLK);
    CHECK(f.value > 2 && f.value < 3);
    CHECK_EQ(heard.reports, 1);
}

TEST(a_leaf_alone)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    struct bide_event never = { 0 };
    CHECK_EQ(bide_run_with(&config, async(bide_event_wait, &never)), -EDEADLK);
    CHECK_EQ(heard.reports, 1);
}

/* ---- what is none ---- */

static int wait_a_while(struct bide_event *event)
{
    let wait = async(bide_event_wait, event);
    int error = within(300 * BIDE_MS, &wait);
    bide_event_set(event);
    return error;
}
ASYNC(int, wait_a_while, struct bide_event *)

TEST(a_deadline_ends_it)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    struct bide_event event = { 0 };
    CHECK_EQ(bide_run_with(&config, async(wait_a_while, &event)), -ETIMEDOUT);
    CHECK_EQ(heard.reports, 0);
}

static int slow(void *arg)
{
    usleep(300000);
    return *(int *)arg;
}

TEST(the_blocking_pool_ends_it)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    int seven = 7;
    CHECK_EQ(bide_run_with(&config, async(bide_offload_call, slow, &seven)), 7);
    CHECK_EQ(heard.reports, 0);
}

TEST(input_ends_it)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    int ends[2];
    char byte;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(300000);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    CHECK_EQ(bide_run_with(&config, async(bide_read, ends[0], &byte, 1)), 1);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(heard.reports, 0);
    close(ends[0]);
    close(ends[1]);
}

static void *set_it(void *event)
{
    usleep(300000);
    bide_event_set(event);
    return NULL;
}

TEST(another_thread_ends_it)
{
    struct heard heard = { 0 };
    struct bide_config config = { .on_deadlock = hear, .on_deadlock_user = &heard };
    struct bide_event event = { 0 };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, set_it, &event), 0);
    CHECK_EQ(bide_run_with(&config, async(bide_event_wait, &event)), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(heard.reports, 0);
}

/* Nobody has said anything, and the process has no other thread; no longer so after a while. */
static void *do_nothing(void *unused)
{
    usleep(150000);
    return unused;
}

TEST(without_other_threads_it_is_certain)
{
    SKIP_UNLESS_ALONE();
    struct heard heard = { 0 };
    struct bide_config config = { .on_deadlock = hear, .on_deadlock_user = &heard };
    struct bide_event never = { 0 };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, do_nothing, NULL), 0);
    pthread_detach(thread);
    CHECK_EQ(bide_run_with(&config, async(bide_event_wait, &never)), -EDEADLK);
    CHECK_EQ(heard.reports, 1);
}

/* ---- on several workers ---- */

struct table {
    struct bide_mutex left, right;
    struct bide_waitgroup sit;
};

static int eat_apart(struct table *table, int side)
{
    struct bide_mutex *first = side ? &table->left : &table->right;
    struct bide_mutex *second = side ? &table->right : &table->left;
    int error = bide_mutex_lock(first);
    bide_waitgroup_done(&table->sit);
    if (!error)
        error = bide_waitgroup_wait(&table->sit);
    if (!error)
        error = bide_mutex_lock(second);
    if (!error)
        bide_mutex_unlock(second);
    bide_mutex_unlock(first);
    return error;
}
ASYNC(int, eat_apart, struct table *, int)

static int dine_apart(struct table *table)
{
    int error = 0;
    scope(s) {
        bide_waitgroup_add(&table->sit, 2);
        spawn_spread(&s, async(eat_apart, table, 0));
        spawn_spread(&s, async(eat_apart, table, 1));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, dine_apart, struct table *)

TEST(over_several_workers)
{
    for (int round = 0; round < 3; round++) {
        struct heard heard = { 0 };
        struct bide_config config = closed(&heard);
        struct table table = { 0 };
        config.workers = 3;
        CHECK_EQ(bide_run_with(&config, async(dine_apart, &table)), -EDEADLK);
        CHECK_EQ(heard.reports, 1);
        CHECK_EQ(bide_mutex_try_lock(&table.left), 0);
        bide_mutex_unlock(&table.left);
    }
}

static int ping(struct bide_event *events, int n)
{
    scope(s) {
        for (int i = 0; i < n; i++)
            spawn_spread(&s, async(wait_a_while, &events[i]));
    }
    return 0;
}
ASYNC(int, ping, struct bide_event *, int)

TEST(sleepers_of_another_worker_are_none)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    struct bide_event events[4] = { 0 };
    config.workers = 3;
    CHECK_EQ(bide_run_with(&config, async(ping, events, 4)), 0);
    CHECK_EQ(heard.reports, 0);
}

/* The least limit of descriptors with which one worker can be made, but no second one. */
static bool limit_to_one_worker(struct rlimit *ret_before)
{
    struct rlimit few;
    int next = dup(0);
    close(next);
    if (next < 0 || getrlimit(RLIMIT_NOFILE, ret_before) < 0)
        return false;
    few = *ret_before;
    for (few.rlim_cur = (rlim_t)next; few.rlim_cur < (rlim_t)next + 20; few.rlim_cur++)
        if (setrlimit(RLIMIT_NOFILE, &few) < 0 || bide_run(async(bide_yield)) == 0)
            return true;
    return false;
}

static int wait_spread(struct bide_event *event)
{
    int error = 0;
    scope(s) {
        error = spawn_spread(&s, async(bide_event_wait, event));
        if (!error)
            error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, wait_spread, struct bide_event *)

TEST(where_a_worker_could_not_be_made)
{
    struct heard heard = { 0 };
    struct bide_config config = closed(&heard);
    struct bide_event never = { 0 };
    struct rlimit before;
    config.workers = 3;
    bool limited = limit_to_one_worker(&before);
    int result = limited ? bide_run_with(&config, async(wait_spread, &never)) : 0;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK(limited);
    CHECK_EQ(result, -EDEADLK);
    CHECK_EQ(heard.reports, 1);
}

/* ---- shields ---- */

static int stubborn(struct bide_event *never)
{
    shield()
        bide_event_wait(never);
    return 0;
}
ASYNC(int, stubborn, struct bide_event *)

static void run_stubborn(void *unused)
{
    struct bide_event never = { 0 };
    struct bide_config config = { .closed_world = 1, .stall_limit = -1 };
    (void)unused;
    bide_run_with(&config, async(stubborn, &never));
}

TEST(a_shielded_one_aborts)
{
    CHECK(expect_abort(run_stubborn, NULL, "shielded wait"));
}

TEST_MAIN()
