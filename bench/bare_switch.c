/* bare_switch.c - two stacks that take turns. Both run the same, as fibers of one kind would. */
#include "bare.h"

#include <limits.h>

static struct bare_place here, there;
static _Alignas(64) unsigned char stack[16384];

/* ---- nothing but switching ---- */

static __attribute__((noinline)) void switch_often(struct bare_place *from, struct bare_place *to,
                                                   long n)
{
    for (long i = 0; i < n; i++)
        bare_switch_stacks(from, to);
}

static void other(void)
{
    switch_often(&there, &here, LONG_MAX);
}

void bare_switch(void *arg, long n)
{
    (void)arg;
    there = bare_begin(other, stack + sizeof(stack));
    switch_often(&here, &there, n / 2); /* there and back are two */
}

/* ---- with a message ---- */

enum { ROOM = 4 };

struct ring {
    int values[ROOM];
    unsigned put, got;
};

static struct ring forth, back;

static __attribute__((noinline)) void pass(struct ring *in, struct ring *out,
                                           struct bare_place *from, struct bare_place *to, long n)
{
    int value = 0;

    for (long i = 0; i < n; i++) {
        while (out->put - out->got == ROOM)
            bare_switch_stacks(from, to);
        out->values[out->put++ % ROOM] = value;
        while (in->put == in->got)
            bare_switch_stacks(from, to);
        value = in->values[in->got++ % ROOM] + 1;
    }
}

static void other_side(void)
{
    pass(&forth, &back, &there, &here, LONG_MAX);
}

void bare_pingpong(void *arg, long n)
{
    (void)arg;
    forth = back = (struct ring){0};
    there = bare_begin(other_side, stack + sizeof(stack));
    pass(&back, &forth, &here, &there, n);
}
