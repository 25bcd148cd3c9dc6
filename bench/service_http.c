/*
 * service_http.c - a 13-byte answer in plain text: wrk on one core, the server on the other, the
 * servers in turns. The bare one parses nothing, so it is the price of the sockets alone.
 */
#include "bare.h"
#include "bench.h"
#include "service.h"
#include "wrk.h"

#include <bide/runtime.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5, ROUNDS_QUICK = 2, PIPELINED = 16 };
enum { BARE, BIDE_EPOLL, BIDE_URING, SERVERS };

static const char *const names[SERVERS] = {
    [BARE] = "bare_epoll", [BIDE_EPOLL] = "epoll", [BIDE_URING] = "uring"};

struct samples {
    double rate[ROUNDS], p99[ROUNDS], cpu[ROUNDS];
};

static pid_t start(int server, int *ret_port)
{
    if (server == BARE) {
        int listener = bench_listen(ret_port);
        pid_t pid = bench_fork(bare_http_epoll, &listener, BENCH_SERVER_CORE);
        close(listener);
        return pid;
    }
    struct hello hello = {.port = bench_free_port(),
                          .reactor =
                              server == BIDE_EPOLL ? BIDE_REACTOR_EPOLL : BIDE_REACTOR_URING};
    *ret_port = hello.port;
    return bench_fork(hello_serve, &hello, BENCH_SERVER_CORE);
}

static int measure(int server, struct wrk_load *load, struct samples *samples, int round)
{
    struct wrk_result result;
    pid_t pid = start(server, &load->port);
    int error = -1;

    if (pid > 0 && (server == BARE || bench_wait_port(load->port, pid, 5) == 0))
        error = wrk_run(load, pid, &result);
    bench_kill(pid);
    if (error)
        return -1;
    samples->rate[round] = result.rate;
    samples->p99[round] = result.p99;
    samples->cpu[round] = result.cpu;
    return 0;
}

static void report(const char *kind, const struct wrk_load *load, struct samples *samples,
                   int rounds)
{
    char name[64];

    for (int s = 0; s < SERVERS; s++) {
        struct figure figure = {.name = name, .unit = "us"};
        double v[ROUNDS];
        if (samples[s].cpu[0] <= 0)
            continue;
        if (s != BARE && samples[BARE].cpu[0] > 0) {
            for (int r = 0; r < rounds; r++)
                v[r] = samples[s].cpu[r] / samples[BARE].cpu[r];
            figure.ratio_to = names[BARE];
            figure.ratio = bench_median(v, (size_t)rounds);
            figure.ratio_most = load->depth > 1 ? 2.0 : 1.15;
        }
        memcpy(v, samples[s].cpu, sizeof(v)); /* the next ratios need it unsorted */
        figure.value = bench_median(v, (size_t)rounds);
        snprintf(name, sizeof(name), "%s_%d_%s", kind, load->connections, names[s]);
        bench_figure(&figure);
        snprintf(name, sizeof(name), "%s_%d_%s_rate", kind, load->connections, names[s]);
        bench_figure(&(struct figure){
            .name = name, .unit = "req/s", .value = bench_median(samples[s].rate, (size_t)rounds)});
        snprintf(name, sizeof(name), "%s_%d_%s_p99", kind, load->connections, names[s]);
        double p99 = bench_median(samples[s].p99, (size_t)rounds);
        if (p99 > 0) /* wrk's correction for omitted samples can leave nothing to rank */
            bench_figure(&(struct figure){.name = name, .unit = "ms", .value = p99});
        else
            bench_note("wrk gave no p99 for %s", name);
    }
}

static void compare(const char *kind, int connections, int depth)
{
    struct wrk_load load = {.path = "/",
                            .connections = connections,
                            .depth = depth,
                            .seconds = bench_quick ? 1 : 2,
                            .core = BENCH_LOAD_CORE};
    struct samples samples[SERVERS] = {0};
    int out[SERVERS] = {0}; /* it failed once: not asked again */
    int rounds = bench_rounds(ROUNDS, ROUNDS_QUICK);

    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < SERVERS; s++) {
            if (out[s])
                continue;
            bench_progress("%s, %d connections, round %d of %d: %s", kind, connections, r + 1,
                           rounds, names[s]);
            out[s] = measure(s, &load, &samples[s], r) < 0;
            if (out[s]) {
                memset(&samples[s], 0, sizeof(samples[s]));
                bench_failed("%s: %s with %d connections did not work", kind, names[s],
                             connections);
            }
        }
    }
    report(kind, &load, samples, rounds);
}

void bench_http(void)
{
    if (!wrk_exists())
        return;
    compare("http", 64, 1);
    compare("http", 256, 1);
    compare("http_pipelined", 64, PIPELINED);
    compare("http_pipelined", 256, PIPELINED);
}
