/*
 * bench.c - the harness: arguments, figures, sampling. Processes are in process.c.
 */
#include "bench.h"
#include "process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 101, SAMPLES_QUICK = 15, NAME_WIDTH = 32 };
#define SAMPLE_NS 1e6

int bench_quick;
int bench_json;
const struct bench *bench_running;

static int failed;
static int bars_met;
static char missed[2048]; /* names, separated by spaces */
static int progress_open; /* a progress line stands on the terminal */
static int headed;        /* the line above the figures was printed */

/* ---- output -------------------------------------------------------------------------------- */

static void clear_progress(void)
{
    if (progress_open)
        fputs("\r\033[K", stderr);
    progress_open = 0;
}

void bench_progress(const char *format, ...)
{
    va_list args;

    clear_progress();
    va_start(args, format);
    fputs("  ... ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    progress_open = isatty(STDERR_FILENO);
    if (!progress_open)
        fputc('\n', stderr);
    fflush(stderr);
}

void bench_failed(const char *format, ...)
{
    va_list args;

    clear_progress();
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    failed = 1;
}

void bench_note(const char *format, ...)
{
    va_list args;

    if (bench_json)
        return;
    clear_progress();
    va_start(args, format);
    printf("  %-*s ", NAME_WIDTH, "");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
}

void bench_line(const char *format, ...)
{
    va_list args;

    clear_progress();
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void bench_format(char *text, size_t size, double value)
{
    char digits[64];
    size_t used = 0;

    if (value < 10) {
        snprintf(text, size, "%.2f", value);
        return;
    }
    if (value < 1000) {
        snprintf(text, size, "%.1f", value);
        return;
    }
    int n = snprintf(digits, sizeof(digits), "%.0f", value);
    for (int i = 0; i < n && used + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

void bench_bar(const char *name, int met)
{
    size_t used = strlen(missed);

    if (met)
        bars_met++;
    else
        snprintf(missed + used, sizeof(missed) - used, " %s", name);
}

/* Appends "<= 12 ns ok" to line. */
static void judge(char *line, size_t size, const char *relation, double bar, const char *unit,
                  int ok, const char *name)
{
    size_t used = strlen(line);

    snprintf(line + used, size - used, "%s%s %g%s%s %s", used ? ", " : "", relation, bar,
             *unit ? " " : "x", unit, ok ? "ok" : "MISSED");
    bench_bar(name, ok);
}

static void print_json(const struct figure *f)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",", f->name, f->value, f->unit);
    if (f->ratio_to)
        printf("\"ratio_to\":\"%s\",\"ratio\":%.4g}\n", f->ratio_to, f->ratio);
    else
        printf("\"ratio_to\":null,\"ratio\":null}\n");
}

void bench_figure(const struct figure *f)
{
    char value[64], ratio[96] = "", bars[256] = "";

    clear_progress();
    if (bench_json) {
        print_json(f);
        fflush(stdout);
        return;
    }
    if (!headed)
        printf("  %-*s %18s %-30s %s\n", NAME_WIDTH, "figure", "median", "ratio", "bar");
    headed = 1;
    bench_format(value, sizeof(value), f->value);
    if (f->ratio_to)
        snprintf(ratio, sizeof(ratio), "%.2fx %s", f->ratio, f->ratio_to);
    if (f->most > 0)
        judge(bars, sizeof(bars), "<=", f->most, f->unit, f->value <= f->most, f->name);
    if (f->least > 0)
        judge(bars, sizeof(bars), ">=", f->least, f->unit, f->value >= f->least, f->name);
    if (f->ratio_most > 0)
        judge(bars, sizeof(bars), "<=", f->ratio_most, "", f->ratio <= f->ratio_most, f->name);
    printf("  %-*s %11s %-6s %-30s %s\n", NAME_WIDTH, f->name, value, f->unit, ratio, bars);
    fflush(stdout);
}

/* ---- sampling ------------------------------------------------------------------------------ */

double bench_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int bench_rounds(int normal, int quick)
{
    return bench_quick ? quick : normal;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *v, size_t n)
{
    if (!n)
        return 0;
    qsort(v, n, sizeof(*v), compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double sample(bench_loop *loop, void *arg, long n)
{
    double begin = bench_clock();

    loop(arg, n);
    return (bench_clock() - begin) / (double)n;
}

/* How many times make a sample. */
static long calibrate(bench_loop *loop, void *arg)
{
    long n = 16;

    while (sample(loop, arg, n) * (double)n < SAMPLE_NS && n < 1L << 30)
        n *= 2;
    return n;
}

struct bench_pair bench_alternate(bench_loop *ours, bench_loop *bare, void *arg)
{
    double a[SAMPLES], b[SAMPLES], ratio[SAMPLES];
    size_t samples = bench_quick ? SAMPLES_QUICK : SAMPLES;
    long n_ours = calibrate(ours, arg), n_bare = calibrate(bare, arg);

    for (size_t i = 0; i < samples; i++) {
        a[i] = sample(ours, arg, n_ours);
        b[i] = sample(bare, arg, n_bare);
        ratio[i] = a[i] / b[i];
    }
    return (struct bench_pair){bench_median(a, samples), bench_median(b, samples),
                               bench_median(ratio, samples)};
}

/* ---- main ---------------------------------------------------------------------------------- */

static void print_help(const char *program, const struct bench *benches)
{
    printf("usage: %s [--json] [--quick] [NAME...]\n\n"
           "  --json   one JSON object a line instead of a table\n"
           "  --quick  fewer and shorter runs: a rough answer in a tenth of the time\n\n"
           "benches:\n",
           program);
    for (const struct bench *b = benches; b->name; b++)
        printf("  %-16s %s\n", b->name, b->about);
}

static const struct bench *find(const struct bench *benches, const char *name)
{
    for (; benches->name; benches++)
        if (strcmp(benches->name, name) == 0)
            return benches;
    return NULL;
}

/* "AMD EPYC, 2 cores, Linux 6.18.0, gcc 12.2.0" */
static void print_machine(void)
{
    char line[256], model[128] = "unknown CPU";
    struct utsname name;
    FILE *file = fopen("/proc/cpuinfo", "r");

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    if (file)
        fclose(file);
    uname(&name);
    printf("%s, %ld cores, Linux %s, compiler %s\n\n", model, sysconf(_SC_NPROCESSORS_ONLN),
           name.release, __VERSION__);
    fflush(stdout);
}

struct job {
    const struct bench *benches;
    char **names; /* ends with NULL; empty: all */
};

static void run_bench(const struct bench *bench)
{
    bench_running = bench;
    bench->run();
}

static int run_benches(void *arg)
{
    struct job *job = arg;

    if (!bench_json)
        print_machine();
    if (!*job->names)
        for (const struct bench *b = job->benches; b->name; b++)
            run_bench(b);
    for (char **name = job->names; *name; name++)
        run_bench(find(job->benches, *name));
    clear_progress();
    if (!bench_json) {
        printf("\n%d bars met, ", bars_met);
        printf("%s%s\n", *missed ? "missed:" : "none missed", missed);
    }
    fflush(stdout);
    return failed;
}

int bench_main(int argc, char **argv, const struct bench *benches)
{
    struct job job = {benches, calloc((size_t)argc + 1, sizeof(char *))};
    int names = 0;

    if (!job.names)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            bench_json = 1;
        } else if (strcmp(argv[i], "--quick") == 0) {
            bench_quick = 1;
        } else if (strcmp(argv[i], "--help") == 0) {
            print_help(argv[0], benches);
            free(job.names);
            return 0;
        } else if (find(benches, argv[i])) {
            job.names[names++] = argv[i];
        } else {
            fprintf(stderr, "%s: no option or bench \"%s\"; see --help\n", argv[0], argv[i]);
            free(job.names);
            return 2;
        }
    }
    int status = process_supervise(run_benches, &job);
    free(job.names);
    return status;
}
