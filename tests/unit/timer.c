/*
 * timer.c - the wheel against a sorted model, and sleeping: in order, to the nanosecond where time
 * is virtual, never early where it is real, a million at once.
 */
#include "fiber.h"

#include <time.h>

#define HOUR (3600 * BIDE_S)

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- the wheel ---- */

enum { TIMERS = 2000 };

struct alarm {
    struct bide__timer timer;
    bool set;
    unsigned sequence; /* of its setting */
};

static struct alarm alarms[TIMERS];
static struct alarm *fired[TIMERS];
static size_t fired_count;
static bide_time now;

static void on_fire(struct bide__timer *timer)
{
    struct alarm *a = bide__container(timer, struct alarm, timer);
    if (!a->set || a->timer.deadline > now)
        test_fail(__FILE__, __LINE__, "timer %td is %s", a - alarms, a->set ? "early" : "not set");
    a->set = false;
    fired[fired_count++] = a;
}

/* Spans of all sizes: a random number of random bits. */
static bide_time random_span(int bits_max)
{
    int bits = (int)(random_bits() % (unsigned)bits_max);
    return (bide_time)(random_bits() & ((2ull << bits) - 1));
}

static size_t pending(bide_time until, bide_time *ret_first)
{
    size_t due = 0;
    *ret_first = BIDE_FOREVER;
    for (int i = 0; i < TIMERS; i++) {
        if (!alarms[i].set)
            continue;
        if (alarms[i].timer.deadline < *ret_first)
            *ret_first = alarms[i].timer.deadline;
        due += alarms[i].timer.deadline <= until;
    }
    return due;
}

static bool in_order(const struct alarm *a, const struct alarm *b)
{
    return a->timer.deadline != b->timer.deadline ? a->timer.deadline < b->timer.deadline
                                                  : a->sequence < b->sequence;
}

/* Fire what is due at `now`, however many calls it takes, and compare with the model. */
static void fire_all(struct bide__wheel *wheel)
{
    bide_time first;
    size_t due = pending(now, &first);
    bide_time next = bide__wheel_next(wheel);
    CHECK(next <= first);
    fired_count = 0;
    for (size_t calls = 0; fired_count < due; calls++) {
        CHECK(calls < TIMERS);
        bide__wheel_fire(wheel, now);
    }
    CHECK_EQ(fired_count, due);
    for (size_t i = 1; i < fired_count; i++)
        CHECK(in_order(fired[i - 1], fired[i]));
    CHECK_EQ(pending(now, &first), 0);
}

static void random_wheel(int bits, int rounds)
{
    struct bide__wheel wheel;
    unsigned sequence = 0;
    now = (bide_time)(random_bits() >> 3);
    memset(alarms, 0, sizeof(alarms));
    bide__wheel_init(&wheel, now);
    for (int round = 0; round < rounds; round++) {
        size_t set = 0;
        for (int i = 0; i < TIMERS; i++) {
            struct alarm *a = &alarms[i];
            uint64_t what = random_bits() % 8;
            if (a->set && what == 0) {
                bide__timer_clear(&wheel, &a->timer);
                CHECK(!a->timer.link.next);
                a->set = false;
            } else if (!a->set && what < 4) {
                a->timer = (struct bide__timer){ .deadline = now + 1 + random_span(bits),
                                                 .fire = on_fire };
                if (what == 3 && i > 0 && alarms[i - 1].set) /* some are equal */
                    a->timer.deadline = alarms[i - 1].timer.deadline;
                a->sequence = sequence++;
                a->set = true;
                bide__timer_set(&wheel, &a->timer);
            }
            set += a->set;
        }
        CHECK_EQ(wheel.count, set);
        now += random_span(bits) + 1;
        int before = atomic_load(&test_failures);
        fire_all(&wheel);
        if (atomic_load(&test_failures) != before)
            return;
    }
    for (int i = 0; i < TIMERS; i++)
        if (alarms[i].set)
            bide__timer_clear(&wheel, &alarms[i].timer);
    CHECK_EQ(wheel.count, 0);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        CHECK_EQ(wheel.occupied[level], 0);
    CHECK_EQ(bide__wheel_next(&wheel), BIDE_FOREVER);
}

TEST(wheel_against_a_model)
{
    static const int bits[] = { 1, 4, 7, 12, 13, 18, 20, 24, 30, 40, 50, 58 };
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        int before = atomic_load(&test_failures);
        random_wheel(bits[i], test_small() ? 4 : 20);
        if (atomic_load(&test_failures) != before) {
            printf("     spans of up to %d bits\n", bits[i]);
            return;
        }
    }
}

/* As a worker uses it: asleep until bide__wheel_next, and it is never too late. */
TEST(wheel_next_leads_to_each_deadline)
{
    struct bide__wheel wheel;
    now = 1000000007;
    memset(alarms, 0, sizeof(alarms));
    bide__wheel_init(&wheel, now);
    for (int i = 0; i < TIMERS; i++) {
        alarms[i].timer = (struct bide__timer){ .deadline = now + 1 + random_span(30),
                                                .fire = on_fire };
        alarms[i].sequence = (unsigned)i;
        alarms[i].set = true;
        bide__timer_set(&wheel, &alarms[i].timer);
    }
    fired_count = 0;
    for (size_t turns = 0; wheel.count; turns++) {
        bide_time first, next = bide__wheel_next(&wheel);
        pending(now, &first);
        CHECK(next <= first);
        CHECK(turns < 40 * TIMERS);
        if (next > now)
            now = next;
        bide__wheel_fire(&wheel, now);
    }
    CHECK_EQ(fired_count, TIMERS);
    for (size_t i = 1; i < fired_count; i++)
        CHECK(in_order(fired[i - 1], fired[i]));
}

TEST(wheel_far_deadlines)
{
    struct bide__wheel wheel;
    struct alarm forever = { .set = true }, far = { .set = true }, past = { .set = true };
    now = 5;
    fired_count = 0;
    bide__wheel_init(&wheel, now);
    forever.timer = (struct bide__timer){ .deadline = BIDE_FOREVER, .fire = on_fire };
    far.timer = (struct bide__timer){ .deadline = BIDE_FOREVER - 1, .fire = on_fire };
    past.timer = (struct bide__timer){ .deadline = 1, .fire = on_fire };
    bide__timer_set(&wheel, &forever.timer);
    bide__timer_set(&wheel, &far.timer);
    bide__timer_set(&wheel, &past.timer);
    bide__wheel_fire(&wheel, now);
    CHECK_EQ(fired_count, 1);
    CHECK(fired[0] == &past);
    now = BIDE_FOREVER / 2;
    bide__wheel_fire(&wheel, now);
    CHECK_EQ(fired_count, 1);
    CHECK_EQ(bide__wheel_next(&wheel), BIDE_FOREVER - 1);
    now = BIDE_FOREVER - 1;
    bide__wheel_fire(&wheel, now);
    CHECK_EQ(fired_count, 2);
    CHECK(fired[1] == &far);
    bide__timer_clear(&wheel, &forever.timer);
    bide__timer_clear(&wheel, &forever.timer);
    CHECK_EQ(wheel.count, 0);
}

/* ---- sleeping, in virtual time ---- */

SIM_TEST(ends_at_its_moment)
{
    for (bide_time span = 1; span < 10000 * HOUR; span = span * 5 + 7) {
        bide_time begin = bide_now();
        CHECK_EQ(bide_sleep(span), 0);
        CHECK_EQ(bide_now(), begin + span);
        CHECK_EQ(bide_sleep_until(begin + 3 * span), 0);
        CHECK_EQ(bide_now(), begin + 3 * span);
    }
}

SIM_TEST(passed_already)
{
    bide_time begin = bide_now();
    struct bide_stats before = stats_now();
    CHECK_EQ(bide_sleep(0), 0);
    CHECK_EQ(bide_sleep(-BIDE_S), 0);
    CHECK_EQ(bide_sleep_until(0), 0);
    CHECK_EQ(bide_sleep_until(INT64_MIN), 0);
    CHECK_EQ(bide_sleep_until(begin), 0);
    CHECK_EQ(stats_now().switches, before.switches);
    CHECK_EQ(bide_now(), begin);
}

SIM_TEST(never_passes)
{
    bide_time begin = bide_now();
    CHECK_EQ(bide_within(HOUR, bide_async(bide_sleep, BIDE_FOREVER)), -ETIMEDOUT);
    CHECK_EQ(bide_within(HOUR, bide_async(bide_sleep_until, BIDE_FOREVER)), -ETIMEDOUT);
    CHECK_EQ(bide_now(), begin + 2 * HOUR);
}

struct waking {
    int order;
    bide_time at;
};

static int sleep_and_note(bide_time deadline, int *next, struct waking *ret_waking)
{
    int error = bide_sleep_until(deadline);
    *ret_waking = (struct waking){ (*next)++, bide_now() };
    return error;
}
BIDE_ASYNC(int, sleep_and_note, bide_time, int *, struct waking *)

SIM_TEST(woken_in_order)
{
    enum { SLEEPERS = 50 };
    struct waking wakings[SLEEPERS];
    int next = 0;
    bide_time last = bide_now() + BIDE_MS;
    BIDE_SCOPE(s) {
        for (int i = 0; i < SLEEPERS; i++)
            bide_spawn(&s, bide_async(sleep_and_note, last - i, &next, &wakings[i]));
        CHECK_EQ(bide_scope_wait(&s), 0);
    }
    for (int i = 0; i < SLEEPERS; i++) {
        CHECK_EQ(wakings[i].order, SLEEPERS - 1 - i);
        CHECK_EQ(wakings[i].at, last - i);
    }
}

/* Of random spans, n of them; returns the longest. */
static bide_time describe_naps(struct bide_sleep_future *naps, size_t n)
{
    bide_time longest = 0;
    for (size_t i = 0; i < n; i++) {
        bide_time span = (bide_time)(random_bits() % (100 * BIDE_MS));
        naps[i] = bide_async(bide_sleep, span);
        longest = span > longest ? span : longest;
    }
    return longest;
}

SIM_TEST(many_leaves_last_as_long_as_the_longest)
{
    enum { NAPS = 2000 };
    static struct bide_sleep_future naps[NAPS];
    bide_time begin = bide_now(), longest = describe_naps(naps, NAPS);
    CHECK_EQ(bide_join_all(naps, NAPS), 0);
    CHECK_EQ(bide_now() - begin, longest);
}

/* ---- sleeping, on the real clock ---- */

FIBER_TEST(never_early)
{
    for (bide_time span = 1; span < 3 * BIDE_MS; span = span * 5 + 7) {
        bide_time begin = bide_now();
        CHECK_EQ(bide_sleep(span), 0);
        CHECK(bide_now() - begin >= span);
        bide_time until = bide_now() + span;
        CHECK_EQ(bide_sleep_until(until), 0);
        CHECK(bide_now() >= until);
    }
}

FIBER_TEST(the_first_to_end_wakes_the_worker)
{
    bide_let hour = bide_async(bide_sleep, HOUR);
    bide_let forever = bide_async(bide_sleep_until, BIDE_FOREVER);
    BIDE_SCOPE(s) {
        bide_start(&hour);
        bide_start(&forever);
        CHECK_EQ(bide_sleep(BIDE_MS), 0);
        bide_cancel(&hour);
        bide_cancel(&forever);
    }
    CHECK_EQ(hour.value, -ECANCELED);
    CHECK_EQ(forever.value, -ECANCELED);
}

/* Between two readings of the system's own clock. */
static void check_wall_clock(void)
{
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    bide_time wall = bide_wall_now();
    clock_gettime(CLOCK_REALTIME, &after);
    CHECK(wall >= before.tv_sec * BIDE_S + before.tv_nsec);
    CHECK(wall <= after.tv_sec * BIDE_S + after.tv_nsec);
}

FIBER_TEST(wall_clock)
{
    check_wall_clock();
}

TEST(wall_clock_outside_a_runtime)
{
    check_wall_clock();
}

FIBER_TEST(a_million_leaves)
{
    size_t n = test_small() ? 20000 : 1000000;
    struct bide_sleep_future *naps = malloc(n * sizeof(*naps));
    bide_time longest = describe_naps(naps, n), begin = bide_now();
    CHECK_EQ(bide_join_all(naps, n), 0);
    CHECK(bide_now() - begin >= longest);
    for (size_t i = 0; i < n; i++)
        CHECK(bide_state(&naps[i]) == BIDE_DONE && naps[i].value == 0);
    CHECK_EQ(bide__worker()->fibers, 0);
    free(naps);
}

FIBER_TEST(a_million_cancelled)
{
    size_t n = test_small() ? 20000 : 1000000;
    struct bide_sleep_future *naps = malloc(n * sizeof(*naps));
    for (size_t i = 0; i < n; i++)
        naps[i] = bide_async(bide_sleep, BIDE_S + (bide_time)(random_bits() % HOUR));
    naps[n / 2] = bide_async(bide_sleep, BIDE_MS);
    CHECK_EQ(bide_race_all(naps, n), n / 2);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(naps[i].value, i == n / 2 ? 0 : -ECANCELED);
    free(naps);
}

FIBER_TEST(yield_lets_others_run)
{
    struct waking waking;
    int next = 0;
    bide_let a = bide_async(sleep_and_note, 0, &next, &waking);
    BIDE_SCOPE(s) {
        bide_start(&a);
        CHECK_EQ(next, 0);
        CHECK_EQ(bide_yield(), 0);
        CHECK_EQ(next, 1);
    }
    CHECK_EQ(bide_await(bide_async(bide_yield)), 0);
}

TEST(outside_a_runtime)
{
    bide_time begin = bide_now();
    CHECK_EQ(bide_sleep(BIDE_MS), 0);
    CHECK_EQ(bide_sleep_until(begin + 2 * BIDE_MS), 0);
    CHECK(bide_now() - begin >= 2 * BIDE_MS);
    CHECK_EQ(bide_sleep(-1), 0);
    CHECK_EQ(bide_sleep_until(-1), 0);
    CHECK_EQ(bide_yield(), 0);
    CHECK_EQ(bide_deadline(), BIDE_FOREVER);
    CHECK_EQ(bide_cancelled(), 0);
}

TEST_MAIN()
