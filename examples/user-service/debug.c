/* debug.c - GET /debug/tasks: what the service is doing. With --debug, for this machine alone. */
#include "app.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static bool is_loopback(const struct bide_http_request *req)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer = { .any.sa_family = AF_UNSPEC };
    socklen_t size = sizeof(peer);

    if (bide_http_peer(req, &peer.any, &size) < 0)
        return false;
    if (peer.any.sa_family == AF_INET)
        return ntohl(peer.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    const struct in6_addr *in6 = &peer.in6.sin6_addr;
    return peer.any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(in6) ||
            (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == IN_LOOPBACKNET));
}

/* ?format=json or text; without it what Accept says, and else text. &backtraces: with those. */
static int choose_format(struct bide_http_request *req, struct bide_dump_options *options)
{
    const char *format = bide_http_query(req, "format");
    const char *accept = bide_http_header(req, "Accept");

    options->backtraces = bide_http_query(req, "backtraces") != NULL;
    if (!format)
        options->json = accept && strstr(accept, "application/json");
    else if (!strcmp(format, "json"))
        options->json = 1;
    else if (strcmp(format, "text") != 0)
        return -EINVAL;
    return 0;
}

int get_tasks(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    struct bide_dump_options options = { 0 };
    char *text;
    size_t size;

    (void)user;
    if (!is_loopback(req))
        return bide_http_error(res, 403, "only for this machine");
    if (choose_format(req, &options) < 0)
        return bide_http_error(res, 400, "format is text or json");
    int r = bide_dump_with(&options, &text, &size);
    if (r < 0)
        return r;
    const char *type = options.json ? "application/json" : "text/plain; charset=utf-8";
    r = bide_http_add_header(res, "Cache-Control", "no-store");
    if (r == 0)
        r = bide_http_send(res, 200, type, text, size);
    free(text);
    return r;
}
