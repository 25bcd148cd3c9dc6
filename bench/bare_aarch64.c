/*
 * bare_aarch64.c - switching stacks with nothing around it: keep the instruction, stack and frame
 * pointers, load the other three, jump. The compiler saves the registers that it needs afterwards.
 */
#include "bare.h"

#include <stddef.h>
#include <stdint.h>

/* A call, as programs make it: what it returns to is predicted by where it was called from. */
void bare_switch_stacks(struct bare_place *from, struct bare_place *to)
{
    register struct bare_place *x0 __asm__("x0") = from;
    register struct bare_place *x1 __asm__("x1") = to;

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

struct bare_place bare_begin(void (*fn)(void), void *top)
{
    return (struct bare_place){(void *)(uintptr_t)fn, (unsigned char *)top - 16, NULL};
}
