/* future.c - futures as values: cold, copied, dropped, awaited. Laziness is exact. */
#include "fiber.h"

static int calls;

static int add(int a, int b)
{
    calls++;
    return a + b;
}
BIDE_ASYNC(int, add, int, int)

struct user {
    char name[32];
    int64_t id;
};

static struct user fetch_user(const char *name, int64_t id)
{
    struct user user = { .id = id };
    bide_yield();
    snprintf(user.name, sizeof(user.name), "%s(%d)", name, (int)id);
    return user;
}
BIDE_ASYNC(struct user, fetch_user, const char *, int64_t)

static void bump(int *n)
{
    ++*n;
}
BIDE_ASYNC_VOID(bump, int *)

static void nothing(void)
{
    calls++;
}
BIDE_ASYNC_VOID(nothing)

static double half(double x)
{
    return x / 2;
}
BIDE_ASYNC(double, half, double)

static const char *name_of(void)
{
    return bide_current_name();
}
BIDE_ASYNC(const char *, name_of)

static long eight(int a, long b, short c, char d, unsigned e, const char *f, double g, long long h)
{
    return a + b + c + d + (long)e + atol(f) + (long)g + (long)h;
}
BIDE_ASYNC(long, eight, int, long, short, char, unsigned, const char *, double, long long)

FIBER_TEST(parameters_of_all_kinds)
{
    CHECK_EQ(bide_await(bide_async(eight, 1, 2, 3, 4, 5, "6", 7.0, 8)), 36);
    CHECK_EQ((int)bide_await(bide_async(half, 84.0)), 42);
    int n = 0;
    bide_await(bide_async(bump, &n));
    CHECK_EQ(n, 1);
    struct user user = bide_await(bide_async(fetch_user, "User", 42));
    CHECK_STR(user.name, "User(42)");
    CHECK_EQ(user.id, 42);
}

FIBER_TEST(states)
{
    bide_let f = bide_async(add, 1, 2);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    CHECK(!bide_done(&f));
    CHECK_EQ(bide_error(&f), 0);
    CHECK_STR(bide_function(&f), "add");
    CHECK_EQ(bide_await(&f), 3);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
    CHECK(bide_done(&f));
    CHECK_EQ(f.value, 3);
}

/* ---- laziness ---- */

FIBER_TEST(never_driven_never_runs)
{
    calls = 0;
    struct bide_stats before = stats_now();
    {
        bide_let f = bide_async(add, 1, 2);
        bide_let g = f;
        bide_let h = bide_async(nothing);
        (void)g, (void)h;
    }
    settle();
    CHECK_EQ(calls, 0);
    CHECK_EQ(stats_now().spawned, before.spawned);
}

FIBER_TEST(copies_run_again)
{
    calls = 0;
    const struct add_future cold = bide_async(add, 20, 22);
    struct add_future once = cold, twice = cold;
    CHECK_EQ(bide_await(&once), 42);
    CHECK_EQ(bide_await(&twice), 42);
    CHECK_EQ(calls, 2);
    CHECK_EQ(bide_await(cold), 42);
    CHECK_EQ(bide_await(cold), 42); /* by value: the variable stays cold */
    CHECK_EQ(bide_state(&cold), BIDE_COLD);
    CHECK_EQ(calls, 4);
    CHECK_EQ(bide_await(&once), 42); /* done: its value again, without running */
    CHECK_EQ(calls, 4);
}

FIBER_TEST(a_copy_of_a_leaf_that_was_driven)
{
    bide_let cold = bide_async(bide_sleep, BIDE_US);
    for (int i = 0; i < 3; i++) {
        bide_let f = cold;
        CHECK_EQ(bide_await(&f), 0);
        CHECK_EQ(bide_state(&f), BIDE_DONE);
        f = cold;
        CHECK_EQ(bide_join(&f), 0);
    }
}

FIBER_TEST(arguments_are_kept_by_value)
{
    int a = 1;
    bide_let f = bide_async(add, a, 2);
    a = 100;
    CHECK_EQ(bide_await(&f), 3);
}

/* ---- awaiting is a call ---- */

static uintptr_t stack_here(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}
BIDE_ASYNC(uintptr_t, stack_here)

FIBER_TEST(awaiting_runs_on_this_stack)
{
    struct bide_stats before = stats_now();
    uintptr_t here = stack_here();
    bide_let f = bide_async(stack_here);
    uintptr_t there = bide_await(&f);
    CHECK(UNDER_ASAN || (there < here + 65536 && here < there + 65536));
    CHECK_EQ(stats_now().switches, before.switches);
    CHECK_EQ(bide__worker()->fibers, 0);
}

static int deep(int depth);
BIDE_ASYNC(int, deep, int)

static int deep(int depth)
{
    if (depth == 0)
        return bide_yield();
    bide_let f = bide_async(deep, depth - 1);
    return bide_await(&f) + 1;
}

FIBER_TEST(deep_chains)
{
    CHECK_EQ(deep(500), 500);
}

/* ---- names ---- */

FIBER_TEST(names)
{
    CHECK_STR(bide_await(bide_async(name_of)), bide_current_name());
    bide_name("conn %d", 7);
    CHECK_STR(bide_current_name(), "conn 7");
    bide_name("%s", "a name that is longer than what a task has room for");
    CHECK_EQ(strlen(bide_current_name()), 31);
}

static int named(char *ret_name)
{
    bide_yield();
    bide_name("child");
    bide_yield();
    strcpy(ret_name, bide_current_name());
    return 0;
}
BIDE_ASYNC(int, named, char *)

static int unnamed(char *ret_name)
{
    bide_yield();
    strcpy(ret_name, bide_current_name());
    return 0;
}
BIDE_ASYNC(int, unnamed, char *)

FIBER_TEST(names_of_tasks)
{
    char a[32], b[32];
    bide_name("parent");
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(named, a));
        bide_spawn(&s, bide_async(unnamed, b));
    }
    CHECK_STR(a, "child");
    CHECK_STR(b, "unnamed");
    CHECK_STR(bide_current_name(), "parent");
}

TEST(outside_a_runtime)
{
    calls = 0;
    bide_let f = bide_async(add, 1, 2);
    CHECK_EQ(bide_await(&f), 3);
    CHECK_EQ(bide_await(f), 3);
    CHECK_EQ(calls, 1);
    CHECK_STR(bide_current_name(), "");
    bide_name("nobody");
    CHECK_STR(bide_await(bide_async(fetch_user, "User", 1)).name, "User(1)");
    CHECK_STR(bide_run(bide_async(fetch_user, "User", 2)).name, "User(2)");
    CHECK_EQ(bide_run(bide_async(bide_sleep, BIDE_US)), 0); /* a leaf as the main future */
}

TEST_MAIN()
