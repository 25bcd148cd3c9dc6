/*
 * platform/reactor.h - what a worker waits in: one table of operations, filled by one file each.
 *
 * Nothing of bide asks the operating system for time, for input or for output but through this
 * table, so that a reactor that simulates all three can take a kernel's place.
 * Everything here is called on the worker's thread, but for wake.
 */
#ifndef BIDE_PLATFORM_REACTOR_H
#define BIDE_PLATFORM_REACTOR_H

#include "base/list.h"

#include <bide/io.h>

struct bide__reactor;

/* 0 leaves out what is noted down only for those who look on. For the benchmarks, which show that
 * it costs nothing; what is not noted then looks like 0. */
#ifndef BIDE__INSPECT
#define BIDE__INSPECT 1
#endif

/* What a reactor calls back. */
struct bide__reactor_host {
    /* io is over; io->result is set. Calls no code of the user's. Called from turn and cancel;
     * from submit only for another io than the one submitted. */
    void (*complete)(struct bide_io *io);

    /* Perform io, which would block, with bide__io_perform on another thread, then complete it.
     * 0, or -errno when there is no thread for it. */
    int (*offload)(struct bide__reactor *reactor, struct bide_io *io);

    /* An offloaded io is to be cancelled: complete it if it has not begun. */
    void (*offload_cancel)(struct bide__reactor *reactor, struct bide_io *io);
};

enum bide__submitted { BIDE__SUBMIT_PENDING, BIDE__SUBMIT_DONE };

struct bide__reactor_ops {
    const char *name;

    /* Sets *ret_reactor, owned by the caller, whose ops and host are filled in afterwards.
     * 0 or -errno. */
    int (*create)(struct bide__reactor **ret_reactor);
    void (*destroy)(struct bide__reactor *reactor);

    /* Nanoseconds on the monotonic clock, and since 1970 (UTC). */
    bide_time (*now)(struct bide__reactor *reactor);
    bide_time (*wall)(struct bide__reactor *reactor);

    /* As now, for a task that asks: one that does nothing else must see it go on. */
    bide_time (*ask)(struct bide__reactor *reactor);

    /* 64 random bits. */
    uint64_t (*random)(struct bide__reactor *reactor);

    /*
     * Begin the operation that io describes (enum bide__op, up to BIDE__OP_RENAME). io and what
     * it points to stay valid until its end. DONE: it is over already and io->result is set, a
     * byte count, descriptor or 0, or -errno. PENDING: host->complete(io) will be called.
     */
    enum bide__submitted (*submit)(struct bide__reactor *reactor, struct bide_io *io);

    /* Ask a pending io to end: host->complete(io) follows, now or in a later turn, with
     * -ECANCELED when it had no effect, else with its result. At most once for each io. */
    void (*cancel)(struct bide__reactor *reactor, struct bide_io *io);

    /* Perform an operation that never waits (BIDE__OP_PIPE and after). Its result or -errno. */
    ssize_t (*call)(struct bide__reactor *reactor, struct bide_io *io);

    /* Complete what has ended. Waits until something has, or until the point in time `until`, or
     * for a wake; not at all when until is 0. */
    void (*turn)(struct bide__reactor *reactor, bide_time until);

    /* A descriptor that is readable when a turn that does not wait would do something, from the
     * point in time `until` on in any case. NULL where there is none. */
    int (*pollable)(struct bide__reactor *reactor, bide_time until);

    /* True: of the operations that are under way none can end but by what the worker itself does.
     * NULL: one that is under way may always end. */
    bool (*stuck)(struct bide__reactor *reactor);

    /* Make the turn that is under way, or the next one, return. From any thread and from signal
     * handlers. */
    void (*wake)(struct bide__reactor *reactor);
};

/* The part that all reactors share; it is the first member of theirs. */
struct bide__reactor {
    const struct bide__reactor_ops *ops;
    const struct bide__reactor_host *host;
    int wake_fd;    /* eventfd; -1: none */
    uint64_t calls; /* system calls that it has made; any thread may read it */
};

static inline void bide__reactor_calls(struct bide__reactor *reactor)
{
    if (BIDE__INSPECT)
        __atomic_store_n(&reactor->calls, reactor->calls + 1, __ATOMIC_RELAXED);
}

extern const struct bide__reactor_ops bide__uring, bide__epoll, bide__sim;

/* What stands for the kernel in this thread while it runs no fiber: that of a simulation, in a
 * function that is offloaded there. NULL: the kernel itself. */
extern __thread struct bide__reactor *bide__stand_in;

/* ---- the kernel's side, shared by both (kernel.c) ---- */

bide_time bide__clock(void);
bide_time bide__wall_clock(void);

/* Perform io with its plain system call, now. -EINTR is retried. With dontwait, -EAGAIN instead of
 * waiting, where the call or the descriptor allows it. The result or -errno. */
ssize_t bide__io_perform(struct bide_io *io, bool dontwait);

/* As bide__io_perform, for a plain thread: waits, whatever the descriptor's O_NONBLOCK says, and
 * raises no SIGPIPE. */
ssize_t bide__io_block(struct bide_io *io);

/* POLLIN or POLLOUT, whichever io waits for; 0 for an operation that waits for no descriptor. */
int bide__io_events(const struct bide_io *io);

/* The name of the system call. */
const char *bide__io_name(enum bide__op op);

/* Does io say where in the file (pread, pwrite)? */
static inline bool bide__io_positioned(const struct bide_io *io)
{
    return (io->op == BIDE__OP_READ || io->op == BIDE__OP_WRITE) && io->mask;
}

ssize_t bide__kernel_call(struct bide__reactor *reactor, struct bide_io *io);
bide_time bide__kernel_now(struct bide__reactor *reactor);
bide_time bide__kernel_wall(struct bide__reactor *reactor);
uint64_t bide__kernel_random(struct bide__reactor *reactor);
void bide__kernel_wake(struct bide__reactor *reactor);
void bide__kernel_drain_wake(struct bide__reactor *reactor);
int bide__kernel_wake_fd(void);

#endif
