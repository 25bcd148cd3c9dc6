/*
 * A dump with backtraces of many tasks is many steps of its worker, none of them long. The watchdog
 * saw only those in which nodes were made, and reported a stall while their stacks were walked.
 */
#include "fiber.h"

#include <bide/inspect.h>
#include <bide/keywords.h>
#include <execinfo.h>

enum { TASKS = 3000 };

static int walked, steps, last;

/* In place of libc's: how many steps has the watchdog seen between the stacks? */
__attribute__((visibility("default"))) int backtrace(void **frames, int max)
{
    (void)frames;
    (void)max;
    if (!bide__self.fiber)
        return 0;
    int now = (int)bide__self.fiber->worker->until_poll;
    steps += walked && now != last;
    walked++;
    last = now;
    return 0;
}

static int wait_for(struct bide_event *event)
{
    return bide_event_wait(event);
}
ASYNC(int, wait_for, struct bide_event *)

static void dump_many(void)
{
    struct bide_event never = { 0 };
    struct bide_dump_options options = { .backtraces = 1 };
    char *text;
    scope(s) {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(spawn(&s, async(wait_for, &never)), 0);
        bide_yield();
        if (bide_dump_with(&options, &text, NULL) == 0)
            free(text);
        bide_event_set(&never);
    }
}
ASYNC_VOID(dump_many)

TEST(a_walk_is_many_steps)
{
    bide_run(async(dump_many));
    CHECK(walked >= TASKS);
    CHECK(steps >= 2);
}

TEST_MAIN()
