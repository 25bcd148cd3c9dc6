/*
 * bare_aarch64.c - switching stacks with nothing around it: keep the instruction, stack and frame
 * pointers, load the other three, jump. The compiler saves the registers that it needs afterwards.
 */
#include "bare.h"

#include <stdint.h>

struct place {
    void *pc, *sp, *fp;
};

static struct place here, there;
static _Alignas(64) unsigned char stack[16384];

#define SWITCH(from, to)                                                                       \
    do {                                                                                       \
        register struct place *from_ __asm__("x0") = (from);                                   \
        register struct place *to_ __asm__("x1") = (to);                                       \
        __asm__ volatile("adr x9, 1f\n\t"                                                      \
                         "mov x10, sp\n\t"                                                     \
                         "stp x9, x10, [x0]\n\t"                                               \
                         "str x29, [x0, #16]\n\t"                                              \
                         "ldp x9, x10, [x1]\n\t"                                               \
                         "ldr x29, [x1, #16]\n\t"                                              \
                         "mov sp, x10\n\t"                                                     \
                         "br x9\n"                                                             \
                         "1:"                                                                  \
                         : "+r"(from_), "+r"(to_)                                              \
                         :                                                                     \
                         : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",       \
                           "x12", "x13", "x14", "x15", "x16", "x17", "x19", "x20", "x21",      \
                           "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", \
                           "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",       \
                           "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",      \
                           "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",      \
                           "v30", "v31", "memory", "cc");                                      \
    } while (0)

static _Noreturn void other(void)
{
    for (;;)
        SWITCH(&there, &here);
}

void bare_switch(void *arg, long n)
{
    (void)arg;
    there = (struct place){ (void *)(uintptr_t)other, stack + sizeof(stack) - 16, 0 };
    for (long i = 0; i < n; i += 2) /* there and back are two */
        SWITCH(&here, &there);
}
