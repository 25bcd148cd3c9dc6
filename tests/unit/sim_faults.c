/* sim_faults.c - each fault of a simulation is seen where it is asked for, and nowhere else. */
#include "simulate.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <bide/keywords.h>
#include <netinet/in.h>

enum { TIMES = 20 };

/* How often each result came, of all seeds: by -errno, and those that were no error. */
static int seen[200], fine, fewer;

static void tell(ssize_t n)
{
    if (n < 0 && n > -200)
        seen[-n]++;
    else
        fine++;
}

/* Runs f as SIMULATE does; what comes is counted anew. */
#define COUNT(faults_, f)              \
    do {                               \
        memset(seen, 0, sizeof(seen)); \
        fine = fewer = 0;              \
        SIMULATE(faults_, f);          \
    } while (0)

/* No error came but these. */
static bool only(int a, int b)
{
    for (int i = 1; i < 200; i++)
        if (seen[i] && i != a && i != b)
            return false;
    return true;
}

/* Without faults, whatever they are afterwards. */
static int connected(int ends[2], const struct bide_sim_faults *afterwards)
{
    bide_sim_set_faults(&(struct bide_sim_faults){ 0 });
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    ends[0] = bide_tcp_dial("127.0.0.1", (uint16_t)bide_tcp_port(listener), NULL);
    ends[1] = bide_accept(listener, NULL, NULL, 0);
    bide_close(listener);
    bide_sim_set_faults(afterwards);
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

/* ---- streams ---- */

static int sends(const struct bide_sim_faults *faults)
{
    int ends[2];
    char buf[100] = "";
    CHECK_OR(connected(ends, faults) == 0, 1);
    for (int i = 0; i < TIMES; i++) {
        ssize_t n = bide_send(ends[0], buf, sizeof(buf), 0);
        tell(n);
        if (n <= 0)
            continue;
        fewer += n < (ssize_t)sizeof(buf);
        n = bide_recv(ends[1], buf, (size_t)n, 0);
        tell(n);
    }
    close_both(ends);
    return 0;
}
ASYNC(int, sends, const struct bide_sim_faults *)

TEST(without_faults_there_are_none)
{
    static const struct bide_sim_faults none;
    COUNT(none, async(sends, &none));
    CHECK(only(0, 0) && !fewer);
    CHECK_EQ(fine, 2 * SEEDS * 2 * TIMES);
    CHECK_EQ(result.elapsed, 0);
}

TEST(short_transfers)
{
    static const struct bide_sim_faults faults = { .short_io = 0.3 };
    COUNT(faults, async(sends, &faults));
    CHECK(only(0, 0));
    CHECK(fewer > 200 && fewer < fine / 2);
}

TEST(interruptions)
{
    static const struct bide_sim_faults faults = { .interrupt = 0.3 };
    COUNT(faults, async(sends, &faults));
    CHECK(only(0, 0) && !fewer);
    CHECK(result.elapsed > 0);
}

TEST(resets)
{
    static const struct bide_sim_faults faults = { .reset = 0.05 };
    COUNT(faults, async(sends, &faults));
    CHECK(only(ECONNRESET, EPIPE));
    CHECK(seen[ECONNRESET] > 20 && fine > 200);
}

TEST(no_buffers)
{
    static const struct bide_sim_faults faults = { .no_buffers = 0.2 };
    COUNT(faults, async(sends, &faults));
    CHECK(only(ENOBUFS, 0));
    CHECK(seen[ENOBUFS] > 100 && fine > 500);
}

/* ---- connections ---- */

static int dials(const struct bide_sim_faults *faults)
{
    int listener = bide_tcp_listen("127.0.0.1", 80, NULL);
    bide_sim_set_faults(faults);
    for (int i = 0; i < TIMES; i++) {
        int fd = bide_tcp_dial("127.0.0.1", 80, NULL);
        tell(fd);
        int other = -EMFILE;
        while (fd >= 0 && other == -EMFILE) /* the connection is not lost */
            tell(other = bide_accept(listener, NULL, NULL, 0));
        if (fd >= 0)
            close_both((int[2]){ fd, other });
    }
    bide_close(listener);
    return 0;
}
ASYNC(int, dials, const struct bide_sim_faults *)

TEST(refusals)
{
    static const struct bide_sim_faults faults = { .refuse = 0.2 }, none;
    COUNT(none, async(dials, &faults));
    CHECK(only(ECONNREFUSED, 0));
    CHECK(seen[ECONNREFUSED] > 100 && fine > 500);
}

TEST(no_descriptors)
{
    static const struct bide_sim_faults faults = { .no_descriptor = 0.2 }, none;
    COUNT(none, async(dials, &faults));
    CHECK(only(EMFILE, 0));
    CHECK(seen[EMFILE] > 100 && fine > 500);
}

TEST(partitions_hold_what_streams_carry)
{
    static const struct bide_sim_faults faults = {
        .partition = 0.1, .partition_least = BIDE_S, .partition_most = BIDE_S
    };
    static const struct bide_sim_faults none;
    COUNT(faults, async(sends, &faults));
    CHECK(only(0, 0));
    CHECK(result.elapsed >= BIDE_S && result.elapsed % BIDE_S == 0);
    COUNT(none, async(dials, &faults));
    CHECK(only(0, 0));
    CHECK(result.elapsed >= BIDE_S && result.elapsed % BIDE_S == 0);
}

/* ---- datagrams ---- */

static int received;

static int counts(int fd)
{
    char c;
    while (bide_recv(fd, &c, 1, 0) == 1)
        received++;
    return 0;
}
ASYNC(int, counts, int)

static int showers(const struct bide_sim_faults *faults)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = { htonl(INADDR_LOOPBACK) }
    };
    int a = bide_socket(AF_INET, SOCK_DGRAM, 0), b = bide_socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_OR(bide_bind(b, (void *)&addr, sizeof(addr)) == 0, 1);
    CHECK_OR(bide_connect(a, (void *)&addr, sizeof(addr)) == 0, 2);
    bide_sim_set_faults(faults);
    scope(s) {
        spawn(&s, async(counts, b));
        for (int i = 0; i < TIMES; i++) {
            tell(bide_send(a, "x", 1, 0));
            bide_sleep(BIDE_MS);
        }
        bide_sleep(BIDE_S);
        bide_scope_cancel(&s);
    }
    close_both((int[2]){ a, b });
    return 0;
}
ASYNC(int, showers, const struct bide_sim_faults *)

enum { ALL = 2 * SEEDS * TIMES };

TEST(datagrams_are_lost_and_doubled)
{
    static const struct bide_sim_faults lose = { .lose = 0.3 }, twice = { .duplicate = 0.3 }, none;
    received = 0;
    COUNT(none, async(showers, &none));
    CHECK_EQ(received, ALL);
    received = 0;
    COUNT(none, async(showers, &lose));
    CHECK(received > ALL / 2 && received < ALL * 8 / 10);
    received = 0;
    COUNT(none, async(showers, &twice));
    CHECK(received > ALL * 12 / 10 && received < ALL * 14 / 10);
}

TEST(partitions_lose_datagrams)
{
    static const struct bide_sim_faults none;
    static const struct bide_sim_faults faults = {
        .partition = 0.1, .partition_least = 3 * BIDE_MS, .partition_most = 3 * BIDE_MS
    };
    received = 0;
    COUNT(none, async(showers, &faults));
    CHECK(received > ALL / 2 && received < ALL * 9 / 10);
}

/* ---- all at once ---- */

static int talk(int fd, bool answers)
{
    char buf[64] = "";
    for (int i = 0; i < 5; i++) {
        ssize_t n = answers ? bide_read_all(fd, buf, sizeof(buf)) : (ssize_t)sizeof(buf);
        if (n == sizeof(buf))
            n = bide_send_all(fd, buf, sizeof(buf), 0);
        if (n == sizeof(buf) && !answers)
            n = bide_read_all(fd, buf, sizeof(buf));
        if (n != sizeof(buf))
            return n < 0 ? (int)n : -EPIPE;
    }
    return 0;
}
ASYNC(int, talk, int, bool)

static int answer(int fd)
{
    int error = talk(fd, true);
    bide_close(fd);
    return error;
}
ASYNC(int, answer, int)

static int server(int listener)
{
    scope(s)
        for (;;) {
            int fd = bide_accept(listener, NULL, NULL, 0);
            if (fd == -ECANCELED)
                break;
            if (fd >= 0 && spawn(&s, async(answer, fd)) < 0)
                bide_close(fd);
        }
    return 0;
}
ASYNC(int, server, int)

static int client(int tries)
{
    int error = -EIO;
    while (error && tries-- > 0) {
        int fd = bide_tcp_dial("127.0.0.1", 80, NULL);
        tell(error = fd);
        if (fd < 0)
            continue;
        let talking = async(talk, fd, false);
        error = within(20 * BIDE_S, &talking) ? -ETIMEDOUT : talking.value;
        tell(error);
        bide_close(fd);
    }
    return error;
}
ASYNC(int, client, int)

static int service(int tries)
{
    int listener = -EMFILE;
    for (int i = 0; i < tries && listener < 0; i++)
        listener = bide_tcp_listen("127.0.0.1", 80, NULL);
    if (listener < 0)
        return listener;
    let a = async(client, tries);
    let b = async(client, tries);
    scope(s) {
        spawn(&s, async(server, listener));
        join(&a, &b);
        bide_scope_cancel(&s);
    }
    bide_close(listener);
    return a.value ? a.value : b.value;
}
ASYNC(int, service, int)

TEST(a_rough_network_is_got_over)
{
    COUNT(bide_sim_rough, async(service, 100));
    CHECK(seen[ECONNREFUSED] && seen[EMFILE] && seen[ECONNRESET]);
}

/* ---- no memory ---- */

static int countdown; /* to the acquisition that fails */

static bool fail_kth(void)
{
    return countdown-- == 0;
}

TEST(every_allocation_fails_in_turn)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        bool failed = true;
        for (int k = 0; failed; k++) {
            struct bide_sim sim = { .seed = seed, .faults = bide_sim_rough, .result = &result };
            let f = async(service, 3);
            result.descriptors = 0;
            countdown = k;
            bide__fault = fail_kth;
            bide_sim_run(&sim, &f);
            bide__fault = NULL;
            failed = countdown < 0;
            CHECK(f.value <= 0);
            /* An answer for which there was no stack has never begun, and closes nothing. */
            CHECK(result.descriptors <= 1);
        }
    }
}

TEST_MAIN()
