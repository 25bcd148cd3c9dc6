/* serve.c - the servers of bench-peers on bide: echo, and an answer in plain text. */
#include "peer.h"

#include <bide/http.h>
#include <bide/net.h>
#include <limits.h>

/* ---- echo ---------------------------------------------------------------------------------- */

static void echo(int fd)
{
    char buffer[512];
    ssize_t got;

    while ((got = bide_recv(fd, buffer, sizeof(buffer), 0)) > 0)
        if (bide_send_all(fd, buffer, (size_t)got, 0) < 0)
            break;
    bide_close(fd);
}
BIDE_ASYNC_VOID(echo, int)

int serve_echo(int port)
{
    int fd, listener = bide_tcp_listen("127.0.0.1", (uint16_t)port, NULL);

    if (listener < 0)
        return listener;
    BIDE_SCOPE(connections) {
        while ((fd = bide_accept(listener, NULL, NULL, 0)) >= 0) {
            bide_tcp_nodelay(fd);
            if (bide_spawn(&connections, bide_async(echo, fd)) < 0)
                bide_close(fd);
        }
    }
    return fd;
}

/* ---- http ---------------------------------------------------------------------------------- */

static int hello(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    static const char body[] = "Hello, World!";

    (void)req, (void)user;
    return bide_http_send(res, 200, "text/plain", body, sizeof(body) - 1);
}

int serve_http(int port)
{
    static const struct bide_http_route routes[] = {
        {.method = BIDE_HTTP_GET, .path = "/", .handler = hello},
    };
    struct bide_http_options options = {.host = "127.0.0.1",
                                        .port = (uint16_t)port,
                                        .requests_max = UINT_MAX}; /* connections stay */
    struct bide_config config = {.workers = 1};
    struct bide_http_server *server;
    int error = bide_http_new(&options, routes, 1, &server);

    if (error < 0)
        return error;
    error = bide_run_with(&config, bide_async(bide_http_serve, server));
    bide_http_free(server);
    return error;
}
