/*
 * peers.c - bench-peers: the same work on bide and on what else people write it with.
 *
 * Each system is a program: PROGRAM ROW N. Built by bench/peers/build.sh into PEERS_DIRECTORY, ours
 * with this one. What it does in a row says peers_rows; here is who takes part and how the rows are
 * run in turns and put into a table.
 */
#include "peers.h"
#include "bench.h"
#include "wrk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* bide is the first: the others are compared with it. */
static const char *const systems[] = {"bide", "tokio", "go",      "libuv",  "asio", "fiber",
                                      "lwt",  "node",  "asyncio", "uvloop", "nginx"};
enum { SYSTEMS = sizeof(systems) / sizeof(*systems) };

static char programs[SYSTEMS][512]; /* "": it is not there */

struct result {
    double values[PEERS_ROUNDS];
    int out; /* it is not there, has no such row, or failed: not asked again */
};

static void find_programs(void)
{
    snprintf(programs[0], sizeof(programs[0]), "%s", PEER_BIDE);
    for (int s = 1; s < SYSTEMS; s++) {
        snprintf(programs[s], sizeof(programs[s]), "%s/%s", PEERS_DIRECTORY, systems[s]);
        if (access(programs[s], X_OK) < 0)
            programs[s][0] = '\0';
    }
}

/* ---- the table ----------------------------------------------------------------------------- */

static void print_heads(void)
{
    char line[512];
    size_t used = (size_t)snprintf(line, sizeof(line), "%-14s %-4s", "row", "unit");
    static int printed;

    if (printed)
        return;
    printed = 1;
    for (int s = 0; s < SYSTEMS; s++)
        if (programs[s][0])
            used += (size_t)snprintf(line + used, sizeof(line) - used, " %9s", systems[s]);
    bench_line("%s", line);
}

/* One number of each system, or the ratios of the others to bide. */
static void print_numbers(const char *name, const char *unit, const struct result *results,
                          const double *numbers, const char *suffix)
{
    char line[512], number[64];
    size_t used = (size_t)snprintf(line, sizeof(line), "%-14s %-4s", name, unit);

    for (int s = 0; s < SYSTEMS; s++) {
        if (!programs[s][0])
            continue;
        if (results[s].out)
            snprintf(number, sizeof(number), "-");
        else
            bench_format(number, sizeof(number) - 2, numbers[s]);
        if (*suffix && s == 0)
            *number = '\0';
        else if (!results[s].out)
            strcat(number, suffix);
        used += (size_t)snprintf(line + used, sizeof(line) - used, " %9s", number);
    }
    bench_line("%s", line);
}

static void print_objects(const struct peers_row *row, const struct result *results,
                          const double *values, const double *ratios)
{
    char name[64];

    for (int s = 0; s < SYSTEMS; s++) {
        if (results[s].out)
            continue;
        snprintf(name, sizeof(name), "%s_%s", row->name, systems[s]);
        bench_figure(&(struct figure){.name = name,
                                      .value = values[s],
                                      .unit = row->unit,
                                      .ratio_to = s && !results[0].out ? systems[0] : NULL,
                                      .ratio = ratios[s]});
    }
}

/* A bar for each row: ahead of everyone. */
static void judge(const struct peers_row *row, const struct result *results, const double *ratios)
{
    char label[256];
    size_t used = (size_t)snprintf(label, sizeof(label), "%s", row->name);
    int compared = 0, behind = 0;

    for (int s = 1; s < SYSTEMS; s++) {
        if (results[s].out)
            continue;
        compared++;
        if (ratios[s] <= 1)
            used += (size_t)snprintf(label + used, sizeof(label) - used, "%s%s",
                                     behind++ ? "," : "(", systems[s]);
    }
    if (behind)
        snprintf(label + used, sizeof(label) - used, ")");
    if (compared && !results[0].out)
        bench_bar(label, !behind);
}

static void report(const struct peers_row *row, const struct result *results, int rounds)
{
    double values[SYSTEMS] = {0}, ratios[SYSTEMS] = {0}, v[PEERS_ROUNDS];

    for (int s = 0; s < SYSTEMS; s++) {
        if (results[s].out)
            continue;
        memcpy(v, results[s].values, sizeof(v));
        values[s] = bench_median(v, (size_t)rounds);
        for (int r = 0; r < rounds && !results[0].out; r++)
            v[r] = results[s].values[r] / results[0].values[r];
        ratios[s] = results[0].out ? 0 : bench_median(v, (size_t)rounds);
    }
    if (bench_json) {
        print_objects(row, results, values, ratios);
        return;
    }
    print_heads();
    print_numbers(row->name, row->unit, results, values, "");
    if (!results[0].out)
        print_numbers("  to bide", "", results, ratios, "x");
    judge(row, results, ratios);
}

/* ---- running ------------------------------------------------------------------------------- */

static void run_row(void)
{
    const struct peers_row *row = peers_rows;
    struct result results[SYSTEMS] = {0};

    while (strcmp(row->name, bench_running->name) != 0)
        row++;
    int rounds = bench_rounds(row->rounds, PEERS_ROUNDS_QUICK);
    setenv("TMPDIR", bench_directory(), 1); /* for what the programs leave */
    if (row->needs_wrk && !wrk_exists())
        return;
    for (int s = 0; s < SYSTEMS; s++)
        results[s].out = !programs[s][0];
    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < SYSTEMS; s++) {
            if (results[s].out)
                continue;
            bench_progress("%s, round %d of %d: %s", row->name, r + 1, rounds, systems[s]);
            int status = row->measure(row, programs[s], &results[s].values[r]);
            results[s].out = status != 0;
            if (status < 0)
                bench_failed("%s: %s did not work", row->name, systems[s]);
        }
    }
    report(row, results, rounds);
}

int main(int argc, char **argv)
{
    struct bench benches[PEERS_ROWS + 1] = {0};

    for (int i = 0; i < PEERS_ROWS; i++)
        benches[i] = (struct bench){peers_rows[i].name, peers_rows[i].about, run_row};
    find_programs();
    return bench_main(argc, argv, benches);
}
