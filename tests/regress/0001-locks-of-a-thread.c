/*
 * A plain thread that holds a lock, and waits in a runtime that was made for a bide_within or a
 * race: that was another holder than the thread, so a wait for a condition aborted there.
 */
#include "test.h"

#include <bide/keywords.h>

static struct bide_mutex mutex;
static struct bide_condition condition;

TEST(a_thread_waits_for_a_condition_with_a_deadline)
{
    CHECK_EQ(bide_mutex_lock(&mutex), 0);
    let wait = async(bide_condition_wait, &condition, &mutex);
    CHECK_EQ(within(BIDE_MS, &wait), -ETIMEDOUT);
    CHECK_EQ(bide_mutex_try_lock(&mutex), -EBUSY); /* it is ours again */
    CHECK_EQ(race(async(bide_condition_wait, &condition, &mutex), async(bide_sleep, BIDE_MS)), 1);
    CHECK_EQ(bide_mutex_try_lock(&mutex), -EBUSY);
    bide_mutex_unlock(&mutex);
}

TEST(a_lock_won_in_a_race_is_the_threads)
{
    CHECK_EQ(race(async(bide_mutex_lock, &mutex), async(bide_sleep, BIDE_S)), 0);
    let wait = async(bide_condition_wait, &condition, &mutex);
    CHECK_EQ(within(BIDE_MS, &wait), -ETIMEDOUT);
    bide_mutex_unlock(&mutex);
}

static int wait_for_it(void)
{
    let wait = async(bide_condition_wait, &condition, &mutex);
    return within(BIDE_MS, &wait);
}
ASYNC(int, wait_for_it)

TEST(a_runtime_of_a_thread_that_holds_it)
{
    CHECK_EQ(bide_mutex_lock(&mutex), 0);
    CHECK_EQ(bide_run(async(wait_for_it)), -ETIMEDOUT);
    bide_mutex_unlock(&mutex);
}

TEST_MAIN()
