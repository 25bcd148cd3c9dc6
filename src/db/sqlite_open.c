/* db/sqlite_open.c - a database: its connections, how they are set up, and its end. */
#include "db/sqlite_internal.h"

#include <bide/time.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- hooks of a connection ----------------------------------------------------------------- */

/* Every BIDE__SQLITE_OPS operations; other than 0 interrupts the statement. */
static int on_progress(void *arg)
{
    struct bide__sqlite_conn *conn = arg;

    if (conn->job)
        return atomic_load_explicit(&conn->job->cancelled, memory_order_relaxed);
    if (conn->limit && bide_now() >= conn->limit)
        conn->too_long = true;
    return conn->too_long;
}

/* A lock of another process is in the way, for the count-th time; other than 0 tries again. */
static int on_busy(void *arg, int count)
{
    struct bide__sqlite_conn *conn = arg;
    struct bide__sqlite_job *job = conn->job;
    bide_time until = job ? job->busy_until : conn->busy_until;
    bide_time wait = count < 5 ? BIDE_MS << count : 25 * BIDE_MS;

    if ((job && atomic_load(&job->cancelled)) || bide__sqlite_clock() + wait > until)
        return 0;
    nanosleep(&(struct timespec){ .tv_nsec = wait }, NULL);
    return 1;
}

static bool is_journal_pragma(const char *name)
{
    static const char *const names[] = {
        "journal_mode",       "locking_mode", "query_only",      "wal_checkpoint",
        "wal_autocheckpoint", "synchronous",  "writable_schema",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcasecmp(name, names[i]))
            return true;
    return false;
}

/* While a statement is compiled: which ones are the library's alone? */
static int on_authorize(void *arg, int action, const char *a, const char *b, const char *c,
                        const char *d)
{
    struct bide__sqlite_conn *conn = arg;

    (void)c;
    (void)d;
    if (conn->own)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return SQLITE_DENY;
    case SQLITE_PRAGMA:
        return b && is_journal_pragma(a) ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_OK;
    }
}

static int on_commit(void *arg, sqlite3 *handle, const char *schema, int pages)
{
    struct bide__sqlite_conn *conn = arg;

    (void)handle;
    (void)schema;
    conn->wal_pages = pages;
    return SQLITE_OK;
}

/* ---- connections --------------------------------------------------------------------------- */

static int set_up(struct bide__sqlite_conn *conn, const char *const *pragmas)
{
    for (; *pragmas; pragmas++) {
        int code = sqlite3_exec(conn->handle, *pragmas, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return bide__sqlite_fail(conn, code);
    }
    return 0;
}

static int set_up_reader(struct bide__sqlite_conn *conn)
{
    static const char *const pragmas[] = {
        "PRAGMA query_only=ON",
        "PRAGMA cache_size=-8192",
        NULL,
    };

    return set_up(conn, pragmas);
}

/* The journal mode is the file's, and is what first reads it. */
static int set_up_wal(struct bide__sqlite_conn *conn)
{
    sqlite3_stmt *stmt = NULL;
    char mode[16] = "";
    int code = sqlite3_prepare_v2(conn->handle, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);

    if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        snprintf(mode, sizeof(mode), "%s", (const char *)sqlite3_column_text(stmt, 0));
        code = SQLITE_OK;
    }
    int r = code == SQLITE_OK ? 0 : bide__sqlite_fail(conn, code);
    sqlite3_finalize(stmt);
    if (r == 0 && strcmp(mode, "wal") != 0)
        r = bide__sqlite_say(-EROFS, "no WAL can be kept beside it (journal mode %s)", mode);
    return r;
}

static int set_up_writer(struct bide__sqlite_conn *conn)
{
    const char *const pragmas[] = {
        conn->db->options.lazy_sync ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA journal_size_limit=67108864",
        "SELECT count(*) FROM sqlite_schema",
        NULL,
    };

    if (sqlite3_db_readonly(conn->handle, "main") == 1)
        return bide__sqlite_say(-EROFS, "the file cannot be written");
    int r = set_up_wal(conn);
    if (r == 0)
        r = set_up(conn, pragmas);
    sqlite3_wal_autocheckpoint(conn->handle, 0);
    sqlite3_wal_hook(conn->handle, on_commit, conn);
    return r;
}

int bide__sqlite_connect(struct bide_sqlite *db, bool writer, struct bide__sqlite_conn **ret_conn)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    struct bide__sqlite_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    conn->db = db;
    conn->writer = writer;
    conn->own = true;
    bide__list_init(&conn->kept);
    if (writer && !db->options.must_exist)
        flags |= SQLITE_OPEN_CREATE;
    int code = sqlite3_open_v2(db->path, &conn->handle, flags, "unix");
    int r = code == SQLITE_OK ? 0 : bide__sqlite_fail(conn, code);
    if (r < 0)
        goto fail;
    sqlite3_busy_handler(conn->handle, on_busy, conn);
    sqlite3_progress_handler(conn->handle, BIDE__SQLITE_OPS, on_progress, conn);
    conn->busy_until = bide__sqlite_clock() + db->options.busy;
    r = writer ? set_up_writer(conn) : set_up_reader(conn);
    if (r < 0)
        goto fail;
    sqlite3_set_authorizer(conn->handle, on_authorize, conn);
    conn->busy_until = 0;
    conn->own = false;
    *ret_conn = conn;
    return 0;

fail:
    bide__sqlite_disconnect(conn);
    return r;
}

void bide__sqlite_disconnect(struct bide__sqlite_conn *conn)
{
    if (!conn)
        return;
    bide__sqlite_forget(conn);
    sqlite3_close_v2(conn->handle);
    free(conn);
}

/* ---- the database -------------------------------------------------------------------------- */

/* Can a file be made at path? 0 or -errno. */
static int look_at_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

    if (!directory)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    int error = faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0 ? errno : 0;
    free(directory);
    return error ? bide__sqlite_say(-error, "%s", strerror(error)) : 0;
}

/* What SQLite would say less clearly. */
static int look_at(const char *path, const struct bide_sqlite_options *options)
{
    struct stat st;

    if (!*path || *path == ':')
        return bide__sqlite_say(-EINVAL, "not a path");
    if (stat(path, &st) < 0) {
        if (errno != ENOENT || options->must_exist)
            return bide__sqlite_say(-errno, "%s", strerror(errno));
        return look_at_directory(path);
    }
    if (S_ISDIR(st.st_mode))
        return bide__sqlite_say(-EISDIR, "is a directory");
    if (!S_ISREG(st.st_mode))
        return bide__sqlite_say(-EINVAL, "not a regular file");
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return bide__sqlite_say(-errno, "%s", strerror(errno));
    return 0;
}

static void set_defaults(struct bide_sqlite_options *options)
{
    if (!options->readers)
        options->readers = 4;
    if (!options->statements)
        options->statements = 64;
    if (!options->in_place)
        options->in_place = 250 * BIDE_US;
    if (!options->busy)
        options->busy = 2 * BIDE_S;
    if (!options->result_max)
        options->result_max = (size_t)64 << 20;
}

/* SQLite would take "file:..." for a URI. */
static char *plain_path(const char *path)
{
    const char *prefix = strncmp(path, "file:", 5) ? "" : "./";
    char *copy = malloc(strlen(prefix) + strlen(path) + 1);

    if (copy)
        sprintf(copy, "%s%s", prefix, path);
    return copy;
}

int bide_sqlite_open(const char *path, const struct bide_sqlite_options *options,
                     struct bide_sqlite **ret_db)
{
    struct bide_sqlite *db = calloc(1, sizeof(*db));
    int r;

    if (!db)
        return bide__sqlite_fail(NULL, SQLITE_NOMEM);
    for (int i = 0; i < BIDE__SQLITE_PLACES; i++)
        pthread_mutex_init(&db->places[i].mutex, NULL);
    if (options)
        db->options = *options;
    set_defaults(&db->options);
    r = look_at(path, &db->options);
    if (r < 0)
        goto fail;
    db->path = plain_path(path);
    if (!db->path || bide__sqlite_lane_init(&db->write_lane, db, 1, bide__sqlite_serve_writes) ||
        bide__sqlite_lane_init(&db->read_lane, db, db->options.readers, bide__sqlite_serve_reads)) {
        r = bide__sqlite_fail(NULL, SQLITE_NOMEM);
        goto fail;
    }
    if (sqlite3_initialize() == SQLITE_OK)
        bide__sqlite_cached_install();
    r = bide__sqlite_connect(db, true, &db->writer);
    if (r < 0)
        goto fail;
    r = bide__sqlite_connect(db, false, &db->places[0].near);
    if (r < 0)
        goto fail;
    *ret_db = db;
    return 0;

fail:
    bide_sqlite_close(db);
    return r;
}

static void release_place(struct bide__sqlite_place *place)
{
    while (place->near) {
        struct bide__sqlite_conn *conn = place->near;
        place->near = conn->next_near;
        bide__sqlite_disconnect(conn);
    }
    pthread_mutex_destroy(&place->mutex);
}

void bide_sqlite_close(struct bide_sqlite *db)
{
    if (!db)
        return;
    bide__sqlite_lane_release(&db->read_lane);
    bide__sqlite_lane_release(&db->write_lane);
    for (int i = 0; i < BIDE__SQLITE_PLACES; i++)
        release_place(&db->places[i]);
    bide__sqlite_disconnect(db->writer); /* last: it checkpoints, and removes the WAL */
    free(db->path);
    free(db);
}

void bide_sqlite_get_stats(struct bide_sqlite *db, struct bide_sqlite_stats *ret_stats)
{
    pthread_mutex_lock(&db->read_lane.mutex);
    unsigned threads = db->read_lane.threads;
    pthread_mutex_unlock(&db->read_lane.mutex);
    pthread_mutex_lock(&db->write_lane.mutex);
    threads += db->write_lane.threads;
    pthread_mutex_unlock(&db->write_lane.mutex);

    *ret_stats = (struct bide_sqlite_stats){
        .on_thread = atomic_load(&db->on_thread),
        .writes = atomic_load(&db->writes),
        .transactions = atomic_load(&db->transactions),
        .threads = threads,
    };
    for (int i = 0; i < BIDE__SQLITE_PLACES; i++) {
        struct bide__sqlite_place *place = &db->places[i];
        pthread_mutex_lock(&place->mutex);
        ret_stats->in_place += place->in_place;
        ret_stats->too_long += place->too_long;
        ret_stats->not_cached += place->not_cached;
        pthread_mutex_unlock(&place->mutex);
    }
}
