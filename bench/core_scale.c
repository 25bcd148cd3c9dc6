/*
 * core_scale.c - the echo server on one worker and on two, in turns. Server and load may both use
 * all cores. CPU time a request says what a second worker costs; requests a second gain only as far
 * as there are cores for both.
 */
#include "bench.h"
#include "core.h"
#include "echo.h"
#include "load.h"
#include "scale.h"

#include <bide/runtime.h>
#include <unistd.h>

enum { ROUNDS_QUICK = 3, CONNECTIONS = 64 };

/* One server under load for a while. */
static int measure(struct echo *echo, struct load *load, struct scale *samples, int round)
{
    struct load_result result;

    echo->listener = bench_listen(&load->port);
    pid_t serving = bench_fork(echo_on_workers, echo, BENCH_ANY_CORE);
    close(echo->listener);
    int error = serving > 0 ? load_run(load, serving, &result) : -1;
    bench_kill(serving);
    if (error)
        return -1;
    samples->cpu[round] = result.cpu;
    samples->load_cpu[round] = result.load_cpu;
    samples->rate[round] = result.rate;
    return 0;
}

static void compare(const char *name, enum bide_reactor reactor, struct load *load)
{
    struct scale samples[SCALE_WORKERS] = {0};
    int rounds = bench_rounds(SCALE_ROUNDS, ROUNDS_QUICK);

    for (int r = 0; r < rounds; r++) {
        for (unsigned w = 1; w <= SCALE_WORKERS; w++) {
            struct echo echo = {.reactor = reactor, .workers = w};
            bench_progress("%s, round %d of %d: %u workers", name, r + 1, rounds, w);
            if (measure(&echo, load, &samples[w - 1], r) < 0) {
                bench_failed("%s with %u workers did not work", name, w);
                return;
            }
        }
    }
    scale_report(name, samples, rounds);
}

void bench_echo_scale(void)
{
    struct load *load = bench_shared(sizeof(*load));

    load->connections = CONNECTIONS;
    load->core = BENCH_ANY_CORE;
    compare("echo_uring", BIDE_REACTOR_URING, load);
    compare("echo_epoll", BIDE_REACTOR_EPOLL, load);
}
