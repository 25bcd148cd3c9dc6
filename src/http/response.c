/*
 * http/response.c - how a handler answers, and how the server does in its stead.
 *
 * The head is written into the output buffer in one go, when the status is known; the handler's own
 * headers wait for that in the arena.
 */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* ---- the head ------------------------------------------------------------------------------ */

static bool value_is_clean(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

static int add_header(struct bide_http_response *res, const char *name, const char *value,
                      size_t value_size)
{
    struct bide__http_connection *c = bide__http_by(res);
    size_t name_size = strlen(name), size = name_size + value_size + 4;
    if (res->state != BIDE__HTTP_UNANSWERED)
        return -EALREADY;
    if (!bide__http_is_token(name, name_size) || !value_is_clean(value, value_size))
        return -EINVAL;
    if (size > BIDE__HTTP_EXTRA_MAX - res->extra_size)
        return -EMSGSIZE;
    if (size > res->extra_room - res->extra_size) {
        size_t room = 2 * (res->extra_size + size) + 128;
        char *extra = bide__http_arena_alloc(&c->arena, room);
        if (!extra)
            return -ENOMEM;
        if (res->extra_size)
            memcpy(extra, res->extra, res->extra_size);
        res->extra = extra;
        res->extra_room = room;
    }
    char *to = res->extra + res->extra_size;
    memcpy(to, name, name_size);
    memcpy(to + name_size, ": ", 2);
    memcpy(to + name_size + 2, value, value_size);
    memcpy(to + name_size + 2 + value_size, "\r\n", 2);
    res->extra_size += size;
    return 0;
}

int bide_http_add_header(struct bide_http_response *res, const char *name, const char *value)
{
    return add_header(res, name, value, strlen(value));
}

int bide_http_add_headerf(struct bide_http_response *res, const char *name, const char *format,
                          ...)
{
    char value[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if (size < 0)
        return -EINVAL;
    if ((size_t)size >= sizeof(value))
        return -EMSGSIZE;
    return add_header(res, name, value, (size_t)size);
}

static const char *date_line(struct bide__http_share *share, bide_time now)
{
    if (BIDE__UNLIKELY(now >= share->date_until)) {
        bide_time wall = bide_wall_now();
        bide__http_format_date(share->date_line, wall / BIDE_S);
        share->date_until = now + BIDE_S - wall % BIDE_S;
    }
    return share->date_line;
}

/* Will the connection be of use after this answer? The client is told in the head. */
static bool must_close(const struct bide__http_connection *c)
{
    const struct bide__http_parser *p = c->input.parser;
    if (!p->keep_alive || __atomic_load_n(&c->server->stopping, __ATOMIC_RELAXED) ||
        c->requests >= c->server->options.requests_max)
        return true;
    if (p->phase != BIDE__HTTP_BODY)
        return false;
    return !c->continued || p->content_length - (int64_t)p->body_total > BIDE__HTTP_SKIP_MAX;
}

static char *append(char *to, const char *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

#define APPEND(to, literal) append(to, literal, sizeof(literal) - 1)

/* length: BIDE_HTTP_CHUNKED, or of the body. room: bytes that should fit behind the head. */
static int put_head(struct bide__http_connection *c, int status, const char *type, int64_t length,
                    size_t room)
{
    struct bide_http_response *res = &c->response;
    size_t type_size = type ? strlen(type) : 0;
    struct bide__http_text line = bide__http_status_line(status);

    if (res->state != BIDE__HTTP_UNANSWERED)
        return -EALREADY;
    if (status < 200 || status > 999 || type_size > 1024 || !value_is_clean(type, type_size))
        return -EINVAL;
    char *begin = bide__http_reserve(c, 256 + type_size + res->extra_size + room);
    if (!begin)
        return c->error;
    c->now = bide_now();
    c->close |= must_close(c);
    bool empty = status == 204 || status == 304; /* neither has a body, nor a length of one */
    char *to = begin;
    if (BIDE__LIKELY(line.size)) {
        to = append(to, line.data, line.size);
    } else {
        to = APPEND(to, "HTTP/1.1 ");
        to = bide__http_format_decimal(to, (uint64_t)status);
        to = APPEND(to, " Unknown\r\n");
    }
    to = append(to, date_line(c->share, c->now), BIDE__HTTP_DATE_SIZE);
    if (type) {
        to = APPEND(to, "Content-Type: ");
        to = append(to, type, type_size);
        to = APPEND(to, "\r\n");
    }
    if (length >= 0 && !empty) {
        to = APPEND(to, "Content-Length: ");
        to = bide__http_format_decimal(to, (uint64_t)length);
        to = APPEND(to, "\r\n");
    } else if (c->request.minor && !empty) {
        to = APPEND(to, "Transfer-Encoding: chunked\r\n");
    }
    if (c->close)
        to = APPEND(to, "Connection: close\r\n");
    else if (!c->request.minor)
        to = APPEND(to, "Connection: keep-alive\r\n");
    if (res->extra_size)
        to = append(to, res->extra, res->extra_size);
    to = APPEND(to, "\r\n");
    c->output_size += (size_t)(to - begin);
    res->status = status;
    res->no_body = empty || c->request.method == BIDE_HTTP_HEAD;
    return 0;
}

/* ---- whole answers ------------------------------------------------------------------------- */

int bide_http_send(struct bide_http_response *res, int status, const char *type, const void *data,
                   size_t size)
{
    struct bide__http_connection *c = bide__http_by(res);
    size_t room = size <= BIDE__HTTP_BLOCK / 4 ? size : 0;
    int err = put_head(c, status, type, (int64_t)size, room);
    if (err < 0)
        return err;
    res->state = BIDE__HTTP_ANSWERED;
    return res->no_body || !size ? 0 : bide__http_put(c, data, size);
}

int bide_http_sendf(struct bide_http_response *res, int status, const char *type,
                    const char *format, ...)
{
    char small[512], *text = small;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(small, sizeof(small), format, args);
    if (size >= (int)sizeof(small)) {
        text = bide__http_arena_alloc(&bide__http_by(res)->arena, (size_t)size + 1);
        if (text)
            vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    va_end(args);
    if (size < 0)
        return -EINVAL;
    return text ? bide_http_send(res, status, type, text, (size_t)size) : -ENOMEM;
}

int bide__http_answer_error(struct bide__http_connection *c, int status, const char *message)
{
    enum { MESSAGE_MAX = 256 };
    char body[6 * MESSAGE_MAX + 64], *to = APPEND(body, "{\"error\":{\"status\":");
    to = bide__http_format_decimal(to, (uint64_t)(status < 0 ? 0 : status));
    to = APPEND(to, ",\"message\":\"");
    to = bide__http_format_json(to, message, strnlen(message, MESSAGE_MAX));
    to = APPEND(to, "\"}}\n");
    return bide_http_send(&c->response, status, "application/json", body, (size_t)(to - body));
}

int bide_http_error(struct bide_http_response *res, int status, const char *format, ...)
{
    char message[256];
    if (!format)
        return bide__http_answer_error(bide__http_by(res), status, bide_http_status_text(status));
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return size < 0 ? -EINVAL : bide__http_answer_error(bide__http_by(res), status, message);
}

/* ---- streamed answers ---------------------------------------------------------------------- */

int bide_http_begin(struct bide_http_response *res, int status, const char *type, int64_t length)
{
    struct bide__http_connection *c = bide__http_by(res);
    if (length < BIDE_HTTP_CHUNKED)
        return -EINVAL;
    if (length < 0 && !c->request.minor)
        c->close = true;
    int err = put_head(c, status, type, length, 0);
    if (err < 0)
        return err;
    res->left = length;
    res->state = length >= 0          ? BIDE__HTTP_FIXED
                 : c->request.minor ? BIDE__HTTP_CHUNKING
                                      : BIDE__HTTP_UNTIL_END;
    return 0;
}

static int put_chunk(struct bide__http_connection *c, const void *data, size_t size)
{
    char *begin = bide__http_reserve(c, 32);
    if (!begin)
        return c->error;
    char *to = bide__http_format_hex(begin, size);
    to = APPEND(to, "\r\n");
    c->output_size += (size_t)(to - begin);
    int err = bide__http_put(c, data, size);
    return err < 0 ? err : bide__http_put(c, "\r\n", 2);
}

int bide_http_write(struct bide_http_response *res, const void *data, size_t size)
{
    struct bide__http_connection *c = bide__http_by(res);
    switch (res->state) {
    case BIDE__HTTP_FIXED:
        if (size > (uint64_t)res->left)
            return -EINVAL;
        res->left -= (int64_t)size;
        break;
    case BIDE__HTTP_CHUNKING:
    case BIDE__HTTP_UNTIL_END:
        break;
    default:
        return -EINVAL;
    }
    if (res->no_body || !size)
        return c->error;
    return res->state == BIDE__HTTP_CHUNKING ? put_chunk(c, data, size)
                                             : bide__http_put(c, data, size);
}

int bide_http_flush(struct bide_http_response *res)
{
    return bide__http_flush(bide__http_by(res));
}

/* ---- the end of a handler ------------------------------------------------------------------ */

static int status_for(const struct bide__http_connection *c, int result)
{
    if (c->body_error == -ETIMEDOUT)
        return 408;
    switch (c->body_error ? c->body_error : result) {
    case -EMSGSIZE:
        return 413;
    case -EBADMSG:
    case -EINVAL:
        return 400;
    case -EBUSY:
    case -ENOMEM:
    case -ETIMEDOUT:
        return 503;
    default:
        return 500;
    }
}

static void answer_for(struct bide__http_connection *c, int result)
{
    if (c->body_error == -ECONNRESET || bide_cancelled()) {
        c->close = true;
        c->response.status = 499; /* nobody is answered; in the counters only */
        return;
    }
    int status = status_for(c, result);
    bide__http_answer_error(c, status,
                            status == 400   ? c->body_error ? c->input.parser->message
                                                            : "malformed request"
                            : status == 408 ? "the request's body took too long"
                            : status == 413 ? "the request's body is too large"
                            : status == 503 ? "try again later"
                                            : "the request could not be handled");
}

void bide__http_finish(struct bide__http_connection *c, int result)
{
    struct bide_http_response *res = &c->response;
    switch (res->state) {
    case BIDE__HTTP_UNANSWERED:
        answer_for(c, result);
        break;
    case BIDE__HTTP_FIXED:
        c->now = bide_now();
        if (res->left > 0 || result < 0)
            c->close = true;
        break;
    case BIDE__HTTP_CHUNKING:
        c->now = bide_now();
        if (result < 0)
            c->close = true;
        else if (!res->no_body)
            bide__http_put(c, "0\r\n\r\n", 5);
        break;
    case BIDE__HTTP_UNTIL_END:
        c->now = bide_now();
        break;
    }
    res->state = BIDE__HTTP_ANSWERED;
}
