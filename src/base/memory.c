#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

bool (*bide__fault)(void);

void *bide__alloc(size_t size)
{
    return bide__faulted() ? NULL : malloc(size);
}

void *bide__alloc_zero(size_t size)
{
    return bide__faulted() ? NULL : calloc(1, size);
}

void *bide__realloc(void *p, size_t size)
{
    return bide__faulted() ? NULL : realloc(p, size);
}

void bide__free(void *p)
{
    free(p);
}

void *bide__map(size_t size)
{
    if (bide__faulted())
        return NULL;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void bide__unmap(void *p, size_t size)
{
    munmap(p, size);
}

/* A chunk begins with a link to the one before; the rest is cut into blocks of one size. */
void *bide__slab_refill(struct bide__slab *slab, size_t size)
{
    if (size > BIDE__SLAB_MAX)
        return bide__alloc(size);
    size_t at = (size - 1) / BIDE__SLAB_STEP;
    size_t block = (at + 1) * BIDE__SLAB_STEP;
    char *chunk = bide__alloc(BIDE__SLAB_CHUNK);
    if (!chunk)
        return NULL;
    *(void **)chunk = slab->chunks;
    slab->chunks = chunk;
    void *list = NULL;
    for (size_t i = (BIDE__SLAB_CHUNK - BIDE__SLAB_STEP) / block; i-- > 0;) {
        void *p = chunk + BIDE__SLAB_STEP + i * block;
        *(void **)p = list;
        list = p;
    }
    slab->free[at] = *(void **)list;
    return list;
}

void bide__slab_release(struct bide__slab *slab)
{
    while (slab->chunks) {
        void *chunk = slab->chunks;
        slab->chunks = *(void **)chunk;
        bide__free(chunk);
    }
}
