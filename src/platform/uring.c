/*
 * platform/uring.c - the reactor on io_uring(7).
 *
 * One ring, used by its thread alone (SINGLE_ISSUER, DEFER_TASKRUN): operations collect in the
 * submission queue and one system call a turn submits them and waits. user_data is the bide_io;
 * the few completions that belong to none are tagged. Any failure to set up means epoll.
 */
#include "platform/reactor.h"

#include "base/memory.h"
#include "base/panic.h"
#include "platform/descriptors.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <unistd.h>

enum { SQ_ENTRIES = 512, CQ_ENTRIES = 4096, BATCH = 128, AHEAD = 2 };
enum { TAG_NONE = 0, TAG_WAKE = 1 }; /* user_data that is no bide_io */
enum { STAGE_OPERATION, STAGE_POLL, STAGE_QUEUED };
enum { READ_SIDE, WRITE_SIDE, SIDES, NO_SIDE = -1 };

/* Those that wait behind the one operation of their direction that the kernel has: it would not
 * keep their order. bide_io.link. */
struct queues {
    struct bide__list waiting[SIDES];
};

/* What is remembered of a descriptor while this ring works on it. */
struct known_fd {
    uint32_t generation; /* of the number, that the rest is about */
    uint32_t pending;    /* operations under way, also on earlier ones; closing not counted */
    uint8_t drained;     /* the last recv emptied it: wait for data before trying again */
    uint8_t epoch;       /* counts generations; an operation keeps its own, in `offloaded` */
    uint8_t busy[SIDES]; /* the kernel has an operation of this direction */
    struct queues *queues; /* NULL until one has to wait for another */
};

struct uring_reactor {
    struct bide__reactor base;
    struct io_uring ring;
    bool ring_open;
    struct bide__list backlog; /* bide_io.link: found no room in the submission queue */
    struct known_fd *fds;
    size_t fd_count;
};

static struct uring_reactor *self(struct bide__reactor *reactor)
{
    return (struct uring_reactor *)reactor;
}

static struct known_fd *known(struct uring_reactor *r, int fd)
{
    return fd >= 0 && (size_t)fd < r->fd_count ? &r->fds[fd] : NULL;
}

static int know(struct uring_reactor *r, int fd)
{
    if (fd < 0 || (size_t)fd < r->fd_count)
        return 0;
    size_t count = r->fd_count ? r->fd_count : 256;
    while (count <= (size_t)fd)
        count *= 2;
    struct known_fd *fds = bide__realloc(r->fds, count * sizeof(*fds));
    if (!fds)
        return -ENOMEM;
    memset(fds + r->fd_count, 0, (count - r->fd_count) * sizeof(*fds));
    r->fds = fds;
    r->fd_count = count;
    return 0;
}

/* ---- submitting ---- */

static struct io_uring_sqe *get_sqe(struct uring_reactor *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    if (sqe)
        return sqe;
    bide__reactor_calls(&r->base);
    return io_uring_submit(&r->ring) > 0 ? io_uring_get_sqe(&r->ring) : NULL;
}

/* The kernel's length is an int. */
static unsigned clip(const struct bide_io *io)
{
    return io->size > INT32_MAX ? INT32_MAX : (unsigned)io->size;
}

static void prepare_recv(struct uring_reactor *r, struct bide_io *io, struct io_uring_sqe *sqe)
{
    io_uring_prep_recv(sqe, io->fd, io->buf, clip(io), io->flags);
    struct known_fd *fd = known(r, io->fd);
    if (fd && fd->drained && !(io->flags & MSG_DONTWAIT))
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void prepare(struct uring_reactor *r, struct bide_io *io, struct io_uring_sqe *sqe)
{
    unsigned size = clip(io);
    uint64_t offset = (uint64_t)io->offset;
    if (io->stage == STAGE_POLL) {
        io_uring_prep_poll_add(sqe, io->fd, (unsigned)bide__io_events(io));
        return;
    }
    switch (io->op) {
    case BIDE__OP_READ:
        io_uring_prep_read(sqe, io->fd, io->buf, size, offset);
        break;
    case BIDE__OP_WRITE:
        io_uring_prep_write(sqe, io->fd, io->buf, size, offset);
        break;
    case BIDE__OP_READV:
        io_uring_prep_readv(sqe, io->fd, io->buf, size, offset);
        break;
    case BIDE__OP_WRITEV:
        io_uring_prep_writev(sqe, io->fd, io->buf, size, offset);
        break;
    case BIDE__OP_RECV:
        prepare_recv(r, io, sqe);
        break;
    case BIDE__OP_SEND:
        io_uring_prep_send(sqe, io->fd, io->buf, clip(io), io->flags);
        break;
    case BIDE__OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, io->fd, io->buf, (unsigned)io->flags);
        break;
    case BIDE__OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, io->fd, io->buf, (unsigned)io->flags);
        break;
    case BIDE__OP_ACCEPT:
        io_uring_prep_accept(sqe, io->fd, io->buf, io->buf2, io->flags);
        break;
    case BIDE__OP_CONNECT:
        io_uring_prep_connect(sqe, io->fd, io->buf, io->mask);
        break;
    case BIDE__OP_POLL:
        io_uring_prep_poll_add(sqe, io->fd, io->mask);
        break;
    case BIDE__OP_OPEN:
        io_uring_prep_openat(sqe, io->fd, io->buf, io->flags, io->mask);
        break;
    case BIDE__OP_CLOSE:
        io_uring_prep_close(sqe, io->fd);
        break;
    case BIDE__OP_FSYNC:
        io_uring_prep_fsync(sqe, io->fd, io->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case BIDE__OP_STATX:
        io_uring_prep_statx(sqe, io->fd, io->buf, io->flags, io->mask, io->buf2);
        break;
    case BIDE__OP_UNLINK:
        io_uring_prep_unlinkat(sqe, io->fd, io->buf, io->flags);
        break;
    case BIDE__OP_RENAME:
        io_uring_prep_renameat(sqe, io->fd, io->buf, io->fd, io->buf2, 0);
        break;
    default:
        bide__panic("bug: operation %d is unknown", io->op);
    }
}

/* Operations of this ring that wait on a descriptor hold its file open: they end first. */
static void cancel_fd(struct uring_reactor *r, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(r);
    if (!sqe)
        return;
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, TAG_NONE);
}

static void finish(struct uring_reactor *r, struct bide_io *io, int result, uint32_t cqe_flags);

/* The number is, or is about to be, that of another descriptor, or of none. What the kernel has
 * under way on the old one is of no concern to the new one. */
static void renew(struct uring_reactor *r, struct known_fd *fd, uint32_t generation)
{
    fd->generation = generation;
    fd->epoch++;
    fd->drained = fd->busy[READ_SIDE] = fd->busy[WRITE_SIDE] = 0;
    for (int side = 0; fd->queues && side < SIDES; side++)
        for (struct bide__list *link; (link = bide__list_pop(&fd->queues->waiting[side]));)
            finish(r, bide__container(link, struct bide_io, link), -EBADF, 0);
}

/* What is known of a number, brought up to date: another worker may have closed it. NULL where
 * nothing is. */
static inline struct known_fd *known_now(struct uring_reactor *r, int number)
{
    struct known_fd *fd = known(r, number);
    if (fd && fd->generation != bide__generation(number))
        renew(r, fd, bide__generation(number));
    return fd;
}

static void forget(struct uring_reactor *r, int number)
{
    struct known_fd *fd = known_now(r, number);
    bide__descriptor_closing(number);
    if (!fd)
        return;
    renew(r, fd, bide__generation(number));
    if (fd->pending)
        cancel_fd(r, number);
}

static void push(struct uring_reactor *r, struct bide_io *io)
{
    if (io->op == BIDE__OP_CLOSE)
        forget(r, io->fd);
    struct io_uring_sqe *sqe = get_sqe(r);
    if (!sqe) {
        bide__list_push(&r->backlog, &io->link);
        return;
    }
    prepare(r, io, sqe);
    io_uring_sqe_set_data(sqe, io);
}

/* Of a stream's operation, which has its turn; else NO_SIDE. */
static int side_of(const struct bide_io *io)
{
    bool message = io->op >= BIDE__OP_RECV && io->op <= BIDE__OP_SENDMSG;
    if (io->op == BIDE__OP_POLL || io->op == BIDE__OP_CONNECT || bide__io_positioned(io) ||
        (message && io->flags & MSG_DONTWAIT))
        return NO_SIDE;
    int events = bide__io_events(io);
    return events == POLLIN ? READ_SIDE : events == POLLOUT ? WRITE_SIDE : NO_SIDE;
}

/* Behind the one that the kernel has. 0 or -ENOMEM. */
static int queue(struct known_fd *fd, struct bide_io *io, int side)
{
    if (!fd->queues) {
        fd->queues = bide__alloc(sizeof(*fd->queues));
        if (!fd->queues)
            return -ENOMEM;
        for (int i = 0; i < SIDES; i++)
            bide__list_init(&fd->queues->waiting[i]);
    }
    io->stage = STAGE_QUEUED;
    bide__list_push(&fd->queues->waiting[side], &io->link);
    fd->pending++;
    return 0;
}

/* What the kernel would take for something else. 0 or -errno. */
static int check_position(const struct bide_io *io)
{
    if (!bide__io_positioned(io))
        return 0;
    if (io->offset < 0)
        return -EINVAL;
    int saved = errno;
    int error = lseek(io->fd, 0, SEEK_CUR) < 0 ? -errno : 0;
    errno = saved;
    return error;
}

static enum bide__submitted done(struct bide_io *io, int result)
{
    io->result = result;
    return BIDE__SUBMIT_DONE;
}

static enum bide__submitted uring_submit(struct bide__reactor *reactor, struct bide_io *io)
{
    struct uring_reactor *r = self(reactor);
    io->stage = STAGE_OPERATION;
    io->link.next = NULL;
    bool closes = io->op == BIDE__OP_CLOSE; /* it must not fail */
    if (!closes && know(r, io->fd) < 0)
        return done(io, -ENOMEM);
    int error = check_position(io);
    if (error < 0)
        return done(io, error);
    struct known_fd *fd = closes ? NULL : known_now(r, io->fd);
    if (fd) {
        int side = side_of(io);
        io->offloaded = fd->epoch;
        if (side != NO_SIDE && fd->busy[side])
            return queue(fd, io, side) < 0 ? done(io, -ENOMEM) : BIDE__SUBMIT_PENDING;
        if (side != NO_SIDE)
            fd->busy[side] = 1;
        fd->pending++;
    }
    push(r, io);
    return BIDE__SUBMIT_PENDING;
}

/* ---- completing ---- */

/* The kernel has finished the operation of this direction: the next one's turn. */
static void next_turn(struct uring_reactor *r, struct known_fd *fd, int side)
{
    if (side == NO_SIDE)
        return;
    struct bide__list *link = fd->queues ? bide__list_pop(&fd->queues->waiting[side]) : NULL;
    fd->busy[side] = link != NULL;
    if (!link)
        return;
    struct bide_io *io = bide__container(link, struct bide_io, link);
    io->stage = STAGE_OPERATION;
    link->next = NULL;
    push(r, io);
}

static void finish(struct uring_reactor *r, struct bide_io *io, int result, uint32_t cqe_flags)
{
    struct known_fd *fd = known(r, io->fd);
    if (fd && io->op != BIDE__OP_CLOSE) {
        bool current = io->offloaded == fd->epoch;
        fd->pending--;
        if (current && io->stage != STAGE_QUEUED)
            next_turn(r, fd, side_of(io));
        if (current && io->op == BIDE__OP_RECV)
            fd->drained = result > 0 && !(cqe_flags & IORING_CQE_F_SOCK_NONEMPTY);
    }
    if (io->op == BIDE__OP_ACCEPT && result >= 0)
        bide__descriptor_opened(result);
    /* Ended by another's close of the descriptor, not by its own cancellation. */
    if (result == -ECANCELED && !io->cancelled)
        result = -EBADF;
    io->result = result;
    r->base.host->complete(io);
}

/* io ended so: must it be submitted again? Then its stage is set. */
static bool goes_on(struct bide_io *io, int result)
{
    if (io->stage == STAGE_POLL && result >= 0) {
        io->stage = STAGE_OPERATION;
        return true;
    }
    if (result == -EINTR)
        return true;
    /* A descriptor with O_NONBLOCK that the kernel does not wait for itself. */
    bool dontwait = io->op >= BIDE__OP_RECV && io->op <= BIDE__OP_SENDMSG &&
                    io->flags & MSG_DONTWAIT;
    if (result != -EAGAIN || !bide__io_events(io) || dontwait)
        return false;
    io->stage = STAGE_POLL;
    return true;
}

/* Not when it was cancelled meanwhile, nor when its descriptor was closed and may be another. */
static void push_again(struct uring_reactor *r, struct bide_io *io)
{
    struct known_fd *fd = io->op == BIDE__OP_CLOSE ? NULL : known_now(r, io->fd);
    if (io->cancelled)
        finish(r, io, -ECANCELED, 0);
    else if (fd && fd->epoch != io->offloaded)
        finish(r, io, -EBADF, 0);
    else
        push(r, io);
}

static void complete(struct uring_reactor *r, struct bide_io *io, int result, uint32_t cqe_flags)
{
    if (io->op == BIDE__OP_CLOSE && result == -EINTR)
        result = 0; /* it has closed (close(2)) */
    if (goes_on(io, result))
        push_again(r, io);
    else
        finish(r, io, result, cqe_flags);
}

static void arm_wake(struct uring_reactor *r)
{
    struct io_uring_sqe *sqe = get_sqe(r);
    if (!sqe)
        return;
    io_uring_prep_poll_multishot(sqe, r->base.wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_WAKE);
}

/* The futures that complete next lie on many stacks: fetched before their turn comes. */
static void prefetch(const struct io_uring_cqe *cqe)
{
    uintptr_t io = (uintptr_t)cqe->user_data; /* or a tag: prefetching any address is harmless */
    __builtin_prefetch((const void *)(io - sizeof(struct bide_future)), 1);
    __builtin_prefetch((const void *)io, 1);
    __builtin_prefetch((const void *)(io + 64), 1);
}

/* Complete what has ended, up to a batch: what it makes ready runs while it is still cached. */
static void reap(struct uring_reactor *r)
{
    struct io_uring_cq *cq = &r->ring.cq;
    unsigned head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail);
    if (tail - head > BATCH)
        tail = head + BATCH;
    for (; head != tail; head++) {
        const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
        if (tail - head > AHEAD)
            prefetch(&cq->cqes[(head + AHEAD) & cq->ring_mask]);
        if (cqe->user_data == TAG_WAKE) {
            bide__kernel_drain_wake(&r->base);
            if (!(cqe->flags & IORING_CQE_F_MORE))
                arm_wake(r);
        } else if (cqe->user_data != TAG_NONE) {
            complete(r, (struct bide_io *)(uintptr_t)cqe->user_data, cqe->res, cqe->flags);
        }
    }
    io_uring_smp_store_release(cq->khead, head);
}

static void push_backlog(struct uring_reactor *r)
{
    struct bide__list again;
    bide__list_init(&again);
    bide__list_splice(&again, &r->backlog);
    for (struct bide__list *link; (link = bide__list_pop(&again));) {
        struct bide_io *io = bide__container(link, struct bide_io, link);
        link->next = NULL;
        push_again(r, io);
    }
}

static void uring_turn(struct bide__reactor *reactor, bide_time until)
{
    struct uring_reactor *r = self(reactor);
    struct io_uring_cqe *cqe;
    if (!bide__list_empty(&r->backlog))
        push_backlog(r);
    if (until == 0 || !bide__list_empty(&r->backlog) || io_uring_cq_ready(&r->ring)) {
        unsigned kernel = IO_URING_READ_ONCE(*r->ring.sq.kflags);
        if (io_uring_sq_ready(&r->ring) || kernel & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) {
            bide__reactor_calls(reactor);
            io_uring_submit_and_get_events(&r->ring);
        }
    } else if (until == BIDE_FOREVER) {
        bide__reactor_calls(reactor);
        io_uring_submit_and_wait(&r->ring, 1);
    } else {
        bide_time left = until - bide__clock();
        if (left < 0)
            left = 0;
        struct __kernel_timespec span = { .tv_sec = left / BIDE_S, .tv_nsec = left % BIDE_S };
        bide__reactor_calls(reactor);
        io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1, &span, NULL);
    }
    reap(r);
}

static void uring_cancel(struct bide__reactor *reactor, struct bide_io *io)
{
    struct uring_reactor *r = self(reactor);
    io->cancelled = 1;
    if (io->link.next) { /* in the backlog or a queue: it never reached the kernel */
        bide__list_remove(&io->link);
        finish(r, io, -ECANCELED, 0);
        return;
    }
    struct io_uring_sqe *sqe = get_sqe(r);
    if (!sqe) {
        bide__reactor_calls(reactor);
        io_uring_submit_and_get_events(&r->ring);
        sqe = get_sqe(r);
    }
    bide__assert(sqe);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)io, 0);
    io_uring_sqe_set_data64(sqe, TAG_NONE);
}

/* ---- life ---- */

static void uring_destroy(struct bide__reactor *reactor)
{
    struct uring_reactor *r = self(reactor);
    if (r->ring_open)
        io_uring_queue_exit(&r->ring);
    if (reactor->wake_fd >= 0)
        close(reactor->wake_fd);
    for (size_t i = 0; i < r->fd_count; i++)
        bide__free(r->fds[i].queues);
    bide__free(r->fds);
    bide__free(r);
}

static int open_ring(struct uring_reactor *r)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    if (bide__faulted())
        return -ENOMEM;
    int error = io_uring_queue_init_params(SQ_ENTRIES, &r->ring, &params);
    if (error < 0)
        return error;
    r->ring_open = true;
    if (!(params.features & IORING_FEAT_EXT_ARG) || !(params.features & IORING_FEAT_NODROP))
        return -ENOSYS;
    io_uring_ring_dontfork(&r->ring);    /* a child that wrote to it would submit for us */
    io_uring_register_ring_fd(&r->ring); /* spares a look-up a call; not needed */
    r->base.wake_fd = bide__kernel_wake_fd();
    if (r->base.wake_fd < 0)
        return r->base.wake_fd;
    arm_wake(r);
    return 0;
}

static int uring_create(struct bide__reactor **ret_reactor)
{
    struct uring_reactor *r = bide__alloc_zero(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->base.wake_fd = -1;
    bide__list_init(&r->backlog);
    int error = open_ring(r);
    if (error < 0) {
        uring_destroy(&r->base);
        return error;
    }
    *ret_reactor = &r->base;
    return 0;
}

const struct bide__reactor_ops bide__uring = {
    .name = "io_uring",
    .create = uring_create,
    .destroy = uring_destroy,
    .now = bide__kernel_now,
    .wall = bide__kernel_wall,
    .ask = bide__kernel_now,
    .random = bide__kernel_random,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .call = bide__kernel_call,
    .turn = uring_turn,
    .wake = bide__kernel_wake,
};
