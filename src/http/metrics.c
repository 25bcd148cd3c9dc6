/*
 * http/metrics.c - counters, and how they are read.
 */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>

const bide_time bide_http_bounds[BIDE_HTTP_BUCKETS] = {
    50 * BIDE_US,  100 * BIDE_US, 250 * BIDE_US, 500 * BIDE_US, BIDE_MS,      2500 * BIDE_US,
    5 * BIDE_MS,   10 * BIDE_MS,  25 * BIDE_MS,  50 * BIDE_MS,  100 * BIDE_MS, 250 * BIDE_MS,
    500 * BIDE_MS, BIDE_S,        2500 * BIDE_MS, 5 * BIDE_S,   10 * BIDE_S,  BIDE_FOREVER,
};

/* A status is written before its first count: who sees that sees the status. */
void bide__http_count(struct bide__http_counters *counters, int status, bide_time latency)
{
    unsigned i = 0;
    while (latency > bide_http_bounds[i])
        i++;
    bide__http_add(&counters->buckets[i], 1);
    __atomic_store_n(&counters->sum, counters->sum + latency, __ATOMIC_RELAXED);
    for (i = 0; i < BIDE_HTTP_STATUSES - 1; i++) {
        if (BIDE__LIKELY(counters->statuses[i].status == status))
            break;
        if (!counters->statuses[i].count) {
            counters->statuses[i].status = status;
            break;
        }
    }
    uint64_t *count = &counters->statuses[i].count;
    __atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
}

/* Any thread: how many shares there are to read. */
static unsigned shares_of(const struct bide_http_server *server)
{
    return __atomic_load_n(&server->shares_count, __ATOMIC_ACQUIRE);
}

void bide_http_get_stats(const struct bide_http_server *server, struct bide_http_stats *ret_stats)
{
    struct bide_http_stats sum = {
        .accepted = bide__http_counted(&server->accepted),
        .open = bide__http_counted(&server->open),
        .accept_pauses = bide__http_counted(&server->accept_pauses),
    };
    for (unsigned i = 0; i < shares_of(server); i++) {
        const struct bide_http_stats *own = &bide__http_share_at(server, i)->stats;
        sum.idle += bide__http_counted(&own->idle);
        sum.requests += bide__http_counted(&own->requests);
        sum.malformed += bide__http_counted(&own->malformed);
        sum.timeouts += bide__http_counted(&own->timeouts);
        sum.received += bide__http_counted(&own->received);
        sum.sent += bide__http_counted(&own->sent);
    }
    *ret_stats = sum;
}

static void add_status(struct bide_http_route_stats *sum, int status, uint64_t count)
{
    unsigned i = 0;
    while (i < BIDE_HTTP_STATUSES - 1 && sum->statuses[i].count &&
           sum->statuses[i].status != status)
        i++;
    sum->statuses[i].status = i < BIDE_HTTP_STATUSES - 1 ? status : 0;
    sum->statuses[i].count += count;
}

static void add_counters(struct bide_http_route_stats *sum,
                         const struct bide__http_counters *counters)
{
    for (unsigned i = 0; i < BIDE_HTTP_BUCKETS; i++) {
        uint64_t count = bide__http_counted(&counters->buckets[i]);
        sum->buckets[i] += count;
        sum->count += count;
    }
    sum->sum += __atomic_load_n(&counters->sum, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < BIDE_HTTP_STATUSES; i++) {
        uint64_t count = __atomic_load_n(&counters->statuses[i].count, __ATOMIC_ACQUIRE);
        if (count)
            add_status(sum, counters->statuses[i].status, count);
    }
}

int bide_http_get_route_stats(const struct bide_http_server *server, size_t index,
                              struct bide_http_route_stats *ret_stats)
{
    if (index > server->routes_count)
        return -ENOENT;
    const struct bide__http_route *route =
        index < server->routes_count ? &server->routes[index] : NULL;
    struct bide_http_route_stats sum = {
        .method = route ? bide_http_method_name(route->public.method) : "",
        .path = route ? route->public.path : "",
    };
    for (unsigned i = 0; i < shares_of(server); i++)
        add_counters(&sum, &bide__http_share_at(server, i)->counters[index]);
    *ret_stats = sum;
    return 0;
}

/* ---- Prometheus text ------------------------------------------------------------------------- */

struct text {
    char *buf;
    size_t size, used; /* used may exceed size, as with snprintf */
};

__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...)
{
    size_t room = text->used < text->size ? text->size - text->used : 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room ? text->buf + text->used : NULL, room, format, args);
    va_end(args);
    text->used += n > 0 ? (size_t)n : 0;
}

static void print_type(struct text *text, const char *name, const char *type, const char *help)
{
    print(text, "# HELP bide_http_%s %s\n# TYPE bide_http_%s %s\n", name, help, name, type);
}

/* method="GET",route="/users/{id}". Escapes what a label's value must not contain. */
static void print_route(struct text *text, const struct bide_http_route_stats *route)
{
    print(text, "method=\"%s\",route=\"", route->method);
    for (const char *at = route->path; *at; at++)
        print(text, *at == '"' || *at == '\\' ? "\\%c" : *at == '\n' ? "\\n" : "%c", *at);
    print(text, "\"");
}

static void print_statuses(struct text *text, const struct bide_http_route_stats *route)
{
    for (unsigned i = 0; i < BIDE_HTTP_STATUSES && route->statuses[i].count; i++) {
        print(text, "bide_http_requests_total{");
        print_route(text, route);
        print(text, ",status=\"%d\"} %llu\n", route->statuses[i].status,
              (unsigned long long)route->statuses[i].count);
    }
}

static void print_latencies(struct text *text, const struct bide_http_route_stats *route)
{
    static const char name[] = "bide_http_request_duration_seconds";
    uint64_t below = 0;
    if (!route->count)
        return;
    for (unsigned i = 0; i < BIDE_HTTP_BUCKETS; i++) {
        below += route->buckets[i];
        print(text, "%s_bucket{", name);
        print_route(text, route);
        if (bide_http_bounds[i] == BIDE_FOREVER)
            print(text, ",le=\"+Inf\"} %llu\n", (unsigned long long)below);
        else
            print(text, ",le=\"%g\"} %llu\n", (double)bide_http_bounds[i] / (double)BIDE_S,
                  (unsigned long long)below);
    }
    print(text, "%s_sum{", name);
    print_route(text, route);
    print(text, "} %.9g\n%s_count{", (double)route->sum / (double)BIDE_S, name);
    print_route(text, route);
    print(text, "} %llu\n", (unsigned long long)route->count);
}

static void print_totals(struct text *text, const struct bide_http_stats *stats)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } totals[] = {
        { "connections", "gauge", "Open connections.", stats->open },
        { "connections_idle", "gauge", "Of those, waiting for a request.", stats->idle },
        { "connections_total", "counter", "Connections accepted.", stats->accepted },
        { "malformed_total", "counter", "Requests that were refused.", stats->malformed },
        { "timeouts_total", "counter", "Heads, bodies and sends that took too long.",
          stats->timeouts },
        { "accept_pauses_total", "counter", "Times that accepting waited for resources.",
          stats->accept_pauses },
        { "received_bytes_total", "counter", "Bytes received.", stats->received },
        { "sent_bytes_total", "counter", "Bytes sent.", stats->sent },
    };
    for (unsigned i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        print_type(text, totals[i].name, totals[i].type, totals[i].help);
        print(text, "bide_http_%s %llu\n", totals[i].name, (unsigned long long)totals[i].value);
    }
}

size_t bide_http_metrics(const struct bide_http_server *server, char *buf, size_t size)
{
    struct text text = { .buf = buf, .size = size };
    struct bide_http_route_stats route;
    struct bide_http_stats stats;
    bide_http_get_stats(server, &stats);
    print_totals(&text, &stats);
    print_type(&text, "requests_total", "counter", "Requests by route and status.");
    for (size_t i = 0; !bide_http_get_route_stats(server, i, &route); i++)
        print_statuses(&text, &route);
    print_type(&text, "request_duration_seconds", "histogram",
               "From the end of a request's head to its answer.");
    for (size_t i = 0; !bide_http_get_route_stats(server, i, &route); i++)
        print_latencies(&text, &route);
    return text.used;
}
