/* Messages for every subscriber: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

static int send_int(struct bide_broadcast *b, int value)
{
    return bide_broadcast_send(b, &value);
}
ASYNC(int, send_int, struct bide_broadcast *, int)

/* The message, or an error. */
static int recv_int(struct bide_subscriber *s)
{
    int value = -1, error = bide_broadcast_recv(s, &value, NULL);
    return error ? error : value;
}
ASYNC(int, recv_int, struct bide_subscriber *)

static int try_recv_int(struct bide_subscriber *s)
{
    int value = -1, error = bide_broadcast_try_recv(s, &value, NULL);
    return error ? error : value;
}

FIBER_TEST(everyone_receives_everything_since_it_subscribed)
{
    struct bide_broadcast b;
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 3), 0);
    CHECK_EQ(send_int(&b, 0), 0);
    struct bide_subscriber first = bide_broadcast_subscribe(&b);
    CHECK_EQ(try_recv_int(&first), -EAGAIN);
    CHECK_EQ(send_int(&b, 1), 0);
    struct bide_subscriber second = bide_broadcast_subscribe(&b);
    CHECK_EQ(send_int(&b, 2), 0);
    struct bide_subscriber copy = first;
    CHECK_EQ(recv_int(&first), 1);
    CHECK_EQ(await(async(recv_int, &first)), 2);
    CHECK_EQ(recv_int(&second), 2);
    CHECK_EQ(try_recv_int(&second), -EAGAIN);
    CHECK_EQ(recv_int(&copy), 1);
    for (int i = 3; i < 100; i++) {
        CHECK_EQ(send_int(&b, i), 0);
        CHECK_EQ(recv_int(&first), i);
        CHECK_EQ(recv_int(&second), i);
    }
    bide_broadcast_release(&b);
}

FIBER_TEST(who_lags_is_told_so)
{
    struct bide_broadcast b;
    uint64_t missed = 77;
    int value = -1;
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 4), 0);
    struct bide_subscriber s = bide_broadcast_subscribe(&b), other = s;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(send_int(&b, i), 0);
    CHECK_EQ(bide_broadcast_recv(&s, &value, &missed), 0);
    CHECK_EQ(value, 0);
    for (int i = 4; i < 11; i++)
        CHECK_EQ(send_int(&b, i), 0);
    CHECK_EQ(missed, 77);
    CHECK_EQ(bide_broadcast_recv(&s, &value, &missed), -EOVERFLOW); /* 1 to 6 */
    CHECK_EQ(missed, 6);
    CHECK_EQ(value, 0);
    for (int i = 7; i < 11; i++)
        CHECK_EQ(recv_int(&s), i);
    CHECK_EQ(try_recv_int(&s), -EAGAIN);
    CHECK_EQ(bide_broadcast_try_recv(&other, &value, NULL), -EOVERFLOW);
    CHECK_EQ(recv_int(&other), 7);
    bide_broadcast_close(&b);
    CHECK_EQ(recv_int(&other), 8);
    bide_broadcast_release(&b);
}

enum { WAITERS = 1000 };

FIBER_TEST(wakes_all_that_wait)
{
    static struct bide_broadcast_recv_future recvs[WAITERS];
    static struct bide_subscriber subscribers[WAITERS];
    static int values[WAITERS];
    struct bide_broadcast b;
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 1), 0);
    for (int round = 0; round < 2; round++) {
        scope(s) {
            for (int i = 0; i < WAITERS; i++) {
                subscribers[i] = bide_broadcast_subscribe(&b);
                recvs[i] = async(bide_broadcast_recv, &subscribers[i], &values[i], NULL);
                bide_start(&recvs[i]);
            }
            cancel(&recvs[2]);
            if (round == 0)
                send_int(&b, 5);
            else
                bide_broadcast_close(&b);
        }
        for (int i = 0; i < WAITERS; i++) {
            CHECK_EQ(recvs[i].value, i == 2 ? -ECANCELED : round ? -EPIPE : 0);
            CHECK_EQ(values[i], i == 2 ? 0 : 5);
        }
    }
    bide_broadcast_release(&b);
}

FIBER_TEST(what_was_sent_before_the_close_is_received)
{
    struct bide_broadcast b;
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 4), 0);
    struct bide_subscriber s = bide_broadcast_subscribe(&b);
    send_int(&b, 1);
    send_int(&b, 2);
    bide_broadcast_close(&b);
    bide_broadcast_close(&b);
    CHECK_EQ(send_int(&b, 3), -EPIPE);
    CHECK_EQ(recv_int(&s), 1);
    CHECK_EQ(recv_int(&s), 2);
    CHECK_EQ(recv_int(&s), -EPIPE);
    CHECK_EQ(try_recv_int(&s), -EPIPE);
    struct bide_subscriber late = bide_broadcast_subscribe(&b);
    CHECK_EQ(recv_int(&late), -EPIPE);
    bide_broadcast_release(&b);
}

FIBER_TEST(messages_of_no_size)
{
    struct bide_broadcast b;
    CHECK_EQ(bide_broadcast_init(&b, 0, 2), 0);
    struct bide_subscriber s = bide_broadcast_subscribe(&b);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bide_broadcast_send(&b, NULL), 0);
    CHECK_EQ(bide_broadcast_recv(&s, NULL, NULL), -EOVERFLOW);
    CHECK_EQ(bide_broadcast_recv(&s, NULL, NULL), 0);
    CHECK_EQ(bide_broadcast_recv(&s, NULL, NULL), 0);
    CHECK_EQ(bide_broadcast_try_recv(&s, NULL, NULL), -EAGAIN);
    bide_broadcast_release(&b);
}

FIBER_TEST(a_lost_race_receives_nothing)
{
    struct bide_broadcast a, b;
    int x = -1, y = -1;
    CHECK_EQ(bide_broadcast_init(&a, sizeof(int), 2), 0);
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 2), 0);
    struct bide_subscriber of_a = bide_broadcast_subscribe(&a);
    struct bide_subscriber of_b = bide_broadcast_subscribe(&b);
    CHECK_EQ(within(BIDE_US, async(bide_broadcast_recv, &of_a, &x, NULL)), -ETIMEDOUT);
    scope(s) {
        spawn(&s, async(send_int, &a, 1));
        spawn(&s, async(send_int, &b, 2));
        CHECK_EQ(race(async(bide_broadcast_recv, &of_b, &y, NULL),
                      async(bide_broadcast_recv, &of_a, &x, NULL)),
                 1);
    }
    CHECK_EQ(x, 1);
    CHECK_EQ(y, -1);
    CHECK_EQ(try_recv_int(&of_a), -EAGAIN);
    CHECK_EQ(try_recv_int(&of_b), 2);
    bide_broadcast_release(&a);
    bide_broadcast_release(&b);
}

/* ---- several threads ---- */

enum { MESSAGES = 2000, SUBSCRIBERS = 4, KEPT = 16 };

struct news {
    struct bide_broadcast one, other;
    bool hasty;
};

/* A receive of news->one ended with this value, or missed that many. False: it is closed. Numbers
 * come in order, without a gap that was not told. */
static bool count(long *next, int x, uint64_t missed)
{
    if (x >= 0)
        CHECK_OR(x == *next && !missed, false);
    *next += (long)missed + (x >= 0);
    return x >= 0 || missed;
}

/* How many neither came nor were missed. By value: what a race returns is all that happened. */
static long count_all(struct news *news, int who)
{
    struct bide_subscriber one = { &news->one, 0 }, other = { &news->other, 0 };
    uint32_t dice = (uint32_t)who;
    long next = 0;
    int x = -1, y = -1;
    uint64_t missed = 0;
    while (y < 0) {
        dice = dice * 1664525 + 1013904223;
        bide_time span = news->hasty ? (bide_time)(dice >> 16) % 20 * BIDE_US : BIDE_S;
        int first = race(async(bide_broadcast_recv, &other, &y, NULL),
                         async(bide_broadcast_recv, &one, &x, &missed), async(bide_sleep, span));
        if (first != 1)
            CHECK_OR(x == -1 && !missed, -1);
        if (first != 0)
            CHECK_OR(y == -1, -1);
        if (first == 1 && !count(&next, x, missed))
            break;
        x = -1;
        missed = 0;
    }
    while (bide_broadcast_recv(&one, &x, &missed) != -EPIPE) {
        count(&next, x, missed);
        x = -1;
        missed = 0;
    }
    return next == MESSAGES ? 0 : -1;
}
ASYNC(long, count_all, struct news *, int)

static int send_all(struct news *news)
{
    for (int i = 0; i < MESSAGES; i++) {
        CHECK_OR(send_int(&news->one, i) == 0, -1);
        if (i % 8 == 0)
            bide_yield();
        if (i % 128 == 0)
            bide_sleep(BIDE_US);
    }
    bide_broadcast_close(&news->one);
    return send_int(&news->other, 1);
}
ASYNC(int, send_all, struct news *)

static int spread_news(struct news *news)
{
    int error = 0;
    wait_for_workers(two.workers);
    scope(s) {
        for (int i = 0; i < SUBSCRIBERS; i++)
            spawn_spread(&s, async(count_all, news, i));
        spawn_spread(&s, async(send_all, news));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, spread_news, struct news *)

static void *count_in_thread(void *news)
{
    long left = count_all(news, 99);
    CHECK_OR(left == 0, NULL);
    return NULL;
}

TEST(over_two_workers_and_a_thread)
{
    for (int i = 0; i < 8; i++) {
        struct news news = { .hasty = i % 2 };
        pthread_t thread;
        CHECK_EQ(bide_broadcast_init(&news.one, sizeof(int), KEPT), 0);
        CHECK_EQ(bide_broadcast_init(&news.other, sizeof(int), 1), 0);
        CHECK_EQ(pthread_create(&thread, NULL, count_in_thread, &news), 0);
        CHECK_EQ(bide_run_with(&two, async(spread_news, &news)), 0);
        pthread_join(thread, NULL);
        bide_broadcast_release(&news.one);
        bide_broadcast_release(&news.other);
    }
}

static void *recv_in_thread(void *arg)
{
    struct bide_subscriber *s = arg;
    for (int i = 0; i < 100; i++)
        CHECK_OR(recv_int(s) == i, NULL);
    CHECK_OR(recv_int(s) == -EPIPE, NULL);
    return NULL;
}

TEST(two_plain_threads)
{
    struct bide_broadcast b;
    pthread_t thread;
    CHECK_EQ(bide_broadcast_init(&b, sizeof(int), 100), 0);
    struct bide_subscriber s = bide_broadcast_subscribe(&b);
    CHECK_EQ(pthread_create(&thread, NULL, recv_in_thread, &s), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(send_int(&b, i), 0);
    bide_broadcast_close(&b);
    pthread_join(thread, NULL);
    bide_broadcast_release(&b);
}

/* ---- memory, and misuse ---- */

static bool fault(void)
{
    return true;
}

TEST(no_memory)
{
    struct bide_broadcast b;
    bide__fault = fault;
    int error = bide_broadcast_init(&b, sizeof(int), 4);
    bide__fault = NULL;
    CHECK_EQ(error, -ENOMEM);
    CHECK_EQ(bide_broadcast_init(&b, SIZE_MAX / 2, 3), -ENOMEM);
    CHECK_EQ(bide_broadcast_init(&b, 4, 0), -EINVAL);
}

static int release_waited_for(void)
{
    struct bide_broadcast b;
    bide_broadcast_init(&b, sizeof(int), 1);
    struct bide_subscriber subscriber = bide_broadcast_subscribe(&b);
    scope(s) {
        spawn(&s, async(recv_int, &subscriber));
        bide_yield();
        bide_broadcast_release(&b);
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
    expect_abort(run_release, NULL, "bide_broadcast_release: somebody waits");
}

TEST_MAIN()
