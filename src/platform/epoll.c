/*
 * platform/epoll.c - the reactor on epoll(7).
 *
 * An operation is tried at once and waits only if it must. A descriptor is registered once,
 * edge-triggered for both directions; its entry remembers whether it may be ready, so that a wait
 * begins without a system call. Entries of sockets and pipes that bide itself opened are trusted
 * until bide_close, on whichever worker (platform/descriptors.h); others are registered anew for
 * each wait, because somebody else may have closed the number and got it again for another file.
 * What epoll cannot wait for (regular files) is offloaded.
 */
#include "platform/reactor.h"

#include "base/memory.h"
#include "platform/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CHUNK = 64, EVENTS = 256, WAKE = -1, TIMER = -2 };
enum { READ_SIDE, WRITE_SIDE, POLL_SIDE, SIDES };

struct entry {
    struct bide__list waiting[SIDES]; /* bide_io.link, first come first served */
    uint32_t generation; /* of the number, that all this is about */
    uint8_t ready[2];    /* READ_SIDE, WRITE_SIDE: may be ready; false only after -EAGAIN */
    uint8_t registered;
    uint8_t hung_up;     /* an event that comes once was seen: never believe "not ready" */
    uint8_t tcp;         /* a read that is short has emptied it */
    uint8_t blocking;    /* no O_NONBLOCK: ask poll(2) before each call */
};

struct epoll_reactor {
    struct bide__reactor base;
    int epoll_fd;
    int timer_fd; /* for a foreign loop, or without epoll_pwait2; -1 until needed */
    bool no_pwait2;
    struct entry **chunks;
    size_t chunk_count;
    struct epoll_event events[EVENTS]; /* here, because a turn runs on a fiber's stack */
};

static struct epoll_reactor *self(struct bide__reactor *reactor)
{
    return (struct epoll_reactor *)reactor;
}

/* ---- entries ---- */

static struct entry *find_entry(struct epoll_reactor *r, int fd)
{
    size_t chunk = (size_t)fd / CHUNK;
    if (fd < 0 || chunk >= r->chunk_count || !r->chunks[chunk])
        return NULL;
    return &r->chunks[chunk][fd % CHUNK];
}

static int grow_chunks(struct epoll_reactor *r, size_t chunk)
{
    size_t count = r->chunk_count ? r->chunk_count : 16;
    while (count <= chunk)
        count *= 2;
    struct entry **chunks = bide__realloc(r->chunks, count * sizeof(*chunks));
    if (!chunks)
        return -ENOMEM;
    memset(chunks + r->chunk_count, 0, (count - r->chunk_count) * sizeof(*chunks));
    r->chunks = chunks;
    r->chunk_count = count;
    return 0;
}

static struct entry *need_entry(struct epoll_reactor *r, int fd)
{
    struct entry *entry = find_entry(r, fd);
    if (entry)
        return entry;
    size_t chunk = (size_t)fd / CHUNK;
    if (chunk >= r->chunk_count && grow_chunks(r, chunk) < 0)
        return NULL;
    struct entry *entries = bide__alloc_zero(CHUNK * sizeof(*entries));
    if (!entries)
        return NULL;
    for (int i = 0; i < CHUNK; i++)
        for (int side = 0; side < SIDES; side++)
            bide__list_init(&entries[i].waiting[side]);
    r->chunks[chunk] = entries;
    return &entries[fd % CHUNK];
}

static void finish(struct epoll_reactor *r, struct bide_io *io, ssize_t result)
{
    bide__list_remove(&io->link);
    io->result = result;
    r->base.host->complete(io);
}

/* The descriptor is another one now, or none: whoever waits for the old one gets -EBADF. */
static void renew(struct epoll_reactor *r, struct entry *entry, uint32_t generation)
{
    entry->generation = generation;
    entry->registered = entry->hung_up = entry->tcp = entry->blocking = 0;
    entry->ready[READ_SIDE] = entry->ready[WRITE_SIDE] = 1;
    for (int side = 0; side < SIDES; side++)
        while (!bide__list_empty(&entry->waiting[side]))
            finish(r, bide__container(entry->waiting[side].next, struct bide_io, link), -EBADF);
}

/* Not what was noted before some worker closed the number. */
static inline void update(struct epoll_reactor *r, struct entry *entry, int fd)
{
    uint32_t generation = bide__generation(fd);
    if (entry->generation != generation)
        renew(r, entry, generation);
}

/* What a first use must know: sockets are made non-blocking (they are bide's while it works on
 * them); other files, which other processes may share, are left as they are. */
static void examine(struct entry *entry, int fd)
{
    int protocol = 0, saved = errno; /* the caller's affair */
    socklen_t size = sizeof(protocol);
    int flags = fcntl(fd, F_GETFL);
    bool is_socket = getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0;
    errno = saved;
    entry->tcp = is_socket && protocol == IPPROTO_TCP;
    entry->blocking = 0;
    if (flags < 0 || flags & O_NONBLOCK)
        return;
    if (is_socket)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    else
        entry->blocking = 1;
}

/* 0; -EPERM for a file that epoll can't wait for; -errno. */
static int register_fd(struct epoll_reactor *r, struct entry *entry, int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
                                 .data.fd = fd };
    if (bide__faulted())
        return -ENOMEM;
    int saved = errno;
    bide__reactor_calls(&r->base);
    int failed = epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    if (failed && errno == EEXIST)
        failed = epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    int error = failed ? -errno : 0;
    errno = saved;
    if (error < 0)
        return error;
    entry->registered = 1;
    entry->hung_up = 0;
    return 0;
}

/* ---- performing ---- */

static int side_of(const struct bide_io *io)
{
    if (io->op == BIDE__OP_POLL)
        return POLL_SIDE;
    return bide__io_events(io) == POLLIN ? READ_SIDE : WRITE_SIDE;
}

/* The write of the first part of a writev that is not empty. */
static void first_part(struct bide_io *io)
{
    const struct iovec *parts = io->buf;
    for (size_t i = 0; i < io->size; i++) {
        if (!parts[i].iov_len)
            continue;
        io->op = BIDE__OP_WRITE;
        io->buf = parts[i].iov_base;
        io->size = parts[i].iov_len;
        return;
    }
}

/* On a blocking descriptor: only when poll(2) says that it won't, and no more than it promises. */
static ssize_t try_blocking(struct bide_io *io)
{
    struct bide_io ready = { .op = BIDE__OP_POLL, .fd = io->fd,
                             .mask = (unsigned)bide__io_events(io) };
    ssize_t events = io->size ? bide__io_perform(&ready, true) : 0;
    if (events < 0)
        return events;
    struct bide_io part = *io;
    if (io->op == BIDE__OP_WRITEV)
        first_part(&part);
    if (part.op == BIDE__OP_WRITE && part.size > PIPE_BUF)
        part.size = PIPE_BUF;
    return bide__io_perform(&part, true);
}

static ssize_t try_now(struct epoll_reactor *r, struct entry *entry, struct bide_io *io)
{
    bide__reactor_calls(&r->base);
    if (entry->blocking) /* poll(2), too */
        bide__reactor_calls(&r->base);
    ssize_t result = entry->blocking ? try_blocking(io) : bide__io_perform(io, true);
    int side = side_of(io);
    if (side == POLL_SIDE)
        return result;
    bool short_read = io->op == BIDE__OP_RECV && entry->tcp && result > 0 &&
                      (size_t)result < io->size && !(io->flags & (MSG_PEEK | MSG_WAITALL));
    if (result == -EAGAIN || short_read)
        entry->ready[side] = entry->hung_up;
    return result;
}

static bool never_waits(const struct bide_io *io)
{
    bool message = io->op == BIDE__OP_RECV || io->op == BIDE__OP_SEND ||
                   io->op == BIDE__OP_RECVMSG || io->op == BIDE__OP_SENDMSG;
    return message && io->flags & MSG_DONTWAIT;
}

static enum bide__submitted done(struct bide_io *io, ssize_t result)
{
    io->result = result;
    return BIDE__SUBMIT_DONE;
}

static enum bide__submitted offload(struct epoll_reactor *r, struct bide_io *io)
{
    io->offloaded = 1;
    if (r->base.host->offload(&r->base, io) == 0)
        return BIDE__SUBMIT_PENDING;
    io->offloaded = 0;
    return done(io, bide__io_perform(io, false));
}

static enum bide__submitted wait_for(struct entry *entry, struct bide_io *io)
{
    bide__list_push(&entry->waiting[side_of(io)], &io->link);
    return BIDE__SUBMIT_PENDING;
}

/* May io be tried before its descriptor is known to be one that epoll can wait for? A read of a
 * regular file would block on the disk. */
static bool try_first(const struct bide_io *io)
{
    return io->op != BIDE__OP_READ && io->op != BIDE__OP_READV && io->op != BIDE__OP_WRITE &&
           io->op != BIDE__OP_WRITEV;
}

/* A descriptor that is not both registered and trusted: look at it anew. */
static enum bide__submitted submit_unknown(struct epoll_reactor *r, struct entry *entry,
                                           struct bide_io *io)
{
    examine(entry, io->fd);
    /* Others came first: registered anew, what is ready for them is reported by the next turn. */
    if (side_of(io) != POLL_SIDE && !bide__list_empty(&entry->waiting[side_of(io)]) &&
        !never_waits(io) && register_fd(r, entry, io->fd) == 0)
        return wait_for(entry, io);
    for (int registered = 0;; registered = 1) {
        if (registered || try_first(io)) {
            ssize_t result = try_now(r, entry, io);
            if (result != -EAGAIN || never_waits(io))
                return done(io, result);
        }
        if (registered)
            return wait_for(entry, io);
        int error = register_fd(r, entry, io->fd);
        if (error == -EPERM && io->op != BIDE__OP_POLL)
            return offload(r, io);
        if (error < 0)
            return done(io, error);
        /* What is ready already is reported by the next turn. */
        if (try_first(io))
            return wait_for(entry, io);
    }
}

static enum bide__submitted submit_waiting(struct epoll_reactor *r, struct bide_io *io)
{
    if (io->fd < 0)
        return done(io, -EBADF);
    struct entry *entry = need_entry(r, io->fd);
    if (!entry)
        return done(io, -ENOMEM);
    update(r, entry, io->fd);
    if (!entry->registered || !bide__trusted(entry->generation))
        return submit_unknown(r, entry, io);
    int side = side_of(io);
    bool first = side == POLL_SIDE ||
                 (entry->ready[side] && bide__list_empty(&entry->waiting[side]));
    if (first || never_waits(io)) {
        ssize_t result = try_now(r, entry, io);
        if (result != -EAGAIN || never_waits(io))
            return done(io, result);
    }
    return wait_for(entry, io);
}

/* Whatever is known of the number is so no longer. */
static void forget(struct epoll_reactor *r, int fd)
{
    struct entry *entry = find_entry(r, fd);
    if (entry)
        renew(r, entry, bide__generation(fd));
}

static enum bide__submitted epoll_submit(struct bide__reactor *reactor, struct bide_io *io)
{
    struct epoll_reactor *r = self(reactor);
    ssize_t result;
    io->stage = 0;
    switch (io->op) {
    case BIDE__OP_CLOSE:
        bide__reactor_calls(reactor);
        result = bide__io_perform(io, true);
        forget(r, io->fd);
        return done(io, result);
    case BIDE__OP_OPEN:
    case BIDE__OP_FSYNC:
    case BIDE__OP_STATX:
    case BIDE__OP_UNLINK:
    case BIDE__OP_RENAME:
        return offload(r, io);
    case BIDE__OP_CONNECT:
        forget(r, io->fd);
        return submit_waiting(r, io);
    default:
        return submit_waiting(r, io);
    }
}

static void epoll_cancel(struct bide__reactor *reactor, struct bide_io *io)
{
    if (io->offloaded)
        reactor->host->offload_cancel(reactor, io);
    else
        finish(self(reactor), io, -ECANCELED);
}

/* ---- waiting ---- */

static void serve(struct epoll_reactor *r, struct entry *entry, int side)
{
    while (entry->ready[side] && !bide__list_empty(&entry->waiting[side])) {
        struct bide_io *io = bide__container(entry->waiting[side].next, struct bide_io, link);
        ssize_t result = try_now(r, entry, io);
        if (result == -EAGAIN)
            return;
        finish(r, io, result);
    }
}

/* Completing calls no user code, so the list changes here only. */
static void serve_pollers(struct epoll_reactor *r, struct entry *entry)
{
    struct bide__list *head = &entry->waiting[POLL_SIDE], *next;
    for (struct bide__list *link = head->next; link != head; link = next) {
        next = link->next;
        struct bide_io *io = bide__container(link, struct bide_io, link);
        bide__reactor_calls(&r->base);
        ssize_t result = bide__io_perform(io, true);
        if (result != -EAGAIN)
            finish(r, io, result);
    }
}

static void dispatch(struct epoll_reactor *r, const struct epoll_event *event)
{
    struct entry *entry = find_entry(r, event->data.fd);
    if (!entry)
        return;
    update(r, entry, event->data.fd);
    if (!entry->registered)
        return; /* an event of a descriptor that is gone */
    uint32_t events = event->events;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        entry->hung_up = 1;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        entry->ready[READ_SIDE] = 1;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        entry->ready[WRITE_SIDE] = 1;
    serve(r, entry, READ_SIDE);
    serve(r, entry, WRITE_SIDE);
    if (!bide__list_empty(&entry->waiting[POLL_SIDE]))
        serve_pollers(r, entry);
}

static struct timespec to_timespec(bide_time t)
{
    return (struct timespec){ .tv_sec = t / BIDE_S, .tv_nsec = t % BIDE_S };
}

/* A timerfd that makes the epoll descriptor readable at `until`; BIDE_FOREVER disarms it. */
static int arm_timer(struct epoll_reactor *r, bide_time until)
{
    if (r->timer_fd < 0) {
        if (until == BIDE_FOREVER)
            return 0;
        r->timer_fd = bide__faulted() ? (errno = EMFILE, -1)
                                      : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (r->timer_fd < 0)
            return -errno;
        struct epoll_event event = { .events = EPOLLIN, .data.fd = TIMER };
        epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->timer_fd, &event);
    }
    struct itimerspec at = { 0 };
    if (until != BIDE_FOREVER)
        at.it_value = to_timespec(until > 0 ? until : 1);
    return timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) ? -errno : 0;
}

/* Rounded up, so that nobody is woken too early; -1: for ever. */
static int milliseconds_until(bide_time until)
{
    bide_time left = until - bide__clock();
    if (until == BIDE_FOREVER)
        return -1;
    if (left >= INT_MAX * BIDE_MS)
        return INT_MAX;
    return left > 0 ? (int)((left + BIDE_MS - 1) / BIDE_MS) : 0;
}

/* Without epoll_pwait2 (Linux 5.11) a timerfd keeps nanosecond deadlines; without a descriptor for
 * one they are kept to the millisecond. */
static int wait_by_timerfd(struct epoll_reactor *r, struct epoll_event *events, bide_time until)
{
    bool armed = arm_timer(r, until) == 0;
    return epoll_wait(r->epoll_fd, events, EVENTS, armed ? -1 : milliseconds_until(until));
}

static int epoll_pollable(struct bide__reactor *reactor, bide_time until)
{
    int error = arm_timer(self(reactor), until);
    return error < 0 ? error : self(reactor)->epoll_fd;
}

static int wait_events(struct epoll_reactor *r, struct epoll_event *events, bide_time until)
{
    if (until == 0)
        return epoll_wait(r->epoll_fd, events, EVENTS, 0);
#ifdef SYS_epoll_pwait2
    if (!r->no_pwait2) {
        struct timespec span = { 0 };
        if (until != BIDE_FOREVER) {
            bide_time left = until - bide__clock();
            span = to_timespec(left > 0 ? left : 0);
        }
        long n = syscall(SYS_epoll_pwait2, r->epoll_fd, events, EVENTS,
                         until == BIDE_FOREVER ? NULL : &span, NULL, 0);
        if (n >= 0 || errno != ENOSYS)
            return (int)n;
        r->no_pwait2 = true;
    }
#endif
    return wait_by_timerfd(r, events, until);
}

static void epoll_turn(struct bide__reactor *reactor, bide_time until)
{
    struct epoll_reactor *r = self(reactor);
    struct epoll_event *events = r->events;
    bide__reactor_calls(reactor);
    int n = wait_events(r, events, until);
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == WAKE)
            bide__kernel_drain_wake(reactor);
        else if (events[i].data.fd == TIMER)
            arm_timer(r, BIDE_FOREVER); /* also makes it unreadable */
        else
            dispatch(r, &events[i]);
    }
}

/* ---- life ---- */

static void epoll_destroy(struct bide__reactor *reactor)
{
    struct epoll_reactor *r = self(reactor);
    if (r->timer_fd >= 0)
        close(r->timer_fd);
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
    if (reactor->wake_fd >= 0)
        close(reactor->wake_fd);
    for (size_t i = 0; i < r->chunk_count; i++)
        bide__free(r->chunks[i]);
    bide__free(r->chunks);
    bide__free(r);
}

static int open_epoll(struct epoll_reactor *r)
{
    r->base.wake_fd = bide__kernel_wake_fd();
    if (r->base.wake_fd < 0)
        return r->base.wake_fd;
    r->epoll_fd = bide__faulted() ? (errno = EMFILE, -1) : epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0)
        return -errno;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = WAKE };
    return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->base.wake_fd, &event) ? -errno : 0;
}

static int epoll_create_reactor(struct bide__reactor **ret_reactor)
{
    struct epoll_reactor *r = bide__alloc_zero(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->base.wake_fd = r->epoll_fd = r->timer_fd = -1;
    int error = open_epoll(r);
    if (error < 0) {
        epoll_destroy(&r->base);
        return error;
    }
    *ret_reactor = &r->base;
    return 0;
}

const struct bide__reactor_ops bide__epoll = {
    .name = "epoll",
    .create = epoll_create_reactor,
    .destroy = epoll_destroy,
    .now = bide__kernel_now,
    .wall = bide__kernel_wall,
    .ask = bide__kernel_now,
    .random = bide__kernel_random,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .call = bide__kernel_call,
    .turn = epoll_turn,
    .pollable = epoll_pollable,
    .wake = bide__kernel_wake,
};
