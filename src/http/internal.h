/*
 * http/internal.h - a server and its connections: what the files of libbide-http share.
 *
 * parser.c      bytes to a request head and body parts, on llhttp; no I/O
 * head.c        what a request head must satisfy beyond the grammar
 * route.c       the trie of routes
 * memory.c      blocks, recycled by a server; a request's arena
 * text.c        names, dates, numbers
 * input.c       a connection's input buffer, and receiving
 * output.c      its output buffer, and sending
 * request.c     what a handler asks of a request: headers, parameters, body
 * response.c    how it answers
 * connection.c  the life of a connection
 * server.c      listening, accepting, stopping
 * metrics.c     counters
 *
 * Threads. A connection stays on one worker, and what its requests use belongs to it or to its
 * worker's share of the server; others only read counters there. What several workers change is the
 * list of connections and their number, under the server's lock. A server whose connections are all
 * on one worker takes no lock.
 */
#ifndef BIDE_HTTP_INTERNAL_H
#define BIDE_HTTP_INTERNAL_H

#include "memory.h"
#include "parser.h"
#include "route.h"
#include "text.h"
#include <bide/bide.h>
#include <bide/http.h>
#include <bide/net.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
    BIDE__HTTP_EXTRA_MAX = 8192, /* bytes of headers that a handler may add */
    BIDE__HTTP_SKIP_MAX = 65536, /* bytes of an unread body that are skipped, not cut off */
};

/* An idle connection keeps its buffers for so long. */
#define BIDE__HTTP_WARM BIDE_S

/* ---- the server --------------------------------------------------------------------------- */

/* Of one route, on one worker. */
struct bide__http_counters {
    bide_time sum;
    struct {
        int status;
        uint64_t count;
    } statuses[BIDE_HTTP_STATUSES];
    uint64_t buckets[BIDE_HTTP_BUCKETS];
};

/* What a worker has of a server: its own, but for the counters, which others read. */
struct bide__http_share {
    struct bide__http_pool pool;
    bide_time date_until;             /* date_line is right until then */
    char date_line[BIDE__HTTP_DATE_SIZE + 1];
    struct bide_http_stats stats;     /* but accepted, open and accept_pauses */
    struct bide__http_counters counters[]; /* by route; the last of the requests without one */
};

typedef BIDE_PROMISE(int) bide__http_promise;

struct bide_http_server {
    struct bide_http_options options; /* no field is zero any more, but for flags */
    struct bide__http_limits limits;
    struct bide__http_node root;
    struct bide__http_route *routes;
    size_t routes_count;
    char *shares;                     /* bide__http_share_at; made by serve */
    unsigned shares_count;            /* atomic; one a worker. 0 before serve */
    bool many;                        /* more than one */
    int listener;                     /* -1: closed */
    int port;
    bool served;                      /* bide_http_serve was called */
    bool serving;                     /* and has not returned */
    bool stopping;                    /* atomic */
    bide__http_promise stop;          /* what serve waits for beside accepting */
    uint64_t accepted, accept_pauses; /* atomic; the acceptor's */

    pthread_mutex_t lock;             /* if many: of what follows */
    struct bide__list connections;    /* bide__http_connection.link, all that are open */
    uint64_t open;                    /* atomic: how many */
    bool draining;                    /* serve waits for drained */
    bide__http_promise drained;       /* the last connection has ended */
};

struct bide__http_share *bide__http_share_at(const struct bide_http_server *server, unsigned i);

static inline void bide__http_lock(struct bide_http_server *server)
{
    if (server->many)
        pthread_mutex_lock(&server->lock);
}

static inline void bide__http_unlock(struct bide_http_server *server)
{
    if (server->many)
        pthread_mutex_unlock(&server->lock);
}

/* A counter has one writer at a time. */
static inline void bide__http_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t bide__http_counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- a connection -------------------------------------------------------------------------- */

enum bide__http_answer {
    BIDE__HTTP_UNANSWERED,
    BIDE__HTTP_FIXED,     /* begun, with a length */
    BIDE__HTTP_CHUNKING,  /* begun, chunked */
    BIDE__HTTP_UNTIL_END, /* begun, ends with the connection: HTTP/1.0 */
    BIDE__HTTP_ANSWERED,  /* complete */
};

struct bide_http_response {
    uint8_t state; /* enum bide__http_answer */
    bool no_body;  /* HEAD, 204, 304 */
    int status;
    int64_t left;  /* of the length, when FIXED */
    char *extra;   /* header lines that the handler added; in the arena */
    size_t extra_size, extra_room;
};

/*
 * The input buffer. The parser lives at the begin of its block, so that an idle connection can give
 * back both. data is the rest of the block, or larger memory for a head that does not fit there.
 *
 *     data: [ used up | head of this request ... | body or next requests | free ]
 *                      head                  parsed                     end     room
 */
struct bide__http_input {
    struct bide__http_parser *parser; /* NULL: there is no buffer */
    struct bide__http_block *block;
    char *data;
    char *own; /* what data is, when it is not in block; malloc'ed */
    size_t room, head, parsed, end;
};

struct bide__http_connection {
    struct bide_http_server *server;
    struct bide__http_share *share;  /* of its worker; from its begin on */
    struct bide__list link;          /* in server->connections */
    int fd;
    int error;                       /* of the transport, sticky: nothing can be sent any more */
    bool begun;                      /* its fiber runs */
    bool idle;                       /* atomic: waits for a request */
    bool close;                      /* after this answer */
    bool linger;                     /* the client may be sending still, after that */
    bool continued;                  /* 100 Continue was sent, or need not be */
    int body_error;                  /* of reading this request's body, sticky */
    unsigned requests;
    bide_time now;                   /* when the last read or answer ended */
    struct bide__http_input input;
    struct bide__http_block *output; /* NULL: nothing to send */
    size_t output_size;
    struct bide__http_arena arena;
    struct bide_http_request request;
    struct bide_http_response response;
    struct bide__http_match match;
    size_t body_max;
    const char *body;                /* what bide_http_body gathered, or NULL */
    size_t body_size;
    const char *part;                /* of the body: received, not yet read */
    size_t part_size;
    char *patched;                   /* the byte that bide_http_body made NUL, or NULL */
    char patch;                      /* what it was */
};

static inline struct bide__http_connection *bide__http_of(const struct bide_http_request *req)
{
    return (struct bide__http_connection *)((char *)req -
                                            offsetof(struct bide__http_connection, request));
}

static inline struct bide__http_connection *bide__http_by(const struct bide_http_response *res)
{
    return (struct bide__http_connection *)((char *)res -
                                            offsetof(struct bide__http_connection, response));
}

/*
 * connection.c
 * new   a connection on fd, which it owns; NULL: no memory, and fd is still the caller's
 * run   run it to its end and free it
 * free  close and free one that never ran, or is over
 */
struct bide__http_connection *bide__http_connection_new(struct bide_http_server *server, int fd);
BIDE_SUSPENDS void bide__http_connection_run(struct bide__http_connection *c);
BIDE_SUSPENDS void bide__http_connection_free(struct bide__http_connection *c);
BIDE_ASYNC_VOID(bide__http_connection_run, struct bide__http_connection *)

/*
 * input.c
 * get      make sure that there is a buffer. False: no memory
 * put      give the empty buffer back
 * room     make room for a read. 0, -ENOMEM, or -EMSGSIZE when the head leaves none
 * receive  wait for a byte, for span at most. Returns how many came; 0 at the end of the stream;
 *          -ETIMEDOUT, -ECANCELED or another error
 */
bool bide__http_input_get(struct bide__http_connection *c);
void bide__http_input_put(struct bide__http_connection *c);
int bide__http_input_room(struct bide__http_connection *c);
BIDE_SUSPENDS ssize_t bide__http_receive(struct bide__http_connection *c, bide_time span);

/*
 * output.c. They return 0 or an error, which is then c->error.
 * reserve  size bytes of room in one piece (at most a block's); or NULL
 * put      append data, of any size; what does not fit the block is sent from where it is
 * flush    send everything
 */
BIDE_SUSPENDS char *bide__http_reserve(struct bide__http_connection *c, size_t size);
BIDE_SUSPENDS int bide__http_put(struct bide__http_connection *c, const void *data, size_t size);
BIDE_SUSPENDS int bide__http_flush(struct bide__http_connection *c);

/* request.c. Receives the next part of the body, c->part. Returns its size; 0 at the body's end; or
 * an error, as bide_http_read. */
BIDE_SUSPENDS ssize_t bide__http_body_part(struct bide__http_connection *c);

/* response.c. finish: complete the answer of a handler that returned result. refuse: answer in its
 * stead; message may be NULL. */
BIDE_SUSPENDS void bide__http_finish(struct bide__http_connection *c, int result);
BIDE_SUSPENDS int bide__http_answer_error(struct bide__http_connection *c, int status,
                                          const char *message);

/* metrics.c */
void bide__http_count(struct bide__http_counters *counters, int status, bide_time latency);

#endif
