/* Where reads run: in place while they are short and cached, else on a thread. */
#include "sqlite_test.h"

#include <fcntl.h>

static struct bide_sqlite_stats stats_of(struct bide_sqlite *db)
{
    struct bide_sqlite_stats stats;
    bide_sqlite_get_stats(db, &stats);
    return stats;
}

static int count_to(struct bide_sqlite *db, int64_t n)
{
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(db, &rows,
                              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < ?) SELECT count(*) FROM n",
                              n);
    if (r == 0 && bide_sqlite_next(&rows) && bide_sqlite_row_int(&rows, 0) != n)
        r = -EINVAL;
    bide_sqlite_release(&rows);
    return r;
}
BIDE_ASYNC(int, count_to, struct bide_sqlite *, int64_t)

enum { SHORT = 10, LONG = 300000 };

static void short_reads(struct bide_sqlite *db)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(count_to(db, SHORT), 0);
    struct bide_sqlite_stats stats = stats_of(db);
    CHECK_EQ(stats.in_place, 100);
    CHECK_EQ(stats.on_thread, 0);
    CHECK_EQ(stats.threads, 0);
}

static void long_reads(struct bide_sqlite *db)
{
    bide_time begin = bide_now();
    for (int i = 0; i < 10; i++)
        CHECK_EQ(count_to(db, LONG), 0);
    struct bide_sqlite_stats stats = stats_of(db);
    CHECK_EQ(stats.on_thread, 10);
    /* Three in a row, then once a second. */
    bide_time seconds = (bide_now() - begin) / BIDE_S;
    CHECK(stats.too_long >= 3 && (stats.too_long < 10 || seconds > 5));
    CHECK_EQ(stats.in_place, stats.too_long); /* later ones went to the thread at once */
    CHECK_EQ(ask(db, "SELECT 3"), 3); /* another statement is not affected */
    CHECK_EQ(stats_of(db).in_place, stats.in_place + 1);
}

static void seldom_long_reads(struct bide_sqlite *db)
{
    for (int i = 0; i < 200; i++)
        CHECK_EQ(count_to(db, i % 20 == 0 ? LONG : SHORT), 0);
    struct bide_sqlite_stats stats = stats_of(db);
    CHECK(stats.on_thread >= 10);
    CHECK(stats.in_place > 150); /* 200, but for a machine that is very busy */
}

static int sum_and_wait(struct bide_sqlite_tx *tx, void *arg)
{
    struct bide_sqlite_stmt *stmt;
    int64_t *sum = arg;
    int r = bide_sqlite_start(tx, &stmt,
                              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < ?) SELECT i FROM n",
                              LONG);
    *sum = 0;
    while (r >= 0 && (r = bide_sqlite_step(stmt)) > 0)
        *sum += bide_sqlite_column_int(stmt, 0);
    return r < 0 ? 0 : r; /* an error swallowed: abandoned all the same */
}

static void calls_begin_again(struct bide_sqlite *db)
{
    int64_t sum = -1;

    CHECK_EQ(bide_sqlite_read(db, sum_and_wait, &sum), 0);
    CHECK_EQ(sum, (int64_t)LONG * (LONG + 1) / 2);
    CHECK_EQ(stats_of(db).too_long, 1);
}

static int tick(int *ticks)
{
    int r;
    while ((r = bide_sleep(100 * BIDE_US)) == 0)
        ++*ticks;
    return r;
}
BIDE_ASYNC(int, tick, int *)

static void others_run_meanwhile(struct bide_sqlite *db)
{
    int ticks = 0;
    bide_let slow = bide_async(count_to, db, 10 * LONG);

    CHECK_EQ(bide_race(&slow, bide_async(tick, &ticks)), 0);
    CHECK_EQ(slow.value, 0);
    CHECK(ticks > 5);
}

static int yield_on(int *turns)
{
    int r;
    while ((r = bide_yield()) == 0)
        ++*turns;
    return r;
}
BIDE_ASYNC(int, yield_on, int *)

static int read_on(struct bide_sqlite *db)
{
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++)
        r = count_to(db, SHORT);
    return r;
}
BIDE_ASYNC(int, read_on, struct bide_sqlite *)

static void others_have_their_turn(struct bide_sqlite *db)
{
    int turns = 0;
    bide_let reads = bide_async(read_on, db);

    CHECK_EQ(bide_race(&reads, bide_async(yield_on, &turns)), 0);
    CHECK_EQ(reads.value, 0);
    CHECK(turns > 50);
}

/* However slow the machine is just now, a short read is not too long. */
static const struct bide_sqlite_options patient = { .in_place = 60 * BIDE_S };

TEST(short_reads_run_in_place)
{
    in_fiber(short_reads, &patient);
}

TEST(long_reads_go_to_a_thread)
{
    in_fiber(long_reads, &(struct bide_sqlite_options){ .in_place = BIDE_MS });
}

TEST(seldom_long_reads_stay_in_place)
{
    in_fiber(seldom_long_reads, &(struct bide_sqlite_options){ .in_place = BIDE_MS });
}

TEST(abandoned_calls_begin_again)
{
    in_fiber(calls_begin_again, NULL);
}

TEST(others_run_while_one_is_long)
{
    in_fiber(others_run_meanwhile, NULL);
}

TEST(others_run_between_short_ones)
{
    in_fiber(others_have_their_turn, NULL);
}

/* ---- the disk ------------------------------------------------------------------------------ */

enum { ROWS = 500 };

static void read_cold(struct bide_sqlite *db)
{
    if (ask(db, "SELECT sum(length(b)) FROM t") != ROWS * 3000)
        test_fail(__FILE__, __LINE__, "%s", bide_sqlite_message());
}
BIDE_ASYNC_VOID(read_cold, struct bide_sqlite *)

/* No page of the file in memory, if the kernel and the file system do as they are asked. */
static void forget_pages(void)
{
    int fd = open(path, O_RDWR);

    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

TEST(reads_from_the_disk_go_to_a_thread)
{
    struct bide_sqlite *db = open_with(&patient);

    CHECK_EQ(run_sql(db, "CREATE TABLE t(b)"), 0);
    for (int i = 0; i < ROWS; i++)
        CHECK_EQ(run_sql(db, "INSERT INTO t VALUES(zeroblob(3000))"), 0);
    bide_sqlite_close(db);
    forget_pages();
    CHECK_EQ(bide_sqlite_open(path, &patient, &db), 0);
    bide_run(bide_async(read_cold, db));
    struct bide_sqlite_stats stats = stats_of(db);
    CHECK_EQ(stats.in_place, 1);
    CHECK_EQ(stats.on_thread, stats.not_cached);
    bide_run(bide_async(read_cold, db));
    struct bide_sqlite_stats after = stats_of(db);
    close_and_clean(db);
    if (!stats.not_cached)
        SKIP("the file system kept the pages, or cannot tell");
    CHECK_EQ(after.not_cached, stats.not_cached); /* they were in memory by then */
}

TEST_MAIN()
