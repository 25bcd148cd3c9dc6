/*
 * core_echo.c - echo of 64-byte messages over loopback: one server process on one core, the load on
 * the other. The servers take turns, a new process each time; what counts is the server's CPU time
 * a request, which depends on the load less than requests a second do.
 */
#include "bare.h"
#include "bench.h"
#include "core.h"
#include "echo.h"
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 7, ROUNDS_QUICK = 3 };
enum { BARE_EPOLL, BARE_URING, BARE_MULTISHOT, BIDE_EPOLL, BIDE_URING, SERVERS };

static const struct server {
    const char *name;
    int (*serve)(void *listener);
} servers[SERVERS] = {
    [BARE_EPOLL] = {"bare_epoll", bare_echo_epoll},
    [BARE_URING] = {"bare_uring", bare_echo_uring},
    [BARE_MULTISHOT] = {"bare_uring_multishot", bare_echo_uring_multishot},
    [BIDE_EPOLL] = {"epoll", echo_on_epoll},
    [BIDE_URING] = {"uring", echo_on_uring},
};

/* Per server: one sample a round. */
struct samples {
    double cpu[ROUNDS];  /* us a request; 0: not to be had on this machine */
    double rate[ROUNDS]; /* requests a second */
};

/* One server under load for a while. */
static int measure(const struct server *server, struct load *load, double *ret_cpu,
                   double *ret_rate)
{
    struct load_result result;
    int listener = bench_listen(&load->port);
    pid_t serving = bench_fork(server->serve, &listener, BENCH_SERVER_CORE);

    close(listener);
    int error = serving > 0 ? load_run(load, serving, &result) : -1;
    bench_kill(serving);
    if (error)
        return -1;
    *ret_cpu = result.cpu;
    *ret_rate = result.rate;
    return 0;
}

static void report(int connections, const struct samples *samples, int rounds)
{
    double cpu[SERVERS], rate[SERVERS], v[ROUNDS];
    int best = -1;
    char name[64];

    for (int s = 0; s < SERVERS; s++) {
        memcpy(v, samples[s].cpu, sizeof(v));
        cpu[s] = bench_median(v, (size_t)rounds);
        memcpy(v, samples[s].rate, sizeof(v));
        rate[s] = bench_median(v, (size_t)rounds);
        if (s < BIDE_EPOLL && cpu[s] > 0 && (best < 0 || cpu[s] < cpu[best]))
            best = s;
    }
    for (int s = 0; s < SERVERS; s++) {
        if (cpu[s] <= 0)
            continue;
        snprintf(name, sizeof(name), "echo_%d_%s", connections, servers[s].name);
        struct figure figure = {.name = name, .value = cpu[s], .unit = "us"};
        if (s >= BIDE_EPOLL && best >= 0) {
            for (int r = 0; r < rounds; r++)
                v[r] = samples[s].cpu[r] / samples[best].cpu[r];
            figure.ratio_to = servers[best].name;
            figure.ratio = bench_median(v, (size_t)rounds);
            figure.ratio_most = 1.05;
        }
        bench_figure(&figure);
        snprintf(name, sizeof(name), "echo_%d_%s_rate", connections, servers[s].name);
        bench_figure(&(struct figure){.name = name, .value = rate[s], .unit = "req/s"});
    }
}

void bench_echo(void)
{
    static const int connections[] = {64, 1000, 10000};
    int rounds = bench_rounds(ROUNDS, ROUNDS_QUICK);
    struct load *load = bench_shared(sizeof(*load));

    load->core = BENCH_LOAD_CORE;

    for (size_t i = 0; i < sizeof(connections) / sizeof(*connections); i++) {
        struct samples samples[SERVERS] = {0};
        int out[SERVERS] = {0}; /* it failed once: not asked again */
        load->connections = connections[i];
        for (int r = 0; r < rounds; r++) {
            for (int s = 0; s < SERVERS; s++) {
                if (out[s])
                    continue;
                bench_progress("echo, %d connections, round %d of %d: %s", connections[i], r + 1,
                               rounds, servers[s].name);
                out[s] = measure(&servers[s], load, &samples[s].cpu[r], &samples[s].rate[r]) < 0;
                if (out[s]) {
                    memset(&samples[s], 0, sizeof(samples[s]));
                    bench_failed("echo: %s with %d connections did not work", servers[s].name,
                                 connections[i]);
                }
            }
        }
        report(connections[i], samples, rounds);
    }
}
