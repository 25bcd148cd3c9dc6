/* Values bound for a block and all that it drives. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

static BIDE_KEY(const char) name = { "nobody" };
static BIDE_KEY(int) number;

static void bound_and_unbound(void)
{
    int one = 1;
    CHECK_STR(bide_get(&name), "nobody");
    CHECK(!bide_get(&number));
    BIDE_WITH(&name, "outer") {
        CHECK_STR(bide_get(&name), "outer");
        BIDE_WITH(&number, &one)
            BIDE_WITH(&name, "inner") {
                CHECK_STR(bide_get(&name), "inner");
                CHECK(bide_get(&number) == &one);
                BIDE_WITH(&number, NULL)
                    CHECK(!bide_get(&number));
            }
        CHECK_STR(bide_get(&name), "outer");
        CHECK(!bide_get(&number));
    }
    CHECK_STR(bide_get(&name), "nobody");
}

TEST(outside_a_runtime)
{
    bound_and_unbound();
}

FIBER_TEST(inside_a_runtime)
{
    bound_and_unbound();
}

static const char *leave_early(int how)
{
    for (int i = 0; i < 2; i++) {
        BIDE_WITH(&name, "gone") {
            if (how == 0)
                return bide_get(&name);
            if (how == 1)
                break;
            if (how == 2)
                continue;
            goto out;
        }
    }
out:
    return bide_get(&name);
}

FIBER_TEST(ends_on_every_way_out)
{
    CHECK_STR(leave_early(0), "gone");
    for (int how = 1; how < 4; how++)
        CHECK_STR(leave_early(how), "nobody");
    CHECK_STR(bide_get(&name), "nobody");
}

/* ---- who sees it ---- */

/* Sees what it should at its beginning and after it waited. */
static int see(const char *expected, bool waits)
{
    for (int i = 0; i < 2; i++) {
        CHECK_OR(test_str_equal(bide_get(&name), expected), -EBADE);
        if (waits)
            bide_yield();
    }
    return 0;
}
ASYNC(int, see, const char *, bool)

/* The same, and binds something of its own, over its waiting. */
static int see_and_bind(const char *expected, bool waits)
{
    if (see(expected, waits))
        return -EBADE;
    BIDE_WITH(&name, "own") {
        if (see("own", waits))
            return -EBADE;
    }
    return see(expected, waits);
}
ASYNC(int, see_and_bind, const char *, bool)

FIBER_TEST(what_is_awaited_sees_it)
{
    BIDE_WITH(&name, "me") {
        let f = async(see, "me", true);
        CHECK_EQ(await(&f), 0);
        CHECK_EQ(await(async(see_and_bind, "me", true)), 0);
        CHECK_EQ(within(BIDE_S, async(see, "me", true)), 0);
        shield()
            CHECK_EQ(see("me", true), 0);
    }
}

static void join_them(int which)
{
    struct see_and_bind_future f[5];
    for (int i = 0; i < 5; i++)
        f[i] = async(see_and_bind, "me", which & 1 << i);
    BIDE_WITH(&name, "me")
        CHECK_EQ(bide_try_join_all(f, 5), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(f[i].value, 0);
}

/* Whichever of them wait, and so wherever each of them runs. */
FIBER_TEST(what_is_joined_sees_it)
{
    for (int which = 0; which < 1 << 5; which++)
        join_them(which);
}

FIBER_TEST(with_a_leaf_too)
{
    BIDE_WITH(&name, "me") {
        let first = async(see, "me", true);
        let second = async(see_and_bind, "me", false);
        CHECK_EQ(join(async(bide_sleep, BIDE_US), &first, &second), 0);
        CHECK_EQ(first.value, 0);
        CHECK_EQ(second.value, 0);
        CHECK_EQ(race(async(bide_sleep, BIDE_S), async(see, "me", true)), 1);
    }
}

FIBER_TEST(a_child_sees_what_was_bound_where_its_scope_was_opened)
{
    struct see_and_bind_future f[3];
    BIDE_WITH(&name, "before")
        scope(s) {
            BIDE_WITH(&name, "inside") {
                f[0] = async(see_and_bind, "before", true);
                bide_start(&f[0]);
                spawn(&s, async(see, "before", true));
                scope(inner) {
                    f[1] = async(see_and_bind, "inside", true);
                    bide_start(&f[1]);
                    CHECK_EQ(bide_spawn(&s, async(see, "before", false)), 0);
                }
            }
            f[2] = async(see_and_bind, "before", false);
            bide_start(&f[2]);
            CHECK_EQ(bide_scope_wait(&s), 0);
        }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(f[i].value, 0);
}

static int then_see(int slept, const char *expected)
{
    return slept ? slept : see(expected, true);
}
ASYNC(int, then_see, int, const char *)

FIBER_TEST(what_goes_on_then_sees_it)
{
    BIDE_WITH(&name, "me") {
        scope(s) {
            spawn(&s, bide_then(async(bide_sleep, BIDE_US), then_see, "me"));
            CHECK_EQ(bide_scope_wait(&s), 0);
        }
        CHECK_EQ(await(bide_then(async(bide_sleep, BIDE_US), then_see, "me")), 0);
    }
}

/* ---- other threads ---- */

static int tree(int depth, const char *expected);
ASYNC(int, tree, int, const char *)

static int tree(int depth, const char *expected)
{
    static const char *const names[] = { "a", "b", "c" };
    if (see(expected, depth % 2))
        return -EBADE;
    int error = 0;
    for (int i = 0; i < 3 && depth && !error; i++)
        BIDE_WITH(&name, names[i])
            scope(s) {
                spawn_parallel(&s, async(tree, depth - 1, names[i]));
                spawn_spread(&s, async(tree, depth - 1, names[i]));
                error = bide_scope_wait(&s);
            }
    return error ? error : see(expected, true);
}

TEST(a_tree_over_two_workers)
{
    CHECK_EQ(bide_run_with(&two, async(tree, test_small() ? 2 : 4, "nobody")), 0);
}

TEST(a_runtime_sees_what_its_thread_has_bound)
{
    BIDE_WITH(&name, "thread") {
        CHECK_EQ(bide_run(async(see_and_bind, "thread", true)), 0);
        CHECK_EQ(join(async(see, "thread", true), async(see_and_bind, "thread", true)), 0);
        BIDE_WITH(&name, "at its wait") {
            struct bide_scope s;
            bide_scope_init(&s, NULL);
            spawn(&s, async(see, "at its wait", true));
            CHECK_EQ(bide_scope_wait(&s), 0);
        }
        CHECK_STR(bide_get(&name), "thread");
    }
}

static int call_sees(void *expected)
{
    return see(expected, true);
}

FIBER_TEST(what_is_offloaded_sees_it)
{
    BIDE_WITH(&name, "scope")
        scope(s)
            BIDE_WITH(&name, "me") {
                CHECK_EQ(bide_offload_call(call_sees, "me"), 0);
                let call = async(bide_offload_call, call_sees, "scope");
                bide_start(&call);
                let second = async(bide_offload_call, call_sees, "scope");
                spawn(&s, bide_then(second, then_see, "scope"));
                CHECK_EQ(bide_scope_wait(&s), 0);
                CHECK_EQ(call.value, 0);
            }
    BIDE_WITH(&name, "me")
        CHECK_EQ(bide_offload(async(see_and_bind, "me", true)), 0);
    CHECK_EQ(bide_offload(async(see_and_bind, "nobody", true)), 0);
}

static void *see_in_thread(void *arg)
{
    *(int *)arg = see("nobody", true);
    return NULL;
}

FIBER_TEST(a_thread_of_its_own_sees_nothing)
{
    pthread_t id;
    int result = -1;
    BIDE_WITH(&name, "me") {
        CHECK_EQ(pthread_create(&id, NULL, see_in_thread, &result), 0);
        pthread_join(id, NULL);
    }
    CHECK_EQ(result, 0);
}

/* ---- scopes by hand ---- */

FIBER_TEST(a_scope_by_hand_is_opened_anew_when_it_is_used_again)
{
    struct bide_scope s;
    BIDE_WITH(&name, "first") {
        bide_scope_init(&s, NULL);
        spawn(&s, async(see, "first", true));
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
    BIDE_WITH(&name, "second") {
        spawn(&s, async(see, "second", true));
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
    spawn(&s, async(see, "nobody", true));
    CHECK_EQ(bide_scope_wait(&s), 0);
}

static int outlive(bool again)
{
    struct bide_scope s, other;
    if (again) {
        bide_scope_init(&s, NULL);
        bide_scope_wait(&s);
    }
    BIDE_WITH(&name, "short") {
        if (again)
            spawn(&s, async(see, "short", true));
        else
            bide_scope_init(&s, NULL);
        BIDE_WITH(&name, "shorter") {
            bide_scope_init(&other, NULL);
            spawn(&other, async(see, "shorter", true));
            bide_scope_wait(&other);
        }
    }
    return bide_scope_wait(&s);
}
ASYNC(int, outlive, bool)

static void run_outlive(void *again)
{
    bide_run(async(outlive, again != NULL));
}

TEST(a_scope_by_hand_that_outlives_its_binding_aborts)
{
    expect_abort(run_outlive, NULL, "outlives the BIDE_WITH");
    expect_abort(run_outlive, "again", "outlives the BIDE_WITH");
}

TEST_MAIN()
