#include "loops.h"
#include "opaque.h"

#include <bide/bide.h>

static void yield_often(long n)
{
    for (long i = 0; i < n; i++)
        bide_yield();
}
BIDE_ASYNC_VOID(yield_often, long)

void yield_in_turns(void *unused, long n)
{
    (void)unused;
    bide_join(bide_async(yield_often, n / 2), bide_async(yield_often, n / 2));
}

BIDE_ASYNC_VOID(nothing)

void spawn_nothings(void *unused, long n)
{
    (void)unused;
    for (long i = 0; i < n; i += BATCH) {
        BIDE_SCOPE(s) {
            for (int k = 0; k < BATCH; k++)
                bide_spawn(&s, bide_async(nothing));
        }
    }
}
