/* Writes that share a transaction: none fails for another's sake, and each is answered truly. */
#include "sqlite_test.h"

#include <sys/stat.h>
#include <time.h>

enum { MANY = 40 };

static atomic_bool holding, held;

/* Keeps the writer thread until told, so that what comes meanwhile is queued. */
static int hold(struct bide_sqlite_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    atomic_store(&held, true);
    for (int ms = 0; atomic_load(&holding) && ms < 10000; ms++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return 0;
}

static int hold_writer(struct bide_sqlite *db)
{
    return bide_sqlite_write(db, hold, NULL);
}
BIDE_ASYNC(int, hold_writer, struct bide_sqlite *)

static int insert(struct bide_sqlite *db, int64_t n)
{
    return bide_sqlite_exec(db, NULL, "INSERT INTO t VALUES(?)", n);
}
BIDE_ASYNC(int, insert, struct bide_sqlite *, int64_t)

static int insert_or_rollback(struct bide_sqlite *db, int64_t n)
{
    return bide_sqlite_exec(db, NULL, "INSERT OR ROLLBACK INTO t VALUES(?)", n);
}
BIDE_ASYNC(int, insert_or_rollback, struct bide_sqlite *, int64_t)

static int insert_orphan(struct bide_sqlite *db, int64_t n)
{
    return bide_sqlite_exec(db, NULL, "INSERT INTO child VALUES(?)", n);
}
BIDE_ASYNC(int, insert_orphan, struct bide_sqlite *, int64_t)

static int change_mind(struct bide_sqlite_tx *tx, void *arg)
{
    (void)arg;
    int r = bide_sqlite_do(tx, NULL, "INSERT INTO t VALUES(?)", -1);
    return r < 0 ? r : -EXDEV;
}

static int insert_and_change_mind(struct bide_sqlite *db)
{
    return bide_sqlite_write(db, change_mind, NULL);
}
BIDE_ASYNC(int, insert_and_change_mind, struct bide_sqlite *)

/* Let go when everybody else has queued: they stand behind this in the run queue, once. */
static int let_go(void)
{
    while (!atomic_load(&held))
        bide_sleep(BIDE_MS);
    bide_yield();
    atomic_store(&holding, false);
    return 0;
}
BIDE_ASYNC(int, let_go)

static void begin_holding(struct bide_sqlite *db)
{
    run_sql(db, "CREATE TABLE t(n INTEGER PRIMARY KEY)");
    run_sql(db, "CREATE TABLE child(t INTEGER REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED)");
    atomic_store(&holding, true);
    atomic_store(&held, false);
}

static uint64_t transactions(struct bide_sqlite *db)
{
    struct bide_sqlite_stats stats;
    bide_sqlite_get_stats(db, &stats);
    return stats.transactions;
}

static void share(struct bide_sqlite *db)
{
    struct insert_future inserts[MANY];

    begin_holding(db);
    uint64_t before = transactions(db);
    for (int i = 0; i < MANY; i++)
        inserts[i] = bide_async(insert, db, i + 1);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(hold_writer, db)), 0);
        while (!atomic_load(&held))
            bide_sleep(BIDE_MS);
        CHECK_EQ(bide_spawn(&s, bide_async(let_go)), 0);
        CHECK_EQ(bide_join_all(inserts, MANY), 0);
    }
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(inserts[i].value, 0);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), MANY);
    /* The holder's, and theirs: two if one or the other of them was late. */
    CHECK(transactions(db) - before <= 4);
}

/* good, bad, good queued together. */
#define AMONG_OTHERS(db, bad)                                               \
    bide_let first = bide_async(insert, db, 10);                            \
    bide_let second = bad;                                                  \
    bide_let third = bide_async(insert, db, 30);                            \
    BIDE_SCOPE(s) {                                                         \
        CHECK_EQ(bide_spawn(&s, bide_async(hold_writer, db)), 0);           \
        while (!atomic_load(&held))                                         \
            bide_sleep(BIDE_MS);                                            \
        CHECK_EQ(bide_spawn(&s, bide_async(let_go)), 0);                    \
        CHECK_EQ(bide_join(&first, &second, &third), 0);                    \
    }                                                                       \
    CHECK_EQ(first.value, 0);                                               \
    CHECK_EQ(third.value, 0);

static void fail_by_constraint(struct bide_sqlite *db)
{
    begin_holding(db);
    CHECK_EQ(insert(db, 20), 0);
    AMONG_OTHERS(db, bide_async(insert, db, 20))
    CHECK_EQ(second.value, -EEXIST);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), 3);
}

static void fail_by_choice(struct bide_sqlite *db)
{
    begin_holding(db);
    AMONG_OTHERS(db, bide_async(insert_and_change_mind, db))
    CHECK_EQ(second.value, -EXDEV);
    CHECK_EQ(ask(db, "SELECT sum(n) FROM t"), 40);
}

static void fail_with_rollback(struct bide_sqlite *db)
{
    begin_holding(db);
    CHECK_EQ(insert(db, 20), 0);
    AMONG_OTHERS(db, bide_async(insert_or_rollback, db, 20))
    CHECK_EQ(second.value, -EEXIST);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), 3);
}

static void fail_at_commit(struct bide_sqlite *db)
{
    begin_holding(db);
    AMONG_OTHERS(db, bide_async(insert_orphan, db, 77))
    CHECK_EQ(second.value, -ENOKEY);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), 2);
    CHECK_EQ(ask(db, "SELECT count(*) FROM child"), 0);
    CHECK_EQ(insert_orphan(db, 10), 0);
}

static void fill_up(struct bide_sqlite *db)
{
    int r = 0, n = 0;

    CHECK_EQ(run_sql(db, "CREATE TABLE t(b)"), 0);
    CHECK_EQ(run_sql(db, "PRAGMA max_page_count=40"), 0);
    while (r == 0 && n < 100) {
        r = run_sql(db, "INSERT INTO t VALUES(zeroblob(10000))");
        n += r == 0;
    }
    CHECK_EQ(r, -ENOSPC);
    CHECK(strstr(bide_sqlite_message(), "full"));
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), n);
    CHECK_EQ(run_sql(db, "PRAGMA max_page_count=1000"), 0);
    CHECK_EQ(run_sql(db, "INSERT INTO t VALUES(zeroblob(10000))"), 0);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), n + 1);
}

static void meet_a_lock(struct bide_sqlite *db)
{
    struct bide_sqlite *other;

    begin_holding(db);
    CHECK_EQ(bide_sqlite_open(path, NULL, &other), 0);
    BIDE_SCOPE(s) {
        CHECK_EQ(bide_spawn(&s, bide_async(hold_writer, other)), 0);
        while (!atomic_load(&held))
            bide_sleep(BIDE_MS);
        CHECK_EQ(insert(db, 1), -EBUSY);
        CHECK(strstr(bide_sqlite_message(), "locked"));
        CHECK_EQ(ask(db, "SELECT count(*) FROM t"), 0); /* reading goes on */
        /* All in one transaction that cannot begin: each is told. */
        bide_let one = bide_async(insert, db, 1);
        bide_let two = bide_async(insert, db, 2);
        CHECK_EQ(bide_join(&one, &two), 0);
        CHECK_EQ(one.value, -EBUSY);
        CHECK_EQ(two.value, -EBUSY);
        /* Waiting for the lock ends with the deadline. */
        bide_let late = bide_async(insert, db, 3);
        CHECK_EQ(bide_within(5 * BIDE_MS, &late), -ETIMEDOUT);
        CHECK_EQ(late.value, -ETIMEDOUT);
        atomic_store(&holding, false);
    }
    CHECK_EQ(insert(db, 1), 0);
    bide_sqlite_close(other);
}

static void checkpoints(struct bide_sqlite *db)
{
    char wal[160];
    off_t largest = 0;

    snprintf(wal, sizeof(wal), "%s-wal", path);
    CHECK_EQ(run_sql(db, "CREATE TABLE t(b)"), 0);
    for (int i = 0; i < 60; i++) {
        struct stat st;
        CHECK_EQ(run_sql(db, "INSERT INTO t VALUES(zeroblob(400000))"), 0); /* 100 pages */
        CHECK_EQ(stat(wal, &st), 0);
        largest = st.st_size > largest ? st.st_size : largest;
    }
    CHECK(largest < 12 << 20); /* of 24 MB that were written */
    CHECK_EQ(ask(db, "SELECT sum(length(b)) FROM t"), 60 * 400000);
}

TEST(many_share_a_transaction)
{
    in_fiber(share, NULL);
}

TEST(one_fails_by_a_constraint)
{
    in_fiber(fail_by_constraint, NULL);
}

TEST(one_fails_by_its_own_choice)
{
    in_fiber(fail_by_choice, NULL);
}

TEST(one_rolls_all_back)
{
    in_fiber(fail_with_rollback, NULL);
}

TEST(one_fails_at_the_commit)
{
    in_fiber(fail_at_commit, NULL);
}

TEST(full)
{
    everywhere(fill_up);
}

TEST(locked)
{
    in_fiber(meet_a_lock, &(struct bide_sqlite_options){ .busy = 20 * BIDE_MS });
}

TEST(wal_stays_small)
{
    in_fiber(checkpoints, &(struct bide_sqlite_options){ .lazy_sync = 1 });
}

TEST_MAIN()
