/*
 * bide/http.h - an HTTP/1.1 server (library bide-http).
 *
 *     static int hello(struct bide_http_request *req, struct bide_http_response *res, void *user)
 *     {
 *         int64_t id = bide_http_param_int(req, "id");
 *         return bide_http_sendf(res, 200, "text/plain", "user %lld\n", (long long)id);
 *     }
 *     static const struct bide_http_route routes[] = {
 *         { .method = BIDE_HTTP_GET, .path = "/users/{id:uint}", .handler = hello },
 *     };
 *
 *     struct bide_http_server *server;
 *     int err = bide_http_new(&(struct bide_http_options){ .port = 8080 }, routes, 1, &server);
 *     ...
 *     bide_run(bide_async(bide_http_serve, server));
 *     bide_http_free(server);
 *
 * Each connection has a fiber. A handler is plain linear code on it and may suspend anywhere:
 * sleep, query a database, join. Requests of one connection are handled one after the other, in
 * order, on one worker. Connections are spread over all workers of the runtime
 * (bide_config.workers), so handlers run in several threads at once, and what they share must be
 * meant for that: constant, atomic, a database, something with a lock. With options.one_worker
 * all connections stay on the worker of bide_http_serve; they then interleave only where
 * handlers suspend, and share data without locks.
 *
 * What the server itself answers: 400 and close for a malformed or ambiguous request (both
 * Content-Length and Transfer-Encoding, two Content-Lengths, a folded header, a bare CR or LF, a
 * space before a colon, no Host or two of them in HTTP/1.1); 400 for a path parameter that
 * is not what its route says; 404; 405 with Allow; 408; 413; 414; 417; 431; 501 for a method that
 * HTTP does not have; 505. Every error, a handler's bide_http_error included, has one form:
 *
 *     Content-Type: application/json
 *     {"error":{"status":404,"message":"no such user"}}
 *
 * A request and its response belong to the worker that handles them: of several fibers that use
 * them none may be on another. Nothing here prints, and no allocation is made per request once a
 * connection's buffers are warm.
 */
#ifndef BIDE_HTTP_H
#define BIDE_HTTP_H

#include <bide/future.h>
#include <sys/socket.h>

struct bide_http_request;
struct bide_http_server;
struct bide_http_response;

enum bide_http_method {
    BIDE_HTTP_GET,
    BIDE_HTTP_HEAD,
    BIDE_HTTP_POST,
    BIDE_HTTP_PUT,
    BIDE_HTTP_DELETE,
    BIDE_HTTP_PATCH,
    BIDE_HTTP_OPTIONS,
    BIDE_HTTP_OTHER, /* a registered method that cannot have a route: TRACE, PROPFIND, ... */
};

/* "GET", ...; "" for BIDE_HTTP_OTHER. Static. */
BIDE_API const char *bide_http_method_name(enum bide_http_method method);

/* "Not Found", ...; "Unknown" for a status that has no name. Static. */
BIDE_API const char *bide_http_status_text(int status);

/* ---- the server -------------------------------------------------------------------------- */

/* Zero everywhere is a sensible default; the numbers in parentheses. Sizes are bytes. */
struct bide_http_options {
    const char *host;          /* numeric address (127.0.0.1); "" for all. Valid during new */
    uint16_t port;             /* 0: the kernel chooses, see bide_http_port */
    int backlog;               /* of the listening socket (4096) */
    unsigned reuse_port : 1;   /* SO_REUSEPORT */
    unsigned one_worker : 1;   /* all connections on the worker of bide_http_serve, for handlers
                                  that are not meant for several threads */

    bide_time header_timeout;  /* for a whole request head, from its first byte (60 s) */
    bide_time body_timeout;    /* between two reads of a body (60 s) */
    bide_time send_timeout;    /* between two writes of a response (60 s) */
    bide_time idle_timeout;    /* keep-alive: between two requests (75 s) */
    bide_time grace;           /* for requests in flight when the server stops (10 s); below 0:
                                  none, they are cancelled at once */

    size_t uri_max;            /* request target (8 KiB); beyond it 414 */
    size_t head_max;           /* request line and headers together (32 KiB); beyond it 431 */
    size_t body_max;           /* request body (1 MiB); beyond it 413. A route may have its own */
    unsigned headers_max;      /* number of headers (100, and 100 at the most); beyond it 431 */
    unsigned requests_max;     /* of one connection, then it is closed (1000); 1: no keep-alive */
    unsigned connections_max;  /* open at once (no limit); beyond it they wait in the backlog */
};

/*
 * bide_http_handler - answer a request.
 *
 * @req,res  valid until the handler returns
 * @user     the route's
 *
 * Answers by exactly one of bide_http_send, sendf, error, or begin with its writes. It may suspend
 * anywhere. Returns 0, or an error that it could not or would not answer for. If nothing has been
 * answered by then the server does: for -EMSGSIZE with 413, -EBADMSG and -EINVAL 400, -EBUSY,
 * -ENOMEM and -ETIMEDOUT 503, any other and 0 itself 500; but 408 if it was the request's body that
 * took too long, and nothing at all if the connection is broken. If an answer had begun it is cut
 * off by closing the connection, which the client can tell from a complete one.
 */
typedef int (*bide_http_handler)(struct bide_http_request *req, struct bide_http_response *res,
                                 void *user);

/*
 * A route: what to call for a method and a path.
 *
 * The path consists of segments between slashes: literal text ("users"), or one parameter:
 *   {name}       any text of at least one byte, percent-decoded
 *   {name:int}   a decimal number that an int64_t holds: -1, 0, 42
 *   {name:uint}  the same, not negative
 * A literal segment comes before a parameter that would match too, a number before text. A
 * segment that is no such number is answered with 400, unless another route takes it. HEAD is
 * answered by the GET route where HEAD has none, without the body.
 */
struct bide_http_route {
    enum bide_http_method method;
    const char *path;           /* valid while the server is */
    bide_http_handler handler;
    void *user;                 /* handed to handler */
    size_t body_max;            /* 0: the server's */
};

/*
 * bide_http_new - make a server and its listening socket.
 *
 * @options       may be NULL; copied
 * @routes,count  copied, but not the texts that they point to
 *
 * Returns 0 and a server, owned by the caller; -EINVAL for a malformed path, for two routes of
 * the same method and shape, or for an address that is none; -ENOMEM; -EADDRINUSE and the
 * like. Does not suspend; connections wait in the backlog until bide_http_serve.
 */
BIDE_API int bide_http_new(const struct bide_http_options *options,
                           const struct bide_http_route *routes, size_t count,
                           struct bide_http_server **ret_server);

/* bide_http_port - the port that the server listens on. */
BIDE_API int bide_http_port(const struct bide_http_server *server);

/*
 * bide_http_serve - accept and serve connections until the server is stopped.
 *
 * Ends when bide_http_stop is called or when the caller is cancelled; both are the same graceful
 * stop: nothing more is accepted, idle connections are closed, requests in flight have
 * options.grace to finish, the rest is cancelled. So a service ends well by
 *
 *     bide_race(bide_async(bide_signal, SIGTERM), bide_async(bide_http_serve, server));
 *
 * Without descriptors (-EMFILE, -ENFILE) or memory it accepts nothing for a while, goes on serving
 * the connections it has, and resumes.
 *
 * Returns  0 after bide_http_stop; -ECANCELED or -ETIMEDOUT after a cancellation; -EALREADY when
 *          it was called before; -ENOMEM when it could not begin; another -errno when the
 *          listening socket failed. All connections are over then, and the listening socket is
 *          closed.
 */
BIDE_SUSPENDS BIDE_API int bide_http_serve(struct bide_http_server *server);

/* bide_http_stop - begin the graceful stop. Does not suspend. From any thread, until serve has
 * returned. Again: no effect. Before serve: serve returns at once. */
BIDE_API void bide_http_stop(struct bide_http_server *server);

/* bide_http_free - release a server that is not serving. NULL is allowed. */
BIDE_API void bide_http_free(struct bide_http_server *server);

/* ---- the request ------------------------------------------------------------------------- */

/* Texts are NUL-terminated and valid until the handler returns. */
struct bide_http_request {
    enum bide_http_method method;
    int minor;                /* HTTP/1.minor: 0 or 1 */
    const char *path;         /* as sent, not decoded: "/users/42" */
    const char *query;        /* as sent, after the '?'; "" without one */
    int64_t content_length;   /* bytes of the body; -1: not known before (chunked) */
};

/*
 * bide_http_header - the value of the first header of that name, without spaces around it.
 *
 * @name  in any case
 * Returns NULL when there is none.
 */
BIDE_API const char *bide_http_header(struct bide_http_request *req, const char *name);

/* bide_http_header_at - the index-th header, in the order of the request. Returns 0, or -ENOENT. */
BIDE_API int bide_http_header_at(struct bide_http_request *req, size_t index,
                                 const char **ret_name, const char **ret_value);

/* The value of the path's parameter of that name and type. That the route has none is a
 * programmer's error: it aborts. */
BIDE_API int64_t bide_http_param_int(const struct bide_http_request *req, const char *name);
BIDE_API const char *bide_http_param(const struct bide_http_request *req, const char *name);

/*
 * bide_http_query - the first value of a query parameter, percent-decoded and '+' as space.
 *
 * Returns "" for a parameter without a value; NULL when there is none of that name, or when it is
 * malformed (a bad escape, an encoded NUL) or there is no memory.
 */
BIDE_API const char *bide_http_query(struct bide_http_request *req, const char *name);

/*
 * bide_http_query_int - a query parameter that is a decimal number.
 *
 * @absent  stored when there is no such parameter
 *
 * Returns 0; -EINVAL when it is there and is no number; -ERANGE when int64_t does not hold it.
 */
BIDE_API int bide_http_query_int(struct bide_http_request *req, const char *name, int64_t absent,
                                 int64_t *ret_value);

/*
 * bide_http_body - the whole body, fixed or chunked.
 *
 * Returns its bytes and, in *ret_data, the body: NUL-terminated (it may contain more of them) and
 *          valid until the handler returns. Called again it gives the same; not after
 *          bide_http_read.
 * Errors   as bide_http_read, and -ENOMEM.
 */
BIDE_SUSPENDS BIDE_API ssize_t bide_http_body(struct bide_http_request *req,
                                              const char **ret_data);

/*
 * bide_http_read - the next part of the body.
 *
 * Returns  1..size bytes; 0 at the end of the body.
 * Errors   -EMSGSIZE   the body is larger than body_max
 *          -EBADMSG    malformed chunks
 *          -ETIMEDOUT  nothing came for body_timeout, or an inherited deadline
 *          -ECONNRESET the client is gone
 *          -ECANCELED
 *          Return the error from the handler, and the client is told. After one, the connection
 *          is closed when the handler returns.
 *
 * A client that expects 100 Continue is sent it at the first read. What a handler leaves
 * unread is skipped if it is little; else the connection is closed after the answer.
 */
BIDE_SUSPENDS BIDE_API ssize_t bide_http_read(struct bide_http_request *req, void *buf,
                                              size_t size);

/* bide_http_alloc - memory that is released when the handler returns; aligned for any type. NULL
 * when there is none. Cheap. */
BIDE_API void *bide_http_alloc(struct bide_http_request *req, size_t size);

/* The server that the request came to. */
BIDE_API struct bide_http_server *bide_http_server(const struct bide_http_request *req);

/* bide_http_peer - the address that the connection comes from, as getpeername(2); behind a proxy it
 * is the proxy's. Returns 0 or -errno. Does not suspend. */
BIDE_API int bide_http_peer(const struct bide_http_request *req, struct sockaddr *ret_addr,
                            socklen_t *addr_size);

/* ---- the response ------------------------------------------------------------------------ */

/*
 * bide_http_add_header - add a header to the answer, before it begins.
 * bide_http_add_headerf - the same, the value formatted as printf does.
 *
 * Content-Length, Transfer-Encoding, Connection and Date are the server's own: don't add them.
 *
 * Returns 0; -EINVAL for a name that is no token or a value with a control character (nothing
 * is added: a response cannot be split); -EMSGSIZE when it would make more than 8 KiB of
 * headers; -EALREADY when the answer has begun; -ENOMEM.
 */
BIDE_API int bide_http_add_header(struct bide_http_response *res, const char *name,
                                  const char *value);
BIDE_API int bide_http_add_headerf(struct bide_http_response *res, const char *name,
                                   const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * bide_http_send - answer with a status and a body.
 * bide_http_sendf - the same, the body formatted as printf does.
 *
 * @status     100..999, but not 1xx
 * @type       Content-Type; NULL for none
 * @data,size  the body; borrowed for the call. Left out for HEAD, 204 and 304
 *
 * Small answers are copied into the connection's output, which is sent when no further
 * request waits in its input, so that pipelined answers share a packet. A large body is sent
 * from where it is.
 *
 * Returns  0, or
 * Errors   -EALREADY when the answer had begun; -EPIPE, -ECONNRESET when the client is gone;
 *          -ETIMEDOUT when it did not take it (send_timeout) or by an inherited deadline;
 *          -ECANCELED; -ENOMEM; -EINVAL for a wrong status. The connection is then closed when the
 *          handler returns, and a handler can just return the error.
 */
BIDE_SUSPENDS BIDE_API int bide_http_send(struct bide_http_response *res, int status,
                                          const char *type, const void *data, size_t size);
BIDE_SUSPENDS BIDE_API int bide_http_sendf(struct bide_http_response *res, int status,
                                           const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * bide_http_error - answer with an error in the one form, see the top.
 *
 * @format  the message, as printf; UTF-8. NULL: the status's name
 *
 * Returns as bide_http_send: so a handler can end with `return bide_http_error(res, 404, "no such
 * user %d", id);`.
 */
BIDE_SUSPENDS BIDE_API int bide_http_error(struct bide_http_response *res, int status,
                                           const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * bide_http_begin - begin an answer whose body follows by bide_http_write.
 *
 * @length  of the body in bytes; BIDE_HTTP_CHUNKED when it is not known
 *
 * The body ends when the handler returns 0. If fewer bytes than length were written, or the
 * handler returns an error, the connection is cut, so that the client sees the loss. To a
 * client of HTTP/1.0 a body without a length ends with the connection.
 *
 * Returns 0, -EALREADY, -EINVAL, -ENOMEM, or as bide_http_send.
 */
#define BIDE_HTTP_CHUNKED ((int64_t)-1)
BIDE_SUSPENDS BIDE_API int bide_http_begin(struct bide_http_response *res, int status,
                                           const char *type, int64_t length);

/*
 * bide_http_write - the next part of the body; small parts are gathered.
 * bide_http_flush - send what was gathered now.
 *
 * They suspend while the client is slow to read. For HEAD nothing is sent.
 *
 * Returns 0; -EINVAL when bide_http_begin was not called or its length would be exceeded (nothing
 * is written); or as bide_http_send.
 */
BIDE_SUSPENDS BIDE_API int bide_http_write(struct bide_http_response *res, const void *data,
                                           size_t size);
BIDE_SUSPENDS BIDE_API int bide_http_flush(struct bide_http_response *res);

/* ---- counters ----------------------------------------------------------------------------- */

/* All workers' together. They are read from any thread, and are then of a moment ago: those that
 * change at the same time may or may not be in it. */

struct bide_http_stats {
    uint64_t accepted;      /* connections, since the beginning */
    uint64_t open;          /* connections, now */
    uint64_t idle;          /* of those, waiting for a request */
    uint64_t requests;      /* answered or given up */
    uint64_t malformed;     /* heads and bodies that the server refused: 400, 413, 414, 431, ... */
    uint64_t timeouts;      /* of headers, bodies and sends; not idle ones */
    uint64_t accept_pauses; /* times that accepting had to wait for a descriptor or memory */
    uint64_t received;      /* bytes */
    uint64_t sent;          /* bytes */
};

/* bide_http_get_stats - fill *ret_stats. It may be read after serve, until bide_http_free. */
BIDE_API void bide_http_get_stats(const struct bide_http_server *server,
                                  struct bide_http_stats *ret_stats);

/* Latencies are counted in BIDE_HTTP_BUCKETS buckets: of more than the bound before and at most
 * bide_http_bounds[i], 50 us to 10 s; the last bucket has no bound (BIDE_FOREVER). */
enum { BIDE_HTTP_BUCKETS = 18, BIDE_HTTP_STATUSES = 16 };
extern BIDE_API const bide_time bide_http_bounds[BIDE_HTTP_BUCKETS];

struct bide_http_route_stats {
    const char *method;    /* "" for the requests that no route matched */
    const char *path;      /* the route's, "/users/{id}"; "" likewise */
    struct {
        int status;        /* 0: statuses beyond the 15th of this route */
        uint64_t count;
    } statuses[BIDE_HTTP_STATUSES]; /* the first with a count of 0 ends them */
    uint64_t count;        /* of all */
    uint64_t buckets[BIDE_HTTP_BUCKETS]; /* from the head's end to the answer's; not cumulative */
    bide_time sum;         /* of all latencies */
};

/*
 * bide_http_get_route_stats - counters of the index-th route, in the order given to bide_http_new;
 * index = number of routes stands for the requests that none matched.
 *
 * Returns 0, or -ENOENT beyond that.
 */
BIDE_API int bide_http_get_route_stats(const struct bide_http_server *server, size_t index,
                                       struct bide_http_route_stats *ret_stats);

/*
 * bide_http_metrics - all counters as Prometheus text:
 * bide_http_requests_total{method,route,status}, bide_http_request_duration_seconds (a histogram by
 * method and route), bide_http_connections, ...
 *
 * Returns the bytes of the whole text, as snprintf: if that is size or more it was cut off.
 */
BIDE_API size_t bide_http_metrics(const struct bide_http_server *server, char *buf, size_t size);

/* ---- async forms --------------------------------------------------------------------------- */

BIDE_ASYNC(int, bide_http_serve, struct bide_http_server *)

#endif
