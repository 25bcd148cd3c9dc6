/*
 * litmus.c - the explorer itself: it finds all outcomes that the memory model allows and no other,
 * and it sees the mistakes that the cases beside it rely on being seen.
 */
#include "interleave.h"

static int x, y, r[2];
static char object;
static int flag, word;

static void begin(void)
{
    x = y = flag = word = 0;
    r[0] = r[1] = 0;
}

/* Which outcomes there are: r[0] and r[1], each 0 to 3, as one bit. */
#define OUTCOME(a, b) (1u << ((a) * 4 + (b)))

static void note(void)
{
    il.collected |= OUTCOME(r[0], r[1]);
}

#define CASE(name, check, orders, ...) \
    static const struct il_case name = { begin, { __VA_ARGS__ }, check, orders, 0 }

#define CHECK_OUTCOMES(wanted, ...)                \
    do {                                           \
        CASE(c, note, IL_AS_WRITTEN, __VA_ARGS__); \
        CHECK_HOLDS(c);                            \
        CHECK_EQ(il.collected, wanted);            \
    } while (0)

/* ---- store buffering: what sleeping and waking live by ---- */

static void store_x_load_y_seq_cst(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_SEQ_CST);
    r[0] = __atomic_load_n(&y, __ATOMIC_SEQ_CST);
}

static void store_y_load_x_seq_cst(void)
{
    __atomic_store_n(&y, 1, __ATOMIC_SEQ_CST);
    r[1] = __atomic_load_n(&x, __ATOMIC_SEQ_CST);
}

static void store_x_load_y(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELEASE);
    r[0] = __atomic_load_n(&y, __ATOMIC_ACQUIRE);
}

static void store_y_load_x(void)
{
    __atomic_store_n(&y, 1, __ATOMIC_RELEASE);
    r[1] = __atomic_load_n(&x, __ATOMIC_ACQUIRE);
}

static void add_x_load_y(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&word, 0, __ATOMIC_ACQ_REL);
    r[0] = __atomic_load_n(&y, __ATOMIC_RELAXED);
}

static void add_y_load_x(void)
{
    __atomic_store_n(&y, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&word, 0, __ATOMIC_ACQ_REL);
    r[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
}

TEST(store_buffers)
{
    CHECK_OUTCOMES(OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1), store_x_load_y_seq_cst,
                   store_y_load_x_seq_cst);
    CHECK_OUTCOMES(OUTCOME(0, 0) | OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1), store_x_load_y,
                   store_y_load_x);
    CHECK_OUTCOMES(OUTCOME(0, 0) | OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1),
                   store_x_load_y_seq_cst, store_y_load_x);
    /* Changes of one place are in one order, and pass on what was done before them. */
    CHECK_OUTCOMES(OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1), add_x_load_y, add_y_load_x);
}

static void membarrier_between(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELAXED);
    il_membarrier();
    r[0] = __atomic_load_n(&y, __ATOMIC_RELAXED);
}

static void nothing_between(void)
{
    __atomic_store_n(&y, 1, __ATOMIC_RELAXED);
    r[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
}

TEST(a_membarrier_on_one_side_is_one_on_both)
{
    CHECK_OUTCOMES(OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1), membarrier_between,
                   nothing_between);
}

/* ---- message passing ---- */

static void publish(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&y, 1, __ATOMIC_RELEASE);
}

static void publish_relaxed(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&y, 1, __ATOMIC_RELAXED);
}

static void add_to_y(void)
{
    __atomic_fetch_add(&y, 1, __ATOMIC_RELAXED);
}

static void look_at_both(void)
{
    r[0] = __atomic_load_n(&y, __ATOMIC_ACQUIRE);
    r[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
}

static void look_out_of_order(void)
{
    r[0] = __atomic_load_n(&y, __ATOMIC_RELAXED);
    r[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
}

TEST(message_passing)
{
    unsigned all = OUTCOME(0, 0) | OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1);
    CHECK_OUTCOMES(all & ~OUTCOME(1, 0), publish, look_at_both);
    CHECK_OUTCOMES(all, publish_relaxed, look_at_both);
    CHECK_OUTCOMES(all, publish, look_out_of_order);
    /* What a change has replaced is passed on: 2 comes with x, a 1 that is the adder's does not. */
    CHECK_OUTCOMES(all | OUTCOME(2, 1), publish, add_to_y, look_at_both);
}

static void look_twice(void)
{
    r[0] = __atomic_load_n(&x, __ATOMIC_RELAXED);
    r[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
}

static void store_twice(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&x, 2, __ATOMIC_RELAXED);
}

TEST(one_place_never_goes_back)
{
    CHECK_OUTCOMES(OUTCOME(0, 0) | OUTCOME(0, 1) | OUTCOME(0, 2) | OUTCOME(1, 1) | OUTCOME(1, 2) |
                       OUTCOME(2, 2), store_twice, look_twice);
}

static void add(void)
{
    __atomic_add_fetch(&x, 1, __ATOMIC_RELAXED);
}

static void add_in_two_steps(void)
{
    int before = __atomic_load_n(&x, __ATOMIC_RELAXED);
    __atomic_store_n(&x, before + 1, __ATOMIC_RELAXED);
}

static void add_by_compare(void)
{
    int before = __atomic_load_n(&x, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&x, &before, before + 1, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
}

static void three(void)
{
    if (x != 3)
        il_fail("an addition is lost");
}

CASE(additions, three, IL_AS_WRITTEN, add, add_by_compare, add_by_compare);
CASE(lost, three, IL_AS_WRITTEN, add, add_in_two_steps, add);

TEST(additions)
{
    CHECK_HOLDS(additions);
    CHECK_FAILS(lost, "an addition is lost");
}

/* ---- objects that are handed over ---- */

static void hand_over(void)
{
    il_own(&object);
    __atomic_store_n(&x, 1, __ATOMIC_RELEASE);
}

static void take_over(void)
{
    while (!__atomic_load_n(&x, __ATOMIC_ACQUIRE))
        il_yield();
    il_own(&object);
}

static void take_over_relaxed(void)
{
    while (!__atomic_load_n(&x, __ATOMIC_RELAXED))
        il_yield();
    il_own(&object);
}

static void all_over(void)
{
    for (int i = 0; i < IL_THREADS; i++)
        if (!il_over(i))
            il_fail("thread %d waits for ever", i);
}

CASE(handed, all_over, IL_AS_WRITTEN, hand_over, take_over);
CASE(not_handed, all_over, IL_AS_WRITTEN, hand_over, take_over_relaxed);
CASE(relaxed, all_over, IL_RELAXED, hand_over, take_over);
CASE(both, all_over, IL_AS_WRITTEN, hand_over, take_over, take_over);

TEST(objects_have_one_owner)
{
    CHECK_HOLDS(handed);
    CHECK_FAILS(not_handed, "has not happened before");
    CHECK_FAILS(relaxed, "has not happened before");
    CHECK_FAILS(both, "has not happened before");
}

/* ---- sleeping ---- */

static void wake(void)
{
    __atomic_store_n(&x, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&y, __ATOMIC_SEQ_CST))
        il_wake(&flag);
}

static void sleep_unless_x(void)
{
    __atomic_store_n(&y, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&x, __ATOMIC_SEQ_CST))
        il_wait(&flag);
}

static void sleep_without_a_second_look(void)
{
    if (__atomic_load_n(&x, __ATOMIC_SEQ_CST))
        return;
    __atomic_store_n(&y, 1, __ATOMIC_SEQ_CST);
    il_wait(&flag);
}

CASE(woken, all_over, IL_AS_WRITTEN, wake, sleep_unless_x);
CASE(no_second_look, all_over, IL_AS_WRITTEN, wake, sleep_without_a_second_look);
CASE(buffered, all_over, IL_NO_SEQ_CST, wake, sleep_unless_x);

TEST(lost_wakes_are_seen)
{
    CHECK_HOLDS(woken);
    CHECK_FAILS(no_second_look, "waits for ever");
    CHECK_FAILS(buffered, "waits for ever");
}

static void set_word(void)
{
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    il_futex_wake(&word);
}

static void wake_before_setting(void)
{
    il_futex_wake(&word);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
}

static void wait_for_word(void)
{
    while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
        il_futex_wait(&word, 0);
}

CASE(futex, all_over, IL_AS_WRITTEN, set_word, wait_for_word);
CASE(futex_early, all_over, IL_AS_WRITTEN, wake_before_setting, wait_for_word);
CASE(futex_one_of_two, all_over, IL_AS_WRITTEN, set_word, wait_for_word, wait_for_word);

TEST(futexes)
{
    CHECK_HOLDS(futex);
    CHECK_FAILS(futex_early, "waits for ever");
    CHECK_FAILS(futex_one_of_two, "waits for ever");
}

/* ---- the search: no state is left out for looking like another ---- */

static void thrice(void)
{
    for (int i = 0; i < 3; i++)
        __atomic_add_fetch(&x, 1, __ATOMIC_ACQ_REL);
}

static void look(void)
{
    r[0] = __atomic_load_n(&x, __ATOMIC_ACQUIRE);
    r[1] = __atomic_load_n(&y, __ATOMIC_ACQUIRE);
}

static void thrice_y(void)
{
    for (int i = 0; i < 3; i++)
        __atomic_add_fetch(&y, 1, __ATOMIC_ACQ_REL);
}

CASE(counts, note, IL_AS_WRITTEN, thrice, thrice_y, look);

TEST(every_pair_of_counts_is_seen)
{
    CHECK_HOLDS(counts);
    CHECK_EQ(il.collected, 0xffff);
}

TEST_MAIN()
