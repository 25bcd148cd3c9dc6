/* promise.c - completed by others: callbacks, this thread, other threads. */
#include "fiber.h"

#include <pthread.h>

typedef BIDE_PROMISE(int) int_promise;

struct text {
    char bytes[100];
};
typedef BIDE_PROMISE(struct text) text_promise;

FIBER_TEST(resolved_before_it_is_awaited)
{
    int_promise p;
    bide_promise_init(&p);
    CHECK_EQ(bide_state(&p), BIDE_COLD);
    CHECK_STR(bide_function(&p), "promise");
    CHECK_EQ(bide_resolve(&p, 5), 0);
    CHECK_EQ(bide_resolve(&p, 6), -EALREADY);
    CHECK_EQ(bide_await(&p), 5);
    CHECK_EQ(bide_await(&p), 5);
    CHECK_EQ(bide_resolve(&p, 6), -EALREADY);
}

static int resolve_later(int_promise *p, int value)
{
    bide_yield();
    return bide_resolve(p, value);
}
BIDE_ASYNC(int, resolve_later, int_promise *, int)

FIBER_TEST(resolved_by_another_task)
{
    int_promise p;
    bide_promise_init(&p);
    bide_let f = bide_async(resolve_later, &p, 9);
    CHECK_EQ(bide_join(&p, &f), 0);
    CHECK_EQ(p.value, 9);
    CHECK_EQ(f.value, 0);
    bide_promise_init(&p);
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(resolve_later, &p, 10));
        CHECK_EQ(bide_await(&p), 10);
    }
    bide_promise_init(&p);
    bide_let g = bide_async(resolve_later, &p, -EIO);
    CHECK_EQ(bide_try_join(&p, &g), -EIO); /* an int below 0 is an error here too */
}

FIBER_TEST(any_type)
{
    text_promise p;
    struct text text = { "hello" };
    bide_promise_init(&p);
    CHECK_EQ(bide_within(BIDE_US, &p), -ETIMEDOUT);
    CHECK_EQ(bide_error(&p), -ETIMEDOUT);
    bide_promise_init(&p);
    CHECK_EQ(bide_resolve(&p, text), 0);
    CHECK_STR(bide_await(&p).bytes, "hello");
}

/* ---- cancellation and the hook ---- */

static int hook_calls;

static void hook(void *user)
{
    hook_calls++;
    ++*(int *)user;
}

FIBER_TEST(hook_is_called_once_and_later_resolves_are_refused)
{
    int_promise p;
    int user = 0;
    hook_calls = 0;
    bide_promise_init_with(&p, hook, &user);
    CHECK_EQ(bide_within(BIDE_US, &p), -ETIMEDOUT);
    CHECK_EQ(user, 1);
    CHECK_EQ(bide_resolve(&p, 5), -ECANCELED);
    CHECK_EQ(bide_resolve(&p, 5), -ECANCELED);
    CHECK_EQ(bide_await(&p), -ETIMEDOUT);
    bide_promise_init_with(&p, hook, &user);
    CHECK_EQ(bide_race(bide_async(bide_sleep, BIDE_US), &p), 0);
    CHECK_EQ(user, 2);
    bide_promise_init_with(&p, hook, &user);
    CHECK_EQ(bide_resolve(&p, 5), 0);
    CHECK_EQ(bide_await(&p), 5);
    CHECK_EQ(hook_calls, 2);
}

FIBER_TEST(cancelled_before_it_is_awaited)
{
    int_promise p;
    int user = 0;
    bide_promise_init_with(&p, hook, &user);
    bide_cancel(&p);
    CHECK_EQ(user, 1);
    CHECK_EQ(bide_resolve(&p, 5), -ECANCELED);
    CHECK_EQ(bide_await(&p), -ECANCELED);
    CHECK_EQ(bide_race(bide_async(bide_sleep, 0), &p), 0);
    CHECK_EQ(user, 1);
}

FIBER_TEST(resolved_then_cancelled_keeps_its_value)
{
    int_promise p;
    int user = 0;
    bide_promise_init_with(&p, hook, &user);
    CHECK_EQ(bide_resolve(&p, 5), 0);
    bide_cancel(&p);
    CHECK_EQ(bide_await(&p), 5);
    CHECK_EQ(user, 0);
}

static int await_cancelled(int_promise *p)
{
    while (!bide_cancelled())
        bide_yield();
    return bide_await(p);
}
BIDE_ASYNC(int, await_cancelled, int_promise *)

FIBER_TEST(awaited_by_a_cancelled_caller)
{
    for (int resolved = 0; resolved < 2; resolved++) {
        int_promise p;
        int user = 0;
        bide_promise_init_with(&p, hook, &user);
        if (resolved)
            CHECK_EQ(bide_resolve(&p, 5), 0);
        bide_let f = bide_async(await_cancelled, &p);
        BIDE_SCOPE(s) {
            bide_start(&f);
            bide_yield();
            bide_cancel(&f);
        }
        CHECK_EQ(f.value, resolved ? 5 : -ECANCELED);
        CHECK_EQ(user, !resolved);
    }
}

/* A hook that resolves: the value comes too late, and says so. */
static int_promise *late;
static int late_result;

static void resolve_in_hook(void *user)
{
    (void)user;
    late_result = bide_resolve(late, 1);
}

FIBER_TEST(resolved_in_its_hook)
{
    int_promise p;
    late = &p;
    bide_promise_init_with(&p, resolve_in_hook, NULL);
    CHECK_EQ(bide_within(BIDE_US, &p), -ETIMEDOUT);
    CHECK_EQ(late_result, -ECANCELED);
}

/* ---- other threads ---- */

struct crowd {
    int_promise *promises;
    int n, offset;
    atomic_int refused;
};

static void *resolve_all(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < c->n; i++) {
        int at = (i + c->offset) % c->n;
        int error = bide_resolve(&c->promises[at], at);
        if (error == -ECANCELED)
            atomic_fetch_add(&c->refused, 1);
        if (i % 64 == 0)
            usleep(10);
    }
    return NULL;
}

static int await_one(int_promise *p)
{
    return bide_await(p);
}
BIDE_ASYNC(int, await_one, int_promise *)

FIBER_TEST(resolved_by_other_threads)
{
    int n = test_small() ? 300 : 3000;
    int_promise *promises = malloc((size_t)n * sizeof(*promises));
    struct crowd crowds[2] = { { .promises = promises, .n = n },
                               { .promises = promises, .n = n, .offset = n / 2 } };
    pthread_t threads[2];
    for (int i = 0; i < n; i++)
        bide_promise_init(&promises[i]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, resolve_all, &crowds[i]), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(bide_await(&promises[i]), i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    free(promises);
}

/* Cancellations against resolutions: each promise has one of the two ends, and both sides agree. */
FIBER_TEST(cancelled_while_other_threads_resolve)
{
    int n = test_small() ? 200 : 2000, cancelled = 0;
    int_promise *promises = malloc((size_t)n * sizeof(*promises));
    struct crowd crowd = { .promises = promises, .n = n };
    pthread_t thread;
    for (int i = 0; i < n; i++)
        bide_promise_init(&promises[i]);
    CHECK_EQ(pthread_create(&thread, NULL, resolve_all, &crowd), 0);
    for (int i = 0; i < n; i++) {
        int error = bide_within(i % 3 ? BIDE_NS : 20 * BIDE_US, &promises[i]);
        if (error == -ETIMEDOUT)
            cancelled++;
        else
            CHECK_EQ(promises[i].value, i);
    }
    pthread_join(thread, NULL);
    CHECK_EQ(atomic_load(&crowd.refused), cancelled);
    free(promises);
}

static void *resolve_one(void *arg)
{
    usleep(1000);
    bide_resolve((int_promise *)arg, 3);
    return NULL;
}

TEST(outside_a_runtime)
{
    int_promise p;
    pthread_t thread;
    bide_promise_init(&p);
    CHECK_EQ(pthread_create(&thread, NULL, resolve_one, &p), 0);
    CHECK_EQ(bide_await(&p), 3);
    pthread_join(thread, NULL);
    bide_promise_init(&p);
    CHECK_EQ(bide_resolve(&p, 4), 0);
    CHECK_EQ(bide_await(&p), 4);
    for (int i = 0; i < (test_small() ? 10 : 100); i++) { /* the runtime ends at once after it */
        bide_promise_init(&p);
        pthread_create(&thread, NULL, resolve_one, &p);
        CHECK_EQ(bide_run(&p), 3);
        pthread_join(thread, NULL);
    }
}

TEST_MAIN()
