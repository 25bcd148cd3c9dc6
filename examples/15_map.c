/*
 * 15_map - a page needs many users, some of them several times: all are asked for at once, but each
 * is loaded once, three at a time, and no faster than the database allows.
 */
#include <stdio.h>

#include <bide/keywords.h>

enum { COMMENTS = 12 };

struct db {
    struct bide_semaphore connections;
    struct bide_rate queries;
    struct bide_singleflight loads; /* by the user's id */
    int under_way, most, loaded;
};

struct user {
    int id;
    char name[28];
};

/* Stands for a query over the network. */
static struct user query(struct db *db, int id)
{
    struct user user = { .id = id };
    if (++db->under_way > db->most)
        db->most = db->under_way;
    if (!bide_sleep(5 * BIDE_MS))
        db->loaded++;
    db->under_way--;
    snprintf(user.name, sizeof(user.name), "user %d", id);
    return user;
}
ASYNC(struct user, query, struct db *, int)

/* The same, as everybody should ask for it. */
static struct user load(int id, struct db *db)
{
    let limited = bide_concurrency_limit(&db->connections, async(query, db, id));
    let paced = bide_rate_limit(&db->queries, limited);
    return await(bide_singleflight(&db->loads, &id, sizeof(id), paced));
}
ASYNC(struct user, load, int, struct db *)

static int demo(void)
{
    static const int author[COMMENTS] = { 7, 7, 3, 7, 4, 3, 9, 9, 1, 9, 2, 1 };
    struct user users[COMMENTS];
    struct db db = {
        .connections = BIDE_SEMAPHORE(3),
        .queries = { .tokens = 1000, .burst = 3 }, /* a second */
    };
    int error = await(bide_map(load, author, COMMENTS, users, COMMENTS, &db));
    if (error)
        return error;
    for (int i = 0; i < COMMENTS; i++)
        printf("%s%s", i ? ", " : "", users[i].name);
    printf("\n%d comments, %d queries, %d at once\n", COMMENTS, db.loaded, db.most);
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
