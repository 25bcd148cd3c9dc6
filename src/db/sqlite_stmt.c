/*
 * db/sqlite_stmt.c - statements: kept prepared, given arguments, stepped through; and the
 * transaction that they run in.
 *
 * A connection keeps its statements in order of use, and finds one by the address of its text at
 * first (the text is compared all the same: another may have come to stand there), then by
 * the text itself. The one that was not used for longest makes room.
 */
#include "db/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- kept statements ----------------------------------------------------------------------- */

static struct bide_sqlite_stmt **hint_of(struct bide__sqlite_conn *conn, const char *sql)
{
    uintptr_t address = (uintptr_t)sql;
    return &conn->hints[(address ^ address >> 6) % BIDE__SQLITE_HINTS];
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static void discard(struct bide_sqlite_stmt *stmt)
{
    struct bide__sqlite_conn *conn = stmt->conn;

    if (stmt->is_kept) {
        bide__list_remove(&stmt->kept);
        conn->kept_count--;
        if (*hint_of(conn, stmt->hint) == stmt)
            *hint_of(conn, stmt->hint) = NULL;
    }
    sqlite3_finalize(stmt->handle);
    free(stmt);
}

void bide__sqlite_forget(struct bide__sqlite_conn *conn)
{
    struct bide__list *link;

    while ((link = conn->kept.next) != &conn->kept)
        discard(bide__container(link, struct bide_sqlite_stmt, kept));
}

static void make_room(struct bide__sqlite_conn *conn)
{
    struct bide__list *link = conn->kept.prev;

    while (conn->kept_count > conn->db->options.statements && link != &conn->kept) {
        struct bide_sqlite_stmt *stmt = bide__container(link, struct bide_sqlite_stmt, kept);
        link = link->prev;
        if (!stmt->in_use)
            discard(stmt);
    }
}

/* The kept statement with this text; NULL when there is none, or it is in use. */
static struct bide_sqlite_stmt *find(struct bide__sqlite_conn *conn, const char *sql,
                                     uint32_t hash)
{
    for (struct bide__list *link = conn->kept.next; link != &conn->kept; link = link->next) {
        struct bide_sqlite_stmt *stmt = bide__container(link, struct bide_sqlite_stmt, kept);
        if (stmt->hash == hash && !stmt->in_use && stmt->own == conn->own &&
            !strcmp(stmt->sql, sql))
            return stmt;
    }
    return NULL;
}

static bool only_blank(const char *text)
{
    return !text[strspn(text, " \t\r\n;")];
}

/* Compile sql, which must be one statement, and on a reader one that only reads. */
static int compile(struct bide__sqlite_conn *conn, const char *sql, sqlite3_stmt **ret_handle)
{
    const char *rest = "";
    sqlite3_stmt *handle = NULL;
    int code = sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, &rest);

    if (code != SQLITE_OK)
        return bide__sqlite_fail(conn, code);
    if (!handle)
        return bide__sqlite_say(-EINVAL, "no statement in \"%.80s\"", sql);
    if (!only_blank(rest)) {
        sqlite3_finalize(handle);
        return bide__sqlite_say(-EINVAL, "more than one statement in \"%.80s\"", sql);
    }
    if (!conn->writer && !conn->own && !sqlite3_stmt_readonly(handle)) {
        sqlite3_finalize(handle);
        return bide__sqlite_say(-EROFS, "a query may not write: \"%.80s\"", sql);
    }
    *ret_handle = handle;
    return 0;
}

static int prepare(struct bide__sqlite_conn *conn, const char *sql, uint32_t hash,
                   struct bide_sqlite_stmt **ret_stmt)
{
    size_t size = strlen(sql) + 1;
    struct bide_sqlite_stmt *stmt = calloc(1, sizeof(*stmt) + size);

    if (!stmt)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    int r = compile(conn, sql, &stmt->handle);
    if (r < 0) {
        free(stmt);
        return r;
    }
    memcpy(stmt->sql, sql, size);
    stmt->conn = conn;
    stmt->own = conn->own;
    stmt->hash = hash;
    stmt->hint = sql;
    *ret_stmt = stmt;
    return 0;
}

static void keep(struct bide_sqlite_stmt *stmt)
{
    struct bide__sqlite_conn *conn = stmt->conn;

    stmt->is_kept = true;
    bide__list_push_front(&conn->kept, &stmt->kept);
    conn->kept_count++;
    make_room(conn);
}

static int acquire(struct bide__sqlite_conn *conn, const char *sql,
                   struct bide_sqlite_stmt **ret_stmt)
{
    struct bide_sqlite_stmt **hint = hint_of(conn, sql);
    struct bide_sqlite_stmt *stmt = *hint;

    if (stmt && stmt->hint == sql && !stmt->in_use && stmt->own == conn->own &&
        !strcmp(stmt->sql, sql)) {
        bide__list_remove(&stmt->kept);
        bide__list_push_front(&conn->kept, &stmt->kept);
    } else {
        uint32_t hash = hash_text(sql);
        stmt = find(conn, sql, hash);
        if (stmt) {
            bide__list_remove(&stmt->kept);
            bide__list_push_front(&conn->kept, &stmt->kept);
            if (*hint_of(conn, stmt->hint) == stmt)
                *hint_of(conn, stmt->hint) = NULL;
            stmt->hint = sql;
        } else {
            int r = prepare(conn, sql, hash, &stmt);
            if (r < 0)
                return r;
            stmt->in_use = true; /* so that make_room spares it */
            keep(stmt);
        }
        *hint = stmt;
    }
    stmt->in_use = true;
    *ret_stmt = stmt;
    return 0;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static int bind_one(sqlite3_stmt *handle, int index, const struct bide_sqlite_value *value)
{
    switch (value->kind) {
    case BIDE_SQLITE_INT:
        return sqlite3_bind_int64(handle, index, value->integer);
    case BIDE_SQLITE_REAL:
        return sqlite3_bind_double(handle, index, value->real);
    case BIDE_SQLITE_TEXT:
        return sqlite3_bind_text64(handle, index, value->data, value->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case BIDE_SQLITE_BLOB:
        return sqlite3_bind_blob64(handle, index, value->data, value->size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(handle, index);
    }
}

static int bind_all(struct bide_sqlite_stmt *stmt, const struct bide_sqlite_value *values, size_t n)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(stmt->handle);

    if (n != wanted)
        return bide__sqlite_say(-EINVAL, "%zu arguments for the %zu of \"%.80s\"", n, wanted,
                                stmt->sql);
    for (size_t i = 0; i < n; i++) {
        int code = bind_one(stmt->handle, (int)i + 1, &values[i]);
        if (code != SQLITE_OK)
            return bide__sqlite_fail(stmt->conn, code);
    }
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

int bide_sqlite_start_v(struct bide_sqlite_tx *tx, struct bide_sqlite_stmt **ret_stmt,
                        const char *sql, const struct bide_sqlite_value *values, size_t n)
{
    struct bide_sqlite_stmt *stmt;
    int r = acquire(tx->conn, sql, &stmt);

    if (r < 0)
        return r;
    bide__list_push(&tx->open, &stmt->open);
    r = bind_all(stmt, values, n);
    if (r < 0) {
        bide_sqlite_finish(stmt);
        return r;
    }
    *ret_stmt = stmt;
    return 0;
}

int bide_sqlite_step(struct bide_sqlite_stmt *stmt)
{
    int code = sqlite3_step(stmt->handle);

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    return bide__sqlite_fail(stmt->conn, code);
}

void bide_sqlite_finish(struct bide_sqlite_stmt *stmt)
{
    bide__list_remove(&stmt->open);
    stmt->in_use = false;
    sqlite3_reset(stmt->handle);
    if (sqlite3_bind_parameter_count(stmt->handle))
        sqlite3_clear_bindings(stmt->handle); /* they pointed into the caller's memory */
}

int bide_sqlite_do_v(struct bide_sqlite_tx *tx, struct bide_sqlite_result *result, const char *sql,
                     const struct bide_sqlite_value *values, size_t n)
{
    struct bide_sqlite_stmt *stmt;
    int r = bide_sqlite_start_v(tx, &stmt, sql, values, n);

    if (r < 0)
        return r;
    int before = sqlite3_total_changes(tx->conn->handle);
    while ((r = bide_sqlite_step(stmt)) > 0)
        continue;
    bide_sqlite_finish(stmt);
    if (r == 0 && result) {
        result->changes = sqlite3_total_changes(tx->conn->handle) - before;
        result->last_id = sqlite3_last_insert_rowid(tx->conn->handle);
    }
    return r;
}

/* One of the library's own statements, without arguments. */
int bide__sqlite_run(struct bide__sqlite_conn *conn, const char *sql)
{
    struct bide_sqlite_tx tx = { .conn = conn };

    bide__list_init(&tx.open);
    conn->own = true;
    int r = bide_sqlite_do(&tx, NULL, sql);
    conn->own = false;
    return r;
}

/* Undo the transaction, if one is open. bide_sqlite_message stays what it was. */
void bide__sqlite_rollback(struct bide__sqlite_conn *conn)
{
    if (sqlite3_get_autocommit(conn->handle))
        return;
    conn->own = true;
    sqlite3_exec(conn->handle, "ROLLBACK", NULL, NULL, NULL);
    conn->own = false;
}

/* call(tx, arg), and no statement of its in use afterwards. */
int bide__sqlite_invoke(struct bide__sqlite_conn *conn, bide_sqlite_call *call, void *arg)
{
    struct bide_sqlite_tx tx = { .conn = conn };
    struct bide__list *link;

    bide__list_init(&tx.open);
    int r = call(&tx, arg);
    while ((link = tx.open.next) != &tx.open)
        bide_sqlite_finish(bide__container(link, struct bide_sqlite_stmt, open));
    return r;
}

/* The call in a transaction of its own that begin begins (NULL: SQLite's own, of one statement). */
int bide__sqlite_attempt(struct bide__sqlite_conn *conn, const char *begin,
                         bide_sqlite_call *call, void *arg)
{
    int r = begin ? bide__sqlite_run(conn, begin) : 0;
    if (r < 0)
        return r;
    r = bide__sqlite_invoke(conn, call, arg);
    if (!begin)
        return r;
    if (r >= 0) {
        int error = bide__sqlite_run(conn, "COMMIT");
        if (error < 0)
            r = error;
    }
    if (r < 0)
        bide__sqlite_rollback(conn);
    return r;
}

/* ---- columns ------------------------------------------------------------------------------- */

enum bide_sqlite_kind bide_sqlite_column_kind(struct bide_sqlite_stmt *stmt, unsigned column)
{
    switch (sqlite3_column_type(stmt->handle, (int)column)) {
    case SQLITE_INTEGER:
        return BIDE_SQLITE_INT;
    case SQLITE_FLOAT:
        return BIDE_SQLITE_REAL;
    case SQLITE_TEXT:
        return BIDE_SQLITE_TEXT;
    case SQLITE_BLOB:
        return BIDE_SQLITE_BLOB;
    default:
        return BIDE_SQLITE_NULL;
    }
}

int64_t bide_sqlite_column_int(struct bide_sqlite_stmt *stmt, unsigned column)
{
    if (bide_sqlite_column_kind(stmt, column) != BIDE_SQLITE_INT)
        return 0;
    return sqlite3_column_int64(stmt->handle, (int)column);
}

double bide_sqlite_column_real(struct bide_sqlite_stmt *stmt, unsigned column)
{
    enum bide_sqlite_kind kind = bide_sqlite_column_kind(stmt, column);
    if (kind != BIDE_SQLITE_REAL && kind != BIDE_SQLITE_INT)
        return 0;
    return sqlite3_column_double(stmt->handle, (int)column);
}

const char *bide_sqlite_column_text(struct bide_sqlite_stmt *stmt, unsigned column)
{
    if (bide_sqlite_column_kind(stmt, column) != BIDE_SQLITE_TEXT)
        return NULL;
    return (const char *)sqlite3_column_text(stmt->handle, (int)column);
}

const void *bide_sqlite_column_blob(struct bide_sqlite_stmt *stmt, unsigned column)
{
    if (bide_sqlite_column_kind(stmt, column) != BIDE_SQLITE_BLOB)
        return NULL;
    const void *data = sqlite3_column_blob(stmt->handle, (int)column);
    return data ? data : ""; /* an empty one */
}

size_t bide_sqlite_column_size(struct bide_sqlite_stmt *stmt, unsigned column)
{
    enum bide_sqlite_kind kind = bide_sqlite_column_kind(stmt, column);
    if (kind != BIDE_SQLITE_TEXT && kind != BIDE_SQLITE_BLOB)
        return 0;
    return (size_t)sqlite3_column_bytes(stmt->handle, (int)column);
}
