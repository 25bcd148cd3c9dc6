/*
 * wrk.c - driving wrk. A Lua script makes the requests, before the run begins, and prints what was
 * found on one line.
 */
#include "wrk.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Arguments: the path, the depth, the number of ids. */
static const char script[] =
    "local requests, size, next = {}, 0, 0\n"
    "function init(args)\n"
    "    local path, depth, ids = args[1], tonumber(args[2]), tonumber(args[3])\n"
    "    wrk.headers['Host'] = 'localhost'\n"
    "    math.randomseed(42)\n"
    "    size = ids > 0 and 20000 or 1\n"
    "    for i = 1, size do\n"
    "        local at = ids > 0 and path .. '/' .. math.random(1, ids) or path\n"
    "        requests[i] = string.rep(wrk.format('GET', at), depth)\n"
    "    end\n"
    "end\n"
    "function request()\n"
    "    next = next % size + 1\n"
    "    return requests[next]\n"
    "end\n"
    "function done(summary, latency)\n"
    "    local e = summary.errors\n"
    "    io.write(string.format('bench %d %d %d %d\\n', summary.requests, summary.duration,\n"
    "        latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))\n"
    "end\n";

int wrk_find_program(const char *name)
{
    const char *path = getenv("PATH");
    char file[512];

    while (path && *path) {
        size_t size = strcspn(path, ":");
        snprintf(file, sizeof(file), "%.*s/%s", (int)size, path, name);
        if (access(file, X_OK) == 0)
            return 1;
        path += size + (path[size] == ':');
    }
    return 0;
}

int wrk_exists(void)
{
    if (wrk_find_program("wrk"))
        return 1;
    bench_failed("wrk is not installed (Debian package wrk)");
    return 0;
}

/* The file's name, in a static buffer; NULL on failure. */
static const char *write_script(void)
{
    static char name[512];

    if (*name)
        return name;
    snprintf(name, sizeof(name), "%s/load.lua", bench_directory());
    FILE *file = fopen(name, "w");
    if (!file || fputs(script, file) < 0 || fclose(file) != 0) {
        *name = '\0';
        return NULL;
    }
    return name;
}

/* CPU time of the children that have been reaped, ns. */
static double reaped_cpu_time(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

/* The line "bench ..." of wrk's output. Returns 0 or -1. */
static int read_result(int fd, double *ret_requests, double *ret_us, double *ret_p99,
                       double *ret_errors)
{
    char line[512];
    FILE *file = fdopen(fd, "r");
    int found = -1;

    if (!file) {
        close(fd);
        return -1;
    }
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "bench %lf %lf %lf %lf", ret_requests, ret_us, ret_p99, ret_errors) == 4)
            found = 0;
    fclose(file);
    return found;
}

int wrk_run(const struct wrk_load *load, pid_t server, struct wrk_result *ret_result)
{
    const char *file = write_script();
    char url[64], duration[32], connections[32], depth[32], ids[32];
    double requests = 0, us = 0, p99 = 0, errors = 0;
    int output;

    if (!file) {
        bench_failed("cannot write wrk's script");
        return -1;
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", load->port);
    snprintf(duration, sizeof(duration), "%.0fs", load->seconds);
    snprintf(connections, sizeof(connections), "%d", load->connections);
    snprintf(depth, sizeof(depth), "%d", load->depth > 1 ? load->depth : 1);
    snprintf(ids, sizeof(ids), "%ld", load->ids);

    const char *argv[] = {"wrk", "-t1", "-c", connections, "-d",       duration, "--timeout", "5s",
                          "-s",  file,  url,  "--",        load->path, depth,    ids,         NULL};
    double cpu = bench_cpu_time(server), load_cpu = reaped_cpu_time();
    pid_t pid = bench_spawn(argv, load->core, &output);
    if (pid < 0)
        return -1;
    int found = read_result(output, &requests, &us, &p99, &errors);
    int status = bench_wait(pid, 10);
    cpu = bench_cpu_time(server) - cpu;
    load_cpu = reaped_cpu_time() - load_cpu;
    if (found < 0 || status != 0 || requests <= 0 || errors > 0) {
        bench_failed("wrk: %.0f requests, %.0f errors, status %d", requests, errors, status);
        return -1;
    }
    *ret_result = (struct wrk_result){.rate = requests / us * 1e6,
                                      .p99 = p99 / 1e3,
                                      .cpu = cpu / 1e3 / requests,
                                      .load_cpu = load_cpu / 1e3 / requests};
    return 0;
}
