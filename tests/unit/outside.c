/* outside.c - the same functions in a plain thread: operations block, whatever O_NONBLOCK says. */
#include "fiber.h"

#include <bide/net.h>
#include <pthread.h>
#include <sys/stat.h>

struct job {
    int fd;
    const char *data;
    size_t size;
};

static void *write_later(void *arg)
{
    struct job *job = arg;
    usleep(2000);
    return (void *)(intptr_t)bide_write_all(job->fd, job->data, job->size);
}

static void *drain_later(void *arg)
{
    struct job *job = arg;
    char block[4096];
    size_t done = 0;
    usleep(2000);
    while (done < job->size) {
        ssize_t n = bide_read(job->fd, block, sizeof(block));
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return (void *)(intptr_t)done;
}

TEST(pipes_block)
{
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        int ends[2];
        char buf[8];
        pthread_t thread;
        void *result;
        CHECK_EQ(pipe2(ends, nonblocking ? O_NONBLOCK : 0), 0);
        struct job in = { ends[1], "hello", 5 };
        CHECK_EQ(pthread_create(&thread, NULL, write_later, &in), 0);
        CHECK_EQ(bide_read(ends[0], buf, sizeof(buf)), 5);
        pthread_join(thread, NULL);
        size_t size = 300000;
        char *data = calloc(1, size);
        struct job out = { ends[0], NULL, size };
        CHECK_EQ(pthread_create(&thread, NULL, drain_later, &out), 0);
        CHECK_EQ(bide_write_all(ends[1], data, size), size);
        pthread_join(thread, &result);
        CHECK_EQ((intptr_t)result, size);
        free(data);
        bide_close(ends[1]);
        CHECK_EQ(bide_read(ends[0], buf, sizeof(buf)), 0);
        bide_close(ends[0]);
    }
}

TEST(writing_to_nobody)
{
    int ends[2];
    struct iovec part = { "x", 1 };
    CHECK_EQ(pipe(ends), 0);
    bide_close(ends[0]);
    CHECK_EQ(bide_write(ends[1], "x", 1), -EPIPE);
    CHECK_EQ(bide_writev(ends[1], &part, 1), -EPIPE);
    CHECK_EQ(bide_close(ends[1]), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    bide_close(ends[0]);
    CHECK_EQ(bide_send(ends[1], "x", 1, 0), -EPIPE);
    CHECK_EQ(bide_write(ends[1], "x", 1), -EPIPE);
    CHECK_EQ(bide_close(ends[1]), 0);
}

static void *serve(void *arg)
{
    char buf[16];
    int fd = bide_accept(*(int *)arg, NULL, NULL, 0);
    ssize_t n = bide_recv(fd, buf, sizeof(buf), 0);
    n = bide_send(fd, buf, (size_t)n, 0);
    bide_close(fd);
    return (void *)(intptr_t)n;
}

TEST(tcp)
{
    char buf[16];
    pthread_t thread;
    int listener = bide_tcp_listen("127.0.0.1", 0, NULL);
    CHECK(listener >= 0);
    CHECK_EQ(pthread_create(&thread, NULL, serve, &listener), 0);
    int fd = bide_tcp_dial("127.0.0.1", (uint16_t)bide_tcp_port(listener), NULL);
    CHECK(fd >= 0);
    CHECK_EQ(bide_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(bide_send_all(fd, "hello", 5, 0), 5);
    CHECK_EQ(bide_poll(fd, POLLIN), POLLIN);
    CHECK_EQ(bide_recv(fd, buf, sizeof(buf), 0), 5);
    CHECK_EQ(bide_recv(fd, buf, sizeof(buf), 0), 0);
    pthread_join(thread, NULL);
    int port = bide_tcp_port(listener);
    bide_close(fd);
    bide_close(listener);
    CHECK_EQ(bide_tcp_dial("127.0.0.1", (uint16_t)port, NULL), -ECONNREFUSED);
}

TEST(files)
{
    char path[64], buf[8] = "";
    struct stat st;
    snprintf(path, sizeof(path), "/tmp/bide-outside-%d", getpid());
    int fd = bide_open(path, O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(bide_pwrite(fd, "hello", 5, 0), 5);
    CHECK_EQ(bide_pread(fd, buf, sizeof(buf), 1), 4);
    CHECK_STR(buf, "ello");
    CHECK_EQ(bide_fsync(fd), 0);
    CHECK_EQ(bide_fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 5);
    CHECK_EQ(bide_unlink(path), 0);
    CHECK_EQ(bide_close(fd), 0);
    CHECK_EQ(bide_close(fd), -EBADF);
    CHECK_EQ(bide_read(fd, buf, 1), -EBADF);
}

static int add(int a, int b)
{
    bide_yield();
    return a + b;
}
BIDE_ASYNC(int, add, int, int)

TEST(driving)
{
    bide_let a = bide_async(add, 1, 2);
    bide_let b = bide_async(add, 3, 4);
    CHECK_EQ(bide_await(&a), 3);
    a = bide_async(add, 1, 2);
    CHECK_EQ(bide_join(&a, &b), 0);
    CHECK_EQ(a.value + b.value, 10);
    struct add_future many[3] = { bide_async(add, 1, 1), bide_async(add, 2, 2),
                                  bide_async(add, 3, 3) };
    CHECK_EQ(bide_join_all(many, 3), 0);
    CHECK_EQ(many[2].value, 6);
    CHECK(bide_race(bide_async(bide_sleep, BIDE_S * 3600), bide_async(add, 1, 1)) == 1);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_sleep, BIDE_S * 3600)), -ETIMEDOUT);
    CHECK_EQ(bide_cancelled(), 0);
    bide_let c = bide_async(add, 1, 1);
    bide_cancel(&c);
    CHECK_EQ(bide_await(&c), -ECANCELED);
}

TEST_MAIN()
