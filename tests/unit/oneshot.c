/* One value, once: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

typedef BIDE_ONESHOT(int) int_oneshot;

FIBER_TEST(one_value_once)
{
    int_oneshot o;
    int value = -1;
    bide_oneshot_init(&o);
    CHECK_EQ(bide_oneshot_try_recv(&o, &value), -EAGAIN);
    CHECK(!bide_oneshot_is_closed(&o));
    CHECK_EQ(bide_oneshot_send(&o, 5), 0);
    CHECK_EQ(bide_oneshot_send(&o, 6), -EPIPE);
    CHECK_EQ(bide_oneshot_recv(&o, &value), 0);
    CHECK_EQ(value, 5);
    CHECK_EQ(bide_oneshot_recv(&o, &value), -EPIPE);
    CHECK_EQ(bide_oneshot_send(&o, 6), -EPIPE);
    CHECK_EQ(value, 5);
}

struct point {
    double x, y;
    char name[21];
};

FIBER_TEST(of_any_type)
{
    BIDE_ONESHOT(struct point) o;
    struct point p;
    bide_oneshot_init(&o);
    CHECK_EQ(bide_oneshot_send(&o, ((struct point){ 1, 2, "here" })), 0);
    CHECK_EQ(await(async(bide_oneshot_recv, &o, &p)), 0);
    CHECK(p.x == 1 && p.y == 2);
    CHECK_STR(p.name, "here");
}

static int recv_it(int_oneshot *o)
{
    int value = -1, error = bide_oneshot_recv(o, &value);
    return error ? error : value;
}
ASYNC(int, recv_it, int_oneshot *)

static int recv_and_free(int_oneshot *o)
{
    int result = recv_it(o);
    free(o); /* the sender is through with it */
    return result;
}
ASYNC(int, recv_and_free, int_oneshot *)

static int send_it(int_oneshot *o, int value)
{
    bide_yield();
    return bide_oneshot_send(o, value);
}
ASYNC(int, send_it, int_oneshot *, int)

FIBER_TEST(a_wait_may_be_given_up_and_begun_again)
{
    int_oneshot o;
    int value = -1;
    bide_oneshot_init(&o);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(within(BIDE_US, async(bide_oneshot_recv, &o, &value)), -ETIMEDOUT);
    scope(s) {
        spawn(&s, async(send_it, &o, 7));
        CHECK_EQ(recv_it(&o), 7);
    }
}

FIBER_TEST(the_sender_is_gone)
{
    int_oneshot o;
    bide_oneshot_init(&o);
    let f = async(recv_it, &o);
    let other = async(recv_it, &o);
    scope(s) {
        bide_start(&f);
        bide_start(&other);
        bide_yield();
        bide_oneshot_close(&o);
    }
    CHECK_EQ(f.value, -EPIPE);
    CHECK_EQ(other.value, -EPIPE);
}

FIBER_TEST(the_receiver_is_gone)
{
    int_oneshot o;
    int value = -1;
    bide_oneshot_init(&o);
    bide_oneshot_close(&o);
    CHECK(bide_oneshot_is_closed(&o));
    CHECK_EQ(bide_oneshot_send(&o, 1), -EPIPE);
    CHECK_EQ(bide_oneshot_try_recv(&o, &value), -EPIPE);

    bide_oneshot_init(&o); /* and a value that came before it went */
    CHECK_EQ(bide_oneshot_send(&o, 2), 0);
    bide_oneshot_close(&o);
    CHECK_EQ(bide_oneshot_try_recv(&o, &value), 0);
    CHECK_EQ(value, 2);
}

FIBER_TEST(of_several_receivers_one_has_it)
{
    int_oneshot o;
    bide_oneshot_init(&o);
    struct recv_it_future recvs[3] = { async(recv_it, &o), async(recv_it, &o), async(recv_it, &o) };
    scope(s) {
        for (int i = 0; i < 3; i++)
            bide_start(&recvs[i]);
        bide_yield();
        CHECK_EQ(bide_oneshot_send(&o, 9), 0);
    }
    CHECK_EQ(recvs[0].value, 9);
    CHECK_EQ(recvs[1].value, -EPIPE);
    CHECK_EQ(recvs[2].value, -EPIPE);
}

/* ---- several threads ---- */

static int pairs(int n)
{
    int sum = 0;
    wait_for_workers(two.workers);
    for (int i = 0; i < n; i++) {
        int_oneshot *o = malloc(sizeof(*o));
        CHECK_OR(o, -1);
        bide_oneshot_init(o);
        scope(s) {
            spawn_spread(&s, async(send_it, o, 1));
            spawn_spread(&s, async(recv_and_free, o));
            sum += bide_scope_wait(&s) == 0;
        }
    }
    return sum;
}
ASYNC(int, pairs, int)

TEST(over_two_workers)
{
    CHECK_EQ(bide_run_with(&two, async(pairs, 500)), 500);
}

static void *send_in_thread(void *o)
{
    bide_oneshot_send((int_oneshot *)o, 3);
    return NULL;
}

TEST(from_a_plain_thread)
{
    pthread_t thread;
    for (int i = 0; i < 50; i++) {
        int_oneshot *o = malloc(sizeof(*o));
        CHECK(o);
        bide_oneshot_init(o);
        CHECK_EQ(pthread_create(&thread, NULL, send_in_thread, o), 0);
        CHECK_EQ(i % 2 ? recv_and_free(o) : bide_run(async(recv_and_free, o)), 3);
        pthread_join(thread, NULL);
    }
}

TEST_MAIN()
