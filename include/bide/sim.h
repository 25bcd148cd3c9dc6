/*
 * bide/sim.h - deterministic simulation: time, order, chance and faults come from a seed.
 *
 * bide_sim_run runs a future as bide_run does, on the calling thread, in a world of its own:
 *
 *   time      is virtual. It stands still while a task runs, and jumps to the next deadline or
 *             event when all wait: a sleep of 10 ms ends at exactly its start + 10 ms, and takes
 *             none.
 *   order     which of several ready tasks runs next is drawn from the seed. What the interface
 *             promises still holds: locks and queues are first come, first served, and bide_yield
 *             lets those run first that are ready.
 *   chance    whatever bide draws (retry jitter, ...), and bide_random, comes from the seed.
 *   network   bide_socket, bide_pipe and bide_socketpair make descriptors that exist in memory
 *             only, and reach each other alone. Faults befall them as struct bide_sim_faults says.
 *   the rest  bide_offload runs on the calling thread, one call after another, and ends at a later
 *             virtual time; so do the operations on files, which are real.
 *
 * The same program with the same seed makes the same trace, byte for byte, as long as it asks for
 * time, chance and input through bide alone, and lets no addresses decide anything.
 *
 *     for (uint64_t seed = 1; seed <= 1000; seed++) {
 *         struct bide_sim sim = { .seed = seed, .faults = bide_sim_rough };
 *         if (bide_sim_run(&sim, bide_async(check_service)) < 0)
 *             printf("seed %llu fails\n", (unsigned long long)seed);
 *     }
 */
#ifndef BIDE_SIM_H
#define BIDE_SIM_H

#include <bide/future.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * What goes wrong, and how slow things are. All zero: a network without delay that never fails.
 * Probabilities are from 0 to 1, for each single operation; spans are in nanoseconds and drawn
 * evenly from least to most.
 */
struct bide_sim_faults {
    /* From the sending of bytes, a datagram or a connection to its arrival, each direction for
     * itself. A stream keeps its order; datagrams do not. */
    bide_time latency_least, latency_most;

    double short_io;       /* a read or write of a stream moves fewer bytes than it could */
    double interrupt;      /* an operation finds, when its time has come, that it must wait again:
                              EINTR and EAGAIN, seen only as another order. Below 1 */
    double reset;          /* a read or write finds its connection reset: -ECONNRESET, -EPIPE */
    double refuse;         /* a connect is refused: -ECONNREFUSED */
    double no_descriptor;  /* a new descriptor is not to be had: -EMFILE */
    double no_buffers;     /* a send finds no memory in the kernel: -ENOBUFS */

    double lose;           /* a datagram does not arrive */
    double duplicate;      /* it arrives twice */

    /* A send or connect finds that its address and the other's (IPv4 and IPv6; without the ports)
     * have just been parted, for partition_least to partition_most. Meanwhile what streams carry
     * between them is held, and arrives afterwards; connects wait; datagrams are lost. */
    double partition;
    bide_time partition_least, partition_most;
};

/* A network as bad as a program should be ready for: some of everything above. */
extern BIDE_API const struct bide_sim_faults bide_sim_rough;

/* What came of a run. */
struct bide_sim_result {
    uint64_t hash;        /* of the trace: two runs that differ anywhere differ here */
    uint64_t events;      /* in the trace: lines */
    bide_time elapsed;    /* virtual time */
    unsigned descriptors; /* of the simulation that the program left open */
};

/* How to run. Zero everywhere is a sensible default. */
struct bide_sim {
    uint64_t seed;
    struct bide_sim_faults faults;

    /* From the call of an offloaded function, or of an operation on a file, to its beginning, and
     * from there to its end. Both 0: 10 us to 200 us. */
    bide_time offload_least, offload_most;

    bide_time wall;                   /* bide_wall_now() at the start; 0: 2000-01-01 00:00 UTC */
    FILE *trace;                      /* gets a line for each event; NULL: none. Borrowed. */
    struct bide_sim_result *result;   /* is filled in when the run is over; NULL: nobody asks */
    const struct bide_config *config; /* stack_size, no_overflow_report and on_deadlock are used;
                                         NULL: default */
};

/*
 * bide_sim_run - run a future in a simulation of its own until it is over.
 *
 * @sim  borrowed
 * @f    a future, by value or by pointer
 *
 * Returns f's value; as bide_run, when there was no memory for it.
 * Context  a plain thread; inside a runtime it aborts. There is one worker: bide_spawn_parallel and
 *          bide_spawn_spread spawn here. The watchdog is off. BIDE_REACTOR and BIDE_WORKERS are
 *          not looked at.
 *
 * A program that keeps asking for the time, yielding, or operating on what is ready, is not stuck:
 * after 100,000 such steps at one moment each one more takes a microsecond. When every task waits
 * and nothing is to come, that is a deadlock, as in runtime.h, and f is cancelled at once.
 *
 * Limits. A real descriptor that is not ready gives -EOPNOTSUPP: nothing waits for the real world.
 * What other threads and processes do is not simulated. An offloaded function runs on the stack of
 * some task. It cannot wait for a task: that aborts; a bide_run or bide_dump in it fails with
 * -EOPNOTSUPP.
 */
#define bide_sim_run(sim, f) BIDE__SIM_RUN(sim, f, __COUNTER__)

/* bide_simulated - is the caller inside a simulation (a task, or an offloaded function of one)?
 * Any thread; this and the two below never suspend. */
BIDE_API bool bide_simulated(void);

/* bide_sim_set_faults - from now on these; @faults is copied. What is under way stays so: what was
 * sent arrives when it would have, and addresses that are parted meet again in their time.
 * Outside a simulation nothing happens. */
BIDE_API void bide_sim_set_faults(const struct bide_sim_faults *faults);

/* bide_sim_note - a line for the trace, and for its hash, as printf; cut at 127 bytes. It must not
 * contain addresses. Outside a simulation nothing happens. */
BIDE_API void bide_sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API void bide__sim_run(const struct bide_sim *sim, struct bide_future *f, const char *site);

#define BIDE__SIM_RUN(sim, f, n) BIDE__SIM_RUN_(sim, f, n)
#define BIDE__SIM_RUN_(sim, f, n)                             \
    __extension__({                                           \
        __auto_type bide__v##n = (f);                         \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);   \
        bide__sim_run((sim), &bide__p##n->future, BIDE__SITE); \
        bide__p##n->value;                                    \
    })

#endif
