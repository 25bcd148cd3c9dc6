/*
 * 05_echo_server - a TCP server: one task a connection, ended by a signal.
 *
 *     05_echo_server [PORT]      0, the default, lets the kernel choose; the port is printed
 *
 * The service is one future in a race with two signals. When a signal wins, the race cancels the
 * service, its scope cancels the connections, and each closes its socket on its way out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bide/net.h>

#include <bide/keywords.h>

static int echo(int fd)
{
    char buf[4096];
    ssize_t n;
    while ((n = bide_recv(fd, buf, sizeof(buf), 0)) > 0)
        if ((n = bide_send_all(fd, buf, (size_t)n, 0)) < 0)
            break;
    bide_close(fd); /* closes even when we are cancelled */
    return 0;
}
ASYNC(int, echo, int)

static int serve(int listener)
{
    scope(connections) {
        for (;;) {
            int fd = bide_accept(listener, NULL, NULL, 0);
            if (bide_cancelled())
                return 0; /* the scope waits for the connections */
            if (fd < 0) { /* out of descriptors, or a client that has gone already */
                bide_sleep(10 * BIDE_MS);
                continue;
            }
            if (spawn(&connections, async(echo, fd)) < 0)
                bide_close(fd);
        }
    }
    return 0;
}
ASYNC(int, serve, int)

static int server(uint16_t port)
{
    int listener = bide_tcp_listen("127.0.0.1", port, NULL);
    if (listener < 0) {
        fprintf(stderr, "port %d: %s\n", port, strerror(-listener));
        return 1;
    }
    printf("listening on port %d\n", bide_tcp_port(listener));
    fflush(stdout);
    int first = race(async(serve, listener), async(bide_signal, SIGINT),
                     async(bide_signal, SIGTERM));
    bide_close(listener);
    printf("ended by %s\n", first == 1 ? "SIGINT" : first == 2 ? "SIGTERM" : "an error");
    return first > 0 ? 0 : 1;
}
ASYNC(int, server, uint16_t)

int main(int argc, char **argv)
{
    return bide_run(async(server, (uint16_t)(argc > 1 ? atoi(argv[1]) : 0)));
}
