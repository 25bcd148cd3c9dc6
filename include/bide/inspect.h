/*
 * bide/inspect.h - what a program is doing: the tree of its scopes and futures.
 *
 *     bide_dump(STDERR_FILENO);
 *
 * shows each task with its name and function, its state, what it waits for and how long, the
 * deadline that it has inherited, its worker, how much of its stack it uses, and where it was
 * spawned. Nothing is kept for it beforehand: the tree is walked when one asks.
 *
 * Each worker shows its own tasks, in between running them; who asks puts them together. So no
 * worker waits for another, and tasks of different workers are shown as of slightly different
 * moments. A worker that does not answer within 100 ms, because a task holds it, is named together
 * with that task, and the others are shown.
 */
#ifndef BIDE_INSPECT_H
#define BIDE_INSPECT_H

#include <bide/base.h>

/* How to show it. Zero everywhere is what bide_dump does. */
struct bide_dump_options {
    unsigned json : 1;  /* one JSON object instead of text: docs/inspection.md has its form */
    unsigned brief : 1; /* names, states and waits alone: no times, workers, stacks, ids, sites;
                           for one who compares */
    unsigned backtraces : 1; /* with where each suspended stack stands, a frame a line. That takes
                                some microseconds a stack; the first one loads a library */
};

/*
 * bide_dump - write all tasks to fd, as text.
 *
 * @fd  borrowed for the call
 *
 * Returns  0, or
 * Errors   -ENOMEM, or those of bide_write; -EOPNOTSUPP in a function that a simulation (sim.h)
 *          has offloaded. A worker that has not the memory for all of its tasks shows those that
 *          it could, and says so; that is no error.
 * Cancel   it is not cancelled: a task that was cancelled already may dump, too.
 * Context  fiber: it shows the tasks of its runtime, and may suspend. A plain thread: it blocks,
 *          and shows those of all runtimes of the process. Not inside a callback that must not
 *          suspend, nor in a signal handler (bide_config.dump_on_sigquit is for that).
 */
BIDE_SUSPENDS BIDE_API int bide_dump(int fd);

/*
 * bide_dump_with - the same into memory.
 *
 * @options   borrowed for the call; may be NULL
 * @ret_text  owned by the caller: free(3). It ends with a newline and a 0. Untouched on failure
 * @ret_size  its length in bytes without the 0; may be NULL. Untouched on failure
 *
 * Returns, cancellation and context are those of bide_dump.
 */
BIDE_SUSPENDS BIDE_API int bide_dump_with(const struct bide_dump_options *options,
                                          char **ret_text, size_t *ret_size);

#endif
