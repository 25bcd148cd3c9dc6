/*
 * 13_channel - a pipeline: one task reads orders, three work on them, one writes bills.
 *
 * Channels join the stages. They are bounded, so a slow stage holds back those before it; and
 * closing the first one brings all that follow to their ends, one after the other.
 */
#include <errno.h>
#include <stdio.h>

#include <bide/keywords.h>

enum { ORDERS = 9, WORKERS = 3 };

struct order {
    int id, pieces;
};

struct shop {
    struct bide_chan orders, bills;
    int workers; /* that are not over */
};

static int take_orders(struct shop *shop)
{
    int error = 0;
    for (int i = 0; i < ORDERS && !error; i++)
        error = bide_chan_send(&shop->orders, &(struct order){ .id = i, .pieces = i % 4 + 1 });
    bide_chan_close(&shop->orders); /* what is in it is still worked on */
    return error;
}
ASYNC(int, take_orders, struct shop *)

static int work(struct shop *shop)
{
    struct order order;
    int error;
    while (!(error = bide_chan_recv(&shop->orders, &order))) {
        bide_sleep(order.pieces * BIDE_MS);
        error = bide_chan_send(&shop->bills, &(int){ order.pieces * 250 });
        if (error)
            break;
    }
    if (--shop->workers == 0)
        bide_chan_close(&shop->bills);
    return error == -EPIPE ? 0 : error; /* closed and empty: all is done */
}
ASYNC(int, work, struct shop *)

static int write_bills(struct shop *shop)
{
    int cents, count = 0, sum = 0, error;
    while (!(error = bide_chan_recv(&shop->bills, &cents))) {
        count++;
        sum += cents;
    }
    printf("%d bills, %d.%02d in all\n", count, sum / 100, sum % 100);
    return error == -EPIPE ? 0 : error;
}
ASYNC(int, write_bills, struct shop *)

static int demo(void)
{
    struct shop shop = { .workers = WORKERS };
    bide_chan_init(&shop.bills, sizeof(int), 0); /* without room nothing can fail */
    int error = bide_chan_init(&shop.orders, sizeof(struct order), 4);
    if (error)
        return error;
    let all = async(work, &shop);
    error = try_join(async(take_orders, &shop), all, all, all, async(write_bills, &shop));
    bide_chan_release(&shop.orders);
    bide_chan_release(&shop.bills);
    return error;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
