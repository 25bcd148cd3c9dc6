/* posts.c - a post: added, and read again. */
#include "app.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TITLE_MAX = 200, DEPTH_MAX = 16 };

/* ---- GET /users/{id}/posts/{post} ---------------------------------------------------------- */

static int send_post(struct bide_http_response *res, int status,
                     const struct bide_sqlite_rows *rows)
{
    struct json json;

    json_init(&json);
    put_post(&json, rows);
    return send_json(res, status, &json);
}

int get_post(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    struct bide_sqlite_rows rows;
    int64_t id = bide_http_param_int(req, "id"), post = bide_http_param_int(req, "post");
    int r = bide_sqlite_query(app->db, &rows,
                              "SELECT id, title, body FROM posts WHERE id = ? AND user_id = ?",
                              post, id);
    if (r < 0)
        r = answer_database_error(res, r);
    else if (!bide_sqlite_next(&rows))
        r = bide_http_error(res, 404, "user %lld has no post %lld", (long long)id,
                            (long long)post);
    else
        r = send_post(res, 200, &rows);
    bide_sqlite_release(&rows);
    return r;
}

/* ---- POST /users/{id}/posts ---------------------------------------------------------------- */

/* How deep the brackets of a JSON text nest. jansson recurses as deep, on a fiber's small stack. */
static int nesting(const char *text, size_t size)
{
    int depth = 0, deepest = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return deepest;
}

/* The body as a JSON object; else NULL, and *why. Owned by the caller. */
static json_t *parse_object(const char *text, size_t size, char *why, size_t why_size)
{
    json_error_t error;

    if (nesting(text, size) > DEPTH_MAX) {
        snprintf(why, why_size, "the JSON nests more than %d deep", DEPTH_MAX);
        return NULL;
    }
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!json) {
        snprintf(why, why_size, "the body is not JSON: line %d, column %d: %s", error.line,
                 error.column, error.text);
    } else if (!json_is_object(json)) {
        snprintf(why, why_size, "the body is not a JSON object");
        json_decref(json);
        json = NULL;
    }
    return json;
}

/* NULL when json is a post that can be kept; else what is wrong with it. */
static const char *wrong_with(const json_t *json)
{
    const json_t *title = json_object_get(json, "title"), *body = json_object_get(json, "body");

    if (!title)
        return "title is missing";
    if (!json_is_string(title))
        return "title is not a string";
    if (json_string_length(title) == 0)
        return "title is empty";
    if (json_string_length(title) > TITLE_MAX)
        return "title is longer than 200 bytes";
    if (!body)
        return "body is missing";
    if (!json_is_string(body))
        return "body is not a string";
    return NULL;
}

static int insert_post(struct app *app, struct bide_http_response *res, int64_t id,
                       const json_t *post)
{
    const char *title = json_string_value(json_object_get(post, "title"));
    const char *body = json_string_value(json_object_get(post, "body"));
    struct bide_sqlite_result result;
    int r = bide_sqlite_exec(app->db, &result,
                             "INSERT INTO posts(user_id, title, body) VALUES(?, ?, ?)", id, title,
                             body);
    if (r == -ENOKEY)
        return bide_http_error(res, 404, "there is no user %lld", (long long)id);
    if (r < 0)
        return answer_database_error(res, r);
    /* It is on the disk from here on. */
    r = bide_http_add_headerf(res, "Location", "/users/%lld/posts/%lld", (long long)id,
                              (long long)result.last_id);
    if (r < 0)
        return r;
    struct json json;
    json_init(&json);
    json_put(&json, "{\"id\":");
    json_int(&json, result.last_id);
    json_put(&json, ",\"title\":");
    json_text(&json, title, strlen(title));
    json_put(&json, ",\"body\":");
    json_text(&json, body, strlen(body));
    json_put(&json, "}");
    return send_json(res, 201, &json);
}

int add_post(struct bide_http_request *req, struct bide_http_response *res, void *arg)
{
    struct app *app = arg;
    const char *text, *wrong;
    char why[256];
    ssize_t size = bide_http_body(req, &text);

    if (size < 0)
        return (int)size; /* too large, too slow, malformed: the server answers */
    json_t *post = parse_object(text, (size_t)size, why, sizeof(why));
    if (!post)
        return bide_http_error(res, 400, "%s", why);
    wrong = wrong_with(post);
    int r = wrong ? bide_http_error(res, 400, "%s", wrong)
                  : insert_post(app, res, bide_http_param_int(req, "id"), post);
    json_decref(post);
    return r;
}
