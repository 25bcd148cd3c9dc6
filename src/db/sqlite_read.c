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

#include <bide/runtime.h>
#include <bide/scope.h>
#include <bide/time.h>
#include <errno.h>

enum { CHARGE = 12, DEBT = 3 * CHARGE - 2 };
enum { TURN = 16 }; /* reads in place, after which other fibers of the worker have their turn */

static const bide_time SLOW_SPAN = 1 * BIDE_S;

/* ---- accounts of slow reads; under the place's mutex --------------------------------------- */

static unsigned account_of(const void *key)
{
    uintptr_t address = (uintptr_t)key;
    return (address ^ address >> 6) % BIDE__SQLITE_SLOW;
}

static bool is_slow(const struct bide__sqlite_place *place, const void *key, bide_time now)
{
    unsigned i = account_of(key);
    return place->slow[i].key == key && place->slow[i].until > now;
}

static void charge_slow(struct bide__sqlite_place *place, const void *key, bide_time now)
{
    unsigned i = account_of(key);

    if (place->slow[i].key != key) {
        place->slow[i].key = key;
        place->slow[i].charge = 0;
        place->slow[i].until = 0;
    }
    place->slow[i].charge += CHARGE;
    if (place->slow[i].charge >= DEBT) {
        place->slow[i].until = now + SLOW_SPAN;
        place->slow[i].charge = DEBT - CHARGE; /* once more afterwards is enough */
    }
}

static void credit_short(struct bide__sqlite_place *place, const void *key)
{
    unsigned i = account_of(key);

    if (place->slow[i].key == key && place->slow[i].charge > 0)
        place->slow[i].charge--;
}

/* ---- in place ------------------------------------------------------------------------------ */

static struct bide__sqlite_place *place_of(struct bide_sqlite *db)
{
    return &db->places[bide_worker_index() % BIDE__SQLITE_PLACES];
}

/* A near connection for one read; NULL when the read should go to a thread at once (0 in
 * *ret_error) or there is none (why). */
static struct bide__sqlite_conn *take_near(struct bide_sqlite *db,
                                           struct bide__sqlite_place *place, const void *key,
                                           bide_time now, int *ret_error)
{
    struct bide__sqlite_conn *conn = NULL;

    *ret_error = 0;
    pthread_mutex_lock(&place->mutex);
    bool slow = key && is_slow(place, key, now);
    if (!slow && place->near) {
        conn = place->near;
        place->near = conn->next_near;
    }
    pthread_mutex_unlock(&place->mutex);
    if (slow || conn)
        return conn;
    *ret_error = bide__sqlite_connect(db, false, &conn);
    return *ret_error < 0 ? NULL : conn;
}

static void give_near(struct bide__sqlite_place *place, struct bide__sqlite_conn *conn)
{
    conn->limit = conn->busy_until = 0;
    conn->too_long = conn->not_cached = false;
    conn->next_near = place->near;
    place->near = conn;
}

/* Was the read on conn abandoned? Its connection goes back, and its account is settled. */
static bool settle(struct bide__sqlite_place *place, struct bide__sqlite_conn *conn,
                   const void *key, bide_time now, int result)
{
    bool too_long = conn->too_long, not_cached = conn->not_cached || result == -EBUSY;

    pthread_mutex_lock(&place->mutex);
    if (too_long)
        charge_slow(place, key, now);
    else
        credit_short(place, key);
    give_near(place, conn);
    __atomic_store_n(&place->in_place, place->in_place + 1, __ATOMIC_RELAXED);
    place->too_long += too_long;
    place->not_cached += !too_long && not_cached;
    pthread_mutex_unlock(&place->mutex);
    return too_long || not_cached;
}

/* Returns true when the read ran here: *ret_result is what came of it. */
static bool read_in_place(struct bide_sqlite *db, const void *key, const char *begin,
                          bide_sqlite_call *call, void *arg, int *ret_result)
{
    struct bide__sqlite_place *place = place_of(db);
    bide_time now = bide_now();
    int error;
    struct bide__sqlite_conn *conn = take_near(db, place, key, now, &error);

    if (!conn) {
        *ret_result = error;
        return error < 0;
    }
    conn->limit = now + db->options.in_place;
    bide__sqlite_hush();
    bide__sqlite_cached_on(conn);
    *ret_result = bide__sqlite_attempt(conn, begin, call, arg);
    bide__sqlite_cached_off();
    return !settle(place, conn, key, now, *ret_result);
}

/* In a thread that may block: without limit. */
static int read_plainly(struct bide_sqlite *db, const char *begin, bide_sqlite_call *call,
                        void *arg)
{
    struct bide__sqlite_place *place = place_of(db);
    int error;
    struct bide__sqlite_conn *conn = take_near(db, place, NULL, 0, &error);

    if (!conn)
        return error;
    conn->busy_until = bide__sqlite_clock() + db->options.busy;
    bide__sqlite_hush();
    int result = bide__sqlite_attempt(conn, begin, call, arg);
    pthread_mutex_lock(&place->mutex);
    give_near(place, conn);
    pthread_mutex_unlock(&place->mutex);
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
    uint64_t reads = __atomic_load_n(&place_of(db)->in_place, __ATOMIC_RELAXED);
    int r = reads % TURN == TURN - 1 ? bide_yield() : bide_cancelled();
    if (r < 0)
        return bide__sqlite_say(r, "cancelled");
    if (db->options.in_place > 0 && read_in_place(db, key, begin, call, arg, &r))
        return r;
    atomic_fetch_add_explicit(&db->on_thread, 1, memory_order_relaxed);
    return bide__sqlite_lane_run(&db->read_lane, &(struct bide__sqlite_job){
        .call = call, .arg = arg, .begin = begin,
    });
}

int bide_sqlite_read(struct bide_sqlite *db, bide_sqlite_call *call, void *arg)
{
    return bide__sqlite_read(db, (const void *)call, "BEGIN", call, arg);
}
