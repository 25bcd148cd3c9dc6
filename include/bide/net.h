/*
 * bide/net.h - TCP by numeric address (library bide-net).
 */
#ifndef BIDE_NET_H
#define BIDE_NET_H

#include <bide/future.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct bide_tcp_options {
    int backlog;             /* of a listener; 0: 4096 (the kernel caps it) */
    unsigned reuse_port : 1; /* SO_REUSEPORT: several listeners share the port */
    unsigned no_nodelay : 1; /* leave Nagle's algorithm on */
};

/*
 * bide_tcp_listen - a listening socket.
 *
 * @host     numeric IPv4 or IPv6 address ("127.0.0.1", "::1"), "localhost", or NULL or "" for
 *           all addresses
 * @port     0 lets the kernel choose (bide_tcp_port)
 * @options  may be NULL
 *
 * Returns a descriptor, owned by the caller; -EINVAL when host is no such address;
 * -EADDRINUSE and the like. SO_REUSEADDR is set. Does not suspend.
 */
BIDE_API int bide_tcp_listen(const char *host, uint16_t port,
                             const struct bide_tcp_options *options);

/* bide_tcp_port - the local port of a socket, or -errno. */
BIDE_API int bide_tcp_port(int fd);

/*
 * bide_tcp_dial - connect. Arguments as above; host may not be NULL.
 *
 * Returns a connected descriptor, owned by the caller, with TCP_NODELAY; or -errno.
 * Cancel  on -ECANCELED and -ETIMEDOUT the socket has been closed.
 */
BIDE_SUSPENDS BIDE_API int bide_tcp_dial(const char *host, uint16_t port,
                                         const struct bide_tcp_options *options);

/* bide_tcp_nodelay - turn Nagle's algorithm off on an accepted socket. 0 or -errno. */
BIDE_API int bide_tcp_nodelay(int fd);

BIDE_ASYNC(int, bide_tcp_dial, const char *, uint16_t, const struct bide_tcp_options *)

#endif
