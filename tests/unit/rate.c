/* So many in a span: what is there at once, what is waited for, and what a cancelled wait takes. */
#include "fiber.h"

#include <bide/keywords.h>

#include <pthread.h>

#define HOUR (3600 * BIDE_S)

SIM_TEST(the_bucket_is_full_at_first)
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

SIM_TEST(more_than_the_bucket_holds)
{
    struct bide_rate rate = { .burst = 3 };
    CHECK_EQ(bide_rate_acquire(&rate, 4), -EINVAL);
    CHECK_EQ(bide_rate_try_acquire(&rate, 4), -EINVAL);
    CHECK_EQ(bide_rate_acquire(&rate, 3), 0);
    CHECK_EQ(bide_rate_acquire(&rate, 0), 0);
}

SIM_TEST(zeros_are_one_a_second)
{
    struct bide_rate rate = { 0 };
    CHECK_EQ(bide_rate_acquire(&rate, 2), -EINVAL);
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    bide_time begin = bide_now();
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    CHECK_EQ(bide_now(), begin + BIDE_S);
}

SIM_TEST(too_late_is_known_at_once)
{
    struct bide_rate rate = { 0 };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    bide_time begin = bide_now();
    for (int sooner = 0; sooner < 2; sooner++) {
        let wait = async(bide_rate_acquire, &rate, 1);
        CHECK_EQ(within(BIDE_S - sooner, &wait), 0); /* its token would come with the deadline */
        CHECK_EQ(wait.value, -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin);
    }
    let wait = async(bide_rate_acquire, &rate, 1);
    CHECK_EQ(within(BIDE_S + 1, &wait), 0);
    CHECK_EQ(wait.value, 0);
    CHECK_EQ(bide_now(), begin + BIDE_S);
}

/* The k-th after a full bucket comes (k - burst) * span / tokens later: at the next nanosecond. */
SIM_TEST(as_fast_as_allowed)
{
    static const struct bide_rate rates[] = {
        { .tokens = 1, .span = 100 * BIDE_US, .burst = 1 },
        { .tokens = 7, .span = BIDE_MS, .burst = 3 },
        { .tokens = 30000, .burst = 10 },
        { .tokens = 3, .burst = 1 },
    };
    for (int r = 0; r < 4; r++) {
        struct bide_rate rate = rates[r];
        bide_time span = rate.span ? rate.span : BIDE_S, begin = bide_now();
        for (int i = 1; i <= 200; i++) {
            CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
            bide_time waited_for = i > (int)rate.burst ? (i - (int)rate.burst) * span : 0;
            CHECK_EQ(bide_now() - begin, (waited_for + rate.tokens - 1) / rate.tokens);
        }
    }
}

/* No token is lost by rounding: a third of a nanosecond a token. */
SIM_TEST(parts_of_nanoseconds_add_up)
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
SIM_TEST(a_full_bucket_overflows)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR, .burst = 4 };
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    bide_sleep(1000 * HOUR);
    CHECK_EQ(bide_rate_try_acquire(&rate, 4), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
}

SIM_TEST(tokens_come_evenly)
{
    struct bide_rate rate = { .tokens = 2, .span = HOUR, .burst = 4 };
    CHECK_EQ(bide_rate_acquire(&rate, 4), 0);
    bide_sleep(HOUR / 2 - 1);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    bide_sleep(1);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), -EAGAIN);
    bide_sleep(HOUR);
    CHECK_EQ(bide_rate_try_acquire(&rate, 3), -EAGAIN);
    CHECK_EQ(bide_rate_try_acquire(&rate, 2), 0);
}

/* ---- waiting ---- */

struct line {
    struct bide_rate rate;
    int order[16], count;
    bide_time at[16];
};

static int stand(struct line *line, int who)
{
    int error = bide_rate_acquire(&line->rate, 1 + (unsigned)who % 2);
    if (!error) {
        line->at[line->count] = bide_now();
        line->order[line->count++] = who;
    }
    return error;
}
ASYNC(int, stand, struct line *, int)

/* By turns one and two tokens, of which two are there and ten come in a millisecond. */
SIM_TEST(first_come_first_served)
{
    struct line line = { .rate = { .tokens = 10, .span = BIDE_MS, .burst = 2 } };
    bide_time begin = bide_now();
    scope(s)
        for (int i = 0; i < 10; i++) {
            spawn(&s, async(stand, &line, i));
            bide_yield(); /* they come one after the other */
        }
    CHECK_EQ(line.count, 10);
    for (int i = 0, taken = 0; i < 10; i++) {
        taken += 1 + i % 2;
        CHECK_EQ(line.order[i], i);
        CHECK_EQ(line.at[i] - begin, taken > 2 ? (taken - 2) * BIDE_MS / 10 : 0);
    }
}

SIM_TEST(nobody_gets_in_between)
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
SIM_TEST(who_gives_up_takes_none)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    bide_time begin = bide_now();
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
    CHECK_EQ(bide_now(), begin);
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    CHECK_EQ(bide_now(), begin + HOUR);
}

static int acquire_when_cancelled(struct bide_rate *rate)
{
    while (!bide_cancelled())
        bide_sleep(HOUR);
    return bide_rate_acquire(rate, 1);
}
ASYNC(int, acquire_when_cancelled, struct bide_rate *)

SIM_TEST(a_cancelled_caller_gets_none)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    let f = async(acquire_when_cancelled, &rate);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(bide_rate_try_acquire(&rate, 1), 0);
}

SIM_TEST(a_deadline_ends_the_wait)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR };
    bide_time begin = bide_now();
    CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
    let first = async(bide_rate_acquire, &rate, 1);
    let second = async(bide_rate_acquire, &rate, 1);
    scope(s) {
        bide_start(&first); /* has the turn */
        bide_yield();
        CHECK_EQ(within(BIDE_US, &second), -ETIMEDOUT);
        CHECK_EQ(second.value, -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin + BIDE_US);
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

SIM_TEST(a_description_takes_a_token)
{
    struct bide_rate rate = { .tokens = 1, .span = HOUR, .burst = 2 };
    runs = 0;
    let f = bide_rate_limit(&rate, async(run, 7));
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK_EQ(await(f), 7);
    CHECK_EQ(await(&f), 7);
    CHECK_EQ(runs, 2);
    bide_time begin = bide_now();
    let none = bide_rate_limit(&rate, async(run, 7));
    let no_page = bide_rate_limit(&rate, async(load, 7));
    within(BIDE_MS, &none);
    within(BIDE_MS, &no_page);
    CHECK_EQ(none.value, -ETIMEDOUT);
    CHECK_EQ(bide_error(&none), -ETIMEDOUT);
    CHECK_EQ(bide_error(&no_page), -ETIMEDOUT);
    CHECK_EQ(no_page.value.number, 0);
    CHECK_EQ(runs, 2);
    CHECK_EQ(bide_now(), begin);
    CHECK_EQ(await(bide_rate_limit(&rate, async(load, 9))).number, 9);
    CHECK_EQ(bide_now(), begin + HOUR);
}

SIM_TEST(is_joined_and_spawned)
{
    struct bide_rate rate = { .tokens = 1000, .burst = 1, .span = BIDE_S / 10 };
    bide_time begin = bide_now();
    runs = 0;
    scope(s)
        for (int i = 0; i < 5; i++)
            spawn(&s, bide_rate_limit(&rate, async(run, i)));
    CHECK_EQ(join(bide_rate_limit(&rate, async(run, 1)), bide_rate_limit(&rate, async(load, 1))),
             0);
    CHECK_EQ(runs, 7);
    CHECK_EQ(bide_now() - begin, 6 * BIDE_S / 10000);
}

/* ---- on the real clock ---- */

FIBER_TEST(no_faster_than_allowed)
{
    struct bide_rate rate = { .tokens = 7, .span = BIDE_MS, .burst = 3 };
    bide_time begin = bide_now();
    for (int i = 1; i <= 30; i++) {
        CHECK_EQ(bide_rate_acquire(&rate, 1), 0);
        CHECK(bide_now() - begin >= (i - 3) * BIDE_MS / 7);
    }
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
