/* A point that tasks pass together: in one worker, over several, and with plain threads. */
#include "test.h"

#include "core/internal.h"
#include "fiber.h"

#include <bide/keywords.h>

#include <errno.h>
#include <pthread.h>

static const struct bide_config two = { .workers = 2 };

FIBER_TEST(for_one_it_is_always_open)
{
    struct bide_barrier b = BIDE_BARRIER(1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bide_barrier_wait(&b), 1);
}

FIBER_TEST(the_last_one_lets_all_pass)
{
    struct bide_barrier b = BIDE_BARRIER(3);
    for (int round = 0; round < 3; round++) {
        struct bide_barrier_wait_future f[3];
        for (int i = 0; i < 3; i++)
            f[i] = async(bide_barrier_wait, &b);
        scope(s) {
            bide_start(&f[0]);
            bide_start(&f[1]);
            CHECK_EQ(bide_state(&f[1]), BIDE_RUNNING);
            bide_start(&f[2]);
        }
        for (int i = 0; i < 3; i++)
            CHECK_EQ(f[i].value, i == 2);
    }
}

FIBER_TEST(one_cancelled_does_not_count)
{
    struct bide_barrier b = BIDE_BARRIER(2);
    struct bide_barrier_wait_future f[3];
    for (int i = 0; i < 3; i++)
        f[i] = async(bide_barrier_wait, &b);
    scope(s) {
        bide_start(&f[0]);
        cancel(&f[0]);
        bide_start(&f[1]);
        CHECK_EQ(bide_state(&f[1]), BIDE_RUNNING);
        bide_start(&f[2]);
        cancel(&f[1]);
    }
    CHECK_EQ(f[0].value, -ECANCELED);
    CHECK_EQ(f[1].value, 0);
    CHECK_EQ(f[2].value, 1);
    CHECK_EQ(within(BIDE_US, async(bide_barrier_wait, &b)), -ETIMEDOUT);
    CHECK_EQ(b.waiting, 0);
}

/* The last one wakes the first of its race, whose end cancels all others, and that one itself. */
FIBER_TEST(a_race_with_itself)
{
    struct bide_barrier b = BIDE_BARRIER(3);
    struct bide_barrier_wait_future f[4];
    for (int i = 0; i < 4; i++)
        f[i] = async(bide_barrier_wait, &b);
    CHECK_EQ(bide_race_all(f, 4), 0);
    CHECK_EQ(f[0].value, 0);
    CHECK_EQ(f[1].value, 0);
    CHECK_EQ(f[2].value, 1);
    CHECK_EQ(f[3].value, -ECANCELED);
    CHECK_EQ(b.waiting, 0);
}

/* ---- several threads ---- */

enum { PARTIES = 6, ROUNDS = 500 };

struct steps {
    struct bide_barrier barrier;
    atomic_int at[PARTIES];
    atomic_int last;
};

/* When i is in a round, the others are in it too, or have just passed its end. */
static int step(struct steps *steps, int i, int rounds)
{
    for (int round = 1; round <= rounds; round++) {
        atomic_store(&steps->at[i], round);
        int last = bide_barrier_wait(&steps->barrier);
        if (last < 0)
            return last;
        steps->last += last;
        for (int j = 0; j < PARTIES; j++) {
            int at = atomic_load(&steps->at[j]);
            CHECK_OR(at == round || at == round + 1, -1);
        }
    }
    return 0;
}
ASYNC(int, step, struct steps *, int, int)

static int step_everywhere(struct steps *steps)
{
    int error = 0;
    scope(s) {
        for (int i = 0; i < PARTIES; i++)
            spawn_spread(&s, async(step, steps, i, ROUNDS));
        error = bide_scope_wait(&s);
    }
    return error;
}
ASYNC(int, step_everywhere, struct steps *)

TEST(tasks_of_several_workers)
{
    struct steps steps = { .barrier = BIDE_BARRIER(PARTIES) };
    CHECK_EQ(bide_run_with(&two, async(step_everywhere, &steps)), 0);
    CHECK_EQ(steps.last, ROUNDS);
}

struct party {
    struct steps *steps;
    int i;
    pthread_t thread;
};

static void *step_in_thread(void *arg)
{
    struct party *party = arg;
    step(party->steps, party->i, ROUNDS / 5);
    return NULL;
}

TEST(plain_threads_too)
{
    struct steps steps = { .barrier = BIDE_BARRIER(PARTIES) };
    struct party parties[PARTIES];
    for (int i = 1; i < PARTIES; i++) {
        parties[i] = (struct party){ &steps, i, 0 };
        CHECK_EQ(pthread_create(&parties[i].thread, NULL, step_in_thread, &parties[i]), 0);
    }
    CHECK_EQ(bide_run(async(step, &steps, 0, ROUNDS / 5)), 0);
    for (int i = 1; i < PARTIES; i++)
        pthread_join(parties[i].thread, NULL);
    CHECK_EQ(steps.last, ROUNDS / 5);
}

/* With some that give up at any moment: each that passed did so with as many others. */
static int pass_or_not(struct steps *steps, atomic_int *passed, int rounds, unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        let wait = async(bide_barrier_wait, &steps->barrier);
        within(rand_r(&seed) % 30 * BIDE_US, &wait);
        if (bide_state(&wait) != BIDE_DONE || wait.value < 0)
            continue;
        ++*passed;
        steps->last += wait.value;
    }
    return 0;
}
ASYNC(int, pass_or_not, struct steps *, atomic_int *, int, unsigned)

static int pass_or_not_everywhere(struct steps *steps, atomic_int *passed)
{
    scope(s)
        for (unsigned i = 0; i < PARTIES; i++)
            spawn_spread(&s, async(pass_or_not, steps, passed, ROUNDS, i));
    return 0;
}
ASYNC(int, pass_or_not_everywhere, struct steps *, atomic_int *)

TEST(cancelled_at_any_moment_nothing_is_lost)
{
    for (int i = 0; i < 5; i++) {
        struct steps steps = { .barrier = BIDE_BARRIER(3) };
        atomic_int passed = 0;
        CHECK_EQ(bide_run_with(&two, async(pass_or_not_everywhere, &steps, &passed)), 0);
        CHECK_EQ(passed, 3 * steps.last);
        CHECK_EQ(steps.barrier.waiting, 0);
    }
}

/* ---- misuse ---- */

static void wait_for_nobody(void *arg)
{
    struct bide_barrier b = { 0 };
    (void)arg;
    bide_barrier_wait(&b);
}

TEST(mistakes_abort)
{
    expect_abort(wait_for_nobody, NULL, "for nobody");
}

TEST_MAIN()
