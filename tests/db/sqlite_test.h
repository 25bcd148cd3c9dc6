/* sqlite_test.h - a database in a directory of its own, for each test of libbide-sqlite. */
#ifndef SQLITE_TEST_H
#define SQLITE_TEST_H

#include "../test.h"

#include <bide/bide.h>
#include <bide/sqlite.h>

static char directory[64];
static char path[128];

static inline void clean_up(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        char name[160];
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
    rmdir(directory);
}

/* A new path in a new directory. */
static inline void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/bide-sqlite-XXXXXX");
    if (!mkdtemp(directory))
        test_fail(__FILE__, __LINE__, "mkdtemp: %s", strerror(errno));
    snprintf(path, sizeof(path), "%s/test.db", directory);
}

static inline struct bide_sqlite *open_with(const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = NULL;

    set_up();
    int r = bide_sqlite_open(path, options, &db);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "open: %d %s", r, bide_sqlite_message());
    return db;
}

static inline void close_and_clean(struct bide_sqlite *db)
{
    bide_sqlite_close(db);
    clean_up();
}

/* The one integer that a query gives; -1 when it gives none. */
static inline int64_t ask(struct bide_sqlite *db, const char *sql)
{
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(db, &rows, sql);
    int64_t value = r == 0 && bide_sqlite_next(&rows) ? bide_sqlite_row_int(&rows, 0) : -1;

    bide_sqlite_release(&rows);
    return value;
}

static inline int run_sql(struct bide_sqlite *db, const char *sql)
{
    return bide_sqlite_exec(db, NULL, sql);
}

/* How a test's body is run: in a plain thread, and in a fiber. */
typedef void test_body(struct bide_sqlite *db);
static inline void test_body_call(test_body *body, struct bide_sqlite *db)
{
    body(db);
}
BIDE_ASYNC_VOID(test_body_call, test_body *, struct bide_sqlite *)

static inline void in_thread(test_body *body, const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = open_with(options);

    if (db)
        body(db);
    close_and_clean(db);
}

static inline void in_fiber(test_body *body, const struct bide_sqlite_options *options)
{
    struct bide_sqlite *db = open_with(options);

    if (db) {
        bide_let f = bide_async(test_body_call, body, db);
        bide_run(&f);
        if (bide_error(&f))
            test_fail(__FILE__, __LINE__, "bide_run: %d", bide_error(&f));
    }
    close_and_clean(db);
}

static inline void everywhere(test_body *body)
{
    in_thread(body, NULL);
    in_fiber(body, NULL);
    in_fiber(body, &(struct bide_sqlite_options){ .in_place = -1 });
}

#endif
