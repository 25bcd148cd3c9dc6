/*
 * http/memory.c - blocks of one size, recycled by each server, and the arena of a request.
 *
 * All memory of the library comes from the two functions at the top, so that a test can make each
 * allocation fail.
 */
#include "memory.h"
#include <stdlib.h>

bool (*bide__http_fault)(void);

void *bide__http_malloc(size_t size)
{
    if (BIDE__UNLIKELY(bide__http_fault != NULL) && bide__http_fault())
        return NULL;
    return malloc(size);
}

void *bide__http_calloc(size_t count, size_t size)
{
    if (BIDE__UNLIKELY(bide__http_fault != NULL) && bide__http_fault())
        return NULL;
    return calloc(count, size);
}

struct bide__http_block *bide__http_block_get(struct bide__http_pool *pool)
{
    struct bide__http_block *block = pool->free;
    if (!block)
        return bide__http_malloc(sizeof(*block));
    pool->free = block->next;
    pool->count--;
    return block;
}

void bide__http_block_put(struct bide__http_pool *pool, struct bide__http_block *block)
{
    if (pool->count == BIDE__HTTP_BLOCKS_KEPT) {
        free(block);
        return;
    }
    block->next = pool->free;
    pool->free = block;
    pool->count++;
}

void bide__http_pool_release(struct bide__http_pool *pool)
{
    while (pool->free) {
        struct bide__http_block *block = pool->free;
        pool->free = block->next;
        free(block);
    }
    pool->count = 0;
}

void *bide__http_arena_alloc(struct bide__http_arena *arena, size_t size)
{
    size_t align = _Alignof(max_align_t);
    if (size > BIDE__HTTP_BLOCK / 4) {
        struct bide__http_large *large =
            size < PTRDIFF_MAX ? bide__http_malloc(sizeof(*large) + size) : NULL;
        if (!large)
            return NULL;
        large->next = arena->large;
        arena->large = large;
        return large->data;
    }
    size = (size + align - 1) & ~(align - 1);
    if (!arena->blocks || size > sizeof(arena->blocks->data) - arena->used) {
        struct bide__http_block *block = bide__http_block_get(arena->pool);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = -(uintptr_t)block->data & (align - 1);
    }
    void *p = arena->blocks->data + arena->used;
    arena->used += size;
    return p;
}

void bide__http_arena_reset_slow(struct bide__http_arena *arena)
{
    while (arena->blocks) {
        struct bide__http_block *block = arena->blocks;
        arena->blocks = block->next;
        bide__http_block_put(arena->pool, block);
    }
    while (arena->large) {
        struct bide__http_large *large = arena->large;
        arena->large = large->next;
        free(large);
    }
    arena->used = 0;
}
