/* Statements, values, rows and errors of libbide-sqlite, in a plain thread, in place in a fiber,
 * and on the database's threads. */
#include "sqlite_test.h"

#include <fcntl.h>
#include <sys/stat.h>

static void keeps_values(struct bide_sqlite *db)
{
    static const char blob[] = { 1, 0, 2 };
    struct bide_sqlite_result result;
    struct bide_sqlite_rows rows;

    CHECK_EQ(run_sql(db, "CREATE TABLE t(i, r, s, b, n)"), 0);
    CHECK_EQ(bide_sqlite_exec(db, &result, "INSERT INTO t VALUES(?, ?, ?, ?, ?)", INT64_MIN, 1.5,
                              "h\xc3\xa9", bide_sqlite_blob(blob, sizeof(blob)), (char *)NULL),
             0);
    CHECK_EQ(result.changes, 1);
    CHECK_EQ(result.last_id, 1);
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT i, r, s, b, n FROM t"), 0);
    CHECK_EQ(rows.count, 1);
    CHECK_EQ(rows.columns, 5);
    CHECK_EQ(bide_sqlite_next(&rows), 1);
    CHECK_EQ(bide_sqlite_row_kind(&rows, 0), BIDE_SQLITE_INT);
    CHECK_EQ(bide_sqlite_row_int(&rows, 0), INT64_MIN);
    CHECK(bide_sqlite_row_real(&rows, 1) == 1.5);
    CHECK_STR(bide_sqlite_row_text(&rows, 2), "h\xc3\xa9");
    CHECK_EQ(bide_sqlite_row_size(&rows, 2), 3);
    CHECK_EQ(bide_sqlite_row_size(&rows, 3), 3);
    CHECK(!memcmp(bide_sqlite_row_blob(&rows, 3), blob, 3));
    CHECK_EQ(bide_sqlite_row_kind(&rows, 4), BIDE_SQLITE_NULL);
    CHECK_STR(bide_sqlite_row_text(&rows, 4), NULL);
    CHECK_EQ(bide_sqlite_row_int(&rows, 99), 0); /* no such column */
    CHECK_STR(bide_sqlite_row_text(&rows, 0), NULL); /* no conversion */
    CHECK_EQ(bide_sqlite_next(&rows), 0);
    CHECK_EQ(bide_sqlite_next(&rows), 0);
    bide_sqlite_release(&rows);
    bide_sqlite_release(&rows);
}

static void keeps_empty_values(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;

    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT ?, ?, ?", "", bide_sqlite_blob("", 0), 0), 0);
    CHECK_EQ(bide_sqlite_next(&rows), 1);
    CHECK_STR(bide_sqlite_row_text(&rows, 0), "");
    CHECK_EQ(bide_sqlite_row_kind(&rows, 1), BIDE_SQLITE_BLOB);
    CHECK_EQ(bide_sqlite_row_size(&rows, 1), 0);
    CHECK_EQ(bide_sqlite_row_kind(&rows, 2), BIDE_SQLITE_INT);
    bide_sqlite_release(&rows);
}

static void gives_many_rows(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;
    int64_t n = 0;

    CHECK_EQ(bide_sqlite_query(db, &rows,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < ?) SELECT i, printf('%*c', i % 50, 'x') FROM n",
                               20000),
             0);
    CHECK_EQ(rows.count, 20000);
    while (bide_sqlite_next(&rows)) {
        n++;
        CHECK_EQ(bide_sqlite_row_int(&rows, 0), n);
        CHECK_EQ(strlen(bide_sqlite_row_text(&rows, 1)), n % 50 ? n % 50 : 1);
    }
    CHECK_EQ(n, 20000);
    bide_sqlite_release(&rows);
}

static void gives_no_rows(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;

    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT 1 WHERE 0"), 0);
    CHECK_EQ(rows.count, 0);
    CHECK(!rows.data);
    CHECK_EQ(bide_sqlite_next(&rows), 0);
}

static void refuses_wrong_statements(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;

    CHECK_EQ(run_sql(db, "CREATE TABLE t(a)"), 0);
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELEKT 1"), -EINVAL);
    CHECK(strstr(bide_sqlite_message(), "SELEKT"));
    CHECK(!rows.data);
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT * FROM nowhere"), -EINVAL);
    CHECK(strstr(bide_sqlite_message(), "no such table"));
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT ?, ?", 1), -EINVAL);
    CHECK(strstr(bide_sqlite_message(), "1 arguments"));
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT 1; SELECT 2"), -EINVAL);
    CHECK_EQ(bide_sqlite_query(db, &rows, "  -- nothing"), -EINVAL);
    CHECK_EQ(bide_sqlite_query(db, &rows, "INSERT INTO t VALUES(1)"), -EROFS);
    CHECK_EQ(bide_sqlite_query(db, &rows, "PRAGMA query_only=0"), -EPERM);
    CHECK_EQ(bide_sqlite_query(db, &rows, "PRAGMA wal_checkpoint(TRUNCATE)"), -EPERM);
    CHECK_EQ(run_sql(db, "BEGIN"), -EPERM);
    CHECK_EQ(run_sql(db, "COMMIT"), -EPERM);
    CHECK_EQ(run_sql(db, "SAVEPOINT a"), -EPERM);
    CHECK_EQ(run_sql(db, "ATTACH ':memory:' AS other"), -EPERM);
    CHECK_EQ(ask(db, "SELECT count(*) FROM t"), 0);
}

static void names_constraints(struct bide_sqlite *db)
{
    CHECK_EQ(run_sql(db, "CREATE TABLE u(id INTEGER PRIMARY KEY, e TEXT UNIQUE, "
                         "c CHECK(c < 9)) STRICT"),
             -EINVAL); /* strict: a column without a type */
    CHECK_EQ(run_sql(db, "CREATE TABLE u(id INTEGER PRIMARY KEY, e TEXT NOT NULL UNIQUE, "
                         "c INTEGER CHECK(c < 9)) STRICT"),
             0);
    CHECK_EQ(run_sql(db, "CREATE TABLE p(u INTEGER REFERENCES u(id))"), 0);
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(1, 'a', 1)"), 0);
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(1, 'b', 1)"), -EEXIST);
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(2, 'a', 1)"), -EEXIST);
    CHECK(strstr(bide_sqlite_message(), "UNIQUE"));
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(2, NULL, 1)"), -EDOM);
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(2, 'b', 9)"), -EDOM);
    CHECK_EQ(run_sql(db, "INSERT INTO u VALUES(2, 'b', 'x')"), -EDOM);
    CHECK_EQ(run_sql(db, "INSERT INTO p VALUES(7)"), -ENOKEY);
    CHECK_EQ(ask(db, "SELECT count(*) FROM u"), 1);
}

static void keeps_statements(struct bide_sqlite *db)
{
    char copy[] = "SELECT 40 + ?";

    for (int i = 0; i < 300; i++) { /* more than are kept */
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        CHECK_EQ(ask(db, sql), i); /* the same address, another text, each time */
    }
    for (int i = 0; i < 3; i++) {
        struct bide_sqlite_rows rows;
        CHECK_EQ(bide_sqlite_query(db, &rows, i % 2 ? copy : "SELECT 40 + ?", i), 0);
        CHECK_EQ(bide_sqlite_next(&rows), 1);
        CHECK_EQ(bide_sqlite_row_int(&rows, 0), 40 + i);
        bide_sqlite_release(&rows);
    }
}

static int read_twice(struct bide_sqlite_tx *tx, void *arg)
{
    struct bide_sqlite_stmt *outer, *inner;
    int64_t *sum = arg;
    int r = bide_sqlite_start(tx, &outer, "SELECT column1 FROM (VALUES(1), (2), (?))", 3);

    *sum = 0;
    while (r >= 0 && (r = bide_sqlite_step(outer)) > 0) {
        /* The same text while it is in use: a second statement. */
        r = bide_sqlite_start(tx, &inner, "SELECT column1 FROM (VALUES(1), (2), (?))", 10);
        while (r >= 0 && (r = bide_sqlite_step(inner)) > 0)
            *sum += bide_sqlite_column_int(outer, 0) * bide_sqlite_column_int(inner, 0);
        if (r == 0)
            bide_sqlite_finish(inner);
    }
    return r < 0 ? r : 42; /* outer is finished with the call */
}

static void reads_in_one_snapshot(struct bide_sqlite *db)
{
    int64_t sum;

    CHECK_EQ(bide_sqlite_read(db, read_twice, &sum), 42);
    CHECK_EQ(sum, 6 * 13);
    CHECK_EQ(bide_sqlite_read(db, read_twice, &sum), 42);
    CHECK_EQ(sum, 6 * 13);
}

static int move_money(struct bide_sqlite_tx *tx, void *arg)
{
    int *fail = arg;
    struct bide_sqlite_result result;
    int r = bide_sqlite_do(tx, &result, "UPDATE a SET n = n - ? WHERE id = ?", 5, 1);

    if (r == 0)
        r = bide_sqlite_do(tx, NULL, "UPDATE a SET n = n + ? WHERE id = ?", 5, 2);
    if (r == 0 && *fail)
        return -EXDEV;
    return r < 0 ? r : (int)result.changes;
}

static void undoes_a_failed_call(struct bide_sqlite *db)
{
    CHECK_EQ(run_sql(db, "CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER)"), 0);
    CHECK_EQ(run_sql(db, "INSERT INTO a VALUES(1, 10), (2, 0)"), 0);
    CHECK_EQ(bide_sqlite_write(db, move_money, &(int){ 1 }), -EXDEV);
    CHECK_EQ(ask(db, "SELECT n FROM a WHERE id = 1"), 10);
    CHECK_EQ(bide_sqlite_write(db, move_money, &(int){ 0 }), 1);
    CHECK_EQ(ask(db, "SELECT n FROM a WHERE id = 1"), 5);
    CHECK_EQ(ask(db, "SELECT n FROM a WHERE id = 2"), 5);
}

static void bounds_results(struct bide_sqlite *db)
{
    struct bide_sqlite_rows rows;

    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT zeroblob(?)", 20000), -EFBIG);
    CHECK(!rows.data);
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT zeroblob(?)", 5000), 0);
    bide_sqlite_release(&rows);
}

TEST(values)
{
    everywhere(keeps_values);
}

TEST(empty_values)
{
    everywhere(keeps_empty_values);
}

TEST(many_rows)
{
    everywhere(gives_many_rows);
}

TEST(no_rows)
{
    everywhere(gives_no_rows);
}

TEST(wrong_statements)
{
    everywhere(refuses_wrong_statements);
}

TEST(constraints)
{
    everywhere(names_constraints);
}

TEST(kept_statements)
{
    everywhere(keeps_statements);
}

TEST(snapshot)
{
    everywhere(reads_in_one_snapshot);
}

TEST(transaction)
{
    everywhere(undoes_a_failed_call);
}

TEST(result_max)
{
    in_thread(bounds_results, &(struct bide_sqlite_options){ .result_max = 10000 });
    in_fiber(bounds_results, &(struct bide_sqlite_options){ .result_max = 10000 });
}

/* ---- files that are none ------------------------------------------------------------------- */

static int try_open(const char *file, const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = NULL;
    int r = bide_sqlite_open(file, options, &db);

    bide_sqlite_close(db);
    return r;
}

static void write_file(const void *data, size_t size, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    if (fd < 0 || pwrite(fd, data, size, at) != (ssize_t)size)
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    close(fd);
}

TEST(unusable_files)
{
    char text[8192];

    set_up();
    CHECK_EQ(try_open("", NULL), -EINVAL);
    CHECK_EQ(try_open(":memory:", NULL), -EINVAL);
    CHECK_EQ(try_open(directory, NULL), -EISDIR);
    CHECK_EQ(try_open("/dev/null", NULL), -EINVAL);
    CHECK_EQ(try_open(path, &(struct bide_sqlite_options){ .must_exist = 1 }), -ENOENT);
    CHECK_EQ(try_open("/nowhere/at/all.db", NULL), -ENOENT);

    memset(text, 'x', sizeof(text));
    write_file(text, sizeof(text), 0);
    CHECK_EQ(try_open(path, NULL), -EMEDIUMTYPE);
    CHECK(strstr(bide_sqlite_message(), "not a database"));
    unlink(path);

    struct bide_sqlite *db;
    CHECK_EQ(bide_sqlite_open(path, NULL, &db), 0);
    CHECK_EQ(run_sql(db, "CREATE TABLE t(a)"), 0);
    bide_sqlite_close(db);
    write_file(text, 100, 100); /* the head of the first page, after the file's own */
    CHECK_EQ(try_open(path, NULL), -EBADMSG);
    clean_up();
}

TEST(corrupt_page)
{
    char rubbish[4096];
    struct bide_sqlite *db = open_with(NULL);

    CHECK_EQ(run_sql(db, "CREATE TABLE t(a)"), 0);
    CHECK_EQ(run_sql(db, "INSERT INTO t VALUES(1)"), 0);
    bide_sqlite_close(db);
    memset(rubbish, 0x5a, sizeof(rubbish));
    write_file(rubbish, sizeof(rubbish), 4096); /* the table's only page */
    CHECK_EQ(bide_sqlite_open(path, NULL, &db), 0);
    struct bide_sqlite_rows rows;
    CHECK_EQ(bide_sqlite_query(db, &rows, "SELECT a FROM t"), -EBADMSG);
    CHECK(strstr(bide_sqlite_message(), "malformed"));
    close_and_clean(db);
}

/* As somebody who may not do everything, also where the test is run by root. */
TEST(forbidden_files)
{
    uid_t self = geteuid();
    struct bide_sqlite *db = open_with(NULL);
    bide_sqlite_close(db);
    chmod(directory, 0777);
    chmod(path, 0444);
    int none = 0, read = 0, home = 0;
    if (self != 0 || seteuid(65534) == 0) {
        read = try_open(path, NULL);
        if (self == 0)
            CHECK_EQ(seteuid(self), 0);
        chmod(path, 0);
        if (self == 0)
            CHECK_EQ(seteuid(65534), 0);
        none = try_open(path, NULL);
        home = try_open("/bide-test.db", NULL);
        if (self == 0)
            CHECK_EQ(seteuid(self), 0);
    }
    clean_up();
    CHECK_EQ(read, -EROFS);
    CHECK_EQ(none, -EACCES);
    CHECK(home == -EACCES || home == -EROFS);
}

TEST_MAIN()
