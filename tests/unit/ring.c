/*
 * The queue that workers steal from, under every interleaving of a few operations of three threads.
 *
 * ring.h is compiled with its atomic operations replaced: each first gives control to the explorer,
 * which decides who makes the next step. It tries every sequence of decisions, depth first.
 */
#include "test.h"

#include "platform/context.h"
#include "platform/hooks.h"

#include <stdbool.h>
#include <string.h>

static void step(void);

#define __atomic_load_n(p, order) (step(), *(p))
#define __atomic_store_n(p, v, order) (step(), (void)(*(p) = (v)))
#define __atomic_compare_exchange_n(p, expected, desired, weak, success, failure) \
    (step(), *(p) == *(expected) ? (*(p) = (desired), true) : (*(expected) = *(p), false))
#include "core/ring.h"
#undef __atomic_load_n
#undef __atomic_store_n
#undef __atomic_compare_exchange_n

enum { THREADS = 3, STACK = 64 * 1024, STEPS_MAX = 256 };

static struct thread {
    struct bide__context context;
    void (*run)(void);
    bool over;
    char stack[STACK] __attribute__((aligned(16)));
} threads[THREADS];

static struct bide__context explorer;
static struct thread *running;
static struct bide__ring ring;

static __attribute__((noinline)) void switch_to(struct bide__context *from,
                                                struct bide__context *to)
{
    bide__context_switch(from, to);
}

static void step(void)
{
    switch_to(&running->context, &explorer);
}

static void thread_main(void)
{
    running->run();
    running->over = true;
    for (;;)
        switch_to(&running->context, &explorer);
}

/* The decisions of one execution: which of the threads that were not over made the step. */
static struct {
    uint8_t chosen, choices;
} decisions[STEPS_MAX];

static struct thread *alive(int which)
{
    for (int i = 0; i < THREADS; i++)
        if (!threads[i].over && which-- == 0)
            return &threads[i];
    return NULL;
}

static int alive_count(void)
{
    int count = 0;
    for (int i = 0; i < THREADS; i++)
        count += !threads[i].over;
    return count;
}

/* Follows the decisions up to `known`, then takes the first thread each time. Returns how many. */
static int execute(int known)
{
    int n = 0;
    for (; alive_count(); n++) {
        if (n >= known)
            decisions[n].chosen = 0;
        decisions[n].choices = (uint8_t)alive_count();
        running = alive(decisions[n].chosen);
        switch_to(&explorer, &running->context);
    }
    return n;
}

static void prepare(void)
{
    for (int i = 0; i < THREADS; i++) {
        threads[i].over = false;
        threads[i].context.sp = threads[i].stack + STACK - 8; /* as if called */
        threads[i].context.pc = (void *)thread_main;
        threads[i].context.fp = NULL;
    }
}

/* Every execution; the number of them, or -1 when check failed in one. */
static long explore(void (*begin)(void), bool (*check)(void))
{
    int known = 0;
    for (long executions = 1;; executions++) {
        prepare();
        begin();
        int n = execute(known);
        if (!check())
            return -1;
        while (n > 0 && decisions[n - 1].chosen + 1 == decisions[n - 1].choices)
            n--;
        if (n == 0)
            return executions;
        decisions[n - 1].chosen++;
        known = n;
    }
}

/* ---- the cases ---- */

static char entries[8];
static int pushed, taken[sizeof(entries)], disorder, wrong_count;

static void push(int n)
{
    for (int i = 0; i < n; i++)
        if (bide__ring_push(&ring, &entries[pushed]))
            pushed++;
}

static void take(size_t max)
{
    void *got[8];
    size_t n = bide__ring_take(&ring, got, max);
    for (size_t i = 0; i < n; i++) {
        taken[(char *)got[i] - entries]++;
        disorder += i && got[i] != (char *)got[i - 1] + 1;
    }
}

static void push_two(void)
{
    push(2);
}

static void push_one(void)
{
    push(1);
}

static void take_one(void)
{
    take(1);
}

static void count(void)
{
    wrong_count += bide__ring_count(&ring) > 3;
}

static void take_many(void)
{
    take(4);
}

static void begin_with(int count, void (*a)(void), void (*b)(void), void (*c)(void))
{
    memset(&ring, 0, sizeof(ring));
    memset(taken, 0, sizeof(taken));
    ring.head = ring.tail = UINT32_MAX - 1; /* it wraps on the way */
    pushed = disorder = wrong_count = 0;
    for (; pushed < count; pushed++)
        ring.entries[ring.tail++ % BIDE__RING] = &entries[pushed];
    threads[0].run = a;
    threads[1].run = b;
    threads[2].run = c;
}

/* Each entry was taken once, or is still there; those in the order of their pushes. */
static bool nothing_lost(void)
{
    for (uint32_t at = ring.head; at != ring.tail; at++)
        taken[(char *)ring.entries[at % BIDE__RING] - entries]++;
    for (int i = 0; i < pushed; i++)
        if (taken[i] != 1)
            return false;
    return disorder == 0 && wrong_count == 0;
}

static void pushes_and_thief(void)
{
    begin_with(0, push_two, take_one, count);
}

static void push_thief_and_look(void)
{
    begin_with(1, push_one, take_one, count);
}

static void two_thieves(void)
{
    begin_with(3, take_many, take_one, count);
}

/* The explorer switches stacks that the thread sanitizer knows nothing of. */
#ifdef BIDE__TSAN
#define NOT_UNDER_TSAN() SKIP("not under the thread sanitizer")
#else
#define NOT_UNDER_TSAN() (void)0
#endif

TEST(pushes_beside_a_thief)
{
    NOT_UNDER_TSAN();
    CHECK(explore(pushes_and_thief, nothing_lost) > 100);
}

TEST(a_push_beside_a_thief_and_a_look)
{
    NOT_UNDER_TSAN();
    CHECK(explore(push_thief_and_look, nothing_lost) > 100);
}

TEST(two_thieves_beside_each_other)
{
    NOT_UNDER_TSAN();
    CHECK(explore(two_thieves, nothing_lost) > 100);
}

/* The explorer itself: a ring whose take forgets the compare-and-swap is caught. */
static void take_wrongly(void)
{
    uint32_t head = (step(), ring.head);
    if ((step(), ring.tail) == head)
        return;
    taken[(char *)ring.entries[head % BIDE__RING] - entries]++;
    step();
    ring.head = head + 1;
}

static void wrong_thieves(void)
{
    begin_with(2, take_wrongly, take_wrongly, take_one);
}

TEST(a_wrong_take_is_found)
{
    NOT_UNDER_TSAN();
    CHECK_EQ(explore(wrong_thieves, nothing_lost), -1);
}

TEST_MAIN()
