/*
 * 14_fetch_resiliently - from a server that drops one connection and forgets another.
 *
 * What fails is retried, what takes long is asked for once more, and a deadline bounds it all: each
 * says so around the description of one fetch, which knows nothing of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <bide/net.h>
#include <bide/keywords.h>

static int connections;

static int serve(int fd)
{
    char text[32];
    int number = ++connections;
    ssize_t n = bide_recv(fd, text, sizeof(text), 0);
    if (n > 0 && number == 2) {
        n = bide_recv(fd, text, sizeof(text), 0); /* until the client has had enough */
        printf("the server forgot one, and it was closed: %s\n", n == 0 ? "yes" : "no");
    }
    if (n > 0 && number != 1)
        n = bide_send_all(fd, "21", 2, 0);
    bide_close(fd);
    return 0;
}
ASYNC(int, serve, int)

static int serve_all(int listener)
{
    int fd = 0;
    scope(s)
        while ((fd = bide_accept(listener, NULL, NULL, 0)) >= 0)
            spawn(&s, async(serve, fd));
    return fd;
}
ASYNC(int, serve_all, int)

/* One try. Copies of it may run side by side: each has its own buffer. */
static int fetch_degrees(int port)
{
    char text[32] = "";
    int fd = bide_tcp_dial("127.0.0.1", (uint16_t)port, NULL);
    if (fd < 0)
        return fd;
    ssize_t n = bide_send_all(fd, "?", 1, 0);
    if (n >= 0)
        n = bide_recv(fd, text, sizeof(text) - 1, 0);
    bide_close(fd);
    return n < 0 ? (int)n : n == 0 ? -ECONNRESET : atoi(text);
}
ASYNC(int, fetch_degrees, int)

static int demo(void)
{
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    if (listener < 0)
        return listener;
    scope(s) {
        spawn(&s, async(serve_all, listener));
        let once = async(fetch_degrees, bide_tcp_port(listener));
        let soon = bide_hedge(once, &(struct bide_hedge_options){ .delay = 200 * BIDE_MS });
        let surely = bide_retry(soon, &(struct bide_retry_options){ .delay = BIDE_MS });
        int error = within(30 * BIDE_S, &surely);
        bide_sleep(BIDE_MS);
        printf("%d degrees, after %d connections\n", error ? error : surely.value, connections);
        bide_scope_cancel(&s);
    }
    bide_close(listener);
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
