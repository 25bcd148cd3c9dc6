// expect: argument 1 of .count. from incompatible pointer|incompatible pointer types passing
#include <bide/bide.h>

int count(const char *text);
#ifdef CONTROL
BIDE_ASYNC(int, count, const char *)
#else
BIDE_ASYNC(int, count, int *)
#endif

int use(void);
int use(void)
{
#ifdef CONTROL
    return bide_run(bide_async(count, "abc"));
#else
    return bide_run(bide_async(count, &(int){ 0 }));
#endif
}
