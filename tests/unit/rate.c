/* So many in a span: what is there at once, what is waited for, and what a cancelled wait takes. */
#include "fiber.h"

#include <bide/keywords.h>

#include <pthread.h>

#define HOUR (3600 * BIDE_S)

FIBER_TEST(the_bucket_is_full_at_first)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR, .burst = 5 };
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    struct bide_rate other = { .tokens = 1, .span = HOUR, .burst = 5 };
    CHECK_EQ(bide_rate_try_acquire(&other, 3), 0);
    CHECK_EQ(bide_rate_try_acquire(&other, 3), -EAGAIN);
    CHECK_EQ(bide_rate_try_acquire(&other, 2), 0);
    CHECK_EQ(bide_rate_try_acquire(&other, 1), -EAGAIN);
}

FIBER_TEST(more_than_the_bucket_holds)
{
    struct bide_rate rate = { .burst = 3 };
    CHECK_EQ(bide_rate_acquire(&rate, 4), -EINVAL);
    CHECK_EQ(bide_rate_try_acquire(&rate, 4), -EINVAL);
    CHECK_EQ(bide_rate_acquire(&rate, 3), 0);
    CHECK_EQ(bide_rate_acquire(&rate, 0), 0);
}

FIBER_TEST(zeros_are_one_a_second)
{
    struct bide_rate rate = { 0 };
    CHECK_EQ(bide_rate_acquire(&rate, 2), -EINVAL);
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    let wait = async(bide_rate_acquire, &rate, 1);
    CHECK_EQ(within(BIDE_S / 4, &wait), 0); /* it ended, knowing that it would be too late */
    CHECK_EQ(wait.value, -ETIMEDOUT);
}

/* Never more than allowed: the k-th after a full bucket comes (k - burst) spans later, or after. */
FIBER_TEST(no_faster_than_allowed)
{
    static const struct bide_rate rates[] = {
        { .tokens = 1, .span = 100 * BIDE_US, .burst = 1 },
        { .tokens = 7, .span = BIDE_MS, .burst = 3 },
        { .tokens = 30000, .burst = 10 },
    };
    for (int r = 0; r < 3; r++) {
        struct bide_rate rate = rates[r];
        bide_time span = rate.span ? rate.span : BIDE_S, begin = bide_now();
        for (int i = 1; i <= 30; i++) {
            CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
            int waited_for = i - (int)rate.burst;
            CHECK(bide_now() - begin >= waited_for * span / rate.tokens - 1);
        }
    }
}

/* No token is lost by rounding: a third of a nanosecond a token. */
FIBER_TEST(parts_of_nanoseconds_add_up)
{
    struct bide_rate rate = { .tokens = 3, .span = HOUR + 1, .burst = 3000000 };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    bide_time first = rate.full_at;
    for (int i = 0; i < 3 * 1000; i++)
        CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
    CHECK_EQ(rate.full_at - first, 1000 * (HOUR + 1));
    CHECK_EQ(bide_rate_try_acquire(&rate, 3 * 1000), 0);
    CHECK_EQ(rate.full_at - first, 2000 * (HOUR + 1));
}

/* A full bucket holds no more than burst, however long nobody came. */
FIBER_TEST(a_full_bucket_overflows)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR, .burst = 4 };
    rate.full_at = bide_now() - 1000 * HOUR;
    CHECK_EQ(bide_rate_try_acquire(&rate, 4), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
}

/* As if so much time had passed. */
static void pass(struct bide_rate *rate, bide_time span)
{
    rate->full_at -= span;
}

FIBER_TEST(tokens_come_evenly)
{
    struct bide_rate rate = { .tokens = 2, .span = HOUR, .burst = 4 };
    CHECK_EQ(bide_rate_acquire(&rate, 4), 0);
    pass(&rate, HOUR / 2 - BIDE_S * 60);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    pass(&rate, BIDE_S * 60);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    pass(&rate, HOUR);
    CHECK_EQ(bide_rate_try_acquire(&rate, 3), -EAGAIN);
    CHECK_EQ(bide_rate_try_acquire(&rate, 2), 0);
}

/* ---- waiting ---- */

struct line {
    struct bide_rate rate;
    int order[16], count;
};

static int stand(struct line *line, int who)
{
    int error = bide_rate_acquire(&line->rate, 1 + (unsigned)who % 2);
    if (!error)
        line->order[line->count++] = who;
    return error;
}
ASYNC(int, stand, struct line *, int)

FIBER_TEST(first_come_first_served)
{
    struct line line = { .rate = { .tokens = 10, .span = BIDE_MS, .burst = 2 } };
    scope(s)
        for (int i = 0; i < 10; i++)
            spawn(&s, async(stand, &line, i));
    CHECK_EQ(line.count, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(line.order[i], i);
}

FIBER_TEST(nobody_gets_in_between)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    let wait = async(bide_rate_acquire, &rate, 1);
    scope(s) {
        bide_start(&wait);
        bide_yield();
        CHECK_EQ(bide_rate_try_acquire(&rate, 0), -EAGAIN);
        cancel(&wait);
    }
    CHECK_EQ(wait.value, -ECANCELED);
    CHECK_EQ(bide_rate_try_acquire(&rate, 0), 0);
}

/* A thousand give up; the next one's token comes as soon as if they had never come. */
FIBER_TEST(who_gives_up_takes_none)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    struct bide_rate_acquire_future *f = calloc(1000, sizeof(*f));
    scope(s) {
        for (int i = 0; i < 1000; i++) {
            f[i] = async(bide_rate_acquire, &rate, 1);
            bide_start(&f[i]);
        }
        bide_yield();
        for (int i = 0; i < 1000; i++)
            cancel(&f[i * 7 % 1000]);
    }
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(f[i].value, -ECANCELED);
    free(f);
    pass(&rate, HOUR);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
}

static int acquire_when_cancelled(struct bide_rate *rate)
{
    while (!bide_cancelled())
        bide_sleep(HOUR);
    return bide_rate_acquire(rate, 1);
}
ASYNC(int, acquire_when_cancelled, struct bide_rate *)

FIBER_TEST(a_cancelled_caller_gets_none)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    let f = async(acquire_when_cancelled, &rate);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
}

FIBER_TEST(a_deadline_ends_the_wait)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    let first = async(bide_rate_acquire, &rate, 1);
    let second = async(bide_rate_acquire, &rate, 1);
    scope(s) {
        bide_start(&first); /* has the turn */
        bide_yield();
        CHECK_EQ(within(BIDE_US, &second), -ETIMEDOUT);
        CHECK_EQ(second.value, -ETIMEDOUT);
        cancel(&first);
    }
}

/* ---- as a description ---- */

static int runs;

static int run(int value)
{
    runs++;
    return value;
}
ASYNC(int, run, int)

struct page {
    int number;
};

static struct page load(int number)
{
    runs++;
    return (struct page){ number };
}
ASYNC(struct page, load, int)

FIBER_TEST(a_description_takes_a_token)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR, .burst = 2 };
    runs = 0;
    let f = bide_rate_limit(&rate, async(run, 7));
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(await(f), 7);
    CHECK_EQ(await(&f), 7);
    CHECK_EQ(runs, 2);
    let none = bide_rate_limit(&rate, async(run, 7));
    let no_page = bide_rate_limit(&rate, async(load, 7));
    within(BIDE_MS, &none);
    within(BIDE_MS, &no_page);
    CHECK_EQ(none.value, -ETIMEDOUT);
    CHECK_EQ(bide_error(&none), -ETIMEDOUT);
    CHECK_EQ(bide_error(&no_page), -ETIMEDOUT);
    CHECK_EQ(no_page.value.number, 0);
    CHECK_EQ(runs, 2);
    pass(&rate, HOUR);
    CHECK_EQ(await(bide_rate_limit(&rate, async(load, 9))).number, 9);
}

FIBER_TEST(is_joined_and_spawned)
{
    struct bide_rate rate = { .tokens = 1000, .burst = 1, .span = BIDE_S / 10 };
    runs = 0;
    scope(s)
        for (int i = 0; i < 5; i++)
            spawn(&s, bide_rate_limit(&rate, async(run, i)));
    CHECK_EQ(join(bide_rate_limit(&rate, async(run, 1)), bide_rate_limit(&rate, async(load, 1))),
             0);
    CHECK_EQ(runs, 7);
}

/* ---- several threads ---- */

static int take_some(struct bide_rate *rate, int *taken)
{
    for (int i = 0; i < 50; i++) {
        if (bide_rate_acquire(rate, 1))
            return -1;
        __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
    }
    return 0;
}
ASYNC(int, take_some, struct bide_rate *, int *)

static int take_everywhere(struct bide_rate *rate, int *taken)
{
    int error = 0;
    scope(s) {
        for (int i = 0; i < 4; i++)
            bide_spawn_spread(&s, async(take_some, rate, taken));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, take_everywhere, struct bide_rate *, int *)

struct taker {
    struct bide_rate *rate;
    int *taken;
};

static void *take_in_thread(void *arg)
{
    struct taker *t = arg;
    take_some(t->rate, t->taken);
    return NULL;
}

TEST(over_workers_and_threads)
{
    static const struct bide_config two = { .workers = 2 };
    struct bide_rate rate = { .tokens = 50000, .burst = 5 };
    int taken = 0;
    struct taker taker = { &rate, &taken };
    pthread_t thread;
    bide_time begin = bide_now();
    CHECK_EQ(pthread_create(&thread, NULL, take_in_thread, &taker), 0);
    CHECK_EQ(bide_run_with(&two, async(take_everywhere, &rate, &taken)), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(taken, 250);
    CHECK(bide_now() - begin >= 245 * (BIDE_S / 50000));
}

TEST_MAIN()
