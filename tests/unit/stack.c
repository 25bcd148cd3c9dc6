/* stack.c - stacks: their size, their guards, and what an overflow says. */
#include "fiber.h"

#include "platform/stack.h"

#include <sys/mman.h>

enum { KIB = 1024 };

static int touch(size_t bytes)
{
    volatile char block[bytes];
    for (size_t i = 0; i < bytes; i += 1024)
        block[i] = 1;
    bide_yield();
    return block[0];
}
BIDE_ASYNC(int, touch, size_t)

static int spawn_touch(size_t bytes)
{
    bide_let f = bide_async(touch, bytes);
    BIDE_SCOPE(s)
        bide_start(&f);
    return f.value;
}
BIDE_ASYNC(int, spawn_touch, size_t)

TEST(as_large_as_promised)
{
    CHECK_EQ(bide_run(bide_async(spawn_touch, 240 * KIB)), 1);
    CHECK_EQ(bide_run_with(&(struct bide_config){ .stack_size = 1000 * KIB },
                           bide_async(spawn_touch, 980 * KIB)), 1);
    CHECK_EQ(bide_run_with(&(struct bide_config){ .stack_size = 1 }, /* 16 KiB at least */
                           bide_async(spawn_touch, 8 * KIB)), 1);
}

TEST(too_large_a_size)
{
    bide_let f = bide_async(spawn_touch, 1);
    int error = bide_run_with(&(struct bide_config){ .stack_size = SIZE_MAX / 2 }, &f);
    CHECK_EQ(error, -EINVAL);
    CHECK_EQ(bide_error(&f), -EINVAL);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    f = bide_async(spawn_touch, 1);
    error = bide_run_with(&(struct bide_config){ .stack_size = (size_t)1 << 46 }, &f);
    CHECK(error == -ENOMEM || error == -EINVAL); /* more than there is address space */
}

/* ---- the allocator ---- */

static void many_stacks(int by_mprotect)
{
    struct bide__stacks stacks;
    enum { COUNT = 100 };
    char *got[COUNT];
    CHECK_EQ(bide__stacks_init(&stacks, 20 * KIB), 0);
    stacks.guard_by_mprotect = by_mprotect;
    for (int i = 0; i < COUNT; i++) {
        got[i] = bide__stack_get(&stacks);
        CHECK(got[i]);
        memset(got[i], i, stacks.usable);
        char *bottom;
        CHECK(bide__stack_guards(&stacks, got[i] - 1, &bottom));
        CHECK(bottom == got[i]);
        CHECK(!bide__stack_guards(&stacks, got[i], &bottom));
        CHECK(!bide__stack_guards(&stacks, got[i] + stacks.usable - 1, &bottom));
    }
    for (int i = 0; i < COUNT; i++)
        CHECK(got[i][0] == (char)i && got[i][stacks.usable - 1] == (char)i);
    size_t mapped = stacks.mapped;
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(bide__stack_put(&stacks, got[i]), 0);
    for (int i = COUNT; i-- > 0;) { /* last in, first out, and without its old contents */
        char *again = bide__stack_get(&stacks);
        CHECK(again == got[i]);
        CHECK_EQ(again[0], 0);
    }
    CHECK_EQ(stacks.mapped, mapped);
    bide__stacks_release(&stacks);
}

TEST(given_out_and_back)
{
    many_stacks(0);
    many_stacks(1); /* as on kernels before 6.13 */
}

FIBER_TEST(memory_goes_back_when_idle)
{
    struct bide__worker *w = bide__worker();
    int n = 100;
    BIDE_SCOPE(s) {
        for (int i = 0; i < n; i++)
            bide_spawn(&s, bide_async(touch, 4 * KIB));
    }
    size_t idle = w->idle_count;
    CHECK(idle >= (size_t)n);
    bide__fiber_trim(w, w->trim_at); /* what was idle since the last time, twice over */
    bide__fiber_trim(w, w->trim_at);
    CHECK(w->idle_count < idle);
    BIDE_SCOPE(s) {
        for (int i = 0; i < n; i++)
            bide_spawn(&s, bide_async(touch, 4 * KIB));
    }
}

/* ---- overflow ---- */

static int recurse(int depth)
{
    volatile char block[512];
    block[0] = (char)depth;
    return depth ? recurse(depth - 1) + block[0] : bide_yield();
}
BIDE_ASYNC(int, recurse, int)

static int named_recurse(int depth)
{
    bide_name("greedy %d", 7);
    return recurse(depth);
}
BIDE_ASYNC(int, named_recurse, int)

static int overflow_spawned(int named)
{
    BIDE_SCOPE(s) {
        if (named)
            bide_spawn(&s, bide_async(named_recurse, 1 << 20));
        else
            bide_spawn(&s, bide_async(recurse, 1 << 20));
    }
    return 0;
}
BIDE_ASYNC(int, overflow_spawned, int)

static void overflow(void *arg)
{
    bide_run_with(&(struct bide_config){ .stack_size = 64 * KIB },
                  bide_async(overflow_spawned, *(int *)arg));
}

static void touch_guard(void)
{
    struct bide__stacks stacks;
    signal(SIGSEGV, SIG_DFL);
    if (bide__stacks_init(&stacks, 64 * KIB) == 0)
        bide__stack_get(&stacks)[-1] = 1;
}

/* An emulator may say that it installs guard pages, and not do it. */
static bool guards_work(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        touch_guard();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

TEST(overflow_names_the_fiber_and_its_site)
{
    if (UNDER_ASAN || UNDER_TSAN || RUNNING_ON_VALGRIND)
        SKIP("the tool takes SIGSEGV");
    if (!guards_work())
        SKIP("there are no guard pages");
    expect_abort(overflow, &(int){ 0 }, "stack overflow in fiber \"recurse\", spawned at ");
    expect_abort(overflow, &(int){ 0 }, "stack.c:");
    expect_abort(overflow, &(int){ 1 }, "stack overflow in fiber \"greedy 7\"");
    expect_abort(overflow, &(int){ 1 }, "64 KiB");
}

static int fault_otherwise(void)
{
    raise(SIGABRT); /* reached only if the fault below did not end the process */
    return 0;
}
BIDE_ASYNC(int, fault_otherwise)

static int wild_write(volatile int *where)
{
    bide_yield();
    *where = 1;
    return bide_await(bide_async(fault_otherwise));
}
BIDE_ASYNC(int, wild_write, volatile int *)

TEST(other_faults_stay_what_they_are)
{
    if (UNDER_ASAN || UNDER_TSAN || RUNNING_ON_VALGRIND)
        SKIP("the tool takes SIGSEGV");
    void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        bide_run(bide_async(wild_write, (volatile int *)nowhere));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    munmap(nowhere, 4096);
}

static void own_handler(int number)
{
    (void)number;
    _exit(33);
}

TEST(a_handler_of_the_programs_own_stays)
{
    struct sigaction ours = { .sa_handler = own_handler }, before, after;
    CHECK_EQ(sigaction(SIGSEGV, &ours, &before), 0);
    CHECK_EQ(bide_run(bide_async(spawn_touch, 1)), 1);
    CHECK_EQ(sigaction(SIGSEGV, &before, &after), 0);
    CHECK(after.sa_handler == own_handler);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &before), 0);
    CHECK_EQ(bide_run_with(&(struct bide_config){ .no_overflow_report = 1 },
                           bide_async(spawn_touch, 1)), 1);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &after), 0);
    CHECK(after.sa_handler == before.sa_handler);
}

TEST_MAIN()
