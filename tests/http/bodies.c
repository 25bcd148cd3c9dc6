/* Request bodies: fixed, chunked, expected, too large, left unread, broken off; size limits. */
#include "service.h"

/* The body back, by bide_http_body. */
static int echo(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *body = NULL, *again = NULL;
    ssize_t n = bide_http_body(req, &body);
    (void)user;
    if (n < 0)
        return (int)n;
    CHECK_OR(body[n] == '\0', 0);
    CHECK_OR(bide_http_body(req, &again) == n && again == body, 0);
    return bide_http_send(res, 200, "text/plain", body, (size_t)n);
}

/* The number and the sum of the bytes, by bide_http_read. */
static int sum(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    char part[777];
    unsigned long total = 0, count = 0;
    ssize_t n;
    (void)user;
    while ((n = bide_http_read(req, part, sizeof(part))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            total += (unsigned char)part[i];
        count += (unsigned long)n;
    }
    if (n < 0)
        return (int)n;
    return bide_http_sendf(res, 200, NULL, "%lu %lu", count, total);
}

static int ignore(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    return bide_http_sendf(res, 200, NULL, "ignored");
}

static ssize_t read_some(struct bide_http_request *req, char *to)
{
    return bide_http_read(req, to, 1);
}
BIDE_ASYNC(ssize_t, read_some, struct bide_http_request *, char *)

/* Gives up on the body after 20 ms, which takes nothing from it; then reads it. */
static int hasty(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    char byte;
    bide_let some = bide_async(read_some, req, &byte);
    (void)user;
    bide_within(20 * BIDE_MS, &some);
    CHECK_OR(some.value == -ETIMEDOUT, 0);
    return echo(req, res, NULL);
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_POST, "/echo", echo, NULL, 0},
    {BIDE_HTTP_POST, "/sum", sum, NULL, 64 * 1024 * 1024},
    {BIDE_HTTP_POST, "/small", echo, NULL, 10},
    {BIDE_HTTP_POST, "/smallsum", sum, NULL, 10},
    {BIDE_HTTP_POST, "/ignore", ignore, NULL, 64 * 1024 * 1024},
    {BIDE_HTTP_POST, "/hasty", hasty, NULL, 0},
};

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

struct bodies {
    struct service s;
    struct client c;
    struct answer a;
};

static bool open_with(struct bodies *b, const struct bide_http_options *options)
{
    memset(&b->a, 0, sizeof(b->a));
    return service_start(&b->s, options, routes, sizeof(routes) / sizeof(routes[0])) == 0 &&
           client_open(&b->c, &b->s);
}

static void shut(struct bodies *b)
{
    free(b->a.body);
    client_close(&b->c);
    service_stop(&b->s);
}

/* Say text, and expect an answer on the connection that stays. */
static void check(struct bodies *b, const char *text, int status, const char *body)
{
    CHECK(client_say(&b->c, text));
    CHECK_EQ(client_answer(&b->c, &b->a)->status, status);
    if (body)
        CHECK_STR(b->a.body, body);
}

TEST(fixed_and_chunked)
{
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    check(&b, POST("/echo") "Content-Length: 5\r\n\r\nhello", 200, "hello");
    check(&b, POST("/echo") "Content-Length: 0\r\n\r\n", 200, "");
    check(&b, POST("/echo") "\r\n", 200, "");
    check(&b, POST("/echo") CHUNKED "5\r\nhello\r\n0\r\n\r\n", 200, "hello");
    check(&b, POST("/echo") CHUNKED "0\r\n\r\n", 200, "");
    check(&b, POST("/echo") CHUNKED "1\r\na\r\n2;x=y\r\nbc\r\n0\r\nA: b\r\nC:\r\n\r\n", 200, "abc");
    check(&b, POST("/sum") CHUNKED "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, "3 294");
    check(&b, POST("/sum") "Content-Length: 3\r\n\r\nabc", 200, "3 294");
    shut(&b);
}

/* The byte behind a body in place is the next request's, and is given back to it. */
TEST(a_body_does_not_reach_into_the_next_request)
{
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    check(&b, POST("/echo") "Content-Length: 3\r\n\r\nabc" POST("/echo") CHUNKED
              "3\r\ndef\r\n0\r\n\r\n" POST("/echo") "Content-Length: 3\r\n\r\nghi", 200, "abc");
    CHECK_EQ(client_answer(&b.c, &b.a)->status, 200);
    CHECK_STR(b.a.body, "def");
    CHECK_EQ(client_answer(&b.c, &b.a)->status, 200);
    CHECK_STR(b.a.body, "ghi");
    shut(&b);
}

static void check_sized(struct bodies *b, size_t size, bool chunked)
{
    char head[200], *data = malloc(size + 1), expected[64];
    unsigned long total = 0;
    for (size_t i = 0; i < size; i++)
        total += (unsigned char)(data[i] = (char)('a' + i % 23));
    data[size] = '\0';
    for (int by_echo = 0; by_echo < 2; by_echo++) {
        snprintf(head, sizeof(head), chunked ? POST("%s") CHUNKED "%zx\r\n"
                                             : POST("%s") "Content-Length: %zu\r\n\r\n",
                 by_echo ? "/echo" : "/sum", size);
        CHECK(client_say(&b->c, head));
        CHECK(client_send(&b->c, data, size));
        if (chunked)
            CHECK(client_say(&b->c, "\r\n0\r\n\r\n"));
        CHECK_EQ(client_answer(&b->c, &b->a)->status, 200);
        snprintf(expected, sizeof(expected), "%zu %lu", size, total);
        CHECK_STR(b->a.body, by_echo ? data : expected);
    }
    free(data);
}

TEST(bodies_of_all_sizes)
{
    static const size_t sizes[] = {1, 1000, 4096, 13000, 14000, 14500, 15000, 16384, 40000, 300000};
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_sized(&b, sizes[i], false);
        check_sized(&b, sizes[i], true);
    }
    shut(&b);
}

TEST(expect_continue)
{
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    check(&b, POST("/echo") "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", 100, NULL);
    check(&b, "hello", 200, "hello");
    check(&b, POST("/sum") "Expect: 100-continue\r\n" CHUNKED, 100, NULL);
    check(&b, "1\r\na\r\n0\r\n\r\n", 200, "1 97");
    /* It did not wait: no 100. */
    check(&b, POST("/echo") "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", 200, "hello");
    /* The handler does not want the body: no 100, and who knows whether it comes. */
    check(&b, POST("/ignore") "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", 200, "ignored");
    CHECK_STR(answer_header(&b.a, "Connection"), "close");
    shut(&b);
    CHECK(open_with(&b, NULL));
    check(&b, POST("/small") "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413, NULL);
    CHECK_STR(answer_header(&b.a, "Connection"), "close");
    shut(&b);
}

TEST(too_large)
{
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    check(&b, POST("/small") "Content-Length: 10\r\n\r\n0123456789", 200, "0123456789");
    check(&b, POST("/small") CHUNKED "a\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789");
    check(&b, POST("/small") "Content-Length: 11\r\n\r\n0123456789a" POST("/echo"), 413, NULL);
    CHECK_STR(answer_header(&b.a, "Connection"), "close");
    CHECK(client_at_end(&b.c));
    shut(&b);
    static const char *const requests[] = {
        POST("/small") CHUNKED "a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n",
        POST("/smallsum") CHUNKED "a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n",
        POST("/echo") "Content-Length: 1048577\r\n\r\n",
        POST("/echo") "Content-Length: 9223372036854775807\r\n\r\n",
        POST("/echo") "Content-Length: 9223372036854775808\r\n\r\n",
    };
    CHECK(open_with(&b, NULL));
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        CHECK_EQ(ask_text(&b.s, requests[i], &b.a), 413);
    CHECK(b.a.complete);
    shut(&b);
}

TEST(framing_without_end_is_cut)
{
    static struct bodies b;
    static char text[100000];
    CHECK(open_with(&b, NULL));
    size_t n = (size_t)sprintf(text, POST("/echo") CHUNKED "1;");
    memset(text + n, 'x', 60000);
    CHECK_EQ(ask(&b.s, text, n + 60000, &b.a), 400);
    n = (size_t)sprintf(text, POST("/echo") CHUNKED);
    memset(text + n, '0', 60000);
    CHECK_EQ(ask(&b.s, text, n + 60000, &b.a), 400);
    n = (size_t)sprintf(text, POST("/echo") CHUNKED "0\r\n");
    for (int i = 0; i < 10000; i++)
        n += (size_t)sprintf(text + n, "A: b\r\n");
    CHECK_EQ(ask(&b.s, text, n, &b.a), 400);
    shut(&b);
}

TEST(unread_bodies)
{
    static struct bodies b;
    static char zeros[60000];
    CHECK(open_with(&b, NULL));
    check(&b, POST("/ignore") "Content-Length: 5\r\n\r\nhello", 200, "ignored");
    check(&b, POST("/ignore") CHUNKED "5\r\nhello\r\n0\r\n\r\n", 200, "ignored");
    CHECK(client_say(&b.c, POST("/ignore") "Content-Length: 60000\r\n\r\n"));
    CHECK(client_send(&b.c, zeros, sizeof(zeros)));
    CHECK_EQ(client_answer(&b.c, &b.a)->status, 200);
    CHECK_STR(answer_header(&b.a, "Connection"), "");
    /* More than is worth reading. The client sees the answer although it had only begun. */
    check(&b, POST("/ignore") "Content-Length: 10000000\r\n\r\nx", 200, "ignored");
    CHECK_STR(answer_header(&b.a, "Connection"), "close");
    for (int i = 0; i < 3; i++)
        client_send(&b.c, zeros, sizeof(zeros));
    CHECK(client_at_end(&b.c));
    shut(&b);
}

TEST(a_client_that_breaks_off)
{
    static struct bodies b;
    static const char *const requests[] = {
        POST("/echo") "Content-Length: 5\r\n\r\nhel",
        POST("/sum") "Content-Length: 5\r\n\r\n",
        POST("/echo") CHUNKED "5\r\nhel",
        POST("/ignore") "Content-Length: 5\r\n\r\nhel",
        POST("/echo") "Content-Le",
    };
    struct client c;
    CHECK(open_with(&b, NULL));
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        CHECK(client_open(&c, &b.s));
        CHECK(client_say(&c, requests[i]));
        client_close(&c);
        CHECK(client_open(&c, &b.s));
        CHECK(client_say(&c, requests[i]));
        shutdown(c.fd, SHUT_WR);
        client_answer(&c, &b.a);
        CHECK(b.a.status != -1);
        client_close(&c);
    }
    check(&b, POST("/echo") "Content-Length: 5\r\n\r\nhello", 200, "hello");
    shut(&b);
}

TEST(a_deadline_of_the_handlers_takes_nothing)
{
    static struct bodies b;
    CHECK(open_with(&b, NULL));
    CHECK(client_say(&b.c, POST("/hasty") "Content-Length: 5\r\n\r\n"));
    usleep(100000); /* longer than its 20 ms */
    check(&b, "hello", 200, "hello");
    shut(&b);
}

TEST(heads_that_are_too_large)
{
    struct bide_http_options options = {.uri_max = 100, .head_max = 3000, .headers_max = 10};
    static struct bodies b;
    static char text[20000];
    CHECK(open_with(&b, &options));
    sprintf(text, "GET /%0100d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 414);
    CHECK_STR(answer_header(&b.a, "Connection"), "close");
    sprintf(text, "GET /%0200d", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 414);
    sprintf(text, "GET /%099d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 404);
    sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %03000d\r\n\r\n", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 431);
    sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %03000d", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 431);
    sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %02900d\r\n\r\n", 0);
    CHECK_EQ(ask_text(&b.s, text, &b.a), 404);
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 9; i++)
        n += (size_t)sprintf(text + n, "X: a\r\n");
    sprintf(text + n, "\r\n");
    CHECK_EQ(ask_text(&b.s, text, &b.a), 404);
    sprintf(text + n, "X: a\r\n\r\n");
    CHECK_EQ(ask_text(&b.s, text, &b.a), 431);
    shut(&b);
}

/* A head larger than a block, with a body behind it, and requests behind that. */
TEST(heads_that_are_large)
{
    static struct bodies b;
    static char text[200000];
    CHECK(open_with(&b, NULL));
    size_t n = 0;
    for (int i = 0; i < 4; i++)
        n += (size_t)sprintf(text + n, POST("/echo") "X: %030000d\r\n"
                                       "Content-Length: 5\r\n\r\nhello", i);
    CHECK(client_say(&b.c, text));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(client_answer(&b.c, &b.a)->status, 200);
        CHECK_STR(b.a.body, "hello");
    }
    shut(&b);
}

TEST_MAIN()
