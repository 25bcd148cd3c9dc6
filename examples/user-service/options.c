/* options.c - the command line: what is said, understood, and stored. */
#include "options.h"

#include <bide/base.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: user-service [options]\n"
    "\n"
    "Serves users and their posts from an SQLite database, as JSON and as a page.\n"
    "\n"
    "  --db FILE             the database; made and filled on first start (users.db)\n"
    "  --users N             how many users to fill it with (10000)\n"
    "  --host ADDRESS        to listen on (127.0.0.1); :: or 0.0.0.0 for all\n"
    "  --port N              to listen on (8080); 0 picks a free one\n"
    "  --workers N           threads that serve (0: one for each processor)\n"
    "  --latency user=T,posts=T\n"
    "                        wait before each query, to play a database that is far away\n"
    "  --grace T             for requests in flight when the service stops (10s)\n"
    "  --idle-timeout T      of a connection without a request (75s)\n"
    "  --header-timeout T    for the head of a request (60s)\n"
    "  --body-timeout T      between two parts of a body (60s)\n"
    "  --send-timeout T      between two parts of an answer (60s)\n"
    "  --in-place T          how long a query may keep the worker before it goes to a thread\n"
    "                        (250us); 0: every query goes to one\n"
    "  --busy-timeout T      for a lock that another program holds on the database (2s)\n"
    "  --head-max BYTES      of a request's head (32768)\n"
    "  --body-max BYTES      of a request's body (65536)\n"
    "  --connections-max N   open at once (no limit)\n"
    "  --debug               GET /debug/tasks, from this machine alone, and SIGQUIT, which\n"
    "                        writes to stderr, show all tasks\n"
    "  --help, --version\n"
    "\n"
    "T is a time: 250us, 10ms, 1.5s, 2m.\n";

static int mistake(const char *format, const char *what)
{
    fprintf(stderr, "user-service: ");
    fprintf(stderr, format, what);
    fprintf(stderr, " (--help lists the options)\n");
    return 2;
}

/* "10ms" -> nanoseconds. The unit is needed, except after 0. */
static int parse_time(const char *text, const char *end, bide_time *ret_time)
{
    static const struct {
        const char *unit;
        bide_time span;
    } units[] = { { "us", BIDE_US }, { "ms", BIDE_MS }, { "s", BIDE_S }, { "m", 60 * BIDE_S } };
    char *unit;
    double number = strtod(text, &unit);

    if (unit == text || unit > end || !(number >= 0 && number <= 1e6) || strchr("+-", *text))
        return -EINVAL;
    size_t size = (size_t)(end - unit);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (size == strlen(units[i].unit) && !strncmp(unit, units[i].unit, size)) {
            *ret_time = (bide_time)(number * (double)units[i].span);
            return 0;
        }
    if (size > 0 || number != 0)
        return -EINVAL;
    *ret_time = 0;
    return 0;
}

static int parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || number < min || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

/* "user=10ms,posts=8ms", either part or both. */
static int parse_latency(const char *text, struct options *options)
{
    while (*text) {
        const char *end = text + strcspn(text, ",");
        bide_time *latency;

        if (!strncmp(text, "user=", 5))
            latency = &options->latency_user;
        else if (!strncmp(text, "posts=", 6))
            latency = &options->latency_posts;
        else
            return -EINVAL;
        if (parse_time(strchr(text, '=') + 1, end, latency) < 0)
            return -EINVAL;
        text = *end ? end + 1 : end;
    }
    return 0;
}

/* ---- the options, and where their values go ------------------------------------------------ */

enum kind { TEXT, NUMBER, COUNT, WORKERS, SIZE, PORT, TIME, LATENCY, FLAG };

static const struct {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct options */
} known[] = {
    { "db", TEXT, offsetof(struct options, db) },
    { "users", NUMBER, offsetof(struct options, users) },
    { "latency", LATENCY, 0 },
    { "in-place", TIME, offsetof(struct options, in_place) },
    { "busy-timeout", TIME, offsetof(struct options, busy) },
    { "host", TEXT, offsetof(struct options, http.host) },
    { "port", PORT, offsetof(struct options, http.port) },
    { "workers", WORKERS, offsetof(struct options, workers) },
    { "grace", TIME, offsetof(struct options, http.grace) },
    { "idle-timeout", TIME, offsetof(struct options, http.idle_timeout) },
    { "header-timeout", TIME, offsetof(struct options, http.header_timeout) },
    { "body-timeout", TIME, offsetof(struct options, http.body_timeout) },
    { "send-timeout", TIME, offsetof(struct options, http.send_timeout) },
    { "head-max", SIZE, offsetof(struct options, http.head_max) },
    { "body-max", SIZE, offsetof(struct options, http.body_max) },
    { "connections-max", COUNT, offsetof(struct options, http.connections_max) },
    { "debug", FLAG, offsetof(struct options, debug) },
};
enum { KNOWN = sizeof(known) / sizeof(*known) };

/* Read the value of the index-th option. */
static int store(int index, const char *value, struct options *options)
{
    void *target = (char *)options + known[index].offset;
    int64_t number = 0;
    int r = 0;

    switch (known[index].kind) {
    case TEXT:
        *(const char **)target = value;
        break;
    case FLAG:
        *(bool *)target = true;
        break;
    case TIME:
        return parse_time(value, value + strlen(value), target);
    case LATENCY:
        return parse_latency(value, options);
    case NUMBER:
        return parse_number(value, 1, 1000000, target);
    case COUNT:
        r = parse_number(value, 1, 1000000, &number);
        *(unsigned *)target = (unsigned)number;
        break;
    case WORKERS:
        r = parse_number(value, 0, 1024, &number);
        *(unsigned *)target = (unsigned)number;
        break;
    case SIZE:
        r = parse_number(value, 1, 1 << 30, &number);
        *(size_t *)target = (size_t)number;
        break;
    case PORT:
        r = parse_number(value, 0, UINT16_MAX, &number);
        *(uint16_t *)target = (uint16_t)number;
        break;
    }
    return r;
}

/* ---- the command line ---------------------------------------------------------------------- */

/* For getopt: those above by their index, and two that are no options of the service. */
static void make_table(struct option *table)
{
    for (int i = 0; i < KNOWN; i++)
        table[i] = (struct option){
            known[i].name, known[i].kind == FLAG ? no_argument : required_argument, NULL, 256 + i
        };
    table[KNOWN] = (struct option){ "help", no_argument, NULL, 'h' };
    table[KNOWN + 1] = (struct option){ "version", no_argument, NULL, 'v' };
    table[KNOWN + 2] = (struct option){ 0 };
}

static int say_version(void)
{
    return printf("user-service (bide) %d.%d.%d\n", BIDE_VERSION_MAJOR, BIDE_VERSION_MINOR,
                  BIDE_VERSION_PATCH) < 0;
}

static int not_understood(const char *name, const char *value)
{
    char what[160];

    snprintf(what, sizeof(what), "--%s %s", name, value);
    return mistake("%s is not understood", what);
}

int options_parse(int argc, char **argv, struct options *options)
{
    struct option table[KNOWN + 3];

    *options = (struct options){
        .db = "users.db",
        .users = 10000,
        .in_place = 250 * BIDE_US,
        .busy = 2 * BIDE_S,
        .http = { .host = "127.0.0.1", .port = 8080, .grace = 10 * BIDE_S, .body_max = 65536 },
    };
    make_table(table);
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":", table, NULL)) != -1;) {
        if (c == 'h')
            return fputs(help, stdout) < 0;
        if (c == 'v')
            return say_version();
        if (c == ':')
            return mistake("%s needs a value", argv[optind - 1]);
        if (c == '?')
            return mistake("no such option: %s", argv[optind - 1]);
        if (store(c - 256, optarg, options) < 0)
            return not_understood(known[c - 256].name, optarg);
    }
    if (optind < argc)
        return mistake("no such option: %s", argv[optind]);
    if (!options->http.grace)
        options->http.grace = -1; /* none at all */
    return -1;
}
