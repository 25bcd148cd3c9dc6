/*
 * platform/backtrace.c - the unwinder of backtrace(3), sent to another stack.
 *
 * bide__backtrace_at calls backtrace(3) here, on the stack that runs. But its unwind table says of
 * the caller what a struct bide__context says: its stack pointer, frame pointer and place. All
 * other registers were spilled before the switch, so the tables of the function that switches have
 * them. So nothing runs on the suspended stack, and nothing is added to a switch.
 */
#include "platform/backtrace.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>

/* backtrace(frames, max), as if called at *context. */
int bide__backtrace_at(void **frames, int max, const struct bide__context *context);

/*
 * In the escapes: 0x0f, the canonical frame address, which is the caller's stack pointer, is the
 * first word of the context; 0x10, the saved register so-and-so lies in its second, or third. They
 * hold for the call alone. signal_frame: the place need not be behind a call.
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl bide__backtrace_at\n"
        ".hidden bide__backtrace_at\n"
        ".type bide__backtrace_at, @function\n"
        "bide__backtrace_at:\n"
        ".cfi_startproc\n"
        ".cfi_signal_frame\n"
        "endbr64\n"
        "pushq %rbx\n"
        ".cfi_adjust_cfa_offset 8\n"
        ".cfi_rel_offset rbx, 0\n"
        "movq %rdx, %rbx\n"
        ".cfi_remember_state\n"
        ".cfi_escape 0x0f, 3, 0x73, 0, 0x06\n" /* *(rbx + 0) */
        ".cfi_escape 0x10, 16, 2, 0x73, 8\n"   /* rip: rbx + 8 */
        ".cfi_escape 0x10, 6, 2, 0x73, 16\n"   /* rbp: rbx + 16 */
        ".cfi_same_value rbx\n"
        "call backtrace@PLT\n"
        ".cfi_restore_state\n"
        "popq %rbx\n"
        ".cfi_adjust_cfa_offset -8\n"
        ".cfi_restore rbx\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size bide__backtrace_at, . - bide__backtrace_at\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl bide__backtrace_at\n"
        ".hidden bide__backtrace_at\n"
        ".type bide__backtrace_at, %function\n"
        "bide__backtrace_at:\n"
        ".cfi_startproc\n"
        ".cfi_signal_frame\n"
        "hint #34\n" /* bti c */
        "stp x19, x30, [sp, #-16]!\n"
        ".cfi_adjust_cfa_offset 16\n"
        ".cfi_rel_offset x19, 0\n"
        ".cfi_rel_offset x30, 8\n"
        "mov x19, x2\n"
        ".cfi_remember_state\n"
        ".cfi_escape 0x0f, 3, 0x83, 0, 0x06\n" /* *(x19 + 0) */
        ".cfi_escape 0x10, 30, 2, 0x83, 8\n"   /* x30, which is the place: x19 + 8 */
        ".cfi_escape 0x10, 29, 2, 0x83, 16\n"  /* x29: x19 + 16 */
        ".cfi_same_value x19\n"
        "bl backtrace\n"
        ".cfi_restore_state\n"
        "ldp x19, x30, [sp], #16\n"
        ".cfi_adjust_cfa_offset -16\n"
        ".cfi_restore x19\n"
        ".cfi_restore x30\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size bide__backtrace_at, . - bide__backtrace_at\n");
#endif
_Static_assert(offsetof(struct bide__context, sp) == 0 &&
                   offsetof(struct bide__context, pc) == 8 &&
                   offsetof(struct bide__context, fp) == 16,
               "the escapes know where they are");

enum { OWN_FRAMES = 8 }; /* at most: bide__backtrace_at, and a sanitizer's around backtrace */

int bide__context_backtrace(const struct bide__context *context, void **ret_frames, int max)
{
    void *frames[BIDE__FRAMES_MAX + OWN_FRAMES];
    if (max > BIDE__FRAMES_MAX)
        max = BIDE__FRAMES_MAX;
    int count = bide__backtrace_at(frames, max + OWN_FRAMES, context), own = 0, n = 0;
    while (own < count && frames[own] != context->pc)
        own++;
    while (n < max && own + n < count) {
        ret_frames[n] = frames[own + n];
        n++;
    }
    return n;
}

int bide__frame_text(const void *frame, char *to, size_t size)
{
    Dl_info info;
    size_t at = (size_t)frame;
    if (!dladdr((const char *)frame - 1, &info) || !info.dli_fname)
        return snprintf(to, size, "0x%zx", at);
    size_t in_file = at - (size_t)info.dli_fbase;
    if (!info.dli_sname)
        return snprintf(to, size, "%s+0x%zx", info.dli_fname, in_file);
    return snprintf(to, size, "%s+0x%zx (%s+0x%zx)", info.dli_sname, at - (size_t)info.dli_saddr,
                    info.dli_fname, in_file);
}
