/*
 * core_calls.c - what costs nanoseconds: await, yield, spawn, join. Each is measured inside a
 * runtime, in turns with its bare mechanism.
 */
#include "bare.h"
#include "bench.h"
#include "core.h"
#include "loops.h"
#include "opaque.h"

#include <bide/bide.h>
#include <stdlib.h>

/* ---- await_cold ---------------------------------------------------------------------------- */

static volatile long total; /* what the functions return is seen, so the compiler keeps them */

BIDE_ASYNC(long, add, long, long)

static void await_add(void *arg, long n)
{
    long sum = 0;

    (void)arg;
    for (long i = 0; i < n; i++)
        sum += bide_await(bide_async(add, i, 1));
    total = sum;
}

/* In place: the future has an address, and its place in the tree. */
static void await_add_in_place(void *arg, long n)
{
    long sum = 0;

    (void)arg;
    for (long i = 0; i < n; i++) {
        bide_let f = bide_async(add, i, 1);
        sum += bide_await(&f);
    }
    total = sum;
}

static void call_add(void *arg, long n)
{
    long sum = 0;

    (void)arg;
    for (long i = 0; i < n; i++)
        sum += add(i, 1);
    total = sum;
}

void bench_await_cold(void)
{
    core_compare("await_cold", await_add, "bare_call", call_add, 2, 2);
    core_compare("await_cold_pointer", await_add_in_place, "bare_call", call_add, 0, 0);
}

/* ---- yield --------------------------------------------------------------------------------- */

void bench_yield(void)
{
    core_compare("yield", yield_in_turns, "bare_switch", bare_switch, 12, 3);
}

/* ---- spawn_join ---------------------------------------------------------------------------- */

/* A callback in a queue, of the size of a spawned future, from a list of free ones. */
struct callback {
    struct callback *next;
    void (*call)(struct callback *self);
    long arguments[6];
};

static struct callback *free_callbacks;

static void call_nothing(struct callback *self)
{
    (void)self;
    nothing();
}

static void queue_callbacks(void *arg, long n)
{
    (void)arg;
    for (long i = 0; i < n; i += BATCH) {
        struct callback *first = NULL, **last = &first;
        for (int k = 0; k < BATCH; k++) {
            struct callback *c = free_callbacks;
            if (c)
                free_callbacks = c->next;
            else if (!(c = malloc(sizeof(*c))))
                abort();
            *c = (struct callback){.call = call_nothing};
            *last = c;
            last = &c->next;
        }
        while (first) {
            struct callback *c = first;
            first = c->next;
            c->call(c);
            c->next = free_callbacks;
            free_callbacks = c;
        }
    }
}

void bench_spawn_join(void)
{
    core_compare("spawn_join", spawn_nothings, "bare_callback", queue_callbacks, 30, 0);
}

/* ---- join2 --------------------------------------------------------------------------------- */

static void join_adds(void *arg, long n)
{
    long sum = 0;

    (void)arg;
    for (long i = 0; i < n; i++) {
        bide_let a = bide_async(add, i, 1);
        bide_let b = bide_async(add, i, 2);
        bide_join(&a, &b);
        sum += a.value + b.value;
    }
    total = sum;
}

static void call_adds(void *arg, long n)
{
    long sum = 0;

    (void)arg;
    for (long i = 0; i < n; i++)
        sum += add(i, 1) + add(i, 2);
    total = sum;
}

void bench_join2(void)
{
    core_compare("join2", join_adds, "bare_two_calls", call_adds, 15, 0);
}
