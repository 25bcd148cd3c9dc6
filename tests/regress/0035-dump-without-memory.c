/*
 * A worker without memory for its nodes asked for it again for each task. With many tasks that held
 * it for longer than the watchdog allows.
 */
#include "fiber.h"

#include <bide/inspect.h>
#include <bide/keywords.h>

enum { TASKS = 3000 };

static int allowed, asked;

static bool fails(void)
{
    return ++asked > allowed;
}

static int dump_after(int allocations)
{
    char *text = NULL;
    asked = 0;
    allowed = allocations;
    bide__fault = fails;
    int error = bide_dump_with(NULL, &text, NULL);
    bide__fault = NULL;
    free(text);
    return error;
}

static void dump_with_little_memory(void)
{
    struct bide_event never = { 0 };
    int error = -ENOMEM;
    scope(s) {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(spawn(&s, async(bide_event_wait, &never)), 0);
        bide_yield();
        for (int allocations = 0; error == -ENOMEM || asked > allowed; allocations++) {
            error = dump_after(allocations);
            CHECK(error == 0 || error == -ENOMEM);
            CHECK(asked - allowed < 100);
        }
        bide_event_set(&never);
    }
}
ASYNC_VOID(dump_with_little_memory)

/* One worker: others would ask at the same time. */
TEST(memory_is_asked_for_once)
{
    struct bide_config config = { .workers = 1, .stall_limit = BIDE_FOREVER };
    bide_run_with(&config, async(dump_with_little_memory));
}

TEST_MAIN()
