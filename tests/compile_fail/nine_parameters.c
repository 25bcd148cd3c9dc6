// expect: nine_parameters\.c:[0-9]+
#include <bide/bide.h>

#ifdef CONTROL
int eight(int a, int b, int c, int d, int e, int f, int g, int h);
BIDE_ASYNC(int, eight, int, int, int, int, int, int, int, int)
#else
int nine(int a, int b, int c, int d, int e, int f, int g, int h, int i);
BIDE_ASYNC(int, nine, int, int, int, int, int, int, int, int, int)
#endif

int use(void)
{
#ifdef CONTROL
    return bide_run(bide_async(eight, 1, 2, 3, 4, 5, 6, 7, 8));
#else
    return bide_run(bide_async(nine, 1, 2, 3, 4, 5, 6, 7, 8, 9));
#endif
}
