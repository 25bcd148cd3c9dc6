#include "platform/descriptors.h"

uint32_t bide__generations[BIDE__DESCRIPTORS];

static void advance(int fd, uint32_t to)
{
    if ((uint32_t)fd < BIDE__DESCRIPTORS)
        __atomic_store_n(&bide__generations[fd], to, __ATOMIC_RELAXED);
}

void bide__descriptor_opened(int fd)
{
    advance(fd, (bide__generation(fd) + 1) | 1);
}

void bide__descriptor_closing(int fd)
{
    advance(fd, (bide__generation(fd) | 1) + 1);
}
