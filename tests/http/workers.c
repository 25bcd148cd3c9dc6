/* A server on several workers: how connections spread, what they share, how they are stopped. */
#include "service.h"

#include <dirent.h>

enum { WORKERS = 2, CLIENTS = 4, MANY = 40 };

static atomic_int on_worker[WORKERS]; /* requests */
static atomic_bool stop_clients;

static int where(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    atomic_fetch_add(&on_worker[bide_worker_index()], 1);
    return bide_http_sendf(res, 200, NULL, "%u", bide_worker_index());
}

static int nap(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    int err = bide_sleep(BIDE_MS / 2);
    return err < 0 ? err : bide_http_sendf(res, 200, NULL, "nap");
}

static int forever(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)res, (void)user;
    return bide_sleep(3600 * BIDE_S);
}

/* In parts, with a pause before the last. */
static int parts(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    int err = bide_http_begin(res, 200, NULL, BIDE_HTTP_CHUNKED);
    for (int i = 0; !err && i < 20; i++) {
        err = bide_http_write(res, "0123456789", 10);
        if (!err)
            err = bide_http_flush(res);
        if (!err && i % 8 == 7)
            err = bide_sleep(BIDE_MS / 4);
    }
    return err;
}

static int stop_here(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    const char *worker = bide_http_param(req, "worker");
    (void)user;
    if (strtoul(worker, NULL, 10) == bide_worker_index())
        bide_http_stop(bide_http_server(req));
    return bide_http_sendf(res, 200, NULL, "%u", bide_worker_index());
}

static const struct bide_http_route routes[] = {
    {BIDE_HTTP_GET, "/where", where, NULL, 0},
    {BIDE_HTTP_GET, "/nap", nap, NULL, 0},
    {BIDE_HTTP_GET, "/forever", forever, NULL, 0},
    {BIDE_HTTP_GET, "/parts", parts, NULL, 0},
    {BIDE_HTTP_GET, "/stop/{worker}", stop_here, NULL, 0},
};
static const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* With two workers, whatever the environment says. */
static bool start(struct service *s, const struct bide_http_options *options)
{
    for (int i = 0; i < WORKERS; i++)
        atomic_store(&on_worker[i], 0);
    setenv("BIDE_WORKERS", "2", 1);
    return service_start(s, options, routes, routes_count) == 0;
}

/* All workers run only some time after the first connections. */
static void wait_for_all_workers(const struct service *s)
{
    struct answer a = {0};
    while (!atomic_load(&on_worker[0]) || !atomic_load(&on_worker[1])) {
        CHECK_EQ(ask_text(s, GET("/where"), &a), 200);
        usleep(200);
    }
    free(a.body);
}

/* ---- where connections go ------------------------------------------------------------------- */

TEST(connections_are_spread_equally)
{
    static struct client clients[MANY];
    struct service s;
    struct answer a = {0};
    int here[WORKERS] = {0};
    char first = 0;
    CHECK(start(&s, NULL));
    wait_for_all_workers(&s);
    for (int i = 0; i < MANY; i++) {
        CHECK(client_open(&clients[i], &s));
        for (int again = 0; again < 3; again++) { /* and they stay where they are */
            CHECK(client_say(&clients[i], GET("/where")));
            CHECK_EQ(client_answer(&clients[i], &a)->status, 200);
            if (again == 0)
                here[(first = *a.body) - '0']++;
            CHECK_EQ(*a.body, first);
        }
    }
    CHECK(here[0] >= MANY / 2 - 1 && here[0] <= MANY / 2 + 1);
    for (int i = 0; i < MANY; i++)
        client_close(&clients[i]);
    free(a.body);
    CHECK_EQ(service_stop(&s), -ECANCELED);
}

TEST(or_all_on_one_worker)
{
    static struct client clients[MANY];
    struct service s;
    struct answer a = {0};
    struct bide_http_options options = {.one_worker = 1};
    CHECK(start(&s, &options));
    for (int i = 0; i < MANY; i++) {
        CHECK(client_open(&clients[i], &s));
        CHECK(client_say(&clients[i], GET("/where")));
        CHECK_EQ(client_answer(&clients[i], &a)->status, 200);
    }
    CHECK_EQ(atomic_load(&on_worker[0]), MANY);
    for (int i = 0; i < MANY; i++)
        client_close(&clients[i]);
    free(a.body);
    CHECK_EQ(service_stop(&s), -ECANCELED);
}

/* ---- clients that go on until they are told to stop, or cut off ----------------------------- */

struct load {
    const struct service *s;
    const char *request;
    int each; /* requests of one connection */
    atomic_int answered, cut;
};

/* One connection's requests. False: there was none to be had. */
static bool ask_some(struct load *load)
{
    struct client *c = malloc(sizeof(*c));
    struct answer a = {0};
    bool open = client_open(c, load->s);
    for (int i = 0; open && i < load->each && !atomic_load(&stop_clients); i++) {
        int status = client_say(c, load->request) ? client_answer(c, &a)->status : 0;
        if (status == 200 && a.complete)
            atomic_fetch_add(&load->answered, 1);
        else if (status >= 0)
            atomic_fetch_add(&load->cut, 1);
        else
            test_fail(__FILE__, __LINE__, "an answer took too long");
        if (status != 200 || !strcmp(answer_header(&a, "Connection"), "close"))
            break;
    }
    if (open)
        client_close(c);
    free(a.body);
    free(c);
    return open;
}

static void *load_main(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&stop_clients) && ask_some(load))
        continue;
    return NULL;
}

static void begin_load(struct load *load, pthread_t *threads)
{
    atomic_store(&stop_clients, false);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, load_main, load), 0);
}

static void end_load(pthread_t *threads)
{
    atomic_store(&stop_clients, true);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- counters ------------------------------------------------------------------------------- */

TEST(counters_are_of_all_workers)
{
    static char text[65536];
    struct service s;
    struct load load = {.s = &s, .request = GET("/where"), .each = 7};
    struct bide_http_stats stats;
    struct bide_http_route_stats route;
    pthread_t threads[CLIENTS];
    CHECK(start(&s, NULL));
    begin_load(&load, threads);
    uint64_t before = 0;
    bool backwards = false;
    while (atomic_load(&load.answered) < 500) { /* read meanwhile, from this plain thread */
        bide_http_get_stats(s.server, &stats);
        backwards |= stats.requests < before;
        before = stats.requests;
        bide_http_get_route_stats(s.server, 0, &route);
        bide_http_metrics(s.server, text, sizeof(text));
        usleep(500);
    }
    end_load(threads);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    CHECK(!backwards);
    bide_http_get_stats(s.server, &stats);
    CHECK_EQ(bide_http_get_route_stats(s.server, 0, &route), 0);
    CHECK_EQ(stats.requests, atomic_load(&load.answered));
    CHECK_EQ(stats.open, 0);
    CHECK_EQ(stats.idle, 0);
    CHECK_EQ(route.count, stats.requests);
    CHECK_EQ(route.statuses[0].status, 200);
    CHECK_EQ(route.statuses[0].count, stats.requests);
    CHECK_EQ(route.statuses[1].count, 0);
    CHECK_EQ(atomic_load(&on_worker[0]) + atomic_load(&on_worker[1]), stats.requests);
    CHECK_EQ(atomic_load(&load.cut), 0);
    bide_http_free(s.server);
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* While connections are being accepted, placed, served and closed. */
static void stop_under_load(const char *request, int each, const struct bide_http_options *options,
                            int delay_us)
{
    struct service s;
    struct load load = {.s = &s, .request = request, .each = each};
    pthread_t threads[CLIENTS];
    struct answer a = {0};
    int before = open_descriptors();
    CHECK(start(&s, options));
    CHECK_EQ(ask_text(&s, GET("/where"), &a), 200); /* it serves */
    free(a.body);
    begin_load(&load, threads);
    usleep((useconds_t)delay_us);
    bide_resolve(&s.stop, 0);
    pthread_join(s.thread, NULL);
    CHECK_EQ(s.result, -ECANCELED);
    end_load(threads);
    bide_http_free(s.server);
    CHECK_EQ(open_descriptors(), before);
}

TEST(stopping_under_load)
{
    struct bide_http_options gentle = {.grace = 20 * BIDE_S}, harsh = {.grace = -1};
    for (int i = 0; i < 40; i++) {
        stop_under_load(GET("/where"), 1, i & 1 ? &gentle : &harsh, i * 150);
        stop_under_load(GET("/nap"), 3, i & 1 ? &gentle : &harsh, i * 150);
        stop_under_load(GET("/parts"), 2, i & 1 ? &gentle : &harsh, i * 150);
        stop_under_load(GET("/forever"), 1, &harsh, i * 150);
    }
}

/* Each of them is idle, fresh or on its way to a worker. None may be forgotten. */
TEST(a_stop_ends_every_idle_connection)
{
    static struct client clients[MANY];
    struct bide_http_options options = {.grace = 20 * BIDE_S};
    for (int round = 0; round < 20; round++) {
        struct service s;
        struct answer a = {0};
        CHECK(start(&s, &options));
        for (int i = 0; i < MANY; i++) {
            CHECK(client_open(&clients[i], &s));
            if (i % 2 == 0)
                CHECK(client_say(&clients[i], GET("/where")));
        }
        CHECK_EQ(client_answer(&clients[round / 2 * 2], &a)->status, 200);
        free(a.body);
        service_stop(&s);
        for (int i = 0; i < MANY; i++)
            client_close(&clients[i]);
    }
}

TEST(a_handler_of_any_worker_may_stop_the_server)
{
    for (int i = 0; i < 10; i++) {
        struct service s;
        struct answer a = {0};
        CHECK(start(&s, NULL));
        wait_for_all_workers(&s);
        int status;
        do
            status = ask_text(&s, i % 2 ? GET("/stop/1") : GET("/stop/0"), &a);
        while (status == 200 && *a.body - '0' != i % 2);
        pthread_join(s.thread, NULL);
        CHECK_EQ(s.result, 0);
        bide_http_free(s.server);
        free(a.body);
    }
}

/* ---- limits --------------------------------------------------------------------------------- */

TEST(the_number_of_connections_is_of_all_workers)
{
    struct service s;
    struct load load = {.s = &s, .request = GET("/nap"), .each = 2};
    struct bide_http_options options = {.connections_max = 3};
    struct bide_http_stats stats;
    pthread_t threads[CLIENTS];
    bool beyond = false;
    CHECK(start(&s, &options));
    begin_load(&load, threads);
    while (atomic_load(&load.answered) < 100) {
        bide_http_get_stats(s.server, &stats);
        beyond |= stats.open > 3;
        usleep(200);
    }
    end_load(threads);
    service_stop(&s);
    CHECK(!beyond);
    CHECK_EQ(atomic_load(&load.cut), 0);
}

TEST_MAIN()
