/*
 * parallel.c - children that any worker may take: begun once at the most, cancelled wherever they
 * are, ended once, and freed once, when nobody knows them any more.
 *
 * Thread 0 is the worker of the scope, the others take children too. Children are leaves, so that
 * no fiber is needed. With IL_ALL in the environment also the cases that take minutes are run.
 */
#include "interleave_workers.h"

#define bide__slab_get(slab, size) new_child(size)
#define bide__slab_put(slab, p, size) free_child(p, size)
static void *new_child(size_t size);
static void free_child(void *p, size_t size);
#include "core/parallel.c"

enum { CHILDREN = 2 };
enum kind { AT_ONCE, FAILS, LATER, NEVER };

struct child_future {
    struct bide_future future;
    int value;
    struct {
        enum kind kind;
        int number;
        struct bide__list link; /* in `ready` of the worker that it runs on, when it is to end */
    } args;
};

static struct {
    char memory[CHILDREN][512] __attribute__((aligned(64)));
    int made, freed, started[CHILDREN];
    struct bide_scope scope;
    bool finished;
} s;

/* ---- their memory ---- */

static void *new_child(size_t size)
{
    bide__assert(size <= sizeof(s.memory[0]));
    return s.memory[s.made++];
}

static void free_child(void *p, size_t size)
{
    il_free(p);
    memset(p, 0xee, size); /* whoever uses it all the same goes astray */
    s.freed++;
}

/* ---- what they do ---- */

static enum bide_leaf_start child_start(struct bide_future *future)
{
    struct child_future *f = (struct child_future *)future;
    il_own(future);
    s.started[f->args.number]++;
    f->value = f->args.kind == FAILS ? -EIO : 0;
    if (f->args.kind == AT_ONCE || f->args.kind == FAILS)
        return BIDE_LEAF_DONE;
    bide__list_init(&f->args.link);
    if (f->args.kind == LATER)
        bide__list_push(&self()->ready, &f->args.link);
    return BIDE_LEAF_PENDING;
}

static void child_cancel(struct bide_future *future)
{
    struct child_future *f = (struct child_future *)future;
    il_own(future);
    bide__list_remove(&f->args.link);
    bide_leaf_fail(future, bide_leaf_reason(future));
}

static const struct bide_leaf_ops child_ops = { .start = child_start, .cancel = child_cancel };
static const struct bide_type child_type = BIDE_LEAF_TYPE(child, &child_ops);

static struct child_future make(enum kind kind)
{
    return (struct child_future){ .future.type = &child_type,
                                  .args = { .kind = kind, .number = s.made } };
}

/* ---- threads ---- */

static void enter(void)
{
    bide__self = (struct bide__self){ .fiber = &self()->root };
}

/* Whatever is to be done here; a child that ends later does so after a look at the messages. */
static void go_on(void)
{
    struct bide__worker *w = self();
    if (bide__list_empty(&w->ready)) {
        idle_once();
        return;
    }
    bide__poll(w, false);
    struct bide__list *link = bide__list_pop(&w->ready);
    if (link && link != &w->root.resume.ready)
        bide_leaf_done(&bide__container(link, struct child_future, args.link)->future);
}

static void take(void)
{
    enter();
    for (;;)
        go_on();
}

static void open_scope(const struct bide_scope_options *options)
{
    enter();
    bide__scope_init(&s.scope, options, "here");
}

static void wait_for_all(void)
{
    struct bide__group *g = &s.scope.group;
    g->waiting = 1;
    while (g->pending) {
        self()->root.parked = 1;
        go_on();
    }
    bide__group_close(g);
    s.finished = true;
    for (;;) /* until what was withdrawn has come back */
        go_on();
}

static void spawn_one(void)
{
    open_scope(NULL);
    bide_spawn_parallel(&s.scope, make(LATER));
    wait_for_all();
}

static void spawn_two(void)
{
    open_scope(NULL);
    bide_spawn_parallel(&s.scope, make(AT_ONCE));
    bide_spawn_parallel(&s.scope, make(LATER));
    wait_for_all();
}

static void spawn_and_cancel(void)
{
    open_scope(NULL);
    bide_spawn_parallel(&s.scope, make(LATER));
    bide_scope_cancel(&s.scope);
    wait_for_all();
}

/* As by a deadline first, and then by somebody. */
static void spawn_and_cancel_twice(void)
{
    open_scope(NULL);
    bide_spawn_parallel(&s.scope, make(NEVER));
    bide__cancel_group(&s.scope.group, BIDE__TIMEDOUT);
    bide__poll(self(), false);
    bide__cancel_group(&s.scope.group, BIDE__CANCELLED);
    wait_for_all();
}

static void spawn_two_and_cancel(void)
{
    open_scope(NULL);
    bide_spawn_parallel(&s.scope, make(NEVER));
    bide_spawn_parallel(&s.scope, make(AT_ONCE));
    bide_scope_cancel(&s.scope);
    wait_for_all();
}

static void one_fails(void)
{
    open_scope(&(struct bide_scope_options){ .cancel_on_error = 1 });
    bide_spawn_parallel(&s.scope, make(FAILS));
    bide_spawn_parallel(&s.scope, make(NEVER));
    wait_for_all();
}

static void spread_one(void)
{
    open_scope(NULL);
    self()->look_from = 1;
    bide_spawn_spread(&s.scope, make(LATER));
    wait_for_all();
}

static void spread_and_cancel(void)
{
    open_scope(NULL);
    self()->look_from = 1;
    bide_spawn_spread(&s.scope, make(NEVER));
    bide_scope_cancel(&s.scope);
    wait_for_all();
}

static void spread_look_and_cancel(void)
{
    open_scope(NULL);
    self()->look_from = 1;
    bide_spawn_spread(&s.scope, make(NEVER));
    bide__poll(self(), false);
    bide_scope_cancel(&s.scope);
    wait_for_all();
}

/* ---- cases ---- */

static void begin(void)
{
    begin_team();
    memset(&s, 0, sizeof(s));
    for (int i = 0; i < CHILDREN; i++)
        il_will_free(s.memory[i], sizeof(s.memory[i]));
    il_local(&bide__self, sizeof(bide__self));
}

static void all_freed(void)
{
    if (!s.finished)
        il_fail("the scope waits for ever");
    if (s.freed != s.made)
        il_fail("%d of %d children are freed", s.freed, s.made);
    for (int i = 0; i < s.made; i++)
        if (s.started[i] > 1)
            il_fail("child %d began %d times", i, s.started[i]);
    for (int i = 0; i < IL_THREADS; i++)
        if (workers[i].placed)
            il_fail("%u children are counted on worker %d", workers[i].placed, i);
}

#define CASE(name, orders, first, ...) \
    static const struct il_case name = { begin, { __VA_ARGS__ }, all_freed, orders, first }
enum { SECOND = 2, BOTH = 6 };

CASE(one, IL_AS_WRITTEN, SECOND, spawn_one, take);
CASE(one_awake, IL_SEQUENTIAL, 0, spawn_one, take);
CASE(two_takers, IL_AS_WRITTEN, BOTH, spawn_one, take, take);

TEST(a_child_ends_wherever_it_ran)
{
    CHECK_HOLDS(one);
    CHECK_HOLDS(one_awake);
    CHECK_HOLDS(two_takers);
}

CASE(cancelled, IL_AS_WRITTEN, SECOND, spawn_and_cancel, take);
CASE(cancelled_awake, IL_SEQUENTIAL, 0, spawn_and_cancel, take);
CASE(cancelled_two_takers, IL_SEQUENTIAL, BOTH, spawn_and_cancel, take, take);
CASE(cancelled_twice, IL_AS_WRITTEN, SECOND, spawn_and_cancel_twice, take);

TEST(or_is_cancelled)
{
    CHECK_HOLDS(cancelled);
    CHECK_HOLDS(cancelled_awake);
    CHECK_HOLDS(cancelled_two_takers);
    CHECK_HOLDS(cancelled_twice);
}

CASE(spread, IL_AS_WRITTEN, 0, spread_one, take);
CASE(spread_cancelled, IL_AS_WRITTEN, 0, spread_and_cancel, take);
CASE(spread_looked, IL_AS_WRITTEN, 0, spread_look_and_cancel, take);
CASE(spread_relaxed, IL_RELAXED, 0, spread_look_and_cancel, take);

TEST(one_that_is_sent_to_a_worker)
{
    CHECK_HOLDS(spread);
    CHECK_HOLDS(spread_cancelled);
    CHECK_HOLDS(spread_looked);
    CHECK_FAILS(spread_relaxed, "has not happened before");
}

CASE(two, IL_AS_WRITTEN, SECOND, spawn_two, take);
CASE(two_awake, IL_SEQUENTIAL, 0, spawn_two, take);
CASE(two_cancelled, IL_AS_WRITTEN, SECOND, spawn_two_and_cancel, take);
CASE(two_cancelled_awake, IL_SEQUENTIAL, 0, spawn_two_and_cancel, take);
CASE(failing, IL_AS_WRITTEN, SECOND, one_fails, take);
CASE(failing_awake, IL_SEQUENTIAL, 0, one_fails, take);

TEST(two_children)
{
    if (!getenv("IL_ALL"))
        SKIP("takes minutes, and IL_ALL is not set");
    CHECK_HOLDS(two);
    CHECK_HOLDS(two_awake);
    CHECK_HOLDS(two_cancelled);
    CHECK_HOLDS(two_cancelled_awake);
    CHECK_HOLDS(failing);
    CHECK_HOLDS(failing_awake);
}

TEST_MAIN()
