/*
 * 03_race_timeout - not waiting for ever: race against a sleep, within, and late winners.
 *
 * A race cancels those that were not first, and waits until they are over. Nothing is lost: what
 * finished all the same is done, keeps its value, and is yours to deal with.
 */
#include <errno.h>
#include <stdio.h>

#include <bide/keywords.h>

static int answer(bide_time takes)
{
    int error = bide_sleep(takes);
    return error ? error : 42;
}
ASYNC(int, answer, bide_time)

/* From the order on there is no way back: it ends with a ticket, whoever cancels. */
static int book_ticket(const char *shop, int ticket, bide_time takes)
{
    int error = bide_sleep(5 * BIDE_MS); /* looking for a seat */
    if (error)
        return error;
    shield()
        bide_sleep(takes);
    printf("  %s: ticket %d\n", shop, ticket);
    return ticket;
}
ASYNC(int, book_ticket, const char *, int, bide_time)

static void time_out_by_race(void)
{
    let slow = async(answer, 3600 * BIDE_S);
    int first = race(&slow, async(bide_sleep, 10 * BIDE_MS));
    printf("race: %s was first; the other was cancelled: %s\n",
           first == 0 ? "the answer" : "the clock", slow.value == -ECANCELED ? "yes" : "no");
}

static void time_out_by_within(void)
{
    let slow = async(answer, 3600 * BIDE_S);
    let quick = async(answer, BIDE_MS);
    if (within(10 * BIDE_MS, &slow) == -ETIMEDOUT)
        printf("within: slow took too long; it saw it too: %s\n",
               slow.value == -ETIMEDOUT ? "yes" : "no");
    if (within(3600 * BIDE_S, &quick) == 0)
        printf("within: quick says %d\n", quick.value);
}

static void late_winner(void)
{
    let here = async(book_ticket, "here", 1, 10 * BIDE_MS);
    let there = async(book_ticket, "there", 2, 100 * BIDE_MS);
    printf("two shops, asked at once:\n");
    int first = race(&here, &there); /* both are over, whichever was first */
    int spare = first == 0 ? there.value : here.value;
    if (spare > 0)
        printf("late winner: give ticket %d back\n", spare);
}

static int demo(void)
{
    time_out_by_race();
    time_out_by_within();
    late_winner();
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
