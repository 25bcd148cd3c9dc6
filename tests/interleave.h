/*
 * interleave.h - runs a few threads in every way in which the memory model of C lets them run.
 *
 *     #include "core/internal.h"  // code that is not looked into
 *     #include "interleave.h"
 *     #include "core/ring.h"      // from here on, code whose atomic operations are
 *
 *     static const struct il_case two_thieves = { begin, { steal, steal }, check, 0 };
 *     TEST(two_thieves_get_different_entries)
 *     {
 *         CHECK_HOLDS(two_thieves);
 *     }
 *
 * The operations __atomic_* are macros that hand the operation to the explorer. It makes all
 * decisions: which thread makes the next step, and which of the values that were stored there a
 * load gives (interleave_memory.h). It tries every sequence of decisions, depth first, each from
 * the start, but goes on from no state that was there before. A state is the threads' stacks, all
 * variables of the program, and what the memory model remembers; so checked code must keep nothing
 * elsewhere. An access to what no other thread touches is no step.
 */
#ifndef TEST_INTERLEAVE_H
#define TEST_INTERLEAVE_H

#include "test.h"

#include "base/panic.h"
#include "platform/context.h"
#include "platform/descriptors.h"

#include <stdint.h>

enum { IL_THREADS = 4, IL_DECISIONS = 4096, IL_STEPS = 4096 };
enum { IL_STACK = 64 * 1024, IL_CLEARED = 2048, IL_ARENA = 4 * 1024, IL_LOCAL = 64 };
enum { IL_LOCATIONS = 64, IL_VALUES = 64, IL_SLOTS = 256, IL_OBJECTS = 8 };

/* What memory orders count as. Weaker than they are written, a case must fail: so it can tell.
 * SEQUENTIAL is for large cases: every load gives the newest value. */
enum il_orders { IL_AS_WRITTEN, IL_NO_SEQ_CST, IL_RELAXED, IL_SEQUENTIAL };

struct il_case {
    void (*begin)(void);            /* puts all that is shared into its first state */
    void (*run[IL_THREADS])(void);  /* one a thread */
    void (*check)(void);            /* when no thread can go on; calls il_fail */
    enum il_orders orders;
    unsigned first;                 /* bit i: thread i has run until it waits, before the others */
};

/* ---- what threads and checks may call ------------------------------------------------------- */

/* This execution is wrong. In a thread it does not return. */
__attribute__((format(printf, 1, 2))) static inline void il_fail(const char *format, ...);

/* Which thread this is; -1 in begin and check. */
static inline int il_self(void);

/* Has thread i returned? Otherwise it waits. For check. */
static inline bool il_over(int i);

/* From now on the object belongs to this thread: all that others did with it has happened before.
 * To be called by whoever reads, writes or frees it. */
static inline void il_own(const void *object);

/* In begin: il_free will be called for it. Then: it is the thread's, and nobody uses it, nor an
 * atomic variable in it, from now on. */
static inline void il_will_free(const void *object, size_t size);
static inline void il_free(const void *object);

/* As with an eventfd: wake makes *flag 1, wait sleeps until it is not 0 and makes it 0, take only
 * makes it 0. */
static inline void il_wake(int *flag);
static inline void il_wait(int *flag);
static inline void il_take(int *flag);

/* As with a futex. */
static inline void il_futex_wait(int *word, int value);
static inline void il_futex_wake(int *word);

/* In a loop that reads one location until it changes: go on only when it has. */
static inline void il_yield(void);

/* A full fence in all threads, as membarrier(2). */
static inline void il_membarrier(void);

/* In begin: no thread goes by what this variable holds. Accesses are no steps and order nothing. */
static inline void il_ignore(const void *variable);

/* Memory of this execution. */
static inline void *il_alloc(size_t size);

/* In begin: a thread-local variable. Each thread has its own, all zeros at first. */
static inline void il_local(void *variable, size_t size);

/* Explores; false when some execution is wrong. */
static inline bool il_explore(const struct il_case *c);

static inline void il_print(void); /* the wrong execution */

#define CHECK_HOLDS(c)                                               \
    do {                                                             \
        if (!il_explore(&(c))) {                                     \
            il_print();                                              \
            test_fail(__FILE__, __LINE__, "%s: %s", #c, il.failure); \
            return;                                                  \
        }                                                            \
        if (getenv("IL_VERBOSE"))                                    \
            il_summary(#c);                                          \
    } while (0)

/* It must not hold: so the explorer sees such failures, and the case can tell them. */
#define CHECK_FAILS(c, what)                                                         \
    do {                                                                             \
        if (il_explore(&(c)))                                                        \
            test_fail(__FILE__, __LINE__, "%s holds", #c);                           \
        else if (!strstr(il.failure, what))                                          \
            test_fail(__FILE__, __LINE__, "%s fails otherwise: %s", #c, il.failure); \
    } while (0)

/* ---- the state ------------------------------------------------------------------------------ */

/* How many values of each location, and how many accesses of each thread, are known. */
struct il_view {
    uint16_t done[IL_THREADS];
    uint8_t at[IL_LOCATIONS];
};

struct il_value {
    uint64_t bits;
    struct il_view seen; /* by whoever acquires it */
};

struct il_location {
    const void *address;
    uint8_t size;             /* bytes; 0: of il_own */
    uint8_t touched, written; /* by which threads, in any execution: a bit each */
    long execution;           /* that the rest is of */
    bool watched;             /* it is of il_own, or in an object that will be freed */
    uint16_t accessed[IL_THREADS]; /* if watched: when last, by the thread's count of accesses */
    unsigned count;
    struct il_value values[IL_VALUES]; /* the oldest first */
};

/* Where an operation stands in the source. */
struct il_at {
    const char *file;
    int line;
    const char *what;
};

struct il_thread {
    enum { IL_READY, IL_WAITS, IL_SLEEPS, IL_YIELDS, IL_OVER } state;
    struct il_location *last; /* read, or waited for */
    unsigned last_seen;       /* the value of it that was read */
    struct il_view view;
    struct bide__context context;
    size_t allocated;
    char local[IL_LOCAL];
    char stack[IL_STACK] __attribute__((aligned(64)));
    char arena[IL_ARENA] __attribute__((aligned(64)));
};

static struct {
    const struct il_case *c;
    struct il_thread threads[IL_THREADS];
    struct il_thread *running; /* NULL: the explorer */
    struct bide__context explorer;

    struct il_location locations[IL_LOCATIONS];
    unsigned location_count;
    uint8_t slots[IL_SLOTS]; /* of a hash table of addresses: numbers of locations, from 1 */
    struct il_view seq_cst;  /* what the operations of this order have seen of each location */
    struct {
        const char *start;
        size_t size;
        bool freed;
    } objects[IL_OBJECTS];
    int object_count;
    const void *ignored[IL_OBJECTS];
    int ignored_count;

    uint16_t ranks[IL_LOCATIONS], rank_count; /* of il_rank */

    bool again; /* a location turned out to be shared: explore anew */
    struct {
        uint8_t chosen, of;
    } decisions[IL_DECISIONS];
    int decided, known; /* in this execution; and those of them that are given */
    bool settling;      /* nothing is to be decided */
    uint64_t first_hash; /* of the variables as begin leaves them */
    struct {
        uint64_t *states;
        size_t count, size;
    } visited;
    uint64_t collected; /* a case's: what checks have seen, in any execution */
    long executions;
    struct il_step {
        struct il_at at;
        const char *operation;
        uint64_t bits;
        unsigned older; /* how many values have been stored since the one that was read */
        int thread;
    } steps[IL_STEPS];
    int step_count, steps_max;
    bool failed;
    char failure[256];
    struct {
        void *variable;
        size_t size;
    } locals[4];
    int local_count;
} il;

/* ---- interleave_memory.h ---- */
static inline void il_reset_memory(void);
static inline void il_compact(void); /* the same state, known by the same bytes */
static inline uint64_t il_hash_memory(uint64_t hash);

/* ---- decisions ------------------------------------------------------------------------------ */

static inline int il_choose(int of)
{
    if (of <= 1 || il.settling)
        return 0;
    if (il.decided == IL_DECISIONS)
        il_fail("too many decisions");
    if (il.decided >= il.known)
        il.decisions[il.decided].chosen = 0;
    il.decisions[il.decided].of = (uint8_t)of;
    return il.decisions[il.decided++].chosen;
}

static inline void il_grow(void)
{
    size_t old_size = il.visited.size;
    uint64_t *old = il.visited.states;
    il.visited.size = old_size ? old_size * 2 : 1 << 16;
    il.visited.states = calloc(il.visited.size, sizeof(*old));
    for (size_t i = 0; i < old_size; i++) {
        size_t at = old[i] & (il.visited.size - 1);
        while (il.visited.states[at])
            at = (at + 1) & (il.visited.size - 1);
        il.visited.states[at] = old[i];
    }
    free(old);
}

static inline __attribute__((always_inline)) uint64_t il_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Blocks of zeros, which most are, are passed over: this is where the time goes. */
static inline uint64_t il_hash(uint64_t hash, const void *start, const void *end)
{
    size_t size = (size_t)((const char *)end - (const char *)start);
    for (size_t at = 0; at < size; at += 64) {
        uint64_t words[8] = { 0 }, any = 0;
        if (size - at >= 64)
            memcpy(words, (const char *)start + at, 64);
        else
            memcpy(words, (const char *)start + at, size - at);
        for (int i = 0; i < 8; i++)
            any |= words[i];
        if (!any)
            continue;
        uint64_t other = il_mix(at, words[0]);
        for (int i = 1; i < 8; i += 2)
            hash = il_mix(hash, words[i]);
        for (int i = 2; i < 8; i += 2)
            other = il_mix(other, words[i]);
        hash = il_mix(hash, other);
    }
    return hash;
}

static inline uint64_t il_hash_thread(uint64_t hash, const struct il_thread *thread)
{
    if (thread->state == IL_OVER)
        return il_mix(hash, IL_OVER);
    hash = il_mix(hash, thread->state);
    if (thread->state != IL_READY)
        hash = il_mix(hash, (uint64_t)(uintptr_t)thread->last);
    if (thread->state == IL_YIELDS)
        hash = il_mix(hash, thread->last_seen);
    hash = il_hash(hash, &thread->context, &thread->context + 1);
    hash = il_hash(hash, thread->local, thread->local + IL_LOCAL);
    hash = il_hash(hash, thread->arena, thread->arena + thread->allocated);
    return il_hash(hash, thread->context.sp, thread->stack + IL_STACK);
}

extern char __data_start[], _end[]; /* the linker's: where the program's variables are */

/* All but the explorer's own, and a large table that no case changes. */
static inline uint64_t il_hash_variables(uint64_t hash)
{
    bide__assert((char *)&il < (char *)bide__generations); /* the program's before the library's */
    hash = il_hash(hash, __data_start, &il);
    hash = il_hash(hash, &il + 1, bide__generations);
    return il_hash(hash, (char *)bide__generations + sizeof(bide__generations), _end);
}

/* Was this state there before? From now on it was. */
static inline bool il_visit(void)
{
    il_compact();
    uint64_t hash = il_hash_memory(1);
    for (int i = 0; i < IL_THREADS; i++)
        hash = il_hash_thread(hash, &il.threads[i]);
    hash = il_hash_variables(hash);
    hash += !hash; /* 0 is an empty place */
    if (il.visited.count * 2 >= il.visited.size)
        il_grow();
    size_t at = hash & (il.visited.size - 1);
    for (; il.visited.states[at]; at = (at + 1) & (il.visited.size - 1))
        if (il.visited.states[at] == hash)
            return true;
    il.visited.states[at] = hash;
    il.visited.count++;
    return false;
}

/* ---- switching ------------------------------------------------------------------------------ */

static __attribute__((noinline)) void il_switch(struct bide__context *from,
                                                struct bide__context *to)
{
    bide__context_switch(from, to);
}

static inline void il_pause(void)
{
    il_switch(&il.running->context, &il.explorer);
}

static inline void il_swap_locals(char *thread)
{
    for (int i = 0; i < il.local_count; i++) {
        char saved[IL_LOCAL];
        memcpy(saved, il.locals[i].variable, il.locals[i].size);
        memcpy(il.locals[i].variable, thread, il.locals[i].size);
        memcpy(thread, saved, il.locals[i].size);
        thread += il.locals[i].size;
    }
}

static inline void il_resume(struct il_thread *thread)
{
    il.running = thread;
    il_swap_locals(thread->local);
    /* What calls that are over have left there is not to tell states apart. */
    char *dead = (char *)thread->context.sp - IL_CLEARED;
    memset(dead, 0, IL_CLEARED);
    il_switch(&il.explorer, &thread->context);
    il_swap_locals(thread->local);
    il.running = NULL;
}

static inline void il_thread_main(void)
{
    il.c->run[il_self()]();
    il.running->state = IL_OVER;
    for (;;)
        il_pause();
}

static inline void *il_alloc(size_t size)
{
    struct il_thread *self = il.running;
    void *p = self->arena + self->allocated;
    self->allocated += (size + 15) & ~(size_t)15;
    if (self->allocated > IL_ARENA)
        il_fail("no memory left");
    return p;
}

static inline void il_local(void *variable, size_t size)
{
    for (int i = 0; i < il.local_count; i++)
        if (il.locals[i].variable == variable)
            return;
    il.locals[il.local_count].variable = variable;
    il.locals[il.local_count++].size = size;
}

static inline int il_self(void)
{
    return il.running ? (int)(il.running - il.threads) : -1;
}

static inline bool il_over(int i)
{
    return il.threads[i].state == IL_OVER;
}

/* ---- exploring ------------------------------------------------------------------------------ */

static inline void il_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!il.failed)
        vsnprintf(il.failure, sizeof(il.failure), format, args);
    va_end(args);
    il.failed = true;
    while (il.running)
        il_pause();
}

static inline bool il_can_go_on(const struct il_thread *thread)
{
    switch (thread->state) {
    case IL_READY:
        return true;
    case IL_WAITS:
        return thread->last->values[thread->last->count - 1].bits != 0;
    case IL_YIELDS:
        return thread->last->count - 1 > thread->last_seen;
    default:
        return false;
    }
}

static inline void il_prepare(void)
{
    il.executions++;
    il.decided = il.step_count = 0;
    il.failed = false;
    il_reset_memory();
    for (int i = 0; i < IL_THREADS; i++) {
        struct il_thread *thread = &il.threads[i];
        thread->state = il.c->run[i] ? IL_READY : IL_OVER;
        thread->view = (struct il_view){ 0 };
        thread->last = NULL;
        thread->allocated = 0;
        memset(thread->local, 0, sizeof(thread->local));
        thread->context.sp = thread->stack + IL_STACK - 8; /* as if called */
        thread->context.pc = (void *)il_thread_main;
        thread->context.fp = NULL;
    }
}

static inline void il_execute(void)
{
    il_prepare();
    il.c->begin();
    uint64_t hash = il_hash_variables(1);
    if (il.first_hash && hash != il.first_hash)
        il_fail("begin leaves traces of what was before");
    il.first_hash = hash;
    il.settling = true;
    for (int i = 0; i < IL_THREADS; i++)
        while (il.c->first >> i & 1 && il_can_go_on(&il.threads[i]) && !il.failed)
            il_resume(&il.threads[i]);
    il.settling = false;
    while (!il.failed && !il.again) {
        struct il_thread *ready[IL_THREADS];
        int count = 0;
        for (int i = 0; i < IL_THREADS; i++)
            if (il_can_go_on(&il.threads[i]))
                ready[count++] = &il.threads[i];
        if (!count) {
            il.c->check();
            return;
        }
        if (il.decided >= il.known && il_visit())
            return;
        il_resume(ready[il_choose(count)]);
    }
}

static inline void il_start(void)
{
    if (il.visited.size)
        memset(il.visited.states, 0, il.visited.size * sizeof(*il.visited.states));
    il.visited.count = 0;
    il.known = 0;
    il.again = false;
}

static inline bool il_explore(const struct il_case *c)
{
    il.c = c;
    il.executions = il.steps_max = 0;
    il.first_hash = il.collected = 0;
    c->begin(); /* once before, so that it finds always the same */
    il.location_count = 0;
    memset(il.slots, 0, sizeof(il.slots));
    il_start();
    for (;;) {
        il_execute();
        if (il.failed)
            return false;
        if (il.steps_max < il.step_count)
            il.steps_max = il.step_count;
        if (il.again) {
            il_start();
            continue;
        }
        int n = il.decided;
        while (n > 0 && il.decisions[n - 1].chosen + 1 == il.decisions[n - 1].of)
            n--;
        if (n == 0)
            return true;
        il.decisions[n - 1].chosen++;
        il.known = n;
    }
}

static inline void il_print(void)
{
    for (int i = il.step_count > 200 ? il.step_count - 200 : 0; i < il.step_count; i++) {
        const struct il_step *step = &il.steps[i];
        const char *name = strrchr(step->at.file, '/');
        printf("     thread %d  %s:%d %s %s: %#llx", step->thread,
               name ? name + 1 : step->at.file, step->at.line, step->operation, step->at.what,
               (unsigned long long)step->bits);
        if (step->older)
            printf(" (%u newer)", step->older);
        printf("\n");
    }
    for (int i = 0; i < IL_THREADS; i++)
        if (!il_over(i))
            printf("     thread %d is not over\n", i);
}

static inline void il_summary(const char *name)
{
    printf("     %s: %ld executions, %zu states, at most %d steps\n", name, il.executions,
           il.visited.count, il.steps_max);
}

#include "interleave_memory.h"

#endif
