/*
 * fault.c - every allocation and kernel resource of the core fails in turn: the k-th, for every k
 * until a run needs no k. No crash, no hang, no leak, and the error arrives where the headers say.
 */
#include "fiber.h"

#include <arpa/inet.h>
#include <bide/chan.h>
#include <bide/file_watch.h>
#include <bide/net.h>
#include <bide/process.h>
#include <bide/watch.h>
#include <netinet/in.h>

static atomic_int countdown; /* to the acquisition that fails; below 0: it has failed */
static atomic_int failed;

static bool fail_kth(void)
{
    if (atomic_fetch_sub(&countdown, 1) != 0)
        return false;
    atomic_store(&failed, 1);
    return true;
}

/* ---- what acquires ---- */

enum { CHILDREN = 6 };

struct tally {
    int begun, ended, errors;
};

/* An error that a failed acquisition may cause. */
static bool expected(long result)
{
    return result == -ENOMEM || result == -EMFILE || result == -EAGAIN;
}

static void note(struct tally *t, long result)
{
    if (result >= 0)
        return;
    if (!expected(result) && result != -ECANCELED && result != -ETIMEDOUT)
        test_fail(__FILE__, __LINE__, "unexpected error %ld", result);
    t->errors += expected(result);
}

static int child(struct tally *t)
{
    t->begun++;
    int error = bide_sleep(BIDE_US);
    bide_yield();
    t->ended++;
    return error;
}
BIDE_ASYNC(int, child, struct tally *)

static void scopes(struct tally *t)
{
    int spawned = 0;
    BIDE_SCOPE(s) {
        for (int i = 0; i < CHILDREN; i++) {
            int error = bide_spawn(&s, bide_async(child, t));
            CHECK(error == 0 || error == -ENOMEM);
            note(t, error);
            error = bide_spawn(&s, bide_async(bide_sleep, BIDE_US));
            CHECK(error == 0 || error == -ENOMEM);
            note(t, error);
            spawned++;
        }
        note(t, bide_scope_wait(&s));
    }
    CHECK_EQ(t->begun, t->ended);
}

static void joins(struct tally *t)
{
    bide_let a = bide_async(child, t);
    bide_let b = bide_async(child, t);
    bide_let c = bide_async(child, t);
    bide_let leaf = bide_async(bide_sleep, BIDE_MS);
    int error = bide_join(&a, &b, &c, &leaf);
    CHECK(error == 0 || error == -ENOMEM);
    note(t, error);
    CHECK_EQ(bide_state(&leaf), BIDE_DONE);
    CHECK_EQ(bide_error(&a) | bide_error(&b) | bide_error(&c), error);
    if (!error)
        CHECK_EQ(a.value | b.value | c.value, 0);

    bide_let d = bide_async(child, t);
    bide_let e = bide_async(child, t);
    error = bide_try_join(&d, &e, bide_async(bide_sleep, BIDE_MS));
    CHECK(error == 0 || error == -ENOMEM);
    note(t, error);

    bide_let slow = bide_async(bide_sleep, 3600 * BIDE_S);
    bide_let fast = bide_async(child, t);
    bide_let other = bide_async(child, t);
    int first = bide_race(&slow, &fast, &other);
    CHECK(first == 1 || first == 2 || first == -ENOMEM);
    CHECK_EQ(slow.value, -ECANCELED);
    note(t, first);

    bide_let bounded = bide_async(child, t);
    error = bide_within(3600 * BIDE_S, &bounded);
    CHECK_EQ(error, 0);
    note(t, bounded.value);
    CHECK_EQ(t->begun, t->ended);
}

static int give_seven(void *arg)
{
    (void)arg;
    return 7;
}

static int give_eight(void)
{
    return 8;
}
BIDE_ASYNC(int, give_eight)

static void pool(struct tally *t)
{
    int value = bide_offload_call(give_seven, NULL);
    CHECK(value == 7 || value == -EAGAIN || value == -ENOMEM);
    note(t, value);
    bide_let f = bide_async(give_eight);
    value = bide_offload(&f);
    CHECK_EQ(value < 0 ? bide_error(&f) : 8, value);
    note(t, value);
    bide_let a = bide_async(bide_offload_call, give_seven, NULL);
    bide_let b = bide_async(bide_offload_call, give_seven, NULL);
    CHECK_EQ(bide_join(&a, &b), 0);
    note(t, a.value);
    note(t, b.value);
}

static int echo_once(int listener)
{
    char buf[16];
    int fd = bide_accept(listener, NULL, NULL, 0);
    if (fd < 0)
        return fd;
    ssize_t n = bide_recv(fd, buf, sizeof(buf), 0);
    if (n > 0)
        n = bide_send_all(fd, buf, (size_t)n, 0);
    bide_close(fd);
    return (int)n;
}
BIDE_ASYNC(int, echo_once, int)

static int call_once(uint16_t port)
{
    char buf[16];
    int fd = bide_tcp_dial("127.0.0.1", port, NULL);
    if (fd < 0)
        return fd;
    ssize_t n = bide_send(fd, "hello", 5, 0);
    if (n == 5)
        n = bide_recv(fd, buf, sizeof(buf), 0);
    bide_close(fd);
    return (int)n;
}
BIDE_ASYNC(int, call_once, uint16_t)

static void sockets(struct tally *t)
{
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    note(t, listener);
    if (listener < 0)
        return;
    int port = bide_tcp_port(listener);
    CHECK(port > 0);
    bide_let server = bide_async(echo_once, listener);
    bide_let client = bide_async(call_once, (uint16_t)port);
    int error = bide_try_join(&server, &client);
    note(t, error);
    if (!error)
        CHECK_EQ(server.value, 5); /* the client may have met the failure and closed: 0 */
    bide_close(listener);
}

static void files(struct tally *t)
{
    char path[64], buf[8] = "";
    snprintf(path, sizeof(path), "/tmp/bide-fault-%d", getpid());
    int fd = bide_open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    note(t, fd);
    if (fd >= 0) {
        struct stat st;
        note(t, bide_write(fd, "hello", 5));
        note(t, bide_pread(fd, buf, sizeof(buf), 0));
        note(t, bide_fsync(fd));
        note(t, bide_fstat(fd, &st));
        CHECK_EQ(bide_close(fd), 0);
    }
    int error = bide_unlink(path);
    note(t, error);
    if (error)
        unlink(path);
}

static int write_later(int fd)
{
    bide_sleep(BIDE_US);
    return (int)bide_write(fd, "x", 1);
}
BIDE_ASYNC(int, write_later, int)

static void pipes(struct tally *t)
{
    int ends[2];
    char c;
    CHECK_EQ(pipe(ends), 0);
    bide_let reader = bide_async(bide_read, ends[0], &c, 1);
    bide_let writer = bide_async(write_later, ends[1]);
    note(t, bide_try_join(&reader, &writer));
    bide_close(ends[0]);
    bide_close(ends[1]);
}


static void promises(struct tally *t)
{
    BIDE_PROMISE(int) p;
    bide_promise_init(&p);
    note(t, bide_within(BIDE_US, &p) == -ETIMEDOUT ? 0 : -1);
    CHECK_EQ(bide_resolve(&p, 1), -ECANCELED);
    note(t, bide_within(BIDE_US, bide_async(bide_signal, SIGUSR2)));
    bide_signal_release(SIGUSR2);
}

static void processes(struct tally *t)
{
    struct bide_process_output out = { 0 };
    struct bide_process_options cat = { .argv = BIDE_STRINGS("cat"),
                                        .env_add = BIDE_STRINGS("BIDE_TEST=1"),
                                        .err = BIDE_STDIO_FD(STDERR_FILENO) };
    int status = bide_process_run(&cat, "hello", 5, &out, NULL);
    note(t, status);
    CHECK(status <= 0);
    if (!status)
        CHECK_STR(out.data, "hello");
    free(out.data);
    struct bide_process_options sleeping = { .argv = BIDE_STRINGS("sleep", "3600") };
    BIDE_PROCESS(p, &sleeping) {
        note(t, p.status);
        if (p.pid)
            CHECK_EQ(bide_within(BIDE_US, bide_async(bide_process_wait, &p)), -ETIMEDOUT);
    }
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static void file_watches(struct tally *t)
{
    char dir[64], path[80];
    snprintf(dir, sizeof(dir), "/tmp/bide-fault-%d-XXXXXX", getpid());
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/a", dir);
    struct bide_file_watch w;
    struct bide_file_event event;
    int error = bide_file_watch_init(&w);
    note(t, error);
    if (!error) {
        int id = bide_file_watch_add(&w, dir, IN_CREATE);
        note(t, id);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        if (id > 0)
            note(t, bide_file_watch_next(&w, &event));
        bide_file_watch_release(&w);
        unlink(path);
    }
    CHECK_EQ(rmdir(dir), 0);
}

static void channels(struct tally *t)
{
    struct bide_chan c;
    struct bide_watch w;
    int received = 0, sent = 0, value;
    int error = bide_chan_init(&c, sizeof(int), 4);
    note(t, error);
    if (!error)
        bide_chan_release(&c);
    CHECK_EQ(bide_chan_init(&c, sizeof(int), BIDE_CHAN_UNBOUNDED), 0);
    for (int i = 0; i < 40; i++) {
        error = bide_chan_send(&c, &i);
        note(t, error);
        sent += !error;
    }
    while (bide_chan_try_recv(&c, &value) == 0)
        received++;
    CHECK_EQ(received, sent);
    bide_chan_release(&c);
    error = bide_watch_init(&w, sizeof(int), &(int){ 1 });
    note(t, error);
    if (!error)
        bide_watch_release(&w);
}

static int everything(struct tally *t)
{
    scopes(t);
    joins(t);
    pool(t);
    sockets(t);
    files(t);
    pipes(t);
    promises(t);
    processes(t);
    file_watches(t);
    channels(t);
    check_quiet();
    return 1;
}
BIDE_ASYNC(int, everything, struct tally *)

/* ---- the k-th fails ---- */

static void run_with_kth_failing(int k)
{
    struct tally t = { 0 };
    bide_let f = bide_async(everything, &t);
    atomic_store(&failed, 0);
    atomic_store(&countdown, k);
    bide__fault = fail_kth;
    int result = bide_run(&f);
    bide__fault = NULL;
    if (result < 0) { /* no runtime */
        CHECK_EQ(bide_error(&f), result);
        CHECK(expected(result));
        CHECK_EQ(t.begun, 0);
    } else {
        CHECK_EQ(result, 1);
    }
    if (!atomic_load(&failed))
        CHECK_EQ(t.errors, 0);
}

TEST(every_acquisition_fails_in_turn)
{
    int descriptors = open_descriptors(), k = 0;
    do {
        int before = atomic_load(&test_failures);
        run_with_kth_failing(k);
        if (atomic_load(&test_failures) != before)
            printf("     with the %d-th acquisition failing\n", k);
        CHECK_EQ(open_descriptors(), descriptors);
    } while (atomic_load(&failed) && ++k < 10000);
    CHECK(k > 10 && k < 10000);
}

/* All from the k-th on. */
static bool fail_from_kth(void)
{
    if (atomic_fetch_sub(&countdown, 1) > 0)
        return false;
    atomic_store(&failed, 1);
    return true;
}

TEST(all_acquisitions_fail_from_one_on)
{
    int descriptors = open_descriptors(), k = 0;
    do {
        struct tally t = { 0 };
        bide_let f = bide_async(everything, &t);
        int before = atomic_load(&test_failures);
        atomic_store(&failed, 0);
        atomic_store(&countdown, k);
        bide__fault = fail_from_kth;
        int result = bide_run(&f);
        bide__fault = NULL;
        CHECK(result == 1 || expected(result));
        if (atomic_load(&test_failures) != before)
            printf("     with all failing from the %d-th on\n", k);
        CHECK_EQ(open_descriptors(), descriptors);
    } while (atomic_load(&failed) && ++k < 10000);
    CHECK(k > 10 && k < 10000);
}

/* ---- outside a runtime ---- */

TEST(no_runtime_for_a_join)
{
    struct tally t = { 0 };
    bide_let a = bide_async(child, &t);
    bide_let b = bide_async(child, &t);
    atomic_store(&countdown, 0);
    bide__fault = fail_kth;
    int error = bide_join(&a, &b);
    bide__fault = NULL;
    CHECK_EQ(error, -ENOMEM);
    CHECK_EQ(t.begun, 0);
    CHECK_EQ(bide_state(&a), BIDE_COLD);
}

TEST(no_runtime_for_a_scope)
{
    struct tally t = { 0 };
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(child, &t)), 0);
        CHECK_EQ(bide_spawn(&s, bide_async(child, &t)), 0);
        atomic_store(&countdown, 0);
        bide__fault = fail_kth;
        CHECK_EQ(bide_spawn(&s, bide_async(child, &t)), -ENOMEM);
        atomic_store(&countdown, 0);
        CHECK_EQ(bide_scope_wait(&s), -ENOMEM);
        bide__fault = NULL;
    }
    CHECK_EQ(t.begun, 0);
}

TEST_MAIN()
