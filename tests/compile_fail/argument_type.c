// expect: argument_type\.c:[0-9]+:.*(makes integer from pointer|incompatible pointer to integer)
#include <bide/bide.h>

int add(int a, int b);
BIDE_ASYNC(int, add, int, int)

int sum(void)
{
#ifdef CONTROL
    return bide_run(bide_async(add, 1, 2));
#else
    return bide_run(bide_async(add, 1, "2"));
#endif
}
