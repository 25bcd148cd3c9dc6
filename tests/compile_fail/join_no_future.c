// expect: join_no_future\.c:[0-9]+
#include <bide/bide.h>

struct plain {
    int value;
};

int wait_for(struct plain *p)
{
#ifdef CONTROL
    (void)p;
    return bide_join(bide_async(bide_sleep, BIDE_MS));
#else
    return bide_join(p);
#endif
}
