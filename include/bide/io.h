/*
 * bide/io.h - the operating system's operations, suspending instead of blocking.
 *
 * Arguments and results are POSIX's, except that an error is a negative errno in the result and
 * errno itself is left alone. Each has its async form: bide_async(bide_recv, fd, buf, n, 0). Each
 * is a leaf: started in place, no stack, no allocation (bide_close and the _all forms are
 * functions).
 *
 * Errors   those of the system call, and -ECANCELED or -ETIMEDOUT (an inherited deadline).
 * Cancel   on -ECANCELED and -ETIMEDOUT the operation had no effect at all, unless its comment says
 *          otherwise. An operation that took effect before its cancellation did keeps its result.
 *          Either way the kernel has let go of every buffer.
 * Buffers  are borrowed: valid until the operation is over.
 * Context  fiber, or a plain thread (then it blocks, whatever the descriptor's O_NONBLOCK
 *          says). Any number of operations may wait on one descriptor; those of one direction
 *          are served first come, first served.
 * -EINTR   is never returned. SIGPIPE is never raised: writing to a peer that is gone is -EPIPE.
 *
 * Regular files: io_uring reads and writes them asynchronously; under epoll they go to
 * the blocking pool.
 */
#ifndef BIDE_IO_H
#define BIDE_IO_H

#include <bide/future.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct statx;

/* ---- streams, pipes, sockets, files ------------------------------------------------------ */

/* Up to size bytes: returns 1..size, or 0 at the end (or when size is 0). read and write use and
 * move the file position, where there is one; pread and pwrite take an offset in bytes. */
BIDE_SUSPENDS BIDE_API ssize_t bide_read(int fd, void *buf, size_t size);
BIDE_SUSPENDS BIDE_API ssize_t bide_write(int fd, const void *buf, size_t size);
BIDE_SUSPENDS BIDE_API ssize_t bide_readv(int fd, const struct iovec *iov, int count);
BIDE_SUSPENDS BIDE_API ssize_t bide_writev(int fd, const struct iovec *iov, int count);
BIDE_SUSPENDS BIDE_API ssize_t bide_pread(int fd, void *buf, size_t size, int64_t offset);
BIDE_SUSPENDS BIDE_API ssize_t bide_pwrite(int fd, const void *buf, size_t size, int64_t offset);

/*
 * bide_read_all, bide_write_all, bide_send_all - until all of size is done.
 *
 * Returns size; read_all less at the end of the stream; or an error, and then an unknown number of
 * bytes were transferred: the stream is of no further use. A cancellation stops them between
 * two operations too.
 */
BIDE_SUSPENDS BIDE_API ssize_t bide_read_all(int fd, void *buf, size_t size);
BIDE_SUSPENDS BIDE_API ssize_t bide_write_all(int fd, const void *buf, size_t size);
BIDE_SUSPENDS BIDE_API ssize_t bide_send_all(int fd, const void *buf, size_t size, int flags);

/*
 * bide_recv - receive at least one byte.
 *
 * @fd        connected socket
 * @buf,size  destination, size >= 1 byte; valid until return, even if cancelled
 * @flags     as recv(2); MSG_DONTWAIT makes it -EAGAIN instead of waiting
 *
 * Returns  1..size bytes; 0 only at end of stream (or for an empty datagram).
 * Errors   -ECANCELED, -ETIMEDOUT (an inherited deadline), or -errno of recv(2).
 * Cancel   on -ECANCELED and -ETIMEDOUT no byte was consumed.
 */
BIDE_SUSPENDS BIDE_API ssize_t bide_recv(int fd, void *buf, size_t size, int flags);

/*
 * bide_send - send at least one byte.
 *
 * Returns 1..size: what the socket's buffer took. MSG_NOSIGNAL is implied.
 * Cancel   on -ECANCELED and -ETIMEDOUT no byte was sent.
 */
BIDE_SUSPENDS BIDE_API ssize_t bide_send(int fd, const void *buf, size_t size, int flags);

BIDE_SUSPENDS BIDE_API ssize_t bide_recvmsg(int fd, struct msghdr *msg, int flags);
BIDE_SUSPENDS BIDE_API ssize_t bide_sendmsg(int fd, const struct msghdr *msg, int flags);

/*
 * bide_accept - the next connection.
 *
 * @addr,addr_size  as accept(2); may be NULL
 * @flags           as accept4(2); SOCK_CLOEXEC and SOCK_NONBLOCK are implied
 *
 * Returns a descriptor, owned by the caller.
 * Cancel  on -ECANCELED and -ETIMEDOUT no connection was taken.
 */
BIDE_SUSPENDS BIDE_API int bide_accept(int fd, struct sockaddr *addr, socklen_t *addr_size,
                                       int flags);

/* bide_connect - returns 0 when connected. On -ECANCELED and -ETIMEDOUT the attempt may still be
 * under way: close the socket. */
BIDE_SUSPENDS BIDE_API int bide_connect(int fd, const struct sockaddr *addr, socklen_t addr_size);

/* bide_poll - until any of events (POLLIN, POLLOUT, POLLRDHUP, ...) holds for fd; POLLERR and
 * POLLHUP always count. Returns the events that hold. */
BIDE_SUSPENDS BIDE_API int bide_poll(int fd, int events);

/* ---- files --------------------------------------------------------------------------------- */

/* bide_open - as open(2); O_CLOEXEC is implied. Returns a descriptor, owned by the caller. */
BIDE_SUSPENDS BIDE_API int bide_open(const char *path, int flags, mode_t mode);

/*
 * bide_close - close fd; operations of this worker that wait on it end with -EBADF.
 *
 * Always closes, cancelled or not. Close with this, not close(2), what bide has operated on.
 * A descriptor may be used and closed by another worker than the one that opened it; but operations
 * of other workers must be over when it is closed: they are not told, and wait until cancelled.
 * Returns 0 or -errno of close(2); the descriptor is gone in either case.
 */
BIDE_SUSPENDS BIDE_API int bide_close(int fd);

BIDE_SUSPENDS BIDE_API int bide_fsync(int fd);
BIDE_SUSPENDS BIDE_API int bide_fdatasync(int fd);
BIDE_SUSPENDS BIDE_API int bide_fstat(int fd, struct stat *ret_stat);
BIDE_SUSPENDS BIDE_API int bide_statx(int dirfd, const char *path, int flags, unsigned mask,
                                      struct statx *ret_statx);

/* On -ECANCELED and -ETIMEDOUT these two may or may not have happened, if they had begun. */
BIDE_SUSPENDS BIDE_API int bide_unlink(const char *path);
BIDE_SUSPENDS BIDE_API int bide_rename(const char *from, const char *to);

/* ---- sockets: these never suspend ---------------------------------------------------------- */

/* As pipe2(2), socket(2), ...; the descriptors close on exec and are non-blocking. Those that the
 * first three give are owned by the caller. */
BIDE_API int bide_pipe(int ret_fds[2]); /* to read from, and to write to */
BIDE_API int bide_socket(int domain, int type, int protocol);
BIDE_API int bide_socketpair(int domain, int type, int protocol, int ret_fds[2]);
BIDE_API int bide_bind(int fd, const struct sockaddr *addr, socklen_t addr_size);
BIDE_API int bide_listen(int fd, int backlog);
BIDE_API int bide_shutdown(int fd, int how);
BIDE_API int bide_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
BIDE_API int bide_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
BIDE_API int bide_getsockname(int fd, struct sockaddr *addr, socklen_t *addr_size);
BIDE_API int bide_getpeername(int fd, struct sockaddr *addr, socklen_t *addr_size);

/* ---- internal: the futures ----------------------------------------------------------------- */

/* The operations that a reactor performs; src/platform/reactor.h documents them. */
enum bide__op {
    BIDE__OP_READ,
    BIDE__OP_WRITE,
    BIDE__OP_READV,
    BIDE__OP_WRITEV,
    BIDE__OP_RECV,
    BIDE__OP_SEND,
    BIDE__OP_RECVMSG,
    BIDE__OP_SENDMSG,
    BIDE__OP_ACCEPT,
    BIDE__OP_CONNECT,
    BIDE__OP_POLL,
    BIDE__OP_OPEN,
    BIDE__OP_CLOSE,
    BIDE__OP_FSYNC,
    BIDE__OP_STATX,
    BIDE__OP_UNLINK,
    BIDE__OP_RENAME,
    /* Those that never wait. */
    BIDE__OP_PIPE,
    BIDE__OP_SOCKETPAIR,
    BIDE__OP_SOCKET,
    BIDE__OP_BIND,
    BIDE__OP_LISTEN,
    BIDE__OP_SHUTDOWN,
    BIDE__OP_SETSOCKOPT,
    BIDE__OP_GETSOCKOPT,
    BIDE__OP_GETSOCKNAME,
    BIDE__OP_GETPEERNAME,
};

/* One operation: what is asked, and the reactor's notes while it is under way. */
struct bide_io {
    uint8_t op;    /* enum bide__op */
    uint8_t stage; /* the reactor's */
    uint8_t offloaded; /* on the blocking pool; or uring.c's */
    uint8_t cancelled; /* its cancellation was asked for */
    int fd;
    int flags;
    unsigned mask;      /* statx's mask, open's mode, poll's events, connect's address size */
    void *buf;          /* or iovec, msghdr, sockaddr, path: as the operation has it */
    void *buf2;         /* or address size, second path, statx result */
    size_t size;        /* bytes, or number of iovecs */
    int64_t offset;     /* -1: the file position */
    ssize_t result;
    union {
        struct bide__list link; /* among those that wait */
        void *job;              /* while offloaded */
    };
};

struct bide_io_future {
    struct bide_future future;
    struct bide_io args;
};

#define BIDE__IO_FUTURE(R, fn)                          \
    struct fn##_future {                                \
        struct bide_future future;                      \
        struct bide_io args;                            \
        R value;                                        \
    };                                                  \
    extern BIDE_API const struct bide_type fn##_type;

#define BIDE__IO_MAKE(fn, ...)                                               \
    return (struct fn##_future)                                              \
    {                                                                        \
        .future = { .type = &fn##_type }, .args = { __VA_ARGS__ }    \
    }

BIDE__IO_FUTURE(ssize_t, bide_read)
BIDE__IO_FUTURE(ssize_t, bide_write)
BIDE__IO_FUTURE(ssize_t, bide_readv)
BIDE__IO_FUTURE(ssize_t, bide_writev)
BIDE__IO_FUTURE(ssize_t, bide_pread)
BIDE__IO_FUTURE(ssize_t, bide_pwrite)
BIDE__IO_FUTURE(ssize_t, bide_recv)
BIDE__IO_FUTURE(ssize_t, bide_send)
BIDE__IO_FUTURE(ssize_t, bide_recvmsg)
BIDE__IO_FUTURE(ssize_t, bide_sendmsg)
BIDE__IO_FUTURE(int, bide_accept)
BIDE__IO_FUTURE(int, bide_connect)
BIDE__IO_FUTURE(int, bide_poll)
BIDE__IO_FUTURE(int, bide_open)
BIDE__IO_FUTURE(int, bide_fsync)
BIDE__IO_FUTURE(int, bide_fdatasync)
BIDE__IO_FUTURE(int, bide_statx)
BIDE__IO_FUTURE(int, bide_unlink)
BIDE__IO_FUTURE(int, bide_rename)

#define BIDE__IO_INLINE static inline BIDE_MUST_USE

BIDE__IO_INLINE struct bide_read_future bide_read_async(int fd, void *buf, size_t size)
{
    BIDE__IO_MAKE(bide_read, .op = BIDE__OP_READ, .fd = fd, .buf = buf, .size = size,
                  .offset = -1);
}
BIDE__IO_INLINE struct bide_write_future bide_write_async(int fd, const void *buf, size_t size)
{
    BIDE__IO_MAKE(bide_write, .op = BIDE__OP_WRITE, .fd = fd, .buf = (void *)buf, .size = size,
                  .offset = -1);
}
BIDE__IO_INLINE struct bide_readv_future bide_readv_async(int fd, const struct iovec *iov,
                                                          int count)
{
    BIDE__IO_MAKE(bide_readv, .op = BIDE__OP_READV, .fd = fd, .buf = (void *)iov,
                  .size = (size_t)count, .offset = -1);
}
BIDE__IO_INLINE struct bide_writev_future bide_writev_async(int fd, const struct iovec *iov,
                                                            int count)
{
    BIDE__IO_MAKE(bide_writev, .op = BIDE__OP_WRITEV, .fd = fd, .buf = (void *)iov,
                  .size = (size_t)count, .offset = -1);
}
BIDE__IO_INLINE struct bide_pread_future bide_pread_async(int fd, void *buf, size_t size,
                                                          int64_t offset)
{
    BIDE__IO_MAKE(bide_pread, .op = BIDE__OP_READ, .fd = fd, .buf = buf, .size = size,
                  .offset = offset, .mask = 1);
}
BIDE__IO_INLINE struct bide_pwrite_future bide_pwrite_async(int fd, const void *buf, size_t size,
                                                            int64_t offset)
{
    BIDE__IO_MAKE(bide_pwrite, .op = BIDE__OP_WRITE, .fd = fd, .buf = (void *)buf, .size = size,
                  .offset = offset, .mask = 1);
}
BIDE__IO_INLINE struct bide_recv_future bide_recv_async(int fd, void *buf, size_t size, int flags)
{
    BIDE__IO_MAKE(bide_recv, .op = BIDE__OP_RECV, .fd = fd, .buf = buf, .size = size,
                  .flags = flags);
}
BIDE__IO_INLINE struct bide_send_future bide_send_async(int fd, const void *buf, size_t size,
                                                        int flags)
{
    BIDE__IO_MAKE(bide_send, .op = BIDE__OP_SEND, .fd = fd, .buf = (void *)buf, .size = size,
                  .flags = flags | MSG_NOSIGNAL);
}
BIDE__IO_INLINE struct bide_recvmsg_future bide_recvmsg_async(int fd, struct msghdr *msg,
                                                              int flags)
{
    BIDE__IO_MAKE(bide_recvmsg, .op = BIDE__OP_RECVMSG, .fd = fd, .buf = msg, .flags = flags);
}
BIDE__IO_INLINE struct bide_sendmsg_future bide_sendmsg_async(int fd, const struct msghdr *msg,
                                                              int flags)
{
    BIDE__IO_MAKE(bide_sendmsg, .op = BIDE__OP_SENDMSG, .fd = fd, .buf = (void *)msg,
                  .flags = flags | MSG_NOSIGNAL);
}
BIDE__IO_INLINE struct bide_accept_future bide_accept_async(int fd, struct sockaddr *addr,
                                                            socklen_t *addr_size, int flags)
{
    BIDE__IO_MAKE(bide_accept, .op = BIDE__OP_ACCEPT, .fd = fd, .buf = addr, .buf2 = addr_size,
                  .flags = flags | SOCK_CLOEXEC | SOCK_NONBLOCK);
}
BIDE__IO_INLINE struct bide_connect_future bide_connect_async(int fd, const struct sockaddr *addr,
                                                              socklen_t addr_size)
{
    BIDE__IO_MAKE(bide_connect, .op = BIDE__OP_CONNECT, .fd = fd, .buf = (void *)addr,
                  .mask = addr_size);
}
BIDE__IO_INLINE struct bide_poll_future bide_poll_async(int fd, int events)
{
    BIDE__IO_MAKE(bide_poll, .op = BIDE__OP_POLL, .fd = fd, .mask = (unsigned)events);
}
BIDE__IO_INLINE struct bide_open_future bide_open_async(const char *path, int flags, mode_t mode)
{
    BIDE__IO_MAKE(bide_open, .op = BIDE__OP_OPEN, .fd = AT_FDCWD, .buf = (void *)path,
                  .flags = flags | O_CLOEXEC, .mask = mode);
}
BIDE__IO_INLINE struct bide_fsync_future bide_fsync_async(int fd)
{
    BIDE__IO_MAKE(bide_fsync, .op = BIDE__OP_FSYNC, .fd = fd);
}
BIDE__IO_INLINE struct bide_fdatasync_future bide_fdatasync_async(int fd)
{
    BIDE__IO_MAKE(bide_fdatasync, .op = BIDE__OP_FSYNC, .fd = fd, .flags = 1);
}
BIDE__IO_INLINE struct bide_statx_future bide_statx_async(int dirfd, const char *path, int flags,
                                                          unsigned mask, struct statx *ret_statx)
{
    BIDE__IO_MAKE(bide_statx, .op = BIDE__OP_STATX, .fd = dirfd, .buf = (void *)path,
                  .buf2 = ret_statx, .flags = flags, .mask = mask);
}
BIDE__IO_INLINE struct bide_unlink_future bide_unlink_async(const char *path)
{
    BIDE__IO_MAKE(bide_unlink, .op = BIDE__OP_UNLINK, .fd = AT_FDCWD, .buf = (void *)path);
}
BIDE__IO_INLINE struct bide_rename_future bide_rename_async(const char *from, const char *to)
{
    BIDE__IO_MAKE(bide_rename, .op = BIDE__OP_RENAME, .fd = AT_FDCWD, .buf = (void *)from,
                  .buf2 = (void *)to);
}

BIDE_ASYNC(int, bide_close, int)
BIDE_ASYNC(ssize_t, bide_read_all, int, void *, size_t)
BIDE_ASYNC(ssize_t, bide_write_all, int, const void *, size_t)
BIDE_ASYNC(ssize_t, bide_send_all, int, const void *, size_t, int)
BIDE_ASYNC(int, bide_fstat, int, struct stat *)

#endif
