/* Descriptors that one worker opens, another uses and a third closes; numbers that come again. */
#include "fiber.h"

#include "platform/descriptors.h"

#include <bide/net.h>
#include <pthread.h>

enum { ROUNDS = 40 };

static const struct bide_config two = { .workers = 2 };

TEST(a_generation_is_of_one_socket)
{
    int fd = bide_socket(AF_INET, SOCK_STREAM, 0);
    uint32_t first = bide__generation(fd);
    CHECK(bide__trusted(first));
    bide_close(fd);
    uint32_t closed = bide__generation(fd);
    CHECK(!bide__trusted(closed) && closed != first);
    CHECK_EQ(bide_socket(AF_INET, SOCK_STREAM, 0), fd);
    CHECK(bide__trusted(bide__generation(fd)) && bide__generation(fd) != first);
    bide_close(fd);
    CHECK_EQ(dup(0), fd); /* another's */
    closed = bide__generation(fd);
    CHECK(!bide__trusted(closed));
    bide_close(fd);
    CHECK(bide__generation(fd) != closed);
    bide__descriptor_opened(BIDE__DESCRIPTORS);
    bide__descriptor_closing(-1);
    CHECK_EQ(bide__generation(BIDE__DESCRIPTORS), 0);
    CHECK_EQ(bide__generation(-1), 0);
}

/* ---- two workers, in turns ---- */

struct stage {
    int listener, fd;
    int peers[2]; /* of plain system calls */
    atomic_int step;
    pthread_t threads[2];
};

static void at(struct stage *s, int step)
{
    while (atomic_load(&s->step) < step)
        bide_sleep(20 * BIDE_US);
}

static void next(struct stage *s)
{
    atomic_fetch_add(&s->step, 1);
}

static int plain_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The next connection, whose other end is `peer`. */
static int meet(struct stage *s, int peer)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    CHECK_OR(bide_getsockname(s->listener, (struct sockaddr *)&address, &size) == 0, -1);
    CHECK_OR(connect(peer, (struct sockaddr *)&address, size) == 0, -1);
    return bide_accept(s->listener, NULL, NULL, 0);
}

static ssize_t receive(int fd)
{
    char c;
    bide_let recv = bide_async(bide_recv, fd, &c, 1, 0);
    bide_within(20 * BIDE_S, &recv);
    return recv.value;
}

static void send_late(int peer)
{
    bide_sleep(200 * BIDE_US);
    CHECK_EQ(send(peer, "x", 1, 0), 1);
}

/* Both scripts begin at step 0, each on a worker of its own. */
typedef void script(struct stage *s);

static int play(struct stage *s, int role, script *run)
{
    s->threads[role] = pthread_self();
    run(s);
    return 0;
}
BIDE_ASYNC(int, play, struct stage *, int, script *)

static int nothing(void)
{
    return 0;
}
BIDE_ASYNC(int, nothing)

static void wait_for_both_workers(void)
{
    do {
        BIDE_SCOPE(s)
            bide_spawn_parallel(&s, bide_async(nothing));
        bide_sleep(50 * BIDE_US);
    } while (stats_now().workers < 2);
}

static int stage_both(script *first, script *second)
{
    struct stage s = { .listener = bide_tcp_listen("127.0.0.1", 0, NULL) };
    wait_for_both_workers();
    for (int i = 0; i < ROUNDS; i++) {
        s.step = 0;
        s.peers[0] = plain_socket();
        s.peers[1] = plain_socket();
        BIDE_SCOPE(scope) {
            bide_spawn_spread(&scope, bide_async(play, &s, 0, first));
            bide_spawn_spread(&scope, bide_async(play, &s, 1, second));
        }
        close(s.peers[0]);
        close(s.peers[1]);
        CHECK_OR(!pthread_equal(s.threads[0], s.threads[1]), -1);
    }
    return bide_close(s.listener);
}
BIDE_ASYNC(int, stage_both, script *, script *)

/* ---- a connection is accepted here and served there ---- */

static void accepts(struct stage *s)
{
    s->fd = meet(s, s->peers[0]);
    next(s);
    at(s, 2);
    send_late(s->peers[0]);
}

static void serves(struct stage *s)
{
    at(s, 1);
    int fd = s->fd;
    next(s);
    CHECK_EQ(receive(fd), 1);
    CHECK_EQ(bide_send(fd, "y", 1, 0), 1);
    CHECK_EQ(bide_close(fd), 0);
}

TEST(a_worker_serves_what_another_accepted)
{
    CHECK_EQ(bide_run_with(&two, bide_async(stage_both, accepts, serves)), 0);
}

/* ---- a number that this worker knows is closed there, and given again ---- */

static void knows_it(struct stage *s)
{
    s->fd = meet(s, s->peers[0]);
    next(s);
    CHECK_EQ(receive(s->fd), 1); /* waits: the reactor knows the number now */
    next(s);
    at(s, 3);
    CHECK_EQ(receive(s->fd), 1); /* of the other connection */
    CHECK_EQ(bide_close(s->fd), 0);
}

static void renews_it(struct stage *s)
{
    at(s, 1);
    send_late(s->peers[0]);
    at(s, 2);
    CHECK_EQ(bide_close(s->fd), 0);
    CHECK_EQ(meet(s, s->peers[1]), s->fd);
    next(s);
    send_late(s->peers[1]);
}

TEST(a_number_that_another_worker_renewed_is_no_longer_what_it_was)
{
    CHECK_EQ(bide_run_with(&two, bide_async(stage_both, knows_it, renews_it)), 0);
}

/* ---- a descriptor is closed while another worker waits for it, which is a mistake ---- */

static void waits_on(struct stage *s)
{
    char c;
    s->fd = meet(s, s->peers[0]);
    bide_let lost = bide_async(bide_recv, s->fd, &c, 1, 0);
    bide_let queued = bide_async(bide_recv, s->fd, &c, 1, 0);
    BIDE_SCOPE(scope) {
        bide_start(&lost);
        bide_start(&queued);
        settle();
        next(s);
        at(s, 2);
        CHECK_EQ(receive(s->fd), 1); /* of the other connection */
        bide_cancel(&lost);
        CHECK_EQ(bide_await(&queued), -EBADF);
    }
    CHECK(lost.value == -EBADF || lost.value == -ECANCELED);
    CHECK_EQ(bide_close(s->fd), 0);
}

static void closes_it(struct stage *s)
{
    at(s, 1);
    CHECK_EQ(bide_close(s->fd), 0);
    CHECK_EQ(meet(s, s->peers[1]), s->fd);
    next(s);
    send_late(s->peers[1]);
}

TEST(who_waits_on_a_lost_descriptor_takes_nothing_from_the_next)
{
    CHECK_EQ(bide_run_with(&two, bide_async(stage_both, waits_on, closes_it)), 0);
}

TEST_MAIN()
