/*
 * storm.c - random trees of scopes, joins, races, deadlines, shields and cancellations, from a seed
 * that is printed when something is wrong; BIDE_TEST_SEED=n runs that one alone.
 *
 * What must hold however it goes: every function that began has returned, every value is the one
 * its future was to give or an error that a cancellation explains, a cancelled task's operations
 * fail and a shielded one's do not, no byte of the pipe is lost, and nothing is left at the end.
 */
#include "fiber.h"

struct storm {
    int steps;         /* left */
    int begun, ended;
    int written, taken; /* bytes of the pipe */
    int pipe[2];
};

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t sides)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)(d->state >> 33) % sides;
}

static bool is_cancel(long error)
{
    return error == -ECANCELED || error == -ETIMEDOUT;
}

static int value_for(uint32_t seed)
{
    return (int)(seed & 0xffffff);
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

/* ---- what a task may do ---- */

/* An operation called plainly fails exactly when its task is cancelled, before or meanwhile. */
static void operate(struct dice *d)
{
    int before = bide_cancelled();
    int error = roll(d, 3) ? bide_sleep((bide_time)roll(d, 300) * BIDE_US) : bide_yield();
    if (before)
        CHECK_EQ(error, before);
    CHECK(error == 0 || is_cancel(error));
    if (error)
        CHECK(is_cancel(bide_cancelled()));
}

static void write_byte(struct storm *s)
{
    s->written += write(s->pipe[1], "x", 1) == 1;
}

static void read_byte(struct storm *s, struct dice *d)
{
    char c;
    bide_let f = bide_async(bide_read, s->pipe[0], &c, 1);
    bide_time span = (bide_time)roll(d, 500) * BIDE_US;
    switch (roll(d, 3)) {
    case 0:
        bide_race(&f, bide_async(bide_sleep, span));
        break;
    case 1:
        bide_within(span, &f);
        break;
    default:
        BIDE_SCOPE(scope) {
            if (bide_start(&f) == 0 && roll(d, 2))
                operate(d);
            if (roll(d, 2))
                bide_cancel(&f);
            else
                bide_scope_cancel(&scope);
        }
    }
    CHECK(f.value == 1 || is_cancel(f.value) || bide_error(&f));
    if (bide_state(&f) == BIDE_DONE && f.value == 1)
        s->taken++;
}

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

static void spawn_some(struct storm *s, struct dice *d, int depth)
{
    struct bide_scope_options options = { .cancel_on_error = roll(d, 2) };
    struct task_future f[3];
    int started = 0;
    BIDE_SCOPE_WITH(scope, &options) {
        for (int i = 0; i < 3; i++) {
            f[started] = make(s, d, depth);
            if (bide_start(&f[started]) == 0)
                started++;
            int error = bide_spawn(&scope, make(s, d, depth));
            CHECK(error == 0 || is_cancel(error));
            if (roll(d, 3) == 0)
                operate(d);
            if (started && roll(d, 4) == 0)
                bide_cancel(&f[roll(d, (uint32_t)started)]);
        }
        switch (roll(d, 6)) {
        case 0:
            bide_scope_cancel(&scope);
            break;
        case 1:
            shielded(s, d, depth);
            break;
        case 2:
            bide_scope_wait(&scope);
            break;
        case 3:
            if (started)
                bide_await(&f[0]);
            break;
        case 4:
            goto out;
        }
    }
out:
    for (int i = 0; i < started; i++)
        check_over(&f[i]);
}

typedef BIDE_PROMISE(int) int_promise;

static int resolve_it(int_promise *p, int yields, int *ret_result)
{
    bide_shield() {
        while (yields-- > 0)
            bide_yield();
        *ret_result = bide_resolve(p, 5);
    }
    return 0;
}
BIDE_ASYNC(int, resolve_it, int_promise *, int, int *)

static void promise(struct dice *d)
{
    int_promise p;
    int resolved = 1;
    bide_promise_init(&p);
    BIDE_SCOPE(scope) {
        bide_spawn(&scope, bide_async(resolve_it, &p, (int)roll(d, 3), &resolved));
        int result = roll(d, 2) ? bide_within((bide_time)roll(d, 100) * BIDE_US, &p)
                                : bide_race(bide_async(bide_yield), &p);
        (void)result;
    }
    if (resolved == 0 && bide_state(&p) == BIDE_DONE)
        CHECK_EQ(p.value, 5);
    if (resolved == -ECANCELED)
        CHECK(is_cancel(bide_error(&p)));
    CHECK(resolved <= 0 || resolved == 1); /* 1: it never began to resolve */
}

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

static void offload(struct dice *d)
{
    int count = 0;
    bide_let f = bide_async(bide_offload_call, add_one, &count);
    bide_race(&f, bide_async(bide_sleep, (bide_time)roll(d, 200) * BIDE_US));
    CHECK_EQ(count, bide_state(&f) == BIDE_DONE && f.value == 1);
    CHECK(f.value == 1 || is_cancel(f.value));
}

static int task(struct storm *s, uint32_t seed, int depth)
{
    struct dice d = { seed * 0x9e3779b97f4a7c15u | 1 };
    s->begun++;
    for (uint32_t n = roll(&d, 4); n > 0 && s->steps > 0; n--) {
        s->steps--;
        switch (roll(&d, depth > 0 ? 10 : 4)) {
        case 0:
            write_byte(s);
            break;
        case 1:
            read_byte(s, &d);
            break;
        case 2:
            if (roll(&d, 8) == 0)
                offload(&d);
            else
                promise(&d);
            break;
        case 3:
            operate(&d);
            break;
        case 4:
        case 5:
            join_some(s, &d, depth);
            break;
        case 6:
            race_some(s, &d, depth);
            break;
        case 7:
            bound(s, &d, depth);
            break;
        case 8:
            shielded(s, &d, depth);
            break;
        case 9:
            spawn_some(s, &d, depth);
            break;
        }
    }
    s->ended++;
    return value_for(seed);
}

/* ---- running them ---- */

static void storm(uint32_t seed, int steps)
{
    struct storm s = { .steps = steps };
    char c;
    CHECK_EQ(pipe2(s.pipe, O_CLOEXEC | O_NONBLOCK), 0);
    struct dice d = { seed * 2654435761u + 12345 };
    for (int i = 0; i < 20 && s.steps > 0; i++) {
        struct task_future f = make(&s, &d, 7);
        CHECK_EQ(bide_await(&f), value_for(f.args.a2));
        CHECK_EQ(bide_cancelled(), 0);
        check_quiet();
    }
    CHECK_EQ(s.begun, s.ended);
    while (read(s.pipe[0], &c, 1) == 1)
        s.taken++;
    CHECK_EQ(s.written, s.taken);
    bide_close(s.pipe[0]);
    bide_close(s.pipe[1]);
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
