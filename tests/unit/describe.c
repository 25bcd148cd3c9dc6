/* What each of bide's own leaves says that it waits for. */
#include "fiber.h"

#include <bide/bide.h>
#include <bide/file_watch.h>
#include <bide/keywords.h>
#include <bide/process.h>
#include <bide/singleflight.h>
#include <netinet/in.h>
#include <sys/un.h>

/* Begin f, a pointer, in scope s; see what it says; and cancel it. */
#define CHECK_SAYS(f, expected) CHECK_SAYS_OF(f, expected, NULL)
#define CHECK_SAYS_OF(f, expected, who)                   \
    do {                                                  \
        struct bide_description says;                     \
        scope(s) {                                        \
            bide_start(f);                                \
            bide_leaf_describe(&(f)->future, &says);      \
            cancel(f);                                    \
        }                                                 \
        CHECK_STR(says.text, expected);                   \
        CHECK_EQ((uintptr_t)says.holder, (uintptr_t)who); \
    } while (0)

static const void *self(void)
{
    return bide__self.fiber->bottom ? (const void *)bide__self.fiber : &bide__self;
}

FIBER_TEST(time)
{
    struct bide_description says;
    bide_time now = bide_now();
    bide_let sleep = async(bide_sleep, BIDE_S);
    bide_let until = async(bide_sleep_until, now + BIDE_S);
    scope(s) {
        bide_start(&sleep);
        bide_leaf_describe(&sleep.future, &says);
        CHECK_STR(says.text, "sleep");
        CHECK(says.until >= now + BIDE_S && says.until < now + 100 * BIDE_S);
        bide_start(&until);
        bide_leaf_describe(&until.future, &says);
        CHECK_STR(says.text, "sleep");
        CHECK_EQ(says.until, now + BIDE_S);
        bide_scope_cancel(&s);
    }
}

struct held {
    struct bide_mutex mutex;
    struct bide_rwlock rwlock;
    struct bide_once once;
    struct bide_event end;
};

static void hold(struct held *held)
{
    bide_mutex_lock(&held->mutex);
    bide_rwlock_write(&held->rwlock);
    CHECK_EQ(bide_once_begin(&held->once), 1);
    bide_event_wait(&held->end);
    bide_once_end(&held->once, 0);
    bide_rwlock_unlock(&held->rwlock);
    bide_mutex_unlock(&held->mutex);
}
ASYNC_VOID(hold, struct held *)

FIBER_TEST(locks)
{
    struct held held = { 0 };
    bide_let holder = async(hold, &held);
    scope(outer) {
        bide_start(&holder);
        bide_yield();
        const void *who = holder.future.fiber;
        bide_let lock = async(bide_mutex_lock, &held.mutex);
        CHECK_SAYS_OF(&lock, "mutex", who);
        bide_let read = async(bide_rwlock_read, &held.rwlock);
        CHECK_SAYS_OF(&read, "rwlock to read", who);
        bide_let begin = async(bide_once_begin, &held.once);
        CHECK_SAYS_OF(&begin, "once", who);
        bide_event_set(&held.end);
    }
}

FIBER_TEST(without_a_holder)
{
    struct bide_rwlock rwlock = { 0 };
    bide_rwlock_read(&rwlock);
    bide_let write = async(bide_rwlock_write, &rwlock);
    CHECK_SAYS(&write, "rwlock to write, with 1 reader inside");
    bide_rwlock_unlock(&rwlock);

    struct bide_semaphore semaphore = BIDE_SEMAPHORE(1);
    bide_let acquire = async(bide_semaphore_acquire, &semaphore, 2);
    CHECK_SAYS(&acquire, "2 of a semaphore with 1 free");
}

FIBER_TEST(condition)
{
    struct bide_mutex mutex = { 0 };
    struct bide_condition condition = { 0 };
    struct bide_description says;
    bide_let wait = async(bide_condition_wait, &condition, &mutex);
    bide_mutex_lock(&mutex);
    scope(s) {
        bide_start(&wait); /* as the holder: its leaf runs for this task */
        bide_leaf_describe(&wait.future, &says);
        CHECK_STR(says.text, "condition");
        CHECK_EQ(bide_mutex_try_lock(&mutex), 0);
        bide_condition_signal(&condition);
        bide_leaf_describe(&wait.future, &says);
        CHECK_STR(says.text, "mutex of a condition");
        CHECK(says.holder == self());
        bide_mutex_unlock(&mutex);
    }
    bide_mutex_unlock(&mutex);
}

FIBER_TEST(meeting)
{
    struct bide_event event = { 0 };
    bide_let wait = async(bide_event_wait, &event);
    CHECK_SAYS(&wait, "event");

    struct bide_barrier barrier = BIDE_BARRIER(3);
    bide_let arrive = async(bide_barrier_wait, &barrier);
    CHECK_SAYS(&arrive, "barrier, with 1 of 3 there");

    struct bide_waitgroup group = { 0 };
    bide_waitgroup_add(&group, 2);
    bide_let all = async(bide_waitgroup_wait, &group);
    CHECK_SAYS(&all, "waitgroup, with 2 to come");
}

FIBER_TEST(messages)
{
    struct bide_chan chan;
    int value = 1;
    CHECK_EQ(bide_chan_init(&chan, sizeof(value), 1), 0);
    bide_let recv = async(bide_chan_recv, &chan, &value);
    CHECK_SAYS(&recv, "receive from a channel with 0 of 1 values");
    bide_chan_send(&chan, &value);
    bide_let send = async(bide_chan_send, &chan, &value);
    CHECK_SAYS(&send, "send to a channel with 1 of 1 values");
    bide_chan_release(&chan);
    CHECK_EQ(bide_chan_init(&chan, sizeof(value), BIDE_CHAN_UNBOUNDED), 0);
    recv = async(bide_chan_recv, &chan, &value);
    CHECK_SAYS(&recv, "receive from an unbounded channel with 0 values");
    bide_chan_release(&chan);

    struct bide_broadcast broadcast;
    CHECK_EQ(bide_broadcast_init(&broadcast, sizeof(value), 1), 0);
    struct bide_subscriber subscriber = bide_broadcast_subscribe(&broadcast);
    bide_let next = async(bide_broadcast_recv, &subscriber, &value, NULL);
    CHECK_SAYS(&next, "broadcast, of which 0 were sent");
    bide_broadcast_release(&broadcast);
}

static void lead(struct bide_singleflight *flights, struct bide_event *end)
{
    await(bide_singleflight(flights, "k", 1, async(bide_event_wait, end)));
}
ASYNC_VOID(lead, struct bide_singleflight *, struct bide_event *)

FIBER_TEST(singleflight)
{
    struct bide_singleflight flights = { 0 };
    struct bide_event end = { 0 };
    struct bide_description says;
    bide_let leader = async(lead, &flights, &end);
    bide_let second = leader;
    scope(s) {
        bide_start(&leader);
        bide_yield();
        bide_start(&second);
        bide_yield();
        bide_leaf_describe(second.future.fiber->leaf, &says);
        CHECK_STR(says.text, "singleflight");
        CHECK(says.holder == leader.future.fiber);
        bide_event_set(&end);
    }
}

static int slow(void *arg)
{
    return *(int *)arg;
}

FIBER_TEST(outside)
{
    BIDE_PROMISE(int) promise;
    bide_promise_init(&promise);
    CHECK_SAYS(&promise, "promise");

    bide_let number = async(bide_signal, SIGUSR1);
    CHECK_SAYS(&number, "signal SIGUSR1");
    bide_signal_release(SIGUSR1);

    struct bide_description says;
    int seven = 7;
    bide_let call = async(bide_offload_call, slow, &seven);
    scope(s) {
        bide_start(&call);
        bide_leaf_describe(&call.future, &says);
    }
    CHECK(strstr(says.text, "offloaded call, which ") == says.text);
}

static int same(int value)
{
    return value;
}
ASYNC(int, same, int)

FIBER_TEST(then)
{
    bide_let then = bide_then(async(bide_sleep, BIDE_S), same);
    CHECK_SAYS(&then, "sleep");
}

FIBER_TEST(process_and_files)
{
    char expected[96];
    struct bide_process_options options = { .argv = BIDE_STRINGS("sleep", "100") };
    BIDE_PROCESS(p, &options) {
        snprintf(expected, sizeof(expected), "end of process %d", (int)p.pid);
        bide_let end = async(bide_process_wait, &p);
        CHECK_SAYS(&end, expected);
    }

    struct bide_file_watch watch;
    struct bide_file_event event;
    CHECK_EQ(bide_file_watch_init(&watch), 0);
    snprintf(expected, sizeof(expected), "file event of inotify fd %d", watch.fd);
    bide_let next = async(bide_file_watch_next, &watch, &event);
    CHECK_SAYS(&next, expected);
    bide_file_watch_release(&watch);
}

/* With the numbers of two descriptors and a port. */
static const char *with(const char *format, int fd, int port)
{
    static char text[128];
    snprintf(text, sizeof(text), format, fd, port);
    return text;
}

FIBER_TEST(sockets)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    char byte;
    int listener = bide_socket(AF_INET, SOCK_STREAM, 0), fd = bide_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bide_bind(listener, (struct sockaddr *)&at, size), 0);
    CHECK_EQ(bide_listen(listener, 1), 0);
    CHECK_EQ(bide_getsockname(listener, (struct sockaddr *)&at, &size), 0);
    int port = ntohs(at.sin_port);
    bide_let accept = async(bide_accept, listener, NULL, NULL, 0);
    CHECK_SAYS(&accept, with("accept on fd %d at 127.0.0.1:%d", listener, port));
    CHECK_EQ(bide_connect(fd, (struct sockaddr *)&at, size), 0);
    bide_let recv = async(bide_recv, fd, &byte, 1, 0);
    CHECK_SAYS(&recv, with("recv on fd %d from 127.0.0.1:%d", fd, port));
    bide_let poll = async(bide_poll, fd, POLLIN);
    CHECK_SAYS(&poll, with("poll of fd %d for input", fd, 0));
    bide_close(fd);
    bide_close(listener);
}

FIBER_TEST(pipes)
{
    int ends[2];
    char byte;
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    bide_let read = async(bide_read, ends[0], &byte, 1);
    CHECK_SAYS(&read, with("read on fd %d", ends[0], 0));
    bide_close(ends[0]);
    bide_close(ends[1]);
}

/* What does not wait long enough to be met: the words alone. */
static const char *words(uint8_t op, void *buf, unsigned size)
{
    static struct bide_description says;
    struct bide_io_future f = { .future = { .type = &bide_recv_type },
                                .args = { .op = op, .fd = -1, .buf = buf, .mask = size } };
    bide_leaf_describe(&f.future, &says);
    return says.text;
}

TEST(words)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(80),
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/a" };
    struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0name" };
    struct sockaddr other = { .sa_family = AF_NETLINK };
    unsigned path = offsetof(struct sockaddr_un, sun_path);
    CHECK_STR(words(BIDE__OP_CONNECT, &six, sizeof(six)), "connect on fd -1 to [::1]:80");
    CHECK_STR(words(BIDE__OP_CONNECT, &un, path + 6), "connect on fd -1 to /run/a");
    CHECK_STR(words(BIDE__OP_CONNECT, &abstract, path + 5), "connect on fd -1 to @name");
    CHECK_STR(words(BIDE__OP_CONNECT, &un, path), "connect on fd -1 to an unnamed socket");
    CHECK_STR(words(BIDE__OP_CONNECT, &other, sizeof(other)),
              "connect on fd -1 to an address of family 16");
    CHECK_STR(words(BIDE__OP_CONNECT, &six, 4), "connect on fd -1 to an address of family 10");
    CHECK_STR(words(BIDE__OP_OPEN, "/etc/hosts", 0), "open of /etc/hosts");
    CHECK_STR(words(BIDE__OP_CLOSE, NULL, 0), "close on fd -1");
    CHECK_STR(words(BIDE__OP_POLL, NULL, POLLIN | POLLOUT), "poll of fd -1 for input or output");
    CHECK_STR(words(BIDE__OP_POLL, NULL, POLLOUT), "poll of fd -1 for output");
    CHECK_STR(words(BIDE__OP_SENDMSG, NULL, 0), "sendmsg on fd -1");
}

TEST_MAIN()
