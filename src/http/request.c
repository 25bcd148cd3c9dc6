/*
 * http/request.c - what a handler asks of a request: headers, parameters, the body.
 *
 * Texts are made NUL-terminated in the input buffer where they stand: the byte behind a header's
 * name or value has been parsed and is of no more use.
 */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

struct bide_http_server *bide_http_server(const struct bide_http_request *req)
{
    return bide__http_of(req)->server;
}

int bide_http_peer(const struct bide_http_request *req, struct sockaddr *ret_addr,
                   socklen_t *addr_size)
{
    return bide_getpeername(bide__http_of(req)->fd, ret_addr, addr_size);
}

void *bide_http_alloc(struct bide_http_request *req, size_t size)
{
    return bide__http_arena_alloc(&bide__http_of(req)->arena, size);
}

/* ---- headers ------------------------------------------------------------------------------- */

static const char *terminated(struct bide__http_connection *c, uint32_t at, uint32_t size)
{
    char *text = c->input.data + c->input.head + at;
    text[size] = '\0';
    return text;
}

const char *bide_http_header(struct bide_http_request *req, const char *name)
{
    struct bide__http_connection *c = bide__http_of(req);
    const struct bide__http_parser *p = c->input.parser;
    const char *head = c->input.data + c->input.head;
    size_t size = strlen(name);
    for (unsigned i = 0; i < p->fields_count; i++) {
        const struct bide__http_field *field = &p->fields[i];
        if (bide__http_same_name(head + field->name, field->name_size, name, size))
            return terminated(c, field->value, field->value_size);
    }
    return NULL;
}

int bide_http_header_at(struct bide_http_request *req, size_t index, const char **ret_name,
                        const char **ret_value)
{
    struct bide__http_connection *c = bide__http_of(req);
    const struct bide__http_parser *p = c->input.parser;
    if (index >= p->fields_count)
        return -ENOENT;
    const struct bide__http_field *field = &p->fields[index];
    *ret_name = terminated(c, field->name, field->name_size);
    *ret_value = terminated(c, field->value, field->value_size);
    return 0;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static const struct bide__http_value *param(const struct bide_http_request *req, const char *name,
                                            bool number)
{
    const struct bide__http_match *match = &bide__http_of(req)->match;
    const struct bide__http_route *route = match->route;
    size_t size = strlen(name);
    for (unsigned i = 0; route && i < route->params_count; i++) {
        const struct bide__http_param *p = &route->params[i];
        if (p->name.size == size && !memcmp(p->name.data, name, size) &&
            number == (p->type != BIDE__HTTP_TEXT))
            return &match->values[i];
    }
    fprintf(stderr, "bide_http_param%s: route %s has no {%s}\n", number ? "_int" : "",
            route ? route->public.path : "(none)", name);
    abort();
}

int64_t bide_http_param_int(const struct bide_http_request *req, const char *name)
{
    return param(req, name, true)->number;
}

const char *bide_http_param(const struct bide_http_request *req, const char *name)
{
    return param(req, name, false)->text.data;
}

/* The raw value of a query parameter. False: there is none. */
static bool find_query(struct bide_http_request *req, const char *name,
                       struct bide__http_text *ret_value)
{
    size_t size = strlen(name);
    for (const char *at = req->query; *at; at += *at == '&') {
        size_t pair = strcspn(at, "&");
        const char *equals = memchr(at, '=', pair);
        size_t key = equals ? (size_t)(equals - at) : pair;
        if (key == size && !memcmp(at, name, size)) {
            *ret_value = equals ? (struct bide__http_text){ equals + 1, pair - key - 1 }
                                : (struct bide__http_text){ "", 0 };
            return true;
        }
        at += pair;
    }
    return false;
}

const char *bide_http_query(struct bide_http_request *req, const char *name)
{
    struct bide__http_text raw;
    if (!find_query(req, name, &raw))
        return NULL;
    char *text = bide_http_alloc(req, raw.size + 1);
    ssize_t size = text ? bide__http_decode(text, raw.data, raw.size, true) : -ENOMEM;
    if (size < 0)
        return NULL;
    text[size] = '\0';
    return text;
}

int bide_http_query_int(struct bide_http_request *req, const char *name, int64_t absent,
                        int64_t *ret_value)
{
    struct bide__http_text raw;
    if (find_query(req, name, &raw))
        return bide__http_parse_int(raw.data, raw.size, ret_value);
    *ret_value = absent;
    return 0;
}

/* ---- the body -------------------------------------------------------------------------------- */

/* The stream is of no further use. */
static ssize_t fail(struct bide__http_connection *c, int error)
{
    if (error == -ETIMEDOUT)
        bide__http_add(&c->share->stats.timeouts, 1);
    else if (error == -EBADMSG || error == -EMSGSIZE)
        bide__http_add(&c->share->stats.malformed, 1);
    c->body_error = error;
    c->close = true;
    c->linger = true;
    return error;
}

/* Everything received has been read: receive more, over it unless keep. */
static ssize_t receive_more(struct bide__http_connection *c, bool keep)
{
    struct bide__http_input *in = &c->input;
    if (!c->continued) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        c->continued = true;
        if (!in->parser->body_total && c->response.state == BIDE__HTTP_UNANSWERED)
            bide__http_put(c, go_on, sizeof(go_on) - 1);
    }
    if (bide__http_flush(c) < 0)
        return bide_cancelled() ? c->error : fail(c, -ECONNRESET);
    if (!keep)
        in->parsed = in->end = in->head + in->parser->head_size;
    ssize_t n = bide__http_receive(c, c->server->options.body_timeout);
    if (n > 0 || (n < 0 && bide_cancelled()))
        return n;
    return fail(c, n == -ETIMEDOUT ? -ETIMEDOUT : -ECONNRESET);
}

static ssize_t body_part(struct bide__http_connection *c, bool keep)
{
    struct bide__http_input *in = &c->input;
    struct bide__http_parser *p = in->parser;
    if (c->body_error)
        return c->body_error;
    while (!c->part_size && p->phase == BIDE__HTTP_BODY) {
        if (in->parsed == in->end) {
            ssize_t n = receive_more(c, keep);
            if (n < 0)
                return n;
        }
        in->parsed += bide__http_parse_body(p, in->data + in->parsed, in->data + in->end);
        if (p->phase == BIDE__HTTP_FAILED)
            return fail(c, -EBADMSG);
        if (p->body_total > c->body_max)
            return fail(c, -EMSGSIZE);
        c->part = p->body;
        c->part_size = p->body_size;
    }
    return (ssize_t)c->part_size;
}

ssize_t bide__http_body_part(struct bide__http_connection *c)
{
    return body_part(c, false);
}

ssize_t bide_http_read(struct bide_http_request *req, void *buf, size_t size)
{
    struct bide__http_connection *c = bide__http_of(req);
    ssize_t n = body_part(c, false);
    if (n <= 0)
        return n;
    if (size > (size_t)n)
        size = (size_t)n;
    memcpy(buf, c->part, size);
    c->part += size;
    c->part_size -= size;
    return (ssize_t)size;
}

/* A body that fits into the input buffer stays there. */
static ssize_t gather_in_place(struct bide__http_connection *c, size_t total)
{
    struct bide__http_input *in = &c->input;
    char *begin = in->data + in->head + in->parser->head_size;
    for (ssize_t n; (n = body_part(c, true)) != 0; c->part_size = 0)
        if (n < 0)
            return n;
    c->patched = begin + total;
    c->patch = *c->patched;
    *c->patched = '\0';
    c->body = begin;
    c->body_size = total;
    return (ssize_t)total;
}

static ssize_t gather(struct bide__http_connection *c, size_t room)
{
    char *to = bide__http_arena_alloc(&c->arena, room + 1);
    size_t total = 0;
    ssize_t n;
    while (to && (n = body_part(c, false)) > 0) {
        if ((size_t)n > room - total) {
            room = 2 * room + (size_t)n;
            char *larger = bide__http_arena_alloc(&c->arena, room + 1);
            if (larger)
                memcpy(larger, to, total);
            to = larger;
            if (!to)
                break;
        }
        memcpy(to + total, c->part, (size_t)n);
        total += (size_t)n;
        c->part_size = 0;
    }
    if (!to)
        return -ENOMEM;
    if (n < 0)
        return n;
    to[total] = '\0';
    c->body = to;
    c->body_size = total;
    return (ssize_t)total;
}

ssize_t bide_http_body(struct bide_http_request *req, const char **ret_data)
{
    struct bide__http_connection *c = bide__http_of(req);
    struct bide__http_input *in = &c->input;
    struct bide__http_parser *p = in->parser;
    ssize_t size = (ssize_t)c->body_size;
    if (!c->body) {
        if (c->body_error)
            return c->body_error;
        if (p->body_total)
            return -EINVAL; /* bide_http_read took some */
        if (p->chunked)
            size = gather(c, 1000);
        else if ((size_t)p->content_length <= in->room - in->head - p->head_size)
            size = gather_in_place(c, (size_t)p->content_length);
        else
            size = gather(c, (size_t)p->content_length);
    }
    if (size >= 0)
        *ret_data = c->body;
    return size;
}
