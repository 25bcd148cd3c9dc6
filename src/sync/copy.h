/* sync/copy.h - copying the values that channels and the like carry. */
#ifndef BIDE_SYNC_COPY_H
#define BIDE_SYNC_COPY_H

#include <stddef.h>
#include <string.h>

/* Most are a number or a pointer, or two: those take no call of memcpy. */
static inline void bide__copy(void *to, const void *from, size_t size)
{
    switch (size) {
    case 0:
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    default:
        memcpy(to, from, size);
    }
}

#endif
