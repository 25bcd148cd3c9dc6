// expect: try_join takes futures whose value is an int or ssize_t
#include <bide/bide.h>

struct user {
    char name[32];
};

struct user fetch_user(int id);
BIDE_ASYNC(struct user, fetch_user, int)

int both(void)
{
    bide_let a = bide_async(fetch_user, 1);
    bide_let b = bide_async(bide_sleep, BIDE_MS);
#ifdef CONTROL
    return bide_join(&a, &b);
#else
    return bide_try_join(&a, &b);
#endif
}
