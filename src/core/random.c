#include "core/internal.h"

#include <bide/random.h>

uint64_t bide_random(void)
{
    struct bide__reactor *reactor = bide__reactor_here();
    return reactor ? reactor->ops->random(reactor) : bide__kernel_random(NULL);
}
