/*
 * 10_parallel_fetch - many fetches: all at once, a few at a time, and again after a failure.
 *
 * A future is a value: an array of them is a list of work. A cold one can be copied, and the
 * copy run, as often as one likes.
 */
#include <errno.h>
#include <stdio.h>

#include <bide/keywords.h>

enum { PAGES = 9, AT_A_TIME = 3, TRIES = 3 };

static int under_way, most; /* fetches now, and at any time */
static int asked[PAGES];    /* how often each was */

/* Stands for a request over the network. Page 4 fails at first. */
static int fetch(int page)
{
    asked[page]++;
    if (++under_way > most)
        most = under_way;
    int error = bide_sleep(2 * BIDE_MS);
    under_way--;
    if (!error && page == 4 && asked[page] < TRIES)
        error = -ECONNRESET;
    return error ? error : 100 + page;
}
ASYNC(int, fetch, int)

/* Runs copies of *job until one succeeds. *job itself stays cold. */
static int persist(const struct fetch_future *job)
{
    int value = 0;
    for (int try = 1; try <= TRIES; try++) {
        value = await(*job);
        if (value >= 0 || bide_sleep(try * BIDE_MS) < 0)
            break;
    }
    return value;
}

/* One of several that take from the same list, so that no more than that many are at work. */
static int take_from(const struct fetch_future *jobs, int *next, int *sum)
{
    while (*next < PAGES) {
        int value = persist(&jobs[(*next)++]);
        if (value < 0)
            return value;
        *sum += value;
    }
    return 0;
}
ASYNC(int, take_from, const struct fetch_future *, int *, int *)

static int demo(void)
{
    struct fetch_future jobs[PAGES], all[PAGES];
    for (int i = 0; i < PAGES; i++)
        all[i] = jobs[i] = async(fetch, i); /* nothing has run */

    bide_join_all(all, PAGES);
    printf("all at once: %d under way, page 8 is %d, page 4 %s\n", most, all[8].value,
           all[4].value < 0 ? "failed" : "is there");

    int next = 0, sum = most = 0;
    struct take_from_future takers[AT_A_TIME];
    for (int i = 0; i < AT_A_TIME; i++)
        takers[i] = async(take_from, jobs, &next, &sum);
    int error = bide_try_join_all(takers, AT_A_TIME);
    printf("a few at a time: %d under way, sum %d, page 4 asked for %d times\n", most, sum,
           asked[4]);
    return error;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
