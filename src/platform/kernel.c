/* platform/kernel.c - bide's operations as plain system calls. Translates errno, once, here. */
#include "platform/reactor.h"

#include "base/memory.h"
#include "base/panic.h"
#include "base/random.h"
#include "platform/descriptors.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct bide__reactor *bide__stand_in;

bide_time bide__clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * BIDE_S + ts.tv_nsec;
}

bide_time bide__wall_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * BIDE_S + ts.tv_nsec;
}

int bide__io_events(const struct bide_io *io)
{
    switch (io->op) {
    case BIDE__OP_READ:
    case BIDE__OP_READV:
    case BIDE__OP_RECV:
    case BIDE__OP_RECVMSG:
    case BIDE__OP_ACCEPT:
        return POLLIN;
    case BIDE__OP_WRITE:
    case BIDE__OP_WRITEV:
    case BIDE__OP_SEND:
    case BIDE__OP_SENDMSG:
    case BIDE__OP_CONNECT:
        return POLLOUT;
    case BIDE__OP_POLL:
        return (int)io->mask;
    default:
        return 0;
    }
}

const char *bide__io_name(enum bide__op op)
{
    static const char *const names[] = {
        [BIDE__OP_READ] = "read", [BIDE__OP_WRITE] = "write", [BIDE__OP_READV] = "readv",
        [BIDE__OP_WRITEV] = "writev", [BIDE__OP_RECV] = "recv", [BIDE__OP_SEND] = "send",
        [BIDE__OP_RECVMSG] = "recvmsg", [BIDE__OP_SENDMSG] = "sendmsg",
        [BIDE__OP_ACCEPT] = "accept", [BIDE__OP_CONNECT] = "connect", [BIDE__OP_POLL] = "poll",
        [BIDE__OP_OPEN] = "open", [BIDE__OP_CLOSE] = "close", [BIDE__OP_FSYNC] = "fsync",
        [BIDE__OP_STATX] = "statx", [BIDE__OP_UNLINK] = "unlink", [BIDE__OP_RENAME] = "rename",
        [BIDE__OP_PIPE] = "pipe", [BIDE__OP_SOCKETPAIR] = "socketpair",
        [BIDE__OP_SOCKET] = "socket", [BIDE__OP_BIND] = "bind", [BIDE__OP_LISTEN] = "listen",
        [BIDE__OP_SHUTDOWN] = "shutdown", [BIDE__OP_SETSOCKOPT] = "setsockopt",
        [BIDE__OP_GETSOCKOPT] = "getsockopt", [BIDE__OP_GETSOCKNAME] = "getsockname",
        [BIDE__OP_GETPEERNAME] = "getpeername",
    };
    return names[op];
}

static ssize_t poll_now(int fd, int events, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = (short)events };
    int n = poll(&p, 1, timeout_ms);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -EAGAIN;
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

/* The second call of a connect that is under way: its outcome, or -EAGAIN. */
static ssize_t connect_outcome(int fd)
{
    ssize_t ready = poll_now(fd, POLLOUT, 0);
    if (ready < 0)
        return ready;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}

static ssize_t connect_step(struct bide_io *io)
{
    if (io->stage)
        return connect_outcome(io->fd);
    if (connect(io->fd, io->buf, io->mask) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return -errno;
    io->stage = 1;
    return -EAGAIN;
}

static int opened(int fd)
{
    if (fd >= 0)
        bide__descriptor_opened(fd);
    return fd;
}

static int both_opened(int error, const int fds[2])
{
    if (error)
        return error;
    opened(fds[0]);
    opened(fds[1]);
    return 0;
}

static ssize_t pair_call(struct bide_io *io)
{
    if (bide__faulted()) {
        errno = EMFILE;
        return -1;
    }
    if (io->op == BIDE__OP_PIPE)
        return both_opened(pipe2(io->buf, O_CLOEXEC | O_NONBLOCK), io->buf);
    int type = io->flags | SOCK_CLOEXEC | SOCK_NONBLOCK;
    return both_opened(socketpair(io->fd, type, (int)io->mask, io->buf), io->buf);
}

static ssize_t socket_call(struct bide_io *io)
{
    switch (io->op) {
    case BIDE__OP_PIPE:
    case BIDE__OP_SOCKETPAIR:
        return pair_call(io);
    case BIDE__OP_SOCKET:
        if (bide__faulted()) {
            errno = EMFILE;
            return -1;
        }
        return opened(socket(io->fd, io->flags | SOCK_CLOEXEC | SOCK_NONBLOCK, (int)io->mask));
    case BIDE__OP_BIND:
        return bind(io->fd, io->buf, io->mask);
    case BIDE__OP_LISTEN:
        return listen(io->fd, io->flags);
    case BIDE__OP_SHUTDOWN:
        return shutdown(io->fd, io->flags);
    case BIDE__OP_SETSOCKOPT:
        return setsockopt(io->fd, io->flags, (int)io->offset, io->buf, io->mask);
    case BIDE__OP_GETSOCKOPT:
        return getsockopt(io->fd, io->flags, (int)io->offset, io->buf, io->buf2);
    case BIDE__OP_GETSOCKNAME:
        return getsockname(io->fd, io->buf, io->buf2);
    case BIDE__OP_GETPEERNAME:
        return getpeername(io->fd, io->buf, io->buf2);
    default:
        bide__panic("bug: operation %d is unknown", io->op);
    }
}

static ssize_t perform_once(struct bide_io *io, int msg_flags)
{
    bool positioned = bide__io_positioned(io);
    switch (io->op) {
    case BIDE__OP_READ:
        return positioned ? pread(io->fd, io->buf, io->size, io->offset)
                          : read(io->fd, io->buf, io->size);
    case BIDE__OP_WRITE:
        return positioned ? pwrite(io->fd, io->buf, io->size, io->offset)
                          : write(io->fd, io->buf, io->size);
    case BIDE__OP_READV:
        return readv(io->fd, io->buf, (int)io->size);
    case BIDE__OP_WRITEV:
        return writev(io->fd, io->buf, (int)io->size);
    case BIDE__OP_RECV:
        return recv(io->fd, io->buf, io->size, io->flags | msg_flags);
    case BIDE__OP_SEND:
        return send(io->fd, io->buf, io->size, io->flags | msg_flags);
    case BIDE__OP_RECVMSG:
        return recvmsg(io->fd, io->buf, io->flags | msg_flags);
    case BIDE__OP_SENDMSG:
        return sendmsg(io->fd, io->buf, io->flags | msg_flags);
    case BIDE__OP_ACCEPT:
        return opened(accept4(io->fd, io->buf, io->buf2, io->flags));
    case BIDE__OP_OPEN:
        return openat(io->fd, io->buf, io->flags, io->mask);
    case BIDE__OP_CLOSE:
        bide__descriptor_closing(io->fd);
        return close(io->fd);
    case BIDE__OP_FSYNC:
        return io->flags ? fdatasync(io->fd) : fsync(io->fd);
    case BIDE__OP_STATX:
        return statx(io->fd, io->buf, io->flags, io->mask, io->buf2);
    case BIDE__OP_UNLINK:
        return unlinkat(io->fd, io->buf, io->flags);
    case BIDE__OP_RENAME:
        return renameat(io->fd, io->buf, io->fd, io->buf2);
    default:
        return socket_call(io);
    }
}

static ssize_t perform(struct bide_io *io, bool dontwait)
{
    for (;;) {
        ssize_t result;
        if (io->op == BIDE__OP_CONNECT) {
            result = connect_step(io);
        } else if (io->op == BIDE__OP_POLL) {
            result = poll_now(io->fd, (int)io->mask, dontwait ? 0 : -1);
        } else {
            result = perform_once(io, dontwait ? MSG_DONTWAIT : 0);
            if (result < 0)
                result = -errno;
        }
        /* A close that was interrupted has closed (close(2)). */
        if (result != -EINTR)
            return result;
        if (io->op == BIDE__OP_CLOSE)
            return 0;
    }
}

ssize_t bide__io_perform(struct bide_io *io, bool dontwait)
{
    int saved = errno; /* the caller's affair */
    ssize_t result = perform(io, dontwait);
    errno = saved;
    return result;
}

/* Perform with SIGPIPE held back: it is taken from the thread if the call raised it. */
static ssize_t perform_without_sigpipe(struct bide_io *io)
{
    sigset_t pipe_only, before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t result = bide__io_perform(io, false);
    if (result == -EPIPE && !sigismember(&before, SIGPIPE))
        sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

ssize_t bide__io_block(struct bide_io *io)
{
    bool writes = io->op == BIDE__OP_WRITE || io->op == BIDE__OP_WRITEV;
    for (;;) {
        ssize_t result = writes ? perform_without_sigpipe(io) : bide__io_perform(io, false);
        if (result != -EAGAIN || !bide__io_events(io) || io->flags & MSG_DONTWAIT)
            return result;
        result = poll_now(io->fd, bide__io_events(io), -1);
        if (result < 0 && result != -EINTR)
            return result;
    }
}

ssize_t bide__kernel_call(struct bide__reactor *reactor, struct bide_io *io)
{
    bide__reactor_calls(reactor);
    return bide__io_perform(io, true);
}

bide_time bide__kernel_now(struct bide__reactor *reactor)
{
    (void)reactor;
    return bide__clock();
}

int bide__kernel_wake_fd(void)
{
    if (bide__faulted())
        return -EMFILE;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

bide_time bide__kernel_wall(struct bide__reactor *reactor)
{
    (void)reactor;
    return bide__wall_clock();
}

/* Seeded from the clocks and a count of threads. */
uint64_t bide__kernel_random(struct bide__reactor *reactor)
{
    static uint64_t threads; /* atomic */
    static __thread uint64_t state;
    static __thread bool seeded;
    (void)reactor;
    if (!seeded) {
        state = bide__mix((uint64_t)bide__clock()) ^
                bide__mix((uint64_t)bide__wall_clock() + BIDE__GOLDEN);
        state += __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED) * BIDE__GOLDEN;
        state = bide__mix(state);
        seeded = true;
    }
    return bide__random_next(&state);
}

void bide__kernel_wake(struct bide__reactor *reactor)
{
    int saved = errno; /* a signal handler's caller may be reading it */
    uint64_t one = 1;
    ssize_t written = write(reactor->wake_fd, &one, sizeof(one));
    (void)written; /* full means that a wake is pending already */
    errno = saved;
}

void bide__kernel_drain_wake(struct bide__reactor *reactor)
{
    uint64_t count;
    ssize_t got = read(reactor->wake_fd, &count, sizeof(count));
    (void)got; /* nothing there is as good */
}
