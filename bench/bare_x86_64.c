/*
 * bare_x86_64.c - switching stacks with nothing around it: keep the instruction, stack and frame
 * pointers, load the other three, jump. The compiler saves the registers that it needs afterwards.
 */
#include "bare.h"

#include <stddef.h>
#include <stdint.h>

/* A call, as programs make it: what it returns to is predicted by where it was called from. */
void bare_switch_stacks(struct bare_place *from, struct bare_place *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, 0(%0)\n\t"
                     "movq %%rsp, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq 16(%1), %%rbp\n\t"
                     "movq 8(%1), %%rsp\n\t"
                     "jmpq *0(%1)\n"
                     "1:"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "memory", "cc");
}

/* As after a call: 8 below a multiple of 16. */
struct bare_place bare_begin(void (*fn)(void), void *top)
{
    return (struct bare_place){(void *)(uintptr_t)fn, (unsigned char *)top - 24, NULL};
}
