/*
 * operations_cancel.c - every suspending operation, cancelled before it starts, while it waits and
 * in the turn in which it completes. What it carries is then either kept, with success, or
 * untouched: the table's check functions look.
 */
#include "operations.h"

/* ---- driving them ---- */

union storage {
    struct bide_future future;
    _Alignas(16) char bytes[STORAGE];
};

static long value_of(const struct bide_future *f)
{
    const char *at = (const char *)f + f->type->value_offset;
    return f->type->value_size == sizeof(int) ? *(const int *)at : *(const long *)at;
}

static long run_plain(const struct operation *o, struct ctx *c)
{
    return o->plain(c);
}
BIDE_ASYNC(long, run_plain, const struct operation *, struct ctx *)

/* In form 0 the operation is called by a function, in form 1 it is a leaf in a group. */
static struct bide_future *make(const struct operation *o, struct ctx *c, int form, void *at)
{
    if (form)
        return o->make(c, at);
    struct run_plain_future f = bide_async(run_plain, o, c);
    memcpy(at, &f, sizeof(f));
    return at;
}

static void begin(const struct operation *o, struct ctx *c, bool nonblocking)
{
    memset(c, 0, sizeof(*c));
    c->nonblocking = nonblocking;
    c->fd = c->peer = -1;
    memset(c->more, -1, sizeof(c->more));
    o->open(c);
}

static void finish(const struct operation *o, struct ctx *c, long result)
{
    int failures = atomic_load(&test_failures);
    o->check(c, result);
    o->close(c);
    if (atomic_load(&test_failures) != failures)
        printf("     in %s, %sblocking, result %ld\n", o->name, c->nonblocking ? "non-" : "",
               result);
}

typedef long driver(const struct operation *o, struct ctx *c, int form, int variant);

static void for_all(driver *drive, int variants)
{
    for (int i = 0; i < OPERATIONS; i++)
        for (int form = 0; form < (operations[i].make ? 2 : 1); form++)
            for (int variant = 0; variant < 2 * variants; variant++) {
                struct ctx c;
                begin(&operations[i], &c, variant & 1);
                finish(&operations[i], &c, drive(&operations[i], &c, form, variant / 2));
            }
}

static void make_ready(const struct operation *o, struct ctx *c)
{
    if (o->ready)
        o->ready(c);
}

/* ---- the tests ---- */

/* Its caller is cancelled, and what it would take is there. */
static long by_cancelled(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    while (!bide_cancelled())
        bide_yield();
    struct bide_future *f = make(o, c, form, &at);
    make_ready(o, c);
    if (variant) {
        int error = bide__join(&f, 1, BIDE__SITE);
        CHECK_OR(error == -ECANCELED, -1);
        CHECK_OR(f->state == BIDE_COLD || f->type->leaf == &bide__promise_ops, -1);
    } else {
        bide__await(f, BIDE__SITE);
    }
    return value_of(f);
}
BIDE_ASYNC(long, by_cancelled, const struct operation *, struct ctx *, int, int)

static long drive_by_cancelled(const struct operation *o, struct ctx *c, int form, int variant)
{
    bide_let f = bide_async(by_cancelled, o, c, form, variant);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
    }
    CHECK_OR(cancelled(f.value) || o->open == open_promise, -1);
    return f.value;
}

FIBER_TEST(caller_cancelled_before)
{
    for_all(drive_by_cancelled, 2);
}

/* Itself cancelled while it is cold. */
static long drive_cold(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    struct bide_future *f = make(o, c, form, &at);
    bide__cancel(f);
    if (form == 0 && o->open == open_promise)
        bide_cancel(c->promise);
    make_ready(o, c);
    if (variant == 0)
        bide__await(f, BIDE__SITE);
    else if (variant == 1)
        CHECK_OR(bide__join(&f, 1, BIDE__SITE) == 0, -1);
    else
        CHECK_OR(bide__race(&f, 1, BIDE__SITE) == -ECANCELED, -1);
    CHECK_OR(f->state == BIDE_COLD && f->error == -ECANCELED, -1);
    return value_of(f);
}

FIBER_TEST(cancelled_cold)
{
    for_all(drive_cold, 3);
}

static long drive_waiting(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    struct bide_future *f = make(o, c, form, &at);
    BIDE_SCOPE(s) {
        bide__start(f, BIDE__SITE);
        if (o->ready || variant)
            settle();
        bide__cancel(f);
    }
    long result = value_of(f);
    CHECK_OR(f->state == BIDE_DONE || !o->ready, -1);
    if (o->ready)
        CHECK_OR(result == -ECANCELED, -1);
    make_ready(o, c);
    return result;
}

FIBER_TEST(cancelled_while_waiting)
{
    for_all(drive_waiting, 2);
}

static long drive_timed_out(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    (void)variant;
    struct bide_future *f = make(o, c, form, &at);
    int error = bide__within(BIDE_MS, f, BIDE__SITE);
    long result = value_of(f);
    if (o->ready) {
        CHECK_OR(error == -ETIMEDOUT, -1);
        CHECK_OR(result == -ETIMEDOUT, -1);
    }
    make_ready(o, c);
    return result;
}

FIBER_TEST(timed_out_while_waiting)
{
    for_all(drive_timed_out, 1);
}

/* Ready and cancelled at once: right after its start, or after it waited for a while, or with some
 * yields between. */
static long drive_same_turn(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    struct bide_future *f = make(o, c, form, &at);
    BIDE_SCOPE(s) {
        bide__start(f, BIDE__SITE);
        if (variant >= 4)
            settle();
        else if (variant >= 2)
            bide_yield();
        make_ready(o, c);
        if (variant & 1)
            bide_yield();
        bide__cancel(f);
        bide__cancel(f);
    }
    return f->error ? f->error : value_of(f);
}

FIBER_TEST(cancelled_in_the_turn_it_completes)
{
    for (int i = 0; i < (test_small() ? 1 : 5); i++)
        for_all(drive_same_turn, 6);
}

/* For comparison: not cancelled. */
static long drive_through(const struct operation *o, struct ctx *c, int form, int variant)
{
    union storage at;
    struct bide_future *f = make(o, c, form, &at);
    if (o->check == check_cancelled || o->check == check_connect)
        return -ECANCELED;
    BIDE_SCOPE(s) {
        bide__start(f, BIDE__SITE);
        if (variant)
            settle();
        make_ready(o, c);
    }
    long result = value_of(f);
    CHECK_OR(f->state == BIDE_DONE && f->error == 0 && !cancelled(result), -1);
    return result;
}

FIBER_TEST(completes)
{
    for_all(drive_through, 2);
}

static int close_it(int fd)
{
    while (!bide_cancelled())
        bide_yield();
    return bide_close(fd);
}
BIDE_ASYNC(int, close_it, int)

FIBER_TEST(close_closes_though_cancelled)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    bide_let f = bide_async(close_it, ends[0]);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_yield();
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, 0);
    CHECK_EQ(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
}

TEST_MAIN()
