/*
 * Random operations on a few descriptors of all kinds, by tasks that are cancelled at random, and
 * that close them under each other. Whatever comes, it is a result that the operation can have, and
 * nothing stays open.
 */
#include "workload.h"

#include <arpa/inet.h>
#include <bide/keywords.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>

enum { SLOTS = 12, TASKS = 8, STEPS = 60, EMPTY = -1 };

static int slots[SLOTS];

/* ---- addresses ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* One of a few, so that they meet. */
static socklen_t draw_address(union address *a, int family)
{
    *a = (union address){ 0 };
    a->any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        a->in.sin_port = htons((uint16_t)sim_draw(0, 3));
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)sim_draw(0, 1));
        return sizeof(a->in);
    }
    if (family == AF_INET6) {
        a->in6.sin6_port = htons((uint16_t)sim_draw(0, 3));
        a->in6.sin6_addr = in6addr_loopback;
        return sizeof(a->in6);
    }
    snprintf(a->un.sun_path, sizeof(a->un.sun_path), "/sim/%d", sim_draw(0, 2));
    return sizeof(a->un);
}

static int draw_family(void)
{
    static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
    return families[sim_draw(0, 2)];
}

/* ---- descriptors ---- */

static void keep(int fd)
{
    int at = sim_draw(0, SLOTS - 1);
    if (fd < 0)
        return;
    int old = slots[at];
    slots[at] = fd;
    if (old != EMPTY)
        bide_close(old);
}

static int make(void)
{
    int pair[2] = { EMPTY, EMPTY }, error;
    int type = sim_draw(0, 1) ? SOCK_STREAM : SOCK_DGRAM;
    if (sim_draw(0, 2) == 0) {
        int fd = bide_socket(draw_family(), type, 0);
        keep(fd);
        return fd < 0 ? fd : 0;
    }
    error = sim_draw(0, 1) ? bide_pipe(pair) : bide_socketpair(AF_UNIX, type, 0, pair);
    if (!error) {
        keep(pair[0]);
        keep(pair[1]);
    }
    return error;
}

/* ---- operations ---- */

static ssize_t transfer(int fd)
{
    char bytes[300] = { 0 };
    struct iovec parts[2] = { { bytes, 100 }, { bytes + 100, (size_t)sim_draw(0, 200) } };
    size_t size = (size_t)sim_draw(0, sizeof(bytes));
    int flags = sim_draw(0, 3) ? 0 : MSG_DONTWAIT;
    switch (sim_draw(0, 7)) {
    case 0:
        return bide_read(fd, bytes, size);
    case 1:
        return bide_write(fd, bytes, size);
    case 2:
        return bide_recv(fd, bytes, size, flags | (sim_draw(0, 5) ? 0 : MSG_PEEK));
    case 3:
        return bide_send(fd, bytes, size, flags);
    case 4:
        return bide_readv(fd, parts, 2);
    case 5:
        return bide_writev(fd, parts, 2);
    case 6:
        return bide_recvmsg(fd, &(struct msghdr){ .msg_iov = parts, .msg_iovlen = 2 }, flags);
    default: {
        union address to;
        struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
        if (sim_draw(0, 1)) {
            msg.msg_namelen = draw_address(&to, draw_family());
            msg.msg_name = &to;
        }
        return bide_sendmsg(fd, &msg, flags);
    }
    }
}

static int name(int fd)
{
    union address a;
    socklen_t size = draw_address(&a, draw_family()), room = sizeof(a);
    int error = 0;
    switch (sim_draw(0, 4)) {
    case 0:
        return bide_bind(fd, &a.any, size);
    case 1:
        return bide_connect(fd, &a.any, size);
    case 2:
        return bide_getsockname(fd, &a.any, &room);
    case 3:
        return bide_getpeername(fd, &a.any, &room);
    default:
        size = sizeof(error);
        return bide_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
}

static int operate(int fd)
{
    switch (sim_draw(0, 7)) {
    case 0:
        return make();
    case 1:
        return name(fd);
    case 2:
        return bide_listen(fd, sim_draw(0, 3));
    case 3: {
        int taken = bide_accept(fd, NULL, NULL, 0);
        keep(taken);
        return taken < 0 ? taken : 0;
    }
    case 4:
        return sim_draw(0, 3) ? 0 : bide_shutdown(fd, sim_draw(0, 2));
    case 5:
        return bide_poll(fd, sim_draw(0, 1) ? POLLIN : POLLOUT | POLLRDHUP);
    default:
        return (int)transfer(fd);
    }
}
ASYNC(int, operate, int)

/* Errors that none of these operations has. */
static bool strange(int error)
{
    return error == -EINTR || error == -ENOSYS || error == -EFAULT || error == -EDEADLK ||
           error < -4095;
}

static int meddle(void)
{
    for (int i = 0; i < STEPS; i++) {
        int at = sim_draw(0, SLOTS - 1), fd = slots[at];
        let one = async(operate, fd);
        within(sim_draw(0, 200) * BIDE_US, &one);
        sim_expect(!strange(one.value), "an operation gave %s", strerrorname_np(-one.value));
        if (sim_draw(0, 9) == 0 && fd != EMPTY && slots[at] == fd) {
            slots[at] = EMPTY;
            bide_close(fd);
        }
    }
    return 0;
}
ASYNC(int, meddle)

static int sockets(void)
{
    struct meddle_future tasks[TASKS];
    for (int i = 0; i < SLOTS; i++)
        slots[i] = EMPTY;
    for (int i = 0; i < TASKS; i++)
        tasks[i] = async(meddle);
    bide_join_all(tasks, TASKS);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i] != EMPTY)
            bide_close(slots[i]);
    return 0;
}
ASYNC(int, sockets)

WORKLOAD(sockets)
