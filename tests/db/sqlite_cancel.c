/* Cancelling and deadlines: before a statement, while it waits, while it runs, and as it ends. */
#include "sqlite_test.h"

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "

static int read_endlessly(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(db, &rows, ENDLESS "SELECT count(*) FROM n");

    bide_sqlite_release(&rows);
    return r;
}
BIDE_ASYNC(int, read_endlessly, struct bide_sqlite *)

static int write_endlessly(struct bide_sqlite *db)
{
    return bide_sqlite_exec(db, NULL, ENDLESS "INSERT INTO t SELECT -i FROM n");
}
BIDE_ASYNC(int, write_endlessly, struct bide_sqlite *)

static int insert(struct bide_sqlite *db, int64_t n)
{
    return bide_sqlite_exec(db, NULL, "INSERT INTO t VALUES(?)", n);
}
BIDE_ASYNC(int, insert, struct bide_sqlite *, int64_t)

static int count(struct bide_sqlite *db)
{
    return (int)ask(db, "SELECT count(*) FROM t");
}
BIDE_ASYNC(int, count, struct bide_sqlite *)

static int write_within(struct bide_sqlite *db, bide_time span)
{
    bide_let f = bide_async(write_endlessly, db);
    int r = bide_within(span, &f);
    return r < 0 ? f.value : r;
}
BIDE_ASYNC(int, write_within, struct bide_sqlite *, bide_time)

static void make_table(struct bide_sqlite *db)
{
    if (run_sql(db, "CREATE TABLE t(n INTEGER PRIMARY KEY)") < 0)
        test_fail(__FILE__, __LINE__, "%s", bide_sqlite_message());
}

/* ---- before -------------------------------------------------------------------------------- */

static int go_on_when_cancelled(struct bide_sqlite *db, int64_t *ret_shielded)
{
    struct bide_sqlite_rows rows;
    int r = bide_sleep(BIDE_S * 3600);

    if (r != -ECANCELED || insert(db, 1) != r || run_sql(db, "DELETE FROM t") != r ||
        bide_sqlite_query(db, &rows, "SELECT 1") != r || rows.data)
        return -EINVAL;
    bide_shield()
    {
        *ret_shielded = insert(db, 2) == 0 ? ask(db, "SELECT n FROM t") : -1;
    }
    return r;
}
BIDE_ASYNC(int, go_on_when_cancelled, struct bide_sqlite *, int64_t *)

static void cancel_before(struct bide_sqlite *db)
{
    int64_t shielded = 0;
    bide_let f = bide_async(go_on_when_cancelled, db, &shielded);

    make_table(db);
    CHECK_EQ(bide_race(bide_async(bide_sleep, BIDE_MS), &f), 0);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(shielded, 2);
    CHECK_EQ(count(db), 1);
}

/* ---- while it runs ------------------------------------------------------------------------- */

static void stop_a_read(struct bide_sqlite *db)
{
    for (int i = 0; i < 5; i++) {
        bide_let f = bide_async(read_endlessly, db);
        CHECK_EQ(bide_within(5 * BIDE_MS, &f), -ETIMEDOUT);
        CHECK_EQ(f.value, -ETIMEDOUT);
        bide_let g = bide_async(read_endlessly, db);
        CHECK_EQ(bide_race(bide_async(bide_sleep, 2 * BIDE_MS), &g), 0);
        CHECK_EQ(g.value, -ECANCELED);
        CHECK_EQ(ask(db, "SELECT 5"), 5);
    }
}

static void stop_a_write(struct bide_sqlite *db)
{
    make_table(db);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(write_within(db, 3 * BIDE_MS), -ETIMEDOUT);
        CHECK_EQ(count(db), i);
        CHECK_EQ(insert(db, i), 0);
    }
}

/* Those that share its transaction are not harmed. */
static void stop_one_of_many_writes(struct bide_sqlite *db)
{
    make_table(db);
    for (int i = 0; i < 5; i++) {
        bide_let a = bide_async(insert, db, 10 * i);
        bide_let b = bide_async(insert, db, 10 * i + 1);
        bide_let c = bide_async(insert, db, 10 * i + 2);
        bide_let endless = bide_async(write_within, db, 10 * BIDE_MS);
        CHECK_EQ(bide_join(&a, &b, &endless, &c), 0);
        CHECK_EQ(endless.value, -ETIMEDOUT);
        CHECK_EQ(a.value | b.value | c.value, 0);
        CHECK_EQ(count(db), 3 * (i + 1));
    }
}

/* ---- while it waits for a thread ----------------------------------------------------------- */

static void stop_a_queued_read(struct bide_sqlite *db)
{
    bide_let endless = bide_async(read_endlessly, db);

    make_table(db);
    BIDE_SCOPE(s) {
        bide_start(&endless);
        bide_sleep(2 * BIDE_MS);
        bide_let queued = bide_async(count, db);
        CHECK_EQ(bide_within(2 * BIDE_MS, &queued), -ETIMEDOUT);
        CHECK_EQ(queued.value, -1);
        CHECK(!bide_done(&endless));
        bide_cancel(&endless);
    }
    CHECK_EQ(endless.value, -ECANCELED);
    CHECK_EQ(count(db), 0);
}

static void stop_a_queued_write(struct bide_sqlite *db)
{
    bide_let endless = bide_async(write_endlessly, db);

    make_table(db);
    BIDE_SCOPE(s) {
        bide_start(&endless);
        bide_sleep(2 * BIDE_MS);
        bide_let queued = bide_async(insert, db, 1);
        CHECK_EQ(bide_within(2 * BIDE_MS, &queued), -ETIMEDOUT);
        CHECK_EQ(queued.value, -ETIMEDOUT);
        bide_cancel(&endless);
    }
    CHECK_EQ(endless.value, -ECANCELED);
    CHECK_EQ(count(db), 0);
}

/* ---- as it ends ---------------------------------------------------------------------------- */

/* Whatever the moment: what was answered with 0 is there, and nothing else. */
static void never_lie(struct bide_sqlite *db)
{
    int kept = 0, lost = 0;

    make_table(db);
    for (int i = 1; i <= 300; i++) {
        bide_let f = bide_async(insert, db, i);
        (void)bide_within((i % 60) * 20 * BIDE_US, &f);
        bool done = bide_state(&f) == BIDE_DONE && f.value == 0;
        if (!done && bide_state(&f) == BIDE_DONE)
            CHECK_EQ(f.value, -ETIMEDOUT);
        struct bide_sqlite_rows rows;
        CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT 1 FROM t WHERE n = ?", i), 0);
        CHECK_EQ(rows.count, done);
        bide_sqlite_release(&rows);
        kept += done;
        lost += !done;
    }
    CHECK(kept > 0 && lost > 0);
}

TEST(before)
{
    in_fiber(cancel_before, NULL);
    in_fiber(cancel_before, &(struct bide_sqlite_options){ .in_place = -1 });
}

TEST(running_read)
{
    in_fiber(stop_a_read, NULL);
    in_fiber(stop_a_read, &(struct bide_sqlite_options){ .in_place = -1 });
}

TEST(running_write)
{
    in_fiber(stop_a_write, NULL);
}

TEST(one_of_many_writes)
{
    in_fiber(stop_one_of_many_writes, NULL);
}

TEST(queued_read)
{
    in_fiber(stop_a_queued_read, &(struct bide_sqlite_options){ .readers = 1, .in_place = -1 });
}

TEST(queued_write)
{
    in_fiber(stop_a_queued_write, NULL);
}

TEST(as_it_ends)
{
    in_fiber(never_lie, &(struct bide_sqlite_options){ .lazy_sync = 1 });
}

TEST_MAIN()
