/* metrics.c - GET /metrics in Prometheus' text format, and GET /healthz. */
#include "app.h"

#include <errno.h>
#include <stdio.h>

enum { SIZE = 128 << 10 }; /* bytes of all metrics, more than they can be */

struct text {
    char *data;
    size_t size;
};

static void put_metric(struct text *text, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    int n = snprintf(text->data + text->size, SIZE - text->size,
                     "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                     (unsigned long long)value);
    if (n > 0 && (size_t)n < SIZE - text->size)
        text->size += (size_t)n;
}

static void put_runtime(struct text *text)
{
    struct bide_stats stats;

    if (bide_get_stats(&stats) < 0)
        return;
    put_metric(text, "bide_workers", "gauge", "Threads that run fibers.", stats.workers);
    put_metric(text, "bide_workers_running", "gauge", "Of them, those that do not wait.",
               stats.running);
    put_metric(text, "bide_tasks", "gauge", "Tasks that are not over.", stats.tasks);
    put_metric(text, "bide_tasks_spawned_total", "counter", "Tasks spawned.", stats.spawned);
    put_metric(text, "bide_fibers", "gauge", "Stacks in use.", stats.fibers);
    put_metric(text, "bide_fibers_idle", "gauge", "Stacks kept for use again.", stats.fibers_idle);
    put_metric(text, "bide_stack_bytes", "gauge", "Address space of stacks.", stats.stack_bytes);
    put_metric(text, "bide_switches_total", "counter", "Switches of fibers.", stats.switches);
    put_metric(text, "bide_reactor_turns_total", "counter", "Turns of the reactor.", stats.turns);
    put_metric(text, "bide_syscalls_total", "counter", "System calls of the reactor.",
               stats.syscalls);
    put_metric(text, "bide_timers", "gauge", "Timers that are set.", stats.timers);
    put_metric(text, "bide_operations_total", "counter", "Operations handed to the reactor.",
               stats.operations);
    put_metric(text, "bide_offloaded_total", "counter", "Calls given to the blocking pool.",
               stats.offloaded);
    put_metric(text, "bide_offload_queued", "gauge", "Of them, those that wait for a thread.",
               stats.offload_queued);
}

static void put_database(struct text *text, struct app *app)
{
    struct bide_sqlite_stats stats;

    bide_sqlite_get_stats(app->db, &stats);
    put_metric(text, "bide_sqlite_reads_in_place_total", "counter", "Reads run on the worker.",
               stats.in_place);
    put_metric(text, "bide_sqlite_reads_too_long_total", "counter",
               "Of them, abandoned because they took too long.", stats.too_long);
    put_metric(text, "bide_sqlite_reads_not_cached_total", "counter",
               "Of them, abandoned because they would have waited for the disk or a lock.",
               stats.not_cached);
    put_metric(text, "bide_sqlite_reads_on_thread_total", "counter", "Reads run on a thread.",
               stats.on_thread);
    put_metric(text, "bide_sqlite_writes_total", "counter", "Writes answered.", stats.writes);
    put_metric(text, "bide_sqlite_transactions_total", "counter",
               "Transactions that the writes took.", stats.transactions);
    put_metric(text, "bide_sqlite_threads", "gauge", "Threads of the database.", stats.threads);
}

int get_metrics(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    struct text text = { .data = bide_http_alloc(req, SIZE) };

    if (!text.data)
        return -ENOMEM;
    text.size = bide_http_metrics(app->server, text.data, SIZE);
    if (text.size >= SIZE)
        return bide_http_error(res, 500, "the metrics do not fit");
    put_runtime(&text);
    put_database(&text, app);
    return bide_http_send(res, 200, "text/plain; version=0.0.4; charset=utf-8", text.data,
                          text.size);
}

int get_health(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(app->db, &rows, "SELECT id FROM users LIMIT 1");

    (void)req;
    bide_sqlite_release(&rows);
    if (r < 0)
        return answer_database_error(res, r);
    return bide_http_sendf(res, 200, "application/json", "{\"status\":\"ok\"}");
}
