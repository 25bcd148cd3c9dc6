/* Channels: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config one = { .workers = 1 }, two = { .workers = 2 };

static int send_int(struct bide_chan *c, int value)
{
    return bide_chan_send(c, &value);
}
ASYNC(int, send_int, struct bide_chan *, int)

static int try_send_int(struct bide_chan *c, int value)
{
    return bide_chan_try_send(c, &value);
}

/* The value, or an error. */
static int recv_int(struct bide_chan *c)
{
    int value = -1, error = bide_chan_recv(c, &value);
    return error ? error : value;
}
ASYNC(int, recv_int, struct bide_chan *)

static int try_recv_int(struct bide_chan *c)
{
    int value = -1, error = bide_chan_try_recv(c, &value);
    return error ? error : value;
}

static bool fault(void)
{
    return true;
}

/* ---- without waiting ---- */

FIBER_TEST(values_come_in_order)
{
    struct bide_chan c;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 3), 0);
    CHECK_EQ(bide_chan_capacity(&c), 3);
    CHECK_EQ(try_recv_int(&c), -EAGAIN);
    for (int round = 0; round < 5; round++) { /* the ring wraps */
        for (int i = 0; i < 3; i++)
            CHECK_EQ(send_int(&c, round + i), 0);
        CHECK_EQ(bide_chan_count(&c), 3);
        CHECK_EQ(try_send_int(&c, 9), -EAGAIN);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(recv_int(&c), round + i);
        CHECK_EQ(send_int(&c, 7), 0);
        CHECK_EQ(await(async(recv_int, &c)), 7);
    }
    CHECK_EQ(bide_chan_count(&c), 0);
    bide_chan_release(&c);
}

FIBER_TEST(unbounded_grows)
{
    struct bide_chan c;
    int sent = 0, received = 0;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), BIDE_CHAN_UNBOUNDED), 0);
    for (int round = 0; round < 500; round++) { /* it grows at different places of the ring */
        for (int i = 0; i < 5; i++)
            CHECK_EQ(send_int(&c, sent++), 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(try_recv_int(&c), received++);
    }
    CHECK_EQ(bide_chan_count(&c), 1000);
    while (received < sent)
        CHECK_EQ(recv_int(&c), received++);
    CHECK_EQ(try_recv_int(&c), -EAGAIN);
    bide_chan_release(&c);
}

/* A value of any size goes through the ring, and straight to a receiver and from a sender. */
static void carry(size_t size, size_t capacity)
{
    struct bide_chan c;
    unsigned char sent[256], seen[256];
    CHECK_EQ(bide_chan_init(&c, size, capacity), 0);
    for (int round = 0; round < 4; round++) {
        memset(seen, 0xee, sizeof(seen));
        for (size_t i = 0; i < sizeof(sent); i++)
            sent[i] = (unsigned char)(i + size + (unsigned)round);
        let send = async(bide_chan_send, &c, sent);
        let recv = async(bide_chan_recv, &c, seen);
        CHECK_EQ(round % 2 ? join(&send, &recv) : join(&recv, &send), 0);
        CHECK_EQ(send.value, 0);
        CHECK_EQ(recv.value, 0);
        CHECK_EQ(memcmp(sent, seen, size), 0);
        for (size_t i = size; i < sizeof(seen); i++)
            CHECK_EQ(seen[i], 0xee);
    }
    bide_chan_release(&c);
}

FIBER_TEST(values_of_any_size)
{
    static const size_t capacities[] = { 0, 1, 3, BIDE_CHAN_UNBOUNDED };
    for (size_t size = 0; size <= 33; size++)
        for (int i = 0; i < 4; i++)
            carry(size, capacities[i]);
    carry(100, 2);
    carry(256, BIDE_CHAN_UNBOUNDED);
}

FIBER_TEST(values_of_no_size)
{
    struct bide_chan c;
    CHECK_EQ(bide_chan_init(&c, 0, 2), 0);
    CHECK_EQ(bide_chan_send(&c, NULL), 0);
    CHECK_EQ(bide_chan_send(&c, NULL), 0);
    CHECK_EQ(bide_chan_try_send(&c, NULL), -EAGAIN);
    CHECK_EQ(bide_chan_recv(&c, NULL), 0);
    CHECK_EQ(bide_chan_recv(&c, NULL), 0);
    CHECK_EQ(bide_chan_try_recv(&c, NULL), -EAGAIN);
    bide_chan_release(&c);
    CHECK_EQ(bide_chan_init(&c, 0, BIDE_CHAN_UNBOUNDED), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(bide_chan_send(&c, NULL), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(bide_chan_try_recv(&c, NULL), 0);
    CHECK_EQ(bide_chan_try_recv(&c, NULL), -EAGAIN);
    bide_chan_release(&c);
}

TEST(in_memory_of_the_users)
{
    struct bide_chan c;
    int memory[4] = { 0, 0, 0, 9 };
    bide__fault = fault; /* it needs none */
    bide_chan_init_in(&c, sizeof(int), 3, memory);
    for (int round = 0; round < 3; round++) {
        for (int i = 1; i <= 3; i++)
            CHECK_EQ(send_int(&c, i), 0);
        CHECK_EQ(try_send_int(&c, 4), -EAGAIN);
        for (int i = 1; i <= 3; i++)
            CHECK_EQ(recv_int(&c), i);
    }
    bide__fault = NULL;
    CHECK(!bide_chan_is_closed(&c));
    bide_chan_close(&c);
    CHECK(bide_chan_is_closed(&c));
    bide_chan_release(&c);
    CHECK(memory[0] && memory[1] && memory[2] && memory[3] == 9);
}

/* ---- waiting ---- */

FIBER_TEST(a_rendezvous_waits_for_its_receiver)
{
    struct bide_chan c;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 0), 0);
    CHECK_EQ(try_send_int(&c, 1), -EAGAIN);
    let send = async(send_int, &c, 5);
    let other = async(send_int, &c, 6);
    scope(s) {
        bide_start(&send);
        bide_start(&other);
        bide_yield();
        CHECK_EQ(bide_chan_count(&c), 0);
        CHECK_EQ(bide_state(&send), BIDE_RUNNING);
        CHECK_EQ(recv_int(&c), 5);
        bide_yield();
        CHECK_EQ(bide_state(&send), BIDE_DONE);
        CHECK_EQ(bide_state(&other), BIDE_RUNNING);
        CHECK_EQ(try_recv_int(&c), 6);
    }
    CHECK_EQ(send.value | other.value, 0);

    let recv = async(recv_int, &c);
    scope(s) {
        bide_start(&recv);
        bide_yield();
        CHECK_EQ(try_send_int(&c, 8), 0);
        CHECK_EQ(try_send_int(&c, 9), -EAGAIN);
    }
    CHECK_EQ(recv.value, 8);
    bide_chan_release(&c);
}

enum { WAITERS = 6 };

/* All wait; the third is cancelled; a room, or a value, each for the others. */
static void first_come_first_served(size_t capacity)
{
    struct bide_chan c;
    struct recv_int_future recvs[WAITERS];
    struct send_int_future sends[WAITERS];
    CHECK_EQ(bide_chan_init(&c, sizeof(int), capacity), 0);
    for (int i = 0; i < WAITERS; i++) {
        recvs[i] = async(recv_int, &c);
        sends[i] = async(send_int, &c, 100 + i);
    }
    scope(s) {
        for (int i = 0; i < WAITERS; i++)
            bide_start(&recvs[i]);
        bide_yield();
        cancel(&recvs[2]);
        for (int i = 0; i < WAITERS - 1; i++)
            CHECK_EQ(try_send_int(&c, i), 0);
    }
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(recvs[i].value, i == 2 ? -ECANCELED : i - (i > 2));

    for (size_t i = 0; i < capacity; i++)
        CHECK_EQ(send_int(&c, (int)i), 0);
    scope(s) {
        for (int i = 0; i < WAITERS; i++)
            bide_start(&sends[i]);
        bide_yield();
        cancel(&sends[2]);
        for (size_t i = 0; i < capacity; i++)
            CHECK_EQ(try_recv_int(&c), i);
        for (int i = 0; i < WAITERS; i++)
            if (i != 2)
                CHECK_EQ(recv_int(&c), 100 + i);
        CHECK_EQ(try_recv_int(&c), -EAGAIN);
    }
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(sends[i].value, i == 2 ? -ECANCELED : 0);
    bide_chan_release(&c);
}

FIBER_TEST(those_who_wait_come_first)
{
    first_come_first_served(0);
    first_come_first_served(1);
    first_come_first_served(4);
}

FIBER_TEST(a_deadline_bounds_the_wait)
{
    struct bide_chan c;
    int value = 1;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 0), 0);
    CHECK_EQ(within(BIDE_US, async(bide_chan_recv, &c, &value)), -ETIMEDOUT);
    CHECK_EQ(value, 1);
    let send = async(bide_chan_send, &c, &value);
    CHECK_EQ(within(BIDE_US, &send), -ETIMEDOUT);
    CHECK_EQ(send.value, -ETIMEDOUT);
    CHECK_EQ(try_recv_int(&c), -EAGAIN);
    bide_chan_release(&c);
}

static int both_when_cancelled(struct bide_chan *c)
{
    while (!bide_cancelled())
        bide_sleep(BIDE_S);
    CHECK_OR(recv_int(c) == -ECANCELED, -1);
    CHECK_OR(send_int(c, 2) == -ECANCELED, -1);
    return bide_chan_count(c) == 1 ? try_recv_int(c) : -1;
}
ASYNC(int, both_when_cancelled, struct bide_chan *)

FIBER_TEST(a_cancelled_caller_takes_nothing)
{
    struct bide_chan c;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 2), 0);
    CHECK_EQ(send_int(&c, 1), 0);
    let f = async(both_when_cancelled, &c);
    scope(s) {
        bide_start(&f);
        bide_yield();
        cancel(&f);
    }
    CHECK_EQ(f.value, 1); /* what does not wait is not cancelled */
    bide_chan_release(&c);
}

static int burn(struct bide_chan *c, int *turns)
{
    for (int i = 0; i < 10000; i++)
        if (send_int(c, i) || recv_int(c) != i)
            return -1;
    return *turns;
}
ASYNC(int, burn, struct bide_chan *, int *)

static int count_turns(int *turns)
{
    while (bide_yield() == 0)
        ++*turns;
    return 0;
}
ASYNC(int, count_turns, int *)

FIBER_TEST(who_never_waits_gives_way_all_the_same)
{
    struct bide_chan c;
    int turns = 0;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 1), 0);
    let f = async(burn, &c, &turns);
    CHECK_EQ(race(&f, async(count_turns, &turns)), 0);
    CHECK(f.value > 10);
    bide_chan_release(&c);
}

/* ---- closing ---- */

FIBER_TEST(what_was_sent_before_the_close_is_received)
{
    struct bide_chan c;
    CHECK_EQ(bide_chan_init(&c, sizeof(int), 4), 0);
    CHECK_EQ(send_int(&c, 1), 0);
    CHECK_EQ(send_int(&c, 2), 0);
    bide_chan_close(&c);
    bide_chan_close(&c);
    CHECK_EQ(send_int(&c, 3), -EPIPE);
    CHECK_EQ(try_send_int(&c, 3), -EPIPE);
    CHECK_EQ(bide_chan_count(&c), 2);
    CHECK_EQ(recv_int(&c), 1);
    CHECK_EQ(try_recv_int(&c), 2);
    CHECK_EQ(recv_int(&c), -EPIPE);
    CHECK_EQ(try_recv_int(&c), -EPIPE);
    CHECK_EQ(await(async(bide_chan_recv, &c, &(int){ 0 })), -EPIPE);
    bide_chan_release(&c);
}

enum { CROWD = 3000 };

FIBER_TEST(a_close_ends_all_who_wait)
{
    static struct bide_chan_recv_future recvs[CROWD];
    static struct bide_chan_send_future sends[CROWD];
    struct bide_chan empty, full;
    int value = 7, seen = 7;
    CHECK_EQ(bide_chan_init(&empty, sizeof(int), 1), 0);
    CHECK_EQ(bide_chan_init(&full, sizeof(int), 1), 0);
    CHECK_EQ(send_int(&full, 1), 0);
    scope(s) {
        for (int i = 0; i < CROWD; i++) {
            recvs[i] = async(bide_chan_recv, &empty, &seen);
            sends[i] = async(bide_chan_send, &full, &value);
            bide_start(&recvs[i]);
            bide_start(&sends[i]);
        }
        bide_chan_close(&empty);
        bide_chan_close(&full);
    }
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(recvs[i].value, -EPIPE);
        CHECK_EQ(sends[i].value, -EPIPE);
    }
    CHECK_EQ(seen, 7);
    CHECK_EQ(recv_int(&full), 1); /* and none of theirs */
    CHECK_EQ(recv_int(&full), -EPIPE);
    bide_chan_release(&empty);
    bide_chan_release(&full);
}

/* ---- select ---- */

FIBER_TEST(a_race_takes_one_message)
{
    struct bide_chan a, b;
    int x = -1, y = -1;
    CHECK_EQ(bide_chan_init(&a, sizeof(int), 1), 0);
    CHECK_EQ(bide_chan_init(&b, sizeof(int), 1), 0);
    CHECK_EQ(race(async(bide_chan_recv, &a, &x), async(bide_chan_recv, &b, &y),
                  async(bide_sleep, BIDE_US)),
             2);
    CHECK_EQ(send_int(&a, 1), 0);
    CHECK_EQ(send_int(&b, 2), 0);
    CHECK_EQ(race(async(bide_chan_recv, &a, &x), async(bide_chan_recv, &b, &y)), 0);
    CHECK_EQ(x, 1);
    CHECK_EQ(y, -1);
    CHECK_EQ(race(async(bide_chan_recv, &a, &x), async(bide_chan_recv, &b, &y)), 1);
    CHECK_EQ(y, 2);
    scope(s) {
        spawn(&s, async(send_int, &b, 4));
        spawn(&s, async(send_int, &a, 3));
        CHECK_EQ(race(async(bide_chan_recv, &a, &x), async(bide_chan_recv, &b, &y)), 1);
    }
    CHECK_EQ(x, 1);
    CHECK_EQ(y, 4);
    CHECK_EQ(recv_int(&a), 3);
    bide_chan_release(&a);
    bide_chan_release(&b);
}

FIBER_TEST(a_race_may_send_and_receive)
{
    struct bide_chan a, b;
    int x = 5, y = -1;
    CHECK_EQ(bide_chan_init(&a, sizeof(int), 0), 0);
    CHECK_EQ(bide_chan_init(&b, sizeof(int), 0), 0);
    scope(s) {
        spawn(&s, async(send_int, &b, 6));
        CHECK_EQ(race(async(bide_chan_send, &a, &x), async(bide_chan_recv, &b, &y)), 1);
        CHECK_EQ(y, 6);
        CHECK_EQ(try_recv_int(&a), -EAGAIN);
        let recv = async(recv_int, &a);
        bide_start(&recv);
        CHECK_EQ(race(async(bide_chan_recv, &b, &y), async(bide_chan_send, &a, &x)), 1);
        CHECK_EQ(await(&recv), 5);
    }
    /* Of one channel: it may meet itself. */
    let send = async(bide_chan_send, &a, &x);
    let recv = async(bide_chan_recv, &a, &y);
    CHECK(race(&send, &recv) >= 0);
    CHECK_EQ(send.value | recv.value, 0);
    CHECK_EQ(y, 5);
    bide_chan_release(&a);
    bide_chan_release(&b);
}

/* ---- several threads ---- */

enum { SENDERS = 4, RECEIVERS = 4, EACH = 400, VALUES = SENDERS * EACH };

/* How often each value was sent and received. */
struct account {
    struct bide_chan a, b;
    atomic_int sent[VALUES], received[VALUES];
    atomic_int senders;
    bool hasty; /* waits are cut short at random */
};

static uint32_t roll(uint32_t *dice, uint32_t n)
{
    *dice = *dice * 1664525 + 1013904223;
    return (*dice >> 16) % n;
}

struct pair {
    struct bide_chan a, b;
};

static int select_of(struct pair *pair, int *x, int *y)
{
    return race(async(bide_chan_recv, &pair->a, x), async(bide_chan_recv, &pair->b, y));
}
ASYNC(int, select_of, struct pair *, int *, int *)

static void *send_both(void *arg)
{
    struct pair *pair = arg;
    send_int(&pair->a, 1);
    send_int(&pair->b, 2);
    return NULL;
}

/* Another thread sends two messages while the racing task's worker does something else. */
static void race_behind_its_back(bool cancelled)
{
    struct pair pair;
    pthread_t thread;
    int x = -1, y = -1;
    CHECK_EQ(bide_chan_init(&pair.a, sizeof(int), 1), 0);
    CHECK_EQ(bide_chan_init(&pair.b, sizeof(int), 1), 0);
    let f = async(select_of, &pair, &x, &y);
    scope(s) {
        bide_start(&f);
        bide_yield();
        CHECK_EQ(pthread_create(&thread, NULL, send_both, &pair), 0);
        pthread_join(thread, NULL);
        if (cancelled)
            cancel(&f);
    }
    CHECK_EQ(f.value, 0);
    CHECK_EQ(x, 1);
    CHECK_EQ(y, -1);
    CHECK_EQ(try_recv_int(&pair.b), 2);
    bide_chan_release(&pair.a);
    bide_chan_release(&pair.b);
}

FIBER_TEST(a_race_takes_one_message_from_other_threads)
{
    race_behind_its_back(false);
    race_behind_its_back(true);
}

static int send_some(struct account *account, int first)
{
    uint32_t dice = (uint32_t)first;
    for (int i = first; i < first + EACH;) {
        let send = async(bide_chan_send, roll(&dice, 2) ? &account->a : &account->b, &i);
        if (account->hasty)
            within((bide_time)roll(&dice, 20) * BIDE_US, &send);
        else
            await(&send);
        if (bide_state(&send) == BIDE_DONE && send.value == 0)
            account->sent[i++]++;
        else
            CHECK_OR(send.value == -ETIMEDOUT, -1);
    }
    if (--account->senders == 0) {
        bide_chan_close(&account->a);
        bide_chan_close(&account->b);
    }
    return 0;
}
ASYNC(int, send_some, struct account *, int)

/* 0, or an error when nothing was received. The futures are not looked at: what the race returns
 * says all that happened. */
static int select_one(struct account *account, bide_time span)
{
    int x = -1, y = -1;
    int first = race(async(bide_chan_recv, &account->a, &x),
                     async(bide_chan_recv, &account->b, &y), async(bide_sleep, span));
    CHECK_OR(first == 0 || x == -1, -EIO);
    CHECK_OR(first == 1 || y == -1, -EIO);
    if (first != 0 && first != 1)
        return -ETIMEDOUT;
    int value = first == 0 ? x : y;
    if (value >= 0)
        account->received[value]++;
    return value >= 0 ? 0 : -EPIPE; /* closed */
}
ASYNC(int, select_one, struct account *, bide_time)

/* In a hurry, the sleep in the race ends it, or a deadline around the race. */
static int recv_some(struct account *account, int who)
{
    uint32_t dice = (uint32_t)who;
    int x, error;
    do {
        bide_time span = (bide_time)roll(&dice, 20) * BIDE_US;
        let f = async(select_one, account, account->hasty && roll(&dice, 2) ? span : BIDE_S);
        if (account->hasty)
            within(span, &f);
        else
            await(&f);
        error = bide_error(&f) ? bide_error(&f) : f.value;
    } while (error != -EPIPE);
    while ((x = recv_int(&account->a)) >= 0)
        account->received[x]++;
    while ((x = recv_int(&account->b)) >= 0)
        account->received[x]++;
    return x == -EPIPE ? 0 : x;
}
ASYNC(int, recv_some, struct account *, int)

static int exchange(struct account *account, unsigned workers)
{
    int error = 0;
    wait_for_workers(workers);
    scope(s) {
        for (int i = 0; i < RECEIVERS; i++)
            spawn_spread(&s, async(recv_some, account, i));
        for (int i = 0; i < SENDERS; i++)
            spawn_spread(&s, async(send_some, account, i * EACH));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, exchange, struct account *, unsigned)

static void open_account(struct account *account, size_t capacity, bool hasty)
{
    memset(account, 0, sizeof(*account));
    account->senders = SENDERS;
    account->hasty = hasty;
    CHECK_EQ(bide_chan_init(&account->a, sizeof(int), capacity), 0);
    CHECK_EQ(bide_chan_init(&account->b, sizeof(int), capacity), 0);
}

static void close_account(struct account *account)
{
    for (int i = 0; i < VALUES; i++) {
        CHECK_EQ(account->sent[i], 1);
        CHECK_EQ(account->received[i], 1);
    }
    bide_chan_release(&account->a);
    bide_chan_release(&account->b);
}

static void account_for(const struct bide_config *config, bool hasty)
{
    static const size_t capacities[] = { 0, 1, 3, BIDE_CHAN_UNBOUNDED };
    static struct account account;
    for (int i = 0; i < 4; i++) {
        open_account(&account, capacities[i], hasty);
        CHECK_EQ(bide_run_with(config, async(exchange, &account, config->workers)), 0);
        close_account(&account);
    }
}

TEST(exactly_once)
{
    account_for(&one, false);
    account_for(&two, false);
}

TEST(exactly_once_when_cancelled_at_any_moment)
{
    account_for(&one, true);
    for (int i = 0; i < (test_small() ? 1 : 5); i++)
        account_for(&two, true);
}

static void *send_in_thread(void *account)
{
    static atomic_int next;
    send_some(account, next++ * EACH % VALUES);
    return NULL;
}

static void *recv_in_thread(void *account)
{
    recv_some(account, 0);
    return NULL;
}

static int recv_in_task(struct account *account)
{
    int error = 0;
    wait_for_workers(two.workers);
    scope(s) {
        spawn_spread(&s, async(recv_some, account, 1));
        spawn_spread(&s, async(recv_some, account, 2));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, recv_in_task, struct account *)

TEST(exactly_once_with_plain_threads)
{
    static struct account account;
    pthread_t threads[SENDERS + 1];
    for (size_t capacity = 0; capacity < 3; capacity++) {
        open_account(&account, capacity, false);
        for (int i = 0; i < SENDERS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, send_in_thread, &account), 0);
        CHECK_EQ(pthread_create(&threads[SENDERS], NULL, recv_in_thread, &account), 0);
        CHECK_EQ(bide_run_with(&two, async(recv_in_task, &account)), 0);
        for (int i = 0; i < SENDERS + 1; i++)
            pthread_join(threads[i], NULL);
        close_account(&account);
    }
}

/* What one sender sends comes in its order. */
static int send_numbers(struct bide_chan *c, int from, int n)
{
    for (int i = from; i < from + n; i++)
        if (send_int(c, i))
            return -1;
    return 0;
}
ASYNC(int, send_numbers, struct bide_chan *, int, int)

static int recv_numbers(struct bide_chan *c, int n)
{
    int next[2] = { 0, 10000 };
    for (int i = 0; i < 2 * n; i++) {
        int value = recv_int(c);
        CHECK_OR(value >= 0 && value == next[value >= 10000]++, -1);
    }
    return 0;
}
ASYNC(int, recv_numbers, struct bide_chan *, int)

static int in_order(size_t capacity, int n)
{
    struct bide_chan c;
    int error = bide_chan_init(&c, sizeof(int), capacity);
    if (error)
        return error;
    wait_for_workers(two.workers);
    scope(s) {
        spawn_spread(&s, async(send_numbers, &c, 0, n));
        spawn_spread(&s, async(recv_numbers, &c, n));
        spawn_spread(&s, async(send_numbers, &c, 10000, n));
        error = bide_scope_wait(&s);
    }
    bide_chan_release(&c);
    return error;
}
ASYNC(int, in_order, size_t, int)

TEST(in_order_over_two_workers)
{
    CHECK_EQ(bide_run_with(&two, async(in_order, 0, 1000)), 0);
    CHECK_EQ(bide_run_with(&two, async(in_order, 2, 1000)), 0);
    CHECK_EQ(bide_run_with(&two, async(in_order, BIDE_CHAN_UNBOUNDED, 1000)), 0);
}

/* ---- outside a runtime ---- */

static void *echo_in_thread(void *arg)
{
    struct bide_chan *c = arg;
    for (int value; (value = recv_int(&c[0])) >= 0;)
        send_int(&c[1], value + 1);
    bide_chan_close(&c[1]);
    return NULL;
}

TEST(two_plain_threads)
{
    struct bide_chan c[2];
    pthread_t thread;
    CHECK_EQ(bide_chan_init(&c[0], sizeof(int), 0), 0);
    CHECK_EQ(bide_chan_init(&c[1], sizeof(int), 1), 0);
    CHECK_EQ(pthread_create(&thread, NULL, echo_in_thread, c), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(send_int(&c[0], i), 0);
        CHECK_EQ(recv_int(&c[1]), i + 1);
    }
    bide_chan_close(&c[0]);
    CHECK_EQ(recv_int(&c[1]), -EPIPE);
    pthread_join(thread, NULL);
    bide_chan_release(&c[0]);
    bide_chan_release(&c[1]);
}

/* ---- memory ---- */

TEST(no_memory)
{
    struct bide_chan c;
    bide__fault = fault;
    int bounded = bide_chan_init(&c, sizeof(int), 4);
    int unbounded = bide_chan_init(&c, sizeof(int), BIDE_CHAN_UNBOUNDED);
    int first = send_int(&c, 1);
    bide__fault = NULL;
    CHECK_EQ(bounded, -ENOMEM);
    CHECK_EQ(unbounded, 0);
    CHECK_EQ(first, -ENOMEM);

    int sent = 0;
    while (sent < 8)
        CHECK_EQ(send_int(&c, sent++), 0);
    bide__fault = fault;
    int more = send_int(&c, 9), leaf = await(async(bide_chan_send, &c, &(int){ 9 }));
    bide__fault = NULL;
    CHECK_EQ(more, -ENOMEM);
    CHECK_EQ(leaf, -ENOMEM);
    CHECK_EQ(send_int(&c, sent), 0);
    for (int i = 0; i <= sent; i++)
        CHECK_EQ(recv_int(&c), i);
    bide_chan_release(&c);
    CHECK_EQ(bide_chan_init(&c, SIZE_MAX / 2, 3), -ENOMEM);
    CHECK_EQ(bide_chan_init(&c, SIZE_MAX / 2, BIDE_CHAN_UNBOUNDED), 0);
    CHECK_EQ(bide_chan_try_send(&c, NULL), -ENOMEM);
    bide_chan_release(&c);
}

/* ---- misuse ---- */

static int release_waited_for(int capacity)
{
    struct bide_chan c;
    bide_chan_init(&c, sizeof(int), (size_t)capacity);
    scope(s) {
        if (capacity)
            spawn(&s, async(recv_int, &c));
        else
            spawn(&s, async(send_int, &c, 1));
        bide_yield();
        bide_chan_release(&c);
    }
    return 0;
}
ASYNC(int, release_waited_for, int)

static void release_with_a_sender(void *arg)
{
    (void)arg;
    bide_run(async(release_waited_for, 0));
}

static void release_with_a_receiver(void *arg)
{
    (void)arg;
    bide_run(async(release_waited_for, 1));
}

static void lend_to_unbounded(void *memory)
{
    struct bide_chan c;
    bide_chan_init_in(&c, 1, BIDE_CHAN_UNBOUNDED, memory);
}

TEST(mistakes_abort)
{
    expect_abort(lend_to_unbounded, "", "bide_chan_init_in: no memory is enough");
    expect_abort(release_with_a_sender, NULL, "bide_chan_release: somebody waits");
    expect_abort(release_with_a_receiver, NULL, "bide_chan_release: somebody waits");
}

TEST_MAIN()
