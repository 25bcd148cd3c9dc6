/* answer.c - what the routes answer with: rows as JSON, and what the database could not do. */
#include "app.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* {"id":1,"a":"...","b":"..."} */
static void put_row(struct json *json, const struct bide_sqlite_rows *rows, const char *a,
                    const char *b)
{
    json_put(json, "{\"id\":");
    json_int(json, bide_sqlite_row_int(rows, 0));
    json_put_n(json, a, strlen(a));
    json_text(json, bide_sqlite_row_text(rows, 1), bide_sqlite_row_size(rows, 1));
    json_put_n(json, b, strlen(b));
    json_text(json, bide_sqlite_row_text(rows, 2), bide_sqlite_row_size(rows, 2));
    json_put(json, "}");
}

void put_user(struct json *json, const struct bide_sqlite_rows *rows)
{
    put_row(json, rows, ",\"name\":", ",\"email\":");
}

void put_post(struct json *json, const struct bide_sqlite_rows *rows)
{
    put_row(json, rows, ",\"title\":", ",\"body\":");
}

int send_json(struct bide_http_response *res, int status, struct json *json)
{
    int r = json->failed ? -ENOMEM
                         : bide_http_send(res, status, "application/json", json->data, json->size);
    json_release(json);
    return r;
}

int answer_database_error(struct bide_http_response *res, int error)
{
    const char *message = NULL;

    switch (error) {
    case -ECANCELED:
        return error; /* the service stops: nobody is left to be answered */
    case -EBUSY:
        message = "the database is locked by another program";
        break;
    case -ENOSPC:
        message = "the database's disk is full";
        break;
    case -ETIMEDOUT:
        message = "the database takes too long";
        break;
    case -ENOMEM:
    case -EAGAIN:
    case -EMFILE:
    case -ENFILE:
        message = "the service is short of memory, threads or files";
        break;
    default:
        fprintf(stderr, "user-service: database: %s: %s\n", strerror(-error),
                bide_sqlite_message());
        return bide_http_error(res, 500, "the database failed");
    }
    int r = bide_http_add_header(res, "Retry-After", "1");
    return r < 0 ? r : bide_http_error(res, 503, "%s", message);
}
