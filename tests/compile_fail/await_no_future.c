// expect: await_no_future\.c:[0-9]+
#include <bide/bide.h>

int add(int a, int b);
BIDE_ASYNC(int, add, int, int)

int sum(void)
{
#ifdef CONTROL
    return bide_await(bide_async(add, 1, 2));
#else
    return bide_await(add(1, 2));
#endif
}
