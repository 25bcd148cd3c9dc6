/*
 * core_sim.c - what a simulation costs: switches of many tasks, each after a seeded choice, and a
 * long time of a service that has nothing to do.
 */
#include "bench.h"
#include "core.h"

#include <bide/bide.h>
#include <bide/http.h>
#include <bide/net.h>

enum { TASKS = 100, CLIENTS = 100, IDLE_S = 1000, RUNS = 9 };

/* ---- switches ------------------------------------------------------------------------------ */

static void yield_often(long n)
{
    for (long i = 0; i < n; i++)
        bide_yield();
}
BIDE_ASYNC_VOID(yield_often, long)

/* Every other one passes a number on, so that there is an order to choose. */
static void pass_on(long n, int in, int out)
{
    char c = 0;
    for (long i = 0; i < n; i++)
        if (bide_write(out, &c, 1) != 1 || bide_read(in, &c, 1) != 1)
            return;
}
BIDE_ASYNC_VOID(pass_on, long, int, int)

static int switches(uint64_t *ret_count, long each)
{
    struct bide_stats before, after;
    int pairs[TASKS / 2][2];
    bide_get_stats(&before);
    BIDE_SCOPE(s) {
        for (int i = 0; i < TASKS / 2; i++) {
            bide_spawn(&s, bide_async(yield_often, each));
            if (bide_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0)
                bide_spawn(&s, bide_async(pass_on, each, pairs[i][0], pairs[i][1]));
        }
        for (int i = 0; i < TASKS / 2; i++)
            bide_spawn(&s, bide_async(pass_on, each, pairs[i][1], pairs[i][0]));
    }
    bide_get_stats(&after);
    *ret_count = after.switches - before.switches;
    for (int i = 0; i < TASKS / 2; i++) {
        bide_close(pairs[i][0]);
        bide_close(pairs[i][1]);
    }
    return 0;
}
BIDE_ASYNC(int, switches, uint64_t *, long)

void bench_sim_switches(void)
{
    double rates[RUNS];
    int runs = bench_rounds(RUNS, 3);
    for (int i = 0; i < runs; i++) {
        struct bide_sim sim = {.seed = (uint64_t)i};
        uint64_t count = 0;
        double begin = bench_clock();
        if (bide_sim_run(&sim, bide_async(switches, &count, bench_quick ? 100 : 1000)) < 0) {
            bench_failed("sim_switches: no memory");
            return;
        }
        rates[i] = (double)count / (bench_clock() - begin) * 1e9;
    }
    bench_figure(&(struct figure){.name = "sim_switches",
                                  .value = bench_median(rates, (size_t)runs),
                                  .unit = "/s",
                                  .least = 200000});
}

/* ---- idle ---------------------------------------------------------------------------------- */

static int hello(struct bide_http_request *req, struct bide_http_response *res, void *user)
{
    (void)req, (void)user;
    return bide_http_send(res, 200, "text/plain", "hello\n", 6);
}

/* A connection that asks once, waits until the server closes it, and begins anew. */
static int wait_idly(uint16_t port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[1024];
    int answers = 0;
    for (;;) {
        int fd = bide_tcp_dial("127.0.0.1", port, NULL);
        if (fd < 0)
            return answers;
        if (bide_send_all(fd, request, sizeof(request) - 1, 0) > 0)
            while (bide_recv(fd, answer, sizeof(answer), 0) > 0)
                answers++;
        bide_close(fd);
    }
}
BIDE_ASYNC(int, wait_idly, uint16_t)

static int idle(void)
{
    static const struct bide_http_route routes[] = {
        {.method = BIDE_HTTP_GET, .path = "/", .handler = hello},
    };
    struct bide_http_options options = {.idle_timeout = IDLE_S / 2 * BIDE_S};
    struct bide_http_server *server;
    int error = bide_http_new(&options, routes, 1, &server);
    if (error < 0)
        return error;
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(bide_http_serve, server));
        for (int i = 0; i < CLIENTS; i++)
            bide_spawn(&s, bide_async(wait_idly, (uint16_t)bide_http_port(server)));
        bide_sleep(IDLE_S * BIDE_S);
        bide_scope_cancel(&s);
    }
    bide_http_free(server);
    return 0;
}
BIDE_ASYNC(int, idle)

void bench_sim_idle(void)
{
    double times[RUNS];
    int runs = bench_rounds(RUNS, 3);
    for (int i = 0; i < runs; i++) {
        struct bide_sim_result result = {0};
        struct bide_sim sim = {.seed = (uint64_t)i, .result = &result};
        double begin = bench_clock();
        int error = bide_sim_run(&sim, bide_async(idle));
        times[i] = (bench_clock() - begin) / 1e6;
        if (error < 0 || result.elapsed < IDLE_S * BIDE_S || result.descriptors) {
            bench_failed("sim_idle: error %d", -error);
            return;
        }
    }
    bench_figure(&(struct figure){.name = "sim_idle",
                                  .value = bench_median(times, (size_t)runs),
                                  .unit = "ms",
                                  .most = 10});
}
