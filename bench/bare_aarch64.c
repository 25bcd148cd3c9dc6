/*
 * bare_aarch64.c - switching stacks with nothing around it: keep the instruction, stack and frame
 * pointers, load the other three, jump. The compiler saves the registers that it needs afterwards.
 */
#include "bare.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct place {
    void *pc, *sp, *fp;
};

static struct place here, there;
static _Alignas(64) unsigned char stack[16384];

/* A call, as programs make it: what it returns to is predicted by where it was called from. */
static __attribute__((noinline)) void switch_stacks(struct place *from, struct place *to)
{
    register struct place *x0 __asm__("x0") = from;
    register struct place *x1 __asm__("x1") = to;

    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x9, x10, [x0]\n\t"
                     "str x29, [x0, #16]\n\t"
                     "ldp x9, x10, [x1]\n\t"
                     "ldr x29, [x1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x9\n"
                     "1:"
                     : "+r"(x0), "+r"(x1)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24",
                       "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6",
                       "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
                       "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
                       "v29", "v30", "v31", "memory", "cc");
}

/* Both sides run this, as fibers of one kind would. */
static __attribute__((noinline)) void switch_often(struct place *from, struct place *to, long n)
{
    for (long i = 0; i < n; i++)
        switch_stacks(from, to);
}

static void other(void)
{
    switch_often(&there, &here, LONG_MAX);
}

void bare_switch(void *arg, long n)
{
    (void)arg;
    there = (struct place){(void *)(uintptr_t)other, stack + sizeof(stack) - 16, NULL};
    switch_often(&here, &there, n / 2); /* there and back are two */
}
