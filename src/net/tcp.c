/* net/tcp.c - TCP by numeric address. */
#include <bide/bide.h>
#include <bide/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
};

/* An empty host is every address: IPv6's, which takes IPv4 connections too. */
static int parse_address(const char *host, uint16_t port, struct address *ret_address)
{
    struct address a = { 0 };
    if (!host)
        host = "";
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        a.size = sizeof(a.v4);
    } else if (!*host || inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        a.size = sizeof(a.v6);
    } else {
        return -EINVAL;
    }
    *ret_address = a;
    return 0;
}

static int set_flag(int fd, int level, int name)
{
    return bide_setsockopt(fd, level, name, &(int){ 1 }, sizeof(int));
}

static int listen_on(int fd, const struct address *address, const struct bide_tcp_options *options)
{
    int error = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    if (!error && options && options->reuse_port)
        error = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!error)
        error = bide_bind(fd, &address->any, address->size);
    if (!error)
        error = bide_listen(fd, options && options->backlog ? options->backlog : 4096);
    return error;
}

int bide_tcp_listen(const char *host, uint16_t port, const struct bide_tcp_options *options)
{
    struct address address;
    int error = parse_address(host, port, &address);
    if (error < 0)
        return error;
    int fd = bide_socket(address.any.sa_family, SOCK_STREAM, 0);
    if (fd == -EAFNOSUPPORT && !(host && *host)) {
        parse_address("0.0.0.0", port, &address);
        fd = bide_socket(AF_INET, SOCK_STREAM, 0);
    }
    if (fd < 0)
        return fd;
    error = listen_on(fd, &address, options);
    if (error < 0) {
        bide_close(fd);
        return error;
    }
    return fd;
}

int bide_tcp_port(int fd)
{
    struct address address = { .size = sizeof(address.v6) };
    int error = bide_getsockname(fd, &address.any, &address.size);
    if (error < 0)
        return error;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int bide_tcp_nodelay(int fd)
{
    return set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
}

int bide_tcp_dial(const char *host, uint16_t port, const struct bide_tcp_options *options)
{
    struct address address;
    int error = host && *host ? parse_address(host, port, &address) : -EINVAL;
    if (error < 0)
        return error;
    int fd = bide_socket(address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    error = bide_connect(fd, &address.any, address.size);
    if (!error && !(options && options->no_nodelay))
        error = bide_tcp_nodelay(fd);
    if (error < 0) {
        bide_close(fd);
        return error;
    }
    return fd;
}
