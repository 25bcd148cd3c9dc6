/*
 * team.c - how workers that sleep come to know of work, and how many of them.
 *
 * A worker that has got something to do is busy with it for ever. So whatever lies in a ring must
 * be found by those that are not busy: none of them may sleep over it.
 */
#define bide__parallel_begin(w, f) begin_item(w, f)
#include "interleave_workers.h"

enum { ITEMS = 4 };

static struct bide_future items[ITEMS];
static int taken[ITEMS];
static struct bide__post message;
static struct bide_future occupation; /* what the message gives a worker to do */

void begin_item(struct bide__worker *w, struct bide_future *f)
{
    il_own(f);
    if (taken[f - items]++)
        il_fail("one is taken twice");
    bide__list_push(&w->ready, &f->ready);
}

static void begin(void)
{
    begin_team();
    memset(items, 0, sizeof(items));
    memset(taken, 0, sizeof(taken));
    memset(&message, 0, sizeof(message));
    memset(&occupation, 0, sizeof(occupation));
}

/* ---- threads ---- */

static void push(int number)
{
    struct bide_future *f = &items[number];
    il_own(f);
    bide__ring_push(self()->ring, f);
    bide__wake_one(&the_team);
}

static void push_one(void)
{
    push(il_self());
}

static void push_two(void)
{
    push(0);
    push(1);
}

static void deliver(struct bide__post *post)
{
    il_own(post);
    bide__list_push(&self()->ready, &occupation.ready);
}

static void occupy(struct bide__worker *w)
{
    il_own(&message);
    message.deliver = deliver;
    bide__post_later(self(), w, &message);
    bide__post_flush(self());
}

/* Something to do for worker 1 by a message, and for any by the ring. */
static void occupy_and_push(void)
{
    occupy(&workers[1]);
    push(0);
}

static void push_and_occupy(void)
{
    push(0);
    occupy(&workers[1]);
}

/* Until something is to be done here. */
static void idle(void)
{
    while (bide__list_empty(&self()->ready))
        idle_once();
}

static void take_own(void)
{
    bide__take_own(self());
}

static void look_once(void)
{
    look(self());
}

/* ---- cases ---- */

static void nothing_lies_about(void)
{
    int ready = 0, sleeping = 0;
    for (int i = 0; i < IL_THREADS; i++) {
        ready += (int)bide__ring_count(&rings[i]);
        sleeping += !il_over(i) && !workers[i].shuns_until;
    }
    if (ready && sleeping)
        il_fail("%d wait in rings and %d workers sleep", ready, sleeping);
}

#define CASE(name, begin, orders, first, ...)                     \
    static const struct il_case name = {                          \
        begin, { __VA_ARGS__ }, nothing_lies_about, orders, first \
    }
enum { SECOND = 2, THIRD = 4, BOTH = 6 };

CASE(one_for_one, begin, IL_AS_WRITTEN, 0, push_one, idle);
CASE(one_for_two, begin, IL_SEQUENTIAL, 0, push_one, idle, idle);
CASE(one_and_a_sleeper, begin, IL_AS_WRITTEN, THIRD, push_one, idle, idle);
CASE(two_for_sleepers, begin, IL_AS_WRITTEN, BOTH, push_two, idle, idle);
CASE(two_and_a_sleeper, begin, IL_SEQUENTIAL, THIRD, push_two, idle, idle);

TEST(nobody_sleeps_over_work)
{
    CHECK_HOLDS(one_for_one);
    CHECK_HOLDS(one_for_two);
    CHECK_HOLDS(one_and_a_sleeper);
    CHECK_HOLDS(two_for_sleepers);
    CHECK_HOLDS(two_and_a_sleeper);
}

CASE(two_push, begin, IL_SEQUENTIAL, 0, push_one, push_one, idle);
CASE(two_push_for_a_sleeper, begin, IL_AS_WRITTEN, THIRD, push_one, push_one, idle);

TEST(pushes_that_meet)
{
    CHECK_HOLDS(two_push);
    CHECK_HOLDS(two_push_for_a_sleeper);
}

CASE(occupied_first, begin, IL_AS_WRITTEN, BOTH, occupy_and_push, idle, idle);
CASE(occupied_then, begin, IL_AS_WRITTEN, BOTH, push_and_occupy, idle, idle);
CASE(occupied_awake, begin, IL_SEQUENTIAL, THIRD, occupy_and_push, idle, idle);
CASE(occupied_asleep, begin, IL_SEQUENTIAL, SECOND, occupy_and_push, idle, idle);
CASE(occupied_buffered, begin, IL_NO_SEQ_CST, BOTH, occupy_and_push, idle, idle);

TEST(one_that_was_woken_has_got_something_else_to_do)
{
    CHECK_HOLDS(occupied_first);
    CHECK_HOLDS(occupied_then);
    CHECK_HOLDS(occupied_awake);
    CHECK_HOLDS(occupied_asleep);
    CHECK_FAILS(occupied_buffered, "workers sleep");
}

static void begin_overflow(void)
{
    begin();
    bide__ring_push(&rings[0], &items[0]);
    bide__list_push(&workers[0].overflow, &items[1].ready);
    bide__list_push(&workers[0].overflow, &items[2].ready);
}

CASE(refilled, begin_overflow, IL_SEQUENTIAL, 0, take_own, look_once, idle);

TEST(what_found_no_room_in_the_ring)
{
    CHECK_HOLDS(refilled);
}

/* It is not woken, but may wake by a message. */
static void begin_shunning(void)
{
    begin();
    workers[1].shuns_until = 2;
}

CASE(one_shuns, begin_shunning, IL_AS_WRITTEN, BOTH, push_two, idle, idle);
CASE(one_shuns_awake, begin_shunning, IL_SEQUENTIAL, 0, push_one, idle, idle);
CASE(one_shuns_occupied, begin_shunning, IL_AS_WRITTEN, BOTH, push_and_occupy, idle, idle);

TEST(one_shuns_work)
{
    CHECK_HOLDS(one_shuns);
    CHECK_HOLDS(one_shuns_awake);
    CHECK_HOLDS(one_shuns_occupied);
}

TEST_MAIN()
