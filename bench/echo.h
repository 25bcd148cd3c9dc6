/* echo.h - the echo server on bide, as a user would write it. */
#ifndef ECHO_H
#define ECHO_H

/* Bodies of bench_fork, as those of bare.h: on the reactor that their names say. */
int echo_on_epoll(void *listener);
int echo_on_uring(void *listener);

#endif
