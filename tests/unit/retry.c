/* Running a description again: how often, after which errors, and when no longer. */
#include "fiber.h"

#include <bide/keywords.h>

#define HOUR (3600 * BIDE_S)

/* Fails with error until it has run often enough. */
struct trouble {
    int error, times; /* below 0 */
    int begun, ended;
};

static int work(struct trouble *t)
{
    t->begun++;
    int error = t->begun <= t->times ? t->error : 0;
    t->ended++;
    return error ? error : 100 + t->begun;
}
ASYNC(int, work, struct trouble *)

static const struct bide_retry_options quick = { .delay = BIDE_US };

SIM_TEST(runs_until_it_succeeds)
{
    struct trouble t = { .error = -EIO, .times = 3 };
    let r = bide_retry(async(work, &t), &quick);
    CHECK_EQ(bide_state(&r), BIDE_COLD);
    CHECK_EQ(await(&r), 104);
    CHECK_EQ(r.value, 104);
    CHECK_EQ(bide_state(&r), BIDE_DONE);
    CHECK_EQ(bide_state(&r.work), BIDE_COLD);
    CHECK_EQ(t.begun, 4);
}

SIM_TEST(a_success_is_not_repeated)
{
    struct trouble t = { 0 };
    CHECK_EQ(await(bide_retry(async(work, &t), &quick)), 101);
    CHECK_EQ(t.begun, 1);
}

SIM_TEST(five_runs_by_default)
{
    struct trouble t = { .error = -EIO, .times = 1000 };
    struct bide_retry_options o = { .delay = BIDE_US };
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), -EIO);
    CHECK_EQ(t.begun, 5);
}

SIM_TEST(as_many_runs_as_allowed)
{
    for (unsigned n = 1; n < 8; n++) {
        struct trouble t = { .error = -ECONNRESET, .times = 1000 };
        struct bide_retry_options o = { .attempts = n, .delay = BIDE_US };
        CHECK_EQ(await(bide_retry(async(work, &t), &o)), -ECONNRESET);
        CHECK_EQ(t.begun, n);
    }
}

SIM_TEST(without_a_limit)
{
    struct trouble t = { .error = -EIO, .times = 300 };
    struct bide_retry_options o = { .attempts = BIDE_RETRY_UNLIMITED, .delay = -1 };
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), 401);
}

SIM_TEST(one_by_value_stays_cold)
{
    struct trouble t = { .error = -EIO, .times = 2 };
    let r = bide_retry(async(work, &t), &quick);
    let copy = r;
    CHECK_EQ(await(copy), 103);
    CHECK_EQ(bide_state(&copy), BIDE_COLD);
    CHECK_EQ(await(&copy), 104);
    CHECK_EQ(await(&copy), 104); /* it is done */
    CHECK_EQ(t.begun, 4);
}

SIM_TEST(takes_pointers_to_futures)
{
    struct trouble t = { .error = -EIO, .times = 2 };
    let f = async(work, &t);
    const struct work_future *constant = &f;
    CHECK_EQ(await(bide_retry(&f, &quick)), 103);
    t.begun = 0;
    CHECK_EQ(await(bide_retry(constant, &quick)), 103);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
}

/* ---- which errors ---- */

SIM_TEST(what_lasts_is_not_repeated)
{
    static const int lasting[] = { -EACCES, -EBADF,  -ECANCELED,  -EFAULT,
                                   -EINVAL, -ENOSYS, -EOPNOTSUPP, -EPERM };
    for (size_t i = 0; i < sizeof(lasting) / sizeof(*lasting); i++) {
        struct trouble t = { .error = lasting[i], .times = 1 };
        CHECK_EQ(await(bide_retry(async(work, &t), &quick)), lasting[i]);
        CHECK_EQ(t.begun, 1);
    }
}

struct asked {
    int count, last;
};

static int is_eagain(int error, void *user)
{
    struct asked *asked = user;
    asked->count++;
    asked->last = error;
    return error == -EAGAIN;
}

SIM_TEST(the_caller_says_which)
{
    struct asked asked = { 0 };
    struct bide_retry_options o = {
        .attempts = 4, .delay = BIDE_US, .retry = is_eagain, .user = &asked
    };
    struct trouble t = { .error = -EAGAIN, .times = 2 };
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), 103);
    CHECK_EQ(asked.count, 2);
    CHECK_EQ(asked.last, -EAGAIN);
    t = (struct trouble){ .error = -EIO, .times = 2 };
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), -EIO);
    CHECK_EQ(t.begun, 1);
    CHECK_EQ(asked.count, 3);
    t = (struct trouble){ .error = -EAGAIN, .times = 100 };
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), -EAGAIN);
    CHECK_EQ(asked.count, 6); /* not asked when there is no other run anyway */
}

/* ---- how long in between ---- */

static int draws;

static uint64_t draw_all(void *user)
{
    draws++;
    return *(uint64_t *)user;
}

/* When each run began, of up to 16 that all fail; the first one at 0. */
static bide_time begun[16];

static int log_run(int *runs)
{
    begun[(*runs)++] = bide_now();
    return -EIO;
}
ASYNC(int, log_run, int *)

/* Without jitter the waits are the bounds. Leaves when each run began in begun, from the first. */
static int log_runs(struct bide_retry_options o)
{
    int runs = 0;
    o.no_jitter = 1;
    CHECK_OR(await(bide_retry(async(log_run, &runs), &o)) == -EIO, -1);
    for (int i = runs; i-- > 0;)
        begun[i] -= begun[0];
    return runs;
}

SIM_TEST(waits_longer_each_time)
{
    CHECK_EQ(log_runs((struct bide_retry_options){ .attempts = 4, .delay = BIDE_MS }), 4);
    CHECK_EQ(begun[1], 1 * BIDE_MS);
    CHECK_EQ(begun[2], 3 * BIDE_MS);
    CHECK_EQ(begun[3], 7 * BIDE_MS);
    struct bide_retry_options o = { .attempts = 4, .delay = BIDE_MS, .factor = 3 };
    CHECK_EQ(log_runs(o), 4);
    CHECK_EQ(begun[1], 1 * BIDE_MS);
    CHECK_EQ(begun[2], 4 * BIDE_MS);
    CHECK_EQ(begun[3], 13 * BIDE_MS);
}

SIM_TEST(the_defaults_are_as_documented)
{
    static const int waits_ms[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000,
                                    30000 };
    CHECK_EQ(log_runs((struct bide_retry_options){ 0 }), 5);
    CHECK_EQ(log_runs((struct bide_retry_options){ .attempts = 12 }), 12);
    for (int i = 0; i < 11; i++)
        CHECK_EQ(begun[i + 1] - begun[i], waits_ms[i] * BIDE_MS);
}

SIM_TEST(below_zero_it_does_not_wait)
{
    CHECK_EQ(log_runs((struct bide_retry_options){ .delay = -1 }), 5);
    CHECK_EQ(begun[4], 0);
    CHECK_EQ(log_runs((struct bide_retry_options){ .delay_max = -1 }), 5);
    CHECK_EQ(begun[4], 0);
}

SIM_TEST(waits_a_random_part_of_it)
{
    struct trouble t = { .error = -EIO, .times = 3 };
    uint64_t bits = HOUR + 1 + BIDE_MS; /* a millisecond is left of it */
    struct bide_retry_options o = {
        .delay = HOUR, .factor = 1, .delay_max = BIDE_FOREVER, .random = draw_all, .user = &bits
    };
    bide_time begin = bide_now();
    draws = 0;
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), 104);
    CHECK_EQ(draws, 3);
    CHECK_EQ(bide_now() - begin, 3 * BIDE_MS);
    bits = HOUR; /* the whole */
    t.begun = 0;
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), 104);
    CHECK_EQ(bide_now() - begin, 3 * BIDE_MS + 3 * HOUR);
}

SIM_TEST(by_default_chance_decides_within_the_bound)
{
    bide_time waits[20];
    struct bide_retry_options o = { .attempts = 2 };
    int equal = 0;
    for (int i = 0; i < 20; i++) {
        struct trouble t = { .error = -EIO, .times = 1 };
        bide_time begin = bide_now();
        CHECK_EQ(await(bide_retry(async(work, &t), &o)), 102);
        waits[i] = bide_now() - begin;
        CHECK(waits[i] >= 0 && waits[i] <= 100 * BIDE_MS);
        equal += i && waits[i] == waits[i - 1];
    }
    CHECK(equal < 5);
}

SIM_TEST(no_wait_is_longer_than_the_longest)
{
    struct trouble t = { .error = -EIO, .times = 5 };
    struct bide_retry_options o = { .attempts = 10, .delay = BIDE_US, .delay_max = 2 * BIDE_US,
                                    .factor = 1e12, .no_jitter = 1 };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_retry(async(work, &t), &o)), 106);
    CHECK_EQ(bide_now() - begin, 9 * BIDE_US); /* 1 + 4 * 2 */
}

/* A run that would begin with the deadline does not begin either. */
SIM_TEST(a_deadline_in_the_wait_ends_it_at_once)
{
    for (int later = 0; later < 2; later++) {
        struct trouble t = { .error = -EIO, .times = 5 };
        struct bide_retry_options o = { .delay = HOUR + later, .delay_max = BIDE_FOREVER,
                                        .no_jitter = 1 };
        bide_time begin = bide_now();
        let r = bide_retry(async(work, &t), &o);
        CHECK_EQ(within(HOUR, &r), 0);
        CHECK_EQ(r.value, -EIO);
        CHECK_EQ(t.begun, 1);
        CHECK_EQ(bide_now(), begin);
    }
}

SIM_TEST(a_deadline_just_after_the_wait_leaves_a_run)
{
    struct trouble t = { .error = -EIO, .times = 1 };
    struct bide_retry_options o = { .delay = HOUR - 1, .delay_max = BIDE_FOREVER,
                                    .no_jitter = 1 };
    let r = bide_retry(async(work, &t), &o);
    CHECK_EQ(within(HOUR, &r), 0);
    CHECK_EQ(r.value, 102);
}

/* ---- bounds ---- */

static int slow_at_first(struct trouble *t)
{
    if (++t->begun > t->times)
        return 100 + t->begun;
    int error = bide_sleep(HOUR);
    t->ended++;
    return error;
}
ASYNC(int, slow_at_first, struct trouble *)

SIM_TEST(each_run_has_a_timeout)
{
    struct trouble t = { .times = 2 };
    struct bide_retry_options o = { .delay = BIDE_US, .timeout = BIDE_MS, .no_jitter = 1 };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_retry(async(slow_at_first, &t), &o)), 103);
    CHECK_EQ(bide_now() - begin, 2 * BIDE_MS + 3 * BIDE_US);
    CHECK_EQ(bide_cancelled(), 0);
    t = (struct trouble){ .times = 100 };
    begin = bide_now();
    CHECK_EQ(await(bide_retry(async(slow_at_first, &t), &o)), -ETIMEDOUT);
    CHECK_EQ(bide_now() - begin, 5 * BIDE_MS + 15 * BIDE_US);
    CHECK_EQ(t.ended, 5);
}

SIM_TEST(a_deadline_bounds_all_runs)
{
    struct trouble t = { .times = 100 };
    bide_time begin = bide_now();
    let r = bide_retry(async(slow_at_first, &t), &quick);
    CHECK_EQ(within(BIDE_MS, &r), -ETIMEDOUT);
    CHECK_EQ(bide_now() - begin, BIDE_MS);
    CHECK_EQ(r.value, -ETIMEDOUT);
    CHECK_EQ(t.begun, 1);
}

static int fail_later(struct trouble *t)
{
    t->begun++;
    int error = bide_sleep(20 * BIDE_US);
    t->ended++;
    return error ? error : t->error;
}
ASYNC(int, fail_later, struct trouble *)

/* Runs and waits follow each other, 20 us each: where one ends and the next begins either may be
 * what is cancelled. */
SIM_TEST(cancelled_at_any_moment_it_ends)
{
    struct bide_retry_options o = {
        .attempts = BIDE_RETRY_UNLIMITED, .delay = 20 * BIDE_US, .factor = 1, .no_jitter = 1
    };
    for (int i = 0; i < 50; i++) {
        struct trouble t = { .error = -EIO };
        let r = bide_retry(async(fail_later, &t), &o);
        scope(s) {
            CHECK_EQ(bide_start(&r), 0);
            if (i)
                bide_sleep(i * 5 * BIDE_US);
            cancel(&r);
        }
        CHECK_EQ(t.begun, t.ended);
        if (i % 4) {
            CHECK_EQ(t.begun, i / 8 + 1);
            CHECK_EQ(r.value, -ECANCELED);
        } else if (i) {
            CHECK(t.begun == i / 8 || t.begun == i / 8 + 1);
            CHECK(r.value == -ECANCELED || r.value == -EIO); /* a run had just ended with it */
        } else {
            CHECK_EQ(t.begun, 0);
            CHECK_EQ(r.value, -ECANCELED);
        }
    }
}

static int fail_whatever(struct trouble *t)
{
    t->begun++;
    shield()
        bide_sleep(BIDE_MS / 2);
    t->ended++;
    return t->error;
}
ASYNC(int, fail_whatever, struct trouble *)

SIM_TEST(cancelled_in_a_run_it_gives_its_value)
{
    struct trouble t = { .error = -EAGAIN };
    struct asked asked = { 0 };
    struct bide_retry_options o = { .delay = BIDE_US, .retry = is_eagain, .user = &asked };
    bide_time begin = bide_now();
    let r = bide_retry(async(fail_whatever, &t), &o);
    CHECK_EQ(within(BIDE_US, &r), -ETIMEDOUT);
    CHECK_EQ(bide_now() - begin, BIDE_MS / 2);
    CHECK_EQ(r.value, -EAGAIN);
    CHECK_EQ(t.ended, 1);
    CHECK_EQ(asked.count, 0);
}

SIM_TEST(cancelled_in_the_wait_it_ends)
{
    struct trouble t = { .error = -EIO, .times = 100 };
    struct bide_retry_options o = { .delay = HOUR, .delay_max = BIDE_FOREVER,
                                    .no_jitter = 1 };
    let r = bide_retry(async(work, &t), &o);
    scope(s) {
        CHECK_EQ(bide_start(&r), 0);
        settle();
        CHECK_EQ(t.begun, 1);
        cancel(&r);
    }
    CHECK_EQ(r.value, -ECANCELED);
    CHECK_EQ(bide_error(&r), -ECANCELED);
    CHECK_EQ(t.begun, 1);
}

/* ---- wherever a future may be ---- */

SIM_TEST(is_joined_raced_and_spawned)
{
    struct trouble a = { .error = -EIO, .times = 2 }, b = { .error = -EIO, .times = 3 }, c = a;
    let x = bide_retry(async(work, &a), &quick);
    let y = bide_retry(async(work, &b), &quick);
    CHECK_EQ(try_join(&x, &y), 0);
    CHECK_EQ(x.value, 103);
    CHECK_EQ(y.value, 104);
    scope(s)
        CHECK_EQ(spawn(&s, bide_retry(async(work, &c), &quick)), 0);
    CHECK_EQ(c.begun, 3);
    let slow = bide_retry(async(bide_sleep, HOUR), NULL);
    a.begun = 0;
    CHECK_EQ(race(&slow, bide_retry(async(work, &a), &quick)), 1);
    CHECK_EQ(slow.value, -ECANCELED);
}

static int call(void *arg)
{
    return work(arg);
}

FIBER_TEST(runs_where_nothing_is_simulated)
{
    struct trouble t = { .error = -EIO, .times = 2 };
    CHECK_EQ(await(bide_retry(async(work, &t), &quick)), 103);
    t.begun = 0;
    CHECK_EQ(bide_offload(bide_retry(async(work, &t), &quick)), 103);
    t.begun = 0;
    CHECK_EQ(await(bide_retry(async(bide_offload_call, call, &t), &quick)), 103);
}

SIM_TEST(is_an_element_of_an_array)
{
    struct trouble t[4];
    let first = bide_retry(async(work, t), &quick);
    __typeof__(first) all[4];
    for (int i = 0; i < 4; i++) {
        t[i] = (struct trouble){ .error = -EIO, .times = i };
        all[i] = first;
        all[i].work = async(work, &t[i]);
    }
    CHECK_EQ(bide_join_all(all, 4), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(all[i].value, 101 + i);
}

SIM_TEST(is_retried_itself)
{
    struct trouble t = { .error = -EIO, .times = 7 };
    struct bide_retry_options two = { .attempts = 2, .delay = BIDE_US };
    CHECK_EQ(await(bide_retry(bide_retry(async(work, &t), &two),
                              &(struct bide_retry_options){ .attempts = 4, .delay = BIDE_US })),
             108);
}

SIM_TEST(repeats_leaves)
{
    struct trouble t = { .error = -EIO, .times = 2 };
    CHECK_EQ(await(bide_retry(async(bide_offload_call, call, &t), &quick)), 103);
    CHECK_EQ(await(bide_retry(async(bide_sleep, BIDE_US), NULL)), 0);
}

static ssize_t large(struct trouble *t)
{
    return ++t->begun <= t->times ? -EIO : (ssize_t)1 << 40;
}
ASYNC(ssize_t, large, struct trouble *)

SIM_TEST(values_may_be_long)
{
    struct trouble t = { .times = 2 };
    CHECK_EQ(await(bide_retry(async(large, &t), &quick)), (ssize_t)1 << 40);
}

TEST(works_in_a_plain_thread)
{
    struct trouble t = { .error = -EIO, .times = 2 };
    CHECK_EQ(await(bide_retry(async(work, &t), &quick)), 103);
    t = (struct trouble){ .times = 1 };
    struct bide_retry_options o = { .delay = BIDE_US, .timeout = BIDE_MS };
    CHECK_EQ(await(bide_retry(async(slow_at_first, &t), &o)), 102);
    CHECK_EQ(bide_run(bide_retry(async(work, &t), &quick)), 103);
}

static void retry_done(void *arg)
{
    (void)arg;
    let f = async(bide_sleep, HOUR);
    scope(s) {
        bide_start(&f);
        await(bide_retry(&f, NULL));
    }
}
ASYNC_VOID(retry_done, void *)

static void run_retry_done(void *arg)
{
    bide_run(async(retry_done, arg));
}

TEST(a_running_one_aborts)
{
    expect_abort(run_retry_done, NULL, "running already");
}

TEST_MAIN()
