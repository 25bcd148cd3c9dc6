/* io.c - the operations on pipes, sockets and files, on blocking and non-blocking descriptors. */
#include "fiber.h"

#include <arpa/inet.h>
#include <bide/net.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/stat.h>

static void make_pipe(int ends[2], bool nonblocking)
{
    if (pipe2(ends, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)) < 0)
        test_fail(__FILE__, __LINE__, "pipe: %s", strerror(errno));
}

static void make_pair(int ends[2], int type, bool nonblocking)
{
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0, ends) < 0)
        test_fail(__FILE__, __LINE__, "socketpair: %s", strerror(errno));
}

static void close_both(int ends[2])
{
    bide_close(ends[0]);
    bide_close(ends[1]);
}

/* ---- large transfers ---- */

static char pattern(size_t i)
{
    return (char)(i * 7 + i / 251);
}

enum form { WRITE, WRITEV, SEND, SENDMSG };

static long pump(int fd, size_t size, enum form form)
{
    char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
    size_t done = 0;
    while (done < size) {
        size_t half = (size - done) / 2;
        struct iovec parts[2] = { { data + done, half },
                                  { data + done + half, size - done - half } };
        struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
        ssize_t n = form == WRITE    ? bide_write(fd, data + done, size - done)
                    : form == WRITEV ? bide_writev(fd, parts, 2)
                    : form == SEND   ? bide_send(fd, data + done, size - done, 0)
                                     : bide_sendmsg(fd, &msg, 0);
        if (n <= 0) {
            free(data);
            return n;
        }
        done += (size_t)n;
    }
    free(data);
    return (long)size;
}
BIDE_ASYNC(long, pump, int, size_t, enum form)

static long drain(int fd, size_t size, enum form form)
{
    char *data = malloc(size + 1);
    size_t done = 0;
    ssize_t n = 1;
    while (n > 0 && done < size) {
        struct iovec parts[2] = { { data + done, 1 }, { data + done + 1, size - done } };
        struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
        n = form == WRITE    ? bide_read(fd, data + done, size - done)
            : form == WRITEV ? bide_readv(fd, parts, 2)
            : form == SEND   ? bide_recv(fd, data + done, size - done, 0)
                             : bide_recvmsg(fd, &msg, 0);
        if (n > 0)
            done += (size_t)n;
    }
    size_t same = 0;
    while (same < done && data[same] == pattern(same))
        same++;
    free(data);
    return n < 0 ? n : (long)same;
}
BIDE_ASYNC(long, drain, int, size_t, enum form)

static void transfer(int ends[2], enum form form)
{
    size_t size = test_small() ? 300000 : 3000000;
    bide_let writer = bide_async(pump, ends[1], size, form);
    bide_let reader = bide_async(drain, ends[0], size, form);
    CHECK_EQ(bide_join(&writer, &reader), 0);
    CHECK_EQ(writer.value, size);
    CHECK_EQ(reader.value, size);
    close_both(ends);
}

FIBER_TEST(large_transfers)
{
    int ends[2];
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        for (enum form form = WRITE; form <= WRITEV; form++) {
            make_pipe(ends, nonblocking);
            transfer(ends, form);
        }
        for (enum form form = WRITE; form <= SENDMSG; form++) {
            make_pair(ends, SOCK_STREAM, nonblocking);
            transfer(ends, form);
        }
    }
}

FIBER_TEST(pairs_made_by_bide)
{
    int ends[2];
    for (enum form form = WRITE; form <= WRITEV; form++) {
        CHECK_EQ(bide_pipe(ends), 0);
        CHECK(fcntl(ends[0], F_GETFD) & FD_CLOEXEC && fcntl(ends[1], F_GETFL) & O_NONBLOCK);
        transfer(ends, form);
    }
    for (enum form form = WRITE; form <= SENDMSG; form++) {
        CHECK_EQ(bide_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        CHECK(fcntl(ends[0], F_GETFD) & FD_CLOEXEC && fcntl(ends[1], F_GETFL) & O_NONBLOCK);
        transfer(ends, form);
    }
    CHECK_EQ(bide_socketpair(AF_INET, SOCK_STREAM, 0, ends), -EOPNOTSUPP);
    CHECK_EQ(bide_pipe(ends), 0);
    CHECK_EQ(bide_read(ends[1], ends, 1), -EBADF);
    bide_close(ends[1]);
    CHECK_EQ(bide_read(ends[0], ends, 1), 0);
    bide_close(ends[0]);
}

FIBER_TEST(all_of_a_buffer)
{
    int ends[2];
    size_t size = 300000;
    char *out = malloc(size), *in = calloc(1, size);
    memset(out, 'x', size);
    make_pair(ends, SOCK_STREAM, false);
    bide_let writer = bide_async(bide_send_all, ends[1], out, size, 0);
    bide_let reader = bide_async(bide_read_all, ends[0], in, size);
    CHECK_EQ(bide_join(&writer, &reader), 0);
    CHECK_EQ(writer.value, size);
    CHECK_EQ(reader.value, size);
    CHECK_EQ(memcmp(in, out, size), 0);
    CHECK_EQ(bide_write_all(ends[1], "abc", 3), 3);
    bide_close(ends[1]);
    CHECK_EQ(bide_read_all(ends[0], in, size), 3); /* less, at the end */
    bide_close(ends[0]);
    free(in);
    free(out);
}

/* ---- ends and errors ---- */

FIBER_TEST(end_of_stream)
{
    int ends[2];
    char c;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        make_pipe(ends, nonblocking);
        CHECK_EQ(bide_write(ends[1], "x", 1), 1);
        bide_close(ends[1]);
        CHECK_EQ(bide_read(ends[0], &c, 1), 1);
        CHECK_EQ(bide_read(ends[0], &c, 1), 0);
        CHECK_EQ(bide_read(ends[0], &c, 1), 0);
        bide_close(ends[0]);
    }
}

/* Whoever waits is told of an end that comes. */
FIBER_TEST(end_of_stream_while_waiting)
{
    int ends[2];
    char c;
    make_pair(ends, SOCK_STREAM, true);
    bide_let f = bide_async(bide_recv, ends[0], &c, 1, 0);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        bide_close(ends[1]);
        CHECK_EQ(bide_await(&f), 0);
    }
    bide_close(ends[0]);
}

FIBER_TEST(peer_gone_is_epipe_without_sigpipe)
{
    int ends[2];
    struct iovec part = { "x", 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    make_pipe(ends, false);
    bide_close(ends[0]);
    CHECK_EQ(bide_write(ends[1], "x", 1), -EPIPE);
    CHECK_EQ(bide_writev(ends[1], &part, 1), -EPIPE);
    bide_close(ends[1]);
    make_pair(ends, SOCK_STREAM, false);
    bide_close(ends[0]);
    CHECK_EQ(bide_write(ends[1], "x", 1), -EPIPE);
    CHECK_EQ(bide_send(ends[1], "x", 1, 0), -EPIPE);
    CHECK_EQ(bide_sendmsg(ends[1], &msg, 0), -EPIPE);
    bide_close(ends[1]);
}

FIBER_TEST(half_close_with_data_pending)
{
    int ends[2];
    char buf[8];
    make_pair(ends, SOCK_STREAM, true);
    CHECK_EQ(bide_send(ends[1], "ab", 2, 0), 2);
    CHECK_EQ(bide_shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(bide_poll(ends[0], POLLRDHUP) & POLLRDHUP, POLLRDHUP);
    CHECK_EQ(bide_recv(ends[0], buf, 1, 0), 1);
    CHECK_EQ(bide_recv(ends[0], buf, sizeof(buf), 0), 1);
    CHECK_EQ(bide_recv(ends[0], buf, sizeof(buf), 0), 0);
    CHECK_EQ(bide_send(ends[0], "cd", 2, 0), 2); /* the other direction is open */
    CHECK_EQ(bide_recv(ends[1], buf, sizeof(buf), 0), 2);
    close_both(ends);
}

FIBER_TEST(errors)
{
    char c;
    int dir = bide_open("/", O_RDONLY, 0);
    CHECK(dir >= 0);
    CHECK_EQ(bide_read(-1, &c, 1), -EBADF);
    CHECK_EQ(bide_write(-1, "x", 1), -EBADF);
    CHECK_EQ(bide_recv(-1, &c, 1, 0), -EBADF);
    CHECK_EQ(bide_accept(-1, NULL, NULL, 0), -EBADF);
    CHECK_EQ(bide_poll(-1, POLLIN), -EBADF);
    CHECK_EQ(bide_close(-1), -EBADF);
    CHECK_EQ(bide_fsync(-1), -EBADF);
    CHECK_EQ(bide_read(9999, &c, 1), -EBADF);
    CHECK_EQ(bide_poll(9999, POLLIN), -EBADF);
    CHECK_EQ(bide_recv(dir, &c, 1, 0), -ENOTSOCK);
    CHECK_EQ(bide_read(dir, &c, 1), -EISDIR);
    CHECK_EQ(bide_open("/no such file", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(bide_unlink("/no such file"), -ENOENT);
    CHECK_EQ(bide_rename("/no such file", "/another"), -ENOENT);
    CHECK_EQ(bide_socket(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
    CHECK_EQ(bide_close(dir), 0);
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    int port = bide_tcp_port(listener);
    bide_close(listener);
    CHECK_EQ(bide_tcp_dial("127.0.0.1", (uint16_t)port, NULL), -ECONNREFUSED);
    CHECK_EQ(bide_tcp_dial("example.invalid", 80, NULL), -EINVAL);
    CHECK_EQ(bide_tcp_listen("256.0.0.1", 0, NULL), -EINVAL);
}

FIBER_TEST(errno_is_left_alone)
{
    int ends[2];
    char c;
    make_pipe(ends, false);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    errno = 77;
    bide_write(ends[1], "x", 1);
    bide_read(ends[0], &c, 1);
    bide_read(file, &c, 1);
    bide_poll(file, POLLIN);
    bide_read(-1, &c, 1);
    bide_open("/no such file", O_RDONLY, 0);
    bide_socket(12345, SOCK_STREAM, 0);
    CHECK_EQ(errno, 77);
    bide_close(file);
    close_both(ends);
}

FIBER_TEST(nothing_of_nothing)
{
    int ends[2];
    char c;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        make_pipe(ends, nonblocking);
        CHECK_EQ(bide_within(BIDE_S, bide_async(bide_read, ends[0], &c, 0)), 0);
        CHECK_EQ(bide_write(ends[1], &c, 0), 0);
        close_both(ends);
    }
}

FIBER_TEST(dontwait)
{
    int ends[2];
    char c;
    make_pair(ends, SOCK_STREAM, false);
    CHECK_EQ(bide_recv(ends[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(bide_send(ends[1], "x", 1, MSG_DONTWAIT), 1);
    CHECK_EQ(bide_recv(ends[0], &c, 1, MSG_DONTWAIT | MSG_PEEK), 1);
    CHECK_EQ(bide_recv(ends[0], &c, 1, MSG_DONTWAIT), 1);
    CHECK_EQ(bide_recv(ends[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
    close_both(ends);
}

/* ---- several on one descriptor ---- */

struct turn {
    int *next, order;
    char c;
};

static int read_in_turn(int fd, struct turn *turn)
{
    ssize_t n = bide_read(fd, &turn->c, 1);
    turn->order = (*turn->next)++;
    return (int)n;
}
BIDE_ASYNC(int, read_in_turn, int, struct turn *)

static void serve_in_order(bool pair, bool nonblocking, bool late)
{
    enum { WAITERS = 5 };
    int ends[2], next = 0;
    struct turn turns[WAITERS];
    if (pair)
        make_pair(ends, SOCK_STREAM, nonblocking);
    else
        make_pipe(ends, nonblocking);
    BIDE_SCOPE(s) {
        for (int i = 0; i < WAITERS; i++) {
            turns[i] = (struct turn){ .next = &next };
            if (late && i == WAITERS - 1) { /* data is there, and others wait for it */
                settle();
                CHECK_EQ(write(ends[1], "ab", 2), 2);
            }
            bide_spawn(&s, bide_async(read_in_turn, ends[0], &turns[i]));
            bide_yield();
        }
        settle();
        for (int i = late ? 2 : 0; i < WAITERS; i++) {
            CHECK_EQ(write(ends[1], &"abcde"[i], 1), 1);
            if (i % 2)
                settle();
        }
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(turns[i].order, i);
        CHECK_EQ(turns[i].c, "abcde"[i]);
    }
    close_both(ends);
}

FIBER_TEST(first_come_first_served)
{
    for (int i = 0; i < 8; i++) {
        int before = atomic_load(&test_failures);
        serve_in_order(i & 1, i & 2, i & 4);
        if (atomic_load(&test_failures) != before)
            printf("     %s, %sblocking%s\n", i & 1 ? "socket" : "pipe", i & 2 ? "non-" : "",
                   i & 4 ? ", with a late one" : "");
    }
}

FIBER_TEST(both_directions_at_once)
{
    int ends[2];
    make_pair(ends, SOCK_STREAM, true);
    size_t size = 200000;
    bide_let a = bide_async(pump, ends[0], size, SEND);
    bide_let b = bide_async(pump, ends[1], size, SEND);
    bide_let c = bide_async(drain, ends[0], size, SEND);
    bide_let d = bide_async(drain, ends[1], size, SEND);
    CHECK_EQ(bide_join(&a, &b, &c, &d), 0);
    CHECK_EQ(c.value, size);
    CHECK_EQ(d.value, size);
    close_both(ends);
}

FIBER_TEST(close_ends_those_who_wait)
{
    int ends[2];
    for (int i = 0; i < 4; i++) {
        char c[3];
        if (i & 1)
            make_pair(ends, SOCK_STREAM, i & 2);
        else
            make_pipe(ends, i & 2);
        bide_let a = bide_async(bide_read, ends[0], &c[0], 1);
        bide_let b = bide_async(bide_read, ends[0], &c[1], 1);
        bide_let p = bide_async(bide_poll, ends[0], POLLIN);
        BIDE_SCOPE(s) {
            bide_start(&a);
            bide_start(&b);
            bide_start(&p);
            if (i & 1)
                settle();
            CHECK_EQ(bide_close(ends[0]), 0);
            CHECK_EQ(bide_await(&a), -EBADF);
            CHECK_EQ(bide_await(&b), -EBADF);
            CHECK_EQ(bide_await(&p), -EBADF);
        }
        bide_close(ends[1]);
    }
}

/* A number that is closed and given to the next file is that file's. */
FIBER_TEST(descriptor_numbers_are_used_again)
{
    for (int i = 0; i < 50; i++) {
        int ends[2];
        char c = 0;
        if (i % 3 == 0)
            make_pair(ends, SOCK_STREAM, i & 1);
        else
            make_pipe(ends, i & 1);
        bide_let waiting = bide_async(bide_read, ends[0], &c, 1);
        BIDE_SCOPE(s) {
            bide_start(&waiting);
            if (i & 2)
                settle();
            if (i & 4)
                CHECK_EQ(write(ends[1], "x", 1), 1);
            bide_close(ends[0]);
            int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
            CHECK_EQ(fd, ends[0]);
            char zero = 1;
            CHECK_EQ(bide_read(fd, &zero, 1), 1);
            CHECK_EQ(zero, 0);
            bide_close(fd);
        }
        CHECK(waiting.value == -EBADF || (waiting.value == 1 && c == 'x'));
        bide_close(ends[1]);
    }
}

FIBER_TEST(poll_reports_what_holds)
{
    int ends[2];
    make_pair(ends, SOCK_STREAM, true);
    CHECK_EQ(bide_poll(ends[0], POLLIN | POLLOUT), POLLOUT);
    CHECK_EQ(bide_send(ends[1], "x", 1, 0), 1);
    CHECK_EQ(bide_poll(ends[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
    CHECK_EQ(bide_poll(ends[0], POLLIN), POLLIN);
    bide_let in = bide_async(bide_poll, ends[1], POLLIN);
    bide_let hup = bide_async(bide_poll, ends[1], 0);
    BIDE_SCOPE(s) {
        bide_start(&in);
        bide_start(&hup);
        settle();
        CHECK_EQ(bide_send(ends[0], "y", 1, 0), 1);
        CHECK_EQ(bide_await(&in), POLLIN);
        CHECK(!bide_done(&hup));
        bide_close(ends[0]);
        CHECK(bide_await(&hup) & POLLHUP);
    }
    bide_close(ends[1]);
}

/* ---- TCP, UDP ---- */

static int echo_all(int listener)
{
    char buf[1000];
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);
    int fd = bide_accept(listener, (struct sockaddr *)&peer, &size, 0);
    CHECK_OR(fd >= 0 && size == sizeof(peer) && peer.sin_family == AF_INET, -1);
    CHECK_OR(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC, -1);
    ssize_t n;
    while ((n = bide_recv(fd, buf, sizeof(buf), 0)) > 0)
        if ((n = bide_send_all(fd, buf, (size_t)n, 0)) < 0)
            break;
    bide_close(fd);
    return (int)n;
}
BIDE_ASYNC(int, echo_all, int)

static int converse(uint16_t port)
{
    int fd = bide_tcp_dial("localhost", port, NULL);
    CHECK_OR(fd >= 0, -1);
    bide_let out = bide_async(pump, fd, 100000, SEND);
    bide_let in = bide_async(drain, fd, 100000, SEND);
    CHECK_OR(bide_join(&out, &in) == 0 && in.value == 100000, -1);
    CHECK_OR(bide_shutdown(fd, SHUT_WR) == 0, -1);
    char c;
    int end = (int)bide_recv(fd, &c, 1, 0);
    bide_close(fd);
    return end;
}
BIDE_ASYNC(int, converse, uint16_t)

FIBER_TEST(tcp)
{
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    CHECK(listener >= 0);
    for (int i = 0; i < 3; i++) {
        bide_let server = bide_async(echo_all, listener);
        bide_let client = bide_async(converse, (uint16_t)bide_tcp_port(listener));
        CHECK_EQ(bide_try_join(&server, &client), 0);
    }
    bide_close(listener);
}

FIBER_TEST(udp)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    char in[16];
    int a = bide_socket(AF_INET, SOCK_DGRAM, 0), b = bide_socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(bide_bind(a, (struct sockaddr *)&at, size), 0);
    CHECK_EQ(bide_getsockname(a, (struct sockaddr *)&at, &size), 0);
    CHECK_EQ(bide_connect(b, (struct sockaddr *)&at, size), 0);
    struct sockaddr_in from = { 0 };
    struct iovec part = { in, sizeof(in) };
    struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part,
                          .msg_iovlen = 1 };
    bide_let f = bide_async(bide_recvmsg, a, &msg, 0);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        CHECK_EQ(bide_send(b, "hello", 5, 0), 5);
        CHECK_EQ(bide_await(&f), 5);
    }
    CHECK_EQ(msg.msg_namelen, sizeof(from));
    CHECK_EQ(from.sin_family, AF_INET);
    CHECK_EQ(bide_send(b, "", 0, 0), 0);
    CHECK_EQ(bide_recv(a, in, sizeof(in), 0), 0); /* an empty datagram */
    bide_close(a);
    bide_close(b);
}

/* ---- files ---- */

FIBER_TEST(files)
{
    char path[64], other[80], buf[16] = "";
    snprintf(path, sizeof(path), "/tmp/bide-io-%d", getpid());
    snprintf(other, sizeof(other), "%s.other", path);
    int fd = bide_open(path, O_CREAT | O_EXCL | O_RDWR, 0640);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(bide_open(path, O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
    CHECK_EQ(bide_write(fd, "hello ", 6), 6); /* moves the position */
    CHECK_EQ(bide_write(fd, "world", 5), 5);
    CHECK_EQ(bide_pwrite(fd, "J", 1, 0), 1); /* does not */
    CHECK_EQ(bide_read(fd, buf, sizeof(buf)), 0);
    CHECK_EQ(bide_pread(fd, buf, sizeof(buf), 0), 11);
    CHECK_STR(buf, "Jello world");
    CHECK_EQ(lseek(fd, 6, SEEK_SET), 6);
    struct iovec parts[2] = { { buf, 2 }, { buf + 8, 3 } };
    CHECK_EQ(bide_readv(fd, parts, 2), 5);
    CHECK_EQ(memcmp(buf, "wollo wo", 2), 0);
    CHECK_EQ(memcmp(buf + 8, "rld", 3), 0);
    CHECK_EQ(bide_writev(fd, parts, 2), 5);
    CHECK_EQ(bide_pread(fd, buf, 1, 100), 0);
    CHECK_EQ(bide_pread(fd, buf, 1, -1), -EINVAL);
    CHECK_EQ(bide_pwrite(fd, buf, 1, -1), -EINVAL);
    CHECK_EQ(bide_fsync(fd), 0);
    CHECK_EQ(bide_fdatasync(fd), 0);
    struct stat st, plain;
    CHECK_EQ(bide_fstat(fd, &st), 0);
    CHECK_EQ(fstat(fd, &plain), 0);
    CHECK_EQ(st.st_size, 16);
    CHECK(st.st_dev == plain.st_dev && st.st_ino == plain.st_ino && st.st_mode == plain.st_mode);
    CHECK(st.st_mtim.tv_sec == plain.st_mtim.tv_sec && st.st_uid == plain.st_uid);
    CHECK_EQ(bide_poll(fd, POLLIN), POLLIN);
    CHECK_EQ(bide_rename(path, other), 0);
    CHECK_EQ(access(path, F_OK), -1);
    CHECK_EQ(bide_unlink(other), 0);
    CHECK_EQ(bide_close(fd), 0);
}

FIBER_TEST(position_of_a_pipe)
{
    int ends[2];
    char c;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        make_pipe(ends, nonblocking);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(bide_pread(ends[0], &c, 1, 0), -ESPIPE);
        CHECK_EQ(bide_pwrite(ends[1], "x", 1, 0), -ESPIPE);
        close_both(ends);
    }
}

TEST_MAIN()
