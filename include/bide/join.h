/*
 * bide/join.h - driving several futures at once, or one against the clock.
 *
 * The children of a join or race stay on their parent's worker: they interleave only where they
 * suspend, so among themselves they need no locks. Whoever drives waits for the end of all it
 * drives, so children may use the parent's locals and buffers. A leaf (sleep, recv, ...) is
 * started inside its own struct and needs no stack; the first function runs on the caller's
 * stack; a join of n takes n - 1 stacks at most, and none where nothing suspends.
 *
 * All take 1 to 8 futures, by pointer or by value; the _all forms take an array of futures and
 * its length (a length of 0 is allowed, except for a race: -EINVAL).
 *
 * Common errors
 *   -ECANCELED  the caller was cancelled, before or meanwhile; its children were cancelled too
 *   -ETIMEDOUT  the same, through a deadline of the caller's (bide_within)
 *   -ENOMEM     a child suspended and there was no stack for another one, which ended
 *               without beginning (bide_error says so)
 * Whatever is returned, all children are over. Those that had not begun are still cold.
 */
#ifndef BIDE_JOIN_H
#define BIDE_JOIN_H

#include <bide/future.h>

/* bide_join - all to the end. Returns 0, or a common error. */
#define bide_join(...) BIDE__MANY(bide__join, BIDE__NO_CHECK, __VA_ARGS__)
#define bide_join_all(array, n) BIDE__ALL(bide__join_all, array, n)

/*
 * bide_try_join - all to the end, unless one fails: the first value below 0 cancels the rest.
 *
 * The futures' values must be int, long or ssize_t (checked by the compiler).
 * Returns 0, the first negative value, or a common error.
 */
#define bide_try_join(...) BIDE__MANY(bide__try_join, BIDE__CHECK_ERRNO, __VA_ARGS__)
#define bide_try_join_all(array, n)                                                 \
    __extension__({                                                                 \
        _Static_assert(BIDE__IS_ERRNO((array)->value),                              \
                       "try_join takes futures whose value is an int or ssize_t"); \
        BIDE__ALL(bide__try_join_all, array, n);                                    \
    })

/*
 * bide_race - until the first one is done; the others are cancelled and awaited.
 *
 * Returns  the index (from 0) of the first done, or a common error when none was.
 * Nothing is lost: one that finished before its cancellation took effect is done too and keeps
 * its value (bytes read, descriptor accepted): look at bide_state() of those you passed by
 * pointer. One that had not begun is still cold.
 */
#define bide_race(...) BIDE__MANY(bide__race, BIDE__NO_CHECK, __VA_ARGS__)
#define bide_race_all(array, n) BIDE__ALL(bide__race_all, array, n)

/*
 * bide_within - drive f here, for so long at most.
 *
 * @span  nanoseconds from now; 0 or less has passed already: f does not begin
 * @f     a future, by value or by pointer
 *
 * Bounds everything below f (bide_deadline). The smaller of it and the deadlines above counts.
 * Returns 0 when f ended in time; -ETIMEDOUT when the span passed first: f was then cancelled
 * and is over, and its value is what it made of that (the operations in it
 * returned -ETIMEDOUT); -ECANCELED or -ETIMEDOUT when the caller was cancelled meanwhile.
 */
#define bide_within(span, f) BIDE__WITHIN(span, f, __COUNTER__)

/* The deadline that bounds the caller: an absolute bide_time, or BIDE_FOREVER. */
BIDE_API bide_time bide_deadline(void);

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API int bide__join(struct bide_future *const *v, size_t n, const char *site);
BIDE_API int bide__try_join(struct bide_future *const *v, size_t n, const char *site);
BIDE_API int bide__race(struct bide_future *const *v, size_t n, const char *site);
BIDE_API int bide__join_all(struct bide_future *first, size_t n, size_t stride, const char *site);
BIDE_API int bide__try_join_all(struct bide_future *first, size_t n, size_t stride,
                                const char *site);
BIDE_API int bide__race_all(struct bide_future *first, size_t n, size_t stride, const char *site);
BIDE_API int bide__within(bide_time span, struct bide_future *f, const char *site);

#define BIDE__WITHIN(span, f, n) BIDE__WITHIN_(span, f, n)
#define BIDE__WITHIN_(span, f, n)                                     \
    __extension__({                                                   \
        bide_time bide__s##n = (span);                                \
        __auto_type bide__v##n = (f);                                 \
        bide__within(bide__s##n, &BIDE__POINTER(bide__v##n)->future, BIDE__SITE); \
    })

#define BIDE__ALL(call, array, n)                                                              \
    __extension__({                                                                            \
        __auto_type bide__array = (array); /* may be NULL, when n is 0 */                      \
        _Static_assert(offsetof(__typeof__(*bide__array), future) == 0, "not a future");       \
        call((struct bide_future *)(void *)bide__array, (n), sizeof(*bide__array), BIDE__SITE); \
    })

#define BIDE__NO_CHECK(x)
#define BIDE__CHECK_ERRNO(x)                                                  \
    _Static_assert(BIDE__IS_ERRNO(BIDE__POINTER(x)->value),                   \
                   "try_join takes futures whose value is an int or ssize_t");

#define BIDE__MANY(call, check, ...) \
    BIDE__MANY_(call, check, __COUNTER__, BIDE__COUNT(__VA_ARGS__), __VA_ARGS__)
#define BIDE__MANY_(call, check, u, n, ...) BIDE__MANY__(call, check, u, n, __VA_ARGS__)
#define BIDE__MANY__(call, check, u, n, ...)                                    \
    __extension__({                                                             \
        BIDE__HOLD##n(u, check, __VA_ARGS__)                                    \
        struct bide_future *const bide__all##u[] = { BIDE__HEADS##n(u) };       \
        call(bide__all##u, n, BIDE__SITE);                                      \
    })
#define BIDE__COUNT(...) BIDE__COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BIDE__COUNT_(a, b, c, d, e, f, g, h, n, ...) n

#define BIDE__H(u, i, check, x) __auto_type bide__##i##_##u = (x); check(bide__##i##_##u)
#define BIDE__HOLD1(u, k, a) BIDE__H(u, 1, k, a)
#define BIDE__HOLD2(u, k, a, b) BIDE__HOLD1(u, k, a) BIDE__H(u, 2, k, b)
#define BIDE__HOLD3(u, k, a, b, c) BIDE__HOLD2(u, k, a, b) BIDE__H(u, 3, k, c)
#define BIDE__HOLD4(u, k, a, b, c, d) BIDE__HOLD3(u, k, a, b, c) BIDE__H(u, 4, k, d)
#define BIDE__HOLD5(u, k, a, b, c, d, e) BIDE__HOLD4(u, k, a, b, c, d) BIDE__H(u, 5, k, e)
#define BIDE__HOLD6(u, k, a, b, c, d, e, f) BIDE__HOLD5(u, k, a, b, c, d, e) BIDE__H(u, 6, k, f)
#define BIDE__HOLD7(u, k, a, b, c, d, e, f, g) \
    BIDE__HOLD6(u, k, a, b, c, d, e, f) BIDE__H(u, 7, k, g)
#define BIDE__HOLD8(u, k, a, b, c, d, e, f, g, h) \
    BIDE__HOLD7(u, k, a, b, c, d, e, f, g) BIDE__H(u, 8, k, h)

#define BIDE__HEAD(u, i) &BIDE__POINTER(bide__##i##_##u)->future
#define BIDE__HEADS1(u) BIDE__HEAD(u, 1)
#define BIDE__HEADS2(u) BIDE__HEADS1(u), BIDE__HEAD(u, 2)
#define BIDE__HEADS3(u) BIDE__HEADS2(u), BIDE__HEAD(u, 3)
#define BIDE__HEADS4(u) BIDE__HEADS3(u), BIDE__HEAD(u, 4)
#define BIDE__HEADS5(u) BIDE__HEADS4(u), BIDE__HEAD(u, 5)
#define BIDE__HEADS6(u) BIDE__HEADS5(u), BIDE__HEAD(u, 6)
#define BIDE__HEADS7(u) BIDE__HEADS6(u), BIDE__HEAD(u, 7)
#define BIDE__HEADS8(u) BIDE__HEADS7(u), BIDE__HEAD(u, 8)

#endif
