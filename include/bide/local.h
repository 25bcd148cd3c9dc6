/*
 * bide/local.h - storage of a task's own, made when the task first asks for it: what thread-local
 * storage with a destructor is to a thread.
 *
 *     static BIDE_LOCAL(struct buffer) scratch = { .destroy = buffer_destroy };
 *
 *     struct buffer *buffer = bide_local(&scratch);   // this task's; zeroed when it is new
 *     if (!buffer)
 *         return -ENOMEM;
 *
 * A task is what may run at the same time as others: the future of bide_run, each child of a join,
 * a race or a scope, what is offloaded. What is awaited, also by bide_within or in a shield, is
 * part of the task that awaits it. Outside a runtime the thread is the task (a bide_within there
 * makes a runtime, and is one of its own).
 *
 * For values that come from above there is context.h. A cache that is filled and used between two
 * waits may be thread-local: a task never changes its thread.
 */
#ifndef BIDE_LOCAL_H
#define BIDE_LOCAL_H

#include <bide/base.h>

/*
 * BIDE_LOCAL(T) - the type of a key whose values are objects of type T.
 *
 * A key is an object of static storage; its address is what counts. destroy may be NULL. It is
 * called with a pointer to the value when the task ends, on the task's own stack, after its
 * function has returned; the values made last go first. It may wait, and is cancelled if the task
 * is. The memory of the value itself is freed after it. To name the type, in a header, use typedef.
 */
#define BIDE_LOCAL(T)                                     \
    struct {                                              \
        void (*destroy)(void *value);                     \
        __typeof__(T) *bide__type; /* has no value */     \
    }

/*
 * bide_local - this task's value of the key.
 *
 * @key  pointer to a key
 *
 * Returns a pointer to it, valid until the task ends; NULL when it does not exist yet and there is
 * no memory. When it is new it is all zeros. Not in the hooks of leaves and promises.
 */
#define bide_local(key)                                                          \
    ((__typeof__((key)->bide__type))bide__local((key), (key)->destroy,           \
                                                sizeof(*(key)->bide__type)))

/* ---- internal ----------------------------------------------------------------------------- */

BIDE_API void *bide__local(const void *key, void (*destroy)(void *value), size_t size);

#endif
