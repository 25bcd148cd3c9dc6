/*
 * base/memory.h - where all of bide's memory and kernel resources come from, so that a test can
 * make every one of them fail in turn.
 */
#ifndef BIDE_BASE_MEMORY_H
#define BIDE_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* NULL, or a test's: asked before each acquisition; true makes it fail. Called from any thread. */
extern bool (*bide__fault)(void);

static inline bool bide__faulted(void)
{
    return __builtin_expect(bide__fault != NULL, 0) && bide__fault();
}

/* As malloc, calloc, realloc and free. */
void *bide__alloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *bide__alloc_zero(size_t size) __attribute__((malloc, alloc_size(1)));
void *bide__realloc(void *p, size_t size);
void bide__free(void *p);

/* Zeroed, page-aligned address space that takes memory only where it is touched, or NULL. */
void *bide__map(size_t size);
void bide__unmap(void *p, size_t size);

/*
 * A slab hands out small blocks of one thread from free lists, one list for each 64 bytes of
 * size. Blocks larger than BIDE__SLAB_MAX come from bide__alloc. Chunks go back at the slab's end.
 */
enum { BIDE__SLAB_STEP = 64, BIDE__SLAB_MAX = 1024, BIDE__SLAB_CHUNK = 64 * 1024 };

struct bide__slab {
    void *free[BIDE__SLAB_MAX / BIDE__SLAB_STEP];
    void *chunks;
};

void *bide__slab_refill(struct bide__slab *slab, size_t size);
void bide__slab_release(struct bide__slab *slab);

static inline void *bide__slab_get(struct bide__slab *slab, size_t size)
{
    size_t at = (size - 1) / BIDE__SLAB_STEP;
    if (__builtin_expect(size <= BIDE__SLAB_MAX && slab->free[at] != NULL, 1)) {
        void *p = slab->free[at];
        slab->free[at] = *(void **)p;
        return p;
    }
    return bide__slab_refill(slab, size);
}

static inline void bide__slab_put(struct bide__slab *slab, void *p, size_t size)
{
    if (size > BIDE__SLAB_MAX) {
        bide__free(p);
        return;
    }
    size_t at = (size - 1) / BIDE__SLAB_STEP;
    *(void **)p = slab->free[at];
    slab->free[at] = p;
}

#endif
