/*
 * peers_rows.c - the rows of bench-peers. A program is called as PROGRAM ROW N:
 *
 *   times           does it N times in each of a few batches, and prints the nanoseconds of one, a
 *                   line a batch; the first batch warms up and is not printed
 *   sleep_memory    starts N sleeps of an hour, says "asleep" and stays until it is killed
 *   sleep_time      N sleeps of 2 s; prints the nanoseconds beyond those 2 s
 *   echo, http      serves on port N of 127.0.0.1 until it is killed
 *
 * It exits with 77 when it has no such row.
 */
#include "bench.h"
#include "load.h"
#include "peers.h"
#include "wrk.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_OFFERED = 77, LINES = 16 };
#define SECONDS_MAX 120.0 /* of one program in one round */

static pid_t start(const char *program, const char *row, long n, int core, int *ret_output)
{
    char number[32];
    const char *argv[] = {program, row, number, NULL};

    snprintf(number, sizeof(number), "%ld", n);
    return bench_spawn(argv, core, ret_output);
}

/* What the program prints until it closes its output or says what is waited for. Returns 0, or -1
 * when time is up or there is too much of it. */
static int read_output(int fd, const char *until, char *text, size_t size)
{
    double end = bench_clock() + SECONDS_MAX * 1e9;
    size_t used = 0;

    for (;;) {
        struct pollfd input = {.fd = fd, .events = POLLIN};
        double left = end - bench_clock();
        if (left <= 0 || used == size - 1 || poll(&input, 1, (int)(left / 1e6) + 1) < 0)
            return -1;
        if (!input.revents)
            continue;
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got < 0)
            return -1;
        used += (size_t)got;
        text[used] = '\0';
        if (!got || (until && strstr(text, until)))
            return 0;
    }
}

/* As peers_row.measure, from a wait status. */
static int judge_status(int status)
{
    if (status == 0)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == NOT_OFFERED ? 1 : -1;
}

static int measure_time(const struct peers_row *row, const char *program, double *ret_value)
{
    char text[1024] = "", *at = text, *next;
    double values[LINES];
    size_t lines = 0;
    int output;
    long n = bench_quick && row->n > 10000 ? row->n / 10 : row->n;
    pid_t pid = start(program, row->name, n, row->core, &output);

    if (pid < 0)
        return -1;
    int error = read_output(output, NULL, text, sizeof(text));
    close(output);
    if (error)
        bench_kill(pid);
    int result = error ? -1 : judge_status(bench_wait(pid, 10));
    if (result)
        return result;
    while (lines < LINES && (values[lines] = strtod(at, &next), next != at)) {
        at = next;
        lines++;
    }
    *ret_value = bench_median(values, lines) / row->scale;
    return lines ? 0 : -1;
}

/* Bytes of the process when n sleep. */
static int asleep_memory(const char *program, const char *row, long n, double *ret_bytes)
{
    char text[256] = "";
    int output;
    pid_t pid = start(program, row, n, BENCH_SERVER_CORE, &output);

    if (pid < 0)
        return -1;
    int error = read_output(output, "asleep", text, sizeof(text));
    close(output);
    if (!error && !strstr(text, "asleep")) {
        int result = judge_status(bench_wait(pid, 10));
        return result ? result : -1;
    }
    *ret_bytes = bench_memory(pid);
    bench_kill(pid);
    return error;
}

static int measure_memory(const struct peers_row *row, const char *program, double *ret_value)
{
    long n = bench_quick ? row->n / 10 : row->n;
    double none, all;
    int result = asleep_memory(program, row->name, 0, &none);

    if (!result)
        result = asleep_memory(program, row->name, n, &all);
    if (!result)
        *ret_value = (all - none) / (double)n;
    return result;
}

/* ---- servers ------------------------------------------------------------------------------- */

/* Returns 0 when the program serves; else as peers_row.measure, and it is gone. */
static int start_server(const char *program, const char *row, int *ret_port, pid_t *ret_pid)
{
    *ret_port = bench_free_port();
    *ret_pid = start(program, row, *ret_port, BENCH_SERVER_CORE, NULL);
    if (*ret_pid < 0)
        return -1;
    if (bench_wait_port(*ret_port, *ret_pid, 10) == 0)
        return 0;
    int result = judge_status(bench_wait(*ret_pid, 0));
    return result ? result : -1;
}

static int measure_echo(const struct peers_row *row, const char *program, double *ret_value)
{
    static struct load *load;
    struct load_result found;
    pid_t pid;

    if (!load)
        load = bench_shared(sizeof(*load));
    load->connections = (int)row->n;
    load->core = BENCH_LOAD_CORE;
    int result = start_server(program, "echo", &load->port, &pid);
    if (result)
        return result;
    result = load_run(load, pid, &found);
    bench_kill(pid);
    *ret_value = found.cpu;
    return result;
}

static int measure_http(const struct peers_row *row, const char *program, double *ret_value)
{
    struct wrk_load load = {.path = "/",
                            .connections = 64,
                            .depth = (int)row->n,
                            .seconds = bench_quick ? 1 : 2,
                            .core = BENCH_LOAD_CORE};
    struct wrk_result found;
    pid_t pid;
    int result = start_server(program, "http", &load.port, &pid);

    if (result)
        return result;
    result = wrk_run(&load, pid, &found);
    bench_kill(pid);
    *ret_value = found.cpu;
    return result;
}

/* -------------------------------------------------------------------------------------------- */

#define ONE BENCH_SERVER_CORE
#define TWO BENCH_ANY_CORE

/* clang-format off */
const struct peers_row peers_rows[PEERS_ROWS] = {
    {"yield", "a yield of one of two tasks that yield in turns, one thread",
     "ns", measure_time, 200000, 1, 5, ONE, 0},
    {"spawn", "1,000 empty tasks spawned and waited for, each; one thread",
     "ns", measure_time, 100000, 1, 5, ONE, 0},
    {"spawn_2", "the same, on two threads",
     "ns", measure_time, 100000, 1, 5, TWO, 0},
    {"await", "await of a function that does not wait",
     "ns", measure_time, 1000000, 1, 5, ONE, 0},
    {"channel", "a round trip through two channels, one thread",
     "ns", measure_time, 50000, 1, 5, ONE, 0},
    {"channel_2", "the same, each end on a thread of its own",
     "us", measure_time, 2000, 1e3, 5, TWO, 0},
    {"mutex", "lock and unlock of a mutex that nobody else wants",
     "ns", measure_time, 1000000, 1, 5, ONE, 0},
    {"sleep_memory", "memory of each of a million sleeping tasks",
     "B", measure_memory, 1000000, 1, 3, ONE, 0},
    {"sleep_time", "a million sleeps of 2 s: the time beyond",
     "s", measure_time, 1000000, 1e9, 3, ONE, 0},
    {"sleep_pairs", "10,000 tasks, each joins a sleep of 10 ms and one of 8 ms",
     "ms", measure_time, 10000, 1e6, 5, ONE, 0},
    {"echo_64", "echo of 64 bytes, 64 connections: the server's CPU time a request",
     "us", measure_echo, 64, 1, 5, ONE, 0},
    {"echo_10000", "the same with 10,000 connections",
     "us", measure_echo, 10000, 1, 3, ONE, 0},
    {"http", "HTTP, a plaintext answer, 64 connections: the server's CPU time a request",
     "us", measure_http, 1, 1, 5, ONE, 1},
    {"http_pipelined", "the same, 16 requests in a packet",
     "us", measure_http, 16, 1, 5, ONE, 1},
};
/* clang-format on */
