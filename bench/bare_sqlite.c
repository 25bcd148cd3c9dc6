/*
 * bare_sqlite.c - both queries of the user service and their JSON with nothing in between: one
 * connection, two prepared statements, one buffer.
 */
#include "bare_sqlite.h"
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct text {
    char data[65536];
    size_t used;
};

static void put(struct text *text, const char *data, size_t size)
{
    if (size > sizeof(text->data) - text->used)
        size = sizeof(text->data) - text->used;
    memcpy(text->data + text->used, data, size);
    text->used += size;
}

static void put_string(struct text *text, const unsigned char *s)
{
    char escape[8];

    put(text, "\"", 1);
    while (s && *s) {
        size_t plain = 0;
        while (s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\')
            plain++;
        put(text, (const char *)s, plain);
        s += plain;
        if (*s)
            put(text, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *s++));
    }
    put(text, "\"", 1);
}

/* {"id":1,"name":"...",...}: the columns of a row, the first one a number. */
static void put_row(struct text *text, sqlite3_stmt *row)
{
    char number[32];

    put(text, "{\"id\":", 6);
    put(text, number,
        (size_t)snprintf(number, sizeof(number), "%lld", (long long)sqlite3_column_int64(row, 0)));
    for (int i = 1; i < sqlite3_column_count(row); i++) {
        const char *name = sqlite3_column_name(row, i);
        put(text, ",\"", 2);
        put(text, name, strlen(name));
        put(text, "\":", 2);
        put_string(text, sqlite3_column_text(row, i));
    }
    put(text, "}", 1);
}

/* Returns the number of rows. */
static int put_rows(struct text *text, sqlite3_stmt *query, long id)
{
    int rows = 0;

    sqlite3_bind_int64(query, 1, id);
    while (sqlite3_step(query) == SQLITE_ROW) {
        if (rows++)
            put(text, ",", 1);
        put_row(text, query);
    }
    sqlite3_reset(query);
    return rows;
}

static double answer(sqlite3_stmt *user, sqlite3_stmt *posts, long ids, long n)
{
    static struct text text;
    unsigned short seed[3] = {42, 42, 42};
    double begin = bench_cpu_time(getpid());

    for (long i = 0; i < n; i++) {
        long id = 1 + nrand48(seed) % ids;
        text.used = 0;
        put(&text, "{\"user\":", 8);
        if (put_rows(&text, user, id) != 1)
            return -1;
        put(&text, ",\"posts\":[", 10);
        put_rows(&text, posts, id);
        put(&text, "]}", 2);
    }
    return (bench_cpu_time(getpid()) - begin) / (double)n;
}

double bare_sqlite(const char *path, long ids, long n)
{
    static const char select_user[] = "SELECT id, name, email FROM users WHERE id = ?";
    static const char select_posts[] =
        "SELECT id, title, body FROM posts WHERE user_id = ? ORDER BY id";
    sqlite3_stmt *user = NULL, *posts = NULL;
    sqlite3 *db = NULL;
    double ns = -1;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "PRAGMA query_only = 1", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, select_user, -1, &user, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, select_posts, -1, &posts, NULL) == SQLITE_OK) {
        answer(user, posts, ids, n / 10 + 1); /* fills the cache */
        ns = answer(user, posts, ids, n);
    }
    sqlite3_finalize(user);
    sqlite3_finalize(posts);
    sqlite3_close(db);
    return ns;
}
