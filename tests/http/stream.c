/* Streamed and large answers; clients that are slow, late or gone. */
#include "service.h"
#include <pthread.h>

static atomic_int broken; /* handlers whose answer could not be sent */

static int note(int err)
{
    if (err < 0)
        atomic_fetch_add(&broken, 1);
    return err;
}

/* count lines, in chunks. */
static int lines(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    int64_t count;
    char line[64];
    (void)user;
    int err = bide_http_query_int(req, "n", 3, &count);
    if (!err)
        err = bide_http_begin(res, 200, "text/plain", BIDE_HTTP_CHUNKED);
    for (int64_t i = 0; !err && i < count; i++)
        err = bide_http_write(res, line, (size_t)sprintf(line, "line %lld\n", (long long)i));
    return note(err);
}

static int sized(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    int64_t say, write;
    (void)user;
    bide_http_query_int(req, "say", 10, &say);
    bide_http_query_int(req, "write", 10, &write);
    int err = bide_http_begin(res, 200, NULL, say);
    for (int64_t i = 0; !err && i < write; i++)
        err = bide_http_write(res, &"0123456789"[i % 10], 1);
    return err == -EINVAL ? 0 : err;
}

static int cut(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    int err = bide_http_begin(res, 200, NULL, BIDE_HTTP_CHUNKED);
    if (!err)
        err = bide_http_write(res, "half", 4);
    return err ? err : -EIO;
}

static int flushed(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    int err = bide_http_begin(res, 200, NULL, BIDE_HTTP_CHUNKED);
    if (!err)
        err = bide_http_write(res, "now", 3);
    if (!err)
        err = bide_http_flush(res);
    bide_sleep(30 * BIDE_S); /* the client does not wait for it */
    return err;
}

/* More than the buffers of two sockets. */
enum { LARGE = 16 * 1024 * 1024, PART = 50000 };
static char large[LARGE];

static int send_large(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    return note(bide_http_send(res, 200, NULL, large, LARGE));
}

static int stream_large(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    int err = bide_http_begin(res, 200, NULL, BIDE_HTTP_CHUNKED);
    for (size_t i = 0; !err && i < LARGE; i += PART)
        err = bide_http_write(res, large + i, LARGE - i < PART ? LARGE - i : PART);
    return note(err);
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_GET, "/lines", lines, NULL, 0},
    {BIDE_HTTP_GET, "/sized", sized, NULL, 0},
    {BIDE_HTTP_GET, "/cut", cut, NULL, 0},
    {BIDE_HTTP_GET, "/flushed", flushed, NULL, 0},
    {BIDE_HTTP_GET, "/large", send_large, NULL, 0},
    {BIDE_HTTP_GET, "/stream", stream_large, NULL, 0},
};
static const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

TEST(chunked_answers)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/lines") GET("/lines?n=0") "HEAD /lines HTTP/1.1\r\nHost: a\r\n\r\n"
                         GET("/lines?n=5000")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "line 0\nline 1\nline 2\n");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "");
    CHECK_EQ(client_answer_to(&c, &a, true)->status, 200);
    CHECK_STR(answer_header(&a, "Transfer-Encoding"), "chunked");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK(a.complete);
    CHECK_EQ(a.size, 10 * 7 + 90 * 8 + 900 * 9 + 4000 * 10);
    client_close(&c);
    CHECK_EQ(ask_text(&s, "GET /lines HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &a), 200);
    CHECK_STR(answer_header(&a, "Transfer-Encoding"), "");
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK_STR(a.body, "line 0\nline 1\nline 2\n");
    free(a.body);
    service_stop(&s);
}

TEST(answers_of_known_length)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/sized") GET("/sized?say=0&write=0") GET("/sized?write=11")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "0123456789");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "0123456789");
    CHECK(client_say(&c, GET("/sized?write=9") GET("/sized")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK(!a.complete);
    CHECK_STR(a.body, "012345678");
    client_close(&c);
    CHECK_EQ(ask_text(&s, GET("/cut"), &a), 200);
    CHECK(!a.complete);
    CHECK_STR(a.body, "half");
    free(a.body);
    service_stop(&s);
}

TEST(flush_sends_now)
{
    static struct client c;
    struct service s;
    struct bide_http_options options = {.grace = -1};
    CHECK_EQ(service_start(&s, &options, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/flushed")));
    while (!client_find(&c, "3\r\nnow\r\n"))
        CHECK(client_more(&c) > 0);
    service_stop(&s);
    CHECK(client_find(&c, "0\r\n\r\n") == 0);
    client_close(&c);
}

/* Begins to read late. */
static void check_large(const struct service *s, const char *request)
{
    static struct client c;
    struct answer a = {0};
    CHECK(client_open(&c, s));
    CHECK(client_say(&c, request));
    usleep(100000);
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK(a.complete);
    CHECK_EQ(a.size, LARGE);
    CHECK(!memcmp(a.body, large, LARGE));
    CHECK(client_say(&c, GET("/sized")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    free(a.body);
    client_close(&c);
}

TEST(slow_readers_get_all)
{
    struct service s;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 7 + i / 1000);
    atomic_store(&broken, 0);
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    check_large(&s, GET("/large"));
    check_large(&s, GET("/stream"));
    service_stop(&s);
    CHECK_EQ(atomic_load(&broken), 0);
}

TEST(readers_that_leave)
{
    static const char *const requests[] = {GET("/large"), GET("/stream"), GET("/lines?n=1000000")};
    static struct client c;
    struct service s;
    struct answer a = {0};
    atomic_store(&broken, 0);
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(client_open(&c, &s));
        CHECK(client_say(&c, requests[i]));
        CHECK(client_more(&c) > 0);
        client_close(&c);
    }
    for (int i = 0; i < 2000 && atomic_load(&broken) < 3; i++)
        usleep(10000);
    CHECK_EQ(atomic_load(&broken), 3);
    CHECK_EQ(ask_text(&s, GET("/sized"), &a), 200);
    free(a.body);
    service_stop(&s);
}

TEST(readers_that_stop)
{
    static struct client c;
    struct service s;
    struct bide_http_options options = {.send_timeout = 50 * BIDE_MS};
    struct bide_http_stats stats;
    atomic_store(&broken, 0);
    CHECK_EQ(service_start(&s, &options, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/large")));
    for (int i = 0; i < 2000 && !atomic_load(&broken); i++)
        usleep(10000);
    CHECK_EQ(atomic_load(&broken), 1);
    client_close(&c);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    bide_http_get_stats(s.server, &stats);
    CHECK_EQ(stats.timeouts, 1);
    bide_http_free(s.server);
}

TEST_MAIN()
