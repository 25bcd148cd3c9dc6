/* Values of more than 255 bytes: clang warned about each of their types. */
#include "test.h"

#include <bide/keywords.h>

struct page {
    int size;
    char text[4000];
};

static struct page make(int size)
{
    struct page page = { .size = size };
    bide_yield();
    return page;
}
ASYNC(struct page, make, int)

static struct page grow(struct page page, int more)
{
    page.size += more;
    return page;
}
ASYNC(struct page, grow, struct page, int)

BIDE_THEN(make_larger, make, grow, int)

static int run(void)
{
    let twice = bide_then(async(make, 1), grow, 2);
    CHECK_OR(await(bide_hedge(twice, NULL)).size == 3, -1);
    CHECK_OR(await(async(make_larger, async(make, 3), 4)).size == 7, -1);

    BIDE_PROMISE(struct page) promise;
    bide_promise_init(&promise);
    bide_resolve(&promise, make(5));
    CHECK_OR(await(&promise).size == 5, -1);

    const int sizes[] = { 1, 2 };
    struct page pages[2];
    CHECK_OR(await(bide_map(make, sizes, 2, pages, 2)) == 0, -1);
    return pages[1].size;
}
ASYNC(int, run)

TEST(in_all_kinds_of_futures)
{
    CHECK_EQ(bide_run(async(run)), 2);
}

TEST_MAIN()
