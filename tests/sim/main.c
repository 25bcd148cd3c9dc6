/*
 * main.c - workloads in simulations, over many seeds.
 *
 * Seeds run in child processes, some at a time, so that one that crashes or never ends is a
 * failure like another: what runs is noted in memory that parent and child share.
 */
#include "workload.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 50, BATCH_LIMIT_S = 120 };

static const struct workload *const workloads[] = { &sim_echo, &sim_http, &sim_pipeline,
                                                    &sim_sockets, &sim_storm };
enum { WORKLOADS = sizeof(workloads) / sizeof(*workloads) };

static struct {
    uint64_t first, count;
    const char *workload; /* NULL: all */
    bool one;             /* a seed that is shown */
    bool trace;
    bool expect_failure;
} options = { .first = 1, .count = 1000 };

/* What the child writes, and the parent reads when it is over. */
struct shared {
    uint64_t seed, hash, events, runs;
    int workload;
    char failure[512]; /* "": none */
};
static struct shared *shared;

static struct bide_sim_faults faults;

/* ---- what workloads ask for ---- */

bool sim_faulty(void)
{
    return faults.reset > 0;
}

bool sim_passes(int error)
{
    return error == -ECONNRESET || error == -EPIPE || error == -ECONNREFUSED || error == -EMFILE ||
           error == -ENOBUFS || error == -ETIMEDOUT;
}

void sim_fail(const char *format, ...)
{
    va_list args;
    if (shared->failure[0])
        return;
    va_start(args, format);
    vsnprintf(shared->failure, sizeof(shared->failure), format, args);
    va_end(args);
}

/* ---- one run ---- */

/* A quarter of the seeds each: nothing goes wrong; it is slow; some goes wrong; much does. */
static void choose_faults(uint64_t seed)
{
    faults = (struct bide_sim_faults){ 0 };
    if (seed % 4 >= 2)
        faults = bide_sim_rough;
    if (seed % 4 == 2)
        faults.reset = faults.reset / 10, faults.partition = 0;
    if (seed % 4)
        faults.latency_least = 10 * BIDE_US, faults.latency_most = 2 * BIDE_MS;
}

static bool run_one(const struct workload *workload, uint64_t seed)
{
    struct bide_sim_result result = { 0 };
    choose_faults(seed);
    const struct bide_sim sim = { .seed = seed, .faults = faults, .result = &result,
                                  .trace = options.trace ? stdout : NULL };
    int error = workload->run(&sim);
    sim_expect(!error, "it ended with %s", strerrorname_np(-error));
    sim_expect(!result.descriptors, "it left %u descriptors open", result.descriptors);
    shared->hash = shared->hash * 31 + result.hash;
    shared->events += result.events;
    shared->runs++;
    if (options.one)
        printf("%-10s seed %llu: %llu events in %.6f s of virtual time, trace %016llx\n",
               workload->name, (unsigned long long)seed, (unsigned long long)result.events,
               (double)result.elapsed / (double)BIDE_S, (unsigned long long)result.hash);
    return !shared->failure[0];
}

/* In a child. Its exit status. */
static int run_batch(uint64_t first, uint64_t count)
{
    for (uint64_t seed = first; seed < first + count; seed++)
        for (int i = 0; i < WORKLOADS; i++) {
            if (options.workload && strcmp(options.workload, workloads[i]->name) != 0)
                continue;
            shared->seed = seed;
            shared->workload = i;
            if (!run_one(workloads[i], seed))
                return 1;
        }
    return 0;
}

/* ---- many ---- */

static bool batch(uint64_t first, uint64_t count)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        sim_fail("no child process: %s", strerror(errno));
        return false;
    }
    if (child == 0) {
        alarm(BATCH_LIMIT_S);
        status = run_batch(first, count);
        fflush(stdout);
        _exit(status);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        sim_fail("it does not end");
    else if (WIFSIGNALED(status))
        sim_fail("it died: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        sim_fail("it exited with %d", WEXITSTATUS(status));
    return status == 0;
}

static void show_progress(uint64_t done, bool over)
{
    if (!isatty(STDERR_FILENO))
        return;
    int width = options.count ? (int)(done * 40 / options.count) : 40;
    fprintf(stderr, "\r[%.*s%*s] %llu of %llu seeds%s", width,
            "########################################", 40 - width, "",
            (unsigned long long)done, (unsigned long long)options.count, over ? "\n" : "");
}

/* False: a seed failed. */
static bool run_all(void)
{
    bool well = true;
    for (uint64_t done = 0; done < options.count && well; done += BATCH) {
        uint64_t left = options.count - done;
        show_progress(done, false);
        well = batch(options.first + done, left < BATCH ? left : BATCH);
    }
    show_progress(well ? options.count : shared->seed - options.first, true);
    return well;
}

static void report_failure(void)
{
    printf("seed %llu, %s: %s\n", (unsigned long long)shared->seed,
           workloads[shared->workload]->name, shared->failure);
    if (!options.one)
        printf("replay with --seed %llu --workload %s --trace\n", (unsigned long long)shared->seed,
               workloads[shared->workload]->name);
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: simulate [OPTION...]\n"
    "\n"
    "Run workloads in deterministic simulations, a seed each, until an invariant fails.\n"
    "\n"
    "  --seeds N          run seeds 1 to N (default 1000)\n"
    "  --from S           begin with seed S\n"
    "  --seed S           run this one, and show its trace's hash\n"
    "  --workload NAME    only this one: echo, http, pipeline, sockets, storm\n"
    "  --trace            print each event\n"
    "  --expect-failure   succeed only when a seed fails\n"
    "  --help\n"
    "\n"
    "Exit status: 0 no seed failed, 1 one did, 2 wrong usage.\n";

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) {
        fprintf(stderr, "simulate: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

static void choose_workload(const char *name)
{
    for (int i = 0; i < WORKLOADS; i++)
        if (!strcmp(name, workloads[i]->name))
            options.workload = name;
    if (!options.workload) {
        fprintf(stderr, "simulate: no workload %s; see --help\n", name);
        exit(2);
    }
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {
        { "seeds", required_argument, NULL, 'n' },  { "from", required_argument, NULL, 'f' },
        { "seed", required_argument, NULL, 's' },   { "workload", required_argument, NULL, 'w' },
        { "trace", no_argument, NULL, 't' },        { "expect-failure", no_argument, NULL, 'x' },
        { "help", no_argument, NULL, 'h' },         { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        switch (c) {
        case 'n':
            options.count = number(optarg);
            break;
        case 's':
            options.one = true;
            options.count = 1; /* fall through */
        case 'f':
            options.first = number(optarg);
            break;
        case 'w':
            choose_workload(optarg);
            break;
        case 't':
            options.trace = true;
            break;
        case 'x':
            options.expect_failure = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs("try --help\n", stderr);
            exit(2);
        }
    if (optind < argc) {
        fprintf(stderr, "simulate: what is %s? See --help\n", argv[optind]);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    parse(argc, argv);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("simulate: mmap");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    bool well = run_all();
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!well)
        report_failure();
    else if (!options.one)
        printf("%llu seeds, %llu runs, %llu events, none failed; %.1f s; traces %016llx\n",
               (unsigned long long)options.count, (unsigned long long)shared->runs,
               (unsigned long long)shared->events,
               (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
               (unsigned long long)shared->hash);
    if (fflush(stdout) || ferror(stdout)) {
        perror("simulate: stdout");
        return 1;
    }
    return options.expect_failure ? well : !well;
}
