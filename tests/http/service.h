/*
 * service.h - a server in a thread of its own, and a client of raw bytes, for the tests of
 * libbide-http.
 *
 * Every wait of the client is bounded: what does not come within 20 seconds fails the test.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "test.h"
#include <arpa/inet.h>
#include <bide/bide.h>
#include <bide/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

/* ---- the server ------------------------------------------------------------------------------ */

typedef BIDE_PROMISE(int) service_promise;

struct service {
    struct bide_http_server *server;
    pthread_t thread;
    service_promise stop;
    int result; /* of bide_http_serve */
};

static inline int service_main(struct service *s)
{
    bide_let serve = bide_async(bide_http_serve, s->server);
    bide_race(&serve, &s->stop);
    s->result = serve.value;
    return 0;
}
BIDE_ASYNC(int, service_main, struct service *)

static inline void *service_thread(void *arg)
{
    bide_run(bide_async(service_main, (struct service *)arg));
    return NULL;
}

/* 0 or -errno. */
static inline int service_start(struct service *s, const struct bide_http_options *options,
                                const struct bide_http_route *routes, size_t count)
{
    *s = (struct service){.result = 1};
    int err = bide_http_new(options, routes, count, &s->server);
    if (err < 0)
        return err;
    bide_promise_init(&s->stop);
    return -pthread_create(&s->thread, NULL, service_thread, s);
}

/* Stop, wait for the end and release. Returns what bide_http_serve did. */
static inline int service_stop(struct service *s)
{
    bide_resolve(&s->stop, 0);
    pthread_join(s->thread, NULL);
    bide_http_free(s->server);
    return s->result;
}

/* ---- the client ------------------------------------------------------------------------------ */

struct client {
    int fd;
    size_t used; /* of buf */
    char buf[65536];
};

/* One answer. The body is NUL-terminated, chunks joined. */
struct answer {
    int status;      /* 0: the connection ended first; -1: it took too long or was no HTTP */
    char head[8192]; /* with the status line, without the empty one */
    char *body;      /* malloc'ed, or NULL */
    size_t size;
    bool complete;   /* the body was */
};

/* A socket that is not connected yet, or -1. */
static inline int client_new(void)
{
    struct timeval bound = {.tv_sec = 20};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static inline int client_connect(int fd, int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* A connected socket, or -1. */
static inline int client_socket(int port)
{
    int fd = client_new();
    if (fd >= 0 && client_connect(fd, port) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool client_open(struct client *c, const struct service *s)
{
    c->used = 0;
    c->fd = client_socket(bide_http_port(s->server));
    return c->fd >= 0;
}

static inline void client_close(struct client *c)
{
    close(c->fd);
}

static inline bool client_send(struct client *c, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static inline bool client_say(struct client *c, const char *text)
{
    return client_send(c, text, strlen(text));
}

/* Receive more. 1, 0 at the end (or after a reset), -1 when it took too long. */
static inline int client_more(struct client *c)
{
    ssize_t n;
    if (c->used == sizeof(c->buf))
        return -1;
    do /* a ring that this thread had may interrupt it while the kernel takes it down */
        n = recv(c->fd, c->buf + c->used, sizeof(c->buf) - c->used, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        c->used += (size_t)n;
    return n > 0 ? 1 : n == 0 || errno == ECONNRESET || errno == EPIPE ? 0 : -1;
}

static inline void client_take(struct client *c, size_t size)
{
    memmove(c->buf, c->buf + size, c->used - size);
    c->used -= size;
}

/* A line's or head's end: the offset behind text, or 0. */
static inline size_t client_find(const struct client *c, const char *text)
{
    const char *at = memmem(c->buf, c->used, text, strlen(text));
    return at ? (size_t)(at - c->buf) + strlen(text) : 0;
}

/* Append size bytes of what comes next to the answer's body. */
static inline bool client_body(struct client *c, struct answer *a, size_t size)
{
    a->body = realloc(a->body, a->size + size + 1);
    while (size) {
        if (!c->used && client_more(c) <= 0)
            return false;
        size_t n = size < c->used ? size : c->used;
        memcpy(a->body + a->size, c->buf, n);
        a->size += n;
        a->body[a->size] = '\0';
        client_take(c, n);
        size -= n;
    }
    a->body[a->size] = '\0';
    return true;
}

static inline bool client_chunks(struct client *c, struct answer *a)
{
    for (;;) {
        size_t line;
        while (!(line = client_find(c, "\r\n")))
            if (client_more(c) <= 0)
                return false;
        size_t size = strtoul(c->buf, NULL, 16);
        client_take(c, line);
        if (!client_body(c, a, size))
            return false;
        while (c->used < 2)
            if (client_more(c) <= 0)
                return false;
        if (memcmp(c->buf, "\r\n", 2))
            return false;
        client_take(c, 2);
        if (!size)
            return true;
    }
}

/* The value of a header in the answer's head; "" when there is none. Valid until the next call. */
static inline const char *answer_header(const struct answer *a, const char *name)
{
    static __thread char value[1024];
    size_t size = strlen(name);
    const char *at = strstr(a->head, "\r\n");
    for (; at; at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, name, size) || strncmp(at + 2 + size, ": ", 2))
            continue;
        at += 4 + size;
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return "";
}

/* Receive an answer to a GET, or to a HEAD. *a was zero or an answer before, which is freed. */
static inline struct answer *client_answer_to(struct client *c, struct answer *a, bool head_only)
{
    size_t size;
    int more = 1;
    free(a->body);
    *a = (struct answer){.status = -1};
    while (!(size = client_find(c, "\r\n\r\n")) && (more = client_more(c)) > 0)
        continue;
    if (!size || size > sizeof(a->head)) {
        a->status = size || more < 0 || c->used ? -1 : 0;
        return a;
    }
    memcpy(a->head, c->buf, size - 2);
    client_take(c, size);
    if (sscanf(a->head, "HTTP/1.1 %d ", &a->status) != 1)
        return a;
    a->complete = true;
    if (head_only || a->status < 200 || a->status == 204 || a->status == 304)
        return a;
    if (!strcmp(answer_header(a, "Transfer-Encoding"), "chunked")) {
        a->complete = client_chunks(c, a);
    } else if (*answer_header(a, "Content-Length")) {
        a->complete = client_body(c, a, strtoul(answer_header(a, "Content-Length"), NULL, 10));
    } else {
        while (client_body(c, a, 1))
            continue;
    }
    return a;
}

static inline struct answer *client_answer(struct client *c, struct answer *a)
{
    return client_answer_to(c, a, false);
}

/* Is the connection at its end, with nothing more to come? */
static inline bool client_at_end(struct client *c)
{
    return !c->used && client_more(c) == 0;
}

/* Send text on a new connection and give its one answer's status; 0: closed without one. */
static inline int ask(const struct service *s, const char *text, size_t size, struct answer *a)
{
    struct client c;
    if (!client_open(&c, s))
        return -1;
    client_send(&c, text, size);
    client_answer(&c, a);
    client_close(&c);
    return a->status;
}

static inline int ask_text(const struct service *s, const char *text, struct answer *a)
{
    return ask(s, text, strlen(text), a);
}

#endif
