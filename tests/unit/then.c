/* then.c - bind: a leaf while the first part waits, a function afterwards. */
#include "fiber.h"

#include <bide/keywords.h>
#include <bide/then.h>

static const struct bide_config two = { .workers = 2 };

static atomic_int calls;

static int add(int value, int more)
{
    calls++;
    return value + more;
}
ASYNC(int, add, int, int)

static int add_later(int value, int more)
{
    calls++;
    int error = bide_sleep(BIDE_US);
    return error ? error : value + more;
}
ASYNC(int, add_later, int, int)

struct text {
    char bytes[64];
};

static struct text print(int value)
{
    struct text text;
    snprintf(text.bytes, sizeof(text.bytes), "%d", value);
    return text;
}
ASYNC(struct text, print, int)

static long measure(struct text text)
{
    return (long)strlen(text.bytes);
}
ASYNC(long, measure, struct text)

FIBER_TEST(goes_on_with_the_value)
{
    let f = bide_then(async(bide_sleep, BIDE_US), add, 5);
    CHECK_STR(bide_function(&f), "add");
    CHECK_EQ(bide_await(&f), 5);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
    CHECK_EQ(await(bide_then(async(bide_sleep, 0), add, 6)), 6);
    CHECK_EQ(await(bide_then(async(add_later, 1, 2), add, 3)), 6);
    CHECK_EQ(await(bide_then(async(add, 1, 2), add_later, 3)), 6);
}

FIBER_TEST(chains_and_any_type)
{
    let printed = bide_then(bide_then(async(bide_sleep, BIDE_US), add_later, 12345), print);
    let length = bide_then(printed, measure);
    CHECK_EQ(await(length), 5);
    CHECK_EQ(join(&length, &printed), 0);
    CHECK_EQ(length.value, 5);
    CHECK_STR(printed.value.bytes, "12345");
    CHECK_EQ(await(bide_then(bide_then(async(add, 1, 1), add, 1), print)).bytes[0], '3');
}

FIBER_TEST(a_description_is_cold_and_can_be_run_again)
{
    calls = 0;
    let f = bide_then(async(bide_sleep, BIDE_US), add, 1);
    CHECK_EQ(bide_state(&f), BIDE_COLD);
    let g = f;
    CHECK_EQ(calls, 0);
    CHECK_EQ(join(&f, &g), 0);
    CHECK_EQ(calls, 2);
    CHECK_EQ(f.value + g.value, 2);
}

/* ---- stacks ---- */

BIDE_THEN(sleep_then_add, bide_sleep, add, int)
BIDE_THEN(and_print, sleep_then_add, print)

FIBER_TEST(with_a_name)
{
    let f = async(sleep_then_add, async(bide_sleep, BIDE_US), 5);
    CHECK_STR(await(async(and_print, f)).bytes, "5");
    CHECK_EQ(await(bide_then(f, add, 6)), 11);
}

SIM_TEST(takes_no_stack_while_it_waits)
{
    enum { N = 200 };
    struct sleep_then_add_future f[N];
    for (int i = 0; i < N; i++)
        f[i] = async(sleep_then_add, async(bide_sleep, 20 * BIDE_MS), i);
    CHECK(sizeof(f[0]) <= 320);
    bide_time begin = bide_now();
    scope(s) {
        for (int i = 0; i < N; i++)
            bide_start(&f[i]);
        bide_yield();
        CHECK_EQ(stats_now().fibers, 0);
        CHECK_EQ(stats_now().tasks, N + 1);
    }
    CHECK_EQ(bide_now(), begin + 20 * BIDE_MS);
    for (int i = 0; i < N; i++)
        CHECK_EQ(f[i].value, i);
    CHECK(stats_now().fibers_idle <= 2);
}

SIM_TEST(in_all_that_drives)
{
    bide_time begin = bide_now();
    let f = bide_then(async(bide_sleep, BIDE_US), add_later, 1);
    let slow = bide_then(async(bide_sleep, 2 * BIDE_US + 1), add_later, 2);
    CHECK_EQ(race(&slow, &f), 1);
    CHECK_EQ(bide_now(), begin + 2 * BIDE_US);
    CHECK_EQ(f.value, 1);
    CHECK_EQ(slow.value, -ECANCELED);
    CHECK_EQ(bide_error(&slow), -ECANCELED);
    let slower = bide_then(async(bide_sleep, BIDE_S), add_later, 2);
    CHECK_EQ(within(BIDE_US, &slower), -ETIMEDOUT);
    CHECK_EQ(slower.value, -ETIMEDOUT);
    let quick = bide_then(async(bide_sleep, BIDE_US), add_later, 3);
    CHECK_EQ(within(2 * BIDE_US + 1, &quick), 0);
    CHECK_EQ(quick.value, 3);
    scope(s) {
        spawn(&s, bide_then(async(bide_sleep, BIDE_US), add_later, -EIO));
        CHECK_EQ(bide_scope_wait(&s), -EIO);
    }
    CHECK_EQ(try_join(bide_then(async(bide_sleep, 0), add, -EPERM), async(bide_sleep, BIDE_S)),
             -EPERM);
}

FIBER_TEST(in_a_thread_of_the_pool)
{
    CHECK_EQ(bide_offload(bide_then(async(bide_sleep, BIDE_US), add_later, 4)), 4);
}

/* ---- cancellation ---- */

static int what_it_sees(int value, int *seen)
{
    *seen = bide_cancelled();
    return bide_sleep(BIDE_S) ? -ECANCELED : value;
}
ASYNC(int, what_it_sees, int, int *)

/* Cancelled when the first part has ended: nothing is lost, begun or not. */
FIBER_TEST(cancelled_in_between_the_function_runs)
{
    for (int begun = 0; begun < 2; begun++) {
        struct bide_event event = { 0 };
        int seen = 1;
        let f = bide_then(async(bide_event_wait, &event), what_it_sees, &seen);
        scope(s) {
            bide_start(&f);
            bide_event_set(&event);
            if (begun)
                bide_yield();
            cancel(&f);
        }
        CHECK_EQ(f.value, -ECANCELED);
        CHECK_EQ(seen, begun ? 0 : -ECANCELED);
    }
}

static int mark(int value, int *ran)
{
    *ran = bide_cancelled() ? -1 : 1;
    return value;
}
ASYNC(int, mark, int, int *)

FIBER_TEST(cancelled_while_it_queues)
{
    int ran = 0;
    let f = bide_then(async(bide_sleep, 0), mark, &ran); /* its first part ends in start */
    scope(s) {
        bide_start(&f);
        CHECK_EQ(ran, 0);
        cancel(&f);
        CHECK_EQ(bide_state(&f), BIDE_RUNNING);
    }
    CHECK_EQ(ran, -1);
    CHECK_EQ(bide_cancelled(), 0);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
}

static int await_then(struct bide_event *event, int *ran)
{
    return await(bide_then(async(bide_event_wait, event), mark, ran));
}
ASYNC(int, await_then, struct bide_event *, int *)

FIBER_TEST(cancelled_while_its_fiber_is_about_to_run_it)
{
    struct bide_event event = { 0 };
    int ran = 0;
    let f = async(await_then, &event, &ran);
    scope(s) {
        bide_start(&f);
        bide_yield();
        bide_event_set(&event);
        cancel(&f);
    }
    CHECK_EQ(ran, -1);
    CHECK_EQ(f.value, 0);
    ran = 0;
    bide_event_clear(&event);
    let g = async(await_then, &event, &ran);
    scope(s) {
        bide_start(&g);
        bide_yield();
        cancel(&g);
        bide_event_set(&event);
    }
    CHECK_EQ(ran, 0);
    CHECK_EQ(g.value, -ECANCELED);
}

SIM_TEST(a_nested_one_ends_with_its_first_parts_error)
{
    int ran = 0;
    let f = bide_then(bide_then(async(bide_sleep, BIDE_S), add, 1), mark, &ran);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(ran, 0);
}

/* ---- elsewhere ---- */

static int everywhere(void)
{
    for (int round = 0; round < 50; round++) {
        scope(s) {
            for (int i = 0; i < 20; i++) {
                spawn_spread(&s, bide_then(async(bide_sleep, i * BIDE_US), add_later, 0));
                spawn_parallel(&s, bide_then(async(bide_sleep, i * BIDE_US), add_later, 0));
            }
            if (round % 3 == 0)
                bide_scope_cancel(&s);
        }
    }
    return 0;
}
ASYNC(int, everywhere)

TEST(on_several_workers)
{
    CHECK_EQ(bide_run_with(&two, async(everywhere)), 0);
}

TEST(outside_a_runtime)
{
    CHECK_EQ(await(bide_then(async(bide_sleep, BIDE_US), add_later, 7)), 7);
    CHECK_EQ(await(bide_then(bide_then(async(bide_sleep, 0), add, 1), add_later, 7)), 8);
    CHECK_EQ(bide_run(bide_then(async(bide_sleep, BIDE_US), add_later, 8)), 8);
    let f = bide_then(async(add_later, 1, 1), print);
    CHECK_STR(bide_run(&f).bytes, "2");
}

/* Without a stack it ends with -ENOMEM, and goes on where it was when it is driven again. */
static bool no_stack;

static bool fault(void)
{
    return no_stack;
}

FIBER_TEST(without_a_stack)
{
    calls = 0;
    let f = bide_then(async(bide_sleep, 0), add, 9);
    scope(s) {
        bide_start(&f);
        bide__fault = fault;
        no_stack = true;
        bide_yield();
        no_stack = false;
        bide__fault = NULL;
    }
    if (bide_error(&f)) { /* no idle stack was left from the tests before */
        CHECK_EQ(bide_error(&f), -ENOMEM);
        CHECK_EQ(bide_state(&f), BIDE_COLD);
        CHECK_EQ(calls, 0);
    }
    CHECK_EQ(join(&f), 0);
    CHECK_EQ(f.value, 9);
    CHECK_EQ(calls, 1);
}

TEST_MAIN()
