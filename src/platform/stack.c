#include "platform/stack.h"

#include "base/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { SLAB_STACKS_MIN = 16, SLAB_STACKS_MAX = 4096, STAGGER_STEP = 64, STAGGER_COUNT = 16 };

struct bide__slab_map {
    struct bide__slab_map *older;
    char *start;
    size_t size;
};

int bide__stacks_init(struct bide__stacks *stacks, size_t usable)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (usable < 4 * page)
        usable = 4 * page;
    if (usable > SIZE_MAX / (2 * SLAB_STACKS_MAX))
        return -EINVAL;
    usable = (usable + page - 1) / page * page;
    size_t pages = usable / page + 1;
    if (pages % 2 == 0)
        pages++;
    *stacks = (struct bide__stacks){ .usable = usable, .stride = pages * page, .page = page };
    return 0;
}

void bide__stacks_release(struct bide__stacks *stacks)
{
    while (stacks->slabs) {
        struct bide__slab_map *slab = stacks->slabs;
        stacks->slabs = slab->older;
        bide__unmap(slab->start, slab->size);
        bide__free(slab);
    }
    bide__free(stacks->released);
}

static int add_slab(struct bide__stacks *stacks)
{
    size_t count = stacks->count ? stacks->count * 2 : SLAB_STACKS_MIN;
    if (count > SLAB_STACKS_MAX)
        count = SLAB_STACKS_MAX;
    struct bide__slab_map *slab = bide__alloc(sizeof(*slab));
    if (!slab)
        return -ENOMEM;
    slab->size = count * stacks->stride;
    slab->start = bide__map(slab->size);
    if (!slab->start) {
        bide__free(slab);
        return -ENOMEM;
    }
    /* A huge page would be memory for a dozen stacks at the first touch of one. */
    madvise(slab->start, slab->size, MADV_NOHUGEPAGE);
    slab->older = stacks->slabs;
    stacks->slabs = slab;
    stacks->next = 0;
    stacks->count = count;
    __atomic_store_n(&stacks->mapped, stacks->mapped + slab->size, __ATOMIC_RELAXED);
    return 0;
}

static int install_guard(struct bide__stacks *stacks, char *start, size_t size)
{
    if (!stacks->guard_by_mprotect) {
        if (madvise(start, size, MADV_GUARD_INSTALL) == 0)
            return 0;
        stacks->guard_by_mprotect = 1;
    }
    return mprotect(start, size, PROT_NONE) == 0 ? 0 : -errno;
}

char *bide__stack_get(struct bide__stacks *stacks)
{
    if (stacks->released_count)
        return stacks->released[--stacks->released_count];
    if (stacks->next == stacks->count && add_slab(stacks) < 0)
        return NULL;
    char *slot = stacks->slabs->start + stacks->next * stacks->stride;
    size_t guard = stacks->stride - stacks->usable;
    if (bide__faulted() || install_guard(stacks, slot, guard) < 0)
        return NULL;
    stacks->next++;
    return slot + guard;
}

int bide__stack_put(struct bide__stacks *stacks, char *bottom)
{
    if (stacks->released_count == stacks->released_room) {
        size_t room = stacks->released_room ? 2 * stacks->released_room : 64;
        char **released = bide__realloc(stacks->released, room * sizeof(*released));
        if (!released)
            return -ENOMEM;
        stacks->released = released;
        stacks->released_room = room;
    }
    madvise(bottom, stacks->usable, MADV_DONTNEED);
    stacks->released[stacks->released_count++] = bottom;
    return 0;
}

size_t bide__stack_stagger(const struct bide__stacks *stacks, const char *bottom)
{
    return (size_t)bottom / stacks->stride % STAGGER_COUNT * STAGGER_STEP;
}

bool bide__stack_guards(const struct bide__stacks *stacks, const void *address, char **ret_bottom)
{
    const char *at = address;
    for (const struct bide__slab_map *slab = stacks->slabs; slab; slab = slab->older) {
        if (at < slab->start || at >= slab->start + slab->size)
            continue;
        size_t offset = (size_t)(at - slab->start);
        size_t guard = stacks->stride - stacks->usable;
        *ret_bottom = slab->start + offset / stacks->stride * stacks->stride + guard;
        return offset % stacks->stride < guard;
    }
    return false;
}
