/*
 * storm_meet.h - part of storm.c: what its tasks meet with, on whichever worker they run.
 *
 * Nothing here waits for long: who waits gives up by a race, a deadline or a cancellation, and
 * keeps account of what it has got all the same.
 */
#ifndef TEST_STORM_MEET_H
#define TEST_STORM_MEET_H

#include "fiber.h"

#include <bide/bide.h>
#include <sys/socket.h>

struct dice {
    uint64_t state;
};

static inline uint32_t roll(struct dice *d, uint32_t sides)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)(d->state >> 33) % sides;
}

static inline bool is_cancel(long error)
{
    return error == -ECANCELED || error == -ETIMEDOUT;
}

/* As a child of the calling worker, of any, or spread over all. */
#define SPAWN(d, scope, f)                                  \
    (roll(d, 3) == 0   ? bide_spawn(scope, f)               \
     : roll(d, 2) == 0 ? bide_spawn_parallel(scope, f)      \
                       : bide_spawn_spread(scope, f))

enum { MESSAGES = 1024, CHANNELS = 3, PERMITS = 3 };

struct meeting {
    int pipe[2];
    atomic_int written, taken; /* bytes of it */
    struct bide_chan channels[CHANNELS];
    atomic_int numbers; /* of messages, in use */
    atomic_schar sent[MESSAGES], received[MESSAGES];
    struct bide_mutex mutex;
    int guarded; /* by it */
    atomic_int locked;
    struct bide_semaphore semaphore;
    atomic_int held; /* permits of it */
};

/* An operation called plainly fails exactly when its task is cancelled, before or meanwhile. */
static inline void operate(struct dice *d)
{
    int before = bide_cancelled();
    int error = roll(d, 3) ? bide_sleep((bide_time)roll(d, 300) * BIDE_US) : bide_yield();
    if (before)
        CHECK_EQ(error, before);
    CHECK(error == 0 || is_cancel(error));
    if (error)
        CHECK(is_cancel(bide_cancelled()));
}

/* Drive the future, but give up soon, in one way or another. */
static inline void briefly(struct dice *d, void *future)
{
    struct {
        struct bide_future future;
    } *f = future;
    bide_time span = (bide_time)roll(d, 500) * BIDE_US;
    switch (roll(d, 3)) {
    case 0:
        bide_race(f, bide_async(bide_sleep, span));
        break;
    case 1:
        bide_within(span, f);
        break;
    default:
        BIDE_SCOPE(scope) {
            if (bide_start(f) == 0 && roll(d, 2))
                operate(d);
            if (roll(d, 2))
                bide_cancel(f);
            else
                bide_scope_cancel(&scope);
        }
    }
    CHECK(bide_done(f));
}

/* ---- a pipe ---- */

static inline void write_byte(struct meeting *m)
{
    atomic_fetch_add(&m->written, write(m->pipe[1], "x", 1) == 1);
}

static inline void read_byte(struct meeting *m, struct dice *d)
{
    char c;
    bide_let f = bide_async(bide_read, m->pipe[0], &c, 1);
    briefly(d, &f);
    CHECK(f.value == 1 || is_cancel(f.value) || bide_error(&f));
    if (bide_state(&f) == BIDE_DONE && f.value == 1)
        atomic_fetch_add(&m->taken, 1);
}

/* ---- channels ---- */

static inline void send_message(struct meeting *m, struct dice *d)
{
    int number = atomic_fetch_add(&m->numbers, 1);
    if (number >= MESSAGES)
        return;
    bide_let f = bide_async(bide_chan_send, &m->channels[roll(d, CHANNELS)], &number);
    briefly(d, &f);
    if (bide_state(&f) == BIDE_DONE && f.value == 0)
        atomic_fetch_add(&m->sent[number], 1);
    else
        CHECK(is_cancel(bide_error(&f)) || is_cancel(f.value));
}

static inline void receive_message(struct meeting *m, struct dice *d)
{
    int number = -1;
    bide_let f = bide_async(bide_chan_recv, &m->channels[roll(d, CHANNELS)], &number);
    briefly(d, &f);
    if (bide_state(&f) == BIDE_DONE && f.value == 0) {
        CHECK(number >= 0 && number < MESSAGES);
        atomic_fetch_add(&m->received[number], 1);
    } else {
        CHECK_EQ(number, -1);
    }
}

/* A race of receives takes one message. */
static inline void receive_either(struct meeting *m, struct dice *d)
{
    int numbers[2] = { -1, -1 };
    bide_let a = bide_async(bide_chan_recv, &m->channels[0], &numbers[0]);
    bide_let b = bide_async(bide_chan_recv, &m->channels[1], &numbers[1]);
    int first = bide_race(&a, &b, bide_async(bide_sleep, (bide_time)roll(d, 300) * BIDE_US));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(numbers[i] >= 0, first == i);
        if (numbers[i] >= 0)
            atomic_fetch_add(&m->received[numbers[i]], 1);
    }
}

/* ---- a mutex and a semaphore ---- */

static inline void enter(struct meeting *m, struct dice *d)
{
    bide_let f = bide_async(bide_mutex_lock, &m->mutex);
    bide_time span = (bide_time)roll(d, 300) * BIDE_US;
    if (roll(d, 2))
        bide_within(span, &f);
    else
        bide_race(&f, bide_async(bide_sleep, span));
    if (bide_state(&f) != BIDE_DONE || f.value)
        return;
    int before = m->guarded++;
    if (roll(d, 3) == 0)
        operate(d);
    bool alone = m->guarded == before + 1;
    atomic_fetch_add(&m->locked, 1);
    bide_mutex_unlock(&m->mutex);
    CHECK(alone);
}

static inline void hold_permits(struct meeting *m, struct dice *d)
{
    int n = 1 + (int)roll(d, 2);
    bide_let f = bide_async(bide_semaphore_acquire, &m->semaphore, (size_t)n);
    briefly(d, &f);
    if (bide_state(&f) != BIDE_DONE || f.value)
        return;
    int held = n + atomic_fetch_add(&m->held, n);
    if (roll(d, 3) == 0)
        operate(d);
    atomic_fetch_sub(&m->held, n);
    bide_semaphore_release(&m->semaphore, (size_t)n);
    CHECK(held <= PERMITS);
}

/* ---- promises ---- */

typedef BIDE_PROMISE(int) int_promise;

static int resolve_it(int_promise *p, int yields, int *ret_result)
{
    bide_shield() {
        while (yields-- > 0)
            bide_yield();
        *ret_result = bide_resolve(p, 5);
    }
    return 0;
}
BIDE_ASYNC(int, resolve_it, int_promise *, int, int *)

static inline void promise(struct dice *d)
{
    int_promise p;
    int resolved = 1;
    bide_promise_init(&p);
    BIDE_SCOPE(scope) {
        SPAWN(d, &scope, bide_async(resolve_it, &p, (int)roll(d, 3), &resolved));
        int result = roll(d, 2) ? bide_within((bide_time)roll(d, 100) * BIDE_US, &p)
                                : bide_race(bide_async(bide_yield), &p);
        (void)result;
    }
    if (resolved == 0 && bide_state(&p) == BIDE_DONE)
        CHECK_EQ(p.value, 5);
    if (resolved == -ECANCELED)
        CHECK(is_cancel(bide_error(&p)));
    CHECK(resolved <= 0 || resolved == 1); /* 1: it never began to resolve */
}

/* ---- sockets of one's own, with the peer elsewhere ---- */

static int send_bytes(int fd, int count, atomic_int *sent)
{
    for (int i = 0; i < count; i++) {
        char c = (char)i;
        ssize_t n = bide_send(fd, &c, 1, 0);
        if (n != 1)
            return is_cancel(n) ? 0 : (int)n;
        atomic_fetch_add(sent, 1);
        if (i % 3 == 0)
            bide_yield();
    }
    return 0;
}
BIDE_ASYNC(int, send_bytes, int, int, atomic_int *)

static inline void exchange(struct dice *d)
{
    int fds[2], received = 0, tries = 1 + (int)roll(d, 8), error = 0;
    atomic_int sent = 0;
    char c;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    BIDE_SCOPE(scope) {
        SPAWN(d, &scope, bide_async(send_bytes, fds[0], 1 + (int)roll(d, 8), &sent));
        while (tries-- > 0) {
            bide_let f = bide_async(bide_recv, fds[1], &c, 1, 0);
            briefly(d, &f);
            if (bide_state(&f) != BIDE_DONE || f.value != 1)
                continue;
            CHECK_EQ(c, (char)received);
            received++;
        }
        if (roll(d, 3) == 0)
            bide_scope_cancel(&scope);
        error = bide_scope_wait(&scope);
    }
    CHECK(error == 0 || is_cancel(error));
    while (recv(fds[1], &c, 1, 0) == 1)
        received++;
    CHECK_EQ(received, sent);
    bide_shield() {
        bide_close(fds[0]);
        bide_close(fds[1]);
    }
}

/* ---- elsewhere, and afterwards ---- */

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

static inline void offload(struct dice *d)
{
    int count = 0;
    bide_let f = bide_async(bide_offload_call, add_one, &count);
    briefly(d, &f);
    CHECK_EQ(count, bide_state(&f) == BIDE_DONE && f.value == 1);
    CHECK(f.value == 1 || is_cancel(f.value) || is_cancel(bide_error(&f)));
}

static int add(int value, int more)
{
    return value < 0 ? value : value + more;
}
BIDE_ASYNC(int, add, int, int)

static inline void go_on(struct dice *d)
{
    bide_let nap = bide_async(bide_sleep, (bide_time)roll(d, 300) * BIDE_US);
    bide_let f = bide_then(nap, add, 7);
    briefly(d, &f);
    CHECK(is_cancel(bide_error(&f)) || f.value == 7 || is_cancel(f.value));
}

/* ---- all of it ---- */

static inline void open_meeting(struct meeting *m)
{
    static const size_t capacities[CHANNELS] = { 0, 3, BIDE_CHAN_UNBOUNDED };
    memset(m, 0, sizeof(*m));
    m->semaphore = (struct bide_semaphore)BIDE_SEMAPHORE(PERMITS);
    CHECK_EQ(pipe2(m->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < CHANNELS; i++)
        CHECK_EQ(bide_chan_init(&m->channels[i], sizeof(int), capacities[i]), 0);
}

static inline void close_meeting(struct meeting *m)
{
    char c;
    int number;
    while (read(m->pipe[0], &c, 1) == 1)
        m->taken++;
    CHECK_EQ(m->written, m->taken);
    bide_close(m->pipe[0]);
    bide_close(m->pipe[1]);
    for (int i = 0; i < CHANNELS; i++) {
        while (bide_chan_try_recv(&m->channels[i], &number) == 0)
            m->received[number]++;
        bide_chan_release(&m->channels[i]);
    }
    for (int i = 0; i < MESSAGES; i++)
        CHECK_EQ(m->sent[i], m->received[i]);
    CHECK_EQ(m->guarded, m->locked);
    CHECK_EQ(bide_mutex_try_lock(&m->mutex), 0);
    bide_mutex_unlock(&m->mutex);
    CHECK_EQ(m->held, 0);
    CHECK_EQ(bide_semaphore_try_acquire(&m->semaphore, PERMITS), 0);
}

static inline void meet(struct meeting *m, struct dice *d)
{
    switch (roll(d, 10)) {
    case 0:
    case 1:
        send_message(m, d);
        break;
    case 2:
        receive_message(m, d);
        break;
    case 3:
        receive_either(m, d);
        break;
    case 4:
        enter(m, d);
        break;
    case 5:
        hold_permits(m, d);
        break;
    case 6:
        promise(d);
        break;
    case 7:
        exchange(d);
        break;
    case 8:
        offload(d);
        break;
    default:
        go_on(d);
        break;
    }
}

#endif
