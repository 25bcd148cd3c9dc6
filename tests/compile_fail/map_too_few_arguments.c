// expect: map_too_few_arguments\.c:[0-9]+:.*too few arguments
#include <bide/bide.h>

int add(int x, int y);
BIDE_ASYNC(int, add, int, int)

int all(void)
{
    int in[3] = { 1, 2, 3 }, out[3];
#ifdef CONTROL
    return bide_await(bide_map(add, in, 3, out, 0, 10)) + out[2];
#else
    return bide_await(bide_map(add, in, 3, out, 0)) + out[2];
#endif
}
