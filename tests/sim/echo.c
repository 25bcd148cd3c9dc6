/* An echo server and its clients: what comes back is a beginning of what was sent, and all of it
 * when nothing failed. */
#include "workload.h"

#include <bide/keywords.h>

enum { CLIENTS = 8, SENT_MOST = 20000, PORT = 7 };

/* ---- the server ---- */

static int serve_one(int fd)
{
    char buf[1000];
    ssize_t n;
    while ((n = bide_recv(fd, buf, sizeof(buf), 0)) > 0)
        if ((n = bide_send_all(fd, buf, (size_t)n, 0)) < 0)
            break;
    bide_close(fd);
    return (int)n;
}
ASYNC(int, serve_one, int)

static int serve(int listener)
{
    int fd = 0;
    scope(s) {
        while (fd != -ECANCELED) {
            fd = bide_accept(listener, NULL, NULL, 0);
            if (fd >= 0)
                spawn(&s, async(serve_one, fd));
            else if (fd != -ECANCELED)
                bide_sleep(BIDE_MS);
        }
    }
    return fd;
}
ASYNC(int, serve, int)

/* ---- a client ---- */

static char byte_at(int client, int offset)
{
    return (char)(client * 31 + offset * 7 + offset / 251);
}

static int say(int fd, int client, int total)
{
    char buf[700];
    for (int sent = 0; sent < total;) {
        int n = sim_draw(1, sizeof(buf));
        if (n > total - sent)
            n = total - sent;
        for (int i = 0; i < n; i++)
            buf[i] = byte_at(client, sent + i);
        ssize_t result = bide_send_all(fd, buf, (size_t)n, 0);
        if (result < 0)
            return (int)result;
        sent += n;
        if (sim_draw(0, 9) == 0)
            bide_sleep(sim_draw(0, 1000) * BIDE_US);
    }
    return bide_shutdown(fd, SHUT_WR);
}
ASYNC(int, say, int, int, int)

/* How much came until the end, or an error. */
static int hear(int fd, int client, int total)
{
    char buf[900];
    int heard = 0;
    for (;;) {
        ssize_t n = bide_recv(fd, buf, (size_t)sim_draw(1, sizeof(buf)), 0);
        if (n <= 0)
            return n < 0 ? (int)n : heard;
        sim_expect(heard + n <= total, "client %d heard more than it said", client);
        for (int i = 0; i < n; i++)
            sim_expect(buf[i] == byte_at(client, heard + i), "client %d heard another byte at %d",
                       client, heard + i);
        heard += (int)n;
    }
}
ASYNC(int, hear, int, int, int)

static int dial(void)
{
    int fd = -EAGAIN;
    for (int attempt = 0; attempt < 10 && fd < 0 && !bide_cancelled(); attempt++) {
        fd = bide_tcp_dial("127.0.0.1", PORT, NULL);
        if (fd < 0)
            bide_sleep(sim_draw(1, 5) * BIDE_MS);
    }
    return fd;
}

static int converse(int client)
{
    int total = sim_draw(0, SENT_MOST), fd = dial();
    if (fd < 0)
        return fd;
    let said = async(say, fd, client, total);
    let heard = async(hear, fd, client, total);
    int error = try_join(&said, &heard);
    bide_close(fd);
    if (!error) /* the server may have given up in good order */
        sim_expect(heard.value == total || sim_faulty(), "client %d said %d bytes and heard %d",
                   client, total, heard.value);
    return error;
}
ASYNC(int, converse, int)

/* Some clients lose patience. */
static int visit(int client)
{
    let talk = async(converse, client);
    bool patient = sim_draw(0, 3) > 0;
    int error = patient ? await(&talk) : within(sim_draw(0, 20) * BIDE_MS, &talk);
    if (patient && error)
        sim_expect(sim_faulty() && sim_passes(error), "client %d: %s", client,
                   strerrorname_np(-error));
    return 0;
}
ASYNC(int, visit, int)

static int listen_somehow(void)
{
    int fd = bide_tcp_listen("127.0.0.1", PORT, NULL);
    for (int attempt = 0; attempt < 100 && fd < 0; attempt++)
        fd = bide_tcp_listen("127.0.0.1", PORT, NULL);
    return fd;
}

static int echo(void)
{
    int listener = listen_somehow(), n = sim_draw(1, CLIENTS);
    if (listener < 0)
        return listener;
    struct visit_future clients[CLIENTS];
    for (int i = 0; i < n; i++)
        clients[i] = async(visit, i);
    let server = async(serve, listener);
    scope(s) {
        bide_start(&server);
        bide_join_all(clients, (size_t)n);
        cancel(&server);
    }
    bide_close(listener);
    return 0;
}
ASYNC(int, echo)

WORKLOAD(echo)
