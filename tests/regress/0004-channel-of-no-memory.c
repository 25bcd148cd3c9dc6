/* bide_chan_init_in without memory, where none is needed: an offset was added to NULL. */
#include "test.h"

#include <bide/keywords.h>

TEST(without_capacity)
{
    struct bide_chan chan;
    int value = 1;
    bide_chan_init_in(&chan, sizeof(value), 0, NULL);
    CHECK_EQ(bide_chan_try_send(&chan, &value), -EAGAIN);
    CHECK_EQ(join(async(bide_chan_send, &chan, &(int){ 2 }), async(bide_chan_recv, &chan, &value)),
             0);
    CHECK_EQ(value, 2);
    bide_chan_release(&chan);
}

TEST(of_values_without_size)
{
    struct bide_chan chan;
    bide_chan_init_in(&chan, 0, 2, NULL);
    CHECK_EQ(bide_chan_send(&chan, NULL), 0);
    CHECK_EQ(bide_chan_send(&chan, NULL), 0);
    CHECK_EQ(bide_chan_try_send(&chan, NULL), -EAGAIN);
    CHECK_EQ(bide_chan_recv(&chan, NULL), 0);
    CHECK_EQ(bide_chan_count(&chan), 1u);
    bide_chan_release(&chan);
}

TEST_MAIN()
