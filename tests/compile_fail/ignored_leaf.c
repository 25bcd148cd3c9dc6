// expect: ignored_leaf\.c:[0-9]+:.*(unused-result|ignoring return value)
#include <bide/bide.h>

void doze(void)
{
#ifdef CONTROL
    bide_await(bide_async(bide_sleep, BIDE_S));
#else
    bide_async(bide_sleep, BIDE_S);
#endif
}
