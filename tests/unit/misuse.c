/* misuse.c - a programmer's error aborts, naming the function and the call site. */
#include "fiber.h"

static int napping(bide_time span)
{
    return bide_sleep(span);
}
BIDE_ASYNC(int, napping, bide_time)

#define MISUSE(name)                      \
    static int name##_body(void);         \
    BIDE_ASYNC(int, name##_body)          \
    static void name(void *arg)           \
    {                                     \
        (void)arg;                        \
        bide_run(bide_async(name##_body)); \
    }                                     \
    static int name##_body(void)

/* Each drives a future that bide_start began. */
#define OF_A_RUNNING_FUTURE(name, drive)             \
    MISUSE(name)                                     \
    {                                                \
        bide_let f = bide_async(napping, BIDE_MS);   \
        BIDE_SCOPE(s) {                              \
            bide_start(&f);                          \
            bide_yield();                            \
            drive;                                   \
        }                                            \
        return 0;                                    \
    }

OF_A_RUNNING_FUTURE(join_running, bide_join(&f))
OF_A_RUNNING_FUTURE(race_running, bide_race(&f, bide_async(bide_sleep, 0)))
OF_A_RUNNING_FUTURE(within_running, bide_within(BIDE_S, &f))
OF_A_RUNNING_FUTURE(spawn_running, (void)bide_spawn(&s, f))
OF_A_RUNNING_FUTURE(start_running, (void)bide_start(&f))
OF_A_RUNNING_FUTURE(offload_running, (void)bide_offload(&f))

MISUSE(join_queued)
{
    bide_let f = bide_async(napping, BIDE_MS);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_join(&f); /* started, not begun yet */
    }
    return 0;
}

MISUSE(join_twice)
{
    bide_let f = bide_async(napping, BIDE_MS);
    return bide_join(&f, &f);
}

MISUSE(join_leaf_twice)
{
    bide_let f = bide_async(bide_sleep, BIDE_MS);
    return bide_join(&f, &f);
}

MISUSE(start_without_a_scope)
{
    bide_let f = bide_async(napping, BIDE_MS);
    return bide_start(&f);
}

static int wait_for(struct bide_scope *s)
{
    return bide_scope_wait(s);
}
BIDE_ASYNC(int, wait_for, struct bide_scope *)

MISUSE(wait_for_anothers_scope)
{
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(wait_for, &s));
        bide_yield();
    }
    return 0;
}

static void start_outside(void *arg)
{
    bide_let f = bide_async(napping, BIDE_MS);
    (void)arg;
    (void)bide_start(&f);
}

/* A cancelled caller's misuse is one too. */
static int join_while_cancelled(struct napping_future *f)
{
    while (!bide_cancelled())
        bide_yield();
    return bide_join(f);
}
BIDE_ASYNC(int, join_while_cancelled, struct napping_future *)

MISUSE(join_running_while_cancelled)
{
    bide_let f = bide_async(napping, BIDE_MS);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_within(BIDE_US, bide_async(join_while_cancelled, &f));
    }
    return 0;
}

TEST(driving_what_runs_already)
{
    expect_abort(join_running, NULL, "misuse.c:");
    expect_abort(join_running, NULL, ": join of future napping, which is running already");
    expect_abort(race_running, NULL, ": race of future napping, which is running already");
    expect_abort(within_running, NULL, ": within of future napping, which is running already");
    expect_abort(spawn_running, NULL, ": spawn of future napping, which is running already");
    expect_abort(start_running, NULL, ": start of future napping, which is running already");
    expect_abort(offload_running, NULL, ": offload of future napping, which is running already");
    expect_abort(join_queued, NULL, ": join of future napping, which is running already");
    expect_abort(join_twice, NULL, ": join of future napping, which is running already");
    expect_abort(join_leaf_twice, NULL, ": join of future bide_sleep, which is running already");
    expect_abort(join_running_while_cancelled, NULL, ": join of future napping");
}

TEST(scopes)
{
    expect_abort(start_without_a_scope, NULL, ": start of future napping without an open scope");
    expect_abort(start_outside, NULL, ": start of future napping outside a runtime");
    expect_abort(wait_for_anothers_scope, NULL, "belongs to another task");
}

TEST_MAIN()
