// expect: retry takes a future whose value is an int or ssize_t
#include <bide/bide.h>

struct user {
    char name[32];
};

struct user fetch_user(int id);
BIDE_ASYNC(struct user, fetch_user, int)

int fetch(void)
{
#ifdef CONTROL
    bide_let f = bide_hedge(bide_async(fetch_user, 1), NULL);
#else
    bide_let f = bide_retry(bide_async(fetch_user, 1), NULL);
#endif
    return bide_within(BIDE_S, &f);
}
