/*
 * operations.h - every suspending operation, as a table: how to make one that has to wait, how to
 * make it ready, and how to see afterwards whether it had its effect. For operations_cancel.c.
 */
#ifndef TEST_OPERATIONS_H
#define TEST_OPERATIONS_H

#include "fiber.h"

#include <arpa/inet.h>
#include <bide/bide.h>
#include <netinet/in.h>
#include <sys/stat.h>

typedef BIDE_PROMISE(int) int_promise;

struct ctx {
    bool nonblocking;
    int fd, peer;       /* operated on; the other end */
    int more[4];        /* further descriptors; -1 */
    char buf[8];
    struct iovec iov;
    struct msghdr msg;
    struct sockaddr_in address;
    char path[64], other[64];
    struct stat stat;
    struct statx statx;
    int calls;
    int_promise *promise, own_promise;
    int resolved;
    struct bide_process process;
    struct bide_file_watch watch;
    struct bide_file_event event;
    struct bide_chan chan;
    BIDE_ONESHOT(int) oneshot;
    struct bide_broadcast broadcast;
    struct bide_subscriber subscriber;
    struct bide_watch latest;
    struct bide_watcher watcher;
    int sent, received;
    struct bide_mutex mutex;
    struct bide_rwlock rwlock;
    struct bide_semaphore semaphore;
    struct bide_condition condition;
    struct bide_event flag;
    struct bide_waitgroup waitgroup;
    struct bide_barrier barrier;
    struct bide_once once;
};

struct operation {
    const char *name;
    void (*open)(struct ctx *c);
    long (*plain)(struct ctx *c);
    struct bide_future *(*make)(struct ctx *c, void *at); /* NULL: it is no leaf */
    void (*ready)(struct ctx *c);             /* NULL: it needs nobody to complete */
    void (*check)(struct ctx *c, long result); /* after ready */
    void (*close)(struct ctx *c);
};

/* Both forms of an operation that is a leaf. */
#define LEAF(name, fn, ...)                                               \
    static long name##_plain(struct ctx *c)                               \
    {                                                                     \
        (void)c;                                                          \
        return fn(__VA_ARGS__);                                           \
    }                                                                     \
    static struct bide_future *name##_make(struct ctx *c, void *at)       \
    {                                                                     \
        (void)c;                                                          \
        struct fn##_future f = bide_async(fn, __VA_ARGS__);               \
        memcpy(at, &f, sizeof(f));                                        \
        return at;                                                        \
    }

enum { HOUR_S = 3600, SIZE = 5, STORAGE = 512 };

static bool cancelled(long result)
{
    return result == -ECANCELED || result == -ETIMEDOUT;
}

static void set_mode(struct ctx *c, int fd)
{
    if (c->nonblocking)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void close_both(struct ctx *c)
{
    bide_shield()
        bide_close(c->fd);
    close(c->peer);
    for (int i = 0; i < 4; i++)
        if (c->more[i] >= 0)
            close(c->more[i]);
}

/* ---- what can be read ---- */

static void open_pipe(struct ctx *c)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    c->fd = ends[0];
    c->peer = ends[1];
    set_mode(c, c->fd);
}

static void open_pair(struct ctx *c)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    c->fd = ends[0];
    c->peer = ends[1];
    set_mode(c, c->fd);
    c->iov = (struct iovec){ c->buf, sizeof(c->buf) };
    c->msg = (struct msghdr){ .msg_iov = &c->iov, .msg_iovlen = 1 };
}

static void feed(struct ctx *c)
{
    CHECK_EQ(write(c->peer, "hello", SIZE), SIZE);
}

static void check_fed(struct ctx *c, long result)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    if (!cancelled(result)) {
        CHECK_EQ(result, SIZE);
        CHECK_EQ(memcmp(c->buf, "hello", SIZE), 0);
        CHECK_EQ(poll(&p, 1, 0), 0);
        return;
    }
    CHECK_EQ(poll(&p, 1, 0), 1);
    char rest[16];
    CHECK_EQ(read(c->fd, rest, sizeof(rest)), SIZE);
    CHECK_EQ(memcmp(rest, "hello", SIZE), 0);
}

static void check_polled(struct ctx *c, long result)
{
    if (!cancelled(result))
        CHECK_EQ(result, POLLIN);
    check_fed(c, -ECANCELED);
}

static struct iovec *vector(struct ctx *c)
{
    c->iov = (struct iovec){ c->buf, sizeof(c->buf) };
    return &c->iov;
}

LEAF(read, bide_read, c->fd, c->buf, sizeof(c->buf))
LEAF(readv, bide_readv, c->fd, vector(c), 1)
LEAF(recv, bide_recv, c->fd, c->buf, sizeof(c->buf), 0)
LEAF(recvmsg, bide_recvmsg, c->fd, &c->msg, 0)
LEAF(poll, bide_poll, c->fd, POLLIN)

static long join_plain(struct ctx *c)
{
    bide_let f = bide_async(bide_read, c->fd, c->buf, sizeof(c->buf));
    bide_let other = bide_async(bide_yield);
    bide_join(&f, &other);
    return f.value;
}

static long join_all_plain(struct ctx *c)
{
    struct bide_read_future f[1] = { bide_async(bide_read, c->fd, c->buf, sizeof(c->buf)) };
    bide_try_join_all(f, 1);
    return f[0].value;
}

static long race_plain(struct ctx *c)
{
    bide_let f = bide_async(bide_read, c->fd, c->buf, sizeof(c->buf));
    bide_race(bide_async(bide_sleep, HOUR_S * BIDE_S), &f);
    return f.value;
}

static long within_plain(struct ctx *c)
{
    bide_let f = bide_async(bide_read, c->fd, c->buf, sizeof(c->buf));
    bide_within(HOUR_S * BIDE_S, &f);
    return f.value;
}

static long scope_plain(struct ctx *c)
{
    bide_let f = bide_async(bide_read, c->fd, c->buf, sizeof(c->buf));
    BIDE_SCOPE(s) {
        if (bide_start(&f) == 0)
            bide_scope_wait(&s);
    }
    return bide_error(&f) ? bide_error(&f) : f.value;
}

static long read_all_plain(struct ctx *c)
{
    return bide_read_all(c->fd, c->buf, SIZE);
}

/* ---- what can be written ---- */

static void fill(int fd)
{
    char block[4096] = { 0 };
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, block, sizeof(block)) > 0)
        continue;
    while (write(fd, block, 1) > 0)
        continue;
    fcntl(fd, F_SETFL, flags);
}

static void open_full_pipe(struct ctx *c)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    c->fd = ends[1];
    c->peer = ends[0];
    set_mode(c, c->fd);
    fill(c->fd);
    memcpy(c->buf, "hello", SIZE);
    c->iov = (struct iovec){ c->buf, SIZE };
}

static void open_full_pair(struct ctx *c)
{
    open_pair(c);
    fill(c->fd);
    memcpy(c->buf, "hello", SIZE);
    c->iov = (struct iovec){ c->buf, SIZE };
}

/* Everything that fill wrote, and no more: those bytes are 0. */
static void empty(struct ctx *c)
{
    char block[4096];
    for (;;) {
        ssize_t n = recv(c->peer, block, sizeof(block), MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK) {
            struct pollfd p = { .fd = c->peer, .events = POLLIN };
            n = poll(&p, 1, 0) == 1 ? read(c->peer, block, sizeof(block)) : -1;
        }
        if (n <= 0)
            break;
    }
}

static void check_written(struct ctx *c, long result)
{
    char block[16];
    struct pollfd p = { .fd = c->peer, .events = POLLIN };
    if (cancelled(result)) {
        CHECK_EQ(poll(&p, 1, 0), 0);
        return;
    }
    CHECK_EQ(result, SIZE);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(read(c->peer, block, sizeof(block)), SIZE);
    CHECK_EQ(memcmp(block, "hello", SIZE), 0);
}

LEAF(write, bide_write, c->fd, c->buf, SIZE)
LEAF(writev, bide_writev, c->fd, &c->iov, 1)
LEAF(send, bide_send, c->fd, c->buf, SIZE, 0)
LEAF(sendmsg, bide_sendmsg, c->fd, &c->msg, 0)

static long send_all_plain(struct ctx *c)
{
    return bide_send_all(c->fd, c->buf, SIZE, 0);
}

static long write_all_plain(struct ctx *c)
{
    return bide_write_all(c->fd, c->buf, SIZE);
}

/* ---- connections ---- */

static int tcp_listener(struct ctx *c, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->address = (struct sockaddr_in){ .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bind(fd, (struct sockaddr *)&c->address, sizeof(c->address));
    listen(fd, backlog);
    getsockname(fd, (struct sockaddr *)&c->address, &(socklen_t){ sizeof(c->address) });
    return fd;
}

static int tcp_client(struct ctx *c)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = connect(fd, (struct sockaddr *)&c->address, sizeof(c->address));
    (void)result; /* in progress */
    return fd;
}

static void open_listener(struct ctx *c)
{
    c->fd = tcp_listener(c, 8);
    c->peer = dup(c->fd);
    set_mode(c, c->fd);
}

static void connect_to_it(struct ctx *c)
{
    c->more[0] = tcp_client(c);
    CHECK_EQ(poll(&(struct pollfd){ .fd = c->fd, .events = POLLIN }, 1, 10000), 1);
}

static void check_accepted(struct ctx *c, long result)
{
    int fd = (int)result;
    if (cancelled(result)) {
        CHECK_EQ(poll(&(struct pollfd){ .fd = c->fd, .events = POLLIN }, 1, 0), 1);
        fd = accept(c->fd, NULL, NULL);
    }
    CHECK(fd >= 0);
    CHECK_EQ(write(c->more[0], "hello", SIZE), SIZE);
    char block[16];
    CHECK_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 10000), 1);
    CHECK_EQ(read(fd, block, sizeof(block)), SIZE);
    close(fd);
}

/* A listener whose queue is full leaves a connection waiting. */
static void open_crowd(struct ctx *c)
{
    c->peer = tcp_listener(c, 0);
    for (int i = 0; i < 3; i++)
        c->more[i] = tcp_client(c);
    usleep(1000);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_mode(c, c->fd);
}

static void check_connect(struct ctx *c, long result)
{
    (void)c;
    CHECK(cancelled(result) || result == 0);
}

LEAF(accept, bide_accept, c->fd, NULL, NULL, 0)
LEAF(connect, bide_connect, c->fd, (struct sockaddr *)&c->address, sizeof(c->address))

/* ---- files ---- */

static void open_file(struct ctx *c)
{
    snprintf(c->path, sizeof(c->path), "/tmp/bide-test-%d-XXXXXX", getpid());
    c->fd = mkostemp(c->path, O_CLOEXEC);
    c->peer = dup(c->fd);
    snprintf(c->other, sizeof(c->other), "%.*s.other", 50, c->path);
    CHECK_EQ(pwrite(c->fd, "hello", SIZE, 0), SIZE);
}

static void open_empty_file(struct ctx *c)
{
    open_file(c);
    CHECK_EQ(ftruncate(c->fd, 0), 0);
    memcpy(c->buf, "hello", SIZE);
}

static void close_file(struct ctx *c)
{
    unlink(c->path);
    unlink(c->other);
    close_both(c);
}

static void check_pread(struct ctx *c, long result)
{
    if (cancelled(result))
        return;
    CHECK_EQ(result, SIZE);
    CHECK_EQ(memcmp(c->buf, "hello", SIZE), 0);
}

static void check_pwrite(struct ctx *c, long result)
{
    struct stat st;
    CHECK_EQ(fstat(c->fd, &st), 0);
    CHECK_EQ(st.st_size, cancelled(result) ? 0 : result);
    CHECK(cancelled(result) || result == SIZE);
}

static void check_opened(struct ctx *c, long result)
{
    (void)c;
    if (cancelled(result))
        return;
    CHECK(result >= 0);
    close((int)result);
}

static void check_zero(struct ctx *c, long result)
{
    (void)c;
    CHECK(cancelled(result) || result == 0);
}

static void check_fstat(struct ctx *c, long result)
{
    if (!cancelled(result))
        CHECK_EQ(c->stat.st_size, SIZE);
    check_zero(c, result);
}

static void check_statx(struct ctx *c, long result)
{
    if (!cancelled(result))
        CHECK_EQ(c->statx.stx_size, SIZE);
    check_zero(c, result);
}

static void check_unlinked(struct ctx *c, long result)
{
    if (result == 0)
        CHECK_EQ(access(c->path, F_OK), -1);
    check_zero(c, result);
}

static void check_renamed(struct ctx *c, long result)
{
    CHECK_EQ((access(c->path, F_OK) == 0) + (access(c->other, F_OK) == 0), 1);
    if (result == 0)
        CHECK_EQ(access(c->other, F_OK), 0);
    check_zero(c, result);
}

static long fstat_plain(struct ctx *c)
{
    return bide_fstat(c->fd, &c->stat);
}

LEAF(pread, bide_pread, c->fd, c->buf, SIZE, 0)
LEAF(pwrite, bide_pwrite, c->fd, c->buf, SIZE, 0)
LEAF(open, bide_open, c->path, O_RDONLY, 0)
LEAF(fsync, bide_fsync, c->fd)
LEAF(fdatasync, bide_fdatasync, c->fd)
LEAF(statx, bide_statx, AT_FDCWD, c->path, 0, STATX_BASIC_STATS, &c->statx)
LEAF(unlink, bide_unlink, c->path)
LEAF(rename, bide_rename, c->path, c->other)

/* ---- time, the pool, promises, signals ---- */

static void open_nothing(struct ctx *c)
{
    (void)c;
}

static void check_cancelled(struct ctx *c, long result)
{
    (void)c;
    CHECK(cancelled(result));
}

static long yield_plain(struct ctx *c)
{
    (void)c;
    return bide_yield();
}

static int called(void *arg)
{
    struct ctx *c = arg;
    c->calls++;
    return SIZE;
}

static int called_future(struct ctx *c)
{
    return called(c);
}
BIDE_ASYNC(int, called_future, struct ctx *)

static long offload_plain(struct ctx *c)
{
    return bide_offload(bide_async(called_future, c));
}

static void check_called(struct ctx *c, long result)
{
    CHECK_EQ(c->calls, cancelled(result) ? 0 : 1);
    CHECK(cancelled(result) || result == SIZE);
}

static void on_cancel(void *arg)
{
    struct ctx *c = arg;
    c->calls++;
}

static void open_promise(struct ctx *c)
{
    c->promise = &c->own_promise;
    bide_promise_init_with(c->promise, on_cancel, c);
}

static long promise_plain(struct ctx *c)
{
    return bide_await(c->promise);
}

static struct bide_future *promise_make(struct ctx *c, void *at)
{
    c->promise = at;
    bide_promise_init_with(c->promise, on_cancel, c);
    return &c->promise->future;
}

static void resolve(struct ctx *c)
{
    c->resolved = bide_resolve(c->promise, SIZE);
}

/* Whoever is refused by bide_resolve knows; whoever is not has delivered. */
static void check_resolved(struct ctx *c, long result)
{
    if (cancelled(result) && !c->resolved) { /* nobody began to wait, and it was not told to */
        bide_shield()
            CHECK_EQ(bide_await(c->promise), SIZE);
        return;
    }
    CHECK_EQ(c->resolved, cancelled(result) ? -ECANCELED : 0);
    CHECK_EQ(c->calls, cancelled(result) ? 1 : 0);
    CHECK(cancelled(result) || result == SIZE);
}

/* The first wait takes the signal over from its default action. */
static void open_signal(struct ctx *c)
{
    (void)c;
    CHECK_EQ(bide_within(BIDE_NS, bide_async(bide_signal, SIGUSR1)), -ETIMEDOUT);
}

static void raise_it(struct ctx *c)
{
    (void)c;
    raise(SIGUSR1);
}

static void check_raised(struct ctx *c, long result)
{
    (void)c;
    if (cancelled(result)) {
        bide_shield()
            result = bide_await(bide_async(bide_signal, SIGUSR1));
    }
    CHECK_EQ(result, SIGUSR1);
}

static void release(struct ctx *c)
{
    (void)c;
    bide_signal_release(SIGUSR1);
}

LEAF(sleep, bide_sleep, HOUR_S * BIDE_S)
LEAF(sleep_until, bide_sleep_until, bide_now() + HOUR_S * BIDE_S)
LEAF(offload_call, bide_offload_call, called, c)
LEAF(signal, bide_signal, SIGUSR1)

/* ---- processes, and what happens to files ---- */

static void open_process(struct ctx *c)
{
    struct bide_process_options cat = { .argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE };
    CHECK_EQ(bide_process_start(&c->process, &cat), 0);
}

static void end_input(struct ctx *c)
{
    close(c->process.in);
    c->process.in = -1;
}

static void check_waited(struct ctx *c, long result)
{
    if (cancelled(result)) {
        bide_shield()
            result = bide_process_wait(&c->process);
    }
    CHECK_EQ(result, 0);
}

static void close_process(struct ctx *c)
{
    bide_process_release(&c->process);
}

static void open_watch(struct ctx *c)
{
    snprintf(c->path, sizeof(c->path), "/tmp/bide-test-%d-XXXXXX", getpid());
    CHECK(mkdtemp(c->path) != NULL);
    snprintf(c->other, sizeof(c->other), "%.*s/a", 50, c->path);
    CHECK_EQ(bide_file_watch_init(&c->watch), 0);
    CHECK(bide_file_watch_add(&c->watch, c->path, IN_CREATE) > 0);
}

static void create_other(struct ctx *c)
{
    close(open(c->other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void check_seen(struct ctx *c, long result)
{
    if (cancelled(result)) {
        bide_shield()
            result = bide_file_watch_next(&c->watch, &c->event);
    }
    CHECK_EQ(result, 0);
    CHECK_STR(c->event.name, "a");
}

static void close_watch(struct ctx *c)
{
    bide_file_watch_release(&c->watch);
    unlink(c->other);
    CHECK_EQ(rmdir(c->path), 0);
}

LEAF(process_wait, bide_process_wait, &c->process)
LEAF(file_watch_next, bide_file_watch_next, &c->watch, &c->event)

#include "operations_sync.h"

#define BOTH(name, open, ready, check, close) \
    { #name, open, name##_plain, name##_make, ready, check, close }
#define PLAIN(name, open, ready, check, close) \
    { #name, open, name##_plain, NULL, ready, check, close }

static const struct operation operations[] = {
    BOTH(read, open_pipe, feed, check_fed, close_both),
    BOTH(readv, open_pipe, feed, check_fed, close_both),
    BOTH(recv, open_pair, feed, check_fed, close_both),
    BOTH(recvmsg, open_pair, feed, check_fed, close_both),
    BOTH(poll, open_pair, feed, check_polled, close_both),
    PLAIN(join, open_pipe, feed, check_fed, close_both),
    PLAIN(join_all, open_pair, feed, check_fed, close_both),
    PLAIN(race, open_pipe, feed, check_fed, close_both),
    PLAIN(within, open_pair, feed, check_fed, close_both),
    PLAIN(scope, open_pipe, feed, check_fed, close_both),
    PLAIN(read_all, open_pipe, feed, check_fed, close_both),
    BOTH(write, open_full_pipe, empty, check_written, close_both),
    BOTH(writev, open_full_pipe, empty, check_written, close_both),
    BOTH(send, open_full_pair, empty, check_written, close_both),
    BOTH(sendmsg, open_full_pair, empty, check_written, close_both),
    PLAIN(write_all, open_full_pipe, empty, check_written, close_both),
    PLAIN(send_all, open_full_pair, empty, check_written, close_both),
    BOTH(accept, open_listener, connect_to_it, check_accepted, close_both),
    BOTH(connect, open_crowd, NULL, check_connect, close_both),
    BOTH(pread, open_file, NULL, check_pread, close_file),
    BOTH(pwrite, open_empty_file, NULL, check_pwrite, close_file),
    BOTH(open, open_file, NULL, check_opened, close_file),
    BOTH(fsync, open_file, NULL, check_zero, close_file),
    BOTH(fdatasync, open_file, NULL, check_zero, close_file),
    BOTH(statx, open_file, NULL, check_statx, close_file),
    PLAIN(fstat, open_file, NULL, check_fstat, close_file),
    BOTH(unlink, open_file, NULL, check_unlinked, close_file),
    BOTH(rename, open_file, NULL, check_renamed, close_file),
    BOTH(sleep, open_nothing, NULL, check_cancelled, open_nothing),
    BOTH(sleep_until, open_nothing, NULL, check_cancelled, open_nothing),
    PLAIN(yield, open_nothing, NULL, check_zero, open_nothing),
    PLAIN(offload, open_nothing, NULL, check_called, open_nothing),
    BOTH(offload_call, open_nothing, NULL, check_called, open_nothing),
    BOTH(promise, open_promise, resolve, check_resolved, open_nothing),
    BOTH(signal, open_signal, raise_it, check_raised, release),
    BOTH(process_wait, open_process, end_input, check_waited, close_process),
    BOTH(file_watch_next, open_watch, create_other, check_seen, close_watch),
    BOTH(chan_send, open_full_chan, make_room, check_sent, close_chan),
    BOTH(chan_recv, open_empty_chan, put_value, check_received, close_chan),
    BOTH(oneshot_recv, open_oneshot, answer, check_answered, open_nothing),
    BOTH(broadcast_recv, open_subscription, broadcast_value, check_broadcast, close_broadcast),
    BOTH(watch_recv, open_latest, change_value, check_latest, close_latest),
    BOTH(mutex_lock, open_locked, unlock_mutex, check_mutex, open_nothing),
    BOTH(rwlock_read, open_locked, unlock_rwlock, check_rwlock, open_nothing),
    BOTH(rwlock_write, open_locked, unlock_rwlock, check_rwlock, open_nothing),
    BOTH(semaphore_acquire, open_nothing, give_permits, check_permits, open_nothing),
    BOTH(condition_wait, open_nothing, signal_condition, check_condition, open_nothing),
    BOTH(event_wait, open_nothing, set_event, check_zero, open_nothing),
    BOTH(waitgroup_wait, open_count, count_down, check_zero, open_nothing),
    BOTH(barrier_wait, open_barrier, come_too, check_barrier, open_nothing),
    BOTH(once_begin, open_begun, fail_to_do_it, check_once, open_nothing),
};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

#endif
