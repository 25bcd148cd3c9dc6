/*
 * bide/sqlite.h - SQLite without blocking the worker (library bide-sqlite).
 *
 *     struct bide_sqlite *db;
 *     int r = bide_sqlite_open("users.db", NULL, &db);
 *
 *     struct bide_sqlite_rows rows;
 *     r = bide_sqlite_query(db, &rows, "SELECT id, name FROM users WHERE id > ?", after);
 *     while (r >= 0 && bide_sqlite_next(&rows))
 *         puts(bide_sqlite_row_text(&rows, 1));
 *     bide_sqlite_release(&rows);
 *
 *     r = bide_sqlite_exec(db, NULL, "UPDATE users SET name = ? WHERE id = ?", "Ada", id);
 *
 * Where statements run. A read runs in place, on the worker, as long as it is short and needs
 * nothing from the disk; one that turns out not to be is abandoned and run again on a reader
 * thread of the database's, and the same statement then goes there at once for a while. Handing a
 * statement to another thread costs more than most statements do. Writes run on the one writer
 * thread, those that come while a transaction commits together in the next: each is answered after
 * its own commit, and one that fails leaves the others alone.
 * docs/decisions/0010-sqlite-where-queries-run.md has the figures.
 *
 * Hence a function given to bide_sqlite_read or bide_sqlite_write may be called more than once
 * (its earlier attempt undone), on another thread, and must begin from its arguments each time.
 *
 * The database is in WAL mode. No other process may write or checkpoint it meanwhile: SQLite up to
 * 3.51.2 can corrupt a WAL when two connections do so at once. Reading it is safe.
 *
 * Errors, from all functions, and bide_sqlite_message() tells more:
 *   -EBUSY        another process holds a lock, for longer than options.busy
 *   -ENOSPC       the disk, the quota or the database's own limit (max_page_count) is full
 *   -EBADMSG      the file is corrupt
 *   -EMEDIUMTYPE  the file is not an SQLite database
 *   -EEXIST       a UNIQUE or PRIMARY KEY constraint
 *   -ENOKEY       a FOREIGN KEY constraint: it refers to a row that does not exist
 *   -EDOM         a NOT NULL, CHECK or other constraint, or a value of the wrong type
 *   -EROFS        the file, its directory or the connection can only be read
 *   -ENOENT, -EACCES, -EISDIR, -EMFILE ...  the file cannot be opened
 *   -EFBIG        a value, row or result is too large
 *   -EIO          the disk
 *   -EINVAL       the SQL, or the number or type of its arguments, is wrong
 *   -EPERM        a statement that is the library's own: BEGIN, COMMIT, SAVEPOINT, ATTACH, and
 *                 PRAGMAs of the journal
 *   -ENOMEM, -EAGAIN (no thread)
 *   -ECANCELED, -ETIMEDOUT (an inherited deadline)
 *
 * Cancel  a statement that runs is interrupted; a read had no effect, a write either did not happen
 *         at all (-ECANCELED, -ETIMEDOUT) or was committed (then its result is returned).
 * Context fiber, or a plain thread (then it blocks). Any number of them may share a database, on
 *         any number of workers; each worker keeps a connection of its own for reads in place.
 */
#ifndef BIDE_SQLITE_H
#define BIDE_SQLITE_H

#include <bide/base.h>

struct bide_sqlite;      /* a database: its connections, threads and kept statements */
struct bide_sqlite_tx;   /* a transaction under way: valid within the function it was given to */
struct bide_sqlite_stmt; /* a statement under way in it */

/* Zero everywhere is a sensible default. */
struct bide_sqlite_options {
    unsigned readers;        /* most reader threads for reads that are not short; 0: 4 */
    unsigned statements;     /* kept prepared by each connection; 0: 64 */
    bide_time in_place;      /* longest that a read may keep the worker; 0: 250 us; below 0: no
                                read runs in place */
    bide_time busy;          /* how long a lock of another process is waited for; 0: 2 s; below 0:
                                not at all */
    size_t result_max;       /* bytes of a bide_sqlite_rows; 0: 64 MiB */
    unsigned must_exist : 1; /* -ENOENT rather than making an empty database */
    unsigned lazy_sync : 1;  /* synchronous=NORMAL: a power failure (not a crash of the
                                process) may undo the last commits. Without it: FULL */
};

/*
 * bide_sqlite_open - open the database file at path, or make it.
 *
 * @path     of a file on a local disk (":memory:" and the like are -EINVAL)
 * @options  may be NULL
 * @ret_db   owned by the caller: end it with bide_sqlite_close
 *
 * Reads the file's head, and recovers its WAL after a crash. May block for the time of that.
 */
BIDE_API int bide_sqlite_open(const char *path, const struct bide_sqlite_options *options,
                              struct bide_sqlite **ret_db);

/*
 * bide_sqlite_close - checkpoint, and free everything. db may be NULL.
 * Nothing may be under way on db. Blocks for the time of the checkpoint.
 */
BIDE_API void bide_sqlite_close(struct bide_sqlite *db);

/*
 * bide_sqlite_message - what the last failed call of this library in this thread had to say.
 * "" before the first one. Valid until the next call, or until the caller suspends.
 */
BIDE_API const char *bide_sqlite_message(void);

/* ---- values -------------------------------------------------------------------------------- */

enum bide_sqlite_kind {
    BIDE_SQLITE_NULL,
    BIDE_SQLITE_INT,
    BIDE_SQLITE_REAL,
    BIDE_SQLITE_TEXT,
    BIDE_SQLITE_BLOB,
};

/* An argument of a statement. Text and blobs are borrowed for the call. */
struct bide_sqlite_value {
    uint8_t kind; /* enum bide_sqlite_kind */
    size_t size;  /* of a text or blob, bytes */
    union {
        int64_t integer;
        double real;
        const void *data;
    };
};

/* What the query macros make of an argument: integers, floating point, strings (NULL: SQL's
 * NULL), or a struct bide_sqlite_value of your own making. */
#define BIDE_SQLITE_VALUE(x)                       \
    _Generic((x),                                  \
        float: bide_sqlite_real,                   \
        double: bide_sqlite_real,                  \
        char *: bide_sqlite_text,                  \
        const char *: bide_sqlite_text,            \
        struct bide_sqlite_value: bide_sqlite_own, \
        default: bide_sqlite_int)(x)

static inline struct bide_sqlite_value bide_sqlite_int(int64_t integer)
{
    return (struct bide_sqlite_value){ .kind = BIDE_SQLITE_INT, .integer = integer };
}

static inline struct bide_sqlite_value bide_sqlite_real(double real)
{
    return (struct bide_sqlite_value){ .kind = BIDE_SQLITE_REAL, .real = real };
}

/* UTF-8, not necessarily terminated. */
static inline struct bide_sqlite_value bide_sqlite_text_n(const char *text, size_t size)
{
    return (struct bide_sqlite_value){
        .kind = text ? BIDE_SQLITE_TEXT : BIDE_SQLITE_NULL, .size = size, .data = text
    };
}

static inline struct bide_sqlite_value bide_sqlite_text(const char *text)
{
    return bide_sqlite_text_n(text, text ? __builtin_strlen(text) : 0);
}

static inline struct bide_sqlite_value bide_sqlite_blob(const void *data, size_t size)
{
    return (struct bide_sqlite_value){
        .kind = data ? BIDE_SQLITE_BLOB : BIDE_SQLITE_NULL, .size = size, .data = data
    };
}

static inline struct bide_sqlite_value bide_sqlite_own(struct bide_sqlite_value value)
{
    return value;
}

/* ---- one statement ------------------------------------------------------------------------- */

/* The rows that a query gave, copied out of the database. Move over them with
 * bide_sqlite_next. Fields are the library's, except count. */
struct bide_sqlite_rows {
    size_t count;     /* of rows */
    unsigned columns; /* of each */
    char *data;       /* owned; NULL when there is none */
    size_t size, room;
    size_t at, next; /* offsets in data: the current row's and the next one's */
};

struct bide_sqlite_result {
    int64_t changes; /* rows that the statement inserted, changed or deleted */
    int64_t last_id; /* rowid of the last row that it inserted */
};

/*
 * bide_sqlite_query - run one SELECT, and keep its rows.
 *
 * @rows  written in any case; bide_sqlite_release it when done (after an error it is empty,
 *        and releasing it is allowed)
 * @sql   one statement that only reads (else -EROFS). Kept prepared: use constant texts, with ?
 *        for what varies
 * @...   0 to 8 values for its ?s, in order: see BIDE_SQLITE_VALUE
 *
 * Returns 0 or an error. Needs no release when it gave no row.
 */
#define bide_sqlite_query(db, rows, ...) \
    BIDE__SQLITE_CALL(bide_sqlite_query_v, db, rows, __VA_ARGS__)

/*
 * bide_sqlite_exec - run one statement that writes, in a transaction of its own.
 *
 * @result  may be NULL
 *
 * Returns 0 once it is committed, or an error, and then nothing was changed.
 */
#define bide_sqlite_exec(db, result, ...) \
    BIDE__SQLITE_CALL(bide_sqlite_exec_v, db, result, __VA_ARGS__)

/* The same with an array of n values. */
BIDE_SUSPENDS BIDE_API int bide_sqlite_query_v(struct bide_sqlite *db,
                                               struct bide_sqlite_rows *rows, const char *sql,
                                               const struct bide_sqlite_value *values, size_t n);
BIDE_SUSPENDS BIDE_API int bide_sqlite_exec_v(struct bide_sqlite *db,
                                              struct bide_sqlite_result *result, const char *sql,
                                              const struct bide_sqlite_value *values, size_t n);

/* bide_sqlite_next - go to the first or next row. Returns 1, or 0 after the last one. */
BIDE_API int bide_sqlite_next(struct bide_sqlite_rows *rows);

/* bide_sqlite_release - free the rows. *rows may then be used for another query. */
BIDE_API void bide_sqlite_release(struct bide_sqlite_rows *rows);

/*
 * The current row's columns, from 0. A column that holds another type reads as zero or NULL: no
 * conversion, except of an integer to a real. Text ends in a NUL and, as blobs, is valid until
 * the rows are released; size is without the NUL.
 */
BIDE_API enum bide_sqlite_kind bide_sqlite_row_kind(const struct bide_sqlite_rows *rows,
                                                    unsigned column);
BIDE_API int64_t bide_sqlite_row_int(const struct bide_sqlite_rows *rows, unsigned column);
BIDE_API double bide_sqlite_row_real(const struct bide_sqlite_rows *rows, unsigned column);
BIDE_API const char *bide_sqlite_row_text(const struct bide_sqlite_rows *rows, unsigned column);
BIDE_API const void *bide_sqlite_row_blob(const struct bide_sqlite_rows *rows, unsigned column);
BIDE_API size_t bide_sqlite_row_size(const struct bide_sqlite_rows *rows, unsigned column);

/* ---- several statements in one transaction ------------------------------------------------- */

/*
 * What runs in a transaction. May be called more than once and on another thread; must not suspend,
 * nor use another database function than those below on @tx.
 *
 * Returns 0 or more to keep what it did, or an error (any below 0) to undo it.
 */
typedef int bide_sqlite_call(struct bide_sqlite_tx *tx, void *arg);

/*
 * bide_sqlite_read - call(tx, arg) over one snapshot of the database.
 * bide_sqlite_write - call(tx, arg) in a transaction that may write.
 *
 * Returns what call returned (for write: once it is committed), or an error, and then nothing
 * was changed.
 */
BIDE_SUSPENDS BIDE_API int bide_sqlite_read(struct bide_sqlite *db, bide_sqlite_call *call,
                                            void *arg);
BIDE_SUSPENDS BIDE_API int bide_sqlite_write(struct bide_sqlite *db, bide_sqlite_call *call,
                                             void *arg);

/*
 * bide_sqlite_start - begin a statement.
 *
 * @ret_stmt  valid until bide_sqlite_finish, or the end of the call
 * @sql, ...  as in bide_sqlite_query
 */
#define bide_sqlite_start(tx, ret_stmt, ...) \
    BIDE__SQLITE_CALL(bide_sqlite_start_v, tx, ret_stmt, __VA_ARGS__)
BIDE_API int bide_sqlite_start_v(struct bide_sqlite_tx *tx, struct bide_sqlite_stmt **ret_stmt,
                                 const char *sql, const struct bide_sqlite_value *values,
                                 size_t n);

/* bide_sqlite_step - to its next row. Returns 1; 0 when it is over; or an error. */
BIDE_API int bide_sqlite_step(struct bide_sqlite_stmt *stmt);

/* bide_sqlite_finish - the statement is needed no longer. */
BIDE_API void bide_sqlite_finish(struct bide_sqlite_stmt *stmt);

/* bide_sqlite_do - start, step to the end, finish. @result may be NULL. Returns 0 or an error. */
#define bide_sqlite_do(tx, result, ...) \
    BIDE__SQLITE_CALL(bide_sqlite_do_v, tx, result, __VA_ARGS__)
BIDE_API int bide_sqlite_do_v(struct bide_sqlite_tx *tx, struct bide_sqlite_result *result,
                              const char *sql, const struct bide_sqlite_value *values, size_t n);

/* The columns of the row that step went to, as those of bide_sqlite_rows; texts and blobs are valid
 * until the next step or finish. */
BIDE_API enum bide_sqlite_kind bide_sqlite_column_kind(struct bide_sqlite_stmt *stmt,
                                                       unsigned column);
BIDE_API int64_t bide_sqlite_column_int(struct bide_sqlite_stmt *stmt, unsigned column);
BIDE_API double bide_sqlite_column_real(struct bide_sqlite_stmt *stmt, unsigned column);
BIDE_API const char *bide_sqlite_column_text(struct bide_sqlite_stmt *stmt, unsigned column);
BIDE_API const void *bide_sqlite_column_blob(struct bide_sqlite_stmt *stmt, unsigned column);
BIDE_API size_t bide_sqlite_column_size(struct bide_sqlite_stmt *stmt, unsigned column);

/* ---- counters ------------------------------------------------------------------------------ */

/* Since db was opened. */
struct bide_sqlite_stats {
    uint64_t in_place;     /* reads that ran on the worker */
    uint64_t too_long;     /* of them, how many were abandoned: longer than options.in_place */
    uint64_t not_cached;   /* and how many because a page had to come from the disk, or of a lock */
    uint64_t on_thread;    /* reads that ran on a reader thread */
    uint64_t writes;       /* that were answered */
    uint64_t transactions; /* that they took */
    unsigned threads;      /* now */
};

BIDE_API void bide_sqlite_get_stats(struct bide_sqlite *db, struct bide_sqlite_stats *ret_stats);

/* ---- internal ------------------------------------------------------------------------------ */

/* call(a, b, sql, (struct bide_sqlite_value[]){ ... }, n) */
#define BIDE__SQLITE_CALL(call, a, b, ...) \
    BIDE__SQLITE_CALL_(BIDE__SQLITE_COUNT(__VA_ARGS__), call, a, b, __VA_ARGS__)
#define BIDE__SQLITE_CALL_(n, call, a, b, ...) BIDE__SQLITE_CALL__(n, call, a, b, __VA_ARGS__)
#define BIDE__SQLITE_CALL__(n, call, a, b, ...) BIDE__SQLITE_CALL##n(call, a, b, __VA_ARGS__)
#define BIDE__SQLITE_COUNT(...) BIDE__SQLITE_COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BIDE__SQLITE_COUNT_(sql, a, b, c, d, e, f, g, h, n, ...) n

#define BIDE__SQLITE_CALL0(call, x, y, sql) call(x, y, sql, NULL, 0)
#define BIDE__SQLITE_CALL1(call, x, y, sql, a) BIDE__SQLITE_ARRAY(call, x, y, sql, 1, BIDE__V1(a))
#define BIDE__SQLITE_CALL2(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 2, BIDE__V2(__VA_ARGS__))
#define BIDE__SQLITE_CALL3(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 3, BIDE__V3(__VA_ARGS__))
#define BIDE__SQLITE_CALL4(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 4, BIDE__V4(__VA_ARGS__))
#define BIDE__SQLITE_CALL5(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 5, BIDE__V5(__VA_ARGS__))
#define BIDE__SQLITE_CALL6(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 6, BIDE__V6(__VA_ARGS__))
#define BIDE__SQLITE_CALL7(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 7, BIDE__V7(__VA_ARGS__))
#define BIDE__SQLITE_CALL8(call, x, y, sql, ...) \
    BIDE__SQLITE_ARRAY(call, x, y, sql, 8, BIDE__V8(__VA_ARGS__))
#define BIDE__SQLITE_ARRAY(call, x, y, sql, n, ...) \
    call(x, y, sql, (const struct bide_sqlite_value[]){ __VA_ARGS__ }, n)

#define BIDE__V1(a) BIDE_SQLITE_VALUE(a)
#define BIDE__V2(a, b) BIDE__V1(a), BIDE_SQLITE_VALUE(b)
#define BIDE__V3(a, b, c) BIDE__V2(a, b), BIDE_SQLITE_VALUE(c)
#define BIDE__V4(a, b, c, d) BIDE__V3(a, b, c), BIDE_SQLITE_VALUE(d)
#define BIDE__V5(a, b, c, d, e) BIDE__V4(a, b, c, d), BIDE_SQLITE_VALUE(e)
#define BIDE__V6(a, b, c, d, e, f) BIDE__V5(a, b, c, d, e), BIDE_SQLITE_VALUE(f)
#define BIDE__V7(a, b, c, d, e, f, g) BIDE__V6(a, b, c, d, e, f), BIDE_SQLITE_VALUE(g)
#define BIDE__V8(a, b, c, d, e, f, g, h) BIDE__V7(a, b, c, d, e, f, g), BIDE_SQLITE_VALUE(h)

#endif
