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
};

/*
 * What a runtime is made with. Zero everywhere is a sensible default.
 * The environment variable BIDE_REACTOR=uring|epoll replaces BIDE_REACTOR_AUTO.
 */
struct bide_config {
    enum bide_reactor reactor;
    size_t stack_size;         /* usable bytes of a fiber's stack; 0: 256 KiB. Rounded up to pages;
                                  at least 16 KiB. Only what is touched takes memory. */
    unsigned offload_threads;  /* the most threads that bide_offload may use; 0: 16 */
    unsigned no_overflow_report : 1; /* leave SIGSEGV alone. By default, when the program has not
                                  set a handler of its own, a stack overflow prints the fiber's
                                  name, its spawn site and its stack's size, and aborts. */
};

/*
 * bide_run - run a runtime in this thread until f is over.
 * bide_run_with - the same, configured; @config may be NULL.
 *
 * @f  a future, by value or by pointer
 *
 * Returns f's value. When the runtime could not be set up (-ENOMEM, -EMFILE, ...), f has not begun:
 * bide_error(f) says why, and so does a value of type int or ssize_t; another is zero.
 * Context  a plain thread. Inside a runtime it is bide_await(f), and config is not used.
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

/* Counters of the calling thread's runtime, since its beginning unless said otherwise. */
struct bide_stats {
    const char *reactor;     /* "io_uring" or "epoll" */
    uint64_t spawned;        /* futures spawned or started */
    uint64_t tasks;          /* now: children of scopes, joins and races that are not over */
    uint64_t fibers;         /* now: stacks in use */
    uint64_t fibers_idle;    /* now: stacks kept for use again */
    uint64_t stack_bytes;    /* now: address space of all stacks */
    uint64_t switches;       /* from one fiber to another */
    uint64_t turns;          /* of the reactor */
    uint64_t operations;     /* handed to the reactor */
    uint64_t offloaded;      /* calls given to the blocking pool */
    uint64_t offload_threads; /* now */
};

/* bide_get_stats - fill *ret_stats. Returns 0, or -ENOTCONN outside a runtime. */
BIDE_API int bide_get_stats(struct bide_stats *ret_stats);

/* ---- internal ----------------------------------------------------------------------------- */

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
