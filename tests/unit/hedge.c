/* Copies against slowness: when they begin, which one counts, and what becomes of the others. */
#include "fiber.h"

#include <bide/keywords.h>

#define AGES (3600 * BIDE_S)

/* What the n-th copy that begins is to do: last until so much time has passed and so many copies
 * have begun and ended. */
struct act {
    bide_time takes;
    int begun, ended;
    int value;
    bool stubborn; /* not to be cancelled */
};

struct play {
    struct act act[8];
    int begun, ended, cancelled;
    bide_time began[8]; /* when each of them did */
};

static int last(const struct play *p, const struct act *act)
{
    int error = act->takes ? bide_sleep(act->takes) : 0;
    while (!error && (p->begun < act->begun || p->ended < act->ended))
        error = bide_sleep(BIDE_US);
    return error;
}

static int perform(struct play *p)
{
    const struct act *act = &p->act[p->begun];
    int error = 0;
    p->began[p->begun++] = bide_now();
    if (act->stubborn)
        shield()
            last(p, act);
    else
        error = last(p, act);
    p->ended++;
    p->cancelled += error != 0;
    return error ? error : act->value;
}
ASYNC(int, perform, struct play *)

static const struct bide_hedge_options soon = { .delay = BIDE_US };
static const struct bide_hedge_options late = { .delay = AGES };

SIM_TEST(what_is_quick_runs_once)
{
    struct play p = { .act = { { .takes = BIDE_US, .value = 1 }, { .value = 2 } } };
    let h = bide_hedge(async(perform, &p), &late);
    CHECK_EQ(bide_state(&h), BIDE_COLD);
    CHECK_EQ(await(&h), 1);
    CHECK_EQ(bide_state(&h), BIDE_DONE);
    CHECK_EQ(bide_state(&h.work), BIDE_COLD);
    CHECK_EQ(p.begun, 1);
    p.begun = 1;
    CHECK_EQ(await(bide_hedge(async(perform, &p), &late)), 2);
    CHECK_EQ(p.begun, 2);
}

SIM_TEST(what_is_slow_runs_twice)
{
    struct play p = { .act = { { .takes = AGES, .value = 1 }, { .takes = BIDE_US, .value = 2 } } };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_hedge(async(perform, &p), NULL)), 2);
    CHECK_EQ(p.began[0] - begin, 0);
    CHECK_EQ(p.began[1] - begin, 100 * BIDE_MS);
    CHECK_EQ(bide_now() - begin, 100 * BIDE_MS + BIDE_US);
    CHECK_EQ(p.begun, 2);
    CHECK_EQ(p.ended, 2);
    CHECK_EQ(p.cancelled, 1);
}

SIM_TEST(what_is_just_quick_enough_runs_once)
{
    struct bide_hedge_options o = { .delay = BIDE_MS };
    struct play p = { .act = { { .takes = BIDE_MS - 1, .value = 1 }, { .value = 2 } } };
    CHECK_EQ(await(bide_hedge(async(perform, &p), &o)), 1);
    CHECK_EQ(p.begun, 1);
}

SIM_TEST(the_first_may_still_win)
{
    struct play p = { .act = { { .begun = 2, .value = 1 }, { .takes = AGES, .value = 2 } } };
    CHECK_EQ(await(bide_hedge(async(perform, &p), &soon)), 1);
    CHECK_EQ(p.ended, 2);
    CHECK_EQ(p.cancelled, 1);
}

SIM_TEST(as_many_copies_as_allowed)
{
    for (unsigned n = 1; n <= 6; n++) {
        struct play p = { 0 };
        for (unsigned i = 0; i < n; i++)
            p.act[i] = (struct act){ .takes = i + 1 < n ? AGES : BIDE_US, .value = (int)i };
        struct bide_hedge_options o = { .delay = BIDE_MS, .copies = n };
        bide_time begin = bide_now();
        CHECK_EQ(await(bide_hedge(async(perform, &p), &o)), n - 1);
        CHECK_EQ(bide_now() - begin, (n - 1) * BIDE_MS + BIDE_US);
        for (unsigned i = 0; i < n; i++)
            CHECK_EQ(p.began[i] - begin, i * BIDE_MS);
        CHECK_EQ(p.begun, n);
        CHECK_EQ(p.cancelled, n - 1);
    }
}

SIM_TEST(without_a_delay_all_begin)
{
    struct play p = { .act = { { .begun = 3 }, { .begun = 3 }, { .begun = 3 } } };
    struct bide_hedge_options o = { .delay = -1, .copies = 3 };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_hedge(async(perform, &p), &o)), 0);
    CHECK_EQ(p.began[2], begin);
    CHECK_EQ(p.begun, 3);
    CHECK_EQ(p.ended, 3);
}

/* ---- failures ---- */

SIM_TEST(a_failure_does_not_win_against_one_that_runs)
{
    struct play p = { .act = { { .ended = 1, .value = 1 }, { .value = -EIO } } };
    CHECK_EQ(await(bide_hedge(async(perform, &p), &soon)), 1);
    CHECK_EQ(p.begun, 2);
    CHECK_EQ(p.cancelled, 0);
}

SIM_TEST(when_all_fail_it_fails)
{
    struct play p = { .act = { { .ended = 1, .value = -EIO }, { .value = -EPROTO } } };
    CHECK_EQ(await(bide_hedge(async(perform, &p), &soon)), -EIO);
    CHECK_EQ(p.ended, 2);
}

SIM_TEST(a_failure_begins_no_copy)
{
    struct play p = { .act = { { .takes = BIDE_US, .value = -EIO }, { .value = 1 } } };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_hedge(async(perform, &p), &late)), -EIO);
    CHECK_EQ(bide_now() - begin, BIDE_US);
    CHECK_EQ(p.begun, 1);
}

/* ---- what comes too late ---- */

static int discarded[8], discards;

static void discard_int(void *value)
{
    CHECK_EQ(bide_sleep(BIDE_US), 0); /* it may suspend: the loser's cancellation does not show */
    discarded[discards++] = *(int *)value;
}

SIM_TEST(late_values_are_given_back)
{
    struct play p = { .act = { { .ended = 1, .value = 1, .stubborn = true },
                               { .ended = 1, .value = -EIO, .stubborn = true },
                               { .takes = AGES, .value = 3 },
                               { .ended = 1, .value = 4, .stubborn = true },
                               { .value = 5 } } };
    struct bide_hedge_options o = { .delay = BIDE_US, .copies = 5, .discard = discard_int };
    discards = 0;
    CHECK_EQ(await(bide_hedge(async(perform, &p), &o)), 5);
    CHECK_EQ(p.ended, 5);
    CHECK_EQ(discards, 2);
    CHECK_EQ(discarded[0] + discarded[1], 5); /* 1 and 4, in whichever order */
}

struct page {
    char *text;
    int from;
};

static int pages;

static struct page load(struct play *p)
{
    struct page page = { .from = perform(p) };
    page.text = malloc(16);
    pages++;
    return page;
}
ASYNC(struct page, load, struct play *)

static void free_page(void *value)
{
    free(((struct page *)value)->text);
    pages--;
}

SIM_TEST(values_of_any_type)
{
    struct play p = { .act = { { .takes = AGES, .value = 1 }, { .takes = BIDE_US, .value = 2 } } };
    struct bide_hedge_options o = { .delay = BIDE_US, .discard = free_page };
    struct page page = await(bide_hedge(async(load, &p), &o));
    CHECK_EQ(page.from, 2);
    CHECK_EQ(p.ended, 2);
    CHECK_EQ(pages, 1); /* the other one's, made of a cancellation, was given back */
    free_page(&page);
}

static int counted;

static void count(void)
{
    counted++;
    bide_sleep(BIDE_US);
}
ASYNC_VOID(count)

SIM_TEST(no_value_at_all)
{
    counted = 0;
    await(bide_hedge(async(count), &late));
    CHECK_EQ(counted, 1);
}

/* ---- cancellation ---- */

SIM_TEST(cancelled_all_copies_are)
{
    struct play p = { .act = { { .takes = AGES }, { .takes = AGES }, { .takes = AGES } } };
    struct bide_hedge_options o = { .delay = BIDE_US, .copies = 3 };
    bide_time begin = bide_now();
    let h = bide_hedge(async(perform, &p), &o);
    CHECK_EQ(within(10 * BIDE_MS, &h), -ETIMEDOUT);
    CHECK_EQ(bide_now() - begin, 10 * BIDE_MS);
    CHECK_EQ(h.value, -ETIMEDOUT);
    CHECK_EQ(p.begun, 3);
    CHECK_EQ(p.cancelled, 3);
    CHECK_EQ(p.ended, 3);
}

SIM_TEST(a_good_value_survives_a_cancellation)
{
    struct play p = { .act = { { .takes = 3 * BIDE_MS, .value = 7, .stubborn = true } } };
    bide_time begin = bide_now();
    let h = bide_hedge(async(perform, &p), &late);
    CHECK_EQ(within(BIDE_MS, &h), -ETIMEDOUT);
    CHECK_EQ(bide_now() - begin, 3 * BIDE_MS);
    CHECK_EQ(h.value, 7);
}

/* The second begins after 30 us and fails at 130; the third, after 60, ends well at 110. */
SIM_TEST(cancelled_at_any_moment_it_ends)
{
    struct bide_hedge_options o = { .delay = 30 * BIDE_US, .copies = 3 };
    for (int i = 0; i < 50; i++) {
        struct play p = { .act = { { .takes = AGES }, { .takes = 100 * BIDE_US, .value = -EIO },
                                   { .takes = 50 * BIDE_US, .value = 3 } } };
        bide_time span = i * 5 * BIDE_US, begin = bide_now();
        let h = bide_hedge(async(perform, &p), &o);
        scope(s) {
            CHECK_EQ(bide_start(&h), 0);
            if (span)
                bide_sleep(span);
            cancel(&h);
        }
        CHECK_EQ(bide_now() - begin, span);
        CHECK_EQ(p.begun, p.ended);
        if (span % (30 * BIDE_US) || span > 60 * BIDE_US) /* no copy begins at that very moment */
            CHECK_EQ(p.begun, span < 60 * BIDE_US ? 1 + span / (30 * BIDE_US) : 3);
        if (span != 110 * BIDE_US)
            CHECK_EQ(h.value, span < 110 * BIDE_US ? -ECANCELED : 3);
        else
            CHECK(h.value == 3 || h.value == -ECANCELED);
    }
}

static int hedge_when_cancelled(struct play *p)
{
    while (!bide_cancelled())
        bide_sleep(AGES);
    let h = bide_hedge(async(perform, p), NULL);
    int value = await(&h);
    CHECK_OR(bide_error(&h) == value, -1);
    return value;
}
ASYNC(int, hedge_when_cancelled, struct play *)

SIM_TEST(a_cancelled_caller_runs_none)
{
    struct play p = { 0 };
    let f = async(hedge_when_cancelled, &p);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(p.begun, 0);
}

/* ---- wherever a future may be ---- */

SIM_TEST(is_joined_raced_and_spawned)
{
    struct play a = { .act = { { .takes = AGES }, { .value = 1 } } }, b = a, c = a, d = a;
    let x = bide_hedge(async(perform, &a), &soon);
    let y = bide_hedge(async(perform, &b), &soon);
    CHECK_EQ(join(&x, &y), 0);
    CHECK_EQ(x.value + y.value, 2);
    scope(s)
        CHECK_EQ(spawn(&s, bide_hedge(async(perform, &c), &soon)), 0);
    CHECK_EQ(c.ended, 2);
    CHECK_EQ(race(async(bide_sleep, AGES), bide_hedge(async(perform, &d), &soon)), 1);
}

SIM_TEST(is_retried_and_retries)
{
    struct play p = { .act = { { .takes = AGES }, { .value = -EIO, .takes = BIDE_US },
                               { .value = 3 }, { .value = 3 }, { .value = 3 } } };
    struct bide_retry_options again = { .delay = BIDE_US, .timeout = 5 * BIDE_MS };
    CHECK_EQ(await(bide_retry(bide_hedge(async(perform, &p), &soon), &again)), 3);
    p.begun = 0;
    CHECK_EQ(await(bide_hedge(bide_retry(async(perform, &p), &again), &soon)), 3);
}

SIM_TEST(copies_leaves)
{
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_hedge(async(bide_sleep, BIDE_MS), &soon)), 0);
    CHECK_EQ(bide_now() - begin, BIDE_MS);
    let ages = bide_hedge(async(bide_sleep, AGES), &soon);
    CHECK_EQ(within(BIDE_MS, &ages), -ETIMEDOUT);
}

FIBER_TEST(runs_where_nothing_is_simulated)
{
    struct play p = { .act = { { .takes = AGES }, { .takes = BIDE_US, .value = 2 } } };
    bide_time begin = bide_now();
    CHECK_EQ(await(bide_hedge(async(perform, &p), &soon)), 2);
    CHECK(bide_now() - begin >= 2 * BIDE_US);
    CHECK_EQ(p.ended, 2);
}

TEST(works_in_a_plain_thread)
{
    struct play p = { .act = { { .takes = AGES }, { .value = 2 } } };
    CHECK_EQ(await(bide_hedge(async(perform, &p), &soon)), 2);
    CHECK_EQ(p.ended, 2);
}

/* ---- without memory ---- */

static atomic_int countdown, failed;

static bool fail_from_kth(void)
{
    if (atomic_fetch_sub(&countdown, 1) > 0)
        return false;
    atomic_store(&failed, 1);
    return true;
}

static int hedge_once(struct play *p)
{
    int value = await(bide_hedge(async(perform, p), &soon));
    check_quiet();
    return value;
}
ASYNC(int, hedge_once, struct play *)

TEST(without_memory_it_runs_alone)
{
    int k = 0;
    do {
        struct play p = { .act = { { .takes = BIDE_MS, .value = 1 }, { .value = -EIO } } };
        let f = async(hedge_once, &p);
        atomic_store(&failed, 0);
        atomic_store(&countdown, k);
        bide__fault = fail_from_kth;
        int value = bide_run(&f);
        bide__fault = NULL;
        CHECK_EQ(p.begun, p.ended);
        CHECK(value == 1 || (bide_error(&f) == value && p.begun == 0));
    } while (atomic_load(&failed) && ++k < 1000);
    CHECK(k > 3 && k < 1000);
}

TEST(without_a_runtime_it_says_so)
{
    struct play p = { 0 };
    atomic_store(&countdown, 0);
    bide__fault = fail_from_kth;
    let h = bide_hedge(async(perform, &p), &soon);
    int value = await(&h);
    bide__fault = NULL;
    CHECK_EQ(value, -ENOMEM);
    CHECK_EQ(bide_error(&h), -ENOMEM);
    CHECK_EQ(p.begun, 0);
}

TEST_MAIN()
