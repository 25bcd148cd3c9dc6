/*
 * promise.c - resolved once, whoever comes first; waited for, cancelled or abandoned meanwhile.
 *
 * Thread 0 is the worker that waits. A promise with one resolver is freed as soon as it is over.
 */
#include "interleave_workers.h"

static void done(struct bide_future *f);
static void failed(struct bide_future *f, int error);
#define bide_leaf_done(f) done(f)
#define bide_leaf_fail(f, error) failed(f, error)
#define bide_leaf_reason(f) (-ECANCELED)
/* Who posts has read to whom. */
#define bide__post_to(w, post) (il_own(&promise.promise.worker), (bide__post_to)(w, post))

static BIDE_PROMISE(int) promise;
#include "core/promise.c"

static char value; /* whose turn it is with promise.value */
static struct {
    int over, cancelled, hooked;
    int results[IL_THREADS];
} seen;

static void done(struct bide_future *f)
{
    if (f != &promise.future || seen.over++)
        il_fail("it ends twice");
    bide__list_push(&workers[0].ready, &f->ready);
}

static void failed(struct bide_future *f, int error)
{
    bide__assert(error == -ECANCELED);
    seen.cancelled++;
    done(f);
}

static void on_cancel(void *user)
{
    (void)user;
    seen.hooked++;
}

static void begin_alive(void)
{
    begin_worker(&workers[0], 0);
    il_ignore(&workers[0].posting);
    il_local(&bide__self, sizeof(bide__self));
    memset(&seen, 0, sizeof(seen));
    memset(seen.results, -1, sizeof(seen.results));
    bide_promise_init_with(&promise, on_cancel, NULL);
}

static void begin(void)
{
    begin_alive();
    il_will_free(&promise, sizeof(promise));
}

/* ---- threads ---- */

static void resolve(void)
{
    int error = bide__promise_claim(&promise.promise);
    if (!error) {
        il_own(&value);
        promise.value = il_self();
        bide__promise_publish(&promise.future, &promise.promise);
    }
    seen.results[il_self()] = error;
}

static bool start(void)
{
    bide__self = (struct bide__self){ .fiber = &self()->root };
    il_own(&promise.promise.worker);
    return promise_start(&promise.future) == BIDE_LEAF_PENDING;
}

static void end(void)
{
    while (!seen.over)
        idle_once();
    il_own(&value);
    if (!seen.cancelled && !promise.value)
        il_fail("it is over without a value");
    if (il.object_count)
        il_free(&promise);
}

static void wait_for_it(void)
{
    if (!start())
        done(&promise.future);
    end();
}

static void wait_and_cancel(void)
{
    if (start())
        promise_cancel(&promise.future);
    else
        done(&promise.future);
    end();
}

static void abandon(void)
{
    if (bide__promise_abandon(&promise.future))
        seen.cancelled++;
    done(&promise.future);
    end();
}

/* ---- cases ---- */

static void check(void)
{
    int resolved = 0;
    for (int i = 0; i < IL_THREADS; i++)
        resolved += seen.results[i] == 0;
    all_over();
    if (resolved + seen.cancelled != 1)
        il_fail("resolved %d times, cancelled %d times", resolved, seen.cancelled);
    if (seen.hooked != seen.cancelled)
        il_fail("%d hooks", seen.hooked);
}

#define CASE(name, begin, orders, ...) \
    static const struct il_case name = { begin, { __VA_ARGS__ }, check, orders, 0 }

CASE(waited_for, begin, IL_AS_WRITTEN, wait_for_it, resolve);
CASE(cancelled, begin_alive, IL_AS_WRITTEN, wait_and_cancel, resolve);
CASE(abandoned, begin_alive, IL_AS_WRITTEN, abandon, resolve);
CASE(waited_for_relaxed, begin, IL_RELAXED, wait_for_it, resolve);

TEST(one_resolves_it)
{
    CHECK_HOLDS(waited_for);
    CHECK_HOLDS(cancelled);
    CHECK_HOLDS(abandoned);
    CHECK_FAILS(waited_for_relaxed, "has not happened before");
}

CASE(two, begin_alive, IL_AS_WRITTEN, wait_for_it, resolve, resolve);
CASE(two_cancelled, begin_alive, IL_AS_WRITTEN, wait_and_cancel, resolve, resolve);
CASE(two_abandoned, begin_alive, IL_AS_WRITTEN, abandon, resolve, resolve);
CASE(two_freed, begin, IL_AS_WRITTEN, wait_for_it, resolve, resolve);

TEST(two_resolve_it)
{
    CHECK_HOLDS(two);
    CHECK_HOLDS(two_cancelled);
    CHECK_HOLDS(two_abandoned);
    CHECK_FAILS(two_freed, "freed"); /* with two it must outlive both */
}

TEST_MAIN()
