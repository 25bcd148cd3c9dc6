/* tree.c - for tests/gdb/check.py: tasks that wait in all sorts of ways, for gdb to look at in
 * look_here. Everything in it has a name that is nowhere else. With an argument it aborts there. */
#include <bide/bide.h>
#include <bide/keywords.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct {
    struct bide_mutex mutex, last;
    struct bide_event go;
    atomic_int spread;
    int ends[2];
} shared;

__attribute__((noinline)) static int read_request(int fd)
{
    char byte;
    volatile int local_of_reader = 4711;
    ssize_t n = bide_recv(fd, &byte, 1, 0);
    return (int)n + local_of_reader;
}
ASYNC(int, read_request, int)

static int serve(int fd)
{
    bide_name("reader %d", 1);
    let request = async(read_request, fd);
    return await(&request);
}
ASYNC(int, serve, int)

static int hold_mutex(void)
{
    bide_name("writer");
    bide_mutex_lock(&shared.mutex);
    bide_event_wait(&shared.go);
    bide_mutex_unlock(&shared.mutex);
    return 0;
}
ASYNC(int, hold_mutex)

__attribute__((noinline)) static int deep(int depth)
{
    int error = depth ? deep(depth - 1) : bide_mutex_lock(&shared.mutex);
    __asm__ volatile("");
    return error;
}

static int want_mutex(int depth)
{
    int error = deep(depth);
    if (!error)
        bide_mutex_unlock(&shared.mutex);
    return error;
}
ASYNC(int, want_mutex, int)

static int join_both(void)
{
    return join(async(want_mutex, 3), async(bide_sleep, 3600 * BIDE_S));
}
ASYNC(int, join_both)

static int want_last(void)
{
    return bide_mutex_lock(&shared.last);
}
ASYNC(int, want_last)

static int on_any_worker(void)
{
    shared.spread++;
    return bide_event_wait(&shared.go);
}
ASYNC(int, on_any_worker)

/* A breakpoint in it is in an inlined frame. */
static inline __attribute__((always_inline)) void look_here(void)
{
    puts("all wait");
}

__attribute__((noinline)) static void stop_here(void)
{
    look_here();
    __asm__ volatile("");
}

/* Until all workers run: then bide_spawn_spread spreads over all of them. */
static void wait_for_workers(void)
{
    struct bide_stats stats = { 0 };
    scope(s)
        spawn_spread(&s, async(bide_yield));
    while (stats.workers < bide_worker_count() && bide_get_stats(&stats) == 0)
        bide_sleep(BIDE_MS);
}

static int whole(int aborts)
{
    bide_name("all of it");
    wait_for_workers();
    bide_mutex_lock(&shared.last);
    scope(s) {
        spawn(&s, async(serve, shared.ends[0]));
        spawn(&s, async(hold_mutex));
        spawn(&s, async(join_both));
        spawn(&s, async(want_last));
        for (int i = 0; i < 2; i++)
            spawn_spread(&s, async(on_any_worker));
        while (shared.spread < 2)
            bide_sleep(BIDE_MS);
        bide_sleep(100 * BIDE_MS);
        stop_here();
        if (aborts)
            abort();
        bide_event_set(&shared.go);
        bide_scope_cancel(&s);
    }
    return 0;
}
ASYNC(int, whole, int)

int main(int argc, char **argv)
{
    (void)argv;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, shared.ends) || bide_run(async(whole, argc > 1));
}
