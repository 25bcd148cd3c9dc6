// expect: try_map takes a function whose value is an int or ssize_t
#include <bide/bide.h>

struct user {
    char name[32];
};

struct user fetch_user(int id);
BIDE_ASYNC(struct user, fetch_user, int)

int all(void)
{
    int in[3] = { 1, 2, 3 };
    struct user out[3];
#ifdef CONTROL
    return bide_await(bide_map(fetch_user, in, 3, out, 0)) + out[2].name[0];
#else
    return bide_await(bide_try_map(fetch_user, in, 3, out, 0)) + out[2].name[0];
#endif
}
