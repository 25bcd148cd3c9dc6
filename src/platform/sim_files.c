/*
 * platform/sim_files.c - the descriptors of a simulation, and how operations on them are done: at
 * once or, as it is drawn, in a later turn, each direction in order.
 */
#include "platform/sim_net.h"

#include "base/memory.h"
#include "base/panic.h"

#include <errno.h>
#include <sys/stat.h>

enum { TABLE_FIRST = 64, TABLE_MOST = 1 << 20 };

#define INTERRUPTED_MOST BIDE_MS /* how long an operation that is to wait again does so */

/* ---- files ---- */

static void serve(struct bide__world *world, struct bide__sim_event *event);

struct bide__sim_file *bide__sim_file_new(struct bide__world *world, enum bide__sim_kind kind,
                                          int domain)
{
    struct bide__sim_file *file = bide__alloc_zero(sizeof(*file));
    if (!file)
        return NULL;
    file->kind = (uint8_t)kind;
    file->domain = domain;
    file->refs = 1;
    file->fd = -1;
    file->serve.fire = serve;
    for (int side = 0; side < BIDE__SIM_SIDES; side++)
        bide__list_init(&file->waiting[side]);
    bide__list_init(&file->queue);
    bide__list_init(&file->bound);
    bide__list_init(&file->backlog);
    bide__list_init(&file->pending);
    bide__list_push(&world->files, &file->link);
    return file;
}

void bide__sim_file_drop(struct bide__sim_file *file)
{
    if (--file->refs)
        return;
    bide__list_remove(&file->link);
    bide__list_remove(&file->bound);
    bide__free(file);
}

void bide__sim_part(struct bide__sim_file *file)
{
    struct bide__sim_file *peer = file->peer;
    file->peer = peer->peer = NULL;
    bide__sim_file_drop(peer);
    bide__sim_file_drop(file);
}

int bide__sim_take_error(struct bide__sim_file *file)
{
    int error = file->error;
    file->error = 0;
    return error;
}

static bool waited_for(const struct bide__sim_file *file)
{
    for (int side = 0; side < BIDE__SIM_SIDES; side++)
        if (!bide__list_empty(&file->waiting[side]))
            return true;
    return false;
}

void bide__sim_changed(struct bide__world *world, struct bide__sim_file *file)
{
    if (!file->serve.number && waited_for(file))
        bide__sim_set(world, &file->serve, world->now);
}

/* ---- descriptors ---- */

static int grow(struct bide__world *world)
{
    size_t size = world->table_size ? 2 * world->table_size : TABLE_FIRST;
    if (size > TABLE_MOST)
        return -EMFILE;
    struct bide__sim_file **table =
        bide__realloc(world->table, size * sizeof(struct bide__sim_file *));
    if (!table)
        return -ENOMEM;
    for (size_t i = world->table_size; i < size; i++)
        table[i] = NULL;
    world->table = table;
    world->table_size = size;
    return 0;
}

/* The lowest number that is free, as POSIX has it. */
int bide__sim_file_open(struct bide__world *world, struct bide__sim_file *file)
{
    size_t i = world->open_from;
    while (i < world->table_size && world->table[i])
        i++;
    int error = i < world->table_size ? 0 : grow(world);
    if (error < 0)
        return error;
    world->table[i] = file;
    world->open_from = i + 1;
    file->fd = BIDE__SIM_FIRST_FD + (int)i;
    return file->fd;
}

struct bide__sim_file *bide__sim_file_of(struct bide__world *world, int fd)
{
    size_t i = (size_t)fd - BIDE__SIM_FIRST_FD;
    return fd >= BIDE__SIM_FIRST_FD && i < world->table_size ? world->table[i] : NULL;
}

/* ---- operations ---- */

static int side_of(const struct bide_io *io)
{
    if (io->op == BIDE__OP_POLL)
        return BIDE__SIM_POLL;
    return bide__io_events(io) == POLLIN ? BIDE__SIM_READ : BIDE__SIM_WRITE;
}

static bool is_message(const struct bide_io *io)
{
    return io->op == BIDE__OP_RECV || io->op == BIDE__OP_SEND || io->op == BIDE__OP_RECVMSG ||
           io->op == BIDE__OP_SENDMSG;
}

static bool never_waits(const struct bide_io *io)
{
    return is_message(io) && io->flags & MSG_DONTWAIT;
}

static ssize_t transfer(struct bide__world *world, struct bide__sim_file *file, struct bide_io *io,
                        struct msghdr *msg)
{
    bool in = bide__io_events(io) == POLLIN, datagram = file->kind == BIDE__SIM_DATAGRAM;
    int flags = is_message(io) ? io->flags : 0;
    if (is_message(io) && file->kind < BIDE__SIM_STREAM)
        return -ENOTSOCK;
    if (flags & MSG_OOB || (!in && msg->msg_controllen))
        return -EOPNOTSUPP;
    if (!in)
        return datagram ? bide__sim_datagram_send(world, file, msg)
                        : bide__sim_stream_send(world, file, msg);
    msg->msg_controllen = 0;
    msg->msg_flags = 0;
    if (datagram)
        return bide__sim_datagram_recv(world, file, msg, flags);
    ssize_t result = bide__sim_stream_recv(world, file, msg, flags);
    if (result >= 0)
        msg->msg_namelen = 0;
    return result;
}

static ssize_t poll_now(const struct bide__sim_file *file, const struct bide_io *io)
{
    int events = bide__sim_events(file) & ((int)io->mask | POLLERR | POLLHUP);
    return events ? events : -EAGAIN;
}

/* What io gives now, or -EAGAIN. */
static ssize_t try_now(struct bide__world *world, struct bide__sim_file *file, struct bide_io *io)
{
    struct iovec one = { io->buf, io->size };
    struct msghdr msg = { .msg_iov = &one, .msg_iovlen = 1 };
    switch (io->op) {
    case BIDE__OP_READ:
    case BIDE__OP_WRITE:
        if (bide__io_positioned(io))
            return -ESPIPE;
        return transfer(world, file, io, &msg);
    case BIDE__OP_RECV:
    case BIDE__OP_SEND:
        return transfer(world, file, io, &msg);
    case BIDE__OP_READV:
    case BIDE__OP_WRITEV:
        msg.msg_iov = io->buf;
        msg.msg_iovlen = io->size;
        return transfer(world, file, io, &msg);
    case BIDE__OP_RECVMSG:
        return transfer(world, file, io, io->buf);
    case BIDE__OP_SENDMSG:
        msg = *(const struct msghdr *)io->buf;
        return transfer(world, file, io, &msg);
    case BIDE__OP_ACCEPT:
        return bide__sim_accept(world, file, io);
    case BIDE__OP_CONNECT:
        return bide__sim_connect(world, file, io);
    case BIDE__OP_POLL:
        return poll_now(file, io);
    default:
        return -EINVAL; /* fsync */
    }
}

static void note_done(struct bide__world *world, const struct bide_io *io)
{
    bide__sim_trace(world, BIDE__SIM_DONE, io->op, io->fd - BIDE__SIM_FIRST_FD, io->result);
}

static void finish(struct bide__world *world, struct bide_io *io, ssize_t result)
{
    bide__list_remove(&io->link);
    io->result = result;
    note_done(world, io);
    world->base.host->complete(io);
}

static void end_waits(struct bide__world *world, struct bide__sim_file *file)
{
    for (int side = 0; side < BIDE__SIM_SIDES; side++)
        while (!bide__list_empty(&file->waiting[side]))
            finish(world, bide__container(file->waiting[side].next, struct bide_io, link), -EBADF);
}

/* Is what could be done to wait once more? */
static bool interrupted(struct bide__world *world)
{
    return bide__sim_chance(world, world->options.faults.interrupt);
}

static void serve_side(struct bide__world *world, struct bide__sim_file *file, int side)
{
    while (!bide__list_empty(&file->waiting[side])) {
        struct bide_io *io = bide__container(file->waiting[side].next, struct bide_io, link);
        if (interrupted(world)) {
            if (!file->serve.number)
                bide__sim_set(world, &file->serve,
                              world->now + bide__sim_span(world, 1, INTERRUPTED_MOST));
            return;
        }
        ssize_t result = try_now(world, file, io);
        if (result == -EAGAIN)
            return;
        finish(world, io, result);
    }
}

static void serve(struct bide__world *world, struct bide__sim_event *event)
{
    struct bide__sim_file *file = bide__container(event, struct bide__sim_file, serve);
    if (file->closed) {
        end_waits(world, file);
        bide__sim_file_drop(file);
        return;
    }
    serve_side(world, file, BIDE__SIM_READ);
    serve_side(world, file, BIDE__SIM_WRITE);
    struct bide__list *head = &file->waiting[BIDE__SIM_POLL], *next;
    for (struct bide__list *link = head->next; link != head; link = next) {
        next = link->next;
        struct bide_io *io = bide__container(link, struct bide_io, link);
        ssize_t result = poll_now(file, io);
        if (result != -EAGAIN)
            finish(world, io, result);
    }
}

/* An offloaded function completes nothing: its turn's end does. */
void bide__sim_file_close(struct bide__world *world, struct bide__sim_file *file)
{
    if (bide__stand_in && waited_for(file)) {
        bide__sim_changed(world, file);
        file->refs++;
    } else {
        end_waits(world, file);
        bide__sim_clear(world, &file->serve);
    }
    if (file->fd >= 0) {
        size_t i = (size_t)(file->fd - BIDE__SIM_FIRST_FD);
        world->table[i] = NULL;
        if (i < world->open_from)
            world->open_from = i;
    }
    file->fd = -1;
    file->closed = true;
    bide__list_remove(&file->bound);
    bide__list_init(&file->bound);
    if (file->state == BIDE__SIM_LISTENING)
        bide__sim_stop_listening(world, file);
    bide__sim_stream_close(world, file);
    bide__sim_file_drop(file);
}

static enum bide__submitted done(struct bide_io *io, ssize_t result)
{
    io->result = result;
    return BIDE__SUBMIT_DONE;
}

/* ---- descriptors of the machine ---- */

/* May it wait for something that happens? Not for a disk. */
static bool may_wait(const struct bide_io *io)
{
    struct stat st;
    if (io->op > BIDE__OP_POLL || bide__io_positioned(io))
        return false;
    return fstat(io->fd, &st) < 0 ||
           !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Without waiting, also where the descriptor would. */
static ssize_t perform_ready(struct bide_io *io)
{
    struct bide_io ready = {
        .op = BIDE__OP_POLL, .fd = io->fd, .mask = (unsigned)bide__io_events(io)
    };
    if (io->fd < 0)
        return -EBADF;
    ssize_t result = io->op == BIDE__OP_CONNECT ? 0 : bide__io_perform(&ready, true);
    if (result >= 0)
        result = bide__io_perform(io, true);
    return result == -EAGAIN && !never_waits(io) ? -EOPNOTSUPP : result;
}

static enum bide__submitted submit_real(struct bide__world *world, struct bide_io *io)
{
    if (io->op == BIDE__OP_CLOSE)
        return done(io, bide__io_perform(io, true));
    if (may_wait(io))
        return done(io, perform_ready(io));
    io->offloaded = 1;
    if (world->base.host->offload(&world->base, io) == 0)
        return BIDE__SUBMIT_PENDING;
    io->offloaded = 0;
    return done(io, bide__io_perform(io, false));
}

/* ---- the reactor's table ---- */

enum bide__submitted bide__sim_submit(struct bide__reactor *reactor, struct bide_io *io)
{
    struct bide__world *world = bide__world(reactor);
    struct bide__sim_file *file = bide__sim_file_of(world, io->fd);
    io->stage = 0;
    bide__sim_spin(world);
    if (!file)
        return submit_real(world, io);
    if (io->op == BIDE__OP_CLOSE) {
        bide__sim_trace(world, BIDE__SIM_DONE, io->op, file->fd - BIDE__SIM_FIRST_FD, 0);
        bide__sim_file_close(world, file);
        return done(io, 0);
    }
    if (!bide__io_events(io) && io->op != BIDE__OP_POLL)
        return done(io, -EINVAL);
    int side = side_of(io);
    bool first = side == BIDE__SIM_POLL || bide__list_empty(&file->waiting[side]);
    if (never_waits(io) || (first && !interrupted(world) && bide__sim_draw(world, 2))) {
        ssize_t result = try_now(world, file, io);
        if (result != -EAGAIN || never_waits(io)) {
            io->result = result;
            note_done(world, io);
            return BIDE__SUBMIT_DONE;
        }
    }
    bide__list_push(&file->waiting[side], &io->link);
    bide__sim_changed(world, file);
    return BIDE__SUBMIT_PENDING;
}

void bide__sim_cancel(struct bide__reactor *reactor, struct bide_io *io)
{
    struct bide__world *world = bide__world(reactor);
    if (io->offloaded)
        reactor->host->offload_cancel(reactor, io);
    else
        finish(world, io, -ECANCELED);
}

/* Those that wait come here from an offloaded function alone, where nothing can be waited for. */
static ssize_t call_file(struct bide__world *world, struct bide__sim_file *file, struct bide_io *io)
{
    struct bide__sim_address address;
    ssize_t result;
    switch (io->op) {
    case BIDE__OP_BIND:
        result = bide__sim_address_read(file, io->buf, io->mask, &address);
        return result < 0 ? result : bide__sim_bind(world, file, &address);
    case BIDE__OP_LISTEN:
        return bide__sim_listen(world, file, io->flags);
    case BIDE__OP_SHUTDOWN:
        if (file->state == BIDE__SIM_LISTENING)
            return bide__sim_stop_listening(world, file), 0;
        return bide__sim_stream_shutdown(world, file, io->flags);
    case BIDE__OP_SETSOCKOPT:
        return bide__sim_option_set(file, io);
    case BIDE__OP_GETSOCKOPT:
        return bide__sim_option_get(file, io);
    case BIDE__OP_GETSOCKNAME:
        if (file->kind < BIDE__SIM_STREAM)
            return -ENOTSOCK;
        bide__sim_address_write(file, &file->own, io->buf, io->buf2);
        return 0;
    case BIDE__OP_GETPEERNAME:
        if (file->kind < BIDE__SIM_STREAM)
            return -ENOTSOCK;
        if (file->state != BIDE__SIM_CONNECTED)
            return -ENOTCONN;
        bide__sim_address_write(file, &file->other, io->buf, io->buf2);
        return 0;
    case BIDE__OP_CLOSE:
        return bide__sim_file_close(world, file), 0;
    default:
        result = try_now(world, file, io);
        return result == -EAGAIN && !never_waits(io) ? -EOPNOTSUPP : result;
    }
}

ssize_t bide__sim_call(struct bide__reactor *reactor, struct bide_io *io)
{
    struct bide__world *world = bide__world(reactor);
    struct bide__sim_file *file = NULL;
    ssize_t result;
    switch (io->op) {
    case BIDE__OP_SOCKET:
        result = bide__sim_socket(world, io->fd, io->flags);
        break;
    case BIDE__OP_PIPE:
    case BIDE__OP_SOCKETPAIR:
        result = bide__sim_pair(world, io);
        break;
    default:
        file = bide__sim_file_of(world, io->fd);
        result = file ? call_file(world, file, io) : bide__io_perform(io, false);
    }
    if (io->op != BIDE__OP_GETSOCKNAME && io->op != BIDE__OP_GETPEERNAME) /* reports ask for them */
        bide__sim_trace(world, BIDE__SIM_DONE, io->op, file ? io->fd - BIDE__SIM_FIRST_FD : -1,
                        result);
    return result;
}

/* ---- the end ---- */

void bide__sim_files_free(struct bide__world *world)
{
    for (struct bide__list *link; (link = bide__list_pop(&world->files));) {
        struct bide__sim_file *file = bide__container(link, struct bide__sim_file, link);
        while ((link = file->queue.next) != &file->queue)
            bide__sim_packet_free(bide__container(link, struct bide__sim_packet, link));
        bide__free(file);
    }
    bide__free(world->table);
}
