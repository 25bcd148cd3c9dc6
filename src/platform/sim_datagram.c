/* platform/sim_datagram.c - datagrams. */
#include "platform/sim_net.h"

#include <errno.h>

enum { LARGEST = 65507 };

static bool full(const struct bide__sim_file *file)
{
    return file->incoming >= BIDE__SIM_MESSAGES;
}

/* ---- sending ---- */

/* Where msg goes to: by its name, or to the other side of a connected socket. */
static int find_target(struct bide__world *world, struct bide__sim_file *file,
                       const struct msghdr *msg, struct bide__sim_address *ret_where)
{
    if (msg->msg_name && !file->peer) {
        int error = bide__sim_address_read(file, msg->msg_name, msg->msg_namelen, ret_where);
        if (error < 0)
            return error;
    } else if (file->state == BIDE__SIM_CONNECTED) {
        *ret_where = file->other;
    } else {
        return file->kind == BIDE__SIM_DATAGRAM ? -EDESTADDRREQ : -ENOTCONN;
    }
    return bide__sim_bind_any(world, file, ret_where);
}

/* Without the network the receiver is known at once. */
static int find_receiver(struct bide__world *world, struct bide__sim_file *file,
                         const struct bide__sim_address *where, struct bide__sim_file **ret_to)
{
    *ret_to = file->peer;
    if (bide__sim_remote(file))
        return 0;
    if (!*ret_to)
        *ret_to = bide__sim_find(world, BIDE__SIM_DATAGRAM, where, &file->own);
    if (!*ret_to || (*ret_to)->closed)
        return -ECONNREFUSED;
    if ((*ret_to)->no_read)
        return -EPIPE;
    return file->peer && full(file->peer) ? -EAGAIN : 0;
}

static int send_one(struct bide__world *world, struct bide__sim_file *file,
                    const struct bide__sim_address *where, struct bide__sim_file *to,
                    const struct msghdr *msg, size_t size)
{
    struct bide__sim_packet *packet = bide__sim_packet_new(world, BIDE__SIM_DATA, size);
    if (!packet)
        return -ENOMEM;
    bide__sim_gather(msg, packet->bytes, size);
    packet->where = *where;
    packet->source = bide__sim_source(file, where);
    if (to) {
        packet->to = to;
        to->refs++;
    } else if (file->state == BIDE__SIM_CONNECTED) {
        packet->from = file; /* is told when nobody is there */
        file->refs++;
    }
    bide__sim_send(world, file, packet);
    return 0;
}

ssize_t bide__sim_datagram_send(struct bide__world *world, struct bide__sim_file *file,
                                const struct msghdr *msg)
{
    const struct bide_sim_faults *faults = &world->options.faults;
    struct bide__sim_address where = { 0 };
    struct bide__sim_file *to;
    size_t size = bide__sim_size_of(msg);
    int error = bide__sim_take_error(file);
    if (!error && file->no_write)
        error = -EPIPE;
    if (!error && size > LARGEST)
        error = -EMSGSIZE;
    if (!error)
        error = find_target(world, file, msg, &where);
    if (!error)
        error = find_receiver(world, file, &where, &to);
    if (!error && bide__sim_chance(world, faults->no_buffers))
        error = -ENOBUFS;
    if (error)
        return error;
    if (to)
        return (error = send_one(world, file, &where, to, msg, size)) ? error : (ssize_t)size;
    struct bide__sim_address source = bide__sim_source(file, &where);
    bide__sim_may_part(world, &source, &where);
    if (bide__sim_parted(world, &source, &where) || bide__sim_chance(world, faults->lose)) {
        bide__sim_trace(world, BIDE__SIM_LOST, (int64_t)size, ntohs(where.port), 0);
        return (ssize_t)size;
    }
    int copies = 1 + bide__sim_chance(world, faults->duplicate);
    while (copies-- > 0 && !error)
        error = send_one(world, file, &where, NULL, msg, size);
    return error ? error : (ssize_t)size;
}

/* ---- receiving ---- */

static void refuse(struct bide__world *world, struct bide__sim_packet *packet)
{
    struct bide__sim_file *sender = packet->from;
    if (!sender || sender->closed)
        return;
    sender->error = -ECONNREFUSED;
    bide__sim_changed(world, sender);
}

void bide__sim_datagram_arrive(struct bide__world *world, struct bide__sim_packet *packet)
{
    struct bide__sim_file *to = packet->to;
    if (!to)
        to = bide__sim_find(world, BIDE__SIM_DATAGRAM, &packet->where, &packet->source);
    if (!to)
        refuse(world, packet);
    if (!to || to->closed || (bide__sim_remote(to) && full(to))) {
        bide__sim_packet_free(packet);
        return;
    }
    bide__list_remove(&packet->link);
    bide__list_push(&to->queue, &packet->link);
    if (packet->to)
        to->refs--;
    if (packet->from)
        bide__sim_file_drop(packet->from);
    packet->to = packet->from = NULL; /* from now on it is to's, and holds nobody */
    to->queued++;
    to->incoming++;
    bide__sim_changed(world, to);
}

ssize_t bide__sim_datagram_recv(struct bide__world *world, struct bide__sim_file *file,
                                struct msghdr *msg, int flags)
{
    if (file->error)
        return bide__sim_take_error(file);
    if (!file->queued)
        return file->no_read ? 0 : -EAGAIN;
    struct bide__sim_packet *packet =
        bide__container(file->queue.next, struct bide__sim_packet, link);
    size_t room = bide__sim_size_of(msg), size = packet->size, n = size < room ? size : room;
    bide__sim_scatter(msg, 0, packet->bytes, n);
    bide__sim_address_write(file, &packet->source, msg->msg_name, &msg->msg_namelen);
    msg->msg_flags = n < size ? MSG_TRUNC : 0;
    if (!(flags & MSG_PEEK)) {
        bide__sim_packet_free(packet);
        file->queued--;
        file->incoming--;
        if (file->peer)
            bide__sim_changed(world, file->peer);
    }
    return (ssize_t)(flags & MSG_TRUNC ? size : n);
}
