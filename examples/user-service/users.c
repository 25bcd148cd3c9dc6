/*
 * users.c - users and their posts.
 *
 * fetch_user and fetch_posts are plain functions: each waits for its query and returns. Called
 * one after the other they run one after the other; described with bide_async and driven by
 * bide_join they run at the same time. get_user does it either way.
 */
#include "app.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 1000 };

/* What a fetch brings home. Release its rows. */
struct fetch {
    int error;              /* 0 or -errno */
    bide_time began, ended; /* as bide_now() */
    struct bide_sqlite_rows rows;
};

/* ---- GET /users/{id} ----------------------------------------------------------------------- */

static struct fetch fetch_user(struct app *app, int64_t id)
{
    struct fetch fetch = { .began = bide_now() };

    fetch.error = bide_sleep(app->options.latency_user);
    if (fetch.error == 0)
        fetch.error = bide_sqlite_query(app->db, &fetch.rows,
                                        "SELECT id, name, email FROM users WHERE id = ?", id);
    fetch.ended = bide_now();
    return fetch;
}

static struct fetch fetch_posts(struct app *app, int64_t id)
{
    struct fetch fetch = { .began = bide_now() };

    fetch.error = bide_sleep(app->options.latency_posts);
    if (fetch.error == 0)
        fetch.error = bide_sqlite_query(
            app->db, &fetch.rows,
            "SELECT id, title, body FROM posts WHERE user_id = ? ORDER BY id LIMIT 100", id);
    fetch.ended = bide_now();
    return fetch;
}

BIDE_ASYNC(struct fetch, fetch_user, struct app *, int64_t)
BIDE_ASYNC(struct fetch, fetch_posts, struct app *, int64_t)

/* Server-Timing: milliseconds since began. start is for the waterfall on the page. */
static int add_timing(struct bide_http_response *res, bide_time began, const struct fetch *user,
                      const struct fetch *posts)
{
    const double ms = 1e-6;

    return bide_http_add_headerf(
        res, "Server-Timing",
        "user;start=%.3f;dur=%.3f, posts;start=%.3f;dur=%.3f, total;start=0;dur=%.3f",
        (double)(user->began - began) * ms, (double)(user->ended - user->began) * ms,
        (double)(posts->began - began) * ms, (double)(posts->ended - posts->began) * ms,
        (double)(bide_now() - began) * ms);
}

static int send_user(struct bide_http_response *res, bide_time began, struct fetch *user,
                     struct fetch *posts)
{
    struct json json;
    int r = add_timing(res, began, user, posts);

    if (r < 0)
        return r;
    json_init(&json);
    json_put(&json, "{\"user\":");
    put_user(&json, &user->rows);
    json_put(&json, ",\"posts\":[");
    for (int i = 0; bide_sqlite_next(&posts->rows); i++) {
        if (i > 0)
            json_put(&json, ",");
        put_post(&json, &posts->rows);
    }
    json_put(&json, "]}");
    return send_json(res, 200, &json);
}

/* "sequential", "concurrent" or nothing. Returns 1, 0, or -EINVAL. */
static int is_sequential(struct bide_http_request *req)
{
    const char *mode = bide_http_query(req, "mode");

    if (!mode || !strcmp(mode, "concurrent"))
        return 0;
    return strcmp(mode, "sequential") ? -EINVAL : 1;
}

int get_user(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    int64_t id = bide_http_param_int(req, "id");
    int sequential = is_sequential(req);

    if (sequential < 0)
        return bide_http_error(res, 400, "mode is \"sequential\" or \"concurrent\"");

    bide_time began = bide_now();
    bide_let user = bide_async(fetch_user, app, id); /* nothing has run yet */
    bide_let posts = bide_async(fetch_posts, app, id);
    int r = 0;
    if (sequential) {
        bide_await(&user);
        bide_await(&posts);
    } else {
        r = bide_join(&user, &posts);
    }

    if (r == 0)
        r = user.value.error < 0 ? user.value.error : posts.value.error;
    if (r < 0)
        r = answer_database_error(res, r);
    else if (!bide_sqlite_next(&user.value.rows))
        r = bide_http_error(res, 404, "there is no user %lld", (long long)id);
    else
        r = send_user(res, began, &user.value, &posts.value);
    bide_sqlite_release(&user.value.rows);
    bide_sqlite_release(&posts.value.rows);
    return r;
}

/* ---- GET /users ---------------------------------------------------------------------------- */

/* The page's users, and where the next one begins. One row more than limit was asked for, to know
 * whether there is a next page. */
static int send_users(struct bide_http_response *res, struct bide_sqlite_rows *rows, int64_t limit)
{
    struct json json;
    int64_t last = 0;

    json_init(&json);
    json_put(&json, "{\"users\":[");
    for (int64_t i = 0; i < limit && bide_sqlite_next(rows); i++) {
        if (i > 0)
            json_put(&json, ",");
        put_user(&json, rows);
        last = bide_sqlite_row_int(rows, 0);
    }
    json_put(&json, "],\"next\":");
    if ((int64_t)rows->count > limit) {
        json_put(&json, "\"/users?after=");
        json_int(&json, last);
        json_put(&json, "&limit=");
        json_int(&json, limit);
        json_put(&json, "\"}");
    } else {
        json_put(&json, "null}");
    }
    return send_json(res, 200, &json);
}

int get_users(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    struct bide_sqlite_rows rows;
    int64_t after, limit;

    if (bide_http_query_int(req, "after", 0, &after) < 0 || after < 0)
        return bide_http_error(res, 400, "after is a user's id");
    if (bide_http_query_int(req, "limit", LIMIT_DEFAULT, &limit) < 0 || limit < 1 ||
        limit > LIMIT_MAX)
        return bide_http_error(res, 400, "limit is a number from 1 to %d", LIMIT_MAX);
    int r = bide_sqlite_query(app->db, &rows,
                              "SELECT id, name, email FROM users WHERE id > ? ORDER BY id LIMIT ?",
                              after, limit + 1);
    r = r < 0 ? answer_database_error(res, r) : send_users(res, &rows, limit);
    bide_sqlite_release(&rows);
    return r;
}
