/*
 * bide/runtime.h - running a future from a plain thread; configuration, names, counters.
 */
#ifndef BIDE_RUNTIME_H
#define BIDE_RUNTIME_H

#include <bide/future.h>

enum bide_reactor {
    BIDE_REACTOR_AUTO,  /* io_uring when the kernel gives it, else epoll */
    BIDE_REACTOR_URING, /* -errno when the kernel does not give it */
    BIDE_REACTOR_EPOLL,
    BIDE__REACTOR_SIM, /* internal: bide_sim_run (sim.h) */
};

/* A task that holds its worker; all of it is valid until the callback returns. */
struct bide_stall {
    const char *name;    /* the task's, as bide_current_name(); "" if it could not be known */
    const char *site;    /* where it was spawned or driven, "file.c:12"; likewise */
    bide_time held;      /* at least */
    void *const *frames; /* return addresses, innermost first, as backtrace(3) gives them */
    int frame_count;     /* 0 when they could not be had: docs/watchdog.md says when */
};

/*
 * What a runtime is made with. Zero everywhere is a sensible default.
 * The environment variables BIDE_REACTOR=uring|epoll|sim and BIDE_WORKERS=n replace
 * BIDE_REACTOR_AUTO and a 0 in workers. BIDE_REACTOR=sim makes each run a simulation (sim.h) with
 * the seed in BIDE_SEED (0). With anything else in them a run fails with -EINVAL.
 */
struct bide_config {
    unsigned workers;          /* threads that run fibers, the calling one included; 0: the
                                  processors that this process may use (affinity, cgroup quota).
                                  The others start with the first bide_spawn_parallel or
                                  bide_spawn_spread. */
    enum bide_reactor reactor;
    size_t stack_size;         /* usable bytes of a fiber's stack; 0: 256 KiB. Rounded up to pages;
                                  at least 16 KiB. Only what is touched takes memory. */
    unsigned offload_threads;  /* the most threads of the blocking pool; 0: 16. A quarter of them is
                                  for brief work, the rest for long work; at least one each. */
    unsigned no_overflow_report : 1; /* leave SIGSEGV alone. By default, when the program has not
                                  set a handler of its own, a stack overflow prints the fiber's
                                  name, its spawn site and its stack's size, and aborts. */
    unsigned dump_on_sigquit : 1; /* SIGQUIT (Ctrl-\ in a terminal) writes all tasks of the process
                                  to stderr, as bide_dump (inspect.h), and the program goes on.
                                  While such a runtime runs the signal is bide's, and a thread
                                  waits for it; without memory for that it stays as it was. */

    /*
     * A task that holds its worker, and so all other tasks there, for longer than stall_limit is
     * reported, once. 0: 50 ms, or what the environment variable BIDE_STALL_LIMIT says
     * (milliseconds, or "off"). Negative or BIDE_FOREVER: off.
     *
     * on_stall(stall, on_stall_user) is told of it; NULL: some lines on stderr. It is called on a
     * thread of bide's own, and may block; a worker waits for it before it ends.
     */
    bide_time stall_limit;
    void (*on_stall)(const struct bide_stall *stall, void *user);
    void *on_stall_user;

    /*
     * When every task waits for another one and nothing outside can wake any, that is reported, the
     * future of bide_run is cancelled, and bide_run returns -EDEADLK. It takes 0.1 s or more to be
     * sure. As long as the process has threads that are not the runtime's, they might still do
     * something: then there is no deadlock, unless closed_world says that none of them will ever
     * resolve, send or unlock what the tasks wait for. (A signal handler may do none of that.)
     *
     * on_deadlock(report, on_deadlock_user) gets the report, some lines of text, valid until
     * it returns; NULL: they go to stderr. It must not suspend.
     */
    void (*on_deadlock)(const char *report, void *user);
    void *on_deadlock_user;
    unsigned closed_world : 1;
};

/*
 * bide_run - run a runtime in this thread until f is over.
 * bide_run_with - the same, configured; @config may be NULL.
 *
 * @f  a future, by value or by pointer
 *
 * Returns f's value. When the runtime could not be set up (-ENOMEM, -EMFILE, ...), f has not begun:
 * bide_error(f) says why, and so does a value of type int or ssize_t; another is zero. After a
 * deadlock (on_deadlock, above) both are -EDEADLK.
 * Context  a plain thread. Inside a runtime it is bide_await(f), and config is not used.
 * fork(2)  a child that is forked inside may only exec or _exit; if it goes on in the runtime, that
 *          aborts. One that is forked in a plain thread may run a runtime of its own.
 */
#define bide_run(f) bide_run_with(NULL, f)
#define bide_run_with(config, f) BIDE__RUN(config, f, __COUNTER__)

/*
 * bide_name - name the current task for reports, as printf; cut at 31 bytes.
 * Without a name it has its function's.
 */
BIDE_API void bide_name(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The current task's name; "" outside a runtime. Valid until the task ends or is named again. */
BIDE_API const char *bide_current_name(void);

/*
 * bide_worker_index - the number of the calling worker: 0 is the thread of bide_run.
 * bide_worker_count - how many there are, or may yet start: the index is below it.
 *
 * For what each worker is to have of its own. Outside a runtime they return 0 and 1.
 */
BIDE_API unsigned bide_worker_index(void);
BIDE_API unsigned bide_worker_count(void);

/* Counters of the calling thread's runtime, since its beginning unless said otherwise. */
struct bide_stats {
    const char *reactor;     /* "io_uring", "epoll" or "simulation" */
    uint64_t spawned;        /* futures spawned or started */
    uint64_t tasks;          /* now: children of scopes, joins and races that are not over */
    uint64_t fibers;         /* now: stacks in use */
    uint64_t fibers_idle;    /* now: stacks kept for use again */
    uint64_t stack_bytes;    /* now: address space of all stacks */
    uint64_t switches;       /* from one fiber to another */
    uint64_t steals;         /* times that a worker took work from another */
    uint64_t workers;        /* now: threads that run fibers */
    uint64_t running;        /* now: those of them that do not wait in their reactor */
    uint64_t turns;          /* of the reactor */
    uint64_t syscalls;       /* made by the reactors, to wait and to perform operations */
    uint64_t operations;     /* handed to the reactor */
    uint64_t timers;         /* now: set, by sleeps and deadlines */
    uint64_t offloaded;      /* calls given to the blocking pool */
    uint64_t offload_queued; /* now: those of them that no thread has begun */
    uint64_t offload_threads; /* now */
};

/* bide_get_stats - fill *ret_stats. Returns 0, or -ENOTCONN outside a runtime. */
BIDE_API int bide_get_stats(struct bide_stats *ret_stats);

/* ---- inside a foreign loop ------------------------------------------------------------------ */

/*
 * A runtime that lives in somebody else's loop (GLib, Qt, libuv, poll(2)): instead of waiting, it
 * gives that loop a descriptor to watch, and is turned when the descriptor is readable.
 *
 *     bide_runtime_open(NULL, &rt);
 *     bide_let f = bide_async(load, &window);
 *     bide_runtime_start(rt, &f);
 *     // the loop: whenever bide_runtime_fd(rt) is readable
 *     bide_runtime_turn(rt);
 *
 * All of it belongs to the thread that opened it. Its reactor is epoll, and it has one worker.
 */
struct bide_runtime;

/* bide_runtime_open - @config may be NULL. Sets *ret_runtime, owned by the caller. 0 or -errno. */
BIDE_API int bide_runtime_open(const struct bide_config *config,
                               struct bide_runtime **ret_runtime);

/* bide_runtime_start - @f, a pointer to a cold future that stays where it is until it is over,
 * begins in the next turn. */
#define bide_runtime_start(rt, f) bide__runtime_start(rt, &(f)->future, BIDE__SITE)

/* bide_runtime_cancel - as bide_cancel(f), from outside a turn. */
#define bide_runtime_cancel(rt, f) bide__runtime_cancel(rt, &(f)->future)

/* bide_runtime_fd - readable (POLLIN) when a turn has something to do; deadlines too make it so.
 * Owned by the runtime. Turn once after starting something. */
BIDE_API int bide_runtime_fd(const struct bide_runtime *rt);

/* bide_runtime_turn - run what is ready, without waiting for more, for a bounded number of
 * switches. Returns how many started futures are not over. Not from inside the runtime. */
BIDE_API int bide_runtime_turn(struct bide_runtime *rt);

/* bide_runtime_close - cancel what is not over, wait for its end, and free the runtime. */
BIDE_API void bide_runtime_close(struct bide_runtime *rt);

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API void bide__runtime_start(struct bide_runtime *rt, struct bide_future *f, const char *site);
BIDE_API void bide__runtime_cancel(struct bide_runtime *rt, struct bide_future *f);

BIDE_API void bide__run(const struct bide_config *config, struct bide_future *f, const char *site);

#define BIDE__RUN(config, f, n) BIDE__RUN_(config, f, n)
#define BIDE__RUN_(config, f, n)                                               \
    __extension__({                                                            \
        __auto_type bide__v##n = (f);                                          \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);                    \
        bide__run((config), &bide__p##n->future, BIDE__SITE);                  \
        bide__p##n->value;                                                     \
    })

#endif
