/*
 * bide/future.h - futures: descriptions of work as plain C values.
 *
 * A future holds an operation, its arguments by value, and room for its result. Making one runs
 * nothing. It is COLD until something drives it: bide_await here, bide_run, bide_join and its
 * kin (join.h), bide_spawn and bide_start (scope.h). A cold future owns nothing: copy it, drop it,
 * run the copy again.
 *
 *     struct user fetch_user(struct db *db, int64_t id);
 *     BIDE_ASYNC(struct user, fetch_user, struct db *, int64_t)
 *
 *     bide_let user = bide_async(fetch_user, db, 42);   // nothing has run
 *     struct user u = bide_await(user);                 // runs it on this stack
 *
 * Every macro that drives takes a future by value or by pointer. By value it drives a copy, and
 * the variable stays cold. By pointer it drives that very future, whose `value` then holds the
 * result, and which must stay where it is until it is over.
 *
 * While a future is RUNNING it belongs to the runtime: don't write, move or free it. Driving a
 * future that is running already is a programmer's error and aborts with its name and the call
 * site. Driving one that is done gives its value again and runs nothing.
 */
#ifndef BIDE_FUTURE_H
#define BIDE_FUTURE_H

#include <bide/base.h>

enum bide_state {
    BIDE_COLD,    /* its function has not begun */
    BIDE_RUNNING, /* begun, not over */
    BIDE_DONE,    /* over; `value` is valid */
};

struct bide_future;
struct bide_leaf_ops;
struct bide__group;
struct bide__fiber;

/* What is the same for all futures of one function. One static const object each. */
struct bide_type {
    const char *name;                    /* the function's */
    void (*run)(struct bide_future *f);  /* calls it with f's arguments; NULL in a leaf */
    const struct bide_leaf_ops *leaf;    /* leaf.h; NULL in a function's */
    uint32_t size;                       /* of the whole struct fn_future, bytes */
    uint16_t value_offset;               /* of `value` in it */
    uint8_t value_size;                  /* bytes, when errno_value; else 0 */
    uint8_t errno_value;                 /* the value is an int, long or long long, that is, an
                                            error when it is negative */
};

/* The head of every struct fn_future. Its fields are the runtime's; read them with the functions
 * below. 64 bytes. */
struct bide_future {
    const struct bide_type *type;
    union {
        struct bide__list ready;   /* in the run queue, or alone, while BIDE__QUEUED */
        struct bide__fiber *fiber; /* that runs it or waits for it, while running */
    };
    struct bide_future *parent; /* the future that this one was driven from */
    struct bide__group *group;  /* the join, race or scope that waits for it; NULL if awaited */
    struct bide__list sibling;  /* in group, until it is over */
    uint8_t state;  /* enum bide_state */
    uint8_t flags;  /* bide__flag */
    uint16_t shield; /* how many shields stand in this very future now */
    int32_t error;  /* bide_error() */
};

/* What a future of a function that returns nothing has for a value. */
struct bide_void {};

/* ---- making futures ---------------------------------------------------------------------- */

/*
 * BIDE_ASYNC(R, fn, T...) - gives fn an async form, after its prototype.
 * BIDE_ASYNC_VOID(fn, T...) - the same for a function that returns void.
 *
 * @R     fn's return type; any complete object type
 * @T...  the types of fn's 0 to 8 parameters
 *
 * Defines struct fn_future { struct bide_future future; R value; struct { ... } args; } and its
 * constructor fn_async(). A wrong argument type or count is the compiler's ordinary diagnostic
 * for a call of a function, and so is a future that nobody uses.
 */
#define BIDE_ASYNC(R, fn, ...) BIDE__ASYNC(BIDE__NARGS(_, ##__VA_ARGS__), R, fn, ##__VA_ARGS__)
#define BIDE_ASYNC_VOID(fn, ...) \
    BIDE__ASYNC_VOID(BIDE__NARGS(_, ##__VA_ARGS__), fn, ##__VA_ARGS__)

/* bide_async(fn, args...) - a cold struct fn_future that describes the call fn(args...). */
#define bide_async(fn, ...) fn##_async(__VA_ARGS__)

/* Declares a variable of its initialiser's type: bide_let f = bide_async(...). */
#define bide_let __auto_type

/* ---- looking at futures; f is a pointer to any future ------------------------------------- */

/* enum bide_state. */
#define bide_state(f) ((enum bide_state)(f)->future.state)

/* Non-zero when f is over: done, or ended without beginning (see bide_error). */
#define bide_done(f) bide__done(&(f)->future)

/*
 * 0, or why f did not do its work: -ECANCELED (it was cancelled first), -ETIMEDOUT (the deadline
 * it inherited had passed), -ENOMEM (no stack or no memory for it). A function's future is
 * then still cold: its function was not called. A value of type int, long or long long then
 * holds the same number; a value of another type is zero.
 */
#define bide_error(f) ((int)(f)->future.error)

/* The name of f's function. */
#define bide_function(f) ((f)->future.type->name)

/* ---- driving one, here -------------------------------------------------------------------- */

/*
 * bide_await - drive f here and now, on this stack.
 *
 * @f  a future, by value or by pointer
 *
 * Returns  f's value (nothing for a void function).
 * Cancel   awaiting begins even when the caller is cancelled: it is a call. The operations in it
 *          then return -ECANCELED.
 * Context  fiber, or a plain thread. A future that bide_start began is waited for.
 *
 * Costs a function call when f is an async function; suspends only when something in it does.
 * By value it is exactly that call; by pointer f has its place in the tree of futures, so that it
 * can be cancelled and is reported by name.
 */
#define bide_await(f) BIDE__AWAIT(f, __COUNTER__)

/* ---- internal ----------------------------------------------------------------------------- */

enum bide__flag {
    BIDE__CANCELLED = 1, /* bide_cancel, a lost race, a cancelled scope */
    BIDE__TIMEDOUT = 2,  /* a bide_within above ran out */
    BIDE__HEAP = 4,      /* a spawned copy: the runtime frees it */
    BIDE__QUEUED = 8,    /* cold, in a group that is about to begin it */
    BIDE__STARTED = 16,  /* by bide_start: may be awaited while it runs */
    BIDE__MALLOC = 32,   /* a copy spawned outside a runtime */
    BIDE__PARALLEL = 64, /* a copy made by bide_spawn_parallel */
    BIDE__PART = 128,    /* of a leaf: another began it as a part of itself, its parent */
    BIDE__LOCALS = 128,  /* of a function: a task that has values of bide_local */
};

/* What this thread runs now. Read by the inlined part of bide_await alone. */
struct bide__self {
    struct bide_future *current; /* innermost future being driven; NULL outside a runtime */
    struct bide__fiber *fiber;   /* NULL outside a runtime */
};
extern BIDE_API __thread struct bide__self bide__self __attribute__((tls_model("initial-exec")));

BIDE_API void bide__await_slow(struct bide_future *f, const char *site);
BIDE_API void bide__unwound(void);

/* By value: a call, and nothing else. The copy has no address that anybody else could know, so it
 * needs no place in the tree, and the compiler may keep it in registers. */
static inline __attribute__((always_inline)) void bide__await_copy(struct bide_future *f,
                                                                   const char *site)
{
    if (BIDE__UNLIKELY(!f->type->run || f->state != BIDE_COLD || f->flags))
        bide__await_slow(f, site);
    else
        f->type->run(f);
}

static inline __attribute__((always_inline)) void bide__await(struct bide_future *f,
                                                              const char *site)
{
    if (BIDE__UNLIKELY(!f->type->run || f->state != BIDE_COLD || f->flags)) {
        bide__await_slow(f, site);
        return;
    }
    struct bide_future *up = bide__self.current;
    f->parent = up;
    f->state = BIDE_RUNNING;
    f->flags = 0;
    f->shield = 0;
    f->error = 0;
    bide__self.current = f;
    f->type->run(f);
    bide__self.current = up;
    f->state = BIDE_DONE;
    if (BIDE__UNLIKELY(f->flags))
        bide__unwound();
}

static inline int bide__done(const struct bide_future *f)
{
    return f->state == BIDE_DONE || (f->state == BIDE_COLD && f->error);
}

/* A macro's argument, future or pointer to one, as a pointer. x must be a variable. */
#define BIDE__IS_POINTER(x) (__builtin_classify_type(x) == 5)
#define BIDE__POINTER(x) __builtin_choose_expr(BIDE__IS_POINTER(x), (x), &(x))

#define BIDE__AWAIT(f, n) BIDE__AWAIT_(f, n)
#define BIDE__AWAIT_(f, n)                                \
    __extension__({                                       \
        __auto_type bide__v##n = (f);                     \
        __auto_type bide__p##n = BIDE__POINTER(bide__v##n); \
        if (BIDE__IS_POINTER(bide__v##n))                 \
            bide__await(&bide__p##n->future, BIDE__SITE); \
        else                                              \
            bide__await_copy(&bide__p##n->future, BIDE__SITE); \
        bide__p##n->value;                                \
    })

/* Inlined early, so that awaiting a future that was just made becomes a direct call. */
#define BIDE__INLINE inline __attribute__((always_inline, unused))

/* Is an expression of this type an int, long or long long? */
#define BIDE__IS_ERRNO(x) _Generic((x), int: 1, long: 1, long long: 1, default: 0)
#define BIDE__ERRNO_SIZE(x) (BIDE__IS_ERRNO(x) ? (uint8_t)sizeof(x) : 0)

#define BIDE__TYPE(fn, run_, leaf_)                                                      \
    {                                                                                    \
        .name = #fn, .run = (run_), .leaf = (leaf_), .size = sizeof(struct fn##_future), \
        .value_offset = offsetof(struct fn##_future, value),                             \
        .value_size = BIDE__ERRNO_SIZE(((struct fn##_future *)0)->value),                \
        .errno_value = BIDE__IS_ERRNO(((struct fn##_future *)0)->value),                 \
    }

#define BIDE__ASYNC(n, R, fn, ...) BIDE__ASYNC_(n, R, fn, ##__VA_ARGS__)
#define BIDE__ASYNC_(n, R, fn, ...)                                    \
    BIDE__FUTURE_STRUCT(R, fn, BIDE__FIELDS##n(__VA_ARGS__))           \
    static BIDE__INLINE void fn##_run(struct bide_future *bide__f) \
    {                                                                  \
        struct fn##_future *bide__p = (struct fn##_future *)bide__f;   \
        bide__p->value = fn(BIDE__PASS##n);                            \
    }                                                                  \
    BIDE__CONSTRUCTOR(n, fn, ##__VA_ARGS__)

#define BIDE__ASYNC_VOID(n, fn, ...) BIDE__ASYNC_VOID_(n, fn, ##__VA_ARGS__)
#define BIDE__ASYNC_VOID_(n, fn, ...)                                            \
    BIDE__FUTURE_STRUCT(struct bide_void, fn, BIDE__FIELDS##n(__VA_ARGS__))      \
    static BIDE__INLINE void fn##_run(struct bide_future *bide__f) \
    {                                                                            \
        struct fn##_future *bide__p = (struct fn##_future *)bide__f;             \
        (void)bide__p;                                                           \
        fn(BIDE__PASS##n);                                                       \
    }                                                                            \
    BIDE__CONSTRUCTOR(n, fn, ##__VA_ARGS__)

#define BIDE__FUTURE_STRUCT(R, fn, fields) \
    struct fn##_future {                   \
        struct bide_future future;         \
        __typeof__(R) value;               \
        struct {                           \
            fields                         \
        } args;                            \
    };

#define BIDE__CONSTRUCTOR(n, fn, ...)                                                              \
    static const __attribute__((unused)) struct bide_type fn##_type = BIDE__TYPE(fn, fn##_run, 0); \
    static BIDE__INLINE BIDE_MUST_USE struct fn##_future fn##_async(BIDE__PARAMS##n(__VA_ARGS__))  \
    {                                                                                              \
        return (struct fn##_future){ .future = { .type = &fn##_type },                             \
                                     .args = { BIDE__INIT##n } };                                  \
    }

#define BIDE__NARGS(...) BIDE__NARGS_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BIDE__NARGS_(_, a, b, c, d, e, f, g, h, n, ...) n

#define BIDE__FIELDS0()
#define BIDE__FIELDS1(A) __typeof__(A) a1;
#define BIDE__FIELDS2(A, B) BIDE__FIELDS1(A) __typeof__(B) a2;
#define BIDE__FIELDS3(A, B, C) BIDE__FIELDS2(A, B) __typeof__(C) a3;
#define BIDE__FIELDS4(A, B, C, D) BIDE__FIELDS3(A, B, C) __typeof__(D) a4;
#define BIDE__FIELDS5(A, B, C, D, E) BIDE__FIELDS4(A, B, C, D) __typeof__(E) a5;
#define BIDE__FIELDS6(A, B, C, D, E, F) BIDE__FIELDS5(A, B, C, D, E) __typeof__(F) a6;
#define BIDE__FIELDS7(A, B, C, D, E, F, G) BIDE__FIELDS6(A, B, C, D, E, F) __typeof__(G) a7;
#define BIDE__FIELDS8(A, B, C, D, E, F, G, H) BIDE__FIELDS7(A, B, C, D, E, F, G) __typeof__(H) a8;

#define BIDE__PARAMS0() void
#define BIDE__PARAMS1(A) __typeof__(A) a1
#define BIDE__PARAMS2(A, B) BIDE__PARAMS1(A), __typeof__(B) a2
#define BIDE__PARAMS3(A, B, C) BIDE__PARAMS2(A, B), __typeof__(C) a3
#define BIDE__PARAMS4(A, B, C, D) BIDE__PARAMS3(A, B, C), __typeof__(D) a4
#define BIDE__PARAMS5(A, B, C, D, E) BIDE__PARAMS4(A, B, C, D), __typeof__(E) a5
#define BIDE__PARAMS6(A, B, C, D, E, F) BIDE__PARAMS5(A, B, C, D, E), __typeof__(F) a6
#define BIDE__PARAMS7(A, B, C, D, E, F, G) BIDE__PARAMS6(A, B, C, D, E, F), __typeof__(G) a7
#define BIDE__PARAMS8(A, B, C, D, E, F, G, H) \
    BIDE__PARAMS7(A, B, C, D, E, F, G), __typeof__(H) a8

#define BIDE__INIT0
#define BIDE__INIT1 a1
#define BIDE__INIT2 BIDE__INIT1, a2
#define BIDE__INIT3 BIDE__INIT2, a3
#define BIDE__INIT4 BIDE__INIT3, a4
#define BIDE__INIT5 BIDE__INIT4, a5
#define BIDE__INIT6 BIDE__INIT5, a6
#define BIDE__INIT7 BIDE__INIT6, a7
#define BIDE__INIT8 BIDE__INIT7, a8

#define BIDE__PASS0
#define BIDE__PASS1 bide__p->args.a1
#define BIDE__PASS2 BIDE__PASS1, bide__p->args.a2
#define BIDE__PASS3 BIDE__PASS2, bide__p->args.a3
#define BIDE__PASS4 BIDE__PASS3, bide__p->args.a4
#define BIDE__PASS5 BIDE__PASS4, bide__p->args.a5
#define BIDE__PASS6 BIDE__PASS5, bide__p->args.a6
#define BIDE__PASS7 BIDE__PASS6, bide__p->args.a7
#define BIDE__PASS8 BIDE__PASS7, bide__p->args.a8

#endif
