// expect: too many arguments to function
#include <bide/bide.h>

int one(void);
BIDE_ASYNC(int, one)

int get(void)
{
#ifdef CONTROL
    return bide_run(bide_async(one));
#else
    return bide_run(bide_async(one, 1));
#endif
}
