// expect: hedge_no_future\.c:[0-9]+
#include <bide/bide.h>

int add(int a, int b);
BIDE_ASYNC(int, add, int, int)

int sum(void)
{
#ifdef CONTROL
    return bide_await(bide_hedge(bide_async(add, 1, 2), NULL));
#else
    return bide_await(bide_hedge(add(1, 2), NULL));
#endif
}
