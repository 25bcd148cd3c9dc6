/* Requests and answers: routes, parameters, keep-alive, pipelining, HEAD, the Date. */
#include "service.h"

static int hello(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req;
    return bide_http_send(res, 200, "text/plain", user, strlen(user));
}

static int user_posts(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)user;
    return bide_http_sendf(res, 200, "text/plain", "posts of %lld",
                           (long long)bide_http_param_int(req, "id"));
}

static int file(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)user;
    return bide_http_sendf(res, 200, NULL, "file <%s>", bide_http_param(req, "name"));
}

static int query(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    int64_t n = 0;
    int err = bide_http_query_int(req, "n", 7, &n);
    const char *q = bide_http_query(req, "q");
    (void)user;
    if (err < 0)
        return bide_http_error(res, 400, "n: %s", strerror(-err));
    return bide_http_sendf(res, 200, NULL, "n=%lld q=%s", (long long)n, q ? q : "(none)");
}

static int headers(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *name, *value;
    size_t count = 0;
    (void)user;
    while (!bide_http_header_at(req, count, &name, &value))
        count++;
    value = bide_http_header(req, "x-THING");
    return bide_http_sendf(res, 200, NULL, "%zu <%s>", count, value ? value : "(none)");
}

static int created(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    CHECK_OR(bide_http_add_header(res, "Location", "/a\r\nX: y") == -EINVAL, 0);
    CHECK_OR(bide_http_add_header(res, "Loc ation", "/a") == -EINVAL, 0);
    CHECK_OR(bide_http_add_header(res, "X-Empty", "") == 0, 0);
    CHECK_OR(bide_http_add_headerf(res, "Location", "/things/%d", 12) == 0, 0);
    CHECK_OR(bide_http_send(res, 99, NULL, "", 0) == -EINVAL, 0);
    CHECK_OR(bide_http_send(res, 201, "a\nb", "", 0) == -EINVAL, 0);
    int err = bide_http_send(res, 201, NULL, "", 0);
    CHECK_OR(bide_http_send(res, 200, NULL, "", 0) == -EALREADY, 0);
    CHECK_OR(bide_http_add_header(res, "Late", "1") == -EALREADY, 0);
    CHECK_OR(bide_http_write(res, "x", 1) == -EINVAL, 0);
    return err;
}

static int fails(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)res, (void)user;
    return (int)-bide_http_param_int(req, "errno");
}

static int slow(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    bide_sleep(5 * BIDE_MS);
    return bide_http_sendf(res, 200, NULL, "slept");
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_GET, "/", hello, "root", 0},
    {BIDE_HTTP_GET, "/hello", hello, "hello", 0},
    {BIDE_HTTP_PUT, "/hello", hello, "put", 0},
    {BIDE_HTTP_GET, "/users/{id:int}/posts", user_posts, NULL, 0},
    {BIDE_HTTP_GET, "/users/me/posts", hello, "my posts", 0},
    {BIDE_HTTP_GET, "/count/{id:uint}/posts", user_posts, NULL, 0},
    {BIDE_HTTP_GET, "/files/{name}", file, NULL, 0},
    {BIDE_HTTP_GET, "/files/{n:uint}", hello, "number", 0},
    {BIDE_HTTP_GET, "/query", query, NULL, 0},
    {BIDE_HTTP_GET, "/headers", headers, NULL, 0},
    {BIDE_HTTP_POST, "/things", created, NULL, 0},
    {BIDE_HTTP_GET, "/fails/{errno:int}", fails, NULL, 0},
    {BIDE_HTTP_GET, "/slow", slow, NULL, 0},
};
static const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void check_get(struct client *c, const char *target, int status, const char *body)
{
    char request[1024];
    struct answer a = {0};
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    CHECK(client_say(c, request));
    client_answer(c, &a);
    if (a.status != status || (body && (!a.body || strcmp(a.body, body))))
        test_fail(__FILE__, __LINE__, "GET %s: %d %s", target, a.status, a.body ? a.body : "");
    free(a.body);
}

static void check_targets(struct client *c)
{
    check_get(c, "/", 200, "root");
    check_get(c, "/hello", 200, "hello");
    check_get(c, "/hello?x=1", 200, "hello");
    check_get(c, "/h%65llo", 200, "hello");
    check_get(c, "http://example.com/hello?x", 200, "hello");
    check_get(c, "http://example.com", 200, "root");
    check_get(c, "/hello/", 404, NULL);
    check_get(c, "//hello", 404, NULL);
    check_get(c, "/nothing", 404, "{\"error\":{\"status\":404,\"message\":\"not found\"}}\n");
    check_get(c, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t", 404, NULL);
    check_get(c, "/h%6", 400, NULL);
    check_get(c, "/%00", 400, NULL);
    check_get(c, "/files/%zz", 400, NULL);
    check_get(c, "/hello#there", 400, NULL);
    check_get(c, "*", 404, NULL);
}

static void check_params(struct client *c)
{
    check_get(c, "/users/42/posts", 200, "posts of 42");
    check_get(c, "/users/-1/posts", 200, "posts of -1");
    check_get(c, "/users/me/posts", 200, "my posts");
    check_get(c, "/users/9223372036854775807/posts", 200, "posts of 9223372036854775807");
    check_get(c, "/users/-9223372036854775808/posts", 200, "posts of -9223372036854775808");
    check_get(c, "/users/9223372036854775808/posts", 400, NULL);
    check_get(c, "/users/99999999999999999999999999/posts", 400, NULL);
    check_get(c, "/users/4x/posts", 400, NULL);
    check_get(c, "/users/+4/posts", 400, NULL);
    check_get(c, "/users/-/posts", 400, NULL);
    check_get(c, "/users//posts", 404, NULL);
    check_get(c, "/users/42", 404, NULL);
    check_get(c, "/users/x/nothing", 404, NULL);
    check_get(c, "/count/0/posts", 200, "posts of 0");
    check_get(c, "/count/-1/posts", 400, NULL);
    check_get(c, "/count/-0/posts", 400, NULL);
    check_get(c, "/files/a%20b%2Fc+d", 200, "file <a b/c+d>");
    check_get(c, "/files/12", 200, "number");
    check_get(c, "/query", 200, "n=7 q=(none)");
    check_get(c, "/query?n=-12&q=a+b%26c", 200, "n=-12 q=a b&c");
    check_get(c, "/query?q&n=1", 200, "n=1 q=");
    check_get(c, "/query?qq=1&q=2&q=3", 200, "n=7 q=2");
    check_get(c, "/query?&&q=%", 200, "n=7 q=(none)");
    check_get(c, "/query?n=", 400, NULL);
    check_get(c, "/query?n=1e3", 400, NULL);
    check_get(c, "/query?n=9223372036854775808", 400, NULL);
}

TEST(routes_and_parameters)
{
    struct service s;
    struct client c;
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    check_targets(&c);
    check_params(&c);
    client_close(&c);
    CHECK_EQ(service_stop(&s), -ECANCELED);
}

TEST(methods)
{
    struct service s;
    struct client c;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 405);
    CHECK_STR(answer_header(&a, "Allow"), "GET, HEAD, PUT");
    CHECK(client_say(&c, "PROPFIND /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 405);
    CHECK(client_say(&c, "PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "put");
    CHECK(client_say(&c, "BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 501);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK(client_at_end(&c));
    client_close(&c);
    CHECK_EQ(ask_text(&s, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", &a), 501);
    CHECK_EQ(ask_text(&s, "PLAY /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a), 501);
    CHECK_EQ(ask_text(&s, "get /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a), 501);
    CHECK_EQ(ask_text(&s, "\x16\x03\x01\x02", &a), 400);
    free(a.body);
    service_stop(&s);
}

TEST(head_has_no_body)
{
    struct service s;
    struct client c;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello")));
    CHECK_EQ(client_answer_to(&c, &a, true)->status, 200);
    CHECK_STR(answer_header(&a, "Content-Length"), "5");
    CHECK_STR(answer_header(&a, "Content-Type"), "text/plain");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "hello");
    CHECK(client_say(&c, "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello")));
    CHECK_EQ(client_answer_to(&c, &a, true)->status, 404);
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    free(a.body);
    client_close(&c);
    service_stop(&s);
}

TEST(answers_carry_what_the_handler_added)
{
    struct service s;
    struct client c;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 201);
    CHECK_STR(answer_header(&a, "Location"), "/things/12");
    CHECK_STR(answer_header(&a, "Content-Length"), "0");
    CHECK_EQ(strlen(answer_header(&a, "Date")), 29);
    CHECK(!strcmp(answer_header(&a, "Date") + 25, " GMT"));
    CHECK(client_say(&c, "GET /headers HTTP/1.1\r\nHost: a\r\nX-Thing:  a b \t\r\nY:\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(a.body, "3 <a b>");
    free(a.body);
    client_close(&c);
    service_stop(&s);
}

TEST(what_a_handler_returns_is_answered)
{
    static const struct {
        int error, status;
    } cases[] = {{0, 500},       {EIO, 500},      {EMSGSIZE, 413},  {EBADMSG, 400},
                 {EINVAL, 400},  {EBUSY, 503},    {ENOMEM, 503},    {ETIMEDOUT, 503}};
    struct service s;
    struct client c;
    char target[32];
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(target, sizeof(target), "/fails/%d", cases[i].error);
        check_get(&c, target, cases[i].status, NULL);
    }
    client_close(&c);
    service_stop(&s);
}

/* A hundred requests at once, of which some suspend, some fail and some have a body. */
TEST(pipelined_answers_come_in_order)
{
    static const struct {
        const char *request;
        int status;
        const char *body;
    } kinds[] = {
        {GET("/hello"), 200, "hello"},
        {GET("/slow"), 200, "slept"},
        {GET("/nothing"), 404, NULL},
        {"PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200, "put"},
        {"PUT /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 200, "put"},
        {GET("/users/x/posts"), 400, NULL},
        {GET("/users/5/posts"), 200, "posts of 5"},
    };
    struct service s;
    struct client c;
    struct answer a = {0};
    char text[20000] = "";
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    for (int i = 0; i < 100; i++)
        strcat(text, kinds[i % 7].request);
    CHECK(client_say(&c, text));
    for (int i = 0; i < 100; i++) {
        client_answer(&c, &a);
        CHECK_EQ(a.status, kinds[i % 7].status);
        CHECK(a.complete);
        if (kinds[i % 7].body)
            CHECK_STR(a.body, kinds[i % 7].body);
    }
    free(a.body);
    client_close(&c);
    service_stop(&s);
}

/* One request, cut in two segments at each byte in turn, on one connection. */
TEST(a_request_may_be_cut_anywhere)
{
    static const char request[] =
        "PUT /hello?a=b HTTP/1.1\r\nHost: example.com\r\nX-Thing: one two\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4;ext=\"x\"\r\nabcd\r\n0\r\nTrailer: 1\r\n\r\n";
    struct service s;
    struct client c;
    struct answer a = {0};
    size_t size = sizeof(request) - 1;
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    for (size_t cut = 1; cut < size; cut++) {
        CHECK(client_send(&c, request, cut));
        usleep(500); /* let it be seen alone; if it is not, the test only tests less */
        CHECK(client_send(&c, request + cut, size - cut));
        CHECK_EQ(client_answer(&c, &a)->status, 200);
        CHECK_STR(a.body, "put");
    }
    free(a.body);
    client_close(&c);
    service_stop(&s);
}

TEST(http_1_0_and_connection_close)
{
    struct service s;
    struct client c;
    struct answer a = {0};
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "GET /hello HTTP/1.0\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK(client_at_end(&c));
    client_close(&c);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "keep-alive");
    CHECK(client_say(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK(client_at_end(&c));
    client_close(&c);
    CHECK_EQ(ask_text(&s, "GET /hello HTTP/2.0\r\n\r\n", &a), 505);
    CHECK_EQ(ask_text(&s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &a), 505);
    CHECK_EQ(ask_text(&s, "GET /hello\r\n\r\n", &a), 400);
    free(a.body);
    service_stop(&s);
}

TEST(a_connection_has_a_number_of_requests)
{
    struct service s;
    struct client c;
    struct answer a = {0};
    struct bide_http_options options = {.requests_max = 3};
    CHECK_EQ(service_start(&s, &options, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/hello") GET("/hello") GET("/hello") GET("/hello")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "");
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    CHECK(client_at_end(&c));
    free(a.body);
    client_close(&c);
    service_stop(&s);
}

TEST(malformed_routes_are_refused)
{
    static const char *const paths[] = {"",        "users",   "/a//b",     "/{}",      "/{a",
                                        "/a{b}",   "/{a:x}",  "/{:int}",   "/{a:}",    "/{a}{b}"};
    struct bide_http_server *server;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct bide_http_route route = {BIDE_HTTP_GET, paths[i], hello, NULL, 0};
        CHECK_EQ(bide_http_new(NULL, &route, 1, &server), -EINVAL);
    }
    struct bide_http_route twice[] = {{BIDE_HTTP_GET, "/u/{a:int}", hello, NULL, 0},
                                      {BIDE_HTTP_GET, "/u/{b:int}", hello, NULL, 0}};
    CHECK_EQ(bide_http_new(NULL, twice, 2, &server), -EINVAL);
    struct bide_http_options options = {.host = "no.address"};
    CHECK_EQ(bide_http_new(&options, twice, 1, &server), -EINVAL);
}

TEST(counters_count)
{
    struct service s;
    struct client c;
    struct bide_http_route_stats stats;
    static char text[65536];
    CHECK_EQ(service_start(&s, NULL, routes, routes_count), 0);
    CHECK(client_open(&c, &s));
    check_get(&c, "/hello", 200, "hello");
    check_get(&c, "/hello", 200, "hello");
    check_get(&c, "/fails/5", 500, NULL);
    check_get(&c, "/nothing", 404, NULL);
    client_close(&c);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    CHECK_EQ(bide_http_get_route_stats(s.server, 1, &stats), 0);
    CHECK_STR(stats.path, "/hello");
    CHECK_EQ(stats.count, 2);
    CHECK_EQ(stats.statuses[0].status, 200);
    CHECK_EQ(stats.statuses[0].count, 2);
    CHECK_EQ(stats.statuses[1].count, 0);
    CHECK_EQ(bide_http_get_route_stats(s.server, routes_count, &stats), 0);
    CHECK_EQ(stats.statuses[0].status, 404);
    CHECK_EQ(bide_http_get_route_stats(s.server, routes_count + 1, &stats), -ENOENT);
    size_t size = bide_http_metrics(s.server, text, sizeof(text));
    CHECK_EQ(size, strlen(text));
    CHECK_EQ(bide_http_metrics(s.server, NULL, 0), size);
    CHECK(strstr(text, "\nbide_http_requests_total"
                       "{method=\"GET\",route=\"/hello\",status=\"200\"} 2\n"));
    CHECK(strstr(text, "route=\"/fails/{errno:int}\",le=\"+Inf\"} 1\n"));
    CHECK(strstr(text, "\nbide_http_connections_total 1\n"));
    bide_http_free(s.server);
}

TEST_MAIN()
