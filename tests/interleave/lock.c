/*
 * lock.c - one at a time, whether it locks or is privileged not to; and nobody sleeps for ever.
 */
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

#include "interleave.h"

/* The lock calls the thread's own variable by this name, and others' by their addresses, which
 * therefore must differ between the threads of a case. */
#define bide__own_privilege (*own_privilege)

static long system_call(long number, ...);
#define syscall system_call
#define __libc_single_threaded false
#define sched_yield() il_yield()
#define bide__relax() (i = SPINS - 1) /* spin once: the next round would find no more */

static int mutex_free; /* as an eventfd */
#define pthread_mutex_lock(m) ((void)(m), il_wait(&mutex_free))
#define pthread_mutex_unlock(m) ((void)(m), il_wake(&mutex_free))

#include "platform/lock.c"

static struct bide__privilege privileges[IL_THREADS];
static struct bide__lock lock;
static int entered; /* atomic */
static int inside;
static char data;
static void *word, *claimed[IL_THREADS];

/* ---- the kernel, and what it may lack ---- */

static bool no_barrier, barrier_fails, no_wakes;

static long system_call(long number, ...)
{
    va_list args;
    va_start(args, number);
    if (number == SYS_membarrier) {
        int command = va_arg(args, int);
        va_end(args);
        if (command == MEMBARRIER_CMD_PRIVATE_EXPEDITED && !no_barrier)
            il_membarrier();
        return barrier_fails ? -1 : 0;
    }
    int *at = va_arg(args, int *);
    bool wait = va_arg(args, int) == FUTEX_WAIT_PRIVATE;
    int value = va_arg(args, int);
    va_end(args);
    if (wait)
        il_futex_wait(at, value);
    else if (!no_wakes)
        il_futex_wake(at);
    return 0;
}

/* ---- threads ---- */

static void section(void)
{
    bide__lock(&lock);
    if (inside++)
        il_fail("two are inside");
    il_own(&data);
    __atomic_add_fetch(&entered, 1, __ATOMIC_RELAXED); /* a step, in which others may come */
    il_own(&data);
    inside--;
    bide__unlock(&lock);
}

static void appear(void)
{
    own_privilege = &privileges[il_self()];
}

static void plain(void)
{
    appear();
    section();
}

static void plain_twice(void)
{
    appear();
    section();
    section();
}

static void worker(void)
{
    appear();
    bide__worker_thread_enter();
    section();
    section();
    bide__worker_thread_leave();
}

static void claim(void)
{
    if (bide__claim_word(&word, &claimed[il_self()]))
        claimed[il_self()] = word;
}

static void worker_claims(void)
{
    appear();
    bide__worker_thread_enter();
    claim();
    section();
    bide__worker_thread_leave();
}

/* Others do so between acquire and release. */
static void plain_claims(void)
{
    appear();
    bide__lock(&lock);
    claim();
    bide__unlock(&lock);
}

/* ---- cases ---- */

static void begin(void)
{
    memset(privileges, 0, sizeof(privileges));
    memset(claimed, 0, sizeof(claimed));
    lock = (struct bide__lock){ 0 };
    mutex_free = 1;
    entered = inside = 0;
    word = NULL;
    privileged = NULL;
    may_be_alone = true;
    registered = others_seen = no_barrier = barrier_fails = no_wakes = false;
    il_local(&own_privilege, sizeof(own_privilege));
}

static void begin_among_many(void)
{
    begin();
    may_be_alone = false;
    others_seen = true;
}

static void begin_deaf(void)
{
    begin_among_many();
    no_wakes = true;
}

static void begin_without_barrier(void)
{
    begin();
    barrier_fails = no_barrier = true;
}

static void begin_with_a_false_barrier(void)
{
    begin();
    no_barrier = true;
}

static void check(void)
{
    for (int i = 0; i < IL_THREADS; i++)
        if (!il_over(i))
            il_fail("thread %d waits for ever", i);
}

static void check_claims(void)
{
    check();
    int count = 0;
    for (int i = 0; i < IL_THREADS; i++)
        count += claimed[i] != NULL;
    if (count != 1)
        il_fail("%d have claimed it", count);
}

#define CASE(name, begin, check, orders, ...) \
    static const struct il_case name = { begin, { __VA_ARGS__ }, check, orders, 0 }

CASE(two, begin_among_many, check, IL_AS_WRITTEN, plain_twice, plain_twice);
CASE(three, begin_among_many, check, IL_AS_WRITTEN, plain, plain, plain);
CASE(three_deaf, begin_deaf, check, IL_AS_WRITTEN, plain, plain, plain);
CASE(two_relaxed, begin_among_many, check, IL_RELAXED, plain, plain);

TEST(one_at_a_time)
{
    CHECK_HOLDS(two);
    CHECK_HOLDS(three);
    CHECK_FAILS(three_deaf, "waits for ever");
    CHECK_FAILS(two_relaxed, "has not happened before");
}

CASE(handed_over, begin, check, IL_AS_WRITTEN, worker, plain_twice);
CASE(handed_over_to_two, begin, check, IL_SEQUENTIAL, worker, plain, plain);
CASE(two_workers, begin, check, IL_AS_WRITTEN, worker, worker);
CASE(never_given, begin_without_barrier, check, IL_AS_WRITTEN, worker, plain);
CASE(false_barrier, begin_with_a_false_barrier, check, IL_AS_WRITTEN, worker, plain);

TEST(the_privilege_ends_when_another_comes)
{
    CHECK_HOLDS(handed_over);
    CHECK_HOLDS(handed_over_to_two);
    CHECK_HOLDS(two_workers);
    CHECK_HOLDS(never_given);
    CHECK_FAILS(false_barrier, "has not happened before");
}

CASE(claims, begin, check_claims, IL_AS_WRITTEN, worker_claims, plain_claims);
CASE(claims_of_three, begin, check_claims, IL_SEQUENTIAL, worker_claims, plain_claims,
     plain_claims);
CASE(claims_without, begin_with_a_false_barrier, check_claims, IL_AS_WRITTEN, worker_claims,
     plain_claims);

TEST(one_claims_a_word)
{
    CHECK_HOLDS(claims);
    CHECK_HOLDS(claims_of_three);
    CHECK_FAILS(claims_without, "have claimed it");
}

TEST_MAIN()
