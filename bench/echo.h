/* echo.h - the echo server on bide, as a user would write it. */
#ifndef ECHO_H
#define ECHO_H

/* Bodies of bench_fork, as those of bare.h: one worker, on the reactor that their names say. */
int echo_on_epoll(void *listener);
int echo_on_uring(void *listener);

/* The same with more workers, which all run before the first connection is accepted. */
struct echo {
    int listener;
    int reactor; /* enum bide_reactor */
    unsigned workers;
};
int echo_on_workers(void *echo);

#endif
