// expect: elements of out\[\] are not of the type of the value
#include <bide/bide.h>

int twice(int x);
BIDE_ASYNC(int, twice, int)

int all(void)
{
    int in[3] = { 1, 2, 3 };
#ifdef CONTROL
    int out[3];
#else
    long out[3];
#endif
    return bide_await(bide_map(twice, in, 3, out, 0)) + (int)out[2];
}
