/* The same function for all elements: each once, in order, no more at once than allowed. */
#include "fiber.h"

#include <bide/keywords.h>

struct job {
    int number;
    bide_time takes;
    int error; /* below 0 */
};

struct shop {
    int begun, ended, inside, most, cancelled;
    int order[64];
};

static int serve(struct job job, struct shop *shop)
{
    if (shop->begun < 64)
        shop->order[shop->begun] = job.number;
    shop->begun++;
    if (++shop->inside > shop->most)
        shop->most = shop->inside;
    int error = job.takes ? bide_sleep(job.takes) : 0;
    shop->inside--;
    shop->ended++;
    shop->cancelled += error != 0;
    return error ? error : job.error ? job.error : 100 + job.number;
}
ASYNC(int, serve, struct job, struct shop *)

enum { N = 40 };

static void make(struct job *jobs, bide_time takes)
{
    for (int i = 0; i < N; i++)
        jobs[i] = (struct job){ .number = i, .takes = takes * (1 + i * 7 % 5) };
}

/* How long they take, of which each begins as soon as one of k places is free. */
static bide_time makespan(const struct job *jobs, size_t k)
{
    bide_time free_at[N] = { 0 }, end = 0;
    for (int i = 0; i < N; i++) {
        size_t place = 0;
        for (size_t other = 1; other < k && other < N; other++)
            if (free_at[other] < free_at[place])
                place = other;
        free_at[place] += jobs[i].takes;
        end = free_at[place] > end ? free_at[place] : end;
    }
    return end;
}

static void check_all(const int *out)
{
    for (int i = 0; i < N; i++)
        CHECK_EQ(out[i], 100 + i);
}

SIM_TEST(every_element_once_and_in_order)
{
    struct job jobs[N];
    for (int lasting = 0; lasting < 2; lasting++) {
        make(jobs, lasting * 20 * BIDE_US);
        for (size_t k = 1; k < N + 5; k += 4) {
            struct shop shop = { 0 };
            int out[N] = { 0 };
            bide_time begin = bide_now();
            let m = bide_map(serve, jobs, N, out, k, &shop);
            CHECK_EQ(bide_state(&m), BIDE_COLD);
            CHECK_EQ(await(&m), 0);
            CHECK_EQ(bide_now() - begin, makespan(jobs, k));
            CHECK_EQ(m.value, 0);
            check_all(out);
            CHECK_EQ(shop.begun, N);
            CHECK(shop.most <= (int)k);
            for (int i = 0; i < N; i++)
                CHECK_EQ(shop.order[i], i);
        }
    }
}

SIM_TEST(as_many_at_once_as_allowed)
{
    struct job jobs[N];
    make(jobs, BIDE_MS);
    for (size_t k = 0; k < N + 20; k += 10) {
        struct shop shop = { 0 };
        int out[N];
        bide_time begin = bide_now();
        CHECK_EQ(await(bide_map(serve, jobs, N, out, k, &shop)), 0);
        CHECK_EQ(bide_now() - begin, makespan(jobs, k ? k : 16));
        CHECK_EQ(shop.most, k == 0 ? 16 : k < N ? k : N);
        check_all(out);
    }
}

FIBER_TEST(no_element)
{
    struct shop shop = { 0 };
    struct job *none = NULL;
    int *out = NULL;
    CHECK_EQ(await(bide_map(serve, none, 0, out, 4, &shop)), 0);
    CHECK_EQ(await(bide_try_map(serve, none, 0, out, 0, &shop)), 0);
    CHECK_EQ(shop.begun, 0);
}

FIBER_TEST(nobody_wants_the_values)
{
    struct shop shop = { 0 };
    struct job jobs[N];
    make(jobs, BIDE_US);
    CHECK_EQ(await(bide_map(serve, jobs, N, NULL, 4, &shop)), 0);
    CHECK_EQ(shop.ended, N);
}

/* ---- types ---- */

static int marks;

static void mark(char letter)
{
    marks += letter;
    bide_sleep(BIDE_US);
}
ASYNC_VOID(mark, char)

struct pair {
    double half;
    const char *name;
};

static struct pair split(const char *name, int a, int b)
{
    bide_sleep(BIDE_US);
    return (struct pair){ (double)(a + b) / 2, name };
}
ASYNC(struct pair, split, const char *, int, int)

FIBER_TEST(of_any_type)
{
    marks = 0;
    CHECK_EQ(await(bide_map(mark, "\1\2\4", 3, NULL, 2)), 0);
    CHECK_EQ(marks, 7);

    static const char *const names[] = { "a", "b", "c" };
    char one[] = "d", *writable[] = { one };
    struct pair out[4];
    CHECK_EQ(await(bide_map(split, names, 3, out, 0, 2, 3)), 0);
    CHECK_EQ(await(bide_map(split, writable, 1, out + 3, 0, 4, 5)), 0);
    CHECK_STR(out[2].name, "c");
    CHECK(out[2].half == 2.5);
    CHECK_STR(out[3].name, "d");
    CHECK(out[3].half == 4.5);
}

/* ---- errors ---- */

FIBER_TEST(an_error_is_a_value)
{
    struct job jobs[N];
    make(jobs, BIDE_US);
    jobs[3].error = -EIO;
    struct shop shop = { 0 };
    int out[N];
    CHECK_EQ(await(bide_map(serve, jobs, N, out, 4, &shop)), 0);
    CHECK_EQ(out[3], -EIO);
    CHECK_EQ(out[N - 1], 100 + N - 1);
    CHECK_EQ(shop.ended, N);
}

FIBER_TEST(try_map_without_an_error)
{
    struct job jobs[N];
    make(jobs, BIDE_US);
    struct shop shop = { 0 };
    int out[N];
    CHECK_EQ(await(bide_try_map(serve, jobs, N, out, 4, &shop)), 0);
    check_all(out);
}

FIBER_TEST(the_first_error_ends_a_try_map)
{
    struct job jobs[N];
    make(jobs, 0);
    for (int i = 0; i < N; i++)
        jobs[i].takes = i < 5 ? 0 : 3600 * BIDE_S;
    jobs[9].takes = BIDE_US;
    jobs[9].error = -EPROTO;
    for (size_t k = 5; k < 12; k++) {
        struct shop shop = { 0 };
        int out[N] = { 0 };
        CHECK_EQ(await(bide_try_map(serve, jobs, N, out, k, &shop)), -EPROTO);
        CHECK_EQ(shop.begun, 5 + k);
        CHECK_EQ(shop.ended, shop.begun);
        CHECK_EQ(shop.cancelled, k - 1);
        CHECK_EQ(out[4], 104);
        CHECK_EQ(out[5], -ECANCELED);
        CHECK_EQ(out[9], -EPROTO);
        CHECK_EQ(out[5 + k], 0); /* never begun */
        CHECK_EQ(bide_cancelled(), 0);
    }
}

FIBER_TEST(an_error_that_did_not_wait_ends_it_too)
{
    struct job jobs[N];
    make(jobs, 0);
    jobs[2].error = -EIO;
    for (size_t k = 1; k < 4; k++) {
        struct shop shop = { 0 };
        int out[N] = { 0 };
        CHECK_EQ(await(bide_try_map(serve, jobs, N, out, k, &shop)), -EIO);
        CHECK_EQ(shop.begun, 3);
        CHECK_EQ(out[2], -EIO);
        CHECK_EQ(out[3], 0);
    }
}

/* ---- cancellation ---- */

SIM_TEST(a_deadline_ends_it)
{
    struct job jobs[N];
    make(jobs, 3600 * BIDE_S);
    for (int try = 0; try < 2; try++) {
        struct shop shop = { 0 };
        int out[N] = { 0 };
        bide_time begin = bide_now();
        let all = bide_map(serve, jobs, N, out, 6, &shop);
        let tried = bide_try_map(serve, jobs, N, out, 6, &shop);
        CHECK_EQ(try ? within(BIDE_MS, &tried) : within(BIDE_MS, &all), -ETIMEDOUT);
        CHECK_EQ(try ? tried.value : all.value, -ETIMEDOUT);
        CHECK_EQ(bide_now(), begin + BIDE_MS);
        CHECK_EQ(shop.begun, 6);
        CHECK_EQ(shop.cancelled, 6);
        CHECK_EQ(out[5], -ETIMEDOUT);
        CHECK_EQ(out[6], 0);
    }
}

SIM_TEST(cancelled_at_any_moment_it_ends)
{
    struct job jobs[N];
    make(jobs, 10 * BIDE_US);
    for (int i = 0; i < 40; i++) {
        struct shop shop = { 0 };
        int out[N] = { 0 }, known = 0;
        bide_time span = i * 10 * BIDE_US - 1; /* just before one or more of them end */
        let m = bide_map(serve, jobs, N, out, 5, &shop);
        scope(s) {
            CHECK_EQ(bide_start(&m), 0);
            bide_sleep(span);
            cancel(&m);
        }
        for (int at = 0; at < N; at++)
            known += out[at] == 100 + at || out[at] == -ECANCELED;
        CHECK_EQ(known, shop.begun);
        CHECK_EQ(shop.ended, shop.begun);
        bool over = span > makespan(jobs, 5);
        CHECK_EQ(m.value, over ? 0 : -ECANCELED);
        if (over)
            CHECK_EQ(shop.ended, N);
    }
}

static int map_when_cancelled(struct shop *shop)
{
    while (!bide_cancelled())
        bide_sleep(BIDE_S);
    struct job jobs[N];
    make(jobs, BIDE_US);
    return await(bide_map(serve, jobs, N, NULL, 5, shop));
}
ASYNC(int, map_when_cancelled, struct shop *)

FIBER_TEST(a_cancelled_caller_runs_none)
{
    struct shop shop = { 0 };
    let f = async(map_when_cancelled, &shop);
    CHECK_EQ(within(BIDE_US, &f), -ETIMEDOUT);
    CHECK_EQ(f.value, -ETIMEDOUT);
    CHECK_EQ(shop.begun, 0);
}

/* ---- wherever a future may be ---- */

static int twice(int x)
{
    bide_yield();
    return 2 * x;
}
ASYNC(int, twice, int)

static int sum_of_row(const int *row)
{
    int doubled[3];
    int error = await(bide_try_map(twice, row, 3, doubled, 2));
    return error ? error : doubled[0] + doubled[1] + doubled[2];
}
ASYNC(int, sum_of_row, const int *)

FIBER_TEST(is_joined_spawned_and_nested)
{
    static const int rows[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    const int *row[] = { rows[0], rows[1] };
    int sums[2], a[3], b[3], c[3];
    CHECK_EQ(await(bide_map(sum_of_row, row, 2, sums, 2)), 0);
    CHECK_EQ(sums[0], 12);
    CHECK_EQ(sums[1], 30);
    CHECK_EQ(join(bide_map(twice, rows[0], 3, a, 1), bide_map(twice, rows[1], 3, b, 0)), 0);
    CHECK_EQ(a[2], 6);
    CHECK_EQ(b[2], 12);
    scope(s)
        CHECK_EQ(spawn(&s, bide_map(twice, rows[1], 3, c, 2)), 0);
    CHECK_EQ(c[0], 8);
    CHECK_EQ(await(bide_retry(bide_try_map(twice, rows[0], 3, a, 2), NULL)), 0);
}

FIBER_TEST(a_million_elements_take_a_few_stacks)
{
    enum { MANY = 1000000 };
    int n = test_small() ? 10000 : MANY;
    int *numbers = malloc(sizeof(int) * MANY);
    for (int i = 0; i < n; i++)
        numbers[i] = i;
    struct bide_stats before = stats_now();
    CHECK_EQ(await(bide_map(twice, numbers, (size_t)n, numbers, 4)), 0); /* in place */
    struct bide_stats after = stats_now();
    CHECK_EQ(numbers[n - 1], 2 * (n - 1));
    CHECK(after.fibers_idle - before.fibers_idle <= 4);
    free(numbers);
}

TEST(works_in_a_plain_thread)
{
    struct shop shop = { 0 };
    struct job jobs[N];
    int out[N];
    make(jobs, BIDE_US);
    CHECK_EQ(await(bide_map(serve, jobs, N, out, 4, &shop)), 0);
    CHECK_EQ(shop.most, 4);
    check_all(out);
}

/* ---- without memory ---- */

static atomic_int countdown, failed;

static bool fail_from_kth(void)
{
    if (atomic_fetch_sub(&countdown, 1) > 0)
        return false;
    atomic_store(&failed, 1);
    return true;
}

static int map_once(struct job *jobs, struct shop *shop, int *out)
{
    int error = await(bide_try_map(serve, jobs, N, out, 6, shop));
    check_quiet();
    return error;
}
ASYNC(int, map_once, struct job *, struct shop *, int *)

TEST(without_memory_fewer_run_at_once)
{
    struct job jobs[N];
    make(jobs, BIDE_US);
    int k = 0;
    do {
        struct shop shop = { 0 };
        int out[N];
        let f = async(map_once, jobs, &shop, out);
        atomic_store(&failed, 0);
        atomic_store(&countdown, k);
        bide__fault = fail_from_kth;
        int error = bide_run(&f);
        bide__fault = NULL;
        CHECK_EQ(bide_error(&f), error);
        CHECK_EQ(shop.ended, error ? 0 : N);
        if (!error)
            check_all(out);
    } while (atomic_load(&failed) && ++k < 1000);
    CHECK(k > 3 && k < 1000);
}

TEST(without_a_runtime_it_says_so)
{
    struct shop shop = { 0 };
    struct job jobs[N];
    make(jobs, BIDE_US);
    atomic_store(&countdown, 1); /* room for the lanes, but not for a runtime */
    bide__fault = fail_from_kth;
    int error = await(bide_map(serve, jobs, N, NULL, 4, &shop));
    bide__fault = NULL;
    CHECK_EQ(error, -ENOMEM);
    CHECK_EQ(shop.begun, 0);
}

TEST_MAIN()
