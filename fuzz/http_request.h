/*
 * http_request.h - feeds bytes to the request parser of libbide-http without a socket, for the fuzz
 * target and for the test that replays its corpus.
 *
 * The input is parsed twice: in one piece, and in pieces whose sizes come from its first bytes. Both
 * must come to the same requests, bodies and refusals. What a request's target and headers
 * lead to is tried on the way: decoding, routes, numbers.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/memory.h"
#include "http/parser.h"
#include "http/route.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What came of an input: a hash over everything that was found, in order. */
struct fuzz_outcome {
    uint64_t hash;
    unsigned requests;
    int status;
};

static inline void fuzz_require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static inline void fuzz_mix(struct fuzz_outcome *o, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        o->hash = (o->hash ^ (unsigned char)data[i]) * 0x100000001b3;
}

static int fuzz_handler(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)res, (void)user;
    return 0;
}

/* Match the path against a few routes. */
static inline void fuzz_route(struct fuzz_outcome *o, const char *at, size_t size)
{
    static const char *const paths[] = {"/", "/users", "/users/{id:int}", "/users/{id:uint}/posts",
                                        "/users/me", "/{a}/{b}/{c}", "/users/{name}/posts"};
    static struct bide__http_route routes[7];
    static struct bide__http_node root;
    struct bide__http_text segments[BIDE__HTTP_SEGMENTS_MAX + 1];
    struct bide__http_match match;
    unsigned count = 0;
    for (unsigned i = 0; i < 7 && !routes[i].public.path; i++) {
        routes[i].public = (struct bide_http_route){BIDE_HTTP_GET, paths[i], fuzz_handler, NULL, 0};
        fuzz_require(bide__http_route_add(&root, &routes[i]) == 0, "a good route was refused");
    }
    char *copy = malloc(size + 1);
    ssize_t decoded = bide__http_decode(copy, at, size, true);
    fuzz_require(decoded <= (ssize_t)size, "decoding grew a text");
    for (size_t i = 0; i < size && at[i] == '/' && count <= BIDE__HTTP_SEGMENTS_MAX;) {
        size_t begin = ++i;
        while (i < size && at[i] != '/')
            i++;
        segments[count++] = (struct bide__http_text){at + begin, i - begin};
    }
    bide__http_route_match(&root, BIDE_HTTP_GET, segments, count, &match);
    for (unsigned i = 0; match.route && i < match.route->params_count; i++)
        fuzz_mix(o, (const char *)&match.values[i].number, sizeof(int64_t));
    free(copy);
}

static inline void fuzz_head(struct fuzz_outcome *o, const struct bide__http_parser *p,
                             const char *head)
{
    fuzz_require(p->head_size <= p->limits->head_max, "the head is larger than its limit");
    fuzz_require(p->url + p->url_size <= p->head_size, "the target is outside the head");
    fuzz_require(p->url_size > 0, "there is no target");
    fuzz_require(p->fields_count <= p->limits->headers_max, "there are too many headers");
    fuzz_mix(o, head + p->url, p->url_size);
    fuzz_route(o, head + p->url, p->url_size);
    for (unsigned i = 0; i < p->fields_count; i++) {
        const struct bide__http_field *field = &p->fields[i];
        fuzz_require(field->name + field->name_size < field->value, "a value is not behind its name");
        fuzz_require(field->value + field->value_size < p->head_size, "a value is outside");
        fuzz_require(bide__http_is_token(head + field->name, field->name_size), "no token");
        for (uint32_t n = 0; n < field->value_size; n++)
            fuzz_require(!strchr("\r\n", head[field->value + n]), "a line end in a value");
        fuzz_mix(o, head + field->name, field->name_size);
        fuzz_mix(o, head + field->value, field->value_size);
    }
}

/* Parse data, of which at most step bytes are seen at a time more. */
static inline struct fuzz_outcome fuzz_parse(const char *data, size_t size, size_t step)
{
    static const struct bide__http_limits limits = {.uri_max = 200, .head_max = 1000,
                                                    .headers_max = 8};
    struct bide__http_parser *p = malloc(sizeof(*p));
    struct fuzz_outcome o = {.hash = 0xcbf29ce484222325};
    size_t head = 0, parsed = 0, end = 0;
    bide__http_parser_init(p, &limits);
    while (p->phase != BIDE__HTTP_FAILED) {
        if (parsed == end && p->phase != BIDE__HTTP_DONE) {
            if (end == size)
                break;
            end = size - end > step ? end + step : size;
        }
        if (p->phase == BIDE__HTTP_HEAD) {
            parsed += bide__http_parse_head(p, data + head, data + parsed, data + end);
            if (p->phase == BIDE__HTTP_BODY || p->phase == BIDE__HTTP_DONE)
                fuzz_head(&o, p, data + head);
        } else if (p->phase == BIDE__HTTP_BODY) {
            parsed += bide__http_parse_body(p, data + parsed, data + end);
            if (p->phase != BIDE__HTTP_FAILED)
                fuzz_mix(&o, p->body, p->body_size);
        } else {
            fuzz_require(p->chunked || p->body_total == (uint64_t)p->content_length,
                         "a body has another length");
            o.requests++;
            head = parsed;
            if (!p->keep_alive)
                break;
            bide__http_parser_next(p);
        }
        fuzz_require(parsed <= end, "more was parsed than there is");
    }
    o.status = p->phase == BIDE__HTTP_FAILED ? p->status : 0;
    free(p);
    return o;
}

static inline void fuzz_one(const char *data, size_t size)
{
    size_t step = size ? (size_t)(unsigned char)data[size / 2] % 7 + 1 : 1;
    struct fuzz_outcome whole = fuzz_parse(data, size, size ? size : 1);
    struct fuzz_outcome parts = fuzz_parse(data, size, step);
    fuzz_require(whole.requests == parts.requests, "pieces make another number of requests");
    /* A limit may be seen sooner in pieces than in one, but is no reason to accept more. */
    fuzz_require(!whole.status == !parts.status, "pieces are refused otherwise");
    fuzz_require(whole.status || whole.hash == parts.hash, "pieces make other requests");
}

#endif
