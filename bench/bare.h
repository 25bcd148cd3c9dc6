/*
 * bare.h - the bare mechanisms that bide's figures are compared with: no bookkeeping, no errors, no
 * cancellation. As fast as a good C programmer would write each.
 */
#ifndef BARE_H
#define BARE_H

/* bench_loop: switches n times between this stack and another one. One file a CPU. */
void bare_switch(void *arg, long n);

/*
 * Echo servers: every byte that comes back goes out again. Bodies of bench_fork, which serve until
 * they are killed.
 *
 * @arg  int *: a listening socket
 */
int bare_echo_epoll(void *arg);
int bare_echo_uring(void *arg);
int bare_echo_uring_multishot(void *arg);

/* The same for HTTP without reading it: it takes the first request's length for everyone's. */
int bare_http_epoll(void *arg);

/* A 13-byte body in plain text. The HTTP servers that are compared all send this answer. */
#define BARE_HTTP_BODY "Hello, World!"

#endif
