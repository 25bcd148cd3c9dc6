// expect: too_many_arguments\.c:[0-9]+:.*too many arguments to function
#include <bide/bide.h>

int add(int a, int b);
BIDE_ASYNC(int, add, int, int)

int sum(void)
{
#ifdef CONTROL
    return bide_run(bide_async(add, 1, 2));
#else
    return bide_run(bide_async(add, 1, 2, 3));
#endif
}
