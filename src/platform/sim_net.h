/*
 * platform/sim_net.h - the descriptors of a simulation: pipes and sockets, and what moves between
 * them.
 *
 * A file is what a descriptor stands for. Operations that cannot be done yet wait in its lists, and
 * are tried again, in order, when its event fires: whatever changes a file only sets that event, so
 * nothing is ever completed from within another operation.
 *
 * Bytes, datagrams and what opens and ends connections travel as packets. Those of the network
 * (AF_INET, AF_INET6) take time and meet faults; those of pipes and AF_UNIX arrive at once.
 */
#ifndef BIDE_PLATFORM_SIM_NET_H
#define BIDE_PLATFORM_SIM_NET_H

#include "platform/sim.h"

#include <netinet/in.h>
#include <sys/un.h>

enum { BIDE__SIM_FIRST_FD = 1000000000, BIDE__SIM_BUFFER = 65536, BIDE__SIM_MESSAGES = 64 };

enum bide__sim_kind { BIDE__SIM_PIPE_OUT, BIDE__SIM_PIPE_IN, BIDE__SIM_STREAM, BIDE__SIM_DATAGRAM };
enum bide__sim_state {
    BIDE__SIM_NEW,
    BIDE__SIM_LISTENING,
    BIDE__SIM_CONNECTING,
    BIDE__SIM_CONNECTED,
};
enum { BIDE__SIM_READ, BIDE__SIM_WRITE, BIDE__SIM_POLL, BIDE__SIM_SIDES };

/* An IPv4 address is kept as an IPv6 one is that stands for it, so that both can meet. */
struct bide__sim_address {
    sa_family_t family; /* AF_INET6 for both; AF_UNIX; 0: none */
    in_port_t port;     /* of the network's order; 0: not bound */
    socklen_t size;     /* of the name: AF_UNIX */
    union {
        struct in6_addr ip;
        char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
    };
};

struct bide__sim_file {
    struct bide__list link; /* in world->files */
    unsigned refs; /* its descriptor, its peer, a backlog, and packets on their way to it */
    int fd;        /* -1: none (yet, or any more) */
    int domain;
    uint8_t kind, state;
    bool no_read, no_write; /* shut down here */
    bool ended;             /* the other side sends no more: that has arrived */
    bool broken;            /* the connection was reset */
    bool closed;            /* it had a descriptor, and has none */
    bool reuse_port, hard_close;
    int error; /* -errno that the next operation reports, or 0 */
    struct bide__sim_address own, other;
    struct bide__sim_file *peer;

    struct bide__list waiting[BIDE__SIM_SIDES]; /* bide_io.link */
    struct bide__sim_event serve;

    struct bide__list queue; /* bide__sim_packet.link: what has arrived */
    size_t queued;           /* bytes in it, or datagrams */
    size_t incoming;         /* the same, with what is on its way */
    bide_time last_arrival;  /* of what is on its way: a stream's packets keep their order */

    struct bide__list bound;   /* in world->bound; alone when it has no address of its own */
    struct bide__list backlog; /* of a listener: bide__sim_file.pending */
    struct bide__list pending; /* in a listener's backlog */
    unsigned backlog_count, backlog_most;
};

enum bide__sim_message {
    BIDE__SIM_DATA,
    BIDE__SIM_END, /* of one direction of a stream */
    BIDE__SIM_RESET,
    BIDE__SIM_OPEN, /* a connect, to an address */
    BIDE__SIM_OPENED,
    BIDE__SIM_REFUSED, /* an answer to OPEN, or to a datagram */
};

struct bide__sim_packet {
    struct bide__sim_event event;
    struct bide__list link;      /* in world->packets, then in a file's queue */
    struct bide__sim_file *to;   /* NULL: whoever has the address `where` when it arrives */
    struct bide__sim_file *from; /* of OPEN; until it arrives, of a connected sender's datagram */
    struct bide__sim_address where, source;
    uint8_t message;
    uint8_t tries;
    size_t size, taken; /* bytes; of a stream, those that were read */
    char bytes[];
};

/* ---- files (sim_files.c) ---- */

/* Without a descriptor, and with one reference, which is the caller's. NULL: no memory. */
struct bide__sim_file *bide__sim_file_new(struct bide__world *world, enum bide__sim_kind kind,
                                          int domain);
void bide__sim_file_drop(struct bide__sim_file *file);

/* Gives it a descriptor, and the caller's reference to that. Its number, or -EMFILE, -ENOMEM. */
int bide__sim_file_open(struct bide__world *world, struct bide__sim_file *file);

/* Its descriptor is gone, or it never gets one; the reference goes too. */
void bide__sim_file_close(struct bide__world *world, struct bide__sim_file *file);

/* NULL: no descriptor of the simulation. */
struct bide__sim_file *bide__sim_file_of(struct bide__world *world, int fd);

/* The error that is to be reported, which is now; or 0. */
int bide__sim_take_error(struct bide__sim_file *file);

/* Something about the file has changed: who waits is to try again. */
void bide__sim_changed(struct bide__world *world, struct bide__sim_file *file);

/* file and its peer know each other no more. */
void bide__sim_part(struct bide__sim_file *file);

void bide__sim_files_free(struct bide__world *world);

enum bide__submitted bide__sim_submit(struct bide__reactor *reactor, struct bide_io *io);
void bide__sim_cancel(struct bide__reactor *reactor, struct bide_io *io);
ssize_t bide__sim_call(struct bide__reactor *reactor, struct bide_io *io);

/* ---- packets and the network (sim_link.c) ---- */

/* NULL: no memory. */
struct bide__sim_packet *bide__sim_packet_new(struct bide__world *world,
                                              enum bide__sim_message message, size_t size);
void bide__sim_packet_free(struct bide__sim_packet *packet);

/* Does what file sends go through the network? */
bool bide__sim_remote(const struct bide__sim_file *file);

/* To the file's peer, or to packet->where: bide__sim_arrive is called then. Consumes packet. */
void bide__sim_send(struct bide__world *world, struct bide__sim_file *file,
                    struct bide__sim_packet *packet);

/* Perhaps the network between two hosts parts now; does it lie in parts? */
void bide__sim_may_part(struct bide__world *world, const struct bide__sim_address *a,
                        const struct bide__sim_address *b);
bool bide__sim_parted(struct bide__world *world, const struct bide__sim_address *a,
                      const struct bide__sim_address *b);

void bide__sim_link_free(struct bide__world *world);

/* ---- what a packet does (each frees it or keeps it) ---- */

void bide__sim_stream_arrive(struct bide__world *world, struct bide__sim_packet *packet);
void bide__sim_datagram_arrive(struct bide__world *world, struct bide__sim_packet *packet);
void bide__sim_connect_arrive(struct bide__world *world, struct bide__sim_packet *packet);

/* ---- operations: a result, or -EAGAIN to be tried again when the file changes ---- */

/* Data as scattered as recvmsg(2) has it. */
ssize_t bide__sim_stream_recv(struct bide__world *world, struct bide__sim_file *file,
                              struct msghdr *msg, int flags);
ssize_t bide__sim_stream_send(struct bide__world *world, struct bide__sim_file *file,
                              const struct msghdr *msg);
int bide__sim_stream_shutdown(struct bide__world *world, struct bide__sim_file *file, int how);
void bide__sim_stream_close(struct bide__world *world, struct bide__sim_file *file);
void bide__sim_stream_reset(struct bide__world *world, struct bide__sim_file *file);

/* How many bytes msg holds, or has room for; the first of them; and up to size bytes to where it
 * has room after `at`. */
size_t bide__sim_size_of(const struct msghdr *msg);
void bide__sim_gather(const struct msghdr *msg, char *to, size_t size);
void bide__sim_scatter(const struct msghdr *msg, size_t at, const char *from, size_t size);

ssize_t bide__sim_datagram_recv(struct bide__world *world, struct bide__sim_file *file,
                                struct msghdr *msg, int flags);
ssize_t bide__sim_datagram_send(struct bide__world *world, struct bide__sim_file *file,
                                const struct msghdr *msg);

/* POLLIN and so on, as they are now. */
int bide__sim_events(const struct bide__sim_file *file);

/* ---- sockets (sim_socket.c) ---- */

ssize_t bide__sim_socket(struct bide__world *world, int domain, int type);
ssize_t bide__sim_pair(struct bide__world *world, const struct bide_io *io); /* or a pipe */
int bide__sim_listen(struct bide__world *world, struct bide__sim_file *file, int backlog);
void bide__sim_stop_listening(struct bide__world *world, struct bide__sim_file *file);
ssize_t bide__sim_accept(struct bide__world *world, struct bide__sim_file *file,
                         struct bide_io *io);
ssize_t bide__sim_connect(struct bide__world *world, struct bide__sim_file *file,
                          struct bide_io *io);

/* ---- addresses (sim_address.c) ---- */

int bide__sim_address_read(const struct bide__sim_file *file, const struct sockaddr *addr,
                           socklen_t size, struct bide__sim_address *ret_address);
void bide__sim_address_write(const struct bide__sim_file *file,
                             const struct bide__sim_address *address, struct sockaddr *ret_addr,
                             socklen_t *size);
bool bide__sim_same_host(const struct bide__sim_address *a, const struct bide__sim_address *b);
int bide__sim_bind(struct bide__world *world, struct bide__sim_file *file,
                   const struct bide__sim_address *address);

/* One that is not bound and speaks to `other` gets an address. 0 or -errno. */
int bide__sim_bind_any(struct bide__world *world, struct bide__sim_file *file,
                       const struct bide__sim_address *other);

/* Its own address, as `other` sees it. */
struct bide__sim_address bide__sim_source(const struct bide__sim_file *file,
                                          const struct bide__sim_address *other);

/* The listener or datagram socket at `where`; of several one is drawn. NULL: none. */
struct bide__sim_file *bide__sim_find(struct bide__world *world, enum bide__sim_kind kind,
                                      const struct bide__sim_address *where,
                                      const struct bide__sim_address *source);

ssize_t bide__sim_option_set(struct bide__sim_file *file, const struct bide_io *io);
ssize_t bide__sim_option_get(struct bide__sim_file *file, struct bide_io *io);

#endif
