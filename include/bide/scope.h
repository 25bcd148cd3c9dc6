/*
 * bide/scope.h - scopes own the futures that are spawned into them; cancellation and shields.
 *
 *     BIDE_SCOPE(s) {
 *         for (int i = 0; i < n; i++)
 *             bide_spawn(&s, bide_async(crawl, url[i]));
 *     }                                       // all are over here
 *
 * A scope waits for its children at the closing brace and on every other way out of the block
 * (return, break, goto): nothing that was spawned outlives it, so children may use what the block's
 * function owns. Outside a runtime children begin when the scope is waited for.
 */
#ifndef BIDE_SCOPE_H
#define BIDE_SCOPE_H

#include <bide/future.h>

/* Internal: what waits for children. One in each scope, join and race, on its owner's stack. */
struct bide__group {
    struct bide__list open;       /* the owner fiber's open groups */
    struct bide__list children;   /* bide_future.sibling of those not over */
    struct bide__list parallel;   /* the same, of those that other workers may take */
    struct bide__list cancelling; /* in the list of groups to cancel; else empty */
    struct bide__list awaiters;   /* fibers that wait for one started child; in a scope */
    struct bide__fiber *fiber;    /* the owner; NULL outside a runtime */
    struct bide_future *frame;    /* the future in which it was opened */
    void *winner;                 /* atomic: of a race, the first child that took effect */
    const char *site;
    bide_time deadline;           /* of the children */
    struct bide__binding *bindings; /* that the children see */
    size_t pending;               /* children not over */
    int error;                    /* of the first child that failed */
    int unbegun;                  /* -ENOMEM: why a child could not begin; else 0 */
    uint8_t policy;               /* what cancels the others; internal */
    uint8_t cancelled;            /* BIDE__CANCELLED | BIDE__TIMEDOUT: its children are */
    uint8_t waiting;              /* the owner is parked until pending is 0 */
    uint8_t shielded;             /* opened under a shield */
};

/* A scope. Lives where you put it, at one address, until bide_scope_wait has returned. */
struct bide_scope {
    struct bide__group group;
};

struct bide_scope_options {
    unsigned cancel_on_error : 1; /* the first child that fails cancels its siblings */
};

/*
 * BIDE_SCOPE(s) { ... } - a block with a scope named s.
 * BIDE_SCOPE_WITH(s, &options) { ... } - the same with options.
 *
 * `continue` in the block, as `break`, leaves it (and waits).
 */
#define BIDE_SCOPE(s) BIDE_SCOPE_WITH(s, NULL)
#define BIDE_SCOPE_WITH(s, options) BIDE__SCOPE(s, options, __COUNTER__)

/*
 * The same by hand, for a scope whose life is not a block's. Between init and the end of
 * wait the scope belongs to the fiber that called init; that fiber waits for it.
 *
 * bide_scope_init    @options may be NULL
 * bide_scope_wait    until all children are over. Returns 0, or the error of the first child
 *                    that failed (an int or ssize_t value below 0, or one that could not
 *                    begin), or -ECANCELED / -ETIMEDOUT when the caller was cancelled.
 *                    The scope is then empty and may be used again; inside BIDE_SCOPE too.
 * bide_scope_cancel  cancels all children; later spawns into it return -ECANCELED, until it has
 *                    been waited for.
 */
#define bide_scope_init(scope, options) bide__scope_init(scope, options, BIDE__SITE)
BIDE_SUSPENDS BIDE_API int bide_scope_wait(struct bide_scope *scope);
BIDE_API void bide_scope_cancel(struct bide_scope *scope);

/*
 * bide_spawn - begin f as a child of scope, soon: at the latest when the caller next suspends.
 *
 * @scope  of this fiber, or of any fiber above it on the same worker
 * @f      a cold future, by value or by pointer; copied, so it may go out of use at once
 *
 * Returns 0; -ENOMEM; -ECANCELED or -ETIMEDOUT when the scope is cancelled. The child's
 * value is dropped, but if it is an int or ssize_t below 0 it is the scope's error.
 */
#define bide_spawn(scope, f) BIDE__SPAWN(scope, f, __COUNTER__, bide__spawn, bide__spawn_slot)

/*
 * bide_spawn_parallel - the same, but f may run on any worker of the runtime (bide_config.workers).
 *
 * An idle worker takes it while it is cold; once begun it stays where it is. So it may not use what
 * its siblings or its parent use at the same time, unless that is meant for several threads.
 * @scope must be of a fiber of the calling worker. All that holds for children holds: the scope
 * waits for it, cancels it, and keeps its error.
 */
#define bide_spawn_parallel(scope, f) \
    BIDE__SPAWN(scope, f, __COUNTER__, bide__spawn_parallel, bide__spawn_parallel_slot)

/*
 * bide_spawn_spread - the same, but f begins at once on the worker with the fewest such children.
 *
 * For what lives long and mostly waits, such as a connection: taken by whoever happened to be idle,
 * those would pile up on one worker. Short work is better off with bide_spawn_parallel.
 */
#define bide_spawn_spread(scope, f) \
    BIDE__SPAWN(scope, f, __COUNTER__, bide__spawn_spread, bide__spawn_parallel_slot)

/*
 * bide_start - begin *f in place, as a child of the innermost open scope of this fiber.
 *
 * @f  pointer to a cold future that stays where it is at least until the scope's end
 *
 * Returns 0, -ECANCELED or -ETIMEDOUT (it stays cold). bide_await(f) waits for it and gives its
 * value; bide_done(f) asks. Without an open scope it aborts.
 */
#define bide_start(f) bide__start(&(f)->future, BIDE__SITE)

/*
 * bide_cancel - ask *f to end.
 *
 * @f  pointer to a future in any state
 *
 * From now on the suspending operation that f is in, and every later one, returns -ECANCELED
 * until f's function returns. A future that has not begun never will: it stays cold, and its
 * bide_error is -ECANCELED. Does not wait and does not suspend; whoever drives f does the waiting.
 * Only from f's own worker.
 */
#define bide_cancel(f) bide__cancel(&(f)->future)

/* -ECANCELED or -ETIMEDOUT when the caller is cancelled (and not shielded), else 0. In what runs on
 * the blocking pool: when who offloaded it was cancelled meanwhile. */
BIDE_API int bide_cancelled(void);

/*
 * bide_shield() { ... } - a block in which the caller is not cancelled, for clean-up that must
 * suspend. Futures driven in it are not reached by cancellation from outside either, nor by
 * deadlines; a bide_within inside it bounds it. On leaving, the cancellation counts again.
 */
#define bide_shield() BIDE__SHIELD(__COUNTER__)

/* ---- internal ----------------------------------------------------------------------------- */

struct bide__shield {
    struct bide_future *frame; /* NULL outside a runtime */
    bide_time deadline;        /* the caller's, for afterwards */
};

BIDE_API struct bide_scope *bide__scope_enter(struct bide_scope *scope,
                                              const struct bide_scope_options *options,
                                              const char *site)
    __attribute__((returns_nonnull));
BIDE_API void bide__scope_init(struct bide_scope *scope, const struct bide_scope_options *options,
                               const char *site);
BIDE_API void bide__scope_leave(struct bide_scope *scope);
BIDE_API struct bide__shield bide__shield_enter(void);
BIDE_API void bide__shield_leave(struct bide__shield *shield);
BIDE_API void *bide__spawn_slot(struct bide_scope *scope, size_t size, const char *site);
BIDE_API void bide__spawn(struct bide_scope *scope, void *slot);
BIDE_API void *bide__spawn_parallel_slot(struct bide_scope *scope, size_t size, const char *site);
BIDE_API void bide__spawn_parallel(struct bide_scope *scope, void *slot);
BIDE_API void bide__spawn_spread(struct bide_scope *scope, void *slot);
BIDE_API int bide__start(struct bide_future *f, const char *site);
BIDE_API void bide__cancel(struct bide_future *f);

/* Numbered, so that one inside another shadows nothing. */
#define BIDE__SCOPE(s, options, n) BIDE__SCOPE_(s, options, n)
#define BIDE__SCOPE_(s, options, n)                                                       \
    for (struct bide_scope s __attribute__((cleanup(bide__scope_leave))),                 \
         *bide__once##n = bide__scope_enter(&s, (options), BIDE__SITE);                   \
         bide__once##n; bide__once##n = NULL)

#define BIDE__SHIELD(n) BIDE__SHIELD_(n)
#define BIDE__SHIELD_(n)                                                                       \
    for (struct bide__shield bide__shielded##n __attribute__((cleanup(bide__shield_leave))) =   \
             bide__shield_enter(), *bide__once##n = &bide__shielded##n;                        \
         bide__once##n; bide__once##n = NULL)

#define BIDE__SPAWN(scope, f, n, call, slot) BIDE__SPAWN_(scope, f, n, call, slot)
#define BIDE__SPAWN_(scope, f, n, call, slot)                                                 \
    __extension__({                                                                       \
        struct bide_scope *bide__s##n = (scope);                                          \
        __auto_type bide__v##n = (f);                                                     \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n);                               \
        __typeof__(bide__p##n) bide__slot##n =                                            \
            slot(bide__s##n, sizeof(*bide__p##n), BIDE__SITE);                            \
        if (BIDE__LIKELY(bide__slot##n)) {                                                \
            *bide__slot##n = *bide__p##n;                                                 \
            call(bide__s##n, bide__slot##n);                                              \
        }                                                                                 \
        bide__slot##n ? 0 : bide__spawn_error(bide__s##n);                                \
    })
BIDE_API int bide__spawn_error(const struct bide_scope *scope);

#endif
