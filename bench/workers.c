/* workers.c - until the workers of a runtime run. */
#include "core.h"

#include <bide/bide.h>

static int nothing_yet(void)
{
    return 0;
}
BIDE_ASYNC(int, nothing_yet)

void core_wait_for_workers(unsigned count)
{
    struct bide_stats stats = { 0 };

    while (stats.workers < count) {
        BIDE_SCOPE(s)
            bide_spawn_parallel(&s, bide_async(nothing_yet));
        bide_sleep(BIDE_MS);
        bide_get_stats(&stats);
    }
}
