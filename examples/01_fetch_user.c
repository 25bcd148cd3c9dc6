/*
 * 01_fetch_user - where it begins: two fetches, one after the other and at the same time.
 *
 * fetch_user and fetch_posts are plain C functions that suspend. Called, they run in sequence;
 * as futures, both are described first and then driven together.
 */
#include <stdio.h>

#include <bide/keywords.h>

struct user {
    char name[32];
};

struct posts {
    int count;
    char title[2][32];
};

static struct user fetch_user(int id)
{
    struct user user;
    bide_sleep(10 * BIDE_MS); /* the way to the database and back */
    snprintf(user.name, sizeof(user.name), "User(%d)", id);
    return user;
}

static struct posts fetch_posts(int id)
{
    struct posts posts = { .count = 2 };
    bide_sleep(8 * BIDE_MS);
    for (int i = 0; i < posts.count; i++)
        snprintf(posts.title[i], sizeof(posts.title[i]), "Post%d by %d", i + 1, id);
    return posts;
}

ASYNC(struct user, fetch_user, int)
ASYNC(struct posts, fetch_posts, int)

static void sequential(int id)
{
    struct user user = fetch_user(id);
    struct posts posts = fetch_posts(id);
    printf("User: %s\n", user.name);
    for (int i = 0; i < posts.count; i++)
        printf(" %s\n", posts.title[i]);
}

static void concurrent(int id)
{
    let user = async(fetch_user, id); /* nothing has run yet */
    let posts = async(fetch_posts, id);
    join(&user, &posts); /* both run; both are over */
    printf("Concurrent: %s with %d posts\n", user.value.name, posts.value.count);
}

static int demo(void)
{
    sequential(42);
    concurrent(99);
    return 0;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
