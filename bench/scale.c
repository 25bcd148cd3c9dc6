#include "scale.h"
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static double median(const double *v, int rounds)
{
    double sorted[SCALE_ROUNDS];

    memcpy(sorted, v, sizeof(sorted));
    return bench_median(sorted, (size_t)rounds);
}

static double ratio(const double *two, const double *one, int rounds)
{
    double v[SCALE_ROUNDS];

    for (int r = 0; r < rounds; r++)
        v[r] = two[r] / one[r];
    return bench_median(v, (size_t)rounds);
}

/* one: the samples of one worker; NULL when v are those. */
static void report(const char *name, int workers, const char *suffix, const char *unit,
                   const double *v, const double *one, int rounds)
{
    char full[64], first[64];

    snprintf(full, sizeof(full), "%s_%dw%s", name, workers, suffix);
    snprintf(first, sizeof(first), "%s_1w%s", name, suffix);
    bench_figure(&(struct figure){.name = full,
                                  .unit = unit,
                                  .value = median(v, rounds),
                                  .ratio_to = one ? first : NULL,
                                  .ratio = one ? ratio(v, one, rounds) : 0});
}

void scale_report(const char *name, const struct scale samples[SCALE_WORKERS], int rounds)
{
    const struct scale *one = &samples[0], *two = &samples[1];
    double load = median(two->load_cpu, rounds);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    char most[64];

    report(name, 1, "", "us", one->cpu, NULL, rounds);
    report(name, 1, "_rate", "req/s", one->rate, NULL, rounds);
    report(name, 2, "", "us", two->cpu, one->cpu, rounds);
    report(name, 2, "_rate", "req/s", two->rate, one->rate, rounds);
    bench_format(most, sizeof(most), (double)cores * 1e6 / (median(two->cpu, rounds) + load));
    bench_note("the load takes %.1f us of CPU time a request too: %ld cores give at most %s req/s",
               load, cores, most);
}
