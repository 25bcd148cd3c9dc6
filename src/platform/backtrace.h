/*
 * platform/backtrace.h - where a suspended stack stands, and what a frame is called.
 */
#ifndef BIDE_PLATFORM_BACKTRACE_H
#define BIDE_PLATFORM_BACKTRACE_H

#include "platform/context.h"

enum { BIDE__FRAMES_MAX = 128 };

/*
 * bide__context_backtrace - the frames of a stack that is not running, innermost first.
 *
 * @context     of a switch that left that stack; it must not be switched to meanwhile. So the
 *              caller runs on its worker, on another stack.
 * @ret_frames  room for max addresses: first where the stack goes on, in bide__switch, then return
 *              addresses. Subtract 1 before looking up whose they are: a call may be the last
 *              instruction of its function.
 * @max         >= 1; no more than BIDE__FRAMES_MAX are ever found
 *
 * Returns  the number of frames. The trace ends early, without an error, at code that has no
 *          unwind tables. 0: there is no unwinder.
 * Context  no signal handler: the first call in a process loads a library and allocates.
 */
int bide__context_backtrace(const struct bide__context *context, void **ret_frames, int max);

/*
 * bide__frame_text - "function+0x1f (file+0x2a40)", or as much of that as is known.
 *
 * Static functions, and without -rdynamic those of an executable, are given by file and offset,
 * for addr2line(1). Returns the length as snprintf(3).
 */
int bide__frame_text(const void *frame, char *to, size_t size);

#endif
