// expect: try_join takes futures whose value is an int or ssize_t
#include <bide/bide.h>

double measure(int id);
BIDE_ASYNC(double, measure, int)

int all(void)
{
    struct measure_future f[2] = { bide_async(measure, 1), bide_async(measure, 2) };
#ifdef CONTROL
    return bide_join_all(f, 2);
#else
    return bide_try_join_all(f, 2);
#endif
}
