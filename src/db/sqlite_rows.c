/*
 * db/sqlite_rows.c - single statements; rows copied out of the database.
 *
 * data holds one row after the other, each a struct head, its cells, its texts and blobs. What
 * is in a cell is found by its offset from the row's head, so that data may move while it grows.
 */
#include "db/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 2048 }; /* bytes: enough for most of what services ask for */

struct head {
    uint64_t size; /* of the row, head included; a multiple of 8 */
};

struct cell {
    uint32_t kind; /* enum bide_sqlite_kind */
    uint32_t size; /* of a text or blob, bytes; a NUL follows */
    union {
        int64_t integer;
        double real;
        uint64_t offset; /* of a text or blob, from the head */
    };
};

struct single {
    struct bide_sqlite_rows *rows;     /* of a query */
    struct bide_sqlite_result *result; /* of an exec */
    const char *sql;
    const struct bide_sqlite_value *values;
    size_t n;
    size_t max; /* bytes of rows */
};

/* ---- collecting ---------------------------------------------------------------------------- */

/* Room for size bytes more, or an error. */
static int reserve(struct bide_sqlite_rows *rows, size_t size, size_t max)
{
    size_t wanted = rows->size + size, room = rows->room ? rows->room : FIRST_ROOM;

    if (wanted <= rows->room)
        return 0;
    if (wanted > max)
        return bide__sqlite_say(-EFBIG, "a result of more than %zu bytes", max);
    while (room < wanted)
        room *= 2;
    char *data = realloc(rows->data, room);
    if (!data)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    rows->data = data;
    rows->room = room;
    return 0;
}

/* Copies column i, a text or blob, to the row that begins at offset row. */
static int copy_bytes(struct single *single, sqlite3_stmt *handle, int i, size_t row, bool text)
{
    struct bide_sqlite_rows *rows = single->rows;
    const void *data = text ? (const void *)sqlite3_column_text(handle, i)
                            : sqlite3_column_blob(handle, i);
    size_t size = (size_t)sqlite3_column_bytes(handle, i);

    if (!data && size)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    int r = reserve(rows, size + 1, single->max);
    if (r < 0)
        return r;
    struct cell *cell = (struct cell *)(rows->data + row + sizeof(struct head)) + i;
    cell->size = (uint32_t)size;
    cell->offset = rows->size - row;
    if (size)
        memcpy(rows->data + rows->size, data, size);
    rows->data[rows->size + size] = '\0';
    rows->size += size + 1;
    return 0;
}

static int copy_cell(struct single *single, struct bide_sqlite_stmt *stmt, unsigned i, size_t row)
{
    struct cell *cell = (struct cell *)(single->rows->data + row + sizeof(struct head)) + i;

    cell->kind = bide_sqlite_column_kind(stmt, i);
    cell->size = 0;
    switch (cell->kind) {
    case BIDE_SQLITE_INT:
        cell->integer = sqlite3_column_int64(stmt->handle, (int)i);
        return 0;
    case BIDE_SQLITE_REAL:
        cell->real = sqlite3_column_double(stmt->handle, (int)i);
        return 0;
    case BIDE_SQLITE_TEXT:
        return copy_bytes(single, stmt->handle, (int)i, row, true);
    case BIDE_SQLITE_BLOB:
        return copy_bytes(single, stmt->handle, (int)i, row, false);
    default:
        return 0;
    }
}

static int copy_row(struct single *single, struct bide_sqlite_stmt *stmt)
{
    struct bide_sqlite_rows *rows = single->rows;
    size_t row = rows->size;
    int r = reserve(rows, sizeof(struct head) + rows->columns * sizeof(struct cell) + 8,
                    single->max);
    if (r < 0)
        return r;
    rows->size += sizeof(struct head) + rows->columns * sizeof(struct cell);
    for (unsigned i = 0; i < rows->columns; i++) {
        r = copy_cell(single, stmt, i, row);
        if (r < 0)
            return r;
    }
    size_t padding = -rows->size & 7;
    r = reserve(rows, padding, single->max);
    if (r < 0)
        return r;
    rows->size += padding;
    ((struct head *)(rows->data + row))->size = rows->size - row;
    rows->count++;
    return 0;
}

/* A bide_sqlite_call. May run a second time: it begins by dropping what the first one got. */
static int query(struct bide_sqlite_tx *tx, void *arg)
{
    struct single *single = arg;
    struct bide_sqlite_rows *rows = single->rows;
    struct bide_sqlite_stmt *stmt;
    int r = bide_sqlite_start_v(tx, &stmt, single->sql, single->values, single->n);

    rows->count = rows->size = 0;
    if (r < 0)
        return r;
    rows->columns = (unsigned)sqlite3_column_count(stmt->handle);
    while ((r = bide_sqlite_step(stmt)) > 0) {
        r = copy_row(single, stmt);
        if (r < 0)
            break;
    }
    bide_sqlite_finish(stmt);
    return r;
}

static int execute(struct bide_sqlite_tx *tx, void *arg)
{
    struct single *single = arg;
    return bide_sqlite_do_v(tx, single->result, single->sql, single->values, single->n);
}

int bide_sqlite_query_v(struct bide_sqlite *db, struct bide_sqlite_rows *rows, const char *sql,
                        const struct bide_sqlite_value *values, size_t n)
{
    struct single single = {
        .rows = rows, .sql = sql, .values = values, .n = n, .max = db->options.result_max
    };

    *rows = (struct bide_sqlite_rows){ 0 };
    int r = bide__sqlite_read(db, sql, NULL, query, &single);
    if (r < 0 || !rows->count)
        bide_sqlite_release(rows);
    return r;
}

int bide_sqlite_exec_v(struct bide_sqlite *db, struct bide_sqlite_result *result, const char *sql,
                       const struct bide_sqlite_value *values, size_t n)
{
    struct bide_sqlite_result got = { 0 };
    struct single single = { .result = &got, .sql = sql, .values = values, .n = n };
    int r = bide_sqlite_write(db, execute, &single);

    if (r == 0 && result)
        *result = got;
    return r;
}

/* ---- reading ------------------------------------------------------------------------------- */

int bide_sqlite_next(struct bide_sqlite_rows *rows)
{
    if (rows->next >= rows->size)
        return 0;
    rows->at = rows->next;
    rows->next += ((struct head *)(rows->data + rows->at))->size;
    return 1;
}

void bide_sqlite_release(struct bide_sqlite_rows *rows)
{
    free(rows->data);
    *rows = (struct bide_sqlite_rows){ 0 };
}

static const struct cell *cell_of(const struct bide_sqlite_rows *rows, unsigned column)
{
    static const struct cell null = { .kind = BIDE_SQLITE_NULL };

    if (column >= rows->columns || !rows->next)
        return &null;
    return (const struct cell *)(rows->data + rows->at + sizeof(struct head)) + column;
}

static const char *bytes_of(const struct bide_sqlite_rows *rows, unsigned column,
                            enum bide_sqlite_kind kind)
{
    const struct cell *cell = cell_of(rows, column);
    return cell->kind == kind ? rows->data + rows->at + cell->offset : NULL;
}

enum bide_sqlite_kind bide_sqlite_row_kind(const struct bide_sqlite_rows *rows, unsigned column)
{
    return (enum bide_sqlite_kind)cell_of(rows, column)->kind;
}

int64_t bide_sqlite_row_int(const struct bide_sqlite_rows *rows, unsigned column)
{
    const struct cell *cell = cell_of(rows, column);
    return cell->kind == BIDE_SQLITE_INT ? cell->integer : 0;
}

double bide_sqlite_row_real(const struct bide_sqlite_rows *rows, unsigned column)
{
    const struct cell *cell = cell_of(rows, column);
    if (cell->kind == BIDE_SQLITE_INT)
        return (double)cell->integer;
    return cell->kind == BIDE_SQLITE_REAL ? cell->real : 0;
}

const char *bide_sqlite_row_text(const struct bide_sqlite_rows *rows, unsigned column)
{
    return bytes_of(rows, column, BIDE_SQLITE_TEXT);
}

const void *bide_sqlite_row_blob(const struct bide_sqlite_rows *rows, unsigned column)
{
    return bytes_of(rows, column, BIDE_SQLITE_BLOB);
}

size_t bide_sqlite_row_size(const struct bide_sqlite_rows *rows, unsigned column)
{
    return cell_of(rows, column)->size;
}
