/* One database, used from several workers at once, and from a plain thread beside them. */
#include "sqlite_test.h"

#include <pthread.h>

enum { WORKERS = 2, ACCOUNTS = 8, TASKS = 12, ROUNDS = 60, FUNDS = 1000 };

static const struct bide_config two = { .workers = WORKERS };

static atomic_uint seen; /* bits: workers that have read */
static atomic_int wrong;

/* ---- money is moved, and never made -------------------------------------------------------- */

struct transfer {
    int64_t from, to;
};

static int move(struct bide_sqlite_tx *tx, void *arg)
{
    const struct transfer *t = arg;
    int r = bide_sqlite_do(tx, NULL, "UPDATE accounts SET n = n - 1 WHERE id = ?", t->from);

    if (r == 0)
        r = bide_sqlite_do(tx, NULL, "UPDATE accounts SET n = n + 1 WHERE id = ?", t->to);
    return r;
}

/* In one snapshot, by two statements. */
static int add_up(struct bide_sqlite_tx *tx, void *arg)
{
    static const char *const halves[] = { "SELECT n FROM accounts WHERE id % 2 = 0",
                                          "SELECT n FROM accounts WHERE id % 2 = 1" };
    struct bide_sqlite_stmt *stmt;
    int64_t *sum = arg;
    int r = 0;

    *sum = 0;
    for (int i = 0; r >= 0 && i < 2; i++) {
        r = bide_sqlite_start(tx, &stmt, halves[i]);
        while (r >= 0 && (r = bide_sqlite_step(stmt)) > 0)
            *sum += bide_sqlite_column_int(stmt, 0);
        if (r >= 0)
            bide_sqlite_finish(stmt);
    }
    return r;
}

static int use(struct bide_sqlite *db, int task)
{
    int64_t sum;
    int r = 0;

    for (int i = 0; r == 0 && i < ROUNDS; i++) {
        struct transfer t = { (task + i) % ACCOUNTS, (task + 2 * i + 1) % ACCOUNTS };
        atomic_fetch_or(&seen, 1u << bide_worker_index());
        if (i % 10 == 9)
            r = bide_sqlite_write(db, move, &t);
        if (r == 0)
            r = bide_sqlite_read(db, add_up, &sum);
        if (r == 0 && sum != ACCOUNTS * FUNDS)
            atomic_fetch_add(&wrong, 1);
        if (r == 0 && ask(db, "SELECT count(*) FROM accounts") != ACCOUNTS)
            atomic_fetch_add(&wrong, 1);
    }
    return r;
}
BIDE_ASYNC(int, use, struct bide_sqlite *, int)

static int use_from_all(struct bide_sqlite *db)
{
    int r = 0;

    while (r == 0 && atomic_load(&seen) != (1u << WORKERS) - 1) {
        BIDE_SCOPE(s) {
            for (int i = 0; i < TASKS; i++)
                bide_spawn_spread(&s, bide_async(use, db, i));
            r = bide_scope_wait(&s);
        }
    }
    return r;
}
BIDE_ASYNC(int, use_from_all, struct bide_sqlite *)

static struct bide_sqlite *open_accounts(const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = open_with(options);
    int r = run_sql(db, "CREATE TABLE accounts(id INTEGER PRIMARY KEY, n INTEGER)");

    for (int i = 0; r == 0 && i < ACCOUNTS; i++)
        r = bide_sqlite_exec(db, NULL, "INSERT INTO accounts VALUES(?, ?)", i, FUNDS);
    CHECK_OR(r == 0, db);
    atomic_store(&seen, 0);
    atomic_store(&wrong, 0);
    return db;
}

static void *use_plainly(void *arg)
{
    return (void *)(intptr_t)use(arg, 0);
}

static void share(const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = open_accounts(options);
    struct bide_sqlite_stats stats;
    pthread_t thread;
    void *result;

    CHECK_EQ(pthread_create(&thread, NULL, use_plainly, db), 0);
    int r = bide_run_with(&two, bide_async(use_from_all, db));
    pthread_join(thread, &result);
    CHECK_EQ(r, 0);
    CHECK_EQ((intptr_t)result, 0);
    CHECK_EQ(atomic_load(&wrong), 0);
    bide_sqlite_get_stats(db, &stats);
    CHECK(stats.in_place + stats.on_thread >= 2 * ROUNDS * TASKS);
    close_and_clean(db);
}

TEST(all_workers_share_a_database)
{
    share(NULL);
    share(&(struct bide_sqlite_options){ .in_place = -1, .readers = 2 });
    share(&(struct bide_sqlite_options){ .statements = 1 });
}

/* ---- cancelled from another worker ---------------------------------------------------------- */

static int read_for_long(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(db, &rows,
                              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                              "SELECT count(*) FROM n");
    bide_sqlite_release(&rows);
    return r;
}
BIDE_ASYNC(int, read_for_long, struct bide_sqlite *)

static int write_often(struct bide_sqlite *db)
{
    struct transfer t = { 1, 2 };
    int r = 0;

    while (r == 0)
        r = bide_sqlite_write(db, move, &t);
    return r;
}
BIDE_ASYNC(int, write_often, struct bide_sqlite *)

static int cancel_all(struct bide_sqlite *db)
{
    int r = 0;

    BIDE_SCOPE(s) {
        for (int i = 0; i < 6; i++) {
            bide_spawn_spread(&s, bide_async(read_for_long, db));
            bide_spawn_spread(&s, bide_async(write_often, db));
        }
        bide_sleep(3 * BIDE_MS);
        bide_scope_cancel(&s);
        r = bide_scope_wait(&s);
    }
    return r;
}
BIDE_ASYNC(int, cancel_all, struct bide_sqlite *)

TEST(a_cancellation_reaches_all_workers)
{
    struct bide_sqlite *db = open_accounts(NULL);

    for (int i = 0; i < 20; i++)
        CHECK_EQ(bide_run_with(&two, bide_async(cancel_all, db)), -ECANCELED);
    CHECK_EQ(ask(db, "SELECT sum(n) FROM accounts"), ACCOUNTS * FUNDS);
    close_and_clean(db);
}

TEST_MAIN()
