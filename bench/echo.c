/*
 * echo.c - the echo server on bide: one fiber a connection.
 */
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
            if (bide_spawn(&connections, bide_async(echo, fd)) < 0)
                bide_close(fd);
        }
    }
    return fd;
}
BIDE_ASYNC(int, serve, int)

int echo_on_epoll(void *listener)
{
    struct bide_config config = {.reactor = BIDE_REACTOR_EPOLL};

    return bide_run_with(&config, bide_async(serve, *(int *)listener)) < 0;
}

int echo_on_uring(void *listener)
{
    struct bide_config config = {.reactor = BIDE_REACTOR_URING};

    return bide_run_with(&config, bide_async(serve, *(int *)listener)) < 0;
}
