/*
 * bench.h - what every benchmark uses: the list of benches, figures and their bars, sampling,
 * processes under test.
 *
 * A bench measures and reports figures. What it compares with is measured in the same run, in turns
 * (ours, bare, ours, bare ...), because a machine's speed drifts; so the ratios are steadier than
 * the times. Each bench is bounded in time, and everything that it starts ends with it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <sys/types.h>

struct bench {
    const char *name;
    const char *about; /* one line, for --help */
    void (*run)(void);
};

/*
 * main() of a bench program. Runs the benches whose names are given, or all.
 *
 * @benches  ends with an entry without a name
 * Returns the exit status: 0, 1 when a bench could not be run, 2 when called wrongly.
 */
int bench_main(int argc, char **argv, const struct bench *benches);

extern int bench_quick; /* --quick: fewer and shorter runs */
extern int bench_json;  /* --json: bench_figure prints objects; print nothing else */

/* The bench that runs now, for a run function that serves several. */
extern const struct bench *bench_running;

/* ---- figures ------------------------------------------------------------------------------- */

struct figure {
    const char *name;
    double value;
    const char *unit;
    const char *ratio_to; /* what ratio is a ratio to; NULL: nothing */
    double ratio;
    double most, least; /* bars of value; 0: none */
    double ratio_most;  /* bar of ratio; 0: none */
};

/* Prints one line of the table, or one JSON object. The strings are borrowed for the call. */
void bench_figure(const struct figure *figure);

/* Counts a bar that no figure has. The last line names those that were not met. */
void bench_bar(const char *name, int met);

/* A remark under the last figure, in the table only. */
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line of a table of its own kind, instead of figures. */
void bench_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number with about three significant digits, thousands separated. */
void bench_format(char *text, size_t size, double value);

/* What is being done now, on stderr. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A bench that cannot be run: says why on stderr and makes the exit status 1. */
void bench_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- sampling ------------------------------------------------------------------------------ */

/* Does the thing n times. */
typedef void bench_loop(void *arg, long n);

struct bench_pair {
    double ours, bare; /* ns for one, medians */
    double ratio;      /* the median of the ratios of neighbouring samples */
};

/* Times ours and bare in turns, in samples of about a millisecond. */
struct bench_pair bench_alternate(bench_loop *ours, bench_loop *bare, void *arg);

/* The median of v[0..n-1]; sorts v. */
double bench_median(double *v, size_t n);

/* Nanoseconds of the monotonic clock. */
double bench_clock(void);

/* Number of rounds: normal, or fewer with --quick. */
int bench_rounds(int normal, int quick);

/* ---- processes ----------------------------------------------------------------------------- */

enum { BENCH_ANY_CORE = -1, BENCH_SERVER_CORE = 0, BENCH_LOAD_CORE = 1 };

/* A directory for files of this run; removed at its end, whatever that is. */
const char *bench_directory(void);

/* Zeroed memory that children share. Not freed: a run needs little of it. Aborts without memory. */
void *bench_shared(size_t size);

/* Forks; the child is pinned to core, calls fn(arg) and exits with its value. Dies with the parent.
 * Returns its id, or -1 after bench_failed. */
pid_t bench_fork(int (*fn)(void *arg), void *arg, int core);

/* Runs fn(arg) in a child and waits. Returns 0 when it returned 0 within the time, else -1 after
 * bench_failed. What it finds out it writes to bench_shared memory. */
int bench_in_child(int (*fn)(void *arg), void *arg, int core, double seconds);

/*
 * Starts a program; as bench_fork.
 * @ret_output  if not NULL: the reading end of its stdout, owned by the caller; else stdout is
 * dropped
 */
pid_t bench_spawn(const char *const *argv, int core, int *ret_output);

/* Ends a child with SIGKILL and reaps it; 0 or less is ignored. */
void bench_kill(pid_t pid);

/* Waits for a child to end. Returns its wait status, or -1 (after killing it) when time is up. */
int bench_wait(pid_t pid, double seconds);

/* Has a child come to its end? It is not reaped. */
int bench_ended(pid_t pid);

/* CPU time of a process so far, user and system, all threads, ns. -1 when there is none. */
double bench_cpu_time(pid_t pid);

/* Bytes that a process has in memory, with its page tables. */
double bench_memory(pid_t pid);

/* A non-blocking socket that listens on 127.0.0.1 at a port of the kernel's choice; aborts when
 * that fails. */
int bench_listen(int *ret_port);

/* A port that was free a moment ago, for a program that has to be told one. */
int bench_free_port(void);

/* Sleeps until something accepts connections at port. Returns 0, or -1 when time is up. */
int bench_wait_port(int port, pid_t pid, double seconds);

void bench_sleep(double seconds);

#endif
