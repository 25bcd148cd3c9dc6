// expect: incompatible pointer type
#include <bide/bide.h>

int measure(const char *text);
BIDE_ASYNC(int, measure, const char *)

int all(void)
{
#ifdef CONTROL
    char *in[1] = { NULL };
#else
    int *in[1] = { NULL };
#endif
    int out[1];
    return bide_await(bide_map(measure, in, 1, out, 0)) + out[0];
}
