/* platform/sim_stream.c - what goes through pipes and stream sockets, and how they end. */
#include "platform/sim_net.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static bool is_pipe(const struct bide__sim_file *file)
{
    return file->kind < BIDE__SIM_STREAM;
}

/* ---- packets ---- */

static void reset_here(struct bide__world *world, struct bide__sim_file *file)
{
    if (file->broken)
        return;
    file->broken = true;
    file->error = -ECONNRESET;
    bide__sim_changed(world, file);
}

static void do_tell(struct bide__world *world, struct bide__sim_file *to,
                    enum bide__sim_message message)
{
    if (message == BIDE__SIM_RESET)
        reset_here(world, to);
    else
        to->ended = true;
    bide__sim_changed(world, to);
}

/* The other side is told by a packet, or, when there is no memory for one, without it. */
static void tell(struct bide__world *world, struct bide__sim_file *file,
                 enum bide__sim_message message)
{
    struct bide__sim_file *to = file->peer;
    if (!to)
        return;
    struct bide__sim_packet *packet = bide__sim_packet_new(world, message, 0);
    if (!packet) {
        do_tell(world, to, message);
        return;
    }
    packet->to = to;
    to->refs++;
    bide__sim_send(world, file, packet);
}

static void lose(struct bide__sim_file *to, struct bide__sim_packet *packet)
{
    to->incoming -= packet->size;
    bide__sim_packet_free(packet);
}

void bide__sim_stream_arrive(struct bide__world *world, struct bide__sim_packet *packet)
{
    struct bide__sim_file *to = packet->to;
    if (packet->message != BIDE__SIM_DATA) {
        do_tell(world, to, packet->message);
        bide__sim_packet_free(packet);
    } else if (to->closed) {
        tell(world, to, BIDE__SIM_RESET);
        lose(to, packet);
    } else if (to->broken) {
        lose(to, packet);
    } else {
        bide__list_remove(&packet->link);
        bide__list_push(&to->queue, &packet->link);
        packet->to = NULL; /* from now on it is to's, which need not be held */
        to->refs--;
        to->queued += packet->size;
        bide__sim_changed(world, to);
    }
}

static void drop_queue(struct bide__sim_file *file)
{
    for (struct bide__list *link; (link = file->queue.next) != &file->queue;) {
        struct bide__sim_packet *packet = bide__container(link, struct bide__sim_packet, link);
        size_t left = file->kind == BIDE__SIM_DATAGRAM ? 1 : packet->size - packet->taken;
        file->queued -= left;
        file->incoming -= left;
        bide__sim_packet_free(packet);
    }
}

/* ---- receiving ---- */

size_t bide__sim_size_of(const struct msghdr *msg)
{
    size_t size = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        size += msg->msg_iov[i].iov_len;
    return size;
}

void bide__sim_scatter(const struct msghdr *msg, size_t at, const char *from, size_t size)
{
    for (size_t i = 0; i < msg->msg_iovlen && size; i++) {
        const struct iovec *part = &msg->msg_iov[i];
        if (at >= part->iov_len) {
            at -= part->iov_len;
            continue;
        }
        size_t n = part->iov_len - at < size ? part->iov_len - at : size;
        memcpy((char *)part->iov_base + at, from, n);
        from += n;
        size -= n;
        at = 0;
    }
}

void bide__sim_gather(const struct msghdr *msg, char *to, size_t size)
{
    for (size_t i = 0; i < msg->msg_iovlen && size; i++) {
        const struct iovec *part = &msg->msg_iov[i];
        size_t n = part->iov_len < size ? part->iov_len : size;
        if (n)
            memcpy(to, part->iov_base, n);
        to += n;
        size -= n;
    }
}

/* The first n bytes of the queue to msg; they stay there if it is only a look. */
static void take(struct bide__sim_file *file, const struct msghdr *msg, size_t n, bool look)
{
    struct bide__list *link = file->queue.next;
    for (size_t done = 0; done < n;) {
        struct bide__sim_packet *packet = bide__container(link, struct bide__sim_packet, link);
        size_t left = packet->size - packet->taken, part = left < n - done ? left : n - done;
        bide__sim_scatter(msg, done, packet->bytes + packet->taken, part);
        done += part;
        link = link->next;
        if (look)
            continue;
        packet->taken += part;
        if (packet->taken == packet->size)
            bide__sim_packet_free(packet);
    }
    if (look)
        return;
    file->queued -= n;
    file->incoming -= n;
}

static bool connected(const struct bide__sim_file *file)
{
    return file->kind != BIDE__SIM_STREAM || file->state == BIDE__SIM_CONNECTED;
}

/* Perhaps the connection is reset now. */
static void may_reset(struct bide__world *world, struct bide__sim_file *file)
{
    if (bide__sim_remote(file) && !file->broken && file->peer &&
        bide__sim_chance(world, world->options.faults.reset))
        bide__sim_stream_reset(world, file);
}

static size_t shorten(struct bide__world *world, size_t n)
{
    bool shorter = n > 1 && bide__sim_chance(world, world->options.faults.short_io);
    return shorter ? 1 + bide__sim_draw(world, n - 1) : n;
}

ssize_t bide__sim_stream_recv(struct bide__world *world, struct bide__sim_file *file,
                              struct msghdr *msg, int flags)
{
    size_t wanted = bide__sim_size_of(msg);
    if (file->kind == BIDE__SIM_PIPE_OUT)
        return -EBADF;
    if (file->state == BIDE__SIM_CONNECTING)
        return -EAGAIN;
    if (!connected(file))
        return -ENOTCONN;
    may_reset(world, file);
    if (!wanted)
        return 0;
    bool over = file->ended || file->broken || file->no_read;
    if (!file->queued) {
        if (file->error)
            return bide__sim_take_error(file);
        return over ? 0 : -EAGAIN;
    }
    bool all = flags & MSG_WAITALL && !over;
    if (all && file->queued < (wanted < BIDE__SIM_BUFFER ? wanted : BIDE__SIM_BUFFER))
        return -EAGAIN;
    size_t n = wanted < file->queued ? wanted : file->queued;
    if (!all)
        n = shorten(world, n);
    take(file, msg, n, flags & MSG_PEEK);
    if (!(flags & MSG_PEEK) && file->peer)
        bide__sim_changed(world, file->peer); /* there is room */
    return (ssize_t)n;
}

/* ---- sending ---- */

/* Is nobody there to read? Across the network that is not known before a reset says so. */
static bool gone(const struct bide__sim_file *file)
{
    if (file->broken || file->no_write || !file->peer)
        return true;
    return !bide__sim_remote(file) && (file->peer->closed || file->peer->no_read);
}

static size_t room_of(const struct bide__sim_file *file)
{
    size_t incoming = file->peer->incoming;
    return incoming < BIDE__SIM_BUFFER ? BIDE__SIM_BUFFER - incoming : 0;
}

static ssize_t may_send(struct bide__world *world, struct bide__sim_file *file)
{
    if (file->kind == BIDE__SIM_PIPE_IN)
        return -EBADF;
    if (file->state == BIDE__SIM_CONNECTING)
        return -EAGAIN;
    if (!connected(file))
        return -ENOTCONN;
    may_reset(world, file);
    if (file->error)
        return bide__sim_take_error(file);
    if (gone(file))
        return -EPIPE;
    if (!is_pipe(file) && bide__sim_chance(world, world->options.faults.no_buffers))
        return -ENOBUFS;
    return 0;
}

ssize_t bide__sim_stream_send(struct bide__world *world, struct bide__sim_file *file,
                              const struct msghdr *msg)
{
    size_t wanted = bide__sim_size_of(msg);
    ssize_t error = may_send(world, file);
    if (error || !wanted)
        return error;
    size_t room = room_of(file);
    bool whole = is_pipe(file) && wanted <= PIPE_BUF; /* pipe(7): all of it or nothing */
    if (!room || (whole && room < wanted))
        return -EAGAIN;
    size_t n = wanted < room ? wanted : room;
    if (!whole)
        n = shorten(world, n);
    struct bide__sim_packet *packet = bide__sim_packet_new(world, BIDE__SIM_DATA, n);
    if (!packet)
        return -ENOMEM;
    bide__sim_gather(msg, packet->bytes, n);
    packet->to = file->peer;
    file->peer->refs++;
    file->peer->incoming += n;
    if (bide__sim_remote(file))
        bide__sim_may_part(world, &file->own, &file->other);
    bide__sim_send(world, file, packet);
    return (ssize_t)n;
}

/* ---- ends ---- */

void bide__sim_stream_reset(struct bide__world *world, struct bide__sim_file *file)
{
    tell(world, file, BIDE__SIM_RESET);
    reset_here(world, file);
}

int bide__sim_stream_shutdown(struct bide__world *world, struct bide__sim_file *file, int how)
{
    if (is_pipe(file))
        return -ENOTSOCK;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (file->kind == BIDE__SIM_STREAM && file->state != BIDE__SIM_CONNECTED)
        return -ENOTCONN;
    if (how != SHUT_WR)
        file->no_read = true; /* what has arrived may still be read */
    if (how != SHUT_RD && !file->no_write) {
        file->no_write = true;
        if (!file->broken)
            tell(world, file, BIDE__SIM_END);
    }
    bide__sim_changed(world, file);
    if (file->peer)
        bide__sim_changed(world, file->peer);
    return 0;
}

/* What it had not read is lost, and whoever sent it is told so. One that is being connected tells
 * nobody before it is. */
void bide__sim_stream_close(struct bide__world *world, struct bide__sim_file *file)
{
    bool unread = file->queued && file->kind == BIDE__SIM_STREAM;
    drop_queue(file);
    if (!file->peer || file->state == BIDE__SIM_CONNECTING)
        return;
    if ((unread || file->hard_close) && !file->broken)
        tell(world, file, BIDE__SIM_RESET);
    else if (!file->no_write && !file->broken)
        tell(world, file, BIDE__SIM_END);
    bide__sim_changed(world, file->peer);
    if (file->peer->closed)
        bide__sim_part(file);
}

/* ---- what can be done now ---- */

static int listener_events(const struct bide__sim_file *file)
{
    return bide__list_empty(&file->backlog) ? 0 : POLLIN | POLLRDNORM;
}

int bide__sim_events(const struct bide__sim_file *file)
{
    int events = 0;
    if (file->state == BIDE__SIM_LISTENING)
        return listener_events(file);
    if (file->error)
        events |= POLLERR;
    if (file->kind == BIDE__SIM_DATAGRAM)
        return events | POLLOUT | POLLWRNORM | (file->no_read ? POLLRDHUP : 0) |
               (file->queued || file->error || file->no_read ? POLLIN | POLLRDNORM : 0);
    if (file->state == BIDE__SIM_CONNECTING)
        return events;
    if (!connected(file))
        return events | POLLOUT | POLLWRNORM | POLLHUP;
    bool over = file->ended || file->broken || file->no_read;
    if (file->kind != BIDE__SIM_PIPE_OUT && (file->queued || (over && !is_pipe(file))))
        events |= POLLIN | POLLRDNORM;
    if (file->kind == BIDE__SIM_PIPE_IN)
        return events | (over ? POLLHUP : 0);
    if (over && !is_pipe(file))
        events |= POLLRDHUP;
    if (file->broken || (over && file->no_write))
        events |= POLLHUP;
    if (is_pipe(file) && gone(file))
        events |= POLLERR;
    if (gone(file) || room_of(file) >= (is_pipe(file) ? PIPE_BUF : 1))
        events |= POLLOUT | POLLWRNORM;
    return events;
}
