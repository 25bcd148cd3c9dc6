/*
 * http/parser.c - from bytes to a request, on llhttp; no I/O.
 *
 * llhttp finds where things begin and end; this keeps the places, as offsets, because the head may
 * move while it is still coming in. llhttp is paused at every point where its caller has something
 * to do: behind the head when a body follows, behind each part of a body, behind the request.
 *
 * llhttp must be compiled strict; what it lets through even so is checked in head.c.
 */
#include "parser.h"
#include "text.h"
#include <assert.h>
#include <llhttp.h>
#include <string.h>

static_assert(sizeof(llhttp_t) <= sizeof(((struct bide__http_parser *)0)->llhttp), "room");

static struct bide__http_parser *parser_of(llhttp_t *llhttp)
{
    return (struct bide__http_parser *)llhttp;
}

static llhttp_t *llhttp_of(struct bide__http_parser *p)
{
    return (llhttp_t *)&p->llhttp;
}

void bide__http_refuse(struct bide__http_parser *p, int status, const char *message)
{
    if (p->phase == BIDE__HTTP_FAILED)
        return;
    p->phase = BIDE__HTTP_FAILED;
    p->status = status;
    p->message = message;
}

static int refuse(struct bide__http_parser *p, int status, const char *message)
{
    bide__http_refuse(p, status, message);
    return -1;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (!p->url_size)
        p->url = (uint32_t)(at - p->head);
    p->url_size += (uint32_t)size;
    if (p->url_size > p->limits->uri_max)
        return refuse(p, 414, "the request target is too long");
    return 0;
}

static int on_url_complete(llhttp_t *llhttp)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (llhttp->http_major == 0 && llhttp->http_minor == 9)
        return refuse(p, 400, "the request line has no version");
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (llhttp->flags & F_TRAILING)
        return 0;
    if (!p->in_name) {
        if (p->fields_count == p->limits->headers_max)
            return refuse(p, 431, "too many headers");
        p->fields[p->fields_count++] =
            (struct bide__http_field){ .name = (uint32_t)(at - p->head) };
        p->in_name = 1;
        p->in_value = 0;
    }
    p->fields[p->fields_count - 1].name_size += (uint32_t)size;
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (llhttp->flags & F_TRAILING)
        return 0;
    struct bide__http_field *field = &p->fields[p->fields_count - 1];
    uint32_t where = (uint32_t)(at - p->head);
    if (!p->in_value) {
        field->value = where;
        p->in_value = 1;
        p->in_name = 0;
    }
    field->value_size = where + (uint32_t)size - field->value;
    return 0;
}

static enum bide_http_method method_of(const llhttp_t *llhttp)
{
    switch (llhttp->method) {
    case HTTP_GET:
        return BIDE_HTTP_GET;
    case HTTP_HEAD:
        return BIDE_HTTP_HEAD;
    case HTTP_POST:
        return BIDE_HTTP_POST;
    case HTTP_PUT:
        return BIDE_HTTP_PUT;
    case HTTP_DELETE:
        return BIDE_HTTP_DELETE;
    case HTTP_PATCH:
        return BIDE_HTTP_PATCH;
    case HTTP_OPTIONS:
        return BIDE_HTTP_OPTIONS;
    default:
        return BIDE_HTTP_OTHER;
    }
}

/* The position behind the head is only known once llhttp has paused: parse_head goes on there. */
static int on_headers_complete(llhttp_t *llhttp)
{
    struct bide__http_parser *p = parser_of(llhttp);
    llhttp->upgrade = 0; /* never offered, so the request is an ordinary one */
    p->keep_alive = (uint8_t)llhttp_should_keep_alive(llhttp);
    p->method = (uint8_t)method_of(llhttp);
    p->connect = llhttp->method == HTTP_CONNECT;
    p->major = llhttp->http_major;
    p->minor = llhttp->http_minor;
    p->has_length = (llhttp->flags & F_CONTENT_LENGTH) != 0;
    p->length = llhttp->content_length;
    p->phase = BIDE__HTTP_BODY;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (!size)
        return 0;
    p->body = at;
    p->body_size = size;
    return HPE_PAUSED;
}

/* The last chunk has no data. Behind its header come the trailers. */
static int on_chunk_header(llhttp_t *llhttp)
{
    struct bide__http_parser *p = parser_of(llhttp);
    if (llhttp->content_length)
        return 0;
    p->trailing = '\n';
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->phase = BIDE__HTTP_DONE;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void bide__http_parser_init(struct bide__http_parser *p, const struct bide__http_limits *limits)
{
    llhttp_init(llhttp_of(p), HTTP_REQUEST, &settings);
    p->limits = limits;
    p->phase = BIDE__HTTP_DONE;
    bide__http_parser_next(p);
}

void bide__http_parser_next(struct bide__http_parser *p)
{
    p->phase = BIDE__HTTP_HEAD;
    p->in_name = p->in_value = 0;
    p->url_size = 0;
    p->fields_count = 0;
    p->head_size = 0;
    p->body_size = 0;
    p->body_total = 0;
    p->framing = 0;
    p->trailing = 0;
    p->content_length = 0;
}

/* Answer an error of llhttp. */
static void explain(struct bide__http_parser *p, llhttp_errno_t error, char first)
{
    switch (error) {
    case HPE_INVALID_METHOD:
        if (bide__http_is_token(&first, 1))
            bide__http_refuse(p, 501, "unknown method");
        break;
    case HPE_INVALID_CONSTANT: /* a method of RTSP, or no HTTP/ */
        if (llhttp_of(p)->method > HTTP_SOURCE)
            bide__http_refuse(p, 501, "unknown method");
        break;
    case HPE_PAUSED_H2_UPGRADE:
        bide__http_refuse(p, 505, "HTTP version not supported");
        break;
    case HPE_INVALID_VERSION:
        if (!strcmp(llhttp_get_error_reason(llhttp_of(p)), "Invalid HTTP version"))
            bide__http_refuse(p, 505, "HTTP version not supported");
        break;
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
        bide__http_refuse(p, 400, "the length of the body is ambiguous");
        break;
    case HPE_INVALID_CHUNK_SIZE:
        bide__http_refuse(p, 400, "malformed chunk");
        break;
    case HPE_INVALID_URL:
        bide__http_refuse(p, 400, "malformed request target");
        break;
    default:
        break;
    }
    bide__http_refuse(p, 400, "malformed request");
}

/* Run llhttp on [from, end). Returns the bytes used. */
static size_t execute(struct bide__http_parser *p, const char *from, const char *end)
{
    llhttp_t *llhttp = llhttp_of(p);
    if (llhttp_get_errno(llhttp) == HPE_PAUSED)
        llhttp_resume(llhttp);
    llhttp_errno_t error = llhttp_execute(llhttp, from, (size_t)(end - from));
    if (error == HPE_OK)
        return (size_t)(end - from);
    const char *at = llhttp_get_error_pos(llhttp);
    if (error != HPE_PAUSED)
        explain(p, error, *p->head);
    /* Pausing at the end of a span leaves the position at its end, all others behind what was
     * matched. An error in the first byte of all leaves none. */
    return at ? (size_t)(at - from) : 0;
}

size_t bide__http_parse_head(struct bide__http_parser *p, const char *head, const char *from,
                             const char *end)
{
    p->head = head;
    size_t used = execute(p, from, end);
    size_t size = (size_t)(from + used - head);
    switch (p->phase) {
    case BIDE__HTTP_HEAD:
        if (size >= p->limits->head_max)
            bide__http_refuse(p, 431, "the headers are too large");
        break;
    case BIDE__HTTP_BODY:
        if (size > p->limits->head_max) {
            bide__http_refuse(p, 431, "the headers are too large");
            break;
        }
        p->head_size = (uint32_t)size;
        bide__http_check_head(p);
        /* Without a body, llhttp completes the request without another byte. */
        if (p->phase == BIDE__HTTP_BODY && !p->content_length)
            execute(p, from + used, from + used);
        break;
    }
    return used;
}

/* The same rules as for the lines of a head, see head.c, but these come in pieces. */
static bool trailers_are_clean(struct bide__http_parser *p, const char *at, size_t size)
{
    for (const char *end = at + size; at < end; at++) {
        if (*at == '\n' ? p->trailing != '\r' : p->trailing == '\r')
            return false;
        if (p->trailing == '\n' && (*at == ' ' || *at == '\t'))
            return false;
        p->trailing = *at;
    }
    return true;
}

size_t bide__http_parse_body(struct bide__http_parser *p, const char *from, const char *end)
{
    bool trailing = p->trailing;
    p->body_size = 0;
    size_t used = execute(p, from, end);
    if (trailing && !trailers_are_clean(p, from, used))
        bide__http_refuse(p, 400, "malformed trailer");
    p->body_total += p->body_size;
    p->framing += used - p->body_size;
    /* The end of a fixed body takes no byte. */
    if (p->phase == BIDE__HTTP_BODY && !p->chunked &&
        p->body_total == (uint64_t)p->content_length)
        execute(p, from + used, from + used);
    /* One-byte chunks have 5 bytes of framing each; more is extensions, zeros or trailers without
     * end. */
    if (p->phase == BIDE__HTTP_BODY && p->framing > BIDE__HTTP_FRAMING_MAX + 8 * p->body_total)
        bide__http_refuse(p, 400, "malformed chunk");
    return used;
}
