/*
 * platform/context.h - switching from one stack to another.
 *
 * A switch stores where it stands and jumps to where the other stood. It saves the stack pointer,
 * the frame pointer and the place; the compiler is told that everything else is lost, so it saves
 * itself what it still needs. The jump is a jmp: a ret would miss the return predictor.
 * Signal mask and floating-point modes are not switched (a fiber that changes the rounding mode
 * must put it back before it suspends).
 */
#ifndef BIDE_PLATFORM_CONTEXT_H
#define BIDE_PLATFORM_CONTEXT_H

#include <stddef.h>

struct bide__context {
    void *sp, *pc, *fp;
};

/* Where a new stack begins: ends the chain of frames for unwinders and calls bide__fiber_main,
 * which never returns. */
void bide__fiber_start(void);
void bide__fiber_main(void) __attribute__((noreturn, used));

/* Make *context start on the stack below top (16-byte aligned) when it is switched to. */
static inline void bide__context_init(struct bide__context *context, void *top)
{
    context->sp = top;
    context->pc = (void *)bide__fiber_start;
    context->fp = NULL;
}

#if defined(__x86_64__)

/* In a loop that waits for another core. */
static inline void bide__relax(void)
{
    __asm__ volatile("pause");
}

/* Vector and x87 registers are lost in any call (System V ABI), and this stands in a function of
 * its own; those that an inlining compiler might keep are named all the same. */
static inline __attribute__((always_inline)) void bide__context_switch(struct bide__context *from,
                                                                       struct bide__context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rax, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq 16(%1), %%rbp\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "jmpq *8(%1)\n"
                     "1:\n\t"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
                       "st(6)", "st(7)");
}

#elif defined(__aarch64__)

static inline void bide__relax(void)
{
    __asm__ volatile("yield");
}

static inline __attribute__((always_inline)) void bide__context_switch(struct bide__context *from,
                                                                       struct bide__context *to)
{
    register struct bide__context *x0 __asm__("x0") = from;
    register struct bide__context *x1 __asm__("x1") = to;
    __asm__ volatile("mov x9, sp\n\t"
                     "adr x10, 1f\n\t"
                     "stp x9, x10, [x0]\n\t"
                     "str x29, [x0, #16]\n\t"
                     "ldp x9, x10, [x1]\n\t"
                     "ldr x29, [x1, #16]\n\t"
                     "mov sp, x9\n\t"
                     "br x10\n"
                     "1:\n\t"
                     "hint #36\n\t" /* bti j */
                     : "+r"(x0), "+r"(x1)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
                       "x24", "x25", "x26", "x27", "x28", "x30", "memory", "cc", "v0", "v1", "v2",
                       "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                       "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
                       "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#else
#error "bide has no context switch for this processor: add one to platform/context.h"
#endif

#endif
