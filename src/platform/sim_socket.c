/* platform/sim_socket.c - making sockets and pipes, listening, connecting, accepting; options. */
#include "platform/sim_net.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 6, BACKLOG_LEAST = 1 };

/* ---- making ---- */

static bool no_descriptor(struct bide__world *world)
{
    return bide__sim_chance(world, world->options.faults.no_descriptor);
}

static int kind_of(int domain, int type)
{
    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    switch (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
    case SOCK_STREAM:
        return BIDE__SIM_STREAM;
    case SOCK_DGRAM:
        return BIDE__SIM_DATAGRAM;
    default:
        return -ESOCKTNOSUPPORT;
    }
}

static ssize_t open_file(struct bide__world *world, struct bide__sim_file *file)
{
    int fd = bide__sim_file_open(world, file);
    if (fd < 0)
        bide__sim_file_drop(file);
    return fd;
}

ssize_t bide__sim_socket(struct bide__world *world, int domain, int type)
{
    int kind = kind_of(domain, type);
    if (kind < 0)
        return kind;
    if (no_descriptor(world))
        return -EMFILE;
    struct bide__sim_file *file = bide__sim_file_new(world, (enum bide__sim_kind)kind, domain);
    return file ? open_file(world, file) : -ENOMEM;
}

static void link_peers(struct bide__sim_file *a, struct bide__sim_file *b)
{
    a->peer = b;
    b->peer = a;
    a->refs++;
    b->refs++;
}

ssize_t bide__sim_pair(struct bide__world *world, const struct bide_io *io)
{
    bool pipe = io->op == BIDE__OP_PIPE;
    int *ret_fds = io->buf, kind = pipe ? BIDE__SIM_PIPE_IN : kind_of(io->fd, io->flags);
    if (kind < 0)
        return kind;
    if (!pipe && io->fd != AF_UNIX)
        return -EOPNOTSUPP;
    if (no_descriptor(world))
        return -EMFILE;
    struct bide__sim_file *a = bide__sim_file_new(world, (enum bide__sim_kind)kind, AF_UNIX);
    struct bide__sim_file *b =
        bide__sim_file_new(world, pipe ? BIDE__SIM_PIPE_OUT : (enum bide__sim_kind)kind, AF_UNIX);
    ssize_t first = a && b ? bide__sim_file_open(world, a) : -ENOMEM;
    ssize_t second = first < 0 ? first : bide__sim_file_open(world, b);
    if (second < 0) {
        if (first >= 0)
            bide__sim_file_close(world, a);
        else if (a)
            bide__sim_file_drop(a);
        if (b)
            bide__sim_file_drop(b);
        return second;
    }
    a->state = b->state = BIDE__SIM_CONNECTED;
    link_peers(a, b);
    ret_fds[0] = (int)first;
    ret_fds[1] = (int)second;
    return 0;
}

/* ---- listening ---- */

int bide__sim_listen(struct bide__world *world, struct bide__sim_file *file, int backlog)
{
    if (file->kind != BIDE__SIM_STREAM)
        return -EOPNOTSUPP;
    if (file->state != BIDE__SIM_NEW && file->state != BIDE__SIM_LISTENING)
        return -EINVAL;
    if (!file->own.family) {
        struct bide__sim_address any = { .family = (sa_family_t)file->domain };
        int error = file->domain == AF_UNIX ? -EINVAL : bide__sim_bind(world, file, &any);
        if (error < 0)
            return error;
    }
    file->state = BIDE__SIM_LISTENING;
    file->backlog_most = backlog > BACKLOG_LEAST ? (unsigned)backlog : BACKLOG_LEAST;
    return 0;
}

/* Who has connected and was not accepted finds its connection reset. */
void bide__sim_stop_listening(struct bide__world *world, struct bide__sim_file *file)
{
    for (struct bide__list *link; (link = bide__list_pop(&file->backlog));) {
        struct bide__sim_file *pending = bide__container(link, struct bide__sim_file, pending);
        bide__list_init(&pending->pending);
        pending->hard_close = true;
        bide__sim_file_close(world, pending);
    }
    file->backlog_count = 0;
    file->state = BIDE__SIM_NEW;
    bide__sim_changed(world, file);
}

ssize_t bide__sim_accept(struct bide__world *world, struct bide__sim_file *file, struct bide_io *io)
{
    if (file->state != BIDE__SIM_LISTENING)
        return -EINVAL;
    if (bide__list_empty(&file->backlog))
        return -EAGAIN;
    if (no_descriptor(world))
        return -EMFILE;
    struct bide__sim_file *next =
        bide__container(file->backlog.next, struct bide__sim_file, pending);
    int fd = bide__sim_file_open(world, next);
    if (fd < 0)
        return fd;
    bide__list_remove(&next->pending);
    bide__list_init(&next->pending);
    file->backlog_count--;
    bide__sim_address_write(next, &next->other, io->buf, io->buf2);
    return fd;
}

/* ---- connecting ---- */

static int begin_connect(struct bide__world *world, struct bide__sim_file *file,
                         const struct bide__sim_address *to)
{
    if (file->state == BIDE__SIM_CONNECTED)
        return -EISCONN;
    if (file->state != BIDE__SIM_NEW)
        return file->state == BIDE__SIM_CONNECTING ? -EALREADY : -EINVAL;
    int error = bide__sim_bind_any(world, file, to);
    if (error < 0)
        return error;
    struct bide__sim_packet *packet = bide__sim_packet_new(world, BIDE__SIM_OPEN, 0);
    if (!packet)
        return -ENOMEM;
    file->state = BIDE__SIM_CONNECTING;
    file->error = 0;
    file->other = packet->where = *to;
    packet->source = file->own;
    packet->from = file;
    file->refs++;
    if (bide__sim_remote(file))
        bide__sim_may_part(world, &file->own, to);
    bide__sim_send(world, file, packet);
    return 0;
}

static int connect_outcome(struct bide__sim_file *file)
{
    if (file->state == BIDE__SIM_CONNECTING)
        return -EAGAIN;
    if (file->state == BIDE__SIM_CONNECTED)
        return 0;
    return file->error ? bide__sim_take_error(file) : -ECONNREFUSED;
}

ssize_t bide__sim_connect(struct bide__world *world, struct bide__sim_file *file,
                          struct bide_io *io)
{
    if (file->kind < BIDE__SIM_STREAM)
        return -ENOTSOCK;
    if (io->stage)
        return connect_outcome(file);
    struct bide__sim_address to;
    int error = bide__sim_address_read(file, io->buf, io->mask, &to);
    if (error < 0)
        return error;
    if (bide__sim_remote(file) && IN6_IS_ADDR_UNSPECIFIED(&to.ip)) /* this host */
        to.ip = file->domain == AF_INET6
                    ? (struct in6_addr)IN6ADDR_LOOPBACK_INIT
                    : (struct in6_addr){ .s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
    if (file->kind == BIDE__SIM_DATAGRAM) {
        error = file->peer ? -EISCONN : bide__sim_bind_any(world, file, &to);
        if (error < 0)
            return error;
        file->other = to;
        file->state = BIDE__SIM_CONNECTED;
        return 0;
    }
    error = begin_connect(world, file, &to);
    if (error < 0)
        return error;
    io->stage = 1;
    return connect_outcome(file);
}

/* The answer to packet, an OPEN, which it consumes. */
static void answer(struct bide__world *world, struct bide__sim_file *server,
                   struct bide__sim_packet *packet, enum bide__sim_message message)
{
    packet->message = (uint8_t)message;
    packet->to = packet->from;
    packet->from = NULL;
    struct bide__sim_address swap = packet->where;
    packet->where = packet->source;
    packet->source = swap;
    bide__sim_send(world, server ? server : packet->to, packet);
}

/* As a SYN is sent again when the backlog was full. */
static void try_later(struct bide__world *world, struct bide__sim_packet *packet)
{
    bide__sim_set(world, &packet->event, world->now + (BIDE_S << packet->tries++));
}

static void open_arrives(struct bide__world *world, struct bide__sim_packet *packet)
{
    struct bide__sim_file *client = packet->from, *server = NULL;
    struct bide__sim_file *listener =
        bide__sim_find(world, BIDE__SIM_STREAM, &packet->where, &packet->source);
    bool remote = bide__sim_remote(client);
    bool refused =
        remote && !packet->tries && bide__sim_chance(world, world->options.faults.refuse);
    bool full = listener && remote && listener->backlog_count >= listener->backlog_most;
    if (packet->tries && client->closed) { /* it sends no more of them */
        bide__sim_packet_free(packet);
        return;
    }
    if (full && !refused && packet->tries < TRIES) {
        try_later(world, packet);
        return;
    }
    if (listener && !refused && !full)
        server = bide__sim_file_new(world, BIDE__SIM_STREAM, listener->domain);
    if (!server) {
        answer(world, NULL, packet, BIDE__SIM_REFUSED);
        return;
    }
    server->own = packet->where;
    server->other = packet->source;
    server->state = BIDE__SIM_CONNECTED;
    link_peers(server, client);
    bide__list_push(&listener->backlog, &server->pending);
    listener->backlog_count++;
    bide__sim_changed(world, listener);
    answer(world, server, packet, BIDE__SIM_OPENED);
}

void bide__sim_connect_arrive(struct bide__world *world, struct bide__sim_packet *packet)
{
    if (packet->message == BIDE__SIM_OPEN) {
        open_arrives(world, packet);
        return;
    }
    struct bide__sim_file *client = packet->to;
    if (packet->message == BIDE__SIM_OPENED && client->closed) {
        bide__sim_stream_reset(world, client); /* it gave up meanwhile */
    } else if (packet->message == BIDE__SIM_OPENED) {
        client->state = BIDE__SIM_CONNECTED;
    } else {
        client->state = BIDE__SIM_NEW;
        client->error = packet->tries == TRIES ? -ETIMEDOUT : -ECONNREFUSED;
    }
    bide__sim_changed(world, client);
    bide__sim_packet_free(packet);
}

/* ---- options: what is asked for most; others are taken and change nothing ---- */

ssize_t bide__sim_option_set(struct bide__sim_file *file, const struct bide_io *io)
{
    if (file->kind < BIDE__SIM_STREAM)
        return -ENOTSOCK;
    int value = 0;
    if (!io->buf || io->mask < sizeof(value))
        return -EINVAL;
    memcpy(&value, io->buf, sizeof(value));
    if (io->flags == SOL_SOCKET && io->offset == SO_REUSEPORT)
        file->reuse_port = value != 0;
    if (io->flags == SOL_SOCKET && io->offset == SO_LINGER && io->mask >= sizeof(struct linger)) {
        struct linger linger;
        memcpy(&linger, io->buf, sizeof(linger));
        file->hard_close = linger.l_onoff && !linger.l_linger;
    }
    return 0;
}

static int socket_option(struct bide__sim_file *file, int name)
{
    switch (name) {
    case SO_ERROR:
        return -bide__sim_take_error(file);
    case SO_TYPE:
        return file->kind == BIDE__SIM_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    case SO_DOMAIN:
        return file->domain;
    case SO_PROTOCOL:
        if (!bide__sim_remote(file))
            return 0;
        return file->kind == BIDE__SIM_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    case SO_ACCEPTCONN:
        return file->state == BIDE__SIM_LISTENING;
    case SO_REUSEPORT:
        return file->reuse_port;
    case SO_SNDBUF:
    case SO_RCVBUF:
        return BIDE__SIM_BUFFER;
    default:
        return 0;
    }
}

ssize_t bide__sim_option_get(struct bide__sim_file *file, struct bide_io *io)
{
    socklen_t *size = io->buf2;
    if (file->kind < BIDE__SIM_STREAM)
        return -ENOTSOCK;
    if (!size || !io->buf || *size < sizeof(int))
        return -EINVAL;
    int value = io->flags == SOL_SOCKET ? socket_option(file, (int)io->offset) : 0;
    memcpy(io->buf, &value, sizeof(value));
    *size = sizeof(value);
    return 0;
}
