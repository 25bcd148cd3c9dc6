/* leaf.c - leaves of one's own, written against bide/leaf.h alone. */
#include "fiber.h"

/* ---- a queue of numbers: pop waits for a push ---- */

struct waits {
    struct pop_future *first; /* one waiter at most */
    int pushed[8], count;
    int starts, cancels;
    bool cancel_later;        /* its cancellation takes a while */
};

struct pop_future {
    struct bide_future future;
    int value;
    struct {
        struct waits *from;
    } args;
};

static enum bide_leaf_start pop_start(struct bide_future *f)
{
    struct pop_future *pop = (struct pop_future *)f;
    struct waits *w = pop->args.from;
    w->starts++;
    if (w->count > 0) {
        pop->value = w->pushed[--w->count];
        return BIDE_LEAF_DONE;
    }
    w->first = pop;
    return BIDE_LEAF_PENDING;
}

static void pop_cancel(struct bide_future *f)
{
    struct waits *w = ((struct pop_future *)f)->args.from;
    w->cancels++;
    if (w->cancel_later)
        return;
    w->first = NULL;
    bide_leaf_fail(f, bide_leaf_reason(f));
}

static const struct bide_leaf_ops pop_ops = { .start = pop_start, .cancel = pop_cancel };
static const struct bide_type pop_type = BIDE_LEAF_TYPE(pop, &pop_ops);

static struct pop_future pop_async(struct waits *from)
{
    return (struct pop_future){ .future = { .type = &pop_type }, .args = { from } };
}

static void push(struct waits *w, int number)
{
    struct pop_future *pop = w->first;
    if (!pop) {
        w->pushed[w->count++] = number;
        return;
    }
    w->first = NULL;
    pop->value = number;
    bide_leaf_done(&pop->future);
}

static int push_later(struct waits *w, int number, bide_time span)
{
    bide_shield()
        bide_sleep(span);
    push(w, number);
    return 0;
}
BIDE_ASYNC(int, push_later, struct waits *, int, bide_time)

FIBER_TEST(completes_inside_start)
{
    struct waits w = { .pushed = { 7, 8 }, .count = 2 };
    struct bide_stats before = stats_now();
    CHECK_EQ(bide_await(bide_async(pop, &w)), 8);
    bide_let f = bide_async(pop, &w);
    CHECK_EQ(bide_join(&f), 0);
    CHECK_EQ(f.value, 7);
    CHECK_EQ(w.starts, 2);
    CHECK_EQ(stats_now().switches, before.switches);
}

FIBER_TEST(completes_later)
{
    struct waits w = { 0 };
    bide_let f = bide_async(pop, &w);
    bide_let pusher = bide_async(push_later, &w, 5, BIDE_MS);
    CHECK_EQ(bide_join(&f, &pusher), 0);
    CHECK_EQ(f.value, 5);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(push_later, &w, 6, BIDE_MS));
        CHECK_EQ(bide_await(bide_async(pop, &w)), 6);
    }
    CHECK_EQ(w.cancels, 0);
}

FIBER_TEST(cancelled)
{
    struct waits w = { 0 };
    bide_let f = bide_async(pop, &w);
    CHECK_EQ(bide_within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(bide_error(&f), -ETIMEDOUT);
    CHECK_EQ(bide_race(bide_async(pop, &w), bide_async(bide_sleep, 0)), 1);
    CHECK_EQ(w.starts, 2);
    CHECK_EQ(w.cancels, 2);
    CHECK(!w.first);
}

/* "cancel only asks": the leaf ends later, here with a value, which is kept. */
FIBER_TEST(ends_well_although_cancelled)
{
    struct waits w = { .cancel_later = true };
    bide_let f = bide_async(pop, &w);
    BIDE_SCOPE(s) {
        bide_start(&f);
        bide_cancel(&f);
        bide_cancel(&f);
        CHECK_EQ(w.cancels, 1); /* at most once */
        CHECK_EQ(bide_leaf_reason(&f.future), -ECANCELED);
        bide_spawn(&s, bide_async(push_later, &w, 9, BIDE_MS));
        CHECK_EQ(bide_await(&f), 9);
    }
    CHECK_EQ(bide_error(&f), 0);
    bide_let g = bide_async(pop, &w);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(push_later, &w, 10, BIDE_MS));
        CHECK_EQ(bide_within(BIDE_US, &g), 0);
    }
    CHECK_EQ(g.value, 10);
}

FIBER_TEST(never_started_when_the_driver_is_cancelled)
{
    struct waits w = { 0 };
    bide_let f = bide_async(pop, &w);
    bide_cancel(&f);
    CHECK_EQ(bide_await(&f), -ECANCELED);
    CHECK_EQ(w.starts, 0);
    CHECK_EQ(w.cancels, 0);
}

/* One leaf's end resolves another of the same race, from within the runtime. */
static struct waits other;

static void chain_cancel(struct bide_future *f)
{
    push(&other, 3);
    pop_cancel(f);
}
static const struct bide_leaf_ops chain_ops = { .start = pop_start, .cancel = chain_cancel };
static const struct bide_type chain_type = {
    .name = "chain", .leaf = &chain_ops, .size = sizeof(struct pop_future),
    .value_offset = offsetof(struct pop_future, value), .value_size = sizeof(int),
    .errno_value = 1,
};

FIBER_TEST(a_cancel_that_completes_a_sibling)
{
    for (int order = 0; order < 2; order++) {
        struct waits w = { 0 };
        other = (struct waits){ 0 };
        struct pop_future chain = { .future = { .type = &chain_type }, .args = { &w } };
        bide_let sibling = bide_async(pop, &other);
        bide_let nap = bide_async(bide_sleep, BIDE_US);
        int first = order ? bide_race(&chain, &sibling, &nap) : bide_race(&sibling, &chain, &nap);
        CHECK_EQ(first, 2);
        CHECK_EQ(chain.value, -ECANCELED);
        CHECK(sibling.value == 3 || sibling.value == -ECANCELED);
    }
}

/* Outside a runtime, without block: one is made for it. */
static enum bide_leaf_start nap_start(struct bide_future *f)
{
    ((struct pop_future *)f)->value = bide_get_stats(&(struct bide_stats){ 0 });
    return BIDE_LEAF_DONE;
}

static void nap_block(struct bide_future *f)
{
    ((struct pop_future *)f)->value = 77;
}

TEST(outside_a_runtime)
{
    static const struct bide_leaf_ops without = { .start = nap_start, .cancel = pop_cancel };
    static const struct bide_leaf_ops with = { nap_start, pop_cancel, nap_block, NULL };
    struct bide_type type = pop_type;
    struct pop_future f = { .future = { .type = &type } };
    type.leaf = &without;
    CHECK_EQ(bide_await(&f), 0); /* it saw a runtime */
    f = (struct pop_future){ .future = { .type = &type } };
    type.leaf = &with;
    CHECK_EQ(bide_await(&f), 77);
    CHECK_EQ(bide_state(&f), BIDE_DONE);
}

TEST_MAIN()
