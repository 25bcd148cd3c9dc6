/*
 * service_users.c - the user service under wrk, in turns with nginx, which sends a file of the same
 * size, and with the bare queries in a loop; and on one worker in turns with two. Servers and load
 * may use all cores.
 */
#include "bare_sqlite.h"
#include "bench.h"
#include "scale.h"
#include "service.h"
#include "wrk.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 5, ROUNDS_QUICK = 2, CONNECTIONS = 64, USERS = 10000 };
enum { URING, EPOLL, NGINX, SERVERS };

#ifndef USER_SERVICE
#define USER_SERVICE "user-service" /* not built with this: in the PATH, perhaps */
#endif

/* A server that stays up during all rounds; they are idle while another one is measured. */
struct server {
    char name[32];
    const char *reactor; /* in the environment; NULL: it is nginx */
    const char *workers; /* "0": one for each core */
    char db[512];
    pid_t pid;
    int port;
    double p99[ROUNDS];
    struct scale samples;
};

static struct server servers[SERVERS] = {
    [URING] = {.name = "service", .reactor = "BIDE_REACTOR=uring", .workers = "0"},
    [EPOLL] = {.name = "service_epoll", .reactor = "BIDE_REACTOR=epoll", .workers = "0"},
    [NGINX] = {.name = "nginx_file"},
};

/* ---- starting ------------------------------------------------------------------------------ */

static int start_service(struct server *s)
{
    char port[16];

    s->port = bench_free_port();
    snprintf(s->db, sizeof(s->db), "%s/%s.db", bench_directory(), s->name);
    snprintf(port, sizeof(port), "%d", s->port);
    const char *argv[] = {"env",    s->reactor,  USER_SERVICE, "--db", s->db,     "--workers",
                          s->workers, "--host",  "127.0.0.1",  "--port", port,    NULL};
    s->pid = bench_spawn(argv, BENCH_ANY_CORE, NULL);
    if (s->pid > 0 && bench_wait_port(s->port, s->pid, 60) == 0)
        return 0;
    bench_failed("service: %s does not start", USER_SERVICE);
    return -1;
}

/* Returns the size of the body of GET /users/42, or -1. */
static long body_size(int port)
{
    static const char request[] = "GET /users/42 HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    static char answer[65536];
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = 5};
    size_t used = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0)
        while (used < sizeof(answer) - 1 &&
               (got = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
            used += (size_t)got;
    close(fd);
    answer[used] = '\0';
    const char *body = strstr(answer, "\r\n\r\n");
    return body && strncmp(answer, "HTTP/1.1 200 ", 13) == 0 ? (long)strlen(body + 4) : -1;
}

static int write_nginx_files(const char *config, const char *page, int port, long size)
{
    const char *dir = bench_directory();
    FILE *file = fopen(page, "w");

    if (!file)
        return -1;
    for (long i = 0; i < size; i++)
        putc('x', file);
    if (fclose(file) != 0 || !(file = fopen(config, "w")))
        return -1;
    fprintf(file,
            "daemon off; master_process off; pid %s/nginx.pid; error_log /dev/null crit;\n"
            "events { worker_connections 1024; }\n"
            "http {\n"
            "    access_log off; default_type application/json; sendfile on; tcp_nopush on;\n"
            "    keepalive_requests 1000000000; open_file_cache max=10;\n"
            "    client_body_temp_path %s/n1; proxy_temp_path %s/n2; fastcgi_temp_path %s/n3;\n"
            "    uwsgi_temp_path %s/n4; scgi_temp_path %s/n5;\n"
            "    server { listen 127.0.0.1:%d; root %s;\n"
            "             location / { try_files /user.json =404; } }\n"
            "}\n",
            dir, dir, dir, dir, dir, dir, port, dir);
    return fclose(file) == 0 ? 0 : -1;
}

static int start_nginx(struct server *s, long size)
{
    char config[512], page[512];

    if (!wrk_find_program("nginx")) {
        bench_note("nginx is not installed (Debian package nginx-light): left out");
        return -1;
    }
    s->port = bench_free_port();
    snprintf(config, sizeof(config), "%s/nginx.conf", bench_directory());
    snprintf(page, sizeof(page), "%s/user.json", bench_directory());
    const char *argv[] = {"nginx", "-c", config, "-e", "/dev/null", NULL};
    if (write_nginx_files(config, page, s->port, size) == 0)
        s->pid = bench_spawn(argv, BENCH_ANY_CORE, NULL);
    if (s->pid > 0 && bench_wait_port(s->port, s->pid, 10) == 0)
        return 0;
    bench_failed("service: nginx does not start");
    return -1;
}

/* ---- measuring ----------------------------------------------------------------------------- */

static int measure(struct server *s, int round)
{
    struct wrk_load load = {.port = s->port,
                            .path = "/users",
                            .connections = CONNECTIONS,
                            .ids = USERS,
                            .seconds = bench_quick ? 1 : 3,
                            .core = BENCH_ANY_CORE};
    struct wrk_result result;

    if (wrk_run(&load, s->pid, &result) < 0)
        return -1;
    s->p99[round] = result.p99;
    s->samples.rate[round] = result.rate;
    s->samples.cpu[round] = result.cpu;
    s->samples.load_cpu[round] = result.load_cpu;
    return 0;
}

static double ratio_to(const double *ours, const double *other, int rounds)
{
    double v[ROUNDS];

    for (int r = 0; r < rounds; r++)
        v[r] = ours[r] / other[r];
    return bench_median(v, (size_t)rounds);
}

static void report(struct server *s, const double *sqlite, int rounds)
{
    int bars = s->reactor != NULL;
    struct figure figure = {.name = s->name, .unit = "us", .most = bars ? 60 : 0};
    char name[64];

    if (bars && sqlite[0] > 0) {
        figure.ratio_to = "bare_sqlite";
        figure.ratio = ratio_to(s->samples.cpu, sqlite, rounds);
    }
    figure.value = bench_median(s->samples.cpu, (size_t)rounds);
    bench_figure(&figure);
    snprintf(name, sizeof(name), "%.31s_rate", s->name);
    figure = (struct figure){.name = name, .unit = "req/s", .least = bars ? 20000 : 0};
    if (bars && servers[NGINX].samples.rate[0] > 0) {
        figure.ratio_to = "nginx_file_rate";
        figure.ratio = ratio_to(s->samples.rate, servers[NGINX].samples.rate, rounds);
    }
    figure.value = bench_median(s->samples.rate, (size_t)rounds);
    bench_figure(&figure);
    snprintf(name, sizeof(name), "%.31s_p99", s->name);
    bench_figure(&(struct figure){.name = name,
                                  .unit = "ms",
                                  .most = bars ? 15 : 0,
                                  .value = bench_median(s->p99, (size_t)rounds)});
}

/* The services are measured while they run; the queries alone need one service's file only. */
static void measure_all(int rounds)
{
    double sqlite[ROUNDS] = {0};

    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < SERVERS; s++) {
            bench_progress("service, round %d of %d: %s", r + 1, rounds, servers[s].name);
            if (servers[s].pid > 0 && measure(&servers[s], r) < 0)
                return;
        }
        bench_progress("service, round %d of %d: bare SQLite", r + 1, rounds);
        sqlite[r] = bare_sqlite(servers[URING].db, USERS, bench_quick ? 10000 : 50000) / 1e3;
        if (sqlite[r] < 0) {
            bench_failed("service: the bare queries do not fit the service's database");
            return;
        }
    }
    for (int s = 0; s < SERVERS; s++)
        if (servers[s].pid > 0)
            report(&servers[s], sqlite, rounds);
    bench_figure(&(struct figure){
        .name = "bare_sqlite", .unit = "us", .value = bench_median(sqlite, (size_t)rounds)});
}

void bench_users(void)
{
    if (!wrk_exists())
        return;
    bench_progress("service: making the databases");
    if (start_service(&servers[URING]) == 0 && start_service(&servers[EPOLL]) == 0) {
        long size = body_size(servers[URING].port);
        if (size < 0) {
            bench_failed("service: GET /users/42 is not answered with 200");
        } else {
            if (start_nginx(&servers[NGINX], size) < 0) {
                bench_kill(servers[NGINX].pid);
                servers[NGINX].pid = 0;
            }
            measure_all(bench_rounds(ROUNDS, ROUNDS_QUICK));
        }
    }
    for (int s = 0; s < SERVERS; s++)
        bench_kill(servers[s].pid);
}

/* ---- one worker and two -------------------------------------------------------------------- */

static void compare_workers(const char *name, struct server *of, int rounds)
{
    struct scale samples[SCALE_WORKERS];

    for (int w = 0; w < SCALE_WORKERS; w++) {
        snprintf(of[w].name, sizeof(of[w].name), "%s_%dw", name, w + 1);
        if (start_service(&of[w]) < 0)
            return;
    }
    for (int r = 0; r < rounds; r++)
        for (int w = 0; w < SCALE_WORKERS; w++) {
            bench_progress("%s, round %d of %d: %d workers", name, r + 1, rounds, w + 1);
            if (measure(&of[w], r) < 0)
                return;
        }
    for (int w = 0; w < SCALE_WORKERS; w++)
        samples[w] = of[w].samples;
    scale_report(name, samples, rounds);
}

void bench_users_scale(void)
{
    static const char *const reactors[][2] = {{"service", "BIDE_REACTOR=uring"},
                                              {"service_epoll", "BIDE_REACTOR=epoll"}};

    if (!wrk_exists())
        return;
    for (int i = 0; i < 2; i++) {
        struct server of[SCALE_WORKERS] = {{.reactor = reactors[i][1], .workers = "1"},
                                           {.reactor = reactors[i][1], .workers = "2"}};
        compare_workers(reactors[i][0], of, bench_rounds(ROUNDS, ROUNDS_QUICK));
        for (int w = 0; w < SCALE_WORKERS; w++)
            bench_kill(of[w].pid);
    }
}
