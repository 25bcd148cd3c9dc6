/*
 * echo.c - the echo server on bide: one fiber a connection, spread over the workers.
 */
#include "core.h"
#include "echo.h"

#include <bide/bide.h>
#include <bide/net.h>

static void echo(int fd)
{
    char buffer[512];
    ssize_t got;

    while ((got = bide_recv(fd, buffer, sizeof(buffer), 0)) > 0)
        if (bide_send_all(fd, buffer, (size_t)got, 0) < 0)
            break;
    bide_close(fd);
}
BIDE_ASYNC_VOID(echo, int)

static int serve(int listener)
{
    int fd;

    BIDE_SCOPE(connections) {
        while ((fd = bide_accept(listener, NULL, NULL, 0)) >= 0) {
            bide_tcp_nodelay(fd);
            if (bide_spawn_spread(&connections, bide_async(echo, fd)) < 0)
                bide_close(fd);
        }
    }
    return fd;
}

static int serve_with(const struct echo *echo)
{
    if (echo->workers > 1)
        core_wait_for_workers(echo->workers);
    return serve(echo->listener);
}
BIDE_ASYNC(int, serve_with, const struct echo *)

int echo_on_workers(void *arg)
{
    const struct echo *echo = arg;
    struct bide_config config = {.reactor = (enum bide_reactor)echo->reactor,
                                 .workers = echo->workers};

    return bide_run_with(&config, bide_async(serve_with, echo)) < 0;
}

int echo_on_epoll(void *listener)
{
    return echo_on_workers(&(struct echo){*(int *)listener, BIDE_REACTOR_EPOLL, 1});
}

int echo_on_uring(void *listener)
{
    return echo_on_workers(&(struct echo){*(int *)listener, BIDE_REACTOR_URING, 1});
}
