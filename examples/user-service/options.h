/* options.h - what the command line says. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <bide/http.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *db;           /* path of the database file */
    int64_t users;            /* how many to make on the first start */
    bide_time latency_user;   /* slept before the query, as if the database were far away */
    bide_time latency_posts;
    bide_time in_place;       /* how long a query may keep the worker; 0: not at all */
    bide_time busy;           /* how long a lock on the database is waited for */
    bool debug;               /* show what it is doing: GET /debug/tasks, SIGQUIT */
    unsigned workers;         /* threads that serve; 0: one for each processor */
    struct bide_http_options http;
};

/*
 * options_parse - read the command line.
 *
 * Returns -1 when the service is to run; else everything has been said, and the program ends with
 * the status returned: 0 after --help and --version, 2 after a mistake.
 */
int options_parse(int argc, char **argv, struct options *options);

#endif
