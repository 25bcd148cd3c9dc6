/* Children that may run on any worker: what holds for children holds for them. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { WORKERS = 3, MANY = 600 };

static const struct bide_config three = { .workers = WORKERS };

static atomic_int begun, ended;
static pthread_t seen[MANY];

static void reset(void)
{
    begun = ended = 0;
}

static int count(int i)
{
    begun++;
    seen[i] = pthread_self();
    bide_time until = bide_now() + 50 * BIDE_US;
    while (bide_now() < until)
        ;
    ended++;
    return 0;
}
ASYNC(int, count, int)

static int threads_seen(int n)
{
    int different = 0;
    for (int i = 0; i < n; i++) {
        int j = 0;
        while (!pthread_equal(seen[j], seen[i]))
            j++;
        different += j == i;
    }
    return different;
}

/* Until another worker has taken some: how soon that is, is the machine's affair. */
static int spread(void)
{
    for (int round = 0; round < 200; round++) {
        reset();
        scope(s)
            for (int i = 0; i < MANY; i++)
                spawn_parallel(&s, async(count, i));
        if (begun != MANY || ended != MANY)
            return -EIO;
        if (threads_seen(MANY) > 1)
            return 0;
    }
    return -ENOENT;
}
ASYNC(int, spread)

TEST(they_run_on_several_workers_and_all_are_waited_for)
{
    CHECK_EQ(bide_run_with(&three, async(spread)), 0);
}

static int one_worker(void)
{
    struct bide_stats stats;
    reset();
    scope(s)
        for (int i = 0; i < MANY; i++)
            spawn_parallel(&s, async(count, i));
    bide_get_stats(&stats);
    return ended == MANY && threads_seen(MANY) == 1 && stats.workers == 1 && !stats.steals;
}
ASYNC(int, one_worker)

TEST(with_one_worker_they_are_ordinary_children)
{
    CHECK_EQ(bide_run_with(&(struct bide_config){ .workers = 1 }, async(one_worker)), 1);
}

static int nap(int us)
{
    begun++;
    int r = bide_sleep(us * BIDE_US);
    ended++;
    return r;
}
ASYNC(int, nap, int)

static int cancels(void)
{
    int r = 0;
    reset();
    scope(s) {
        for (int i = 0; i < MANY; i++)
            spawn_parallel(&s, async(nap, 1000 * 1000 * 1000));
        bide_sleep(2 * BIDE_MS);
        bide_scope_cancel(&s);
        CHECK_OR(spawn_parallel(&s, async(nap, 1)) == -ECANCELED, 0);
        r = bide_scope_wait(&s);
    }
    CHECK_OR(begun == ended, 0);
    return r;
}
ASYNC(int, cancels)

TEST(cancelling_the_scope_ends_them_wherever_they_are)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(bide_run_with(&three, async(cancels)), -ECANCELED);
}

static int leaves(void)
{
    scope(s) {
        for (int i = 0; i < MANY; i++)
            spawn_parallel(&s, async(bide_sleep, i % 7 * 100 * BIDE_US));
        for (int i = 0; i < 20; i++)
            spawn_parallel(&s, async(bide_sleep, BIDE_FOREVER));
        bide_sleep(2 * BIDE_MS);
        bide_scope_cancel(&s);
    }
    return 0;
}
ASYNC(int, leaves)

TEST(leaves_too)
{
    CHECK_EQ(bide_run_with(&three, async(leaves)), 0);
}

static int fails(int i)
{
    bide_yield();
    return i == 7 ? -ENOENT : bide_sleep(BIDE_FOREVER);
}
ASYNC(int, fails, int)

static int first_error(void)
{
    int r = 0;
    BIDE_SCOPE_WITH(s, &(struct bide_scope_options){ .cancel_on_error = 1 })
    {
        for (int i = 0; i < 20; i++)
            spawn_parallel(&s, async(fails, i));
        r = bide_scope_wait(&s);
    }
    return r;
}
ASYNC(int, first_error)

TEST(the_first_error_cancels_the_siblings)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(bide_run_with(&three, async(first_error)), -ENOENT);
}

/* What a child sees of its deadline, and that it is bound by it. */
static int bounded(bide_time *deadline)
{
    *deadline = bide_deadline();
    return bide_sleep(BIDE_FOREVER);
}
ASYNC(int, bounded, bide_time *)

static int spawn_bounded(bide_time *deadlines)
{
    int r = 0;
    scope(s) {
        for (int i = 0; i < 8; i++)
            spawn_parallel(&s, async(bounded, &deadlines[i]));
        r = bide_scope_wait(&s);
    }
    return r;
}
ASYNC(int, spawn_bounded, bide_time *)

static int deadline(void)
{
    bide_time deadlines[8] = { 0 }, now = bide_now();
    let f = async(spawn_bounded, deadlines);
    CHECK_OR(within(20 * BIDE_MS, &f) == -ETIMEDOUT, 1);
    CHECK_OR(f.value == -ETIMEDOUT, 1);
    for (int i = 0; i < 8; i++)
        CHECK_OR(deadlines[i] == 0 || (deadlines[i] > now && deadlines[i] < BIDE_FOREVER), 1);
    return 0;
}
ASYNC(int, deadline)

TEST(deadlines_are_inherited)
{
    CHECK_EQ(bide_run_with(&three, async(deadline)), 0);
}

/* A tree of scopes: each child opens one of its own, on the worker where it is. */
static int tree(int depth);
ASYNC(int, tree, int)

static int tree(int depth)
{
    begun++;
    if (depth > 0)
        scope(s)
            for (int i = 0; i < 3; i++)
                spawn_parallel(&s, async(tree, depth - 1));
    else
        join(async(nap, 10), async(bide_sleep, 20 * BIDE_US));
    return 0;
}

TEST(scopes_nest_over_workers)
{
    reset();
    CHECK_EQ(bide_run_with(&three, async(tree, 5)), 0);
    CHECK_EQ(begun, 1 + 3 + 9 + 27 + 81 + 243 + 243);
    CHECK_EQ(ended, 243);
}

static int values(int *sum)
{
    __atomic_add_fetch(sum, 1, __ATOMIC_RELAXED);
    return 0;
}
ASYNC(int, values, int *)

static int main_in_between(int *sum)
{
    for (int round = 0; round < 300; round++) {
        scope(s) {
            for (int i = 0; i < 10; i++)
                spawn_parallel(&s, async(values, sum));
            if (round % 3 == 0)
                bide_yield();
        }
        if (round % 50 == 0)
            bide_sleep(100 * BIDE_US); /* the others fall asleep, and are woken again */
    }
    return 0;
}
ASYNC(int, main_in_between, int *)

TEST(no_wake_is_lost)
{
    int sum = 0;
    CHECK_EQ(bide_run_with(&three, async(main_in_between, &sum)), 0);
    CHECK_EQ(sum, 3000);
}

/* More at once than a ring holds, and shorter than a steal. */
static int many_short(int *sum)
{
    for (int round = 0; round < (test_small() ? 30 : 1000); round++)
        scope(s)
            for (int i = 0; i < 1000; i++)
                spawn_parallel(&s, async(values, sum));
    return 0;
}
ASYNC(int, many_short, int *)

TEST(none_stays_behind_in_the_overflow)
{
    int sum = 0;
    CHECK_EQ(bide_run_with(&three, async(many_short, &sum)), 0);
    CHECK_EQ(sum, test_small() ? 30000 : 1000000);
}

typedef BIDE_PROMISE(int) answer;

static int resolve_there(answer *p)
{
    return bide_resolve(p, 42);
}
ASYNC(int, resolve_there, answer *)

static int promise(void)
{
    int value = 0;
    for (int i = 0; i < 50; i++) {
        answer p;
        bide_promise_init(&p);
        scope(s) {
            spawn_parallel(&s, async(resolve_there, &p));
            value += bide_await(&p);
        }
    }
    return value;
}
ASYNC(int, promise)

TEST(promises_are_resolved_from_other_workers)
{
    CHECK_EQ(bide_run_with(&three, async(promise)), 50 * 42);
}

TEST(outside_a_runtime_they_begin_at_the_wait)
{
    reset();
    scope(s)
        for (int i = 0; i < 10; i++)
            spawn_parallel(&s, async(count, i));
    CHECK_EQ(ended, 10);
}

static struct bide_scope *others;

static int spawn_into_others(void)
{
    return spawn(others, async(nap, 1));
}
ASYNC(int, spawn_into_others)

static int misuse(void)
{
    scope(s) {
        others = &s;
        /* Until it runs on another worker, where it is a mistake. */
        for (int i = 0; i < 1000000; i++) {
            spawn_parallel(&s, async(spawn_into_others));
            bide_sleep(20 * BIDE_US);
        }
    }
    return 0;
}
ASYNC(int, misuse)

static void run_misuse(void *arg)
{
    (void)arg;
    bide_run_with(&three, async(misuse));
}

TEST(a_scope_takes_children_from_its_own_worker_alone)
{
    expect_abort(run_misuse, NULL, "scope of another worker");
}

/* ---- spread ---- */

static int wait_for_all_workers(void)
{
    for (;;) {
        scope(s)
            spawn_parallel(&s, async(nap, 1));
        if (stats_now().workers == WORKERS)
            return 0;
        bide_sleep(100 * BIDE_US);
    }
}

static int stand(int i)
{
    begun++;
    seen[i] = pthread_self();
    int r = bide_sleep(BIDE_S);
    ended++;
    return r;
}
ASYNC(int, stand, int)

static int largest_share(int n)
{
    int largest = 0;
    for (int i = 0; i < n; i++) {
        int same = 0;
        for (int j = 0; j < n; j++)
            same += pthread_equal(seen[i], seen[j]) != 0;
        if (same > largest)
            largest = same;
    }
    return largest;
}

/* Cancelled when they stand (with wait), or as soon as they are spawned. */
static int stand_spread(int n, bool wait)
{
    reset();
    scope(s) {
        for (int i = 0; i < n; i++)
            spawn_spread(&s, async(stand, i));
        while (wait && begun < n)
            bide_sleep(100 * BIDE_US);
        bide_scope_cancel(&s);
        if (bide_scope_wait(&s) != -ECANCELED)
            return -EIO;
    }
    return begun == ended ? begun : -EINVAL;
}

static void add_placed(struct bide__worker *w, void *to)
{
    *(unsigned *)to += __atomic_load_n(&w->placed, __ATOMIC_RELAXED);
}

/* Those that were withdrawn on their way are counted until they arrive. */
static void wait_until_none_is_placed(void)
{
    for (unsigned placed = 1; placed;) {
        bide_sleep(50 * BIDE_US);
        placed = 0;
        bide__team_stats(bide__worker(), add_placed, &placed);
    }
}

static int in_equal_shares(void)
{
    wait_for_all_workers();
    for (int round = 0; round < 20; round++) {
        CHECK_OR(stand_spread(30, true) == 30, -1);
        CHECK_OR(largest_share(30) == 10, -2);
        CHECK_OR(stand_spread(30, false) >= 0, -3);
        wait_until_none_is_placed();
    }
    /* Leaves too. */
    scope(s)
        for (int i = 0; i < 30; i++)
            spawn_spread(&s, async(bide_sleep, 10 * BIDE_US));
    wait_until_none_is_placed();
    return 0;
}
ASYNC(int, in_equal_shares)

TEST(spread_children_are_of_equal_number_everywhere)
{
    CHECK_EQ(bide_run_with(&three, async(in_equal_shares)), 0);
}

/* Each is over before the next one comes. */
static int one_at_a_time(void)
{
    wait_for_all_workers();
    reset();
    for (int i = 0; i < 30; i++) {
        scope(s)
            spawn_spread(&s, async(count, i));
        wait_until_none_is_placed();
    }
    return largest_share(30);
}
ASYNC(int, one_at_a_time)

TEST(equal_workers_take_their_turns)
{
    CHECK_EQ(bide_run_with(&three, async(one_at_a_time)), 10);
}

/* ---- which worker ---- */

static int same_worker(unsigned index, int *ret_seen)
{
    CHECK_OR(bide_worker_index() < WORKERS && bide_worker_count() == WORKERS, -1);
    *ret_seen += bide_worker_index() == index;
    return 0;
}
ASYNC(int, same_worker, unsigned, int *)

static int indexes(void)
{
    CHECK_OR(bide_worker_index() == 0 && bide_worker_count() == WORKERS, -1); /* not begun yet */
    wait_for_all_workers();
    for (unsigned round = 0; round < 10; round++) {
        int is[WORKERS] = { 0 };
        for (unsigned i = 0; i < WORKERS; i++) {
            scope(s)
                spawn_spread(&s, async(same_worker, i, &is[i]));
            wait_until_none_is_placed();
        }
        int sum = is[0] + is[1] + is[2];
        CHECK_OR(sum == 0 || sum == WORKERS, -2); /* they come in turn, from somewhere */
    }
    return 0;
}
ASYNC(int, indexes)

static int single(void)
{
    return (int)bide_worker_count();
}
ASYNC(int, single)

TEST(workers_have_numbers)
{
    CHECK_EQ(bide_worker_index(), 0);
    CHECK_EQ(bide_worker_count(), 1);
    CHECK_EQ(bide_run_with(&three, async(indexes)), 0);
    CHECK_EQ(bide_run_with(&(struct bide_config){ .workers = 1 }, async(single)), 1);
}

/* The k-th acquisition fails, for every k: threads, workers, rings. */
static int fail_at, acquisitions;

static bool fault(void)
{
    int k = __atomic_add_fetch(&acquisitions, 1, __ATOMIC_RELAXED);
    return k == fail_at;
}

static int some_of_all(void)
{
    reset();
    scope(s)
        for (int i = 0; i < 20; i++) {
            spawn_parallel(&s, async(nap, 10));
            spawn_spread(&s, async(nap, 10));
        }
    return begun == ended ? 0 : -EIO;
}
ASYNC(int, some_of_all)

TEST(every_acquisition_may_fail)
{
    bide__fault = fault;
    for (fail_at = 1; fail_at < 200; fail_at++) {
        acquisitions = 0;
        int r = bide_run_with(&three, async(some_of_all));
        CHECK(r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENOSYS);
        if (acquisitions < fail_at)
            break;
    }
    bide__fault = NULL;
}

TEST_MAIN()
