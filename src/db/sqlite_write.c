/*
 * db/sqlite_write.c - the writer thread: calls that wait while a transaction commits share the
 * next one.
 *
 * A commit costs a write of the disk, whatever is in it. So all calls that are queued (up to
 * BIDE__SQLITE_BATCH) go into one transaction, each in a savepoint, so that one that fails is
 * undone alone. They are answered after the commit.
 *
 * When SQLite undoes the whole transaction for the sake of one of them (the disk is full, or it
 * was interrupted), or the commit fails, each is done again in a transaction of its own.
 *
 * The checkpoint, which moves the WAL's pages to the database file, comes after the answers.
 */
#include "db/sqlite_internal.h"

#include <bide/scope.h>
#include <errno.h>

/* One call of the transaction that is open. */
static void run_member(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                       struct bide__sqlite_job *job)
{
    int r = bide__sqlite_job_begin(lane, conn, job);

    if (r == 0)
        r = bide__sqlite_run(conn, "SAVEPOINT bide");
    if (r == 0) {
        r = bide__sqlite_invoke(conn, job->call, job->arg);
        if (!sqlite3_get_autocommit(conn->handle)) {
            if (r < 0)
                bide__sqlite_run(conn, "ROLLBACK TO bide");
            bide__sqlite_run(conn, "RELEASE bide");
        }
    }
    bide__sqlite_job_end(lane, conn, job, r);
}

/*
 * *n calls, of which there is the first, in one transaction. The others are taken from the queue
 * one by one, so that each can be called off until its turn comes. Returns false when it was
 * undone: the calls are to be made again.
 */
static bool run_together(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                         struct bide__sqlite_job **batch, size_t *n)
{
    if (bide__sqlite_run(conn, "BEGIN IMMEDIATE") < 0)
        return false;
    do {
        run_member(lane, conn, batch[*n - 1]);
        if (sqlite3_get_autocommit(conn->handle))
            return false;
    } while (*n < BIDE__SQLITE_BATCH && (batch[*n] = bide__sqlite_lane_take(lane, false)) && ++*n);
    if (bide__sqlite_run(conn, "COMMIT") < 0) {
        bide__sqlite_rollback(conn);
        return false;
    }
    atomic_fetch_add(&lane->db->transactions, 1);
    return true;
}

static void run_alone(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                      struct bide__sqlite_job *job)
{
    int r = bide__sqlite_job_begin(lane, conn, job);

    if (r == 0) {
        r = bide__sqlite_attempt(conn, "BEGIN IMMEDIATE", job->call, job->arg);
        atomic_fetch_add(&lane->db->transactions, 1);
    }
    bide__sqlite_job_end(lane, conn, job, r);
}

/* As much of the WAL as no reader needs any longer. Should it fail, the next commit tries again. */
static void checkpoint(struct bide__sqlite_conn *conn)
{
    conn->wal_pages = 0;
    sqlite3_wal_checkpoint_v2(conn->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void bide__sqlite_serve_writes(struct bide__sqlite_lane *lane)
{
    struct bide__sqlite_job *batch[BIDE__SQLITE_BATCH];
    struct bide__sqlite_conn *conn = lane->db->writer;

    while ((batch[0] = bide__sqlite_lane_take(lane, true))) {
        size_t n = 1;
        if (!bide__sqlite_lane_waits(lane) || !run_together(lane, conn, batch, &n))
            for (size_t i = 0; i < n; i++)
                run_alone(lane, conn, batch[i]);
        atomic_fetch_add(&lane->db->writes, n);
        for (size_t i = 0; i < n; i++)
            bide__sqlite_job_answer(lane, batch[i]);
        if (conn->wal_pages >= BIDE__SQLITE_WAL_PAGES)
            checkpoint(conn);
    }
}

int bide_sqlite_write(struct bide_sqlite *db, bide_sqlite_call *call, void *arg)
{
    int r = bide_cancelled();

    if (r < 0)
        return bide__sqlite_say(r, "cancelled");
    return bide__sqlite_lane_run(&db->write_lane, &(struct bide__sqlite_job){
        .call = call, .arg = arg,
    });
}
