/*
 * peer.c - the rows of bench-peers on libuv: peer ROW N. Prints nanoseconds of one of N operations,
 * a line for each batch after the first. libuv has no tasks: where others have one, here is a
 * handle with a callback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BATCHES = 6, SPAWNED = 1000, SLEEP_MS = 2000, NOT_OFFERED = 77, BUFFER = 512 };

static uv_loop_t *loop;

static void check(int error)
{
    if (error < 0) {
        fprintf(stderr, "libuv: %s\n", uv_strerror(error));
        exit(1);
    }
}

static void *allocate(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size);
    if (!memory)
        exit(1);
    return memory;
}

static void report(int batch, uint64_t begin, long operations)
{
    if (batch)
        printf("%.3f\n", (double)(uv_hrtime() - begin) / (double)operations);
}

/* ---- spawn_2: the pool of two threads ------------------------------------------------------- */

static long works_left; /* of those not queued yet */
static int works_over;
static uv_work_t works[SPAWNED];

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void queue_works(void);

static void after_nothing(uv_work_t *work, int status)
{
    (void)work, (void)status;
    if (++works_over == SPAWNED && works_left)
        queue_works();
}

static void queue_works(void)
{
    works_over = 0;
    works_left -= SPAWNED;
    for (int i = 0; i < SPAWNED; i++)
        check(uv_queue_work(loop, &works[i], nothing, after_nothing));
}

static int spawn_2(long n)
{
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    for (int i = 0; i < BATCHES; i++) {
        uint64_t begin = uv_hrtime();
        works_left = n;
        queue_works();
        uv_run(loop, UV_RUN_DEFAULT);
        report(i, begin, n);
    }
    return 0;
}

/* ---- channel_2: a loop on each of two threads ----------------------------------------------- */

static uv_async_t question, answer;
static uv_sem_t answering;
static long asked;

static void on_question(uv_async_t *handle)
{
    (void)handle;
    uv_async_send(&answer);
}

static void answer_thread(void *arg)
{
    uv_loop_t other;
    (void)arg;
    check(uv_loop_init(&other));
    check(uv_async_init(&other, &question, on_question));
    uv_sem_post(&answering);
    uv_run(&other, UV_RUN_DEFAULT);
}

static void on_answer(uv_async_t *handle)
{
    (void)handle;
    if (--asked)
        uv_async_send(&question);
    else
        uv_stop(loop);
}

static int channel_2(long n)
{
    uv_thread_t thread;
    check(uv_sem_init(&answering, 0));
    check(uv_async_init(loop, &answer, on_answer));
    check(uv_thread_create(&thread, answer_thread, NULL));
    uv_sem_wait(&answering);
    for (int i = 0; i < BATCHES; i++) {
        uint64_t begin = uv_hrtime();
        asked = n;
        uv_async_send(&question);
        uv_run(loop, UV_RUN_DEFAULT);
        report(i, begin, n);
    }
    fflush(stdout);
    _Exit(0);
}

/* ---- what sleeps --------------------------------------------------------------------------- */

static void on_nap(uv_timer_t *timer)
{
    (void)timer;
}

static void start_naps(long n, uint64_t ms)
{
    uv_timer_t *timers = allocate((size_t)n, sizeof(*timers));
    uv_update_time(loop);
    for (long i = 0; i < n; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], on_nap, ms, 0);
    }
}

static int sleep_memory(long n)
{
    uv_timer_t forever;
    start_naps(n, 3600 * 1000);
    uv_timer_init(loop, &forever);
    uv_timer_start(&forever, on_nap, 3600 * 1000, 0);
    puts("asleep");
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}

static int sleep_time(long n)
{
    uint64_t begin = uv_hrtime();
    start_naps(n, SLEEP_MS);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("%lld\n", (long long)(uv_hrtime() - begin) - SLEEP_MS * 1000000LL);
    return 0;
}

struct pair {
    uv_timer_t ten, eight;
    int pending;
};

static long pairs_left;

static void on_one_closed(uv_handle_t *timer)
{
    struct pair *pair = timer->data;
    if (--pair->pending == 0)
        pairs_left--;
}

static void on_one(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_one_closed);
}

static void start_pairs(struct pair *pairs, long n)
{
    pairs_left = n;
    uv_update_time(loop);
    for (struct pair *p = pairs; p < pairs + n; p++) {
        uv_timer_init(loop, &p->ten);
        uv_timer_init(loop, &p->eight);
        p->ten.data = p->eight.data = p;
        p->pending = 2;
        uv_timer_start(&p->ten, on_one, 10, 0);
        uv_timer_start(&p->eight, on_one, 8, 0);
    }
}

static int sleep_pairs(long n)
{
    for (int i = 0; i < BATCHES; i++) {
        uint64_t begin = uv_hrtime();
        struct pair *pairs = allocate((size_t)n, sizeof(*pairs));
        start_pairs(pairs, n);
        uv_run(loop, UV_RUN_DEFAULT);
        free(pairs);
        if (pairs_left)
            return 1;
        report(i, begin, 1);
    }
    return 0;
}

/* ---- echo ---------------------------------------------------------------------------------- */

struct connection {
    uv_tcp_t tcp;
    char buffer[BUFFER];
};

struct answer {
    uv_write_t write;
    char bytes[BUFFER];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct connection *c = handle->data;
    (void)suggested;
    *ret_buffer = uv_buf_init(c->buffer, sizeof(c->buffer));
}

/* What the socket does not take at once is queued, in a copy. */
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    if (got <= 0) {
        if (got < 0)
            uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)got);
    int taken = uv_try_write(stream, &bytes, 1);
    if (taken == got)
        return;
    if (taken < 0)
        taken = 0;
    struct answer *rest = allocate(1, sizeof(*rest));
    memcpy(rest->bytes, buffer->base + taken, (size_t)(got - taken));
    bytes = uv_buf_init(rest->bytes, (unsigned)(got - taken));
    rest->write.data = rest;
    check(uv_write(&rest->write, stream, &bytes, 1, on_written));
}

static void on_connection(uv_stream_t *listener, int status)
{
    check(status);
    struct connection *c = allocate(1, sizeof(*c));
    check(uv_tcp_init(loop, &c->tcp));
    c->tcp.data = c;
    check(uv_accept(listener, (uv_stream_t *)&c->tcp));
    check(uv_tcp_nodelay(&c->tcp, 1));
    check(uv_read_start((uv_stream_t *)&c->tcp, on_buffer, on_read));
}

static int echo(int port)
{
    uv_tcp_t listener;
    struct sockaddr_in addr;
    check(uv_ip4_addr("127.0.0.1", port, &addr));
    check(uv_tcp_init(loop, &listener));
    check(uv_tcp_bind(&listener, (const struct sockaddr *)&addr, 0));
    check(uv_listen((uv_stream_t *)&listener, 4096, on_connection));
    return uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *row = argv[1];
    long n = atol(argv[2]);
    loop = uv_default_loop();
    if (strcmp(row, "spawn_2") == 0)
        return spawn_2(n);
    if (strcmp(row, "channel_2") == 0)
        return channel_2(n);
    if (strcmp(row, "sleep_memory") == 0)
        return sleep_memory(n);
    if (strcmp(row, "sleep_time") == 0)
        return sleep_time(n);
    if (strcmp(row, "sleep_pairs") == 0)
        return sleep_pairs(n);
    if (strcmp(row, "echo") == 0)
        return echo((int)n);
    return NOT_OFFERED;
}
