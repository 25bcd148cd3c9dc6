/*
 * seed.c - the first start: tables, users, posts.
 *
 * All of it is one transaction, so that a program that is killed meanwhile leaves an empty
 * database, which the next start fills. While the writer thread inserts, a fiber shows how
 * far it is: a race that the filling wins.
 */
#include "app.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x62696465 }; /* "bide" */
enum { POSTS_EACH = 10 };

static const int64_t CHECKED_MAX = 256 << 20; /* bytes: a larger file is not read through */

struct filling {
    int64_t users;
    atomic_llong done;
};

/* ---- what is in it ------------------------------------------------------------------------- */

static const char *const first_names[] = { "Ada", "Alan", "Barbara", "Dennis", "Edsger", "Grace",
    "Hedy", "John", "Katherine", "Ken", "Leslie", "Margaret", "Niklaus", "Radia", "Tony" };
static const char *const last_names[] = { "Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper",
    "Johnson", "Kernighan", "Lamport", "Liskov", "Lovelace", "Perlman", "Ritchie", "Thompson",
    "Turing", "Wirth", "Zuse" };
static const char *const things[] = { "fibers", "futures", "cancellation", "back pressure",
    "a slow disk", "ten thousand sockets", "the event loop", "deadlines", "a lost wake-up",
    "structured concurrency", "the write-ahead log" };
static const char *const openings[] = { "What I learnt about", "A note on", "Living with",
    "In praise of", "Three questions about", "Before you blame", "How we measured" };
static const char *const remarks[] = { "It was never the part that we had suspected.",
    "The second measurement agreed with the first, which made us look for a third.",
    "Everything that waits should be easy to see, and easy to stop.",
    "Most of the time went where nobody had looked.",
    "The fix was two lines, and finding them took a week.",
    "Naïve as it looks, the simple version was the faster one." };

/* The nth of an array, spread so that neighbours differ. */
#define PICK(array, n) ((array)[(uint64_t)(n) * 2654435761u % (sizeof(array) / sizeof(*(array)))])

static int add_user(struct bide_sqlite_tx *tx, int64_t id)
{
    const char *first = PICK(first_names, id), *last = PICK(last_names, id / 3);
    char name[64], email[64];

    snprintf(name, sizeof(name), "%s %s", first, last);
    int size = snprintf(email, sizeof(email), "%s.%s.%" PRId64 "@example.org", first, last, id);
    for (int i = 0; i < size; i++)
        if (email[i] >= 'A' && email[i] <= 'Z')
            email[i] += 'a' - 'A';
    return bide_sqlite_do(tx, NULL, "INSERT INTO users(id, name, email) VALUES(?, ?, ?)", id, name,
                          email);
}

static int add_posts(struct bide_sqlite_tx *tx, int64_t id)
{
    char title[128], body[256];
    int r = 0;

    for (int64_t n = id * POSTS_EACH; r == 0 && n < (id + 1) * POSTS_EACH; n++) {
        snprintf(title, sizeof(title), "%s %s", PICK(openings, n), PICK(things, n / 2));
        snprintf(body, sizeof(body), "%s %s", PICK(remarks, n), PICK(remarks, n / 7 + 3 * n + 1));
        r = bide_sqlite_do(tx, NULL, "INSERT INTO posts(user_id, title, body) VALUES(?, ?, ?)", id,
                           title, body);
    }
    return r;
}

static int create_tables(struct bide_sqlite_tx *tx)
{
    static const char *const statements[] = {
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " email TEXT NOT NULL UNIQUE) STRICT",
        "CREATE TABLE posts(id INTEGER PRIMARY KEY,"
        " user_id INTEGER NOT NULL REFERENCES users(id), title TEXT NOT NULL, body TEXT NOT NULL)"
        " STRICT",
        "CREATE INDEX posts_by_user ON posts(user_id)",
        "PRAGMA application_id=0x62696465",
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(statements) / sizeof(*statements); i++)
        r = bide_sqlite_do(tx, NULL, statements[i]);
    return r;
}

/* On the writer thread. May be done again from its beginning, as all database calls may. */
static int fill(struct bide_sqlite_tx *tx, void *arg)
{
    struct filling *filling = arg;
    int r = create_tables(tx);

    for (int64_t id = 1; r == 0 && id <= filling->users; id++) {
        r = add_user(tx, id);
        if (r == 0)
            r = add_posts(tx, id);
        atomic_store_explicit(&filling->done, id, memory_order_relaxed);
    }
    return r;
}

static int fill_database(struct app *app, struct filling *filling)
{
    return bide_sqlite_write(app->db, fill, filling);
}
BIDE_ASYNC(int, fill_database, struct app *, struct filling *)

/* ---- how far it is ------------------------------------------------------------------------- */

static void draw_bar(const struct filling *filling)
{
    char bar[41];
    int64_t done = atomic_load_explicit(&filling->done, memory_order_relaxed);
    int full = (int)(done * (int64_t)(sizeof(bar) - 1) / filling->users);

    memset(bar, ' ', sizeof(bar) - 1);
    memset(bar, '#', (size_t)full);
    bar[sizeof(bar) - 1] = '\0';
    printf("\r[%s] %3d %%", bar, (int)(done * 100 / filling->users));
    fflush(stdout);
}

/* Until it is cancelled. Without a terminal there is nothing to draw on. */
static int show_progress(struct filling *filling)
{
    int r = 0;

    while (r == 0) {
        if (isatty(STDOUT_FILENO))
            draw_bar(filling);
        r = bide_sleep(50 * BIDE_MS);
    }
    return r;
}
BIDE_ASYNC(int, show_progress, struct filling *)

static int fill_and_show(struct app *app)
{
    struct filling filling = { .users = app->options.users };
    bool terminal = isatty(STDOUT_FILENO);
    bide_time began = bide_now();

    printf("filling %s with %" PRId64 " users and %d posts of each\n", app->options.db,
           filling.users, POSTS_EACH);
    fflush(stdout);
    bide_let work = bide_async(fill_database, app, &filling);
    int first = bide_race(&work, bide_async(show_progress, &filling));
    if (terminal && first == 0 && work.value == 0)
        draw_bar(&filling);
    if (terminal)
        putchar('\n');
    if (first < 0) {
        printf("nothing was filled\n");
        return first;
    }
    if (work.value < 0) {
        say_unusable(app, work.value);
        return work.value;
    }
    printf("filled in %.1f s\n", (double)(bide_now() - began) / (double)BIDE_S);
    return 0;
}

/* ---- whose is it, and is it sound? --------------------------------------------------------- */

static int ask_number(struct app *app, const char *sql, int64_t *ret_number)
{
    struct bide_sqlite_rows rows;
    int r = bide_sqlite_query(app->db, &rows, sql);

    if (r == 0 && bide_sqlite_next(&rows))
        *ret_number = bide_sqlite_row_int(&rows, 0);
    bide_sqlite_release(&rows);
    return r;
}

/* Every page of a file that is small enough for that. */
static int check_pages(struct app *app)
{
    struct bide_sqlite_rows rows;
    struct stat st;

    if (stat(app->options.db, &st) < 0 || st.st_size > CHECKED_MAX)
        return 0;
    int r = bide_sqlite_query(app->db, &rows, "PRAGMA quick_check(1)");
    const char *verdict = r == 0 && bide_sqlite_next(&rows) ? bide_sqlite_row_text(&rows, 0) : NULL;
    if (verdict && strcmp(verdict, "ok") != 0)
        r = -EBADMSG;
    bide_sqlite_release(&rows);
    return r;
}

void say_unusable(const struct app *app, int error)
{
    const char *path = app->options.db, *message = bide_sqlite_message();

    if (error == -EBADMSG)
        fprintf(stderr, "user-service: %s is corrupt\n", path);
    else
        fprintf(stderr, "user-service: cannot use %s: %s\n", path,
                *message ? message : strerror(-error));
}

int seed(struct app *app)
{
    const char *path = app->options.db;
    int64_t tables = 0, application = 0;
    int r = ask_number(app, "SELECT count(*) FROM sqlite_schema", &tables);

    if (r == 0)
        r = ask_number(app, "PRAGMA application_id", &application);
    if (r == 0 && tables == 0)
        return fill_and_show(app);
    if (r == 0 && application != APPLICATION_ID) {
        fprintf(stderr, "user-service: %s is the database of another program\n", path);
        return -EMEDIUMTYPE;
    }
    if (r == 0)
        r = check_pages(app);
    if (r < 0 && r != -ECANCELED)
        say_unusable(app, r);
    return r;
}
