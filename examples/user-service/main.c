/* main.c - the user service: start, serve, stop. */
#include "app.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say_hello(const struct app *app)
{
    const char *host = app->options.http.host;
    int port = bide_http_port(app->server);
    const char *shape = strchr(host, ':') ? "http://[%s]:%d" : "http://%s:%d";
    char url[128];

    if (!strcmp(host, "0.0.0.0") || !strcmp(host, "::") || !*host)
        host = "127.0.0.1", shape = "http://%s:%d";
    snprintf(url, sizeof(url), shape, host, port);
    printf("serving on %s\ntry: open it in a browser, or curl -i %s/users/42\n", url, url);
    fflush(stdout);
}

static int listen_and_serve(struct app *app)
{
    const struct bide_http_route routes[] = {
        { BIDE_HTTP_GET, "/", get_page, app, 0 },
        { BIDE_HTTP_GET, "/users", get_users, app, 0 },
        { BIDE_HTTP_GET, "/users/{id:uint}", get_user, app, 0 },
        { BIDE_HTTP_POST, "/users/{id:uint}/posts", add_post, app, 0 },
        { BIDE_HTTP_GET, "/users/{id:uint}/posts/{post:uint}", get_post, app, 0 },
        { BIDE_HTTP_GET, "/healthz", get_health, app, 0 },
        { BIDE_HTTP_GET, "/metrics", get_metrics, app, 0 },
        { BIDE_HTTP_GET, "/debug/tasks", get_tasks, app, 0 }, /* the last: only with --debug */
    };
    const struct bide_http_options *http = &app->options.http;
    size_t count = sizeof(routes) / sizeof(*routes) - !app->options.debug;
    int r = bide_http_new(http, routes, count, &app->server);

    if (r < 0) {
        fprintf(stderr, "user-service: cannot listen on %s port %d: %s\n", http->host, http->port,
                strerror(-r));
        return r;
    }
    say_hello(app);
    r = bide_http_serve(app->server);
    if (r < 0 && r != -ECANCELED)
        fprintf(stderr, "user-service: %s\n", strerror(-r));
    bide_http_free(app->server);
    return r;
}

static int run(struct app *app)
{
    const struct bide_sqlite_options options = {
        .in_place = app->options.in_place ? app->options.in_place : -1,
        .busy = app->options.busy ? app->options.busy : -1,
    };
    bide_name("service");
    int r = bide_sqlite_open(app->options.db, &options, &app->db);

    if (r < 0) {
        say_unusable(app, r);
        return r;
    }
    r = seed(app);
    if (r == 0)
        r = listen_and_serve(app);
    bide_sqlite_close(app->db);
    return r;
}
BIDE_ASYNC(int, run, struct app *)

/*
 * The first SIGINT or SIGTERM cancels the service, wherever it is: a filling is undone, a server
 * stops accepting and finishes what is in flight. At a second SIGINT somebody is out of patience.
 */
static int stop_on_signal(struct run_future *service)
{
    int r = bide_race(bide_async(bide_signal, SIGINT), bide_async(bide_signal, SIGTERM));

    if (r < 0)
        return r;
    printf("stopping\n");
    fflush(stdout);
    bide_cancel(service);
    r = bide_signal(SIGINT);
    if (r == SIGINT)
        _exit(128 + SIGINT);
    return r;
}
BIDE_ASYNC(int, stop_on_signal, struct run_future *)

/* Returns the program's exit status. */
static int run_until_signal(struct app *app)
{
    bide_let service = bide_async(run, app);
    bide_let stop = bide_async(stop_on_signal, &service);
    int r = bide_race(&stop, &service);

    if (r < 0)
        return 1;
    return service.value < 0 && service.value != -ECANCELED;
}
BIDE_ASYNC(int, run_until_signal, struct app *)

int main(int argc, char **argv)
{
    struct app app = { 0 };
    int status = options_parse(argc, argv, &app.options);

    if (status >= 0)
        return status;
    json_object_seed(0); /* now, while there is one thread */
    const struct bide_config config = {
        .workers = app.options.workers,
        .dump_on_sigquit = app.options.debug,
    };
    bide_let all = bide_async(run_until_signal, &app);
    status = bide_run_with(&config, &all);
    if (bide_error(&all) < 0) {
        fprintf(stderr, "user-service: cannot start: %s\n", strerror(-bide_error(&all)));
        return 1;
    }
    return status;
}
