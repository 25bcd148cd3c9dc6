/*
 * platform/hooks.h - what sanitizers and valgrind must be told about stacks. The only file that
 * knows them.
 *
 * A switch is bracketed: leaving(), the switch itself, and, on the stack that is then running,
 * arrived() with the hooks of that stack.
 */
#ifndef BIDE_PLATFORM_HOOKS_H
#define BIDE_PLATFORM_HOOKS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define BIDE__ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define BIDE__TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIDE__ASAN 1
#elif __has_feature(thread_sanitizer)
#define BIDE__TSAN 1
#endif
#endif

#ifdef BIDE__TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Of the function that switches: it is entered on one stack and left on another, which the thread
 * sanitizer must not count. */
#if defined(BIDE__TSAN) && defined(__clang__)
#define BIDE__SWITCHES __attribute__((disable_sanitizer_instrumentation))
#elif defined(BIDE__TSAN)
#define BIDE__SWITCHES __attribute__((no_sanitize_thread))
#else
#define BIDE__SWITCHES
#endif

#ifdef BIDE__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__has_include) && !defined(BIDE__ASAN) && !defined(BIDE__TSAN)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define BIDE__VALGRIND 1
#endif
#endif

/* Of one stack. bottom and size stay unset for a thread's own stack until it is first left. */
struct bide__hooks {
#ifdef BIDE__ASAN
    void *fake_stack;
    const void *bottom;
    size_t size;
#endif
#ifdef BIDE__TSAN
    void *tsan; /* NULL: a thread's own, not left yet */
#endif
#ifdef BIDE__VALGRIND
    unsigned valgrind_id;
#endif
};

static inline void bide__hooks_init(struct bide__hooks *hooks, void *bottom, size_t size)
{
#ifdef BIDE__ASAN
    hooks->fake_stack = NULL;
    hooks->bottom = bottom;
    hooks->size = size;
#endif
#ifdef BIDE__TSAN
    hooks->tsan = bottom ? __tsan_create_fiber(0) : NULL;
#endif
#ifdef BIDE__VALGRIND
    hooks->valgrind_id = VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size);
#endif
    (void)hooks, (void)bottom, (void)size;
}

/* The stack's memory is about to be given back or used for another stack. */
static inline void bide__hooks_end(struct bide__hooks *hooks)
{
#ifdef BIDE__ASAN
    __asan_unpoison_memory_region(hooks->bottom, hooks->size);
#endif
#ifdef BIDE__TSAN
    __tsan_destroy_fiber(hooks->tsan);
#endif
#ifdef BIDE__VALGRIND
    VALGRIND_STACK_DEREGISTER(hooks->valgrind_id);
#endif
    (void)hooks;
}

static inline __attribute__((always_inline)) void bide__hooks_leaving(struct bide__hooks *from,
                                                                      struct bide__hooks *to)
{
#ifdef BIDE__ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#ifdef BIDE__TSAN
    if (!from->tsan)
        from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)from, (void)to;
}

/* @root  the thread's own stack, whose bounds the first arrival on a new stack learns; else NULL */
static inline __attribute__((always_inline)) void bide__hooks_arrived(struct bide__hooks *hooks,
                                                                      struct bide__hooks *root)
{
#ifdef BIDE__ASAN
    if (root && !root->bottom)
        __sanitizer_finish_switch_fiber(hooks->fake_stack, &root->bottom, &root->size);
    else
        __sanitizer_finish_switch_fiber(hooks->fake_stack, NULL, NULL);
#endif
    (void)hooks, (void)root;
}

#endif
