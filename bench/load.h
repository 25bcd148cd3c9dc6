/* load.h - the load generator of the echo bench: epoll, one message under way a connection. */
#ifndef LOAD_H
#define LOAD_H

#include <stdatomic.h>
#include <sys/types.h>

enum { LOAD_MESSAGE = 64 }; /* bytes */

/* In bench_shared memory. */
struct load {
    int port; /* on 127.0.0.1 */
    int connections;
    int core; /* of the load: BENCH_LOAD_CORE, BENCH_ANY_CORE */
    atomic_int connected; /* so far */
    atomic_long requests; /* answered so far */
    atomic_int errors;    /* connections lost, or answers that were not what was sent */
};

struct load_result {
    double rate; /* requests a second */
    double cpu;  /* us of the server's CPU time a request */
    double load_cpu; /* us of the load's */
};

/*
 * load_run - load an echo server for a second or more.
 *
 * @load    port, connections and core are set
 * @server  whose CPU time is taken
 *
 * Returns 0, or -1 when not all connections were made, one was lost, or an answer was wrong.
 */
int load_run(struct load *load, pid_t server, struct load_result *ret_result);

#endif
