/*
 * http/server.c - listening, accepting, stopping.
 *
 * Connections are children of a scope under a shield, so that the cancellation of bide_http_serve
 * does not reach them: they end by the graceful stop. It does reach the acceptor, a child of a
 * scope outside the shield.
 */
#include "internal.h"
#include <stdlib.h>

/* How long accepting waits when there is no descriptor, no memory or no place for one more. */
#define PAUSE (20 * BIDE_MS)

#define DEFAULT(field, value)   \
    do {                        \
        if (!o->field)          \
            o->field = (value); \
    } while (0)

static void set_defaults(struct bide_http_options *o)
{
    DEFAULT(host, "127.0.0.1");
    DEFAULT(header_timeout, 60 * BIDE_S);
    DEFAULT(body_timeout, 60 * BIDE_S);
    DEFAULT(send_timeout, 60 * BIDE_S);
    DEFAULT(idle_timeout, 75 * BIDE_S);
    DEFAULT(grace, 10 * BIDE_S);
    DEFAULT(uri_max, 8 * 1024);
    DEFAULT(head_max, 32 * 1024);
    DEFAULT(body_max, 1024 * 1024);
    DEFAULT(requests_max, 1000);
    DEFAULT(connections_max, UINT32_MAX);
    if (!o->headers_max || o->headers_max > BIDE__HTTP_HEADERS_MAX)
        o->headers_max = BIDE__HTTP_HEADERS_MAX;
    if (o->head_max > INT32_MAX) /* offsets in it are 32 bits */
        o->head_max = INT32_MAX;
}

static int add_routes(struct bide_http_server *server, const struct bide_http_route *routes,
                      size_t count)
{
    server->routes = bide__http_calloc(count ? count : 1, sizeof(*server->routes));
    if (!server->routes)
        return -ENOMEM;
    server->routes_count = count;
    for (size_t i = 0; i < count; i++) {
        server->routes[i].public = routes[i];
        int err = bide__http_route_add(&server->root, &server->routes[i]);
        if (err < 0)
            return err;
    }
    bide__http_route_seal(&server->root);
    return 0;
}

static int listen_at(struct bide_http_server *server)
{
    const struct bide_http_options *o = &server->options;
    struct bide_tcp_options tcp = { .backlog = o->backlog, .reuse_port = o->reuse_port };
    server->listener = bide_tcp_listen(o->host, o->port, &tcp);
    if (server->listener < 0)
        return server->listener;
    server->port = bide_tcp_port(server->listener);
    return server->port < 0 ? server->port : 0;
}

int bide_http_new(const struct bide_http_options *options, const struct bide_http_route *routes,
                  size_t count, struct bide_http_server **ret_server)
{
    struct bide_http_server *server = bide__http_calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    if (options)
        server->options = *options;
    set_defaults(&server->options);
    server->limits = (struct bide__http_limits){
        .uri_max = server->options.uri_max,
        .head_max = server->options.head_max,
        .headers_max = server->options.headers_max,
    };
    server->connections.next = server->connections.prev = &server->connections;
    pthread_mutex_init(&server->lock, NULL);
    bide_promise_init(&server->stop);
    server->listener = -1;
    int err = add_routes(server, routes, count);
    if (!err)
        err = listen_at(server);
    if (err < 0) {
        bide_http_free(server);
        return err;
    }
    server->options.host = NULL; /* the caller's */
    *ret_server = server;
    return 0;
}

static void close_listener(struct bide_http_server *server)
{
    if (server->listener >= 0)
        bide_close(server->listener);
    server->listener = -1;
}

void bide_http_free(struct bide_http_server *server)
{
    if (!server)
        return;
    assert(!server->serving);
    close_listener(server);
    bide__http_route_free(&server->root);
    pthread_mutex_destroy(&server->lock);
    free(server->shares);
    free(server->routes);
    free(server);
}

int bide_http_port(const struct bide_http_server *server)
{
    return server->port;
}

/* ---- shares ---------------------------------------------------------------------------------- */

/* Bytes of a share, on cache lines of its own. */
static size_t share_size(const struct bide_http_server *server)
{
    size_t size = sizeof(struct bide__http_share) +
                  (server->routes_count + 1) * sizeof(struct bide__http_counters);
    return (size + 63) / 64 * 64;
}

struct bide__http_share *bide__http_share_at(const struct bide_http_server *server, unsigned i)
{
    return (struct bide__http_share *)(void *)(server->shares + i * share_size(server));
}

static int make_shares(struct bide_http_server *server)
{
    unsigned count = server->options.one_worker ? 1 : bide_worker_count();
    server->shares = bide__http_alloc_apart(count * share_size(server));
    if (!server->shares)
        return -ENOMEM;
    server->many = count > 1;
    for (unsigned i = 0; i < count; i++)
        bide__http_share_at(server, i)->date_until = INT64_MIN;
    __atomic_store_n(&server->shares_count, count, __ATOMIC_RELEASE); /* to who reads counters */
    return 0;
}

/* ---- serving --------------------------------------------------------------------------------- */

static void pause_accepting(struct bide_http_server *server)
{
    bide__http_add(&server->accept_pauses, 1);
    bide_sleep(PAUSE);
}

/* Is it the connection that failed, and not the listening socket? As accept(2) recommends. */
static bool is_passing(int error)
{
    switch (error) {
    case -ECONNABORTED:
    case -EPROTO:
    case -EPERM:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -ENOPROTOOPT:
    case -EOPNOTSUPP:
        return true;
    default:
        return false;
    }
}

static bool is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static int begin_connection(struct bide_http_server *server, struct bide_scope *scope, int fd)
{
    struct bide__http_connection *c = bide__http_connection_new(server, fd);
    if (!c) {
        bide_close(fd);
        return -ENOMEM;
    }
    bide_let run = bide_async(bide__http_connection_run, c);
    int err = server->many ? bide_spawn_spread(scope, run) : bide_spawn(scope, run);
    if (err < 0)
        bide__http_connection_free(c);
    return err;
}

static struct bide__http_connection *connection_at(struct bide__list *link)
{
    return (struct bide__http_connection *)((char *)link -
                                            offsetof(struct bide__http_connection, link));
}

/* Until it is cancelled, or the listening socket fails. */
static int accept_all(struct bide_http_server *server, struct bide_scope *scope)
{
    while (!bide_cancelled()) {
        if (bide__http_counted(&server->open) >= server->options.connections_max) {
            pause_accepting(server);
            continue;
        }
        int fd = bide_accept(server->listener, NULL, NULL, 0);
        if (fd >= 0) {
            if (begin_connection(server, scope, fd) < 0)
                pause_accepting(server);
        } else if (is_shortage(fd)) {
            pause_accepting(server);
        } else if (!is_passing(fd)) {
            return fd;
        }
    }
    return bide_cancelled();
}
BIDE_ASYNC(int, accept_all, struct bide_http_server *, struct bide_scope *)

static int accept_until_stopped(struct bide_http_server *server, struct bide_scope *scope)
{
    bide_let accepting = bide_async(accept_all, server, scope);
    int first = bide_race(&accepting, &server->stop);
    return first == 0 ? accepting.value : first == 1 ? 0 : first;
}
BIDE_ASYNC(int, accept_until_stopped, struct bide_http_server *, struct bide_scope *)

/* Those that wait for a request: their reads return 0. */
static void end_idle(struct bide_http_server *server)
{
    bide__http_lock(server);
    for (struct bide__list *at = server->connections.next; at != &server->connections;
         at = at->next) {
        struct bide__http_connection *c = connection_at(at);
        if (__atomic_load_n(&c->idle, __ATOMIC_SEQ_CST))
            bide_shutdown(c->fd, SHUT_RD);
    }
    bide__http_unlock(server);
}

/* Wait for the connections to end, for as long as they may take. */
static void await_drained(struct bide_http_server *server)
{
    if (server->options.grace < 0)
        return;
    bide_promise_init(&server->drained);
    bide__http_lock(server);
    server->draining = true;
    bool wait = server->open > 0;
    bide__http_unlock(server);
    if (wait)
        bide_within(server->options.grace, &server->drained);
}

static void drain(struct bide_http_server *server, struct bide_scope *scope)
{
    bide_http_stop(server);
    close_listener(server);
    end_idle(server);
    await_drained(server);
    bide_scope_cancel(scope);
    bide_scope_wait(scope);
    /* What is left was cancelled before it began, or there was no stack for it. */
    server->draining = false;
    while (server->connections.next != &server->connections) {
        struct bide__http_connection *c = connection_at(server->connections.next);
        assert(!c->begun);
        bide__http_connection_free(c);
    }
}

static int nothing(void)
{
    return 0;
}
BIDE_ASYNC(int, nothing)

/* The workers start now: connections that came before they run could not be spread equally. */
static void start_workers(struct bide_http_server *server, struct bide_scope *scope)
{
    if (server->many)
        (void)bide_spawn_spread(scope, bide_async(nothing)); /* else with the first connection */
}

/* Under a shield: hold the connections while the acceptor runs, and until they have ended. */
static void hold_connections(struct bide_http_server *server, struct bide_scope *connections,
                             struct accept_until_stopped_future *acceptor)
{
    bide_shield() {
        bide_scope_init(connections, NULL);
        start_workers(server, connections);
        if (!bide_error(acceptor)) /* else the caller was cancelled before */
            bide_await(acceptor);
        drain(server, connections);
    }
}

int bide_http_serve(struct bide_http_server *server)
{
    struct bide_scope connections;
    bide_let acceptor = bide_async(accept_until_stopped, server, &connections);
    if (server->served)
        return -EALREADY;
    server->served = true;
    int err = make_shares(server);
    if (err < 0) {
        close_listener(server);
        return err;
    }
    server->serving = true;
    BIDE_SCOPE(outer) {
        bide_start(&acceptor);
        hold_connections(server, &connections, &acceptor);
    }
    for (unsigned i = 0; i < server->shares_count; i++)
        bide__http_pool_release(&bide__http_share_at(server, i)->pool);
    server->serving = false;
    return bide_error(&acceptor) ? bide_error(&acceptor) : acceptor.value;
}

void bide_http_stop(struct bide_http_server *server)
{
    if (!__atomic_exchange_n(&server->stopping, true, __ATOMIC_SEQ_CST))
        bide_resolve(&server->stop, 0);
}
