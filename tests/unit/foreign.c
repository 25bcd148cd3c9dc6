/* A runtime inside a foreign loop, here a plain loop over poll(2). */
#include "test.h"

#include <bide/keywords.h>
#include <bide/net.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* The foreign loop: watches the runtime and nothing else. Returns the turns that it took. */
static int loop(struct bide_runtime *rt)
{
    int turns = 0;
    while (bide_runtime_turn(rt) > 0) {
        struct pollfd p = { .fd = bide_runtime_fd(rt), .events = POLLIN };
        if (poll(&p, 1, 20000) <= 0 || ++turns > 1000000)
            return -1;
    }
    return turns;
}

static int ticks;

static int tick(int n)
{
    for (int i = 0; i < n; i++) {
        bide_sleep(BIDE_MS);
        ticks++;
    }
    return n;
}
ASYNC(int, tick, int)

TEST(sleeps_wake_the_loop)
{
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    let f = async(tick, 5);
    let g = async(tick, 3);
    let nap = async(bide_sleep, 2 * BIDE_MS);
    bide_runtime_start(rt, &f);
    bide_runtime_start(rt, &g);
    bide_runtime_start(rt, &nap);
    CHECK_EQ(ticks, 0);
    CHECK(loop(rt) >= 5);
    CHECK_EQ(ticks, 8);
    CHECK_EQ(f.value, 5);
    CHECK_EQ(g.value, 3);
    CHECK_EQ(nap.value, 0);
    bide_runtime_close(rt);
}

static int echo_once(void)
{
    int pair[2], got = 0;
    char byte = 'x';
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -errno;
    let receive = async(bide_recv, pair[0], &byte, 1, 0);
    let later = async(tick, 1);
    join(&later, async(bide_send, pair[1], "y", 1, 0), &receive);
    got = byte;
    bide_close(pair[0]);
    bide_close(pair[1]);
    return got;
}
ASYNC(int, echo_once)

static int on_pool(void *arg)
{
    usleep(2000);
    return *(int *)arg;
}

TEST(sockets_and_offload_wake_the_loop)
{
    struct bide_runtime *rt;
    int seven = 7;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    let f = async(echo_once);
    let call = async(bide_offload_call, on_pool, &seven);
    bide_runtime_start(rt, &f);
    bide_runtime_start(rt, &call);
    CHECK(loop(rt) > 0);
    CHECK_EQ(f.value, 'y');
    CHECK_EQ(call.value, 7);
    bide_runtime_close(rt);
}

static int forever(void)
{
    int r = bide_sleep(BIDE_FOREVER);
    bide_shield()
        bide_sleep(BIDE_MS);
    return r;
}
ASYNC(int, forever)

TEST(close_cancels_and_waits)
{
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    let f = async(forever);
    bide_runtime_start(rt, &f);
    CHECK_EQ(bide_runtime_turn(rt), 1);
    bide_runtime_close(rt);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
    CHECK_EQ(f.value, -ECANCELED);
}

TEST(cancel_from_the_loop)
{
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    let f = async(forever);
    let cold = async(forever);
    bide_runtime_start(rt, &f);
    bide_runtime_turn(rt);
    bide_runtime_start(rt, &cold);
    bide_runtime_cancel(rt, &cold);
    bide_runtime_cancel(rt, &f);
    CHECK(loop(rt) >= 0);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(bide_state(&cold), BIDE_COLD);
    CHECK_EQ(bide_error(&cold), -ECANCELED);
    bide_runtime_close(rt);
}

static int spin(int *stop)
{
    int turns = 0;
    while (!*stop && bide_yield() == 0)
        turns++;
    return turns;
}
ASYNC(int, spin, int *)

/* One that is always ready does not keep the loop, and the descriptor says that there is more. */
TEST(a_turn_is_bounded)
{
    struct bide_runtime *rt;
    int stop = 0;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    let f = async(spin, &stop);
    bide_runtime_start(rt, &f);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bide_runtime_turn(rt), 1);
        struct pollfd p = { .fd = bide_runtime_fd(rt), .events = POLLIN };
        CHECK_EQ(poll(&p, 1, 0), 1);
    }
    stop = 1;
    CHECK(loop(rt) >= 0);
    CHECK(f.value > 0);
    bide_runtime_close(rt);
}

TEST(only_epoll)
{
    struct bide_runtime *rt = NULL;
    CHECK_EQ(bide_runtime_open(&(struct bide_config){ .reactor = BIDE_REACTOR_URING }, &rt),
             -EINVAL);
    CHECK(!rt);
}

TEST_MAIN()
