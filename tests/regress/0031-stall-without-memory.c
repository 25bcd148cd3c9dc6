/*
 * Without memory for the library that backtraces come from, the watchdog could not load it before.
 * So the handler in the stalled task tried to: it waited for the allocator, which it had
 * interrupted. Here a backtrace of the test's own plays a library that cannot be loaded.
 */
#include "fiber.h"

#include <bide/keywords.h>
#include <execinfo.h>

static int calls_in_task;
static int reported; /* atomic */

/* In place of libc's. */
__attribute__((visibility("default"))) int backtrace(void **frames, int max)
{
    (void)frames;
    (void)max;
    if (bide__self.fiber)
        calls_in_task++;
    return 0;
}

static void hear(const struct bide_stall *stall, void *user)
{
    (void)user;
    CHECK_EQ(stall->frame_count, 0);
    CHECK_STR(stall->name, "hold_worker");
    __atomic_store_n(&reported, 1, __ATOMIC_RELEASE);
}

static int hold_worker(void)
{
    while (!__atomic_load_n(&reported, __ATOMIC_ACQUIRE))
        ;
    return 7;
}
ASYNC(int, hold_worker)

TEST(no_handler_loads_a_library)
{
    struct bide_config config = { .stall_limit = BIDE_MS, .on_stall = hear };
    CHECK_EQ(bide_run_with(&config, async(hold_worker)), 7);
    CHECK_EQ(calls_in_task, 0);
}

TEST_MAIN()
