#include "platform/context.h"

/* The return address is marked undefined and the frame pointer zeroed: unwinders stop here. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl bide__fiber_start\n"
        ".hidden bide__fiber_start\n"
        ".type bide__fiber_start, @function\n"
        "bide__fiber_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined rip\n"
        "endbr64\n"
        "xorl %ebp, %ebp\n"
        "call bide__fiber_main\n"
        "ud2\n"
        ".cfi_endproc\n"
        ".size bide__fiber_start, . - bide__fiber_start\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl bide__fiber_start\n"
        ".hidden bide__fiber_start\n"
        ".type bide__fiber_start, %function\n"
        "bide__fiber_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "hint #36\n"
        "mov x29, #0\n"
        "mov x30, #0\n"
        "bl bide__fiber_main\n"
        "brk #0\n"
        ".cfi_endproc\n"
        ".size bide__fiber_start, . - bide__fiber_start\n");
#endif
