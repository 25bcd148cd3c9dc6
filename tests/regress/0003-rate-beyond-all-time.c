/*
 * A bucket that takes longer to fill than a bide_time can say: its time of being full overflowed,
 * and from then on it gave tokens to everybody.
 */
#include "test.h"

#include <bide/keywords.h>
#include <limits.h>

TEST(an_empty_bucket_stays_empty)
{
    struct bide_rate rate = { .burst = UINT_MAX, .span = 3 * 3600 * BIDE_S };
    CHECK_EQ(bide_rate_acquire(&rate, UINT_MAX), 0);
    CHECK_EQ(bide_rate_try_acquire(&rate, UINT_MAX), -EAGAIN);
}

TEST_MAIN()
