/* sim_net.c - the pipes and sockets of a simulation. */
#include "simulate.h"

#include <arpa/inet.h>
#include <bide/keywords.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/un.h>

static const struct bide_sim_faults quiet;
static const struct bide_sim_faults slow = {
    .latency_least = BIDE_MS, .latency_most = 20 * BIDE_MS, .short_io = 0.3, .interrupt = 0.2
};

/* ---- streams ---- */

static char pattern(size_t i)
{
    return (char)(1 + i * 7 + i / 251);
}

static ssize_t pump(int fd, size_t size)
{
    char data[3000];
    size_t done = 0;
    while (done < size) {
        size_t n = size - done < sizeof(data) ? size - done : sizeof(data);
        for (size_t i = 0; i < n; i++)
            data[i] = pattern(done + i);
        struct iovec parts[2] = { { data, n / 3 }, { data + n / 3, n - n / 3 } };
        ssize_t sent = done % 2 ? bide_write(fd, data, n) : bide_writev(fd, parts, 2);
        if (sent <= 0)
            return sent;
        done += (size_t)sent;
    }
    return (ssize_t)done;
}
ASYNC(ssize_t, pump, int, size_t)

static ssize_t drain(int fd, size_t size)
{
    char data[4000];
    size_t done = 0;
    for (;;) {
        struct iovec parts[2] = { { data, 1 }, { data + 1, sizeof(data) - 1 } };
        ssize_t n = done % 2 ? bide_read(fd, data, sizeof(data)) : bide_readv(fd, parts, 2);
        if (n < 0)
            return n;
        for (size_t i = 0; i < (size_t)n; i++)
            if (data[i] != pattern(done + i))
                return -EBADMSG;
        done += (size_t)n;
        if (n == 0 || done >= size)
            return (ssize_t)done;
    }
}
ASYNC(ssize_t, drain, int, size_t)

enum { LARGE = 200000 };

static int transfer(int in, int out)
{
    let writer = async(pump, out, LARGE);
    let reader = async(drain, in, LARGE);
    join(&writer, &reader);
    CHECK_OR(writer.value == LARGE && reader.value == LARGE, 1);
    return 0;
}

static int transfers(void)
{
    int ends[2];
    CHECK_OR(bide_pipe(ends) == 0, 1);
    CHECK_OR(transfer(ends[0], ends[1]) == 0, 2);
    close_both(ends);
    CHECK_OR(bide_socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, 3);
    CHECK_OR(transfer(ends[0], ends[1]) == 0 && transfer(ends[1], ends[0]) == 0, 4);
    close_both(ends);
    return 0;
}
ASYNC(int, transfers)

TEST(large_transfers)
{
    SIMULATE(quiet, async(transfers));
    SIMULATE(slow, async(transfers));
}

static int pipe_ends(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(bide_pipe(ends) == 0 && ends[0] >= 1000000000, 1);
    CHECK_OR(bide_write(ends[1], "abc", 3) == 3, 2);
    CHECK_OR(bide_read(ends[1], buf, 1) == -EBADF && bide_write(ends[0], "a", 1) == -EBADF, 3);
    CHECK_OR(bide_recv(ends[0], buf, 1, 0) == -ENOTSOCK, 4);
    CHECK_OR(bide_poll(ends[0], POLLIN) == POLLIN, 5);
    bide_close(ends[1]);
    CHECK_OR(bide_read(ends[0], buf, 8) == 3 && bide_read(ends[0], buf, 8) == 0, 6);
    CHECK_OR(bide_poll(ends[0], POLLIN) == POLLHUP, 7);
    bide_close(ends[0]);
    CHECK_OR(bide_read(ends[0], buf, 1) == -EBADF && bide_close(ends[0]) == -EBADF, 8);
    CHECK_OR(bide_pipe(ends) == 0, 9);
    bide_close(ends[0]);
    CHECK_OR(bide_write(ends[1], "a", 1) == -EPIPE && bide_poll(ends[1], 0) & POLLERR, 10);
    bide_close(ends[1]);
    return 0;
}
ASYNC(int, pipe_ends)

TEST(ends_of_pipes)
{
    SIMULATE(quiet, async(pipe_ends));
}

/* ---- connections ---- */

static int echo(int fd)
{
    char buf[100];
    ssize_t n;
    while ((n = bide_recv(fd, buf, sizeof(buf), 0)) > 0)
        if ((n = bide_send_all(fd, buf, (size_t)n, 0)) < 0)
            break;
    bide_close(fd);
    return (int)n;
}
ASYNC(int, echo, int)

static int serve(int listener, int count)
{
    scope(s)
        while (count-- > 0) {
            int fd = bide_accept(listener, NULL, NULL, 0);
            if (fd >= 0)
                spawn(&s, async(echo, fd));
        }
    return 0;
}
ASYNC(int, serve, int, int)

static int ask(const char *host, uint16_t port)
{
    char buf[6] = "";
    int fd = bide_tcp_dial(host, port, NULL);
    if (fd < 0)
        return fd;
    ssize_t n = bide_send_all(fd, "hello", 5, 0);
    if (n == 5)
        n = bide_read_all(fd, buf, 5);
    bide_close(fd);
    return n < 0 ? (int)n : n == 5 && strcmp(buf, "hello") == 0 ? 0 : -EBADMSG;
}
ASYNC(int, ask, const char *, uint16_t)

static int echoes(const char *at, const char *host)
{
    int listener = bide_tcp_listen(at, 0, NULL);
    CHECK_OR(listener >= 0, 1);
    uint16_t port = (uint16_t)bide_tcp_port(listener);
    let server = async(serve, listener, 3);
    let a = async(ask, host, port);
    let b = async(ask, host, port);
    let c = async(ask, host, port);
    join(&server, &a, &b, &c);
    CHECK_OR(!a.value && !b.value && !c.value, 2);
    bide_close(listener);
    CHECK_OR(ask(host, port) == -ECONNREFUSED, 3);
    return 0;
}
ASYNC(int, echoes, const char *, const char *)

TEST(echoes_over_tcp)
{
    SIMULATE(quiet, async(echoes, "127.0.0.1", "127.0.0.1"));
    SIMULATE(slow, async(echoes, "127.0.0.1", "127.0.0.1"));
    SIMULATE(slow, async(echoes, "10.1.2.3", "10.1.2.3"));
    SIMULATE(slow, async(echoes, "", "10.1.2.3"));
    SIMULATE(slow, async(echoes, "::1", "::1"));
}

static int latency_is_exact(void)
{
    int listener = bide_tcp_listen("127.0.0.1", 80, NULL);
    bide_time start = bide_now();
    let server = async(serve, listener, 1);
    let client = async(ask, "127.0.0.1", 80);
    join(&server, &client);
    bide_close(listener);
    /* The connect and its answer, the request and its echo, the end. */
    CHECK_OR(bide_now() - start == 5 * 7 * BIDE_MS, 1);
    return client.value;
}
ASYNC(int, latency_is_exact)

TEST(latency)
{
    const struct bide_sim_faults faults = { .latency_least = 7 * BIDE_MS,
                                            .latency_most = 7 * BIDE_MS };
    SIMULATE(faults, async(latency_is_exact));
}

static int addresses(void)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = { htonl(0x0a000007) }
    };
    struct sockaddr_in seen = { 0 };
    socklen_t size = sizeof(seen);
    int listener = bide_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OR(bide_bind(listener, (void *)&addr, sizeof(addr)) == 0, 1);
    CHECK_OR(bide_listen(listener, 5) == 0, 2);
    int other = bide_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OR(bide_bind(other, (void *)&addr, sizeof(addr)) == -EADDRINUSE, 3);
    CHECK_OR(bide_connect(other, (void *)&addr, sizeof(addr)) == 0, 4);
    CHECK_OR(bide_connect(other, (void *)&addr, sizeof(addr)) == -EISCONN, 5);
    int fd = bide_accept(listener, (void *)&seen, &size, 0);
    CHECK_OR(fd >= 0 && size == sizeof(seen) && seen.sin_addr.s_addr == htonl(0x0a000001), 6);
    struct sockaddr_in own = { 0 };
    size = sizeof(own);
    CHECK_OR(bide_getsockname(other, (void *)&own, &size) == 0, 7);
    CHECK_OR(own.sin_port == seen.sin_port && own.sin_addr.s_addr == seen.sin_addr.s_addr, 8);
    CHECK_OR(bide_getpeername(fd, (void *)&own, &size) == 0 && own.sin_port == seen.sin_port, 9);
    CHECK_OR(bide_accept(other, NULL, NULL, 0) == -EINVAL, 9);
    int value = 1;
    size = sizeof(value);
    CHECK_OR(bide_getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) == 0 && !value, 10);
    bide_close(listener);
    bide_close(other);
    bide_close(fd);
    CHECK_OR(bide_socket(AF_NETLINK, SOCK_RAW, 0) == -EAFNOSUPPORT, 11);
    return 0;
}
ASYNC(int, addresses)

TEST(names_of_sockets)
{
    SIMULATE(quiet, async(addresses));
}

/* Connects wait, with growing intervals, until the backlog has room, or for so long. */
static int backlogs(void)
{
    struct bide_tcp_options options = { .backlog = 1 };
    int listener = bide_tcp_listen("127.0.0.1", 80, &options);
    let first = async(bide_tcp_dial, "127.0.0.1", 80, NULL);
    let second = async(bide_tcp_dial, "127.0.0.1", 80, NULL);
    bide_time start = bide_now();
    CHECK_OR(race(&first, &second) >= 0 && bide_now() == start, 1);
    bide_close(first.value >= 0 ? first.value : second.value);
    CHECK_OR(bide_tcp_dial("127.0.0.1", 80, NULL) == -ETIMEDOUT, 2);
    CHECK_OR(bide_now() == start + 63 * BIDE_S, 3);
    let third = async(bide_tcp_dial, "127.0.0.1", 80, NULL);
    let accept = async(bide_accept, listener, NULL, NULL, 0);
    CHECK_OR(try_join(&third, &accept) == 0 && bide_now() <= start + 64 * BIDE_S, 4);
    bide_close(accept.value);
    bide_close(third.value);
    bide_close(listener);
    return 0;
}
ASYNC(int, backlogs)

/* Of several listeners that share a port each gets some. */
static int shared_ports(void)
{
    struct bide_tcp_options options = { .reuse_port = 1 };
    int listeners[2], counts[2] = { 0 }, fds[20];
    for (int i = 0; i < 2; i++)
        CHECK_OR((listeners[i] = bide_tcp_listen("127.0.0.1", 80, &options)) >= 0, 1);
    CHECK_OR(bide_tcp_listen("127.0.0.1", 80, NULL) == -EADDRINUSE, 2);
    for (int i = 0; i < 20; i++)
        CHECK_OR((fds[i] = bide_tcp_dial("127.0.0.1", 80, NULL)) >= 0, 3);
    for (int i = 0; i < 2; i++) {
        while (bide_poll(listeners[i], POLLIN) & POLLIN && counts[i] < 20) {
            let next = async(bide_accept, listeners[i], NULL, NULL, 0);
            if (within(BIDE_MS, &next) < 0)
                break;
            counts[i]++;
            bide_close(next.value);
            if (counts[0] + counts[1] == 20)
                break;
            let more = async(bide_poll, listeners[i], POLLIN);
            if (within(BIDE_MS, &more) < 0)
                break;
        }
        bide_close(listeners[i]);
    }
    for (int i = 0; i < 20; i++)
        bide_close(fds[i]);
    CHECK_OR(counts[0] + counts[1] == 20 && counts[0] > 1 && counts[1] > 1, 4);
    return 0;
}
ASYNC(int, shared_ports)

TEST(listeners)
{
    SIMULATE(quiet, async(backlogs));
    SIMULATE(quiet, async(shared_ports));
}

static int unix_sockets(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/nowhere/socket" };
    int listener = bide_socket(AF_UNIX, SOCK_STREAM, 0);
    int client = bide_socket(AF_UNIX, SOCK_STREAM, 0);
    char c = 0;
    CHECK_OR(bide_connect(client, (void *)&addr, sizeof(addr)) == -ECONNREFUSED, 1);
    CHECK_OR(bide_bind(listener, (void *)&addr, sizeof(addr)) == 0, 2);
    CHECK_OR(bide_listen(listener, 1) == 0, 3);
    CHECK_OR(bide_connect(client, (void *)&addr, sizeof(addr)) == 0, 4);
    CHECK_OR(bide_send(client, "x", 1, 0) == 1, 5);
    int fd = bide_accept(listener, NULL, NULL, 0);
    CHECK_OR(fd >= 0 && bide_recv(fd, &c, 1, 0) == 1 && c == 'x', 6);
    bide_close(listener);
    bide_close(client);
    CHECK_OR(bide_recv(fd, &c, 1, 0) == 0 && bide_send(fd, "x", 1, 0) == -EPIPE, 7);
    bide_close(fd);
    return 0;
}
ASYNC(int, unix_sockets)

TEST(sockets_of_the_machine)
{
    SIMULATE(quiet, async(unix_sockets));
}

/* A pair of connected TCP sockets. */
static int connected(int ends[2])
{
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    ends[0] = bide_tcp_dial("127.0.0.1", (uint16_t)bide_tcp_port(listener), NULL);
    ends[1] = bide_accept(listener, NULL, NULL, 0);
    bide_close(listener);
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

static int half_close(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(connected(ends) == 0, 1);
    CHECK_OR(bide_send(ends[0], "abc", 3, 0) == 3 && bide_shutdown(ends[0], SHUT_WR) == 0, 2);
    CHECK_OR(bide_send(ends[0], "d", 1, 0) == -EPIPE, 3);
    CHECK_OR(bide_read_all(ends[1], buf, 8) == 3, 4);
    CHECK_OR(bide_poll(ends[1], POLLRDHUP) & POLLRDHUP, 5);
    CHECK_OR(bide_send(ends[1], "efg", 3, 0) == 3 && bide_read_all(ends[0], buf, 3) == 3, 6);
    close_both(ends);
    return 0;
}
ASYNC(int, half_close)

TEST(one_direction_ends)
{
    SIMULATE(quiet, async(half_close));
}

/* Who closes with unread data, or gets data after it has closed, resets the connection. */
static int resets(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(connected(ends) == 0, 1);
    CHECK_OR(bide_send(ends[0], "abc", 3, 0) == 3, 2);
    CHECK_OR(bide_poll(ends[1], POLLIN) & POLLIN, 3);
    bide_close(ends[1]);
    CHECK_OR(bide_recv(ends[0], buf, 8, 0) == -ECONNRESET, 4);
    CHECK_OR(bide_recv(ends[0], buf, 8, 0) == 0 && bide_send(ends[0], "d", 1, 0) == -EPIPE, 5);
    bide_close(ends[0]);
    CHECK_OR(connected(ends) == 0, 6);
    bide_close(ends[1]);
    CHECK_OR(bide_recv(ends[0], buf, 8, 0) == 0, 7);
    CHECK_OR(bide_send(ends[0], "d", 1, 0) == 1, 8); /* it is not known yet */
    CHECK_OR(bide_poll(ends[0], 0) & POLLERR, 9);
    CHECK_OR(bide_send(ends[0], "d", 1, 0) == -ECONNRESET, 10);
    bide_close(ends[0]);
    return 0;
}
ASYNC(int, resets)

TEST(connections_are_reset)
{
    SIMULATE(quiet, async(resets));
}

static int flags(void)
{
    int ends[2];
    char buf[8] = "";
    CHECK_OR(bide_socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, 1);
    CHECK_OR(bide_recv(ends[0], buf, 8, MSG_DONTWAIT) == -EAGAIN, 2);
    CHECK_OR(bide_send(ends[1], "abc", 3, 0) == 3, 3);
    CHECK_OR(bide_recv(ends[0], buf, 8, MSG_PEEK) == 3, 4);
    let all = async(bide_recv, ends[0], buf, 6, MSG_WAITALL);
    let more = async(bide_send, ends[1], "def", 3, 0);
    join(&all, &more);
    CHECK_OR(all.value == 6 && memcmp(buf, "abcdef", 6) == 0, 5);
    CHECK_OR(bide_recv(ends[0], buf, 1, MSG_OOB) == -EOPNOTSUPP, 6);
    CHECK_OR(bide_pread(ends[0], buf, 1, 0) == -ESPIPE && bide_fsync(ends[0]) == -EINVAL, 7);
    close_both(ends);
    return 0;
}
ASYNC(int, flags)

TEST(flags_of_receiving)
{
    SIMULATE(quiet, async(flags));
}

/* ---- datagrams ---- */

static int udp(uint32_t ip, uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(ip) }
    };
    int fd = bide_socket(AF_INET, SOCK_DGRAM, 0);
    if (bide_bind(fd, (void *)&addr, sizeof(addr)) == 0)
        return fd;
    bide_close(fd);
    return -1;
}

static ssize_t send_to(int fd, const char *text, uint32_t ip, uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(ip) }
    };
    struct iovec part = { (void *)text, strlen(text) };
    struct msghdr msg = {
        .msg_name = &addr, .msg_namelen = sizeof(addr), .msg_iov = &part, .msg_iovlen = 1
    };
    return bide_sendmsg(fd, &msg, 0);
}

static int datagrams(void)
{
    int a = udp(0x0a000001, 1000), b = udp(INADDR_ANY, 2000);
    char buf[8] = "";
    struct sockaddr_in from = { 0 };
    struct iovec part = { buf, 3 };
    struct msghdr msg = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
    };
    CHECK_OR(a >= 0 && b >= 0 && udp(0x0a000001, 1000) == -1, 1);
    CHECK_OR(bide_send(a, "x", 1, 0) == -EDESTADDRREQ, 2);
    CHECK_OR(send_to(a, "hello", 0x0a000002, 2000) == 5, 3);
    CHECK_OR(bide_recvmsg(b, &msg, 0) == 3 && msg.msg_flags == MSG_TRUNC, 4);
    CHECK_OR(memcmp(buf, "hel", 3) == 0 && from.sin_port == htons(1000), 5);
    CHECK_OR(bide_connect(b, (void *)&from, sizeof(from)) == 0, 6);
    CHECK_OR(bide_send(b, "yes", 3, 0) == 3 && bide_recv(a, buf, 8, 0) == 3, 7);
    bide_close(a);
    CHECK_OR(bide_send(b, "no", 2, 0) == 2 && bide_recv(b, buf, 8, 0) == -ECONNREFUSED, 8);
    bide_close(b);
    return 0;
}
ASYNC(int, datagrams)

static int local_datagrams(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(bide_socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0, 1);
    let one = async(bide_recv, ends[0], buf, 8, 0);
    let two = async(bide_send, ends[1], "abc", 3, 0);
    join(&one, &two);
    CHECK_OR(one.value == 3 && bide_send(ends[1], "", 0, 0) == 0, 2);
    CHECK_OR(bide_recv(ends[0], buf, 8, 0) == 0, 3);
    for (int i = 0; i < 64; i++)
        CHECK_OR(bide_send(ends[1], "x", 1, MSG_DONTWAIT) == 1, 4);
    CHECK_OR(bide_send(ends[1], "x", 1, MSG_DONTWAIT) == -EAGAIN, 5);
    bide_close(ends[0]);
    CHECK_OR(bide_send(ends[1], "x", 1, 0) == -ECONNREFUSED, 6);
    bide_close(ends[1]);
    return 0;
}
ASYNC(int, local_datagrams)

static int shut_datagrams(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(bide_socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0, 1);
    CHECK_OR(bide_send(ends[1], "hello", 5, 0) == 5 && bide_shutdown(ends[0], SHUT_RD) == 0, 2);
    CHECK_OR(bide_send(ends[1], "no", 2, 0) == -EPIPE, 3);
    CHECK_OR(bide_poll(ends[0], POLLIN) == POLLIN && bide_recv(ends[0], buf, 8, 0) == 5, 4);
    CHECK_OR(bide_poll(ends[0], POLLIN) == POLLIN && bide_recv(ends[0], buf, 8, 0) == 0, 5);
    close_both(ends);
    return 0;
}
ASYNC(int, shut_datagrams)

/* Left open, with a datagram that nobody has read, whose sender is gone. */
static int leaves_one(void)
{
    int a = udp(0x0a000001, 1000), b = udp(0x0a000002, 2000);
    struct sockaddr_in to = { .sin_family = AF_INET };
    socklen_t size = sizeof(to);
    CHECK_OR(bide_getsockname(b, (void *)&to, &size) == 0, 1);
    CHECK_OR(bide_connect(a, (void *)&to, size) == 0 && bide_send(a, "x", 1, 0) == 1, 2);
    CHECK_OR(bide_poll(b, POLLIN) == POLLIN, 3);
    bide_close(a);
    return 0;
}
ASYNC(int, leaves_one)

TEST(what_is_left_is_freed)
{
    struct bide_sim sim = { .seed = 1, .result = &result };
    CHECK_EQ(bide_sim_run(&sim, async(leaves_one)), 0);
    CHECK_EQ(result.descriptors, 1);
}

TEST(datagrams_keep_their_bounds)
{
    SIMULATE(quiet, async(datagrams));
    SIMULATE(quiet, async(local_datagrams));
    SIMULATE(quiet, async(shut_datagrams));
}

/* ---- cancelling ---- */

static int cancel_each(void)
{
    int ends[2], pair[2];
    char buf[8] = "";
    CHECK_OR(connected(ends) == 0 && bide_pipe(pair) == 0, 1);
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    struct iovec part = { buf, 8 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    let recv = async(bide_recv, ends[0], buf, 8, 0);
    let recvmsg = async(bide_recvmsg, ends[0], &msg, 0);
    let read = async(bide_read, pair[0], buf, 8);
    let readv = async(bide_readv, pair[0], &part, 1);
    let poll = async(bide_poll, ends[1], POLLIN);
    let accept = async(bide_accept, listener, NULL, NULL, 0);
    let sleep = async(bide_sleep, BIDE_MS);
    CHECK_OR(race(&recv, &recvmsg, &read, &readv, &poll, &accept, &sleep) == 6, 2);
    CHECK_OR(recv.value == -ECANCELED && recvmsg.value == -ECANCELED, 3);
    CHECK_OR(read.value == -ECANCELED && readv.value == -ECANCELED, 4);
    CHECK_OR(poll.value == -ECANCELED && accept.value == -ECANCELED, 5);
    let full = async(drain, ends[1], SIZE_MAX); /* nothing was lost, and all can go on */
    let some = async(pump, ends[0], 1000);
    CHECK_OR(race(&full, &some) == 1 && some.value == 1000, 6);
    let fill = async(pump, pair[1], LARGE);
    CHECK_OR(within(BIDE_MS, &fill) == -ETIMEDOUT && fill.value == -ETIMEDOUT, 7);
    CHECK_OR(bide_read(pair[0], buf, 8) > 0 && buf[0] == pattern(0), 8);
    bide_close(listener);
    close_both(ends);
    close_both(pair);
    return 0;
}
ASYNC(int, cancel_each)

static int cancel_connect(void)
{
    int listener = bide_tcp_listen("127.0.0.1", 80, NULL);
    let dial = async(bide_tcp_dial, "127.0.0.1", 80, NULL);
    CHECK_OR(within(1500 * BIDE_US, &dial) == -ETIMEDOUT && dial.value == -ETIMEDOUT, 1);
    char c;
    int fd = bide_accept(listener, NULL, NULL, 0);
    CHECK_OR(fd >= 0, 2);
    ssize_t n = bide_recv(fd, &c, 1, 0);
    CHECK_OR(n == -ECONNRESET, 3);
    bide_close(fd);
    bide_close(listener);
    return 0;
}
ASYNC(int, cancel_connect)

static int close_ends_waits(void)
{
    int ends[2];
    char buf[8];
    CHECK_OR(bide_pipe(ends) == 0, 1);
    let read = async(bide_read, ends[0], buf, 8);
    let close = async(bide_close, ends[0]);
    join(&read, &close);
    CHECK_OR(read.value == -EBADF && close.value == 0, 2);
    bide_close(ends[1]);
    return 0;
}
ASYNC(int, close_ends_waits)

TEST(operations_are_cancelled)
{
    SIMULATE(quiet, async(cancel_each));
    SIMULATE(slow, async(cancel_each));
    const struct bide_sim_faults faults = { .latency_least = BIDE_MS, .latency_most = BIDE_MS };
    SIMULATE(faults, async(cancel_connect));
    SIMULATE(quiet, async(close_ends_waits));
}

/* ---- the machine's own descriptors ---- */

static int real_descriptors(void)
{
    int ends[2];
    char buf[8], path[] = "/tmp/sim-XXXXXX";
    CHECK_OR(pipe(ends) == 0, 1);
    CHECK_OR(bide_read(ends[0], buf, 8) == -EOPNOTSUPP && bide_poll(-1, 0) == -EBADF, 2);
    CHECK_OR(bide_poll(ends[0], 0) == -EOPNOTSUPP && bide_poll(ends[1], POLLOUT) == POLLOUT, 2);
    CHECK_OR(bide_write(ends[1], "abc", 3) == 3 && bide_read(ends[0], buf, 8) == 3, 3);
    close_both(ends);
    int fd = mkstemp(path);
    bide_time start = bide_now();
    CHECK_OR(bide_write_all(fd, "abc", 3) == 3 && bide_pread(fd, buf, 8, 1) == 2, 4);
    CHECK_OR(bide_now() > start, 5);
    bide_close(fd);
    CHECK_OR(bide_unlink(path) == 0 && bide_open(path, O_RDONLY, 0) == -ENOENT, 6);
    return 0;
}
ASYNC(int, real_descriptors)

TEST(descriptors_of_the_machine)
{
    SIMULATE(quiet, async(real_descriptors));
}

static int tries_to_wait(void *arg)
{
    int *ends = arg;
    char c = 0;
    CHECK_OR(bide_write(ends[1], "x", 1) == 1 && bide_read(ends[0], &c, 1) == 1, 1);
    return (int)bide_read(ends[0], &c, 1);
}

static int offloads_reads(void)
{
    int ends[2];
    CHECK_OR(bide_pipe(ends) == 0, 1);
    CHECK_OR(bide_offload_call(tries_to_wait, ends) == -EOPNOTSUPP, 2);
    close_both(ends);
    return 0;
}
ASYNC(int, offloads_reads)

static int closes(void *fd)
{
    return bide_close(*(int *)fd);
}

static int offloads_a_close(void)
{
    int ends[2];
    char c;
    CHECK_OR(bide_pipe(ends) == 0, 1);
    let read = async(bide_read, ends[0], &c, 1);
    let close = async(bide_offload_call, closes, &ends[0]);
    join(&read, &close);
    CHECK_OR(read.value == -EBADF && close.value == 0, 2);
    bide_close(ends[1]);
    return 0;
}
ASYNC(int, offloads_a_close)

TEST(an_offloaded_function_cannot_wait)
{
    SIMULATE(quiet, async(offloads_a_close));
    SIMULATE(quiet, async(offloads_reads));
}

TEST_MAIN()
