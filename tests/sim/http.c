/*
 * The HTTP layer as the user service has it: pages made of two fetches at the same time, posted
 * bodies, streams; over pipelined connections that break. Each answer belongs to its request, and
 * they come in order; a server that stops leaves nothing open.
 */
#include "workload.h"

#include <bide/http.h>
#include <bide/keywords.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 6, REQUESTS = 8, STREAMED = 3000 };

/* ---- handlers ---- */

static int fetch(int id, int what)
{
    int error = bide_sleep(sim_draw(0, 2000) * BIDE_US);
    return error ? error : id * 10 + what;
}
ASYNC(int, fetch, int, int)

static int get_user(struct bide_http_request *req, struct bide_http_response *res, void *unused)
{
    int id = (int)bide_http_param_int(req, "id");
    let user = async(fetch, id, 1);
    let posts = async(fetch, id, 2);
    int error = join(&user, &posts);
    (void)unused;
    if (error)
        return error;
    return bide_http_sendf(res, 200, NULL, "user %d posts %d", user.value, posts.value);
}

static int add_post(struct bide_http_request *req, struct bide_http_response *res, void *unused)
{
    const char *body;
    ssize_t size = bide_http_body(req, &body);
    (void)unused;
    if (size < 0)
        return (int)size;
    return bide_http_sendf(res, 201, NULL, "%d: %.*s", (int)bide_http_param_int(req, "id"),
                           (int)size, body);
}

static int get_stream(struct bide_http_request *req, struct bide_http_response *res, void *unused)
{
    int id = (int)bide_http_param_int(req, "id");
    char part[100];
    memset(part, 'a' + id % 26, sizeof(part));
    int error = bide_http_begin(res, 200, NULL, STREAMED);
    (void)unused;
    for (int sent = 0; sent < STREAMED && !error; sent += (int)sizeof(part)) {
        error = bide_http_write(res, part, sizeof(part));
        if (!error && sim_draw(0, 9) == 0)
            error = bide_http_flush(res);
    }
    return error;
}

/* ---- clients ---- */

struct client {
    int fd, number;
    int asked, answered; /* requests */
    char buf[8192];
    size_t used;
};

static int id_of(const struct client *c, int request)
{
    return c->number * 1000 + request;
}

/* All requests, one behind the other. */
static int ask(struct client *c)
{
    char text[300];
    for (int i = 0; i < c->asked; i++) {
        int id = id_of(c, i), n;
        if (i % 3 == 0)
            n = snprintf(text, sizeof(text), "GET /users/%d HTTP/1.1\r\nHost: a\r\n\r\n", id);
        else if (i % 3 == 1)
            n = snprintf(text, sizeof(text), "POST /users/%d/posts HTTP/1.1\r\nHost: a\r\n"
                                             "Content-Length: 5\r\n\r\nhello", id);
        else
            n = snprintf(text, sizeof(text), "GET /stream/%d HTTP/1.1\r\nHost: a\r\n\r\n", id);
        ssize_t sent = bide_send_all(c->fd, text, (size_t)n, 0);
        if (sent < 0)
            return (int)sent;
        if (sim_draw(0, 2) == 0)
            bide_sleep(sim_draw(0, 3000) * BIDE_US);
    }
    return 0;
}
ASYNC(int, ask, struct client *)

/* At least size bytes are in buf: true. */
static bool receive(struct client *c, size_t size, int *ret_error)
{
    while (c->used < size) {
        ssize_t n = bide_recv(c->fd, c->buf + c->used, sizeof(c->buf) - c->used, 0);
        *ret_error = (int)n;
        if (n <= 0)
            return false;
        c->used += (size_t)n;
    }
    return true;
}

static void check_body(const struct client *c, const char *body, size_t size)
{
    int id = id_of(c, c->answered);
    char expected[STREAMED + 1];
    if (c->answered % 3 == 0) {
        snprintf(expected, sizeof(expected), "user %d posts %d", id * 10 + 1, id * 10 + 2);
    } else if (c->answered % 3 == 1) {
        snprintf(expected, sizeof(expected), "%d: hello", id);
    } else {
        memset(expected, 'a' + id % 26, STREAMED);
        expected[STREAMED] = '\0';
    }
    sim_expect(size == strlen(expected) && !memcmp(body, expected, size),
               "client %d: answer %d is another one's", c->number, c->answered);
}

/* The next answer: 1; 0 at the end, or -errno. */
static int hear_answer(struct client *c)
{
    char *end = NULL, *length;
    int result = 0;
    for (size_t had = 1; !(end = memmem(c->buf, c->used, "\r\n\r\n", 4)); had = c->used + 1)
        if (!receive(c, had > c->used ? had : c->used + 1, &result))
            return result;
    size_t head = (size_t)(end + 4 - c->buf);
    *end = '\0';
    bool well = !strncmp(c->buf, c->answered % 3 == 1 ? "HTTP/1.1 201" : "HTTP/1.1 200", 12);
    if (!well) /* it is stopping: 503, or what the faults make of it */
        return -ESHUTDOWN;
    length = strcasestr(c->buf, "content-length:");
    sim_expect(length, "client %d: an answer without a length", c->number);
    size_t size = length ? strtoul(length + 15, NULL, 10) : 0;
    if (!receive(c, head + size, &result))
        return result;
    check_body(c, c->buf + head, size);
    c->answered++;
    c->used -= head + size;
    memmove(c->buf, c->buf + head + size, c->used);
    return 1;
}

static int hear(struct client *c)
{
    int result = 1;
    while (c->answered < c->asked && result == 1)
        result = hear_answer(c);
    return result;
}
ASYNC(int, hear, struct client *)

static int converse(struct client *c, int port)
{
    c->fd = bide_tcp_dial("127.0.0.1", (uint16_t)port, NULL);
    if (c->fd < 0)
        return c->fd;
    let asked = async(ask, c);
    let heard = async(hear, c);
    int error = try_join(&asked, &heard);
    bide_close(c->fd);
    return error;
}
ASYNC(int, converse, struct client *, int)

/* Some go away in the middle; the server may stop before all are through. */
static int visit(int number, int port, const bool *stopping)
{
    struct client *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct client){ .number = number, .asked = sim_draw(1, REQUESTS) };
    let talk = async(converse, c, port);
    bool patient = sim_draw(0, 3) > 0;
    int error = patient ? await(&talk) : within(sim_draw(0, 20) * BIDE_MS, &talk);
    if (patient && !sim_faulty() && !*stopping)
        sim_expect(c->answered == c->asked, "client %d: %d of %d answers, %s", number, c->answered,
                   c->asked, error < 0 ? strerrorname_np(-error) : "no error");
    free(c);
    return 0;
}
ASYNC(int, visit, int, int, const bool *)

/* ---- both ---- */

static const struct bide_http_route routes[] = {
    { BIDE_HTTP_GET, "/users/{id:uint}", get_user, NULL, 0 },
    { BIDE_HTTP_POST, "/users/{id:uint}/posts", add_post, NULL, 0 },
    { BIDE_HTTP_GET, "/stream/{id:uint}", get_stream, NULL, 0 },
};

static int new_server(struct bide_http_server **ret_server)
{
    struct bide_http_options options = { .grace = sim_draw(0, 30) * BIDE_MS - 1 };
    int error = -EAGAIN;
    for (int attempt = 0; attempt < 100 && error < 0; attempt++)
        error = bide_http_new(&options, routes, sizeof(routes) / sizeof(*routes), ret_server);
    return error;
}

static int http(void)
{
    struct bide_http_server *server;
    struct bide_http_stats stats;
    struct visit_future clients[CLIENTS];
    bool stopping = false, early = sim_draw(0, 1);
    int n = sim_draw(1, CLIENTS), error = new_server(&server);
    if (error)
        return error;
    for (int i = 0; i < n; i++)
        clients[i] = async(visit, i, bide_http_port(server), &stopping);
    let serving = async(bide_http_serve, server);
    scope(s) {
        bide_start(&serving);
        for (int i = 0; i < n; i++)
            bide_start(&clients[i]);
        if (early)
            bide_sleep(sim_draw(0, 20) * BIDE_MS);
        for (int i = 0; i < n && !early; i++)
            await(&clients[i]);
        stopping = true;
        if (sim_draw(0, 1))
            bide_http_stop(server);
        else
            cancel(&serving);
        await(&serving);
        bide_http_get_stats(server, &stats);
        sim_expect(stats.open == 0, "%llu connections are open", (unsigned long long)stats.open);
        bide_http_free(server); /* who waits to be accepted finds out */
    }
    return 0;
}
ASYNC(int, http)

WORKLOAD(http)
