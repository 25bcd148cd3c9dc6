/* io/io.c - the operations as leaf futures, and their plain forms. */
#include "core/internal.h"

#include <errno.h>
#include <string.h>

static struct bide_io *io_of(struct bide_future *f)
{
    return &((struct bide_io_future *)f)->args;
}

static struct bide_future *future_of(struct bide_io *io)
{
    return &bide__container(io, struct bide_io_future, args)->future;
}

static void write_result(struct bide_future *f, ssize_t result)
{
    void *value = (char *)f + f->type->value_offset;
    if (f->type->value_size == sizeof(int))
        memcpy(value, &(int){ (int)result }, sizeof(int));
    else
        memcpy(value, &result, sizeof(result));
}

static enum bide_leaf_start io_start(struct bide_future *f)
{
    struct bide__worker *w = bide__worker();
    struct bide_io *io = io_of(f);
    io->offloaded = io->cancelled = 0;
    bide__count(&w->stats.operations, 1);
    if (w->reactor->ops->submit(w->reactor, io) == BIDE__SUBMIT_PENDING) {
        w->operations_pending++;
        return BIDE_LEAF_PENDING;
    }
    write_result(f, io->result);
    return BIDE_LEAF_DONE;
}

static void io_complete(struct bide_io *io)
{
    struct bide_future *f = future_of(io);
    bide__worker()->operations_pending--;
    if (io->result == -ECANCELED && bide_leaf_reason(f))
        io->result = f->error = bide_leaf_reason(f);
    write_result(f, io->result);
    bide_leaf_done(f);
}

static void io_cancel(struct bide_future *f)
{
    struct bide__reactor *reactor = bide__worker()->reactor;
    if (io_of(f)->op != BIDE__OP_CLOSE)
        reactor->ops->cancel(reactor, io_of(f));
}

static void io_block(struct bide_future *f)
{
    struct bide__reactor *reactor = bide__reactor_here(); /* only one that stands in */
    struct bide_io *io = io_of(f);
    io->stage = 0;
    write_result(f, reactor ? reactor->ops->call(reactor, io) : bide__io_block(io));
}

static const struct bide_leaf_ops io_ops = { io_start, io_cancel, io_block, bide__io_describe };

/* ---- operations on the blocking pool ---- */

struct io_job {
    struct bide__job job;
    struct bide_io *io;
};

static void job_work(struct bide__job *job)
{
    struct bide_io *io = bide__container(job, struct io_job, job)->io;
    io->result = bide__io_perform(io, false);
}

static void job_end(struct io_job *job)
{
    struct bide_io *io = job->io;
    bide__slab_put(&job->job.worker->slab, job, sizeof(*job));
    io_complete(io);
}

static void job_done(struct bide__post *post)
{
    job_end(bide__container(post, struct io_job, job.post));
}

static int io_offload(struct bide__reactor *reactor, struct bide_io *io)
{
    (void)reactor;
    struct bide__worker *w = bide__worker();
    struct io_job *job = bide__slab_get(&w->slab, sizeof(*job));
    if (!job)
        return -ENOMEM;
    *job = (struct io_job){ .job = { .work = job_work, .post.deliver = job_done }, .io = io };
    io->job = job;
    int error = bide__pool_submit(w, &job->job, BIDE__LANE_SHORT);
    if (error < 0)
        bide__slab_put(&w->slab, job, sizeof(*job));
    return error;
}

static void io_offload_cancel(struct bide__reactor *reactor, struct bide_io *io)
{
    (void)reactor;
    struct io_job *job = io->job;
    if (!bide__pool_withdraw(&job->job))
        return;
    io->result = -ECANCELED;
    job_end(job);
}

const struct bide__reactor_host bide__io_host = { io_complete, io_offload, io_offload_cancel };

/* ---- plain forms ---- */

#define PLAIN(R, name, params, ...)                                     \
    const struct bide_type name##_type = BIDE_LEAF_TYPE(name, &io_ops); \
    R name params                                                       \
    {                                                                   \
        return bide_await(name##_async(__VA_ARGS__));                   \
    }

PLAIN(ssize_t, bide_read, (int fd, void *buf, size_t size), fd, buf, size)
PLAIN(ssize_t, bide_write, (int fd, const void *buf, size_t size), fd, buf, size)
PLAIN(ssize_t, bide_readv, (int fd, const struct iovec *iov, int count), fd, iov, count)
PLAIN(ssize_t, bide_writev, (int fd, const struct iovec *iov, int count), fd, iov, count)
PLAIN(ssize_t, bide_pread, (int fd, void *buf, size_t size, int64_t offset), fd, buf, size, offset)
PLAIN(ssize_t, bide_pwrite, (int fd, const void *buf, size_t size, int64_t offset), fd, buf, size,
      offset)
PLAIN(ssize_t, bide_recv, (int fd, void *buf, size_t size, int flags), fd, buf, size, flags)
PLAIN(ssize_t, bide_send, (int fd, const void *buf, size_t size, int flags), fd, buf, size, flags)
PLAIN(ssize_t, bide_recvmsg, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
PLAIN(ssize_t, bide_sendmsg, (int fd, const struct msghdr *msg, int flags), fd, msg, flags)
PLAIN(int, bide_accept, (int fd, struct sockaddr *addr, socklen_t *addr_size, int flags), fd, addr,
      addr_size, flags)
PLAIN(int, bide_connect, (int fd, const struct sockaddr *addr, socklen_t addr_size), fd, addr,
      addr_size)
PLAIN(int, bide_poll, (int fd, int events), fd, events)
PLAIN(int, bide_open, (const char *path, int flags, mode_t mode), path, flags, mode)
PLAIN(int, bide_fsync, (int fd), fd)
PLAIN(int, bide_fdatasync, (int fd), fd)
PLAIN(int, bide_statx, (int dirfd, const char *path, int flags, unsigned mask, struct statx *to),
      dirfd, path, flags, mask, to)
PLAIN(int, bide_unlink, (const char *path), path)
PLAIN(int, bide_rename, (const char *from, const char *to), from, to)

/* Closing is clean-up: it happens whether or not the caller was cancelled. */
struct close_now_future {
    struct bide_future future;
    struct bide_io args;
    int value;
};
static const struct bide_type close_now_type = BIDE_LEAF_TYPE(close_now, &io_ops);

int bide_close(int fd)
{
    struct close_now_future f = { .future = { .type = &close_now_type },
                                  .args = { .op = BIDE__OP_CLOSE, .fd = fd } };
    bide_shield()
        bide_await(&f);
    return f.value;
}

/* ---- operations that never wait ---- */

static int call(struct bide_io io)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return (int)(reactor ? reactor->ops->call(reactor, &io) : bide__io_perform(&io, true));
}

int bide_pipe(int ret_fds[2])
{
    return call((struct bide_io){ .op = BIDE__OP_PIPE, .buf = ret_fds });
}

int bide_socketpair(int domain, int type, int protocol, int ret_fds[2])
{
    return call((struct bide_io){ .op = BIDE__OP_SOCKETPAIR, .fd = domain, .flags = type,
                                  .mask = (unsigned)protocol, .buf = ret_fds });
}

int bide_socket(int domain, int type, int protocol)
{
    return call((struct bide_io){
        .op = BIDE__OP_SOCKET, .fd = domain, .flags = type, .mask = (unsigned)protocol });
}

int bide_bind(int fd, const struct sockaddr *addr, socklen_t addr_size)
{
    return call((struct bide_io){
        .op = BIDE__OP_BIND, .fd = fd, .buf = (void *)addr, .mask = addr_size });
}

int bide_listen(int fd, int backlog)
{
    return call((struct bide_io){ .op = BIDE__OP_LISTEN, .fd = fd, .flags = backlog });
}

int bide_shutdown(int fd, int how)
{
    return call((struct bide_io){ .op = BIDE__OP_SHUTDOWN, .fd = fd, .flags = how });
}

int bide_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return call((struct bide_io){ .op = BIDE__OP_SETSOCKOPT, .fd = fd, .flags = level,
                                  .offset = name, .buf = (void *)value, .mask = size });
}

int bide_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    return call((struct bide_io){ .op = BIDE__OP_GETSOCKOPT, .fd = fd, .flags = level,
                                  .offset = name, .buf = value, .buf2 = size });
}

int bide_getsockname(int fd, struct sockaddr *addr, socklen_t *addr_size)
{
    return call((struct bide_io){
        .op = BIDE__OP_GETSOCKNAME, .fd = fd, .buf = addr, .buf2 = addr_size });
}

int bide_getpeername(int fd, struct sockaddr *addr, socklen_t *addr_size)
{
    return call((struct bide_io){
        .op = BIDE__OP_GETPEERNAME, .fd = fd, .buf = addr, .buf2 = addr_size });
}
