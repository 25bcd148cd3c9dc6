/*
 * load.c - the echo load: each connection sends a message, waits for all of it, sends the next.
 */
#include "load.h"
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, FDS = 20000 };

static char message[LOAD_MESSAGE];
static unsigned char received[FDS]; /* bytes of its answer, by fd */

static int open_connection(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: one run after the other would fill up */
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || fd >= FDS)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* An answer, or a part of it. Returns how many requests it ended; -1 when the connection is lost.
 */
static int answer(int fd)
{
    char buffer[LOAD_MESSAGE];
    ssize_t got = recv(fd, buffer, (size_t)(LOAD_MESSAGE - received[fd]), MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0 || memcmp(buffer, message + received[fd], (size_t)got) != 0)
        return -1;
    received[fd] = (unsigned char)(received[fd] + got);
    if (received[fd] < LOAD_MESSAGE)
        return 0;
    received[fd] = 0;
    return send(fd, message, LOAD_MESSAGE, MSG_NOSIGNAL) == LOAD_MESSAGE ? 1 : -1;
}

static int begin(struct load *load, int poller)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int *fds = calloc((size_t)load->connections, sizeof(*fds));

    for (int i = 0; fds && i < load->connections; i++) {
        event.data.fd = fds[i] = open_connection(load->port);
        if (fds[i] < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event) < 0) {
            free(fds);
            return -1;
        }
        atomic_fetch_add_explicit(&load->connected, 1, memory_order_relaxed);
    }
    for (int i = 0; fds && i < load->connections; i++)
        if (send(fds[i], message, LOAD_MESSAGE, MSG_NOSIGNAL) != LOAD_MESSAGE)
            atomic_fetch_add(&load->errors, 1);
    free(fds);
    return fds ? 0 : -1;
}

/* Body of bench_fork: connects, then sends, receives and sends again, until killed. */
static int load_echo(void *arg)
{
    struct load *load = arg;
    struct epoll_event events[EVENTS];
    int poller = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < LOAD_MESSAGE; i++)
        message[i] = (char)('!' + i);
    if (poller < 0 || begin(load, poller) < 0) {
        atomic_fetch_add(&load->errors, 1);
        return 1;
    }
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        long requests = 0;

        for (int i = 0; i < n; i++) {
            int ended = answer(events[i].data.fd);
            if (ended >= 0) {
                requests += ended;
            } else {
                atomic_fetch_add(&load->errors, 1);
                close(events[i].data.fd);
            }
        }
        atomic_fetch_add_explicit(&load->requests, requests, memory_order_relaxed);
    }
}

/* Waits until all are connected and the first answers came. */
static int warm_up(struct load *load, pid_t server)
{
    double end = bench_clock() + 20e9;

    while (atomic_load(&load->requests) < load->connections) {
        if (bench_clock() > end || atomic_load(&load->errors) || bench_ended(server))
            return -1;
        bench_sleep(0.01);
    }
    bench_sleep(bench_quick ? 0.1 : 0.3);
    return 0;
}

/*
 * Long enough that what is under way at both ends of the time does not matter. Returns the number
 * of requests that were answered in it.
 */
static long count_requests(struct load *load)
{
    double begin = bench_clock(), least = bench_quick ? 0.3e9 : 1e9, most = 10e9, time;
    long before = atomic_load(&load->requests), requests;

    do {
        bench_sleep(0.01);
        requests = atomic_load(&load->requests) - before;
        time = bench_clock() - begin;
    } while (time < least || (requests < 20L * load->connections && time < most));
    return requests;
}

int load_run(struct load *load, pid_t server, struct load_result *ret_result)
{
    int result = -1;

    atomic_store(&load->connected, 0);
    atomic_store(&load->requests, 0);
    atomic_store(&load->errors, 0);
    pid_t loading = bench_fork(load_echo, load, load->core);
    if (loading > 0 && warm_up(load, server) == 0) {
        double cpu = bench_cpu_time(server), load_cpu = bench_cpu_time(loading);
        double clock = bench_clock();
        long requests = count_requests(load);
        cpu = bench_cpu_time(server) - cpu;
        load_cpu = bench_cpu_time(loading) - load_cpu;
        clock = bench_clock() - clock;
        if (requests > 0 && !atomic_load(&load->errors)) {
            ret_result->cpu = cpu / 1e3 / (double)requests;
            ret_result->load_cpu = load_cpu / 1e3 / (double)requests;
            ret_result->rate = (double)requests / clock * 1e9;
            result = 0;
        }
    }
    bench_kill(loading);
    return result;
}
