/*
 * storm.c - random trees of scopes, joins, races, deadlines, shields and cancellations, from a seed
 * that is printed when something is wrong; BIDE_TEST_SEED=n runs that one alone.
 *
 * What must hold however it goes: every function that began has returned, every value is the one
 * its future was to give or an error that a cancellation explains, a cancelled task's operations
 * fail and a shielded one's do not, whatever was sent is received once, and nothing is left at the
 * end. With several workers what happens depends on more than the seed.
 */
#include "storm_meet.h"

struct storm {
    atomic_int steps; /* left */
    atomic_int begun, ended;
    struct meeting meeting;
};

static int value_for(uint32_t seed)
{
    return (int)(seed & 0xffffff) | 1;
}

static int task(struct storm *s, uint32_t seed, int depth);
BIDE_ASYNC(int, task, struct storm *, uint32_t, int)

/* A future that is over: its value, or an error that explains itself. */
static void check_over(struct task_future *f)
{
    CHECK(bide_done(f));
    if (bide_state(f) == BIDE_DONE) {
        CHECK_EQ(bide_error(f), 0);
        CHECK_EQ(f->value, value_for(f->args.a2));
    } else {
        CHECK(is_cancel(bide_error(f)));
        CHECK_EQ(f->value, bide_error(f));
    }
}

static struct task_future make(struct storm *s, struct dice *d, int depth)
{
    return bide_async(task, s, roll(d, 1u << 30) + 1, depth - 1);
}

/* ---- what a task may do, beside meeting others ---- */

static void join_some(struct storm *s, struct dice *d, int depth)
{
    struct task_future f[4];
    for (int i = 0; i < 4; i++)
        f[i] = make(s, d, depth);
    bide_let nap = bide_async(bide_sleep, (bide_time)roll(d, 300) * BIDE_US);
    size_t n = 1 + roll(d, 4);
    int result;
    switch (roll(d, 4)) {
    case 0:
        result = bide_join_all(f, n);
        break;
    case 1:
        result = bide_join(&f[0], &nap, &f[1]);
        n = 2;
        break;
    case 2:
        result = bide_try_join(&nap, &f[0], &f[1], &f[2]);
        n = 3;
        break;
    default:
        result = bide_try_join_all(f, n);
    }
    CHECK(result == 0 || is_cancel(result));
    for (size_t i = 0; i < n; i++) {
        check_over(&f[i]);
        if (result == 0)
            CHECK_EQ(bide_state(&f[i]), BIDE_DONE);
    }
}

static void race_some(struct storm *s, struct dice *d, int depth)
{
    struct task_future f[3];
    for (int i = 0; i < 3; i++)
        f[i] = make(s, d, depth);
    if (roll(d, 2)) {
        int first = bide_race_all(f, 3);
        CHECK((first >= 0 && first < 3) || is_cancel(first));
        if (first >= 0)
            CHECK_EQ(bide_state(&f[first]), BIDE_DONE);
        check_over(&f[2]);
    } else {
        bide_let nap = bide_async(bide_sleep, (bide_time)roll(d, 300) * BIDE_US);
        int first = bide_race(&f[0], &nap, &f[1]);
        CHECK((first >= 0 && first < 3) || is_cancel(first));
        CHECK(nap.value == 0 || is_cancel(nap.value));
        if (first == 1)
            CHECK_EQ(nap.value, 0);
    }
    check_over(&f[0]);
    check_over(&f[1]);
}

static void bound(struct storm *s, struct dice *d, int depth)
{
    struct task_future f = make(s, d, depth);
    bide_time before = bide_deadline();
    int result = bide_within((bide_time)roll(d, 400) * BIDE_US, &f);
    CHECK(result == 0 || is_cancel(result));
    CHECK_EQ(bide_deadline(), before);
    check_over(&f);
    CHECK(bide_cancelled() == 0 || result != 0);
}

static void shielded(struct storm *s, struct dice *d, int depth)
{
    bide_shield() {
        CHECK_EQ(bide_cancelled(), 0);
        CHECK_EQ(bide_sleep((bide_time)roll(d, 100) * BIDE_US), 0);
        struct task_future f = make(s, d, depth);
        CHECK_EQ(bide_await(&f), value_for(f.args.a2));
        CHECK_EQ(bide_cancelled(), 0);
        if (roll(d, 4) == 0)
            return;
        bound(s, d, depth);
    }
}

/* For a spawned one, whose value nobody gets. */
static int leave_value(struct storm *s, uint32_t seed, int depth, atomic_int *sum)
{
    int value = task(s, seed, depth);
    atomic_fetch_add(sum, value);
    return value;
}
BIDE_ASYNC(int, leave_value, struct storm *, uint32_t, int, atomic_int *)

struct spawned {
    struct task_future started[3];
    int count; /* of those */
    uint32_t seeds[3];
    atomic_int sums[3];
};

static void spawn_three(struct storm *s, struct dice *d, int depth, struct bide_scope *scope,
                        struct spawned *all)
{
    for (int i = 0; i < 3; i++) {
        struct task_future *f = &all->started[all->count];
        *f = make(s, d, depth);
        if (bide_start(f) == 0)
            all->count++;
        all->seeds[i] = roll(d, 1u << 30);
        int error = SPAWN(d, scope, bide_async(leave_value, s, all->seeds[i], depth - 1,
                                               &all->sums[i]));
        CHECK(error == 0 || is_cancel(error));
        if (roll(d, 3) == 0)
            operate(d);
        if (all->count && roll(d, 4) == 0)
            bide_cancel(&all->started[roll(d, (uint32_t)all->count)]);
    }
}

static void spawn_some(struct storm *s, struct dice *d, int depth)
{
    struct bide_scope_options options = { .cancel_on_error = roll(d, 2) };
    struct spawned all = { .count = 0 };
    bool cancelled = options.cancel_on_error;
    BIDE_SCOPE_WITH(scope, &options) {
        spawn_three(s, d, depth, &scope, &all);
        switch (roll(d, 6)) {
        case 0:
            bide_scope_cancel(&scope);
            cancelled = true;
            break;
        case 1:
            shielded(s, d, depth);
            break;
        case 2:
            bide_scope_wait(&scope);
            break;
        case 3:
            if (all.count)
                bide_await(&all.started[0]);
            break;
        case 4:
            goto out;
        }
    }
out:
    for (int i = 0; i < all.count; i++)
        check_over(&all.started[i]);
    for (int i = 0; i < 3; i++)
        if (all.sums[i] || (!cancelled && !bide_cancelled()))
            CHECK_EQ(all.sums[i], value_for(all.seeds[i]));
}

static int task(struct storm *s, uint32_t seed, int depth)
{
    struct dice d = { seed * 0x9e3779b97f4a7c15u | 1 };
    atomic_fetch_add(&s->begun, 1);
    for (uint32_t n = roll(&d, 4); n > 0 && atomic_fetch_sub(&s->steps, 1) > 0; n--) {
        switch (roll(&d, depth > 0 ? 12 : 6)) {
        case 0:
            write_byte(&s->meeting);
            break;
        case 1:
            read_byte(&s->meeting, &d);
            break;
        case 2:
            operate(&d);
            break;
        case 3:
        case 4:
        case 5:
            meet(&s->meeting, &d);
            break;
        case 6:
        case 7:
            join_some(s, &d, depth);
            break;
        case 8:
            race_some(s, &d, depth);
            break;
        case 9:
            bound(s, &d, depth);
            break;
        case 10:
            shielded(s, &d, depth);
            break;
        default:
            spawn_some(s, &d, depth);
            break;
        }
    }
    atomic_fetch_add(&s->ended, 1);
    return value_for(seed);
}

/* ---- running them ---- */

static void worker_is_quiet(atomic_int *seen)
{
    struct bide__worker *w = bide__worker();
    CHECK_EQ(w->fibers - w->idle_count, 1);
    CHECK_EQ(w->wheel.count, 0);
    CHECK_EQ(w->operations_pending, 0);
    CHECK(bide__list_empty(&w->cancelling));
    atomic_fetch_or(seen, 1 << bide_worker_index());
}
BIDE_ASYNC_VOID(worker_is_quiet, atomic_int *)

/* Nothing is left on any worker. */
static void all_is_quiet(void)
{
    atomic_int seen = 0;
    unsigned workers = bide_worker_count();
    /* More than once: some that were withdrawn may still count as placed somewhere. */
    for (int i = 0; i < 10000 && seen != (1 << workers) - 1; i++) {
        BIDE_SCOPE(scope)
            for (unsigned j = 0; j < workers; j++)
                CHECK_EQ(bide_spawn_spread(&scope, bide_async(worker_is_quiet, &seen)), 0);
        if (i > 0)
            bide_sleep(100 * BIDE_US);
    }
    CHECK_EQ(seen, (1 << workers) - 1);
    check_quiet();
}

static void storm(uint32_t seed, int steps)
{
    static struct storm s;
    s.steps = steps;
    s.begun = s.ended = 0;
    open_meeting(&s.meeting);
    struct dice d = { seed * 2654435761u + 12345 };
    for (int i = 0; i < 20 && s.steps > 0; i++) {
        struct task_future f = make(&s, &d, 7);
        CHECK_EQ(bide_await(&f), value_for(f.args.a2));
        CHECK_EQ(bide_cancelled(), 0);
        all_is_quiet();
    }
    CHECK_EQ(s.begun, s.ended);
    close_meeting(&s.meeting);
}

FIBER_TEST(storms)
{
    const char *given = getenv("BIDE_TEST_SEED");
    uint32_t seeds = test_small() ? 20 : 100;
    uint32_t first = given ? (uint32_t)strtoul(given, NULL, 10) : 1;
    for (uint32_t seed = first; seed < first + (given ? 1 : seeds); seed++) {
        int before = atomic_load(&test_failures);
        storm(seed, 500);
        if (atomic_load(&test_failures) != before) {
            printf("     BIDE_TEST_SEED=%u\n", seed);
            break;
        }
    }
}

TEST_MAIN()
