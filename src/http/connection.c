/*
 * http/connection.c - the life of one connection, on a fiber of its own.
 *
 *     read a head -> find the route -> handler -> skip what it left of the body -> ...
 *
 * Output is sent when the input holds no further complete head, or before anything else that waits
 * for the client. Time-outs are armed only where a read or write really has to wait.
 */
#include "internal.h"
#include <stdlib.h>

enum { LINGER_BYTES = 1024 * 1024, BODY_ROOM = 2048 };
#define LINGER (2 * BIDE_S)

/* ---- reading a head ------------------------------------------------------------------------ */

/* From here on the stop shuts the connection down, or is seen in server->stopping: the order of
 * this store before that load is what it costs where the two may be in different threads. */
static void set_idle(struct bide__http_connection *c)
{
    if (c->server->many)
        __atomic_store_n(&c->idle, true, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(&c->idle, true, __ATOMIC_RELAXED);
    bide__http_add(&c->share->stats.idle, 1);
}

/* Wait for the first byte of a request. A connection that is idle for longer gives its buffers
 * back and waits without any. */
static ssize_t await_request(struct bide__http_connection *c)
{
    struct bide_http_server *server = c->server;
    bide_time span = c->requests ? server->options.idle_timeout : server->options.header_timeout;
    c->input.head = c->input.parsed = c->input.end = 0;
    set_idle(c);
    if (__atomic_load_n(&server->stopping, __ATOMIC_SEQ_CST))
        bide_shutdown(c->fd, SHUT_RD); /* take what is there, wait for no more */
    ssize_t n = bide__http_receive(c, span < BIDE__HTTP_WARM ? span : BIDE__HTTP_WARM);
    if (n == -ETIMEDOUT && span > BIDE__HTTP_WARM) {
        bide__http_input_put(c);
        bide_let readable = bide_async(bide_poll, c->fd, POLLIN);
        bide_within(span - BIDE__HTTP_WARM, &readable);
        n = readable.value;
        if (n >= 0)
            n = bide__http_input_get(c) ? bide__http_receive(c, span) : -ENOMEM;
    }
    __atomic_store_n(&c->idle, false, __ATOMIC_RELAXED);
    bide__http_add(&c->share->stats.idle, (uint64_t)-1);
    return n;
}

/* Wait for more of a head that has begun. */
static ssize_t await_head(struct bide__http_connection *c, bide_time *deadline)
{
    struct bide__http_parser *p = c->input.parser;
    if (!*deadline)
        *deadline = c->now + c->server->options.header_timeout;
    int err = bide__http_input_room(c);
    if (err < 0)
        return err;
    ssize_t n = bide__http_receive(c, *deadline - c->now);
    if (n == -ETIMEDOUT && !bide_cancelled()) {
        bide__http_add(&c->share->stats.timeouts, 1);
        bide__http_refuse(p, 408, "the request's headers took too long");
    } else if (n == 0) {
        bide__http_refuse(p, 400, "the request is incomplete");
    }
    return n;
}

/* Returns true when there is a head, good or refused; false when the connection is over. */
static bool read_head(struct bide__http_connection *c)
{
    struct bide__http_input *in = &c->input;
    bide_time deadline = 0;
    for (;;) {
        if (in->parsed < in->end)
            in->parsed += bide__http_parse_head(in->parser, in->data + in->head,
                                                in->data + in->parsed, in->data + in->end);
        if (in->parser->phase != BIDE__HTTP_HEAD)
            return true;
        if (bide__http_flush(c) < 0)
            return false;
        ssize_t n = in->head == in->end ? await_request(c) : await_head(c, &deadline);
        if (n <= 0)
            return in->parser && in->parser->phase == BIDE__HTTP_FAILED;
    }
}

/* ---- from a head to a route ---------------------------------------------------------------- */

/* The path and query of the request target: both become NUL-terminated. 0 or -EINVAL. */
static int split_target(struct bide__http_connection *c)
{
    struct bide__http_parser *p = c->input.parser;
    char *at = c->input.data + c->input.head + p->url, *end = at + p->url_size;
    *end = '\0'; /* it was the space behind it */
    if (memchr(at, '#', (size_t)(end - at)))
        return -EINVAL;
    char *query = memchr(at, '?', (size_t)(end - at));
    c->request.query = query ? query + 1 : "";
    if (query)
        *query = '\0';
    if (*at != '/' && *at != '*') { /* http://host/path */
        char *authority = strstr(at, "://");
        if (!authority)
            return -EINVAL;
        at = strchr(authority + 3, '/');
    }
    c->request.path = at ? at : "/";
    return 0;
}

static int decode_segment(struct bide__http_connection *c, struct bide__http_text *segment)
{
    if (!memchr(segment->data, '%', segment->size))
        return 0;
    char *text = bide__http_arena_alloc(&c->arena, segment->size);
    ssize_t size = text ? bide__http_decode(text, segment->data, segment->size, false) : -ENOMEM;
    if (size < 0)
        return (int)size;
    *segment = (struct bide__http_text){ text, (size_t)size };
    return 0;
}

/* Fill c->match. -EINVAL: the path is malformed. */
static int find_route(struct bide__http_connection *c)
{
    struct bide__http_text segments[BIDE__HTTP_SEGMENTS_MAX + 1];
    unsigned count = 0;
    const char *at = c->request.path;
    while (*at == '/' && count <= BIDE__HTTP_SEGMENTS_MAX) {
        const char *end = at + 1 + strcspn(at + 1, "/");
        at++;
        segments[count] = (struct bide__http_text){ at, (size_t)(end - at) };
        int err = decode_segment(c, &segments[count++]);
        if (err < 0)
            return err;
        at = end;
    }
    bide__http_route_match(&c->server->root, c->request.method, segments, count, &c->match);
    return 0;
}

/* Make the text parameters NUL-terminated. */
static bool copy_texts(struct bide__http_connection *c)
{
    const struct bide__http_route *route = c->match.route;
    for (unsigned i = 0; i < route->params_count; i++) {
        struct bide__http_text *text = &c->match.values[i].text;
        if (route->params[i].type != BIDE__HTTP_TEXT)
            continue;
        char *copy = bide__http_arena_alloc(&c->arena, text->size + 1);
        if (!copy)
            return false;
        memcpy(copy, text->data, text->size);
        copy[text->size] = '\0';
        text->data = copy;
    }
    return true;
}

static void answer_405(struct bide__http_connection *c)
{
    char allow[64] = "";
    for (unsigned method = 0; method < BIDE__HTTP_METHODS; method++) {
        if (!(c->match.allowed & 1u << method))
            continue;
        if (*allow)
            strcat(allow, ", ");
        strcat(allow, bide_http_method_name(method));
    }
    bide_http_add_header(&c->response, "Allow", allow);
    bide__http_answer_error(c, 405, "method not allowed");
}

/* ---- a request ----------------------------------------------------------------------------- */

static void refuse(struct bide__http_connection *c, int status, const char *message)
{
    c->close = true;
    c->linger = true;
    bide__http_add(&c->share->stats.malformed, 1);
    bide__http_answer_error(c, status, message);
}

static void call_handler(struct bide__http_connection *c)
{
    struct bide__http_route *route = c->match.route;
    int64_t length = c->request.content_length;
    c->body_max = route->public.body_max ? route->public.body_max : c->server->options.body_max;
    if (length > 0 && (uint64_t)length > c->body_max) {
        refuse(c, 413, "the request's body is too large");
    } else if (!copy_texts(c)) {
        bide__http_finish(c, -ENOMEM);
    } else {
        int result = route->public.handler(&c->request, &c->response, route->public.user);
        bide__http_finish(c, result);
    }
}

static void answer(struct bide__http_connection *c)
{
    struct bide__http_parser *p = c->input.parser;
    int err;
    c->request.method = p->method;
    c->request.minor = p->minor;
    c->request.content_length = p->content_length;
    if (p->connect)
        refuse(c, 501, "no proxy");
    else if ((err = split_target(c)) < 0 || (err = find_route(c)) < 0)
        bide__http_finish(c, err);
    else if (c->match.route)
        call_handler(c);
    else if (c->match.bad_number)
        bide__http_answer_error(c, 400, "a number in the path is malformed or out of range");
    else if (c->match.allowed)
        answer_405(c);
    else
        bide__http_answer_error(c, 404, "not found");
}

/* What the handler left of the body. */
static void skip_body(struct bide__http_connection *c)
{
    uint64_t read = c->input.parser->body_total;
    c->part_size = 0;
    c->body_max = SIZE_MAX;
    while (!c->close && c->input.parser->phase == BIDE__HTTP_BODY) {
        if (bide__http_body_part(c) < 0 ||
            c->input.parser->body_total - read > BIDE__HTTP_SKIP_MAX)
            c->close = true;
        c->part_size = 0;
    }
    if (c->input.parser->phase != BIDE__HTTP_DONE)
        c->linger = true;
}

static void end_request(struct bide__http_connection *c, bide_time begin)
{
    const struct bide_http_server *server = c->server;
    const struct bide__http_route *route = c->match.route;
    size_t index = route ? (size_t)(route - server->routes) : server->routes_count;
    bide__http_count(&c->share->counters[index], c->response.status, c->now - begin);
    bide__http_add(&c->share->stats.requests, 1);
    if (c->patched)
        *c->patched = c->patch;
    if (c->input.parser->phase != BIDE__HTTP_DONE)
        skip_body(c);
    bide__http_arena_reset(&c->arena);
    c->input.head = c->input.parsed;
    if (c->close)
        c->linger |= c->input.parsed < c->input.end;
    else
        bide__http_parser_next(c->input.parser);
}

/* Bytes that the body may take behind the head, where it is read into again and again. */
static size_t body_room(const struct bide__http_input *in)
{
    return in->room - in->head - in->parser->head_size;
}

static void serve_request(struct bide__http_connection *c)
{
    struct bide__http_input *in = &c->input;
    struct bide__http_parser *p = in->parser;
    bide_time begin = c->now;
    c->requests++;
    c->response = (struct bide_http_response){ .state = BIDE__HTTP_UNANSWERED };
    c->match.route = NULL;
    c->continued = !p->expects_continue;
    c->body_error = 0;
    c->body = c->patched = NULL;
    c->body_size = c->part_size = 0;
    if (p->phase == BIDE__HTTP_FAILED) {
        c->request = (struct bide_http_request){ .method = BIDE_HTTP_OTHER, .minor = 1 };
        c->continued = true;
        refuse(c, p->status, p->message);
    } else if (p->phase == BIDE__HTTP_BODY && body_room(in) < BODY_ROOM &&
               bide__http_input_room(c) < 0) {
        c->error = -ENOMEM;
    } else {
        answer(c);
    }
    end_request(c, begin);
}

/* ---- the connection ------------------------------------------------------------------------ */

/* Closing with unread input resets the connection, and the reset can overtake the answer: so wait
 * for the client's end, for a while. */
static void linger(struct bide__http_connection *c)
{
    size_t received = 0;
    bide_time deadline = c->now + LINGER;
    bide_shutdown(c->fd, SHUT_WR);
    while (received < LINGER_BYTES) {
        c->input.end = 0;
        ssize_t n = bide__http_receive(c, deadline - c->now);
        if (n <= 0)
            break;
        received += (size_t)n;
    }
}

static void leave(struct bide__http_connection *c)
{
    bide__http_flush(c);
    if (c->linger && !c->error && c->input.parser)
        linger(c);
    if (c->output)
        bide__http_block_put(&c->share->pool, c->output);
    bide__http_input_put(c);
    bide__http_connection_free(c);
}

struct bide__http_connection *bide__http_connection_new(struct bide_http_server *server, int fd)
{
    struct bide__http_connection *c = bide__http_alloc_apart(sizeof(*c));
    if (!c)
        return NULL;
    c->server = server;
    c->fd = fd;
    bide__http_add(&server->accepted, 1);
    bide__http_lock(server);
    c->link = (struct bide__list){ .next = &server->connections, .prev = server->connections.prev };
    c->link.prev->next = c->link.next->prev = &c->link;
    bide__http_add(&server->open, 1);
    bide__http_unlock(server);
    return c;
}

/* It leaves the list before its descriptor is closed: what is in the list may be shut down. */
void bide__http_connection_free(struct bide__http_connection *c)
{
    struct bide_http_server *server = c->server;
    bide__http_lock(server);
    c->link.prev->next = c->link.next;
    c->link.next->prev = c->link.prev;
    bide__http_add(&server->open, (uint64_t)-1);
    bool last = !server->open && server->draining;
    bide__http_unlock(server);
    bide_close(c->fd);
    free(c);
    if (last)
        bide_resolve(&server->drained, 0);
}

void bide__http_connection_run(struct bide__http_connection *c)
{
    c->begun = true;
    c->share = bide__http_share_at(c->server, c->server->many ? bide_worker_index() : 0);
    c->arena.pool = &c->share->pool;
    bide_name("http %d", c->fd);
    bide_tcp_nodelay(c->fd);
    if (bide__http_input_get(c))
        while (!c->close && !c->error && read_head(c))
            serve_request(c);
    leave(c);
}
