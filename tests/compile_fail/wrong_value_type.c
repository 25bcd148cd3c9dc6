// expect: incompatible types when init|initializing .int. with an expression of incompatible type
#include <bide/bide.h>

struct user {
    char name[32];
};

struct user fetch_user(int id);
BIDE_ASYNC(struct user, fetch_user, int)

int name_length(void)
{
#ifdef CONTROL
    struct user user = bide_run(bide_async(fetch_user, 1));
    return user.name[0];
#else
    int length = bide_run(bide_async(fetch_user, 1));
    return length;
#endif
}
