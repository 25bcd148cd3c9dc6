/*
 * bide/process.h - child processes: started with pipes, waited for, and never left behind.
 *
 *     struct bide_process_options sort = { .argv = BIDE_STRINGS("sort", "-n"),
 *                                          .in = BIDE_STDIO_PIPE, .out = BIDE_STDIO_PIPE };
 *     BIDE_PROCESS(p, &sort) {
 *         bide_write_all(p.in, "2\n1\n", 4);
 *         bide_process_close_in(&p);
 *         n = bide_read_all(p.out, text, sizeof(text));
 *         status = bide_process_wait(&p);
 *     }                                      // it has ended here, whatever the way out
 *
 * or, for what ends by itself, bide_process_run below.
 *
 * A wait status is that of waitpid(2), never below 0: 0 when the process returned 0, and the macros
 * of <sys/wait.h> take it apart: WIFEXITED, WEXITSTATUS, WIFSIGNALED, WTERMSIG, WCOREDUMP.
 *
 * In the child all signals are unblocked and have their default actions, and only its standard
 * streams are open, and what the options pass on. SIGCHLD is not used: no handler, and children
 * that others have started are left alone. But a program that ignores SIGCHLD, or waits for any
 * child (wait(2), waitpid(-1)), takes the statuses away: -ECHILD.
 */
#ifndef BIDE_PROCESS_H
#define BIDE_PROCESS_H

#include <bide/io.h>
#include <bide/time.h>
#include <sys/wait.h>

/* What the child has as one of its standard streams. */
struct bide_stdio {
    int kind; /* enum bide__stdio */
    int fd;
};
#define BIDE_STDIO_INHERIT BIDE__STDIO(INHERIT, -1) /* ours */
#define BIDE_STDIO_NULL BIDE__STDIO(NULL, -1)       /* /dev/null */
#define BIDE_STDIO_PIPE BIDE__STDIO(PIPE, -1)       /* a pipe: bide_process.in, out, err */
#define BIDE_STDIO_FD(number) BIDE__STDIO(FD, number) /* a copy of this; borrowed for the start */
#define BIDE_STDIO_STDOUT BIDE__STDIO(STDOUT, -1)   /* err alone: where out goes */

/* A list of strings, ended by NULL, that lives as long as the block it stands in. */
#define BIDE_STRINGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* What to start, and how. Zero everywhere but in argv is a sensible default; all of it is borrowed
 * for the start. */
struct bide_process_options {
    const char *const *argv; /* the program and its arguments, ended by NULL: BIDE_STRINGS */
    const char *program;     /* the file; NULL: argv[0]. Without a slash it is looked for in PATH */
    const char *directory;   /* working directory, from which relative names count; NULL: ours */
    const char *const *env;  /* "NAME=value", ended by NULL; NULL: our environment */
    const char *const *env_add; /* on top of it: "NAME=value" puts in or replaces, "NAME" takes
                                   out; NULL: nothing */
    struct bide_stdio in, out, err;
    const int *pass;         /* further descriptors: pass[i] is the child's number 3 + i */
    size_t pass_count;
    int stop_signal;         /* with which bide_process_release begins; 0: SIGTERM */
    bide_time grace;         /* from it to SIGKILL; 0: 5 s; below 0: SIGKILL at once */
    unsigned group : 1;      /* in a process group of its own, which signals go to as a whole;
                                when the process ends, SIGKILL ends what it left in its group */
    unsigned session : 1;    /* likewise, and in a session of its own, without a terminal */
};

/*
 * A child process. Lives where you put it, at one address, until it is released. It belongs to the
 * tasks of one worker at a time.
 */
struct bide_process {
    pid_t pid;       /* 0 when it could not be started */
    int in, out, err; /* our ends of its pipes, owned by it; -1: none. To take one over, set it to
                        -1. O_NONBLOCK: for bide's operations */
    int status;      /* once it has ended, or could not be started: as bide_process_wait */
    /* Internal. */
    int pidfd;       /* -1: the kernel gave none */
    int stop_signal;
    bide_time grace;
    uint8_t running; /* neither ended nor released */
    uint8_t group;
};

/*
 * bide_process_start - start a process.
 *
 * @p        filled in, also on failure: then releasing it is allowed and not needed, and waiting
 *           for it returns the error again
 *
 * Returns  0, or why there is no process:
 * Errors   -ENOENT, -EACCES, -ENOEXEC, -ENOTDIR, ... of execve(2) and chdir(2); -EBADF, of a
 *          descriptor in the options; -EINVAL; -E2BIG; -EAGAIN; -EMFILE; -ENOMEM; -ECANCELED;
 *          -ETIMEDOUT.
 *          (valgrind and emulators report those of execve not here but as exit code 127.)
 * Cancel   on -ECANCELED and -ETIMEDOUT nothing was started. Once begun it goes on to its end.
 * Context  fiber, or a plain thread (then it blocks). Runs on the blocking pool, as the program is
 *          read from the disk.
 */
BIDE_SUSPENDS BIDE_API int bide_process_start(struct bide_process *p,
                                              const struct bide_process_options *options);

/*
 * bide_process_wait - until it has ended. Does not close its pipes. A leaf.
 *
 * Returns  its wait status, again and again; or the error of its start; or
 * Errors   -ECANCELED, -ETIMEDOUT, -ECHILD (somebody else has taken its status).
 * Cancel   on -ECANCELED and -ETIMEDOUT it is as before: it may be waited for again.
 * Context  fiber, or a plain thread (then it blocks); any number of tasks.
 */
BIDE_SUSPENDS BIDE_API int bide_process_wait(struct bide_process *p);

/*
 * bide_process_kill - send it a signal, or with the option group its whole group.
 *
 * Never reaches another process, even if the number was given out again. Does not suspend.
 * Returns  0; -ESRCH when it was not started or its end has been waited for; -EINVAL; -EPERM.
 */
BIDE_API int bide_process_kill(struct bide_process *p, int signal);

/* bide_process_close_in - close our end of its standard input: the child reads its end. */
BIDE_SUSPENDS BIDE_API void bide_process_close_in(struct bide_process *p);

/*
 * bide_process_release - end it if it runs, and close its pipes.
 *
 * Closes `in`, and if the process has not ended sends its stop signal, waits for the grace, sends
 * SIGKILL and waits. Is not cut short by cancellation. Afterwards `status` says how it ended.
 */
BIDE_SUSPENDS BIDE_API void bide_process_release(struct bide_process *p);

/*
 * BIDE_PROCESS(p, options) { ... } - a block with a process named p, started before it and released
 * at its end and on every other way out (return, break, goto).
 *
 * When it could not be started the block runs all the same: p.pid is 0, p.status says why, and so
 * does bide_process_wait. `continue` in the block, as `break`, leaves it.
 */
#define BIDE_PROCESS(p, options) BIDE__PROCESS(p, options, __COUNTER__)

/* What bide_process_run collects of a stream. Zero everywhere: up to 16 MiB on the heap. */
struct bide_process_output {
    char *data;      /* NULL: allocated as needed, owned by the caller whatever is returned: end it
                        with free(3), which takes NULL */
    size_t capacity; /* most bytes for it, and for the '\0' that always follows; 0 without data: 16
                        MiB and one */
    size_t size;     /* set: bytes collected, without the '\0' */
    size_t dropped;  /* set: bytes that came after those */
    unsigned truncate : 1; /* drop what is too much, rather than failing with -EMSGSIZE */
};

/*
 * bide_process_run - start a process, feed it, collect what it writes, and wait for its end.
 *
 * @options     as above; in: used when there is no input, and then INHERIT stands for NULL; out and
 *              err: used when not collected. PIPE is -EINVAL.
 * @input,size  what it reads from its standard input, followed by the end; NULL: nothing
 * @out,err     what to do with what it writes; NULL: as the options say
 *
 * Returns  its wait status when it has ended and its streams are at their end too. (Others that it
 *          started may hold them open; the option group ends those.) Or
 * Errors   those of bide_process_start; -EMSGSIZE when it wrote too much, -ENOMEM: it was ended, as
 *          by bide_process_release.
 * Cancel   on -ECANCELED and -ETIMEDOUT too it was ended. In any case what was collected is there.
 *          That it does not read all of its input is no error.
 * Context  fiber, or a plain thread (then it blocks). To bound it in time: bide_within.
 */
BIDE_SUSPENDS BIDE_API int bide_process_run(const struct bide_process_options *options,
                                            const void *input, size_t size,
                                            struct bide_process_output *out,
                                            struct bide_process_output *err);

BIDE_ASYNC(int, bide_process_start, struct bide_process *, const struct bide_process_options *)
BIDE_ASYNC(int, bide_process_run, const struct bide_process_options *, const void *, size_t,
           struct bide_process_output *, struct bide_process_output *)

/* ---- internal ----------------------------------------------------------------------------- */

enum bide__stdio {
    BIDE__STDIO_INHERIT,
    BIDE__STDIO_NULL,
    BIDE__STDIO_PIPE,
    BIDE__STDIO_FD,
    BIDE__STDIO_STDOUT,
};
#define BIDE__STDIO(kind, fd) ((struct bide_stdio){ BIDE__STDIO_##kind, fd })

struct bide_process_wait_future {
    struct bide_future future;
    int value;
    struct {
        struct bide_process *process;
    } args;
    bide_time pause; /* before the process is looked at again; 0: never was */
    union {          /* the part that is under way */
        struct bide_poll_future readable;
        struct bide_sleep_future sleep;
    };
};
extern BIDE_API const struct bide_type bide_process_wait_type;

static inline BIDE_MUST_USE struct bide_process_wait_future
bide_process_wait_async(struct bide_process *p)
{
    return (struct bide_process_wait_future){ .future = { .type = &bide_process_wait_type },
                                              .args = { p } };
}

BIDE_API struct bide_process *bide__process_enter(struct bide_process *p,
                                                  const struct bide_process_options *options)
    __attribute__((returns_nonnull));

#define BIDE__PROCESS(p, options, n) BIDE__PROCESS_(p, options, n)
#define BIDE__PROCESS_(p, options, n)                                                     \
    for (struct bide_process p __attribute__((cleanup(bide_process_release))),            \
         *bide__once##n = bide__process_enter(&p, (options));                             \
         bide__once##n; bide__once##n = NULL)

#endif
