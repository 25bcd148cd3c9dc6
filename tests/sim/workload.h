/*
 * workload.h - what the programs that are simulated share.
 *
 * A workload is an async function without parameters. It draws its shape with sim_draw, does
 * its work, and says with sim_expect what must hold whatever the network does. It returns 0, and
 * leaves no descriptor open.
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include <bide/bide.h>
#include <bide/net.h>
#include <bide/random.h>
#include <bide/sim.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct workload {
    const char *name;
    int (*run)(const struct bide_sim *sim);
};

extern const struct workload sim_echo, sim_http, sim_pipeline, sim_sockets, sim_storm;

/* Defines sim_NAME for the async function NAME. */
#define WORKLOAD(fn)                                    \
    static int fn##_simulate(const struct bide_sim *sim) \
    {                                                   \
        return bide_sim_run(sim, bide_async(fn));       \
    }                                                   \
    const struct workload sim_##fn = { #fn, fn##_simulate };

/* From least to most, both included. */
static inline int sim_draw(int least, int most)
{
    return least + (int)(bide_random() % (unsigned)(most - least + 1));
}

/* May operations on sockets and descriptors fail in this run? */
bool sim_faulty(void);

/* One that the faults cause, and that passes. */
bool sim_passes(int error);

/* Note that an invariant does not hold. The first one counts. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define sim_expect(cond, ...)      \
    do {                           \
        if (!(cond))               \
            sim_fail(__VA_ARGS__); \
    } while (0)

#endif
