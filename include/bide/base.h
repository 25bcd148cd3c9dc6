/*
 * bide/base.h - what every public header needs: time, export and annotation macros.
 */
#ifndef BIDE_BASE_H
#define BIDE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BIDE_VERSION_MAJOR 0
#define BIDE_VERSION_MINOR 1
#define BIDE_VERSION_PATCH 0

#ifdef __cplusplus
#error "bide's macros need GNU C (gnu11 or later); wrap what you need in a C file"
#endif

/* Part of the public interface. Everything else in the libraries is hidden. */
#define BIDE_API __attribute__((visibility("default")))

/*
 * In a prototype: the function may suspend its caller's fiber. Meanwhile other fibers of the same
 * worker run, so what the caller shares with them may have changed when it returns.
 * In a plain thread, outside any runtime, such a function blocks the thread instead.
 */
#define BIDE_SUSPENDS

#define BIDE_MUST_USE __attribute__((warn_unused_result))

/*
 * Nanoseconds: a span, or a point on the monotonic clock (CLOCK_MONOTONIC) such as bide_now()
 * returns. 2^63 ns are 292 years. BIDE_FOREVER is the deadline of what has none.
 */
typedef int64_t bide_time;

#define BIDE_NS ((bide_time)1)
#define BIDE_US (1000 * BIDE_NS)
#define BIDE_MS (1000 * BIDE_US)
#define BIDE_S (1000 * BIDE_MS)
#define BIDE_FOREVER INT64_MAX

/* "file.c:12" of the line that it stands in; abort messages and reports show it. */
#define BIDE__TEXT_(x) #x
#define BIDE__TEXT(x) BIDE__TEXT_(x)
#define BIDE__SITE __FILE__ ":" BIDE__TEXT(__LINE__)

#define BIDE__LIKELY(x) __builtin_expect(!!(x), 1)
#define BIDE__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A link of an intrusive, circular, doubly linked list, or its head. Internal to bide. */
struct bide__list {
    struct bide__list *next, *prev;
};

/* Held for a few instructions, on what several threads may share: src/platform/lock.h. Internal. */
struct bide__lock {
    int word; /* atomic */
};

/* A message to a worker, from any thread; deliver is called on the worker. Internal to bide. */
struct bide__post {
    struct bide__post *next;
    void (*deliver)(struct bide__post *post);
};

#endif
