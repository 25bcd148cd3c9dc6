/*
 * inbox.c - messages to a worker that sleeps, wakes and ends.
 */
#define bide__free(p) free_worker(p)
static void free_worker(void *p);

#include "interleave_workers.h"

enum { MESSAGES = 4 };

static struct message {
    struct bide__post post;
    struct bide__list ready;
    int from;
} messages[MESSAGES];
static int delivered;
static int last_of[IL_THREADS]; /* the last message that came from each thread */

static void free_worker(void *p)
{
    if (p == &workers[0])
        il_free(p);
}

static void deliver(struct bide__post *post)
{
    struct message *m = bide__container(post, struct message, post);
    int number = (int)(m - messages);
    il_own(m);
    if (last_of[m->from] > number)
        il_fail("messages of one thread in another order");
    last_of[m->from] = number;
    delivered++;
    bide__list_push(&workers[0].ready, &m->ready);
}

static void begin_to_end(void)
{
    begin_worker(&workers[0], 0);
    delivered = 0;
    memset(messages, 0, sizeof(messages));
    memset(last_of, -1, sizeof(last_of));
    il_will_free(&workers[0], sizeof(workers[0]));
}

/* The worker outlives all that is done to it. */
static void begin(void)
{
    begin_to_end();
    il_ignore(&workers[0].posting);
}

/* ---- threads ---- */

static struct message *write_message(int number)
{
    struct message *m = &messages[number];
    il_own(m);
    m->from = il_self();
    m->post.deliver = deliver;
    return m;
}

static void post_0(void)
{
    bide__post_to(&workers[0], &write_message(0)->post);
}

static void post_1(void)
{
    bide__post_to(&workers[0], &write_message(1)->post);
}

static void post_2_then_3(void)
{
    bide__post_to(&workers[0], &write_message(2)->post);
    bide__post_to(&workers[0], &write_message(3)->post);
}

/* As a flush of an outbox does. */
static void post_2_and_3(void)
{
    struct message *oldest = write_message(2), *newest = write_message(3);
    newest->post.next = &oldest->post;
    bide__post_chain(&workers[0], &newest->post, &oldest->post);
}

/* As the scheduler does: what is ready goes before what may become so. */
static void run_until(int count)
{
    while (delivered < count)
        if (!bide__list_pop(&workers[0].ready))
            idle_once();
}

static void run(void)
{
    run_until(MESSAGES + 1);
}

static void run_and_end(void)
{
    run_until(2);
    bide__worker_free(&workers[0]);
}

/* ---- cases ---- */

static void nothing_left(void)
{
    if (workers[0].inbox)
        il_fail("a message is left and the worker sleeps");
}

static const struct il_case two = { begin, { run, post_0, post_1 }, nothing_left, 0, 0 };
static const struct il_case chain = { begin, { run, post_0, post_2_and_3 }, nothing_left, 0, 0 };
static const struct il_case three = {
    begin, { run, post_0, post_2_then_3 }, nothing_left, IL_SEQUENTIAL, 0
};
static const struct il_case buffered = {
    begin, { run, post_0, post_1 }, nothing_left, IL_NO_SEQ_CST, 0
};

TEST(no_message_is_slept_over)
{
    CHECK_HOLDS(two);
    CHECK_HOLDS(chain);
    CHECK_HOLDS(three);
    CHECK_FAILS(buffered, "a message is left");
}

static const struct il_case end = {
    begin_to_end, { run_and_end, post_0, post_1 }, all_over, 0, 0
};
static const struct il_case end_relaxed = {
    begin_to_end, { run_and_end, post_0, post_1 }, all_over, IL_RELAXED, 0
};

TEST(a_worker_ends_when_nobody_posts_any_more)
{
    CHECK_HOLDS(end);
    CHECK_FAILS(end_relaxed, "has not happened before");
}

TEST_MAIN()
