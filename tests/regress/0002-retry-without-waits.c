/*
 * A bide_retry with a delay_max below 0: -1 divided by zero, with another one it as good as never
 * ran again.
 */
#include "test.h"

#include <bide/keywords.h>

static int fail(int *runs)
{
    ++*runs;
    return -EIO;
}
ASYNC(int, fail, int *)

static int run(void)
{
    int runs = 0;
    let all = bide_retry(async(fail, &runs), &(struct bide_retry_options){ .delay_max = -1 });
    CHECK_OR(within(60 * BIDE_S, &all) == 0, -1);
    CHECK_OR(all.value == -EIO, -1);
    return runs;
}
ASYNC(int, run)

TEST(no_wait_below_zero)
{
    CHECK_EQ(bide_run(async(run)), 5);
}

TEST_MAIN()
