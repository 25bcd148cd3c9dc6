/*
 * db/sqlite_internal.h - how libbide-sqlite is put together.
 *
 *   sqlite_open.c    the database: open, close, connections and how they are set up
 *   sqlite_error.c   SQLite's codes as negative errno, and their messages
 *   sqlite_stmt.c    kept statements, arguments, columns; the transaction that a call is given
 *   sqlite_read.c    where a read runs: in place, or on a reader thread
 *   sqlite_cached.c  reading the file in place only what needs no disk
 *   sqlite_lane.c    the threads: a queue of jobs, cancelling, answering
 *   sqlite_write.c   the writer thread: many calls in one transaction
 *   sqlite_rows.c    single statements, and rows that are copied out
 *
 * Threading: a connection is used by one thread at a time (SQLITE_OPEN_NOMUTEX): the writer's by
 * the writer thread; each reader thread has its own; the near ones, for reads in place, are taken
 * from a list for the time of one read, in which the fiber does not suspend. What threads share
 * is under the mutex of its lane, or of its place: each worker has a place of its own, so that its
 * mutex is hardly ever waited for, and its connections' pages stay in its processor's cache.
 */
#ifndef BIDE_DB_SQLITE_INTERNAL_H
#define BIDE_DB_SQLITE_INTERNAL_H

#include "base/list.h"

#include <bide/promise.h>
#include <bide/sqlite.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
    BIDE__SQLITE_MESSAGE = 200, /* bytes of a message */
    BIDE__SQLITE_HINTS = 64,    /* places where a statement is looked up by its text's address */
    BIDE__SQLITE_SLOW = 64,     /* accounts of slow reads in a place */
    BIDE__SQLITE_PLACES = 32,   /* more workers share them */
    BIDE__SQLITE_BATCH = 64,    /* most writes in one transaction */
    BIDE__SQLITE_OPS = 1000,    /* VM operations between two looks at the clock, 20 us or so */
    BIDE__SQLITE_WAL_PAGES = 1000, /* of the WAL that make the writer checkpoint */
};

struct bide__sqlite_job;

/* A connection, and its kept statements. */
struct bide__sqlite_conn {
    struct bide_sqlite *db;
    sqlite3 *handle;
    struct bide__list kept; /* statements, last used first */
    unsigned kept_count;
    struct bide_sqlite_stmt *hints[BIDE__SQLITE_HINTS];
    bool writer;            /* may write */
    bool own;               /* the library itself prepares: transaction control is allowed */
    struct bide__sqlite_job *job; /* that runs on it, or NULL; changed under its lane's mutex */
    int wal_pages;          /* in the WAL, after the writer's last commit */

    /* In place only. */
    struct bide__sqlite_conn *next_near;
    bide_time limit;        /* when the read that runs must be over; 0: no limit */
    bide_time busy_until;   /* how long that read waits for a lock */
    bool too_long;          /* it was not */
    bool not_cached;        /* it wanted a page from the disk */
};

struct bide_sqlite_stmt {
    struct bide__list kept; /* in conn->kept, if is_kept */
    struct bide__list open; /* in tx->open, while in use */
    struct bide__sqlite_conn *conn;
    sqlite3_stmt *handle;
    bool is_kept;
    bool in_use;
    bool own; /* the library's: not for calls */
    uint32_t hash;
    const void *hint; /* address of the text that it was last found by */
    char sql[];
};

struct bide_sqlite_tx {
    struct bide__sqlite_conn *conn;
    struct bide__list open; /* statements in use */
};

/* A call that waits for a thread, on the stack of who waits for it. Under the lane's mutex. */
struct bide__sqlite_job {
    struct bide__list link; /* in lane->queue, while QUEUED */
    bide_sqlite_call *call;
    void *arg;
    const char *begin; /* SQL that begins its transaction; NULL: a single statement */
    enum {
        BIDE__SQLITE_QUEUED,
        BIDE__SQLITE_RUNNING,
        BIDE__SQLITE_OVER,
    } state;
    struct bide__sqlite_conn *conn; /* that it runs on, while RUNNING */
    atomic_bool cancelled;
    bide_time busy_until; /* how long it waits for a lock, at most */
    int result;
    char message[BIDE__SQLITE_MESSAGE];
    bool plain;             /* waited for by a plain thread: lane->answered */
    BIDE_PROMISE(int) over; /* else: resolved, by the lane's thread, when OVER */
};

/* A queue of jobs and the threads that run them, each on a connection of its own. */
struct bide__sqlite_lane {
    struct bide_sqlite *db;
    void (*serve)(struct bide__sqlite_lane *lane); /* a thread's main function */
    pthread_mutex_t mutex;
    pthread_cond_t work;     /* something is queued, or closing was set */
    pthread_cond_t answered; /* a job of a plain thread is OVER */
    struct bide__list queue;
    unsigned queued, idle, threads, threads_max;
    bool closing;
    pthread_t *thread; /* threads_max of them */
};

/* What the reads in place of a worker use; also those of plain threads, and of other runtimes. */
struct bide__sqlite_place {
    pthread_mutex_t mutex; /* of all that follows */
    struct bide__sqlite_conn *near; /* idle connections */
    struct {
        const void *key; /* the SQL text or the call */
        int charge;      /* sqlite_read.c */
        bide_time until; /* it goes to a thread at once until then */
    } slow[BIDE__SQLITE_SLOW];
    uint64_t in_place, too_long, not_cached; /* reads, as in bide_sqlite_stats */
    char apart[64];        /* from the next one's cache lines */
};

struct bide_sqlite {
    struct bide_sqlite_options options;
    char *path;
    struct bide__sqlite_conn *writer;
    struct bide__sqlite_lane write_lane, read_lane;
    atomic_bool no_nowait; /* the file system cannot tell what is cached */
    atomic_uint_fast64_t on_thread, writes, transactions;
    struct bide__sqlite_place places[BIDE__SQLITE_PLACES]; /* by bide_worker_index() */
};

/* sqlite_open.c */
int bide__sqlite_connect(struct bide_sqlite *db, bool writer, struct bide__sqlite_conn **ret_conn);
void bide__sqlite_disconnect(struct bide__sqlite_conn *conn);

/* sqlite_error.c; both return the negative errno */
int bide__sqlite_fail(struct bide__sqlite_conn *conn, int code);
int bide__sqlite_say(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bide__sqlite_hush(void);

/* sqlite_stmt.c */
int bide__sqlite_run(struct bide__sqlite_conn *conn, const char *sql);
void bide__sqlite_rollback(struct bide__sqlite_conn *conn);
int bide__sqlite_attempt(struct bide__sqlite_conn *conn, const char *begin,
                         bide_sqlite_call *call, void *arg);
int bide__sqlite_invoke(struct bide__sqlite_conn *conn, bide_sqlite_call *call, void *arg);
void bide__sqlite_forget(struct bide__sqlite_conn *conn);

/* sqlite_read.c; key: the address that a slow read is known by */
int bide__sqlite_read(struct bide_sqlite *db, const void *key, const char *begin,
                      bide_sqlite_call *call, void *arg);

/* sqlite_cached.c: from on to off, this thread reads the file only where it needs no disk */
void bide__sqlite_cached_install(void);
void bide__sqlite_cached_on(struct bide__sqlite_conn *conn);
void bide__sqlite_cached_off(void);

/* sqlite_lane.c. A serve function takes jobs until there is none (NULL: the lane closes), and for
 * each: begin, the call, end, answer. */
int bide__sqlite_lane_init(struct bide__sqlite_lane *lane, struct bide_sqlite *db, unsigned threads,
                           void (*serve)(struct bide__sqlite_lane *lane));
void bide__sqlite_lane_release(struct bide__sqlite_lane *lane);
int bide__sqlite_lane_run(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job);
struct bide__sqlite_job *bide__sqlite_lane_take(struct bide__sqlite_lane *lane, bool wait);
bool bide__sqlite_lane_waits(struct bide__sqlite_lane *lane);
int bide__sqlite_job_begin(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                           struct bide__sqlite_job *job);
void bide__sqlite_job_end(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                          struct bide__sqlite_job *job, int result);
void bide__sqlite_job_refuse(struct bide__sqlite_job *job, int error);
void bide__sqlite_job_answer(struct bide__sqlite_lane *lane, struct bide__sqlite_job *job);
bide_time bide__sqlite_clock(void);

/* sqlite_read.c, sqlite_write.c */
void bide__sqlite_serve_reads(struct bide__sqlite_lane *lane);
void bide__sqlite_serve_writes(struct bide__sqlite_lane *lane);

#endif
