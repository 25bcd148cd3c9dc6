/*
 * bare.h - the bare mechanisms that bide's figures are compared with: no bookkeeping, no errors, no
 * cancellation. As fast as a good C programmer would write each.
 */
#ifndef BARE_H
#define BARE_H

/* bench_loop: switches n times between this stack and another one. */
void bare_switch(void *arg, long n);

/* bench_loop: the same two stacks; in each of n rounds an int goes there and back through rings. */
void bare_pingpong(void *arg, long n);

/* For those two, one file a CPU: where a stack stands, how to leave it for another one, and a place
 * where fn, which never returns, begins on a stack of its own. */
struct bare_place {
    void *pc, *sp, *fp;
};
void bare_switch_stacks(struct bare_place *from, struct bare_place *to);
struct bare_place bare_begin(void (*fn)(void), void *top);

/*
 * Two threads on two cores: each waits for its turn, then gives it to the other.
 *
 * @n     rounds, there and back
 * @spin  look at the turn all the time; 0: sleep on it with futex(2)
 * Returns ns a round.
 */
double bare_threads(long n, int spin);

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
