/*
 * A runtime in the constructor of a library that is being loaded: the loader's lock is held. The
 * watchdog, which reported a stall there, waited for that lock, and bide_run for the watchdog.
 */
#include "test.h"

#include <bide/keywords.h>
#include <dlfcn.h>

#define LIMIT (10 * BIDE_MS)

static int ended, returned;

/* Until the watchdog, which is late on a busy machine, has surely seen it. */
static int hold_worker(void)
{
    bide_time end = bide_now() + 20 * LIMIT;
    while (bide_now() < end)
        ;
    ended = 1;
    return 7;
}
ASYNC(int, hold_worker)

static int stall(void)
{
    ended = 0;
    return bide_run_with(&(struct bide_config){ .stall_limit = LIMIT }, async(hold_worker));
}

/* Called by the library's constructor. */
__attribute__((visibility("default"))) void at_load(void);
void at_load(void)
{
    returned = stall();
}

/* It stays: the report, which is printed now, has names that belong to it. */
static void load(const char *path)
{
    returned = 0;
    CHECK(dlopen(path, RTLD_NOW));
    CHECK_EQ(returned, 7);
    CHECK(ended);
}

/* The first backtrace of the process is to be had: that loads a library, too. */
TEST(the_first_stall)
{
    load(CONSTRUCTOR_1);
}

/* All is there, and only the frames' names are asked for. */
TEST(a_later_stall)
{
    CHECK_EQ(stall(), 7);
    load(CONSTRUCTOR_2);
}

TEST_MAIN()
