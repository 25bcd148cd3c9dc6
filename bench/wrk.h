/* wrk.h - driving wrk, the HTTP load generator. */
#ifndef WRK_H
#define WRK_H

#include <sys/types.h>

struct wrk_load {
    int port; /* on 127.0.0.1 */
    const char *path;
    int connections;
    int depth; /* requests in one packet; 0 and 1: alone */
    long ids;  /* if not 0: /ID is added to path, random ids of 1..ids */
    double seconds;
    int core;
};

struct wrk_result {
    double rate; /* requests a second */
    double p99;  /* ms, 99th percentile of the latency */
    double cpu;  /* us of the server's CPU time a request */
    double load_cpu; /* us of wrk's */
};

/*
 * wrk_run - one run of wrk with a single thread.
 *
 * @server  whose CPU time is taken
 *
 * Returns 0, or -1 when the run failed or an answer was not 200, after bench_failed.
 */
int wrk_run(const struct wrk_load *load, pid_t server, struct wrk_result *ret_result);

/* Is wrk installed? Says so on stderr if not. */
int wrk_exists(void);

/* Is there a program of that name in the PATH? */
int wrk_find_program(const char *name);

#endif
