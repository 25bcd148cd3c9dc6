/*
 * sequential.c - the program that the project began from: a user and the user's posts, one after
 * the other and both at once.
 */
#include "fiber.h"

struct user {
    char name[32];
};

struct posts {
    int count;
    char titles[2][32];
};

struct interval {
    bide_time begin, end;
};

static struct user fetch_user(int id, struct interval *when)
{
    struct user user;
    when->begin = bide_now();
    bide_sleep(10 * BIDE_MS);
    snprintf(user.name, sizeof(user.name), "User(%d)", id);
    when->end = bide_now();
    return user;
}
BIDE_ASYNC(struct user, fetch_user, int, struct interval *)

static struct posts fetch_posts(int id, struct interval *when)
{
    struct posts posts = { .count = 2 };
    when->begin = bide_now();
    bide_sleep(8 * BIDE_MS);
    for (int i = 0; i < posts.count; i++)
        snprintf(posts.titles[i], sizeof(posts.titles[i]), "Post%d by %d", i + 1, id);
    when->end = bide_now();
    return posts;
}
BIDE_ASYNC(struct posts, fetch_posts, int, struct interval *)

struct page {
    struct user user;
    struct posts posts;
    struct interval user_when, posts_when, whole;
};

static int sequential(int id, struct page *p)
{
    p->whole.begin = bide_now();
    p->user = bide_await(bide_async(fetch_user, id, &p->user_when));
    p->posts = bide_await(bide_async(fetch_posts, id, &p->posts_when));
    p->whole.end = bide_now();
    return 0;
}
BIDE_ASYNC(int, sequential, int, struct page *)

static int concurrent(int id, struct page *p)
{
    p->whole.begin = bide_now();
    bide_let user = bide_async(fetch_user, id, &p->user_when);
    bide_let posts = bide_async(fetch_posts, id, &p->posts_when);
    int error = bide_join(&user, &posts);
    p->user = user.value;
    p->posts = posts.value;
    p->whole.end = bide_now();
    return error;
}
BIDE_ASYNC(int, concurrent, int, struct page *)

static void check_page(const struct page *p, const char *name, const char *first,
                       const char *second)
{
    CHECK_STR(p->user.name, name);
    CHECK_EQ(p->posts.count, 2);
    CHECK_STR(p->posts.titles[0], first);
    CHECK_STR(p->posts.titles[1], second);
}

static bool lasts(struct interval when, bide_time from, bide_time to, const struct page *of)
{
    return when.begin - of->whole.begin == from && when.end - of->whole.begin == to;
}

SIM_TEST(one_after_the_other)
{
    struct page page;
    CHECK_EQ(bide_await(bide_async(sequential, 42, &page)), 0);
    check_page(&page, "User(42)", "Post1 by 42", "Post2 by 42");
    CHECK(lasts(page.user_when, 0, 10 * BIDE_MS, &page));
    CHECK(lasts(page.posts_when, 10 * BIDE_MS, 18 * BIDE_MS, &page));
    CHECK(lasts(page.whole, 0, 18 * BIDE_MS, &page));
}

SIM_TEST(both_at_once)
{
    struct page page;
    CHECK_EQ(bide_await(bide_async(concurrent, 99, &page)), 0);
    check_page(&page, "User(99)", "Post1 by 99", "Post2 by 99");
    CHECK(lasts(page.user_when, 0, 10 * BIDE_MS, &page));
    CHECK(lasts(page.posts_when, 0, 8 * BIDE_MS, &page));
    CHECK(lasts(page.whole, 0, 10 * BIDE_MS, &page));
}

static bool overlap(struct interval a, struct interval b)
{
    return a.begin < b.end && b.begin < a.end;
}

/* On the real clock. No upper bound is asked of it, as a busy machine may stop it. */
TEST(in_a_runtime)
{
    struct page page;
    CHECK_EQ(bide_run(bide_async(sequential, 42, &page)), 0);
    check_page(&page, "User(42)", "Post1 by 42", "Post2 by 42");
    CHECK(page.posts_when.begin >= page.user_when.end);
    CHECK(page.whole.end - page.whole.begin >= 18 * BIDE_MS);
    CHECK_EQ(bide_run(bide_async(concurrent, 99, &page)), 0);
    check_page(&page, "User(99)", "Post1 by 99", "Post2 by 99");
    CHECK(overlap(page.user_when, page.posts_when));
    CHECK(page.whole.end - page.whole.begin >= 10 * BIDE_MS);
}

TEST(outside_a_runtime)
{
    struct page page;
    CHECK_EQ(sequential(42, &page), 0); /* plain calls: the same functions block */
    check_page(&page, "User(42)", "Post1 by 42", "Post2 by 42");
    CHECK_EQ(concurrent(99, &page), 0);
    check_page(&page, "User(99)", "Post1 by 99", "Post2 by 99");
    CHECK(overlap(page.user_when, page.posts_when));
}

TEST_MAIN()
