/* platform/sim.c - the reactor of a simulation: its clock, its chance, its trace and its turns. */
#include "platform/sim_net.h"

#include "base/memory.h"
#include "base/random.h"

#include <errno.h>
#include <string.h>

enum { SPINS = 100000 }; /* steps, questions and operations at one moment that take no time */

#define START BIDE_S              /* of the monotonic clock; not 0, which is special to many */
#define WALL (946684800 * BIDE_S) /* 2000-01-01 00:00 UTC */
#define OFFLOAD_LEAST (10 * BIDE_US)
#define OFFLOAD_MOST (200 * BIDE_US)

const struct bide_sim_faults bide_sim_rough = {
    .latency_least = 50 * BIDE_US,
    .latency_most = 20 * BIDE_MS,
    .short_io = 0.2,
    .interrupt = 0.1,
    .reset = 0.002,
    .refuse = 0.02,
    .no_descriptor = 0.01,
    .no_buffers = 0.002,
    .lose = 0.05,
    .duplicate = 0.02,
    .partition = 0.002,
    .partition_least = BIDE_MS,
    .partition_most = 2 * BIDE_S,
};

/* ---- chance ---- */

uint64_t bide__sim_draw(struct bide__world *world, uint64_t below)
{
    return bide__random_next(&world->random) % below;
}

bide_time bide__sim_span(struct bide__world *world, bide_time least, bide_time most)
{
    if (most <= least)
        return least;
    return least + (bide_time)bide__sim_draw(world, (uint64_t)(most - least) + 1);
}

bool bide__sim_chance(struct bide__world *world, double probability)
{
    enum { BITS = 53 };
    if (probability <= 0)
        return false;
    return (double)(bide__random_next(&world->random) >> (64 - BITS)) <
           probability * (double)(1ULL << BITS);
}

static uint64_t sim_random(struct bide__reactor *reactor)
{
    return bide__random_next(&bide__world(reactor)->random);
}

/* ---- the trace ---- */

static const char *const formats[] = {
    [BIDE__SIM_RUN] = "runs number %lld of %lld\n",
    [BIDE__SIM_TIME] = "nothing is ready\n",
    [BIDE__SIM_OFFLOAD] = "an offloaded call begins\n",
    [BIDE__SIM_OFFLOADED] = "an offloaded call has ended\n",
    [BIDE__SIM_LOST] = "a datagram of %lld bytes to port %lld is lost\n",
    [BIDE__SIM_PARTED] = "two hosts are parted for %lld ns\n",
};

static const char *const messages[] = {
    [BIDE__SIM_DATA] = "data",
    [BIDE__SIM_END] = "the end of a stream",
    [BIDE__SIM_RESET] = "a reset",
    [BIDE__SIM_OPEN] = "a connect",
    [BIDE__SIM_OPENED] = "a connect's success",
    [BIDE__SIM_REFUSED] = "a connect's refusal",
};

static void add(struct bide__world *world, int64_t n)
{
    world->hash = bide__mix(world->hash ^ ((uint64_t)n + BIDE__GOLDEN));
}

static void begin_line(struct bide__world *world, enum bide__sim_line line)
{
    world->lines++;
    add(world, world->now);
    add(world, line);
    bide_time t = world->now - world->start;
    if (world->options.trace)
        fprintf(world->options.trace, "%lld.%09lld ", (long long)(t / BIDE_S),
                (long long)(t % BIDE_S));
}

void bide__sim_trace(struct bide__world *world, enum bide__sim_line line, int64_t a, int64_t b,
                     int64_t c)
{
    begin_line(world, line);
    add(world, a);
    add(world, b);
    add(world, c);
    FILE *trace = world->options.trace;
    if (!trace)
        return;
    const char *operation = line == BIDE__SIM_DONE ? bide__io_name((enum bide__op)a) : NULL;
    if (operation && b >= 0)
        fprintf(trace, "%s of descriptor %lld: %lld\n", operation, (long long)b, (long long)c);
    else if (operation)
        fprintf(trace, "%s: %lld\n", operation, (long long)c);
    else if (line == BIDE__SIM_ARRIVES)
        fprintf(trace, "%s arrives at port %lld, %lld bytes\n", messages[a], (long long)c,
                (long long)b);
    else
        fprintf(trace, formats[line], (long long)a, (long long)b, (long long)c);
}

void bide__sim_trace_text(struct bide__world *world, const char *text)
{
    begin_line(world, BIDE__SIM_NOTE);
    for (const char *c = text; *c; c++)
        add(world, *c);
    if (world->options.trace)
        fprintf(world->options.trace, "%s\n", text);
}

/* ---- time ---- */

static bide_time sim_now(struct bide__reactor *reactor)
{
    return bide__world(reactor)->now;
}

static bide_time sim_wall(struct bide__reactor *reactor)
{
    struct bide__world *world = bide__world(reactor);
    return world->options.wall + (world->now - world->start);
}

void bide__sim_spin(struct bide__world *world)
{
    if (world->spins < SPINS)
        world->spins++;
    else
        world->now += BIDE_US;
}

static bide_time sim_ask(struct bide__reactor *reactor)
{
    bide__sim_spin(bide__world(reactor));
    return bide__world(reactor)->now;
}

static void go_on(struct bide__world *world, bide_time until)
{
    if (until <= world->now || until == BIDE_FOREVER)
        return;
    world->now = until;
    world->spins = 0;
    bide__sim_trace(world, BIDE__SIM_TIME, 0, 0, 0);
}

void bide__sim_pass(struct bide__reactor *reactor, bide_time until)
{
    go_on(bide__world(reactor), until);
}

static bool sim_stuck(struct bide__reactor *reactor)
{
    struct bide__world *world = bide__world(reactor);
    return !world->first && !__atomic_load_n(&world->woken, __ATOMIC_RELAXED);
}

/* Those that a turn's events set have the next turn. */
static void sim_turn(struct bide__reactor *reactor, bide_time until)
{
    struct bide__world *world = bide__world(reactor);
    bool woken = __atomic_exchange_n(&world->woken, 0, __ATOMIC_ACQUIRE);
    if (until == 0 || woken)
        bide__sim_spin(world);
    else
        go_on(world, world->first && world->first->at < until ? world->first->at : until);
    uint64_t last = world->numbers;
    for (struct bide__sim_event *event;
         (event = world->first) && event->at <= world->now && event->number <= last;) {
        bide__sim_clear(world, event);
        event->fire(world, event);
    }
}

/* From other threads and signal handlers too, which are not simulated. */
static void sim_wake(struct bide__reactor *reactor)
{
    __atomic_store_n(&bide__world(reactor)->woken, 1, __ATOMIC_RELEASE);
}

/* ---- life ---- */

void bide__sim_setup(struct bide__reactor *reactor, const struct bide_sim *options)
{
    struct bide__world *world = bide__world(reactor);
    world->options = *options;
    if (!options->wall)
        world->options.wall = WALL;
    if (!options->offload_least && !options->offload_most) {
        world->options.offload_least = OFFLOAD_LEAST;
        world->options.offload_most = OFFLOAD_MOST;
    }
    world->random = bide__mix(options->seed + BIDE__GOLDEN);
}

static int sim_create(struct bide__reactor **ret_reactor)
{
    struct bide__world *world = bide__alloc_zero(sizeof(*world));
    if (!world)
        return -ENOMEM;
    world->base.wake_fd = -1;
    world->start = world->now = START;
    bide__list_init(&world->files);
    bide__list_init(&world->packets);
    bide__list_init(&world->bound);
    bide__list_init(&world->parted);
    *ret_reactor = &world->base;
    return 0;
}

static unsigned open_descriptors(const struct bide__world *world)
{
    unsigned count = 0;
    for (size_t i = 0; i < world->table_size; i++)
        count += world->table[i] != NULL;
    return count;
}

static void sim_destroy(struct bide__reactor *reactor)
{
    struct bide__world *world = bide__world(reactor);
    add(world, world->now);
    if (world->options.result)
        *world->options.result = (struct bide_sim_result){
            .hash = world->hash,
            .events = world->lines,
            .elapsed = world->now - world->start,
            .descriptors = open_descriptors(world),
        };
    bide__sim_link_free(world);
    bide__sim_files_free(world);
    bide__free(world);
}

const struct bide__reactor_ops bide__sim = {
    .name = "simulation",
    .create = sim_create,
    .destroy = sim_destroy,
    .now = sim_now,
    .wall = sim_wall,
    .ask = sim_ask,
    .random = sim_random,
    .submit = bide__sim_submit,
    .cancel = bide__sim_cancel,
    .call = bide__sim_call,
    .turn = sim_turn,
    .stuck = sim_stuck,
    .wake = sim_wake,
};
