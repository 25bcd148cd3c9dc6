/* Where suspended fibers stand. Each function here notes where it returns to: those addresses,
 * exactly, have to be in the trace, in that order. */
#include "fiber.h"

#include "platform/backtrace.h"

#include <bide/keywords.h>

#include <bide/event.h>

enum { MOST = 16 };

/* A task that is looked at, and where its functions return to, outermost first. */
struct trace {
    struct bide__fiber *fiber;
    struct bide_event go;
    int count;
    void *expected[MOST];
};

/* First in each function. After a call, ends() keeps that from becoming a jump. */
#define BEGINS(t) ((t)->expected[(t)->count++] = __builtin_return_address(0))
static inline __attribute__((always_inline)) void ends(void)
{
    __asm__ volatile("" ::: "memory");
}
#define FRAME static __attribute__((noinline))

static void *fiber_frame(void)
{
    return (char *)(uintptr_t)bide__fiber_start;
}

/* Does the suspended fiber stand in all the functions that noted so? */
static bool stands_there(const struct trace *t)
{
    void *frames[BIDE__FRAMES_MAX];
    int n = bide__context_backtrace(&t->fiber->context, frames, BIDE__FRAMES_MAX), at = 0;
    CHECK_OR(n > 0 && frames[0] == t->fiber->context.pc, false);
    for (int i = t->count; i-- > 0; at++) {
        while (at < n && frames[at] != t->expected[i])
            at++;
        CHECK_OR(at < n, false);
    }
    return true;
}

/* Nothing but bide__fiber_start calls the functions of a fiber that is not a thread's own. */
static bool ends_in_the_first_function(const struct trace *t)
{
    void *frames[BIDE__FRAMES_MAX];
    int n = bide__context_backtrace(&t->fiber->context, frames, BIDE__FRAMES_MAX);
    size_t into = n ? (size_t)((char *)frames[n - 1] - (char *)fiber_frame()) : 0;
    CHECK_OR(n < BIDE__FRAMES_MAX && into > 0 && into < 64, false);
    return true;
}

/* ---- deep in calls ---- */

FRAME int wait_here(struct trace *t)
{
    BEGINS(t);
    int error = bide_event_wait(&t->go);
    ends();
    return error;
}

FRAME int in_between(struct trace *t, int depth)
{
    BEGINS(t);
    int error = depth ? in_between(t, depth - 1) : wait_here(t);
    ends();
    return error;
}

/* Keeps values in registers that are saved, over the wait. */
FRAME long with_registers(struct trace *t, const long *v)
{
    BEGINS(t);
    long a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5];
    int error = in_between(t, 2);
    ends();
    return error ? error : a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

/* Its frame is found by the frame pointer: its size is not known. */
FRAME int with_a_variable_frame(struct trace *t, size_t size)
{
    BEGINS(t);
    volatile char block[size];
    block[0] = block[size - 1] = 1;
    static const long v[] = { 1, 2, 3, 4, 5, 6 };
    CHECK_OR(with_registers(t, v) == 654321, -EBADE);
    return block[0] + block[size - 1];
}

static int deep(struct trace *t, size_t size)
{
    t->fiber = bide__self.fiber;
    return with_a_variable_frame(t, size);
}
ASYNC(int, deep, struct trace *, size_t)

FIBER_TEST(functions_of_a_suspended_task)
{
    static const size_t sizes[] = { 1, 100, 5000 };
    for (int i = 0; i < 3; i++) {
        struct trace t = { 0 };
        let f = async(deep, &t, sizes[i]);
        scope(s) {
            bide_start(&f);
            settle();
            CHECK(t.fiber && t.fiber != bide__self.fiber);
            CHECK_EQ(t.count, 6);
            CHECK(stands_there(&t));
            CHECK(stands_there(&t)); /* looking has changed nothing */
            CHECK(ends_in_the_first_function(&t));
            bide_event_set(&t.go);
        }
        CHECK_EQ(f.value, 2);
    }
}

FIBER_TEST(as_many_as_there_is_room_for)
{
    struct trace t = { 0 };
    void *all[BIDE__FRAMES_MAX], *some[BIDE__FRAMES_MAX];
    scope(s) {
        spawn(&s, async(deep, &t, 10));
        settle();
        int n = bide__context_backtrace(&t.fiber->context, all, BIDE__FRAMES_MAX);
        for (int max = 1; max <= n; max++) {
            memset(some, 0, sizeof(some));
            CHECK_EQ(bide__context_backtrace(&t.fiber->context, some, max), max);
            CHECK_EQ(memcmp(some, all, (size_t)max * sizeof(*all)), 0);
            CHECK(max == BIDE__FRAMES_MAX || !some[max]);
        }
        bide_event_set(&t.go);
    }
}

FRAME int recurse(struct trace *t, int depth)
{
    t->fiber = bide__self.fiber;
    int error = depth ? recurse(t, depth - 1) : wait_here(t);
    ends();
    return error;
}
ASYNC(int, recurse, struct trace *, int)

FIBER_TEST(more_than_is_ever_found)
{
    struct trace t = { 0 };
    void *frames[2 * BIDE__FRAMES_MAX];
    scope(s) {
        spawn(&s, async(recurse, &t, 3 * BIDE__FRAMES_MAX));
        settle();
        CHECK(stands_there(&t));
        CHECK_EQ(bide__context_backtrace(&t.fiber->context, frames, 2 * BIDE__FRAMES_MAX),
                 BIDE__FRAMES_MAX);
        bide_event_set(&t.go);
    }
}

/* ---- where it waits ---- */

FRAME int sleep_here(struct trace *t)
{
    BEGINS(t);
    int error = bide_sleep(BIDE_S);
    ends();
    return error;
}

FRAME int yield_here(struct trace *t)
{
    BEGINS(t);
    int error = 0;
    while (!error)
        error = bide_yield();
    ends();
    return error;
}

FRAME int join_here(struct trace *t)
{
    BEGINS(t);
    int error = join(async(bide_sleep, BIDE_S), async(bide_sleep, BIDE_S));
    ends();
    return error;
}

FRAME int scope_here(struct trace *t)
{
    BEGINS(t);
    int error;
    scope(s) {
        spawn(&s, async(bide_sleep, BIDE_S));
        error = bide_scope_wait(&s);
    }
    ends();
    return error;
}

static int wait_in(struct trace *t, int (*where)(struct trace *t))
{
    t->fiber = bide__self.fiber;
    int error = where(t);
    ends();
    return error;
}
ASYNC(int, wait_in, struct trace *, int (*)(struct trace *))

FIBER_TEST(whatever_it_waits_for)
{
    static int (*const where[])(struct trace *) = { sleep_here, yield_here, join_here,
                                                    scope_here };
    for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++) {
        struct trace t = { 0 };
        scope(s) {
            spawn(&s, async(wait_in, &t, where[i]));
            settle();
            CHECK_EQ(t.count, 1);
            CHECK(stands_there(&t));
            CHECK(ends_in_the_first_function(&t));
            bide_scope_cancel(&s);
        }
    }
}

/* ---- through the C library, and on a thread's own stack ---- */

static struct trace *sorted;

static int compare(const void *a, const void *b)
{
    (void)a, (void)b;
    if (sorted->count == 1) {
        BEGINS(sorted);
        wait_here(sorted);
    }
    return 0;
}

FRAME void sort_here(struct trace *t)
{
    BEGINS(t);
    int v[] = { 1, 2 };
    qsort(v, 2, sizeof(*v), compare);
    ends();
}

static int sort(struct trace *t)
{
    t->fiber = bide__self.fiber;
    sort_here(t);
    return 0;
}
ASYNC(int, sort, struct trace *)

FIBER_TEST(through_functions_of_the_c_library)
{
    struct trace t = { 0 };
    sorted = &t;
    scope(s) {
        spawn(&s, async(sort, &t));
        settle();
        CHECK_EQ(t.count, 3);
        CHECK(stands_there(&t));
        bide_event_set(&t.go);
    }
}

static void look_and_go_on(struct trace *t)
{
    settle();
    CHECK(t->fiber != bide__self.fiber && t->fiber == &bide__worker()->root);
    CHECK(stands_there(t));
    bide_event_set(&t->go);
}
ASYNC_VOID(look_and_go_on, struct trace *)

FRAME int wait_in_the_root(struct trace *t)
{
    BEGINS(t);
    t->fiber = bide__self.fiber;
    int error;
    scope(s) {
        spawn(&s, async(look_and_go_on, t));
        error = wait_here(t);
    }
    return error;
}
ASYNC(int, wait_in_the_root, struct trace *)

FRAME int run_here(struct trace *t)
{
    BEGINS(t);
    int error = bide_run(async(wait_in_the_root, t));
    ends();
    return error;
}

TEST(the_stack_of_a_thread)
{
    struct trace t = { 0 };
    CHECK_EQ(run_here(&t), 0);
    CHECK_EQ(t.count, 3);
}

static int nothing(void)
{
    return 0;
}
ASYNC(int, nothing)

FIBER_TEST(a_runner_that_is_idle)
{
    struct bide__worker *w = bide__worker();
    scope(s)
        for (int i = 0; i < 3; i++)
            spawn(&s, async(nothing));
    struct trace t = { .fiber = bide__container(w->idle.next, struct bide__fiber, link) };
    CHECK(!bide__list_empty(&w->idle));
    CHECK(stands_there(&t));
    CHECK(ends_in_the_first_function(&t));
}

FIBER_TEST(a_stack_that_has_not_run)
{
    struct bide__worker *w = bide__worker();
    struct trace t = { .fiber = bide__fiber_new(w) };
    CHECK(t.fiber);
    void *frames[2];
    CHECK_EQ(bide__context_backtrace(&t.fiber->context, frames, 2), 1);
    CHECK(frames[0] == fiber_frame());
    bide__list_push(&w->idle, &t.fiber->link);
    bide__count(&w->idle_count, 1);
}

/* ---- names ---- */

TEST(what_a_frame_is_called)
{
    char text[256], first[8];
    void *in_libc = (char *)(uintptr_t)fputs + 1;
    int n = bide__frame_text(in_libc, text, sizeof(text));
    CHECK_EQ(n, strlen(text));
    CHECK(strstr(text, "+0x"));
    CHECK_EQ(bide__frame_text(in_libc, first, sizeof(first)), n); /* as snprintf(3) */
    CHECK_EQ(strncmp(first, text, sizeof(first) - 1), 0);
    CHECK_EQ(bide__frame_text((void *)0x10, text, sizeof(text)), 4);
    CHECK_STR(text, "0x10");
}

TEST_MAIN()
