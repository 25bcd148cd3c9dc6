/*
 * platform/sim.h - the world of a simulation: a reactor whose time, chance and network it makes up.
 *
 * All of it belongs to one thread. What happens later is an event in a heap, by its time and then
 * by its number, never by an address: so a seed says everything.
 */
#ifndef BIDE_PLATFORM_SIM_H
#define BIDE_PLATFORM_SIM_H

#include "platform/reactor.h"

#include <bide/sim.h>

struct bide__world;

/* Something that will happen; lies in what it happens to. All zeros: not under way. */
struct bide__sim_event {
    bide_time at;
    uint64_t number; /* 0: not under way */
    void (*fire)(struct bide__world *world, struct bide__sim_event *event);
    /* In the heap (sim_events.c): the first child, the next sibling, and the one before or, of the
     * first, the parent. */
    struct bide__sim_event *child, *next, *before;
};

struct bide__world {
    struct bide__reactor base;
    struct bide_sim options;
    bide_time start, now;
    unsigned spins; /* steps and the like since the time went on */
    uint64_t random;
    uint64_t hash, lines;          /* of the trace */
    uint64_t numbers;              /* that events have had */
    struct bide__sim_event *first; /* the heap's */
    int woken;                     /* atomic */

    /* The network: sim_net.h. */
    struct bide__sim_file **table; /* by descriptor; NULL: free */
    size_t table_size, open_from;  /* nothing is free before it */
    struct bide__list files, packets, bound, parted;
    int next_port;
};

static inline struct bide__world *bide__world(struct bide__reactor *reactor)
{
    return (struct bide__world *)reactor;
}

/* ---- what the core asks (sim.c) ---- */

void bide__sim_setup(struct bide__reactor *reactor, const struct bide_sim *options);

/* The thread blocks until then: the time goes on, and nothing else. */
void bide__sim_pass(struct bide__reactor *reactor, bide_time until);

/* ---- chance ---- */

uint64_t bide__sim_draw(struct bide__world *world, uint64_t below); /* 0..below-1; below > 0 */
bide_time bide__sim_span(struct bide__world *world, bide_time least, bide_time most);
bool bide__sim_chance(struct bide__world *world, double probability);

/* ---- time ---- */

/* A step, question or operation that takes no time. One that goes round in such is not to go round
 * for ever: after very many the time goes on. */
void bide__sim_spin(struct bide__world *world);

/* ---- the trace ---- */

/* Each line is of one kind and has up to three numbers. */
enum bide__sim_line {
    BIDE__SIM_RUN,
    BIDE__SIM_TIME,
    BIDE__SIM_NOTE,
    BIDE__SIM_OFFLOAD,
    BIDE__SIM_OFFLOADED,
    BIDE__SIM_DONE,    /* an operation: enum bide__op, file, result */
    BIDE__SIM_ARRIVES, /* a packet: enum bide__sim_message, bytes, port */
    BIDE__SIM_LOST,
    BIDE__SIM_PARTED,
};

void bide__sim_trace(struct bide__world *world, enum bide__sim_line line, int64_t a, int64_t b,
                     int64_t c);
void bide__sim_trace_text(struct bide__world *world, const char *text);

/* ---- events (sim_events.c) ---- */

/* event->fire is called at that time. It has not happened yet if it is under way. */
void bide__sim_set(struct bide__world *world, struct bide__sim_event *event, bide_time at);
void bide__sim_clear(struct bide__world *world, struct bide__sim_event *event);

#endif
