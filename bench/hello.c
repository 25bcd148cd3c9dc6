/*
 * hello.c - the plaintext server on bide, as a user would write it.
 */
#include "bare.h"
#include "service.h"

#include <bide/bide.h>
#include <bide/http.h>
#include <limits.h>

static int hello(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    return bide_http_send(res, 200, "text/plain", BARE_HTTP_BODY, sizeof(BARE_HTTP_BODY) - 1);
}

int hello_serve(void *arg)
{
    static const struct bide_http_route routes[] = {
        {.method = BIDE_HTTP_GET, .path = "/", .handler = hello},
    };
    struct hello *to = arg;
    struct bide_http_options options = {.port = (uint16_t)to->port,
                                        .requests_max = UINT_MAX}; /* wrk's connections stay */
    struct bide_config config = {.reactor = (enum bide_reactor)to->reactor};
    struct bide_http_server *server;

    if (bide_http_new(&options, routes, 1, &server) < 0)
        return 1;
    int error = bide_run_with(&config, bide_async(bide_http_serve, server));
    bide_http_free(server);
    return error < 0;
}
