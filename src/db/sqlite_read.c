/*
 * db/sqlite_read.c - where a read runs.
 *
 * In place, on the caller's own thread, for as long as it is short, which most reads are: a point
 * query takes 3 us, and waking another thread for it up to 90. What bounds the time that the
 * worker is kept:
 *   - the processor: every BIDE__SQLITE_OPS operations of SQLite's virtual machine the clock is
 *     looked at, and after options.in_place the read is abandoned;
 *   - the disk: only pages that the kernel has in memory are read (sqlite_cached.c);
 *   - locks: none is waited for.
 * What is abandoned is done again, from its beginning, on a reader thread.
 *
 * A read that is long again and again should go to a thread at once. Being abandoned costs about
 * as much as a dozen trips to another thread, so it charges the statement's account with 12, each
 * read that was short pays 1 back, and at DEBT the statement is sent to threads for a while. So
 * one that is long for one argument in twenty stays in place, and one that is long for each
 * stops the worker three times and then once a second.
 */
#include "db/sqlite_internal.h"

#include <bide/scope.h>
#include <bide/time.h>
#include <errno.h>

enum { CHARGE = 12, DEBT = 3 * CHARGE - 2 };
enum { TURN = 16 }; /* reads in place, after which other fibers of the worker have their turn */

static const bide_time SLOW_SPAN = 1 * BIDE_S;

/* ---- accounts of slow reads; under db->mutex ----------------------------------------------- */

static unsigned account_of(const void *key)
{
    uintptr_t address = (uintptr_t)key;
    return (address ^ address >> 6) % BIDE__SQLITE_SLOW;
}

static bool is_slow(const struct bide_sqlite *db, const void *key, bide_time now)
{
    unsigned i = account_of(key);
    return db->slow[i].key == key && db->slow[i].until > now;
}

static void charge_slow(struct bide_sqlite *db, const void *key, bide_time now)
{
    unsigned i = account_of(key);

    if (db->slow[i].key != key) {
        db->slow[i].key = key;
        db->slow[i].charge = 0;
        db->slow[i].until = 0;
    }
    db->slow[i].charge += CHARGE;
    if (db->slow[i].charge >= DEBT) {
        db->slow[i].until = now + SLOW_SPAN;
        db->slow[i].charge = DEBT - CHARGE; /* once more afterwards is enough */
    }
}

static void credit_short(struct bide_sqlite *db, const void *key)
{
    unsigned i = account_of(key);

    if (db->slow[i].key == key && db->slow[i].charge > 0)
        db->slow[i].charge--;
}

/* ---- in place ------------------------------------------------------------------------------ */

/* A near connection for one read; NULL when the read should go to a thread at once (0 in
 * *ret_error) or there is none (why). */
static struct bide__sqlite_conn *take_near(struct bide_sqlite *db, const void *key, bide_time now,
                                           int *ret_error)
{
    struct bide__sqlite_conn *conn = NULL;

    *ret_error = 0;
    pthread_mutex_lock(&db->mutex);
    bool slow = key && is_slow(db, key, now);
    if (!slow && db->near) {
        conn = db->near;
        db->near = conn->next_near;
    }
    pthread_mutex_unlock(&db->mutex);
    if (slow || conn)
        return conn;
    *ret_error = bide__sqlite_connect(db, false, &conn);
    return *ret_error < 0 ? NULL : conn;
}

static void give_near(struct bide_sqlite *db, struct bide__sqlite_conn *conn)
{
    conn->limit = conn->busy_until = 0;
    conn->too_long = conn->not_cached = false;
    conn->next_near = db->near;
    db->near = conn;
}

static void count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Was the read on conn abandoned? Its connection goes back, and its account is settled. */
static bool settle(struct bide_sqlite *db, struct bide__sqlite_conn *conn, const void *key,
                   bide_time now, int result)
{
    bool too_long = conn->too_long, not_cached = conn->not_cached || result == -EBUSY;

    pthread_mutex_lock(&db->mutex);
    if (too_long)
        charge_slow(db, key, now);
    else
        credit_short(db, key);
    give_near(db, conn);
    pthread_mutex_unlock(&db->mutex);

    count(&db->in_place);
    if (too_long)
        count(&db->too_long);
    else if (not_cached)
        count(&db->not_cached);
    return too_long || not_cached;
}

/* Returns true when the read ran here: *ret_result is what came of it. */
static bool read_in_place(struct bide_sqlite *db, const void *key, const char *begin,
                          bide_sqlite_call *call, void *arg, int *ret_result)
{
    bide_time now = bide_now();
    int error;
    struct bide__sqlite_conn *conn = take_near(db, key, now, &error);

    if (!conn) {
        *ret_result = error;
        return error < 0;
    }
    conn->limit = now + db->options.in_place;
    bide__sqlite_hush();
    bide__sqlite_cached_on(conn);
    *ret_result = bide__sqlite_attempt(conn, begin, call, arg);
    bide__sqlite_cached_off();
    return !settle(db, conn, key, now, *ret_result);
}

/* In a thread that may block: without limit. */
static int read_plainly(struct bide_sqlite *db, const char *begin, bide_sqlite_call *call,
                        void *arg)
{
    int error;
    struct bide__sqlite_conn *conn = take_near(db, NULL, 0, &error);

    if (!conn)
        return error;
    conn->busy_until = bide__sqlite_clock() + db->options.busy;
    bide__sqlite_hush();
    int result = bide__sqlite_attempt(conn, begin, call, arg);
    pthread_mutex_lock(&db->mutex);
    give_near(db, conn);
    pthread_mutex_unlock(&db->mutex);
    return result;
}

/* ---- on a reader thread -------------------------------------------------------------------- */

static void run_read(struct bide__sqlite_lane *lane, struct bide__sqlite_conn *conn,
                    struct bide__sqlite_job *job)
{
    int r = bide__sqlite_job_begin(lane, conn, job);

    if (r == 0)
        r = bide__sqlite_attempt(conn, job->begin, job->call, job->arg);
    bide__sqlite_job_end(lane, conn, job, r);
}

void bide__sqlite_serve_reads(struct bide__sqlite_lane *lane)
{
    struct bide__sqlite_conn *conn = NULL;
    struct bide__sqlite_job *job;

    while ((job = bide__sqlite_lane_take(lane, true))) {
        int r = conn ? 0 : bide__sqlite_connect(lane->db, false, &conn);
        if (r == 0)
            run_read(lane, conn, job);
        else
            bide__sqlite_job_refuse(job, r);
        bide__sqlite_job_answer(lane, job);
    }
    bide__sqlite_disconnect(conn);
}

int bide__sqlite_read(struct bide_sqlite *db, const void *key, const char *begin,
                      bide_sqlite_call *call, void *arg)
{
    if (!bide__self.fiber)
        return read_plainly(db, begin, call, arg);
    /* A loop of reads in place would not suspend, and let nobody else run. */
    uint64_t reads = atomic_load_explicit(&db->in_place, memory_order_relaxed);
    int r = reads % TURN == TURN - 1 ? bide_yield() : bide_cancelled();
    if (r < 0)
        return bide__sqlite_say(r, "cancelled");
    if (db->options.in_place > 0 && read_in_place(db, key, begin, call, arg, &r))
        return r;
    count(&db->on_thread);
    return bide__sqlite_lane_run(&db->read_lane, &(struct bide__sqlite_job){
        .call = call, .arg = arg, .begin = begin,
    });
}

int bide_sqlite_read(struct bide_sqlite *db, bide_sqlite_call *call, void *arg)
{
    return bide__sqlite_read(db, (const void *)call, "BEGIN", call, arg);
}
