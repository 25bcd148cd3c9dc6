/*
 * app.h - the user service: what its parts share.
 *
 *   main.c      start, serve, stop
 *   options.c   the command line
 *   seed.c      the first start: tables, users, posts
 *   users.c     a user and their posts, fetched at the same time: begin to read here
 *   posts.c     a post added, and read
 *   answer.c    rows as JSON; errors of the database
 *   json.c      writing JSON
 *   metrics.c   GET /metrics and GET /healthz
 *   debug.c     GET /debug/tasks, with --debug
 *   page.c      GET /: page.html
 */
#ifndef APP_H
#define APP_H

#include "json.h"
#include "options.h"

#include <bide/bide.h>
#include <bide/http.h>
#include <bide/sqlite.h>

/* Handlers run on several workers at once. What is here does not change while they do; the database
 * and the server are made for it. */
struct app {
    struct options options;
    struct bide_sqlite *db;
    struct bide_http_server *server;
};

/* Route handlers; user is the struct app. */
int get_user(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_users(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_post(struct bide_http_request *req, struct bide_http_response *res, void *user);
int add_post(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_health(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_metrics(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_tasks(struct bide_http_request *req, struct bide_http_response *res, void *user);
int get_page(struct bide_http_request *req, struct bide_http_response *res, void *user);

/* The rows' current one as a JSON object. */
void put_user(struct json *json, const struct bide_sqlite_rows *rows);
void put_post(struct json *json, const struct bide_sqlite_rows *rows);

/* Answer with json, or for a database call that failed with error. Return what the handler should
 * return. json is released. */
BIDE_SUSPENDS int send_json(struct bide_http_response *res, int status, struct json *json);
BIDE_SUSPENDS int answer_database_error(struct bide_http_response *res, int error);

/*
 * seed - make sure that the database is this program's, sound, and filled.
 *
 * Fills an empty one, showing how far it is; all or nothing. Returns 0, or an error after having
 * said on stderr what is wrong; -ECANCELED when it was cancelled.
 */
BIDE_SUSPENDS int seed(struct app *app);

/* Say on stderr, in one line, why the database file cannot be used. */
void say_unusable(const struct app *app, int error);

#endif
