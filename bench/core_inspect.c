/*
 * core_inspect.c - what inspection costs while nobody looks: the same program (cost.c) with the
 * library as it is, and with one that was compiled without what is noted down for inspection.
 *
 * They take turns. What one run differs from the next by is more than what they differ by, so their
 * best runs are compared.
 */
#include "bench.h"
#include "core.h"
#include "cost.h"
#include "load.h"

#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 15, ROUNDS_QUICK = 5, CONNECTIONS = 64 };
enum { WITH, WITHOUT, PROGRAMS };

static const char *const programs[PROGRAMS] = {INSPECT_WITH, INSPECT_WITHOUT};

/* The least of all rounds. */
struct least {
    double yield, spawn_join; /* ns */
    double echo;              /* us of CPU time a request */
};

static void keep(double *least, double value)
{
    if (!*least || value < *least)
        *least = value;
}

/* Starts program and reads what it prints first. Returns its id, or -1 after bench_failed. */
static pid_t start(const char *program, const char *what, const char *reactor, char *line,
                   int size)
{
    int output;
    pid_t pid = bench_spawn((const char *const[]){program, what, reactor, NULL}, BENCH_SERVER_CORE,
                            &output);
    if (pid < 0)
        return -1;
    FILE *file = fdopen(output, "r");
    int got = file && fgets(line, size, file);
    if (file)
        fclose(file);
    else
        close(output);
    if (got)
        return pid;
    bench_kill(pid);
    bench_failed("%s: it says nothing", program);
    return -1;
}

static int measure_calls(const char *program, struct least *least)
{
    char line[64];
    double yield, spawn_join;
    pid_t pid = start(program, "calls", NULL, line, sizeof(line));

    if (pid < 0)
        return -1;
    bench_wait(pid, 10);
    if (sscanf(line, "%lf %lf", &yield, &spawn_join) != 2) {
        bench_failed("%s: it says %s", program, line);
        return -1;
    }
    keep(&least->yield, yield);
    keep(&least->spawn_join, spawn_join);
    return 0;
}

static int measure_echo(const char *program, const char *reactor, struct load *load,
                        struct least *least)
{
    char line[64];
    struct load_result result;
    pid_t pid = start(program, "echo", reactor, line, sizeof(line));

    if (pid < 0)
        return -1;
    int error = sscanf(line, "%d", &load->port) != 1 || load_run(load, pid, &result) < 0;
    bench_kill(pid);
    if (error)
        return -1;
    keep(&least->echo, result.cpu);
    return 0;
}

static void report(const char *name, const char *unit, double with, double without)
{
    if (with <= 0 || without <= 0) /* not to be had on this machine */
        return;
    bench_figure(&(struct figure){.name = name,
                                  .value = with,
                                  .unit = unit,
                                  .ratio_to = "compiled without",
                                  .ratio = with / without,
                                  .ratio_most = 1.02});
}

static void compare_calls(void)
{
    struct least least[PROGRAMS] = {0};
    int rounds = bench_rounds(ROUNDS, ROUNDS_QUICK);

    for (int r = 0; r < rounds; r++)
        for (int p = 0; p < PROGRAMS; p++) {
            bench_progress("inspect, round %d of %d", r + 1, rounds);
            if (measure_calls(programs[p], &least[p]) < 0)
                return;
        }
    report("inspect_yield", "ns", least[WITH].yield, least[WITHOUT].yield);
    report("inspect_spawn_join", "ns", least[WITH].spawn_join, least[WITHOUT].spawn_join);
}

static void compare_echo(const char *name, const char *reactor, struct load *load)
{
    struct least least[PROGRAMS] = {0};
    int rounds = bench_rounds(ROUNDS, ROUNDS_QUICK);

    for (int r = 0; r < rounds; r++)
        for (int p = 0; p < PROGRAMS; p++) {
            bench_progress("%s, round %d of %d", name, r + 1, rounds);
            if (measure_echo(programs[p], reactor, load, &least[p]) < 0) {
                bench_failed("%s did not work", name);
                return;
            }
        }
    report(name, "us", least[WITH].echo, least[WITHOUT].echo);
}

void bench_inspect(void)
{
    struct load *load = bench_shared(sizeof(*load));

    load->connections = CONNECTIONS;
    load->core = BENCH_LOAD_CORE;
    compare_calls();
    compare_echo("inspect_echo_epoll", COST_EPOLL, load);
    compare_echo("inspect_echo_uring", COST_URING, load);
}
