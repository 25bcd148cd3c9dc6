/* main.c - the user service: start, serve, stop. */
#include "app.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int wait_for_signal(void)
{
    bide_let interrupt = bide_async(bide_signal, SIGINT);
    bide_let terminate = bide_async(bide_signal, SIGTERM);
    int first = bide_race(&interrupt, &terminate);

    if (first < 0)
        return first;
    return first == 0 ? interrupt.value : terminate.value;
}

/* Stops the server at the first signal. At a second SIGINT somebody is out of patience. */
static int stop_on_signal(struct app *app)
{
    struct bide_http_stats stats;
    int number = wait_for_signal();

    if (number < 0)
        return number;
    bide_http_get_stats(app->server, &stats);
    printf("stopping: %llu open connections may finish what they are at\n",
           (unsigned long long)(stats.open - stats.idle));
    fflush(stdout);
    bide_http_stop(app->server);
    number = bide_signal(SIGINT);
    if (number == SIGINT)
        _exit(128 + SIGINT);
    return number;
}
BIDE_ASYNC(int, stop_on_signal, struct app *)

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
    };
    const struct bide_http_options *http = &app->options.http;
    int r = bide_http_new(http, routes, sizeof(routes) / sizeof(*routes), &app->server);

    if (r < 0) {
        fprintf(stderr, "user-service: cannot listen on %s port %d: %s\n", http->host, http->port,
                strerror(-r));
        return r;
    }
    say_hello(app);
    bide_let serving = bide_async(bide_http_serve, app->server);
    r = bide_race(&serving, bide_async(stop_on_signal, app));
    if (r >= 0)
        r = serving.value;
    if (r < 0)
        fprintf(stderr, "user-service: %s\n", strerror(-r));
    bide_http_free(app->server);
    return r;
}

/* Returns the program's exit status. */
static int run(struct app *app)
{
    const struct bide_sqlite_options options = {
        .busy = app->options.busy ? app->options.busy : -1
    };
    int r = bide_sqlite_open(app->options.db, &options, &app->db);

    if (r < 0) {
        fprintf(stderr, "user-service: cannot open %s: %s\n", app->options.db,
                bide_sqlite_message());
        return 1;
    }
    r = seed(app);
    if (r == -ECANCELED) /* by a signal, as one stops a service */
        r = 0;
    else if (r == 0)
        r = listen_and_serve(app);
    bide_sqlite_close(app->db);
    return r < 0;
}
BIDE_ASYNC(int, run, struct app *)

int main(int argc, char **argv)
{
    struct app app = { 0 };
    int status = options_parse(argc, argv, &app.options);

    if (status >= 0)
        return status;
    bide_let service = bide_async(run, &app);
    status = bide_run(&service);
    if (bide_error(&service) < 0) {
        fprintf(stderr, "user-service: cannot start: %s\n", strerror(-bide_error(&service)));
        return 1;
    }
    return status;
}
