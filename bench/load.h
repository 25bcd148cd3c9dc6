/* load.h - the load generator of the echo bench: epoll, one message under way a connection. */
#ifndef LOAD_H
#define LOAD_H

#include <stdatomic.h>

enum { LOAD_MESSAGE = 64 }; /* bytes */

/* In bench_shared memory. */
struct load {
    int port; /* on 127.0.0.1 */
    int connections;
    atomic_int connected; /* so far */
    atomic_long requests; /* answered so far */
    atomic_int errors;    /* connections lost, or answers that were not what was sent */
};

/* Body of bench_fork: connects, then sends, receives and sends again, until killed. */
int load_echo(void *load);

#endif
