/* io/describe.c - operations in words, for reports: "recv on fd 7 from 10.0.0.3:443". */
#include "core/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { ADDRESS_SIZE = 80 };

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

/* A path may be of any length, and one in the abstract name space begins with a 0. */
static void print_path(const union address *a, socklen_t size, char *to)
{
    const char *path = a->un.sun_path;
    int n = (int)size - (int)offsetof(struct sockaddr_un, sun_path);
    if (n <= 0)
        snprintf(to, ADDRESS_SIZE, "an unnamed socket");
    else if (!path[0])
        snprintf(to, ADDRESS_SIZE, "@%.*s", n - 1, path + 1);
    else
        snprintf(to, ADDRESS_SIZE, "%.*s", n, path);
}

/* Into ADDRESS_SIZE bytes. */
static void print_address(const union address *a, socklen_t size, char *to)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->any.sa_family == AF_INET && size >= sizeof(a->in)) {
        inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        snprintf(to, ADDRESS_SIZE, "%s:%u", host, ntohs(a->in.sin_port));
    } else if (a->any.sa_family == AF_INET6 && size >= sizeof(a->in6)) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        snprintf(to, ADDRESS_SIZE, "[%s]:%u", host, ntohs(a->in6.sin6_port));
    } else if (a->any.sa_family == AF_UNIX) {
        print_path(a, size, to);
    } else {
        snprintf(to, ADDRESS_SIZE, "an address of family %d", a->any.sa_family);
    }
}

/* " from 10.0.0.3:443"; nothing when fd is no connected socket. */
static void add_name(struct bide_description *to, const char *word, int fd,
                     int (*name)(int fd, struct sockaddr *addr, socklen_t *addr_size))
{
    union address a = { .any.sa_family = AF_UNSPEC };
    socklen_t size = sizeof(a);
    char text[ADDRESS_SIZE];
    if (name(fd, &a.any, &size) < 0)
        return;
    print_address(&a, size < sizeof(a) ? size : sizeof(a), text);
    size_t at = strlen(to->text);
    snprintf(to->text + at, sizeof(to->text) - at, " %s %s", word, text);
}

static void describe_connect(const struct bide_io *io, struct bide_description *to)
{
    union address a = { .any.sa_family = AF_UNSPEC };
    char text[ADDRESS_SIZE];
    socklen_t size = io->mask < sizeof(a) ? io->mask : sizeof(a);
    memcpy(&a, io->buf, size);
    print_address(&a, size, text);
    bide__say(to, "connect on fd %d to %s", io->fd, text);
}

static void describe_poll(const struct bide_io *io, struct bide_description *to)
{
    bool in = io->mask & POLLIN, out = io->mask & POLLOUT;
    bide__say(to, "poll of fd %d%s%s", io->fd, in ? " for input" : "",
              !out ? "" : in ? " or output" : " for output");
}

/* How fd's peer relates to the operation; NULL: it has none. */
static const char *peer_word(enum bide__op op)
{
    switch (op) {
    case BIDE__OP_READ:
    case BIDE__OP_READV:
    case BIDE__OP_RECV:
    case BIDE__OP_RECVMSG:
        return "from";
    case BIDE__OP_WRITE:
    case BIDE__OP_WRITEV:
    case BIDE__OP_SEND:
    case BIDE__OP_SENDMSG:
        return "to";
    default:
        return NULL;
    }
}

void bide__io_describe(const struct bide_future *f, struct bide_description *to)
{
    const struct bide_io *io = &((const struct bide_io_future *)f)->args;
    const char *name = bide__io_name(io->op), *word = peer_word(io->op);
    switch (io->op) {
    case BIDE__OP_CONNECT:
        describe_connect(io, to);
        break;
    case BIDE__OP_POLL:
        describe_poll(io, to);
        break;
    case BIDE__OP_OPEN:
    case BIDE__OP_STATX:
    case BIDE__OP_UNLINK:
    case BIDE__OP_RENAME:
        bide__say(to, "%s of %s", name, io->buf ? (const char *)io->buf : "?");
        break;
    default:
        bide__say(to, "%s on fd %d", name, io->fd);
        if (word)
            add_name(to, word, io->fd, bide_getpeername);
        else if (io->op == BIDE__OP_ACCEPT)
            add_name(to, "at", io->fd, bide_getsockname);
        break;
    }
}
