/* bare_threads.c - two threads that take turns, each on a core of its own. */
#include "bare.h"
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whose turn it is, on a line of its own. */
static _Alignas(64) unsigned turn; /* atomic */
static _Alignas(64) long turns;    /* of each */
static int spins;

static void pin(size_t core)
{
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof(cores), &cores);
}

static void wait_for(unsigned mine)
{
    unsigned seen;

    while ((seen = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != mine)
        if (!spins)
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void give_to(unsigned other)
{
    __atomic_store_n(&turn, other, __ATOMIC_RELEASE);
    if (!spins)
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *other_thread(void *arg)
{
    (void)arg;
    pin(BENCH_LOAD_CORE);
    for (long i = 0; i < turns; i++) {
        wait_for(1);
        give_to(0);
    }
    return NULL;
}

double bare_threads(long n, int spin)
{
    cpu_set_t before;
    pthread_t thread;

    sched_getaffinity(0, sizeof(before), &before);
    turn = 0;
    turns = n + 1;
    spins = spin;
    if (pthread_create(&thread, NULL, other_thread, NULL))
        abort();
    pin(BENCH_SERVER_CORE);
    give_to(1); /* once, until both are there */
    wait_for(0);
    double begin = bench_clock();
    for (long i = 0; i < n; i++) {
        give_to(1);
        wait_for(0);
    }
    double ns = (bench_clock() - begin) / (double)n;
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof(before), &before);
    return ns;
}
