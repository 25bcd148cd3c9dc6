/* The life of servers and connections: time-outs, stopping, shortages. */
#include "service.h"

static atomic_int entered, left;
static service_promise open_gate; /* what /gate waits for */

static int quick(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    return bide_http_sendf(res, 200, NULL, "%u of %u", bide_worker_index(), bide_worker_count());
}

static int gate(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    atomic_fetch_add(&entered, 1);
    int err = bide_await(&open_gate);
    atomic_fetch_add(&left, 1);
    return err < 0 ? err : bide_http_sendf(res, 200, NULL, "open");
}

static int forever(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)res, (void)user;
    atomic_fetch_add(&entered, 1);
    int err = bide_sleep(3600 * BIDE_S);
    atomic_fetch_add(&left, 1);
    return err;
}

static int take(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *body;
    ssize_t n = bide_http_body(req, &body);
    (void)user;
    return n < 0 ? (int)n : bide_http_sendf(res, 200, NULL, "%zd", n);
}

static int stop_itself(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)user;
    bide_http_stop(bide_http_server(req));
    bide_http_stop(bide_http_server(req));
    bide_sleep(BIDE_MS);
    return bide_http_sendf(res, 200, NULL, "stopped");
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_GET, "/", quick, NULL, 0},        {BIDE_HTTP_GET, "/gate", gate, NULL, 0},
    {BIDE_HTTP_GET, "/forever", forever, NULL, 0}, {BIDE_HTTP_POST, "/take", take, NULL, 0},
    {BIDE_HTTP_GET, "/stop", stop_itself, NULL, 0},
};
static const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static bool start(struct service *s, const struct bide_http_options *options)
{
    atomic_store(&entered, 0);
    atomic_store(&left, 0);
    return service_start(s, options, routes, routes_count) == 0;
}

static bool wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < 2000 && atomic_load(counter) < value; i++)
        usleep(10000);
    return atomic_load(counter) >= value;
}

/* ---- time-outs ------------------------------------------------------------------------------ */

TEST(slow_clients_time_out)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"", 0},
        {"G", 408},
        {"GET / HTTP/1.1\r\nHost: a\r\n", 408},
        {"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", 408},
        {"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", 408},
        {"POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "1\r\na\r\n0\r\n", 408},
    };
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.header_timeout = 40 * BIDE_MS,
                                        .body_timeout = 40 * BIDE_MS};
    struct bide_http_stats stats;
    CHECK(start(&s, &options));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = ask_text(&s, cases[i].text, &a);
        const char *fate = status ? answer_header(&a, "Connection") : "close";
        if (status != cases[i].status || strcmp(fate, "close"))
            test_fail(__FILE__, __LINE__, "cases[%zu]: %d", i, status);
    }
    CHECK_EQ(ask_text(&s, GET("/"), &a), 200);
    free(a.body);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    bide_http_get_stats(s.server, &stats);
    CHECK_EQ(stats.timeouts, 5);
    bide_http_free(s.server);
}

/* A byte now and then does not keep a head alive. */
TEST(drips_time_out)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.header_timeout = 60 * BIDE_MS};
    CHECK(start(&s, &options));
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, "GET / HTTP/1.1\r\nX: "));
    for (int i = 0; i < 1000; i++) {
        usleep(10000);
        if (!client_say(&c, "x") || recv(c.fd, c.buf, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            break;
    }
    CHECK_EQ(client_answer(&c, &a)->status, 408);
    client_close(&c);
    free(a.body);
    service_stop(&s);
}

TEST(idle_connections_are_closed)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.idle_timeout = 50 * BIDE_MS};
    CHECK(start(&s, &options));
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/")));
    CHECK_EQ(client_answer(&c, &a)->status, 200);
    CHECK(client_at_end(&c));
    client_close(&c);
    free(a.body);
    service_stop(&s);
}

/* After a second a connection gives its buffers back; then it waits and reads as before. */
TEST(connections_that_were_idle_go_on)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    CHECK(start(&s, NULL));
    CHECK(client_open(&c, &s));
    for (int i = 0; i < 2; i++) {
        usleep(1100000);
        CHECK(client_say(&c, GET("/") GET("/")));
        CHECK_EQ(client_answer(&c, &a)->status, 200);
        CHECK_EQ(client_answer(&c, &a)->status, 200);
    }
    usleep(1100000);
    CHECK_EQ(service_stop(&s), -ECANCELED);
    CHECK(client_at_end(&c));
    client_close(&c);
    free(a.body);
}

/* ---- stopping ------------------------------------------------------------------------------- */

struct crowd {
    struct client idle, fresh, busy, partial;
};

TEST(a_graceful_stop_finishes_what_is_in_flight)
{
    static struct crowd crowd;
    struct service s;
    struct answer a = {0};
    CHECK(start(&s, NULL));
    bide_promise_init(&open_gate);
    CHECK(client_open(&crowd.idle, &s) && client_open(&crowd.fresh, &s));
    CHECK(client_open(&crowd.busy, &s) && client_open(&crowd.partial, &s));
    CHECK(client_say(&crowd.idle, GET("/")));
    CHECK_EQ(client_answer(&crowd.idle, &a)->status, 200);
    CHECK(client_say(&crowd.partial, "GET / HTT"));
    CHECK(client_say(&crowd.busy, GET("/gate") GET("/")));
    CHECK(wait_for(&entered, 1));
    bide_resolve(&s.stop, 0);
    CHECK(client_at_end(&crowd.idle));
    CHECK(client_at_end(&crowd.fresh));
    while (true) { /* the listening socket is closed by and by */
        int fd = client_socket(bide_http_port(s.server));
        if (fd < 0)
            break;
        close(fd);
        usleep(1000);
    }
    CHECK_EQ(atomic_load(&left), 0);
    CHECK(client_say(&crowd.partial, "P/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(client_answer(&crowd.partial, &a)->status, 200);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    bide_resolve(&open_gate, 0);
    CHECK_EQ(client_answer(&crowd.busy, &a)->status, 200);
    CHECK_STR(a.body, "open");
    pthread_join(s.thread, NULL);
    CHECK_EQ(s.result, -ECANCELED);
    free(a.body);
    client_close(&crowd.idle);
    client_close(&crowd.fresh);
    client_close(&crowd.busy);
    client_close(&crowd.partial);
    bide_http_free(s.server);
}

static void check_grace(bide_time grace)
{
    static struct client c;
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.grace = grace};
    CHECK(start(&s, &options));
    CHECK(client_open(&c, &s));
    CHECK(client_say(&c, GET("/forever")));
    CHECK(wait_for(&entered, 1));
    CHECK_EQ(service_stop(&s), -ECANCELED);
    CHECK_EQ(atomic_load(&left), 1);
    CHECK_EQ(client_answer(&c, &a)->status, 0);
    client_close(&c);
}

TEST(when_grace_is_over_the_rest_is_cancelled)
{
    check_grace(30 * BIDE_MS);
    check_grace(-1);
}

static int serve_only(struct bide_http_server *server)
{
    int err = bide_http_serve(server);
    return bide_http_serve(server) == -EALREADY ? err : -EPROTO;
}
BIDE_ASYNC(int, serve_only, struct bide_http_server *)

static void *serve_thread(void *arg)
{
    return (void *)(intptr_t)bide_run(bide_async(serve_only, (struct bide_http_server *)arg));
}

TEST(a_handler_may_stop_the_server)
{
    struct service s = {0};
    struct answer a = {0};
    void *result;
    CHECK_EQ(bide_http_new(NULL, routes, routes_count, &s.server), 0);
    CHECK_EQ(pthread_create(&s.thread, NULL, serve_thread, s.server), 0);
    CHECK_EQ(ask_text(&s, GET("/stop"), &a), 200);
    CHECK_STR(answer_header(&a, "Connection"), "close");
    pthread_join(s.thread, &result);
    CHECK_EQ((intptr_t)result, 0);
    bide_http_free(s.server);
    CHECK_EQ(bide_http_new(NULL, routes, routes_count, &s.server), 0);
    bide_http_stop(s.server);
    CHECK_EQ(bide_run(bide_async(serve_only, s.server)), 0);
    bide_http_free(s.server);
    bide_http_free(NULL);
    free(a.body);
}

TEST(a_deadline_stops_too)
{
    struct service s = {0};
    CHECK_EQ(bide_http_new(NULL, routes, routes_count, &s.server), 0);
    bide_let serve = bide_async(serve_only, s.server);
    CHECK_EQ(bide_within(20 * BIDE_MS, &serve), -ETIMEDOUT);
    CHECK_EQ(serve.value, -ETIMEDOUT);
    bide_http_free(s.server);
}

static int serve_cancelled(struct bide_http_server *server)
{
    bide_sleep(BIDE_FOREVER);
    return serve_only(server);
}
BIDE_ASYNC(int, serve_cancelled, struct bide_http_server *)

static int race_cancelled(struct bide_http_server *server)
{
    bide_let serve = bide_async(serve_cancelled, server);
    CHECK_OR(bide_race(&serve, bide_async(bide_sleep, BIDE_MS)) == 1, -1);
    return serve.value;
}
BIDE_ASYNC(int, race_cancelled, struct bide_http_server *)

TEST(whoever_is_cancelled_already_serves_nothing)
{
    struct service s = {0};
    CHECK_EQ(bide_http_new(NULL, routes, routes_count, &s.server), 0);
    CHECK_EQ(bide_run(bide_async(race_cancelled, s.server)), -ECANCELED);
    bide_http_free(s.server);
}

/* ---- shortages ------------------------------------------------------------------------------ */

/* Fill the process's descriptors, all but the given number. */
static int take_descriptors(int *fds, int count, int spare)
{
    int n = 0;
    while (n < count && (fds[n] = dup(0)) >= 0)
        n++;
    while (spare-- && n > 0)
        close(fds[--n]);
    return n;
}

/* Until each has answered: one that is still being made would take descriptors. */
static void wait_for_all_workers(const struct service *s)
{
    bool seen[1024] = {0};
    unsigned worker, all, met = 0;
    struct answer a = {0};
    do {
        CHECK_EQ(ask_text(s, GET("/"), &a), 200);
        CHECK_EQ(sscanf(a.body, "%u of %u", &worker, &all), 2);
        CHECK(worker < all && all <= 1024);
        met += !seen[worker];
        seen[worker] = true;
    } while (met < all && usleep(200) == 0);
    free(a.body);
}

TEST(without_descriptors_it_goes_on)
{
    static struct client first, more[3];
    static int fds[512];
    struct service s;
    struct answer a = {0};
    struct rlimit limit, few = {256, 256};
    struct bide_http_stats stats;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few.rlim_max = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK(start(&s, NULL));
    wait_for_all_workers(&s);
    CHECK(client_open(&first, &s));
    CHECK(client_say(&first, GET("/")));
    CHECK_EQ(client_answer(&first, &a)->status, 200);
    for (int i = 0; i < 3; i++)
        CHECK((more[i].fd = client_new()) >= 0);
    int taken = take_descriptors(fds, 512, 1); /* for one connection */
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(client_connect(more[i].fd, bide_http_port(s.server)), 0);
        CHECK(client_say(&more[i], GET("/")));
    }
    CHECK_EQ(client_answer(&more[0], &a)->status, 200);
    usleep(100000); /* some rounds of trying in vain; the others are served meanwhile */
    CHECK(client_say(&first, GET("/")));
    CHECK_EQ(client_answer(&first, &a)->status, 200);
    while (taken)
        close(fds[--taken]);
    CHECK_EQ(client_answer(&more[1], &a)->status, 200);
    CHECK_EQ(client_answer(&more[2], &a)->status, 200);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 3; i++)
        client_close(&more[i]);
    client_close(&first);
    free(a.body);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    bide_http_get_stats(s.server, &stats);
    CHECK(stats.accept_pauses >= 1 && stats.accept_pauses < 1000);
    bide_http_free(s.server);
}

TEST(connections_beyond_the_limit_wait)
{
    static struct client one, two;
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.connections_max = 1};
    CHECK(start(&s, &options));
    CHECK(client_open(&one, &s));
    CHECK(client_say(&one, GET("/")));
    CHECK_EQ(client_answer(&one, &a)->status, 200);
    CHECK(client_open(&two, &s));
    CHECK(client_say(&two, GET("/")));
    usleep(50000);
    CHECK(recv(two.fd, two.buf, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    client_close(&one);
    CHECK_EQ(client_answer(&two, &a)->status, 200);
    client_close(&two);
    free(a.body);
    service_stop(&s);
}

TEST_MAIN()
