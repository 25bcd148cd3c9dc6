// expect: elements of in\[\] are not of the type of the first parameter
#include <bide/bide.h>

int twice(int x);
BIDE_ASYNC(int, twice, int)

int all(void)
{
#ifdef CONTROL
    int in[3] = { 1, 2, 3 };
#else
    long in[3] = { 1, 2, 3 };
#endif
    int out[3];
    return bide_await(bide_map(twice, in, 3, out, 0)) + out[2];
}
