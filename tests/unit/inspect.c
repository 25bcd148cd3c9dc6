/* What a dump shows. */
#include "inspect.h"

/* ---- one worker ---- */

static int wait_for(struct bide_event *event)
{
    return bide_event_wait(event);
}
ASYNC(int, wait_for, struct bide_event *)

FIBER_TEST(alone)
{
    CHECK_SHOWN("1 task\n"
                "alone_fiber: running\n");
}

FIBER_TEST(scope_of_tasks_and_leaves)
{
    struct bide_event event = { 0 };
    scope(s) {
        bide_spawn(&s, async(wait_for, &event));
        bide_spawn(&s, async(bide_sleep, BIDE_S));
        bide_spawn(&s, async(bide_event_wait, &event));
        CHECK_SHOWN("4 tasks\n"
                    "scope_of_tasks_and_leaves_fiber: running\n"
                    "  scope of 3\n"
                    "    wait_for: not begun\n"
                    "    bide_sleep: waits for sleep\n"
                    "    bide_event_wait: waits for event\n");
        bide_yield();
        CHECK_SHOWN("4 tasks\n"
                    "scope_of_tasks_and_leaves_fiber: running\n"
                    "  scope of 3\n"
                    "    wait_for: waits for event\n"
                    "    bide_sleep: waits for sleep\n"
                    "    bide_event_wait: waits for event\n");
        bide_event_set(&event);
        CHECK_SHOWN("3 tasks\n" /* the leaf is over; the task will find out */
                    "scope_of_tasks_and_leaves_fiber: running\n"
                    "  scope of 2\n"
                    "    wait_for: ready\n"
                    "    bide_sleep: waits for sleep\n");
        bide_scope_cancel(&s);
    }
}

static int dumps(char **ret_text)
{
    *ret_text = shown();
    return 0;
}
ASYNC(int, dumps, char **)

static int awaits(struct bide_event *event)
{
    bide_let f = async(wait_for, event);
    return await(&f);
}
ASYNC(int, awaits, struct bide_event *)

static int races(struct bide_event *event, char **ret_text)
{
    return race(async(awaits, event), async(dumps, ret_text), async(bide_sleep, BIDE_S));
}
ASYNC(int, races, struct bide_event *, char **)

FIBER_TEST(join_in_a_race)
{
    struct bide_event event = { 0 };
    char *text = NULL;
    bide_name("the main one");
    join(async(races, &event, &text), async(bide_sleep, BIDE_US));
    CHECK_STR(text, "6 tasks\n"
                    "the main one (join_in_a_race_fiber): waits for its join\n"
                    "  join of 2\n"
                    "    races: waits for its race\n"
                    "      race of 3\n"
                    "        awaits: waits for wait_for\n"
                    "          wait_for: waits for event\n"
                    "        dumps: running\n"
                    "        bide_sleep: waits for sleep\n"
                    "    bide_sleep: waits for sleep\n");
    free(text);
}

static int join_leaves(struct bide_event *event)
{
    bide_let awaits_leaf = async(bide_event_wait, event);
    return race(&awaits_leaf, async(bide_sleep, BIDE_S));
}
ASYNC(int, join_leaves, struct bide_event *)

static int dumps_and_sets(struct bide_event *event, char **ret_text)
{
    *ret_text = shown();
    bide_event_set(event);
    return 0;
}
ASYNC(int, dumps_and_sets, struct bide_event *, char **)

/* The inner group is there before the outer one, which comes when the inner one suspends. */
FIBER_TEST(group_before_its_outer_one)
{
    struct bide_event event = { 0 };
    char *text = NULL;
    join(async(join_leaves, &event), async(dumps_and_sets, &event, &text));
    CHECK_STR(text, "5 tasks\n"
                    "group_before_its_outer_one_fiber: waits for its join\n"
                    "  join of 2\n"
                    "    join_leaves: waits for its race\n"
                    "      race of 2\n"
                    "        bide_event_wait: waits for event\n"
                    "        bide_sleep: waits for sleep\n"
                    "    dumps_and_sets: running\n");
    free(text);
}

static int fails_at_once(void)
{
    return -EIO;
}
ASYNC(int, fails_at_once)

/* It has not suspended, so its join has no group yet. */
FIBER_TEST(from_within_a_join)
{
    char *text = NULL;
    CHECK_EQ(try_join(async(dumps, &text), async(fails_at_once)), -EIO);
    CHECK_STR(text, "3 tasks\n"
                    "from_within_a_join_fiber: waits for its join\n"
                    "  try_join of 2\n"
                    "    dumps: running\n"
                    "    fails_at_once: not begun\n");
    free(text);
}

static int scopes(struct bide_event *event)
{
    scope(outer) {
        scope(inner)
            bide_spawn(&outer, async(wait_for, event));
        scope(second)
            bide_spawn(&second, async(wait_for, event));
    }
    return 0;
}
ASYNC(int, scopes, struct bide_event *)

FIBER_TEST(nested_scopes)
{
    struct bide_event event = { 0 };
    bide_let f = async(scopes, &event);
    scope(s) {
        bide_start(&f);
        bide_yield();
        bide_yield();
        CHECK_SHOWN("4 tasks\n"
                    "nested_scopes_fiber: running\n"
                    "  scope of 1\n"
                    "    scopes: waits for its scope\n"
                    "      scope of 1\n"
                    "        wait_for: waits for event\n"
                    "      scope of 1\n"
                    "        wait_for: waits for event\n");
        bide_event_set(&event);
    }
}

static int await_started(struct wait_for_future *f)
{
    return await(f);
}
ASYNC(int, await_started, struct wait_for_future *)

FIBER_TEST(cancelled_and_started)
{
    struct bide_event event = { 0 };
    bide_let f = async(wait_for, &event);
    bide_let waits = async(await_started, &f);
    bide_let queued = async(wait_for, &event);
    scope(s) {
        bide_start(&f);
        bide_start(&waits);
        bide_yield();
        CHECK_SHOWN("3 tasks\n"
                    "cancelled_and_started_fiber: running\n"
                    "  scope of 2\n"
                    "    wait_for: waits for event\n"
                    "    await_started: waits for a future that was started\n");
        cancel(&f);
        CHECK_SHOWN("3 tasks\n"
                    "cancelled_and_started_fiber: running\n"
                    "  scope of 2\n"
                    "    wait_for: ready; cancelled\n"
                    "    await_started: waits for a future that was started\n");
        bide_start(&queued);
        bide_event_set(&event);
    }
}

static int hold(struct bide_mutex *mutex, struct bide_event *event)
{
    bide_name("holder");
    bide_mutex_lock(mutex);
    bide_event_wait(event);
    bide_mutex_unlock(mutex);
    return 0;
}
ASYNC(int, hold, struct bide_mutex *, struct bide_event *)

FIBER_TEST(holder_by_name)
{
    struct bide_mutex mutex = { 0 };
    struct bide_event event = { 0 };
    scope(s) {
        bide_spawn(&s, async(hold, &mutex, &event));
        bide_yield();
        bide_spawn(&s, async(bide_mutex_lock, &mutex));
        CHECK_SHOWN("3 tasks\n"
                    "holder_by_name_fiber: running\n"
                    "  scope of 2\n"
                    "    holder (hold): waits for event\n"
                    "    bide_mutex_lock: waits for mutex, held by holder (hold)\n");
        bide_event_set(&event);
    }
    bide_mutex_unlock(&mutex); /* of the leaf, whose owner is this task */
    bide_mutex_lock(&mutex);
    scope(s) {
        bide_spawn(&s, async(hold, &mutex, &event));
        bide_yield();
        CHECK_SHOWN("2 tasks\n"
                    "holder_by_name_fiber: running\n"
                    "  scope of 1\n"
                    "    holder (hold): waits for mutex, held by holder_by_name_fiber\n");
        bide_mutex_unlock(&mutex);
    }
}

static int cancelled(char **ret_text)
{
    *ret_text = bide_sleep(BIDE_S) == -ECANCELED ? shown() : NULL;
    return 0;
}
ASYNC(int, cancelled, char **)

FIBER_TEST(a_cancelled_task_may_dump)
{
    char *text = NULL;
    bide_let f = async(cancelled, &text);
    scope(s) {
        bide_start(&f);
        bide_yield();
        cancel(&f);
    }
    CHECK_STR(text, "2 tasks\n"
                    "a_cancelled_task_may_dump_fiber: waits for its scope\n"
                    "  scope of 1\n"
                    "    cancelled: running; cancelled\n");
    free(text);
}

/* ---- figures ---- */

FIBER_TEST(figures)
{
    struct bide_event event = { 0 };
    char *text = NULL;
    scope(s) {
        bide_spawn(&s, async(wait_for, &event));
        bide_spawn(&s, async(bide_sleep, 3600 * BIDE_S));
        bide_sleep(20 * BIDE_MS);
        CHECK_EQ(bide_dump_with(NULL, &text, NULL), 0);
        bide_scope_cancel(&s);
    }
    CHECK(strstr(text, "tasks, ") && strstr(text, stats_now().reactor));
    const char *line = strstr(text, "    wait_for: waits for event, for ");
    CHECK(line && strstr(line, " ms [worker 0, stack "));
    CHECK(strstr(line, " KiB, spawned ") && strstr(line, " ago] from "));
    CHECK(strstr(line, "inspect.c:"));
    CHECK((line = strstr(text, "    bide_sleep: waits for sleep, 3")) && strstr(line, " s left ["));
    free(text);
}

static int within_reach(struct bide_event *event)
{
    return within(3600 * BIDE_S, async(bide_event_wait, event));
}
ASYNC(int, within_reach, struct bide_event *)

FIBER_TEST(deadline)
{
    struct bide_event event = { 0 };
    char *text = NULL;
    scope(s) {
        bide_spawn(&s, async(within_reach, &event));
        bide_yield();
        CHECK_EQ(bide_dump_with(NULL, &text, NULL), 0);
        bide_event_set(&event);
    }
    CHECK(strstr(text, "; deadline in 3"));
    free(text);
}

/* ---- many, and deep ---- */

static int nest(int depth, struct bide_event *event);
ASYNC(int, nest, int, struct bide_event *)

static int nest(int depth, struct bide_event *event)
{
    if (depth == 0)
        return bide_event_wait(event);
    scope(s)
        bide_spawn(&s, async(nest, depth - 1, event));
    return 0;
}

FIBER_TEST(deep)
{
    struct bide_event event = { 0 };
    char *text = NULL;
    int depth = test_small() ? 100 : 2000;
    scope(s) {
        bide_spawn(&s, async(nest, depth, &event));
        while (!event.queue.waiting.next) /* nobody has waited yet */
            bide_yield();
        text = shown();
        bide_event_set(&event);
    }
    char last[64];
    snprintf(last, sizeof(last), "(level %d) nest: waits for event\n", 2 * depth + 2);
    CHECK(text && strstr(text, last));
    free(text);
}

FIBER_TEST(many)
{
    int n = test_small() || UNDER_TSAN ? 1000 : 20000, lines = 0;
    struct bide_event event = { 0 };
    char *text = NULL;
    scope(s) {
        for (int i = 0; i < n; i++)
            bide_spawn(&s, async(wait_for, &event));
        bide_yield();
        text = shown();
        bide_event_set(&event);
    }
    for (const char *at = text; at && (at = strstr(at, "    wait_for: waits for event\n")); at++)
        lines++;
    CHECK_EQ(lines, n);
    free(text);
}

/* ---- where to ---- */

FIBER_TEST(to_a_descriptor)
{
    int ends[2];
    char buffer[4096] = "";
    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(bide_dump(ends[1]), 0);
    CHECK(bide_read(ends[0], buffer, sizeof(buffer) - 1) > 0);
    CHECK(strncmp(buffer, "1 task, ", 8) == 0 && strstr(buffer, "to_a_descriptor_fiber: running"));
    bide_close(ends[0]);
    CHECK_EQ(bide_dump(ends[1]), -EPIPE);
    bide_close(ends[1]);
    CHECK_EQ(bide_dump(-1), -EBADF);
}

FIBER_TEST(size)
{
    char *text = NULL;
    size_t size = 0;
    CHECK_EQ(bide_dump_with(NULL, &text, &size), 0);
    CHECK_EQ(strlen(text), size);
    free(text);
}

/* ---- no memory ---- */

static atomic_int countdown;

static bool fail_kth(void)
{
    return atomic_fetch_sub(&countdown, 1) == 0;
}

FIBER_TEST(no_memory)
{
    struct bide_event event = { 0 };
    int complete = 0;
    scope(s) {
        for (int i = 0; i < 200; i++)
            bide_spawn(&s, async(wait_for, &event));
        bide_yield();
        for (int k = 0; k < 100 && !complete; k++) {
            char *text = NULL;
            atomic_store(&countdown, k);
            bide__fault = fail_kth;
            int error = bide_dump_with(&(struct bide_dump_options){ .brief = 1 }, &text, NULL);
            bide__fault = NULL;
            CHECK(error == 0 || (error == -ENOMEM && !text));
            CHECK(error || strstr(text, "tasks\n") || strstr(text, "0 tasks"));
            complete = atomic_load(&countdown) >= 0;
            CHECK(!complete || !strstr(text, "no memory"));
            free(text);
        }
        bide_event_set(&event);
    }
    CHECK(complete);
}

/* ---- where they stand ---- */

FIBER_TEST(with_backtraces)
{
    struct bide_event event = { 0 };
    struct bide_dump_options options = { .brief = 1, .backtraces = 1 };
    let f = async(wait_for, &event);
    scope(s) {
        bide_start(&f);
        bide_yield();
        for (int json = 0; json < 2; json++) {
            char *text;
            options.json = json != 0;
            CHECK_EQ(bide_dump_with(&options, &text, NULL), 0);
            const char *task = strstr(text, json ? "\"function\":\"wait_for\"" : "wait_for: waits");
            CHECK(task);
            CHECK(strstr(task, json ? "\"frames\":[\"" : "\n      | "));
            free(text);
        }
        bide_event_set(&event);
    }
}

TEST_MAIN()
